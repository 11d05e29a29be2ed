// signing.hpp: Ed25519 keys (RFC 8032, by libsodium): who a node is, and what it has said.
//
// A public key is a NodeId: the name of a node is the key that its signatures are checked with. One key serves several
// purposes (messages of membership here, TLS handshakes in net), so that every signature names its purpose, the
// *context*: what is signed is
//
//   "distri-signature-v1", one byte with the length of the context, the context, the message
//
// and a signature made for one context is not valid in another, nor is it one of TLS or of a certificate, whose signed
// bytes begin otherwise. A context is a constant of the code, such as "distri membership invitation", never input.
//
// Threads: const members and verify() from any thread. Errors: none; the preconditions are checks.
#pragma once

#include <array>

#include "distri/utils/ids.hpp"

namespace distri {

using PublicKey = NodeId;
using Signature = Id<struct SignatureTag, 64>;

inline constexpr std::size_t kSeedBytes = 32;
inline constexpr std::size_t kSignatureContextBytesMax = 255;

// The secret half. Moves and never copies by accident; what is moved from or destroyed is wiped (a key that was moved
// from may only be assigned to or destroyed).
class SigningKey {
 public:
  // A new key, from the randomness of the operating system.
  static SigningKey generate();
  // The key that this secret makes, always the same. Precondition: kSeedBytes bytes.
  static SigningKey from_seed(BytesView seed);

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;
  ~SigningKey();

  // A second object with the same key, on purpose.
  SigningKey copy() const { return from_seed(seed()); }
  // The secret itself, kSeedBytes long, inside this object.
  BytesView seed() const;
  PublicKey public_key() const;
  // The same for the same input. Precondition: `context` has 1 to kSignatureContextBytesMax bytes.
  Signature sign(std::string_view context, BytesView message) const;

 private:
  SigningKey() = default;
  std::array<unsigned char, 64> secret_{};  // the seed, then the public key
};

// False for bytes that cannot be anybody's key: not a point, not the only encoding of one, or of small order (for which
// anybody can sign).
bool is_valid(const PublicKey& key);

// True if the holder of the secret half signed this message for this context. Precondition as for sign(). Any bytes may
// be given as a key or a signature; keys of small order and encodings that are not the only one are never valid.
bool verify(const PublicKey& key, std::string_view context, BytesView message, const Signature& signature);

}  // namespace distri
