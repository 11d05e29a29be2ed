#include "distri/peer/agent.hpp"

#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

bool is_answer(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kTooLarge:
    case Code::kCancelled:
    case Code::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

bool is_away(const Error& error) {
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kConnectionLost:
    case Code::kDeadlineExceeded:
    case Code::kIndeterminate:
    case Code::kBusy:
    case Code::kBehind:
    case Code::kUnauthenticated:
    case Code::kProtocolError:
      return true;
    default:
      return false;
  }
}

void Change::add(Change more) {
  pages.merge(more.pages);
  std::ranges::move(more.events, std::back_inserter(events));
  std::ranges::move(more.troubles, std::back_inserter(troubles));
  std::ranges::move(more.ended, std::back_inserter(ended));
  wake = wake || more.wake;
  fetch = fetch || more.fetch;
}

// ---- Life

Agent::Agent(SigningKey key, AgentOptions options, PeerBooks books)
    : key_(std::move(key)), self_(key_.public_key()), options_(std::move(options)), books_(std::move(books)) {
  const Ledger::Effects unfinished = books_.ledger.unfinished();
  for (const Grant& grant : unfinished.publish) outbox_.grants.emplace(grant.id, 0);
  for (const ViewKey& each : unfinished.place) {
    outbox_.place.emplace(KeyPlace(each.grant, each.serial), each);
    outbox_.doubtful.emplace(each.grant, each.serial);
  }
  for (const auto& each : unfinished.take_out) outbox_.take_out.emplace(each.grant, each.serial);
  for (const auto& [id, entry] : books_.ledger.entries()) {
    if (entry.state() == Entry::State::kGranted) escrow_due_.insert(id);
  }
  for (const auto& [id, holding] : books_.holdings.all()) {
    // Of what was answered the owner has the request.
    if (holding.state() == Holding::State::kWaiting || holding.state() == Holding::State::kWithdrawn) {
      outbox_.requests.emplace(id, 0);
    }
    if (holding.state() == Holding::State::kGranted) pictures_due_.emplace(id, Pause());
    for (const auto& [serial, at_ms] : holding.to_withdraw) outbox_.withdraw.emplace(id, serial);
  }
}

void Agent::start(std::vector<Address> addresses, std::int64_t wall_ms) {
  User record;
  record.name = options_.name;
  record.addresses = addresses_ = std::move(addresses);
  life_ = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms, 1));
  record.version = life_;
  user_ = sign(std::move(record), key_);
  outbox_.user = true;
}

// ---- What the user does

Result<Agent::Asked> Agent::request(std::uint64_t random, const PublicKey& owner, std::string resource,
                                    std::uint32_t views, std::int64_t wall_ms) {
  DISTRI_TRY(const Request made, books_.holdings.request(random, owner, std::move(resource), views, wall_ms));
  outbox_.requests[made.id] = 0;
  return Asked{made.id, settle_holding(made.id, true)};
}

Result<Change> Agent::withdraw(const GrantId& id) {
  DISTRI_TRY_VOID(books_.holdings.withdraw(id));
  outbox_.requests[id] = 0;
  return settle_holding(id, true);
}

Result<Change> Agent::approve(const GrantId& id, std::uint32_t views, Ledger::SealedImage image) {
  return settled(id, books_.ledger.approve(id, views, std::move(image)));
}

Result<Change> Agent::refuse(const GrantId& id) {
  return settled(id, books_.ledger.refuse(id));
}

Result<Change> Agent::change_views(const GrantId& id, std::uint32_t views) {
  return settled(id, books_.ledger.change_views(id, views));
}

Result<Change> Agent::revoke(const GrantId& id) {
  return settled(id, books_.ledger.revoke(id));
}

Result<Change> Agent::forget(const GrantId& id) {
  if (outbox_.requests.contains(id) || outbox_.grants.contains(id)) {
    return fail(Code::kUnavailable, "request {}: what ended it was not told to everybody yet; try again later",
                id.short_hex());
  }
  if (books_.holdings.find(id) == nullptr) return settled(id, books_.ledger.forget(id));
  DISTRI_TRY_VOID(books_.holdings.forget(id));
  return settle_holding(id, true);
}

Result<Change> Agent::trust(std::string_view name, const PublicKey& key) {
  DISTRI_TRY_VOID(books_.contacts.trust(name, key));
  books_.has_changed(Page::contacts());
  Change change;
  change.pages.insert(Page::contacts());
  return change;
}

Change Agent::refresh() {
  look_pause_ = {};
  away_.clear();
  for (auto& [id, pause] : pictures_due_) pause = {};
  reconciled_ms_ = 0;
  Change change;
  change.wake = true;
  return change;
}

