// What an Agent has to tell: to other peers directly, and to the cloud.
#include <algorithm>

#include "distri/peer/agent.hpp"

namespace distri::peer {

RequestId repeatable(std::string_view what, std::string_view of, const SigningKey& key) {
  const auto secret = key.sign(fmt::format("distri peer {}", what), of);
  const Hash256 hash = blake2b_256(secret.view());
  return RequestId::from_view({reinterpret_cast<const char*>(hash.data()), RequestId::kSize});
}

std::vector<Todo> Agent::todo() const {
  std::vector<Todo> all;
  for (const auto& [id, told] : outbox_.requests) all.push_back({Todo::Kind::kRequest, id, {}});
  for (const auto& [id, told] : outbox_.grants) all.push_back({Todo::Kind::kGrant, id, {}});
  if (!options_.has_cloud || cloud_away_) return all;
  if (outbox_.user) all.push_back({Todo::Kind::kUser, {}, {}});
  for (const std::string& name : outbox_.offers) all.push_back({Todo::Kind::kOffer, {}, name});
  for (const auto& [place, key] : outbox_.place) all.push_back({Todo::Kind::kPlaceKey, place.first, {}, place.second});
  for (const auto& [id, serial] : outbox_.take_out) all.push_back({Todo::Kind::kTakeOutKey, id, {}, serial});
  for (const auto& [id, serial] : outbox_.withdraw) all.push_back({Todo::Kind::kWithdrawReceipt, id, {}, serial});
  return all;
}

std::optional<Page> Todo::page() const {
  switch (kind) {
    case Kind::kRequest:
    case Kind::kWithdrawReceipt:
      return Page::holding(id);
    case Kind::kGrant:
    case Kind::kPlaceKey:
    case Kind::kTakeOutKey:
      return Page::entry(id);
    case Kind::kUser:
    case Kind::kOffer:
      break;
  }
  return std::nullopt;
}

std::optional<Errand> Agent::errand(const Todo& todo, Patience patience, std::int64_t now_ms) {
  if (const auto page = todo.page(); page && !books_.is_saved(*page)) return std::nullopt;
  const KeyPlace place(todo.id, todo.serial);
  switch (todo.kind) {
    case Todo::Kind::kRequest: {
      const Holding* holding = books_.holdings.find(todo.id);
      return sending(holding == nullptr ? nullptr : &holding->request, todo.id, patience, now_ms);
    }
    case Todo::Kind::kGrant: {
      const Entry* entry = books_.ledger.find(todo.id);
      return sending(entry == nullptr || !entry->grant ? nullptr : &*entry->grant, todo.id, patience, now_ms);
    }
    default:
      break;
  }
  if (!options_.has_cloud || cloud_away_) return std::nullopt;
  switch (todo.kind) {
    case Todo::Kind::kUser:
      if (outbox_.user) return Errand{*user_, {}, patience};
      break;
    case Todo::Kind::kOffer:
      if (outbox_.offers.contains(todo.name)) return Errand{offers_.at(todo.name), {}, patience};
      break;
    case Todo::Kind::kPlaceKey:
      return placing(place);
    case Todo::Kind::kTakeOutKey:
      if (outbox_.take_out.contains(place)) return taking_out(place);
      break;
    case Todo::Kind::kWithdrawReceipt:
      return withdrawing(place);
    default:
      break;
  }
  return std::nullopt;
}

// ---- Requests and grants

template <class Record>
std::optional<Errand> Agent::sending(const Record* record, const GrantId& id, Patience patience, std::int64_t now_ms) {
  auto& queue = queue_of(Record());
  if (record == nullptr) queue.erase(id);
  const auto found = queue.find(id);
  if (found == queue.end()) return std::nullopt;
  const bool told = found->second >= record->version;
  auto at = addresses_of(record->to);
  const bool tries = !told && !at.empty() && (patience == Patience::kUser || !is_paused(record->to, now_ms));
  if (tries) return Errand{*record, std::move(at), patience};
  return writing(*record, told, patience);
}

template <class Record>
std::optional<Errand> Agent::writing(const Record& record, bool told, Patience patience) const {
  if (!options_.has_cloud || cloud_away_ || (told && patience == Patience::kUser)) return std::nullopt;
  return Errand{record, {}, patience};
}

const Request* Agent::current(const Request& of) const {
  const Holding* holding = books_.holdings.find(of.id);
  return holding == nullptr ? nullptr : &holding->request;
}

const Grant* Agent::current(const Grant& of) const {
  const Entry* entry = books_.ledger.find(of.id);
  return entry == nullptr || !entry->grant ? nullptr : &*entry->grant;
}

// It is at its goal, which may be the newest version.
template <class Record>
void Agent::finish(const Record& record) {
  const Record* newest = current(record);
  if (newest != nullptr && newest->version == record.version) queue_of(record).erase(record.id);
}

template <class Record>
Agent::Told Agent::told_record(const Record& record, const Errand& errand, const Result<Bytes>& answer,
                               std::int64_t now_ms) {
  Told result{on_call(record.to, answer, now_ms), std::nullopt};
  if (answer && !answer->empty()) {
    auto document = bson::Document::parse(*answer);
    auto grant = document ? read_grant(document->view()) : Result<Grant>(fail(document.error()));
    auto taken = grant ? on_grant(*grant) : Result<Change>(fail(grant.error()));
    if (taken) {
      result.change.add(*std::move(taken));
    } else {
      result.change.troubles.push_back(
          fmt::format("the answer to request {} is not used: {}", record.id.short_hex(), taken.error().message));
    }
  }
  if (answer) {
    auto& queue = queue_of(record);
    if (const auto found = queue.find(record.id); found != queue.end()) {
      found->second = std::max(found->second, record.version);
    }
    if (!options_.has_cloud) finish(record);
    if (errand.patience == Patience::kUser) result.change.wake = true;
  }
  result.next = writing(record, answer.has_value(), errand.patience);
  return result;
}

Agent::Told Agent::told(const Errand& errand, const Result<Bytes>& answer, std::int64_t now_ms) {
  if (const auto* request = std::get_if<Request>(&errand.what)) return told_record(*request, errand, answer, now_ms);
  return told_record(std::get<Grant>(errand.what), errand, answer, now_ms);
}

// ---- The cloud

Change Agent::note_cloud(const Error& error) {
  const bool now_away = error.code != Code::kOk && is_away(error);
  Change change;
  if (std::exchange(cloud_away_, now_away) == now_away) return change;
  PeerEvent event;
  event.kind = now_away ? PeerEvent::Kind::kCloudAway : PeerEvent::Kind::kCloudBack;
  event.text = error.message;
  change.events.push_back(std::move(event));
  if (now_away) return change;
  look_pause_ = {};
  change.wake = true;
  return change;
}

template <class Record>
Change Agent::written_one(const Record& record, const Result<bool>& outcome) {
  Change change;
  if (outcome) {
    finish(record);
  } else if (!is_away(outcome.error())) {
    change.troubles.push_back(
        fmt::format("the cloud does not take {}: {}", record.id.short_hex(), outcome.error().message));
  }
  return change;
}

Change Agent::written_one(const User& record, const Result<bool>& outcome) {
  if (outcome && user_ == record) outbox_.user = false;
  return {};
}

Change Agent::written_one(const CatalogEntry& record, const Result<bool>& outcome) {
  if (outcome && offers_.at(record.name) == record) outbox_.offers.erase(record.name);
  return {};
}

std::optional<Errand> Agent::placing(const KeyPlace& place) {
  const auto found = outbox_.place.find(place);
  if (found == outbox_.place.end()) return std::nullopt;
  const Issue* issue = issue_of(place);
  if (issue == nullptr || issue->kind != Issue::Kind::kPlacing) {
    give_up_placing(place, false);
    return std::nullopt;
  }
  if (outbox_.doubtful.contains(place)) return taking_out(place);
  return Errand{found->second, {}, Patience::kKeeper};
}

const Issue* Agent::issue_of(const KeyPlace& place) const {
  const auto& [id, serial] = place;
  const Entry* entry = books_.ledger.find(id);
  return entry != nullptr && serial >= 1 && serial <= entry->issues.size() ? &entry->issues[serial - 1] : nullptr;
}

// Each time that it comes back it is another request: a node may remember that it was not there the last time.
std::optional<Errand> Agent::taking_out(const KeyPlace& place) const {
  if (outbox_.absent.contains(place)) return std::nullopt;
  const Issue* issue = issue_of(place);
  const std::string which =
      fmt::format("{}:{}:{}", place.first.hex(), place.second, issue == nullptr ? 0 : int{issue->returns});
  return Errand{TakeOut{place, repeatable("takes a view key back", which, key_)}, {}, Patience::kKeeper};
}

std::optional<Errand> Agent::withdrawing(const KeyPlace& place) {
  if (!outbox_.withdraw.contains(place)) return std::nullopt;
  if (auto receipt = books_.holdings.withdrawal(place.first, place.second)) {
    return Errand{*std::move(receipt), {}, Patience::kKeeper};
  }
  outbox_.withdraw.erase(place);
  return std::nullopt;
}

Change Agent::written_one(const ViewKey& key, const Result<bool>& outcome) {
  const KeyPlace place(key.grant, key.serial);
  if (outcome) {
    give_up_placing(place, false);
    Change placed = settled_or_trouble(key.grant, books_.ledger.on_placed(key.grant, key.serial, true));
    placed.pages.clear();  // saved with others: after a crash it is doubtful
    return placed;
  }
  if (outbox_.place.contains(place)) outbox_.doubtful.insert(place);
  Change change;
  if (!is_away(outcome.error())) change.troubles.push_back(outcome.error().message);
  return change;
}

Change Agent::give_up_placing(const KeyPlace& place, bool free) {
  outbox_.place.erase(place);
  outbox_.doubtful.erase(place);
  outbox_.absent.erase(place);
  if (!free) return {};
  return settled_or_trouble(place.first, books_.ledger.on_placed(place.first, place.second, false));
}

// Of what was not there the next look says whether there is a receipt.
Change Agent::note_absent(const KeyPlace& place) {
  outbox_.absent.insert(place);
  look_wanted_ = true;
  Change change;
  change.wake = true;
  return change;
}

// Those of which receipts were read since they were not there.
Change Agent::settle_absent(const std::set<KeyPlace>& absent) {
  Change change;
  for (const KeyPlace& place : absent) {
    if (outbox_.absent.erase(place) == 0) continue;
    const Issue* issue = issue_of(place);
    const bool free =
        issue != nullptr && (issue->kind == Issue::Kind::kPlacing || issue->kind == Issue::Kind::kCallingOff);
    if (free) outbox_.take_out.erase(place);
    change.add(give_up_placing(place, free));
  }
  return change;
}

Change Agent::written_one(const TakeOut& key, const Result<bool>& was_there) {
  const KeyPlace& place = key.place;
  if (!was_there) {
    Change change;
    if (!is_away(was_there.error())) change.troubles.push_back(was_there.error().message);
    return change;
  }
  const Issue* issue = issue_of(place);
  const bool placing = outbox_.place.contains(place) && !outbox_.take_out.contains(place);
  const bool in_doubt = placing || (issue != nullptr && issue->kind == Issue::Kind::kCallingOff);
  if (in_doubt && !*was_there) return note_absent(place);
  if (placing) return give_up_placing(place, true);
  outbox_.take_out.erase(place);
  return settled_or_trouble(place.first, books_.ledger.on_taken_back(place.first, place.second, *was_there));
}

Change Agent::written_one(const Receipt& receipt, const Result<bool>& outcome) {
  if (!outcome) {
    Change change;
    if (!is_away(outcome.error())) change.troubles.push_back(outcome.error().message);
    return change;
  }
  outbox_.withdraw.erase({receipt.grant, receipt.serial});
  // Saved with others: after a crash it is written again.
  if (books_.holdings.withdrawn(receipt.grant, receipt.serial)) books_.has_changed(Page::holding(receipt.grant));
  return {};
}

Change Agent::written(const Errand& errand, const Result<bool>& outcome) {
  return std::visit([&](const auto& what) { return written_one(what, outcome); }, errand.what);
}

}  // namespace distri::peer
