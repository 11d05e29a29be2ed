// connection.hpp: a wire::Session on a TCP socket, with every wait bounded.
//
// The connection reads into the session, sends what the session queues (coalesced: one send per turn, see loop.hpp),
// and ends with a reason when one of the limits in ConnectionOptions is reached; the other side is told it in a goodbye
// where that still makes sense. A reader that is slow costs about outbound_bytes_high (and the answers to one read):
// from there on an accepted connection stops reading new frames until the output has drained to half, and if nothing at
// all is taken for write_stall_ms the connection ends. A dialled connection always reads: what it sends are its own
// requests, and if both sides waited for the other to read, neither would.
//
// Life: created by dial() or by a Listener; on_closed() is called exactly once, also when dialling fails, and is the
// last call. The handler must outlive that call. (Only a loop that is destroyed drops its connections without
// on_closed().) After close() the socket may stay for up to a second, so that the other side can read our last words.
// Threads: the loop's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "distri/net/loop.hpp"
#include "distri/utils/address.hpp"
#include "distri/wire/session.hpp"

namespace distri::net {

struct ConnectionOptions {
  wire::Limits limits;
  // Times are looked at every 100 ms.
  std::int64_t dial_ms = 5'000;          // to find the host and connect
  std::int64_t hello_ms = 5'000;         // from connected until the hello is done
  std::int64_t frame_ms = 30'000;        // to receive the rest of a frame that has begun
  std::int64_t write_stall_ms = 30'000;  // without any progress in sending (when we dialled: nor in receiving)
  std::int64_t idle_ms = 0;              // without any byte received while no stream is open; 0: for ever
  std::size_t outbound_bytes_high = 8u << 20;
};

class ConnectionHandler : public wire::SessionHandler {
 public:
  // The connection has ended: kUnavailable (dialling failed), kConnectionLost, kDeadlineExceeded (which limit),
  // kProtocolError or kTooLarge (the other side broke the protocol, or refused ours), or what close() was called with.
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
  // Queued bytes not yet taken by the socket.
  virtual std::size_t outbound_bytes() const = 0;
  // Sends what is queued (within write_stall_ms), then closes. on_closed(reason) follows in a later turn, with no event
  // before it.
  virtual void close(Error reason) = 0;
  virtual bool closed() const = 0;
  // "127.0.0.1:40312"
  virtual const std::string& remote() const = 0;
};

}  // namespace distri::net
