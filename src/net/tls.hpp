// tls.hpp: how links are encrypted, and who is at the other end of one.
//
// TLS 1.3 and nothing older, with the keys that nodes have anyway (utils/signing.hpp). There is no authority, name or
// date to trust: each side that has a key shows it in a certificate that it made itself, the handshake proves that it
// holds the secret half, and what the application learns is that key, Connection::peer_key(), which is the node's id.
// Whom a key belongs to and what it may do is for the application to decide:
//   * the dialling side says which key it expects (ConnectionOptions::expected_key), and nothing of it is sent to any
//     other; without an expectation it takes whatever node answers, so that an address alone protects against
//     listening, not against somebody in between;
//   * the accepting side always proves its key; it asks for one, accepts a client that has none, and may refuse by
//     ConnectionOptions::admit or when the hello arrives.
// Both sides name the protocol "distri/2" (ALPN), so that bytes meant for another one never arrive here.
//
// Sessions are resumed: a second connection between the same two costs no signatures. The key of the other side is part
// of what is resumed, and is checked against the expectation again. No data is sent before a handshake is done
// ("0-RTT"), as that could be replayed.
//
// One object serves any number of loops, listeners and connections of one key, each of which holds it. It keeps what it
// needs to accept resumptions (a secret drawn when it is made, which no other process knows and which stays until it
// goes) and to offer them (kTlsSessionsMax, the oldest go first).
// Threads: any. Errors: only at construction, kInternal when OpenSSL cannot do what is needed here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "distri/utils/signing.hpp"

namespace distri::net {

inline constexpr std::size_t kTlsSessionsMax = 1024;

class Tls {
 public:
  struct Counters {
    std::uint64_t full = 0;     // handshakes that succeeded, with signatures
    std::uint64_t resumed = 0;  // and those that continued an earlier session
    std::uint64_t failed = 0;   // handshakes that did not succeed because of what the other side sent, or its key:
    std::uint64_t failed_not_tls = 0;   // something else than TLS
    std::uint64_t failed_key = 0;       // no valid key, or not the expected one; or ours is refused
    std::uint64_t failed_lost = 0;      // it ended in the middle
    std::uint64_t failed_protocol = 0;  // everything else: versions, ciphers, broken or too many bytes
  };

  // To dial and to accept. The key is copied.
  static Result<std::shared_ptr<Tls>> with_key(const SigningKey& key);
  // To dial only: a client that proves who it is by other means, or not at all.
  static Result<std::shared_ptr<Tls>> without_key();

  virtual ~Tls() = default;

  virtual const std::optional<NodeId>& key() const = 0;
  virtual Counters counters() const = 0;

 private:
  friend class TlsImpl;  // the only one
  Tls() = default;
};

}  // namespace distri::net
