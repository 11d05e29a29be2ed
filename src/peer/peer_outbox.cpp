// Errands: what the agent has to tell is told, to the other peer directly, and to the cloud.
#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

namespace {

// ClientOptions lets a call try until its deadline; a cloud that is away is known to be sooner.
constexpr int kTriesOfNode = 3;

}  // namespace

// ---- Other peers

Result<Bytes> Peer::Impl::ask_peer(const PublicKey& of, const std::vector<Address>& at, std::string_view service,
                                   const nlohmann::json& params, BytesView body) {
  return direct->call({of, at}, service, params, body, options.direct_ms);
}

Result<Bytes> Peer::Impl::tell(const Errand& errand) {
  if (const auto* request = std::get_if<Request>(&errand.what)) {
    return ask_peer(request->to, errand.at, kRequestService, nullptr, to_document(*request).bytes());
  }
  const auto& grant = std::get<Grant>(errand.what);
  return ask_peer(grant.to, errand.at, kGrantService, nullptr, to_document(grant).bytes());
}

// ---- The cloud

CloudRecords Peer::Impl::cloud() {
  client::CallOptions call;
  call.timeout_ms = options.cloud_ms;
  call.attempts_max = kTriesOfNode * static_cast<int>(options.nodes.size() + 1);
  return CloudRecords(*client, call);
}

void Peer::Impl::note_cloud(const Error& error) {
  Lock lock(mutex);
  note(agent.note_cloud(error));
}

bool Peer::Impl::is_cloud_away() const {
  const std::lock_guard lock(mutex);
  return agent.is_cloud_away();
}

namespace {

// One for each that an errand may be about.
struct Writing {
  CloudRecords cloud;
  const PublicKey& self;

  template <class Record>
  Result<bool> operator()(const Record& record) {
    return cloud.put(record);
  }
  Result<bool> operator()(const ViewKey& key) { return cloud.place(key); }
  Result<bool> operator()(const TakeOut& key) { return cloud.take_back(self, key); }
};

}  // namespace

Result<bool> Peer::Impl::write(const Errand& errand) {
  return std::visit(Writing{cloud(), self}, errand.what);
}

// ---- All that waits

Delivery Peer::Impl::carry_out(const Todo& todo, Patience patience) {
  Lock lock(mutex);
  // Whoever could not save it has said so.
  if (const auto page = todo.page(); page && !keep(lock, *page)) return Delivery::kKeptHere;
  Delivery so_far = agent.delivery(todo.id);
  auto errand = agent.errand(todo, patience, clock.monotonic_ms());
  while (errand) {
    lock.unlock();
    if (errand->directly()) {
      const auto answer = tell(*errand);
      lock.lock();
      auto told = agent.told(*errand, answer, clock.monotonic_ms());
      settle_or_trouble(lock, std::move(told.change));
      if (answer) so_far = Delivery::kToldDirectly;
      errand = std::move(told.next);
    } else {
      const auto outcome = write(*errand);
      lock.lock();
      note(agent.note_cloud(outcome ? Error{Code::kOk, ""} : outcome.error()));
      settle_or_trouble(lock, agent.written(*errand, outcome));
      if (outcome) so_far = Delivery::kWaitingInCloud;
      errand.reset();
    }
  }
  return so_far;
}

Delivery Peer::Impl::send_request(const GrantId& id) {
  return carry_out({Todo::Kind::kRequest, id, {}}, Patience::kUser);
}

Delivery Peer::Impl::send_grant(const GrantId& id) {
  return carry_out({Todo::Kind::kGrant, id, {}}, Patience::kUser);
}

void Peer::Impl::send_all() {
  std::vector<Todo> all;
  {
    const std::lock_guard lock(mutex);
    all = agent.todo();
  }
  for (const Todo& each : all) {
    if (stopping) return;
    carry_out(each, Patience::kKeeper);
  }
}

}  // namespace distri::peer
