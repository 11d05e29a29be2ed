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
// For a node to begin to tell of changes; stop() may have to wait for it.
constexpr std::int64_t kBeginMsMax = 2'000;

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

AgentOptions agent_options(const PeerOptions& options) {
  return {.name = options.name,
          .has_cloud = !options.nodes.empty(),
          .escrow_views = options.escrow_views,
          .poll_ms = options.poll_ms,
          .reconcile_ms = options.reconcile_ms,
          .retry_ms_max = options.retry_ms_max};
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
  DISTRI_TRY(BookStore store, BookStore::open(options.data_directory + "/books"));
  DISTRI_TRY(PeerBooks books, PeerBooks::open(key, store));
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
  auto impl = std::make_unique<Impl>(std::move(options), std::move(key), std::move(store), std::move(books),
                                     std::move(given), std::move(received));
  impl->direct = std::move(direct);
  DISTRI_TRY_VOID(impl->sweep());
  return std::unique_ptr<Peer>(new Peer(std::move(impl)));
}

Peer::Impl::Impl(PeerOptions its_options, SigningKey its_key, BookStore its_store, PeerBooks its_books,
                 BlobDirectory its_given, BlobDirectory its_received)
    : options(std::move(its_options)),
      key(std::move(its_key)),
      self(key.public_key()),
      given(std::move(its_given)),
      received(std::move(its_received)),
      events(options.on_event),
      agent(key.copy(), agent_options(options), std::move(its_books)),
      store(std::move(its_store)) {
  if (!options.nodes.empty()) {
    client.emplace(options.nodes, options.client);
    watch.emplace(*client, self,
                  CloudWatch::Times{std::min(options.cloud_ms, kBeginMsMax), options.poll_ms, options.retry_ms_max},
                  cloud_listener());
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
    const Entry* entry = agent.books().ledger.find(id);
    return entry != nullptr && entry->state() == Entry::State::kGranted;
  }));
  return sweep_one(received, [this](const GrantId& id) {
    const Holding* holding = agent.books().holdings.find(id);
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
  agent.start(addresses_to_tell(), clock.wall_ms());
  keeper = std::thread([this] { keep(); });
  for (std::thread& each : fetchers) each = std::thread([this] { fetch_pictures(); });
  if (watch) watch->start();
  return {};
}

// The one where it listens, unless that is a wildcard.
std::vector<Address> Peer::Impl::addresses_to_tell() const {
  if (!options.advertised.empty()) return options.advertised;
  const Address here = server->address();
  if (here.host == "0.0.0.0" || here.host == "::") return {};
  return {here};
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
  if (watch) watch->stop();
  if (keeper.joinable()) keeper.join();
  for (std::thread& each : fetchers) {
    if (each.joinable()) each.join();
  }
  if (server) server->stop();
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return calls == 0; });
    if (store) keep_all(lock);
    store.reset();
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

}  // namespace distri::peer
