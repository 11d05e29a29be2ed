#include "distri/peer/direct_client.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <optional>
#include <utility>

#include "distri/net/tls.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/utils/clock.hpp"

namespace distri::peer {
namespace {

// A connection that is kept may have ended in the meantime: the second try dials anew.
constexpr int kAttemptsMax = 2;
constexpr std::size_t kHereReplyBytesMax = 1024;
// Every try ends at its deadline, unless the runtime's thread is kept busy (or somebody waits here on it).
constexpr std::int64_t kLateMs = 5'000;

// It may be elsewhere by now. None of these is what a service of a peer answers.
bool route_is_broken(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kConnectionLost ||
         error.code == Code::kUnauthenticated || error.code == Code::kProtocolError;
}

// Why nothing was found, when every address has said no.
Error nowhere(const PeerAt& peer, const std::vector<std::pair<Address, Error>>& troubles) {
  Code code = Code::kUnavailable;
  std::string each;
  for (const auto& [address, trouble] : troubles) {
    if (trouble.code == Code::kUnauthenticated) code = Code::kUnauthenticated;
    if (trouble.code == Code::kBusy && code == Code::kUnavailable) code = Code::kBusy;
    each += each.empty() ? "" : "; ";
    // Most reasons begin with the address.
    if (!trouble.message.contains(to_string(address))) each += to_string(address) + ": ";
    each += trouble.message;
  }
  return {code, fmt::format("peer {} cannot be reached: {}", peer.key.hex(), each)};
}

}  // namespace

// Two clients: what streams have asked for must not stand before the answer to a call.
struct DirectClient::Route {
  Route(Address its_address, std::shared_ptr<client::Client> its_calls, client::ClientOptions client_options)
      : address(std::move(its_address)),
        calls(std::move(its_calls)),
        streams(std::make_shared<client::Client>(std::vector{address}, std::move(client_options))) {}

  const Address address;
  const std::shared_ptr<client::Client> calls;
  const std::shared_ptr<client::Client> streams;
  std::int64_t used_ms = 0;  // with the mutex held
};

// Its connections stay while it does, whatever becomes of the route for others.
class DirectClient::RoutedStream final : public client::CallStream {
 public:
  RoutedStream(RoutePtr route, std::unique_ptr<client::CallStream> stream)
      : route_(std::move(route)), stream_(std::move(stream)) {}

  Result<> write(BytesView chunk) override { return stream_->write(chunk); }
  Result<> finish() override { return stream_->finish(); }
  Result<Bytes> read() override { return stream_->read(); }
  void cancel() override { stream_->cancel(); }
  const Address& node() const override { return stream_->node(); }

 private:
  const RoutePtr route_;
  const std::unique_ptr<client::CallStream> stream_;
};

struct DirectClient::Search {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Result<RoutePtr>> result;
  std::int64_t timeout_ms = 0;
};

Result<std::unique_ptr<DirectClient>> DirectClient::create(const SigningKey& key, DirectClientOptions options) {
  DISTRI_TRY(auto tls, net::Tls::with_key(key));
  return std::unique_ptr<DirectClient>(new DirectClient(std::move(tls), std::move(options)));
}

DirectClient::DirectClient(std::shared_ptr<net::Tls> tls, DirectClientOptions options)
    : tls_(std::move(tls)),
      options_(std::move(options)),
      runtime_(options_.runtime ? options_.runtime : client::Runtime::create()) {}

DirectClient::~DirectClient() = default;

std::int64_t DirectClient::now_ms() const {
  return SystemClock().monotonic_ms();
}

std::int64_t DirectClient::deadline(std::int64_t timeout_ms) const {
  return now_ms() + (timeout_ms > 0 ? timeout_ms : options_.timeout_ms);
}

client::ClientOptions DirectClient::client_options(const NodeId& key) const {
  client::ClientOptions options;
  options.timeout_ms = options_.timeout_ms;
  options.dial_ms = options_.dial_ms;
  options.discover = false;
  options.tls = tls_;
  options.expected_key = key;
  options.runtime = runtime_;
  return options;
}

// ---- Finding.

Result<DirectClient::RoutePtr> DirectClient::route_to(const PeerAt& peer, std::int64_t deadline_ms) {
  for (;;) {
    const std::int64_t left_ms = std::min(deadline_ms - now_ms(), options_.find_ms);
    if (left_ms <= 0) return fail(Code::kDeadlineExceeded, "no time was left to find peer {}", peer.key.hex());
    std::shared_ptr<Search> search;
    bool ours = false;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = routes_.find(peer.key); found != routes_.end()) {
        found->second->used_ms = now_ms();
        return found->second;
      }
      auto& under_way = searches_[{peer.key, peer.addresses}];
      ours = under_way == nullptr;
      if (ours) under_way = std::make_shared<Search>();
      search = under_way;
    }
    if (ours) return run_search(peer, *search, left_ms);
    std::unique_lock lock(search->mutex);
    if (!search->done.wait_for(lock, std::chrono::milliseconds(left_ms), [&] { return search->result.has_value(); })) {
      continue;
    }
    // Whoever began the search may have had less time.
    if (*search->result || search->timeout_ms >= left_ms) return *search->result;
  }
}

Result<DirectClient::RoutePtr> DirectClient::run_search(const PeerAt& peer, Search& search, std::int64_t timeout_ms) {
  auto result = this->search(peer, timeout_ms);
  if (result) keep(peer.key, *result);
  {
    const std::lock_guard lock(mutex_);
    searches_.erase({peer.key, peer.addresses});
  }
  const std::lock_guard lock(search.mutex);
  search.timeout_ms = timeout_ms;
  search.result = result;
  search.done.notify_all();
  return result;
}

