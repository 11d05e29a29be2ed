// direct_client.hpp: calls to other peers, each by its key and the addresses at which it may be.
//
//   auto client = DirectClient::create(key);
//   auto answer = (*client)->call({key_of_anna, {{"192.0.2.7", 4100}, {"anna.example", 4100}}}, "PeerView", {{...}});
//
// Addresses are hints. All of them are tried at the same time, and the first at which the expected key is proved is
// taken; whoever else answers there learns nothing, not even who asks. What was found is kept, with its connections,
// for as long as it works; then all addresses are tried again, so that a peer that moved is found at once.
//
// Errors of finding: kUnauthenticated (at some address somebody else answered, and the peer nowhere; the message names
// the key there and the expected one), kUnavailable (nobody answered; it names what was wrong at each address),
// kBusy (the peer takes no more connections), kInvalidArgument (no address, or more than kCandidatesMax). Then those of
// client::Client. A call whose link broke before the answer is repeated: services of peers make that harmless.
//
// Threads: any number may use one object; calls block their thread and end at their deadline at the latest. All share
// one client::Runtime, on whose thread (in its callbacks) nothing here may be called.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/utils/signing.hpp"

namespace distri::peer {

inline constexpr std::size_t kCandidatesMax = 16;

// A peer and where it may be.
struct PeerAt {
  NodeId key;
  std::vector<Address> addresses;
};

struct DirectClientOptions {
  std::int64_t timeout_ms = 30'000;  // of a call that names none
  std::int64_t dial_ms = 2'000;      // to connect to an address
  std::int64_t find_ms = 8'000;      // for a peer to be found at one of its addresses
  std::size_t peers_max = 256;       // whose connections are kept; the one not used for longest goes first
  std::size_t reply_bytes_max = 4u << 20;
  bool bson = false;                         // parameters travel as BSON instead of JSON
  std::shared_ptr<client::Runtime> runtime;  // none: one of its own
};

class DirectClient {
 public:
  // `key`: who calls. Errors: of net::Tls::with_key().
  static Result<std::unique_ptr<DirectClient>> create(const SigningKey& key, DirectClientOptions options = {});
  ~DirectClient();
  DirectClient(const DirectClient&) = delete;
  DirectClient& operator=(const DirectClient&) = delete;

  // `params`: an object, or null for none; at most 64 KiB as JSON. `timeout_ms` 0: that of the options.
  Result<Bytes> call(const PeerAt& peer, std::string_view service, const nlohmann::json& params = nullptr,
                     BytesView body = {}, std::int64_t timeout_ms = 0);
  // A request without a body, and its answer as it comes, on a connection of its own, so that calls do not wait behind
  // it. `timeout_ms` is for the whole of it. Not repeated once it has begun.
  Result<std::unique_ptr<client::CallStream>> open_stream(const PeerAt& peer, std::string_view service,
                                                          const nlohmann::json& params = nullptr,
                                                          std::int64_t timeout_ms = 0);
  // Whether it can be reached now; at which address.
  Result<Address> find(const PeerAt& peer, std::int64_t timeout_ms = 0);

 private:
  struct Route;   // an address where the key was proved, and what is connected to it
  struct Search;  // one under way, for all who want its result
  class RoutedStream;
  using RoutePtr = std::shared_ptr<Route>;

  DirectClient(std::shared_ptr<net::Tls> tls, DirectClientOptions options);

  std::int64_t now_ms() const;
  std::int64_t deadline(std::int64_t timeout_ms) const;
  client::ClientOptions client_options(const NodeId& key) const;
  Result<RoutePtr> route_to(const PeerAt& peer, std::int64_t deadline_ms);
  // `search`: registered, so that others wait for its result.
  Result<RoutePtr> run_search(const PeerAt& peer, Search& search, std::int64_t timeout_ms);
  Result<RoutePtr> search(const PeerAt& peer, std::int64_t timeout_ms);
  // It does not work any more.
  void drop(const NodeId& key, const RoutePtr& route);
  void keep(const NodeId& key, const RoutePtr& route);
  // Runs `function` with a route; once more with another one when the first turns out to be broken.
  template <class Function>
  auto with_route(const PeerAt& peer, std::int64_t deadline_ms, Function function)
      -> decltype(function(RoutePtr(), std::int64_t()));

  const std::shared_ptr<net::Tls> tls_;
  const DirectClientOptions options_;
  const std::shared_ptr<client::Runtime> runtime_;
  std::mutex mutex_;  // never held while something is waited for
  std::map<NodeId, RoutePtr> routes_;
  std::map<std::pair<NodeId, std::vector<Address>>, std::shared_ptr<Search>> searches_;
};

}  // namespace distri::peer
