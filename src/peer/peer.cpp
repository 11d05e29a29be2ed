#include "distri/peer/peer.hpp"

#include <algorithm>
#include <filesystem>

#include "distri/net/tls.hpp"
#include "distri/peer/limits.hpp"
#include "distri/peer/names.hpp"
#include "distri/peer/peer_impl.hpp"
#include "distri/utils/key_file.hpp"
#include "distri/utils/random.hpp"

namespace distri::peer {

namespace {

// In one of the two directories, whole and in parts.
constexpr std::size_t kPicturesMax = 1'000'000;

Result<> check_options(const PeerOptions& options) {
  DISTRI_TRY_VOID(check_user_name(options.name));
  if (options.data_directory.empty()) {
    return fail(Code::kInvalidArgument, "data_directory is empty; name the directory for books and pictures");
  }
  if (options.escrow_views > kEscrowMax) {
    return fail(Code::kInvalidArgument, "escrow_views is {}, 0 to {} are allowed", options.escrow_views, kEscrowMax);
  }
  if (options.advertised.size() > kAddressesMax) {
    return fail(Code::kInvalidArgument, "advertised has {} addresses, at most {} are allowed",
                options.advertised.size(), kAddressesMax);
  }
  for (const std::int64_t each : {options.poll_ms, options.reconcile_ms, options.retry_ms_max, options.direct_ms,
                                  options.cloud_ms, options.fetch_ms}) {
    if (each < 1) return fail(Code::kInvalidArgument, "an interval of the options is {} ms, 1 is the least", each);
  }
  return {};
}

// The given one, or the one in the data directory.
Result<SigningKey> key_of(PeerOptions& options) {
  if (options.key) {
    SigningKey key = *std::move(options.key);
    options.key.reset();
    return key;
  }
  const std::string path = options.data_directory + "/key";
  auto read = read_key_file(path);
  if (read || read.error().code != Code::kNotFound) return read;
  SigningKey made = SigningKey::generate();
  DISTRI_TRY_VOID(write_key_file(path, made));
  return made;
}

}  // namespace

PeerOptions PeerOptions::of(std::string identity, Address address, std::vector<Address> nodes) {
  PeerOptions options;
  options.data_directory = "distri-peer-" + identity;
  options.name = std::move(identity);
  options.listen = std::move(address);
  options.nodes = std::move(nodes);
  return options;
}

std::string_view delivery_name(Delivery delivery) {
  switch (delivery) {
    case Delivery::kToldDirectly:
      return "told directly";
    case Delivery::kWaitingInCloud:
      return "waiting in the cloud";
    case Delivery::kKeptHere:
      return "kept here, not sent yet";
  }
  return "unknown";
}

// ---- Life

Result<std::unique_ptr<Peer>> Peer::open(PeerOptions options) {
  DISTRI_TRY_VOID(check_options(options));
  DISTRI_TRY_VOID(check_resource_name(std::filesystem::path(options.data_directory).filename().string()));
  DISTRI_TRY_VOID(make_private_directory(options.data_directory));
  DISTRI_TRY(SigningKey key, key_of(options));
  DISTRI_TRY(PeerBooks books, PeerBooks::open(key, options.data_directory + "/books"));
  DISTRI_TRY(BlobDirectory given, BlobDirectory::make(options.data_directory + "/given"));
  DISTRI_TRY(BlobDirectory received, BlobDirectory::make(options.data_directory + "/received"));
  client::ClientOptions& client = options.client;
  if (!client.tls && (!client.cluster.empty() || !client.token.empty() || client.trust || client.expected_key)) {
    DISTRI_TRY(client.tls, net::Tls::with_key(key));
  }
  if (!client.runtime) client.runtime = client::Runtime::create();
  DirectClientOptions links;
  links.timeout_ms = options.direct_ms;
  links.find_ms = options.direct_ms;
  links.bson = true;
  links.runtime = client.runtime;
  DISTRI_TRY(auto direct, DirectClient::create(key, links));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(key), std::move(books), std::move(given),
                                     std::move(received));
  impl->direct = std::move(direct);
  DISTRI_TRY_VOID(impl->sweep());
  return std::unique_ptr<Peer>(new Peer(std::move(impl)));
}

