// connection.hpp: a wire::Session on a TCP socket, encrypted or not, with every wait bounded.
//
// The connection reads into the session, sends what the session queues (coalesced: one send per turn, see loop.hpp),
// and ends with a reason when one of the limits in ConnectionOptions is reached; the other side is told it in a goodbye
// where that still makes sense. A reader that is slow costs about outbound_bytes_high (and the answers to one read):
// from there on an accepted connection stops reading new frames until the output has drained to half, and if nothing at
// all is taken for write_stall_ms the connection ends. A dialled connection always reads: what it sends are its own
// requests, and if both sides waited for the other to read, neither would.
//
// With ConnectionOptions::tls the link is encrypted (tls.hpp): the handshake comes first, and before it is done and the
// other side's key is accepted, nothing of the session is sent or delivered. An accepted connection that speaks
// something else is told so in a goodbye that is not encrypted. A side that hears TLS and has none says so, too.
//
// A side that has not shown that it may be here can be given little: StrangerLimits bound what it may send, and so what
// is kept of it, until the application calls trust(). Bytes behind the one that made it trusted are not counted.
//
// Life: created by dial() or by a Listener; on_closed() is called exactly once, also when dialling fails, and is the
// last call. The handler must outlive that call. (Only a loop that is destroyed drops its connections without
// on_closed().) After close() the socket may stay for up to a second, so that the other side can read our last words.
// Threads: the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "distri/net/loop.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/address.hpp"
#include "distri/wire/session.hpp"

namespace distri::net {

// What an accepted connection may send before Connection::trust(). 0: as much as anybody.
struct StrangerLimits {
  std::size_t bytes_max = 0;     // in all, of frames; what TLS adds is bounded as well
  std::uint64_t frames_max = 0;  // with the hello
};

struct ConnectionOptions {
  wire::Limits limits;
  // Times are looked at every 100 ms.
  std::int64_t dial_ms = 5'000;  // to find the host and connect
  // From connected until the handshake and the hello are done; longer, up to ten times, for a side whose bytes wait
  // here unread.
  std::int64_t hello_ms = 5'000;
  std::int64_t frame_ms = 30'000;        // to receive the rest of a frame that has begun
  std::int64_t write_stall_ms = 30'000;  // without any progress in sending (when we dialled: nor in receiving)
  std::int64_t idle_ms = 0;              // without any byte received while no stream is open; 0: for ever
  std::size_t outbound_bytes_high = 8u << 20;
  StrangerLimits stranger;
  // Encrypts. nullptr: TCP as it is. To accept it must have a key.
  std::shared_ptr<Tls> tls;
  // Dialling: the only key with which the other side is spoken to. Needs `tls`.
  std::optional<NodeId> expected_key;
  // With `tls`: called once, when the handshake has shown the other side's key (none: it has no key; never so on the
  // dialling side) and before anything else happens. An error ends the connection with it, after a goodbye that tells
  // the other side. Empty: everybody is admitted. Must not call the connection.
  std::function<Result<>(const std::optional<NodeId>& peer_key)> admit;
};

class ConnectionHandler : public wire::SessionHandler {
 public:
  // The connection has ended: kUnavailable (dialling failed), kConnectionLost, kBusy (the gate of the other
  // side is closed: listener.hpp), kDeadlineExceeded (which limit),
  // kProtocolError or kTooLarge (the other side broke the protocol, or refused ours; one of the two is encrypted and
  // the other is not), kUnauthenticated (the other side's key is not the expected one or no key of ours, ours is
  // refused, or the hello names a node whose key the other side does not hold), what `admit` or close() said.
  virtual void on_closed(const Error& reason) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Starts to connect; `hello` is ours. Failure is reported by on_closed() in a later turn.
  static std::shared_ptr<Connection> dial(Loop& loop, const Address& to, wire::Hello hello,
                                          const ConnectionOptions& options, ConnectionHandler& handler);

  virtual ~Connection() = default;

  // For sending. Flushing is automatic at the end of the turn.
  virtual wire::Session& session() = 0;
  // Sends now what is queued, as far as the socket takes it, without waiting for the end of the turn.
  virtual void flush() = 0;
  // The other side is no stranger (any more): its limits as such do not count from here on.
  virtual void trust() = 0;
  // Queued bytes not yet taken by the socket.
  virtual std::size_t outbound_bytes() const = 0;
  // Sends what is queued (within write_stall_ms), then closes. on_closed(reason) follows in a later turn, with no event
  // before it.
  virtual void close(Error reason) = 0;
  virtual bool closed() const = 0;
  // "127.0.0.1:40312"
  virtual const std::string& remote() const = 0;
  // The key that the other side has proved to hold: its node id. Known from before on_hello() until the end; none
  // without encryption, or when it is a client without a key.
  virtual const std::optional<NodeId>& peer_key() const = 0;
  // 32 bytes that both ends of this encrypted connection have and nobody else (RFC 9266, tls-exporter). Empty without
  // encryption, and before on_hello().
  virtual Bytes channel_binding() const = 0;
  virtual bool encrypted() const = 0;
  // The handshake continued an earlier session.
  virtual bool resumed() const = 0;
  // It has ended because of StrangerLimits::frames_max.
  virtual bool too_many_frames() const = 0;
};

}  // namespace distri::net