Result<DirectClient::RoutePtr> DirectClient::search(const PeerAt& peer, std::int64_t timeout_ms) {
  if (peer.addresses.empty() || peer.addresses.size() > kCandidatesMax) {
    return fail(Code::kInvalidArgument, "peer {} has {} addresses; it needs 1 to {}", peer.key.hex(),
                peer.addresses.size(), kCandidatesMax);
  }
  // Held by the callbacks, which may come after this has returned.
  struct Answers {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<std::size_t> here;
    std::vector<std::pair<Address, Error>> troubles;
  };
  const auto answers = std::make_shared<Answers>();
  const client::ClientOptions options = client_options(peer.key);
  client::CallOptions ask;
  ask.timeout_ms = timeout_ms;
  ask.reply_bytes_max = kHereReplyBytesMax;
  ask.idempotent = true;
  ask.attempts_max = 1;
  std::vector<std::shared_ptr<client::Client>> clients;
  for (std::size_t i = 0; i < peer.addresses.size(); ++i) {
    const Address& address = peer.addresses[i];
    clients.push_back(std::make_shared<client::Client>(std::vector{address}, options));
    clients.back()->async_call({}, std::string(kHereService), nullptr, ask,
                               [answers, i, address](const Result<client::Reply>& reply) {
                                 const std::lock_guard lock(answers->mutex);
                                 if (!reply) {
                                   answers->troubles.emplace_back(address, reply.error());
                                 } else if (!answers->here) {
                                   answers->here = i;
                                 }
                                 answers->changed.notify_all();
                               });
  }
  std::unique_lock lock(answers->mutex);
  const bool answered = answers->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms + kLateMs), [&] {
    return answers->here || answers->troubles.size() == clients.size();
  });
  if (!answered) return fail(Code::kDeadlineExceeded, "the search for peer {} did not end in time", peer.key.hex());
  if (!answers->here) return fail(nowhere(peer, answers->troubles));
  const std::size_t here = *answers->here;
  lock.unlock();  // the other clients end their calls before they go
  return std::make_shared<Route>(peer.addresses[here], clients[here], options);
}

void DirectClient::keep(const NodeId& key, const RoutePtr& route) {
  RoutePtr replaced, gone;  // their connections close after the lock is given back
  const std::lock_guard lock(mutex_);
  route->used_ms = now_ms();
  replaced = std::exchange(routes_[key], route);
  if (routes_.size() <= std::max<std::size_t>(options_.peers_max, 1)) return;
  const auto oldest = std::ranges::min_element(routes_, {}, [](const auto& each) { return each.second->used_ms; });
  gone = oldest->second;
  routes_.erase(oldest);
}

void DirectClient::drop(const NodeId& key, const RoutePtr& route) {
  const std::lock_guard lock(mutex_);
  const auto found = routes_.find(key);
  if (found != routes_.end() && found->second == route) routes_.erase(found);
}

Result<Address> DirectClient::find(const PeerAt& peer, std::int64_t timeout_ms) {
  const auto asked = call(peer, kHereService, nullptr, {}, timeout_ms);
  if (!asked) return fail(asked.error());
  DISTRI_TRY(const RoutePtr route, route_to(peer, deadline(timeout_ms)));
  return route->address;
}

// ---- Calling.

template <class Function>
auto DirectClient::with_route(const PeerAt& peer, std::int64_t deadline_ms, Function function)
    -> decltype(function(RoutePtr(), std::int64_t())) {
  for (bool again = true;; again = false) {
    DISTRI_TRY(const RoutePtr route, route_to(peer, deadline_ms));
    const std::int64_t left_ms = deadline_ms - now_ms();
    if (left_ms <= 0) return fail(Code::kDeadlineExceeded, "no time was left to ask peer {}", peer.key.hex());
    auto result = function(route, left_ms);
    if (result || !route_is_broken(result.error())) return result;
    drop(peer.key, route);
    if (!again || deadline_ms - now_ms() <= 0) return result;
  }
}

Result<Bytes> DirectClient::call(const PeerAt& peer, std::string_view service, const nlohmann::json& params,
                                 BytesView body, std::int64_t timeout_ms) {
  return with_route(peer, deadline(timeout_ms), [&](const RoutePtr& route, std::int64_t left_ms) {
    client::CallOptions options;
    options.timeout_ms = left_ms;
    options.reply_bytes_max = options_.reply_bytes_max;
    options.idempotent = true;
    options.attempts_max = kAttemptsMax;
    options.bson = options_.bson;
    return route->calls->send_data_with_params(body, service, params, options);
  });
}

Result<std::unique_ptr<client::CallStream>> DirectClient::open_stream(const PeerAt& peer, std::string_view service,
                                                                      const nlohmann::json& params,
                                                                      std::int64_t timeout_ms) {
  using Stream = std::unique_ptr<client::CallStream>;
  return with_route(peer, deadline(timeout_ms), [&](const RoutePtr& route, std::int64_t left_ms) -> Result<Stream> {
    client::CallOptions options;
    options.timeout_ms = left_ms;
    options.idempotent = true;
    options.attempts_max = kAttemptsMax;
    options.bson = options_.bson;
    DISTRI_TRY(Stream stream, route->streams->open_stream(service, params, options));
    static_cast<void>(stream->finish());  // if it has failed already, read() says so
    return std::make_unique<RoutedStream>(route, std::move(stream));
  });
}

}  // namespace distri::peer
