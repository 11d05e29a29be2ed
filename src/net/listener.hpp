// listener.hpp: accepts TCP connections and gives each a handler.
//
// Threads: the loop's thread only.
#pragma once

#include <functional>
#include <memory>

#include "distri/net/connection.hpp"

namespace distri::net {

class Listener {
 public:
  // Called for every accepted connection, before any byte of it is read. The returned handler receives its events and
  // must live until its on_closed(). nullptr refuses the connection (it is closed at once).
  using Accept = std::function<ConnectionHandler*(const std::shared_ptr<Connection>&)>;

  // Asked for every connection, with the address it comes from, before anything is made for it. An error refuses it:
  // the other side is told in a goodbye, or where TLS is spoken by the alert internal_error, and the connection is
  // closed.
  using Gate = std::function<Result<>(const Address& from)>;

  // Binds and listens. With ConnectionOptions::tls whoever connects must speak TLS; then `accept` is called before the
  // handshake, and a connection whose handshake fails is one that was closed. Errors: kInvalidArgument when the host
  // cannot be resolved or the Tls has no key, kUnavailable when the port is taken
  // ("address 127.0.0.1:3000 is already in use; choose another port or stop the program that holds it"),
  // kPermissionDenied. `hello` is what accepted connections say of us.
  static Result<std::unique_ptr<Listener>> listen(Loop& loop, const Address& address, wire::Hello hello,
                                                  const ConnectionOptions& options, Accept accept);
  virtual ~Listener() = default;

  // Where it listens (the actual port when 0 was asked).
  virtual Address address() const = 0;
  // Until then everybody may come.
  virtual void set_gate(Gate gate) = 0;
  // No new connections; existing ones go on.
  virtual void close() = 0;
};

}  // namespace distri::net
