// What is to be told: to the other peer directly, and to the cloud.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

namespace {

// ClientOptions lets a call try until its deadline; a cloud that is away is known to be sooner.
constexpr int kTriesOfNode = 3;

}  // namespace

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

CloudRecords Peer::Impl::cloud() {
  client::CallOptions call;
  call.timeout_ms = options.cloud_ms;
  call.attempts_max = kTriesOfNode * static_cast<int>(options.nodes.size() + 1);
  return CloudRecords(*client, call);
}

void Peer::Impl::note_cloud(const Error& error) {
  const bool now_away = error.code != Code::kOk && is_away(error);
  if (cloud_away.exchange(now_away) == now_away) return;
  PeerEvent event;
  event.kind = now_away ? PeerEvent::Kind::kCloudAway : PeerEvent::Kind::kCloudBack;
  event.text = error.message;
  events.post(std::move(event));
  if (now_away) return;
  const std::lock_guard lock(mutex);
  cloud_pause = {};
  wake_keeper();
}

// ---- Other peers

Result<PeerAt> Peer::Impl::where(const PublicKey& of) const {
  const std::lock_guard lock(mutex);
  const Contact* contact = books.contacts.find(of);
  if (contact == nullptr || contact->user.addresses.empty()) {
    return fail(Code::kUnavailable, "no address of user {} is known", of.short_hex());
  }
  return PeerAt{of, contact->user.addresses};
}

Result<Bytes> Peer::Impl::ask_peer(const PublicKey& of, std::string_view service, const nlohmann::json& params,
                                   BytesView body) {
  DISTRI_TRY(const PeerAt peer, where(of));
  auto answer = direct->call(peer, service, params, body, options.direct_ms);
  if (answer || is_answer(answer.error())) {
    heard_from(of);
  } else if (answer.error().code != Code::kBusy) {
    const std::lock_guard lock(mutex);
    away[of].grow(clock.monotonic_ms(), options.poll_ms, options.retry_ms_max);
  }
  return answer;
}

void Peer::Impl::heard_from(const PublicKey& of) {
  const std::lock_guard lock(mutex);
  if (away.erase(of) == 0) return;
  for (auto& [id, pause] : pictures_due) {
    const Holding* holding = books.holdings.find(id);
    if (holding != nullptr && holding->request.to == of) pause = {};
  }
  wake_keeper();
}

bool Peer::Impl::is_paused(const PublicKey& of) const {
  const std::lock_guard lock(mutex);
  const auto found = away.find(of);
  return found != away.end() && clock.monotonic_ms() < found->second.until_ms;
}

// ---- Requests and grants

namespace {

// Where each of the two kinds of records comes from and goes to.
struct RequestWay {
  static std::map<GrantId, std::uint64_t>& queue(Outbox& outbox) { return outbox.requests; }
  static Page page(const GrantId& id) { return Page::holding(id); }
  static std::optional<Request> current(const PeerBooks& books, const GrantId& id) {
    const Holding* holding = books.holdings.find(id);
    return holding == nullptr ? std::nullopt : std::optional(holding->request);
  }
  static constexpr std::string_view kService = kRequestService;
};
struct GrantWay {
  static std::map<GrantId, std::uint64_t>& queue(Outbox& outbox) { return outbox.grants; }
  static Page page(const GrantId& id) { return Page::entry(id); }
  static std::optional<Grant> current(const PeerBooks& books, const GrantId& id) {
    const Entry* entry = books.ledger.find(id);
    return entry == nullptr ? std::nullopt : entry->grant;
  }
  static constexpr std::string_view kService = kGrantService;
};

}  // namespace

template <class Way>
Delivery Peer::Impl::send(const GrantId& id, Patience patience) {
  Lock lock(mutex);
  if (!keep(lock, Way::page(id))) return Delivery::kKeptHere;  // whoever could not save it has said so
  const auto record = Way::current(books, id);
  auto& queue = Way::queue(outbox);
  if (!record) queue.erase(id);
  if (!queue.contains(id)) return Delivery::kWaitingInCloud;
  const auto version = record->version;
  bool told = queue[id] >= version;
  lock.unlock();

  if (!told && (patience == Patience::kUser || !is_paused(record->to))) {
    const auto answer = ask_peer(record->to, Way::kService, nullptr, to_document(*record).bytes());
    told = answer.has_value();
    if (told && !answer->empty()) {
      auto document = bson::Document::parse(*answer);
      auto grant = document ? read_grant(document->view()) : Result<Grant>(fail(document.error()));
      const Result<> taken = grant ? take_grant(*grant) : Result<>(fail(grant.error()));
      if (!taken)
        trouble(fmt::format("the answer to request {} is not used: {}", id.short_hex(), taken.error().message));
    }
  }
  // The newest version is at its goal.
  const auto finish = [&] {
    const auto newest = Way::current(books, id);
    if (newest && newest->version == version) queue.erase(id);
  };
  if (told) {
    lock.lock();
    if (const auto found = queue.find(id); found != queue.end()) found->second = std::max(found->second, version);
    if (!has_cloud()) finish();
    if (patience == Patience::kUser) wake_keeper();
    lock.unlock();
    if (patience == Patience::kUser || !has_cloud()) return Delivery::kToldDirectly;
  }
  const Delivery else_it_is = told ? Delivery::kToldDirectly : Delivery::kKeptHere;
  if (!has_cloud() || cloud_away) return else_it_is;
  if (const auto put = noted(cloud().put(*record)); !put) {
    if (!is_away(put.error()))
      trouble(fmt::format("the cloud does not take {}: {}", id.short_hex(), put.error().message));
    return else_it_is;
  }
  lock.lock();
  finish();
  return Delivery::kWaitingInCloud;
}

Delivery Peer::Impl::send_request(const GrantId& id, Patience patience) {
  return send<RequestWay>(id, patience);
}

Delivery Peer::Impl::send_grant(const GrantId& id, Patience patience) {
  return send<GrantWay>(id, patience);
}

// ---- All that waits

void Peer::Impl::send_all(bool receipts_read) {
  std::vector<GrantId> requests, grants;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, told] : outbox.requests) requests.push_back(id);
    for (const auto& [id, told] : outbox.grants) grants.push_back(id);
  }
  for (const GrantId& id : requests) {
    if (!stopping) send_request(id, Patience::kKeeper);
  }
  for (const GrantId& id : grants) {
    if (!stopping) send_grant(id, Patience::kKeeper);
  }
  if (!has_cloud() || cloud_away) return;
  send_offers();
  if (receipts_read) place_view_keys();
  take_out_view_keys();
  remove_receipts();
}

// What this user says of himself and of what he has.
void Peer::Impl::send_offers() {
  std::optional<User> record;
  std::vector<CatalogEntry> entries;
  {
    const std::lock_guard lock(mutex);
    if (outbox.user) record = user;
    for (const std::string& name : outbox.offers) entries.push_back(offers.at(name));
  }
  if (record) {
    const auto put = noted(cloud().put(*record));
    const std::lock_guard lock(mutex);
    if (put && user == record) outbox.user = false;
  }
  for (const CatalogEntry& entry : entries) {
    if (stopping || cloud_away) return;
    const auto put = noted(cloud().put(entry));
    const std::lock_guard lock(mutex);
    if (put && offers.at(entry.name) == entry) outbox.offers.erase(entry.name);
  }
}

}  // namespace distri::peer