Peer::Impl::Impl(PeerOptions its_options, SigningKey its_key, PeerBooks its_books, BlobDirectory its_given,
                 BlobDirectory its_received)
    : options(std::move(its_options)),
      key(std::move(its_key)),
      self(key.public_key()),
      given(std::move(its_given)),
      received(std::move(its_received)),
      events(options.on_event),
      books(std::move(its_books)) {
  if (!options.nodes.empty()) client.emplace(options.nodes, options.client);
  const Ledger::Effects unfinished = books.ledger.unfinished();
  for (const Grant& grant : unfinished.publish) outbox.grants.emplace(grant.id, 0);
  for (const ViewKey& each : unfinished.place) outbox.place.emplace(std::pair(each.grant, each.serial), each);
  for (const auto& each : unfinished.take_out) outbox.take_out.emplace(each.grant, each.serial);
  for (const auto& [id, entry] : books.ledger.entries()) {
    if (entry.state() == Entry::State::kGranted) escrow_due.insert(id);
  }
  for (const auto& [id, holding] : books.holdings.all()) {
    // Of what was answered the owner has the request.
    if (holding.state() == Holding::State::kWaiting || holding.state() == Holding::State::kWithdrawn) {
      outbox.requests.emplace(id, 0);
    }
    if (holding.state() == Holding::State::kGranted) pictures_due.emplace(id, Pause());
  }
}

Result<> Peer::Impl::sweep() {
  const auto sweep_one = [](const BlobDirectory& directory, const auto& is_granted) -> Result<> {
    DISTRI_TRY(const BlobDirectory::Listing listing, directory.list(kPicturesMax));
    for (const auto* names : {&listing.whole, &listing.parts}) {
      for (const std::string& name : *names) {
        const auto bytes = from_hex(name);
        if (!bytes || bytes->size() != GrantId::kSize || is_granted(GrantId::from_view(*bytes))) continue;
        DISTRI_TRY_VOID(directory.remove(name));
      }
    }
    return {};
  };
  DISTRI_TRY_VOID(sweep_one(given, [this](const GrantId& id) {
    const Entry* entry = books.ledger.find(id);
    return entry != nullptr && entry->state() == Entry::State::kGranted;
  }));
  return sweep_one(received, [this](const GrantId& id) {
    const Holding* holding = books.holdings.find(id);
    return holding != nullptr && holding->state() == Holding::State::kGranted;
  });
}

Result<> Peer::Impl::start() {
  {
    const std::lock_guard lock(mutex);
    if (started || stopping) return fail(Code::kInvalidArgument, "this peer was started before; open another one");
    started = true;
  }
  DirectServerOptions links = options.server;
  links.listen = options.listen;
  if (!links.log.enabled(LogLevel::kError)) links.log = options.log;
  server = std::make_unique<DirectServer>(key.copy(), links);
  DISTRI_TRY_VOID(serve());
  events.start();
  if (auto listening = server->start(); !listening) {
    stop();
    return listening;
  }
  const std::lock_guard lock(mutex);
  make_user_record_locked();
  keeper = std::thread([this] { keep(); });
  fetcher = std::thread([this] { fetch_pictures(); });
  return {};
}

void Peer::Impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
    changed.notify_all();
  }
  {
    const std::lock_guard lock(publish_mutex);
    stop_watching();
  }
  if (keeper.joinable()) keeper.join();
  if (fetcher.joinable()) fetcher.join();
  if (server) server->stop();
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return calls == 0; });
    books.close();
  }
  events.stop();
}

Peer::Peer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Peer::~Peer() {
  stop();
}
Result<> Peer::start() {
  return impl_->start();
}
void Peer::stop() {
  impl_->stop();
}
PublicKey Peer::id() const {
  return impl_->self;
}
Address Peer::address() const {
  return impl_->server->address();
}

Peer::Impl::Call::Call(Impl& impl) : impl_(impl) {
  const std::lock_guard lock(impl_.mutex);
  admitted_ = !impl_.stopping;
  if (admitted_) ++impl_.calls;
}
Peer::Impl::Call::~Call() {
  if (!admitted_) return;
  const std::lock_guard lock(impl_.mutex);
  --impl_.calls;
  impl_.changed.notify_all();
}
Error Peer::Impl::stopped() {
  return {Code::kUnavailable, "this peer was stopped; open it again"};
}

Result<GrantTurns::Turn> GrantTurns::wait(const GrantId& id, std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  const auto free = [&] { return !taken_.contains(id); };
  if (!changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), free)) {
    return fail(Code::kDeadlineExceeded, "grant {}: another call for it did not end within {} ms; try again",
                id.short_hex(), timeout_ms);
  }
  taken_.insert(id);
  return Turn(*this, id);
}
GrantTurns::Turn::~Turn() {
  if (turns_ == nullptr) return;
  const std::lock_guard lock(turns_->mutex_);
  turns_->taken_.erase(id_);
  turns_->changed_.notify_all();
}