// ---- What follows from a change

Change Agent::settle(const GrantId& id, const Ledger::Effects& effects) {
  for (const Grant& grant : effects.publish) outbox_.grants.emplace(grant.id, 0);
  for (const ViewKey& each : effects.place) outbox_.place.insert_or_assign(KeyPlace(each.grant, each.serial), each);
  for (const auto& each : effects.take_out) {
    give_up_placing({each.grant, each.serial}, false);
    outbox_.take_out.emplace(each.grant, each.serial);
  }
  Change change;
  change.pages.insert(Page::entry(id));
  // Precondition of what waits for the disk: there is something to be written.
  DISTRI_CHECK(effects.changed || effects.events.empty());
  for (const Ledger::Event& event : effects.events) change.events.push_back(event_of(event));
  if (!effects.changed) return change;
  escrow_due_.insert(id);
  books_.has_changed(Page::entry(id));
  change.wake = true;
  return change;
}

Change Agent::settle_holding(const GrantId& id, bool news) {
  if (news) books_.has_changed(Page::holding(id));
  const Holding* holding = books_.holdings.find(id);
  if (holding == nullptr || holding->state() != Holding::State::kGranted) pictures_due_.erase(id);
  Change change;
  change.pages.insert(Page::holding(id));
  return change;
}

Result<Change> Agent::settled(const GrantId& id, const Result<Ledger::Effects>& effects) {
  if (!effects) return fail(effects.error());
  return settle(id, *effects);
}

Change Agent::settled_or_trouble(const GrantId& id, const Result<Ledger::Effects>& effects, std::string_view meaning) {
  if (effects) return settle(id, *effects);
  const std::string& why = effects.error().message;
  Change change;
  change.troubles.push_back(meaning.empty() ? why : fmt::format("grant {}: {}: {}", id.short_hex(), meaning, why));
  return change;
}

PeerEvent Agent::event_of(const Ledger::Event& event) const {
  static constexpr std::pair<Ledger::Event::Kind, PeerEvent::Kind> kKinds[] = {
      {Ledger::Event::Kind::kRequested, PeerEvent::Kind::kRequested},
      {Ledger::Event::Kind::kRequestChanged, PeerEvent::Kind::kRequestChanged},
      {Ledger::Event::Kind::kWithdrawn, PeerEvent::Kind::kWithdrawn},
      {Ledger::Event::Kind::kViewed, PeerEvent::Kind::kViewed},
      {Ledger::Event::Kind::kEscrowUsed, PeerEvent::Kind::kEscrowUsed},
      {Ledger::Event::Kind::kDoubleUse, PeerEvent::Kind::kDoubleUse},
      {Ledger::Event::Kind::kUsedAfterTakenBack, PeerEvent::Kind::kUsedAfterTakenBack},
      {Ledger::Event::Kind::kNotUsed, PeerEvent::Kind::kNotUsed},
  };
  PeerEvent told;
  told.kind = std::ranges::find(kKinds, event.kind, [](const auto& pair) { return pair.first; })->second;
  told.id = event.grant;
  told.serial = event.serial;
  if (const Entry* entry = books_.ledger.find(event.grant)) {
    told.user = entry->request.owner;
    told.resource = entry->request.resource;
  }
  return told;
}

// ---- What is known

std::string Agent::name_of(const PublicKey& of) const {
  const Contact* contact = books_.contacts.find(of);
  return contact != nullptr && !contact->names.empty() ? contact->names.back() : of.hex();
}

std::size_t Agent::untold() const {
  return outbox_.requests.size() + outbox_.grants.size() + outbox_.offers.size() + (outbox_.user ? 1 : 0) +
         outbox_.place.size() + outbox_.take_out.size() + outbox_.withdraw.size() + escrow_due_.size();
}

Delivery Agent::delivery(const GrantId& id) const {
  const Holding* holding = books_.holdings.find(id);
  if (const auto found = outbox_.requests.find(id); found != outbox_.requests.end() && holding != nullptr) {
    return found->second >= holding->request.version ? Delivery::kToldDirectly : Delivery::kKeptHere;
  }
  const Entry* entry = books_.ledger.find(id);
  if (const auto found = outbox_.grants.find(id); found != outbox_.grants.end() && entry != nullptr && entry->grant) {
    return found->second >= entry->grant->version ? Delivery::kToldDirectly : Delivery::kKeptHere;
  }
  return options_.has_cloud ? Delivery::kWaitingInCloud : Delivery::kToldDirectly;
}

}  // namespace distri::peer
