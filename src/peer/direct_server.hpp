// direct_server.hpp: what a peer listens with: other peers call its services, each proving the key that it is.
//
//   DirectServer server(std::move(key), {.listen = {"0.0.0.0", 4100}});
//   server.serve("PeerView", [&](const DirectRequest& ask, const Responder& to) { to.reply(answer(ask)); });
//   server.start();
//
// Links are TLS 1.3 with the peer's key and carry the native protocol (docs/protocol.md), so that client::Client, or
// DirectClient which finds the right address first, is the calling side. Who shows no key is refused; any key may call
// what is served, and handlers decide by DirectRequest::caller what it may do.
//
// A request is handled on a worker, which answers there or hands the Responder on and answers later, from any thread:
// with bytes, an error, or a stream that is pulled from a producer as fast as the caller takes it. A request may come
// more than once (a caller repeats it when the link broke before the answer): handlers must make that harmless.
//
// Invariants:
//   (1) every request ends: with its answer, at its deadline, or with its connection; what the handler does later is
//       ignored, and cancelled() tells it.
//   (2) everything a caller controls has a limit in DirectServerOptions, and its error names the limit.
//   (3) memory held for callers: bodies_bytes_max, one answer or one piece (kStreamPieceBytes) per request, and what
//       waits in the sockets: kOutboundBytes and the windows of a connection's requests.
// Threads: one for the sockets ("the loop"), on which nothing waits, and `workers`, on which handlers and producers
// run. Methods of DirectServer: the owner's thread, one at a time; Responder and counters(): any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/utils/log.hpp"
#include "distri/utils/signing.hpp"

namespace distri::peer {

// Answers, with nothing, whoever asks: how DirectClient finds out at which address a key can be reached.
inline constexpr std::string_view kHereService = "PeerHere";
inline constexpr std::size_t kStreamPieceBytes = 64u << 10;

struct DirectServerOptions {
  Address listen{"127.0.0.1", 0};  // port 0: any free one
  unsigned workers = 2;
  std::size_t queue_max = 64;  // requests that wait for a worker
  // Connections: in all; from one address beyond loopback (of IPv6 a /64); with one key; whose key is not known yet.
  std::size_t connections_max = 256;
  std::size_t connections_per_address_max = 32;
  std::size_t connections_per_caller_max = 8;
  std::size_t strangers_max = 64;
  std::size_t requests_max = 256;  // under way, of all callers
  std::uint32_t requests_per_connection_max = 32;
  std::size_t body_bytes_max = 1u << 20;     // of one request
  std::size_t bodies_bytes_max = 32u << 20;  // of all requests under way
  std::int64_t hello_ms = 5'000;             // from being connected to the hello, with the handshake
  std::int64_t frame_ms = 30'000;            // for the rest of a frame
  std::int64_t write_stall_ms = 30'000;      // without the caller's system taking anything
  std::int64_t idle_ms = 120'000;            // without a request
  // A request ends with kDeadlineExceeded when its caller's deadline passes, or these: to come in whole and be
  // answered; to be read, if it is answered with a stream; without any byte of a stream taken.
  std::int64_t answer_ms_max = 30'000;
  std::int64_t stream_ms_max = 3'600'000;
  std::int64_t stream_stall_ms = 30'000;
  std::int64_t stop_ms = 2'000;  // how long stop() waits for last words to be taken
  // Whether this key may connect; on the loop's thread. Its error is what the caller hears. None: any key may.
  std::function<Result<>(const NodeId& caller)> admit;
  Log log;
};

struct DirectRequest {
  NodeId caller;  // proved by the link
  std::string service;
  Bytes params;       // at most 64 KiB; as the caller wrote them
  bool bson = false;  // the format in which it says that the params are: BSON, or JSON text
  Bytes body;
};

// The next piece of a stream, 1 to `bytes_max` bytes; empty: the end; an error ends the stream with it. Called on
// workers, never twice at once; a call that is under way when the request ends is finished. Destroyed on any thread.
using Producer = std::function<Result<Bytes>(std::size_t bytes_max)>;

// The way back to the caller of one request. Copies are the same way: the first answer counts, and if the last copy
// goes without one the caller gets kInternal. May outlive the server.
class Responder {
 public:
  void reply(Bytes body) const;
  // kOk is no failure and becomes kInternal. The message is what the caller reads.
  void fail(Error error) const;
  // A failure before the first piece is the answer; later it ends the stream.
  void stream(Producer producer) const;
  // Nobody waits for the answer any more.
  bool cancelled() const;

 private:
  friend class DirectConnection;
  struct State;
  explicit Responder(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

class DirectServer {
 public:
  using Handler = std::function<void(const DirectRequest& request, const Responder& responder)>;

  struct Counters {
    std::size_t connections = 0;  // now
    std::size_t requests = 0;     // now
    std::uint64_t answered = 0;   // in this life: with something else than an error
    std::uint64_t refused = 0;    // and with kBusy
  };

  DirectServer(SigningKey key, DirectServerOptions options);
  ~DirectServer();
  DirectServer(const DirectServer&) = delete;
  DirectServer& operator=(const DirectServer&) = delete;

  // Before start(). Errors: kInvalidArgument (no name, or more than 255 bytes; too late), kAlreadyExists.
  Result<> serve(std::string service, Handler handler);
  // Listens and serves from here on. Errors: of net::Listener::listen() and net::Tls::with_key(); kInvalidArgument when
  // it has been started before.
  Result<> start();
  // Ends all requests with kUnavailable, closes the connections and waits for the handlers that are running. Not from a
  // handler. Any number of times; the destructor does it, too. A stopped server stays stopped.
  void stop();

  // Where it listens. Precondition: start() succeeded.
  const Address& address() const;
  Counters counters() const;

 private:
  friend class DirectConnection;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::peer