// ---- Owners

Result<> Peer::publish(const std::string& directory) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  return impl_->publish(directory);
}

std::vector<std::pair<std::string, Error>> Peer::left_out() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->left_out;
}

template <class Change>
Result<Delivery> Peer::Impl::answer(const GrantId& id, Change change) {
  const Call call(*this);
  if (!call) return fail(stopped());
  {
    const std::lock_guard lock(mutex);
    DISTRI_TRY(const Ledger::Effects effects, change(books.ledger));
    DISTRI_TRY_VOID(settle_locked(id, effects));
  }
  return send_grant(id, Patience::kUser);
}

Result<Delivery> Peer::grant_resource(const GrantId& request, std::uint32_t views) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  if (views > 0) return impl_->approve(request, views);
  return impl_->answer(request, [&](Ledger& ledger) { return ledger.refuse(request); });
}

Result<Delivery> Peer::update_permission(const GrantId& grant, std::uint32_t views) {
  return impl_->answer(grant, [&](Ledger& ledger) { return ledger.change_views(grant, views); });
}

Result<Delivery> Peer::revoke(const GrantId& grant) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  DISTRI_TRY(const Delivery delivery, impl_->answer(grant, [&](Ledger& ledger) { return ledger.revoke(grant); }));
  // Nobody gets it any more; that it stays does no harm.
  if (const auto removed = impl_->given.remove(grant.hex()); !removed) impl_->trouble(removed.error().message);
  return delivery;
}

Result<> Peer::forget(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  const std::lock_guard lock(impl_->mutex);
  DISTRI_TRY(const Ledger::Effects effects, impl_->books.ledger.forget(request));
  return impl_->settle_locked(request, effects);
}

// ---- Viewers

Result<Catalog> Peer::fetch_catalog(const CatalogFilter& filter) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  Catalog result;
  if (impl_->has_cloud()) {
    if (auto users = impl_->noted(impl_->cloud().users())) impl_->take_users(*users);
    if (!impl_->cloud_away) {
      auto found = impl_->noted(impl_->cloud().catalog(std::nullopt));
      result.current = found.has_value();
      if (found) impl_->take_catalog(*std::move(found));
    }
  }
  std::optional<PublicKey> owner;
  if (filter.peer) {
    DISTRI_TRY(owner, impl_->resolve(*filter.peer));
  }
  const std::lock_guard lock(impl_->mutex);
  for (const auto& [id, entry] : impl_->catalog) {
    const bool wanted = !entry.gone && (!owner || entry.owner == *owner) &&
                        entry.name.starts_with(filter.name_prefix) &&
                        (filter.kind.empty() || entry.kind == filter.kind);
    if (wanted) result.offers.push_back({entry, impl_->name_of_locked(entry.owner)});
  }
  std::ranges::sort(result.offers, {}, [](const Offer& each) { return std::pair(each.owner_name, each.entry.name); });
  return result;
}

Result<Sent> Peer::request_resource(std::string_view peer, std::string resource, std::uint32_t views) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  DISTRI_TRY(const PublicKey owner, impl_->resolve(peer));
  Sent sent;
  {
    const std::lock_guard lock(impl_->mutex);
    DISTRI_TRY(const Request made, impl_->books.holdings.request(Random::from_system().next(), owner,
                                                                 std::move(resource), views, impl_->clock.wall_ms()));
    sent.id = made.id;
    impl_->outbox.requests[made.id] = 0;
    DISTRI_TRY_VOID(impl_->settle_holding_locked(made.id, true));
  }
  sent.delivery = impl_->send_request(sent.id, Impl::Patience::kUser);
  return sent;
}

Result<Delivery> Peer::withdraw(const GrantId& request) {
  const Impl::Call call(*impl_);
  if (!call) return fail(Impl::stopped());
  {
    const std::lock_guard lock(impl_->mutex);
    DISTRI_TRY_VOID(impl_->books.holdings.withdraw(request));
    impl_->outbox.requests[request] = 0;
    impl_->pictures_due.erase(request);
    DISTRI_TRY_VOID(impl_->settle_holding_locked(request, true));
  }
  return impl_->send_request(request, Impl::Patience::kUser);
}

void Peer::refresh() {
  const std::lock_guard lock(impl_->mutex);
  impl_->cloud_pause = {};
  impl_->away.clear();
  for (auto& [id, pause] : impl_->pictures_due) pause = {};
  impl_->reconciled_ms = 0;
  impl_->wake_keeper();
}

}  // namespace distri::peer
