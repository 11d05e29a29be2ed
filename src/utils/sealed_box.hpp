// sealed_box.hpp: a secret that only the holder of an Ed25519 identity can read (sealed boxes of libsodium: an
// ephemeral X25519 key, XSalsa20-Poly1305).
//
// Whoever knows an identity's public key can seal for it, without a key of his own: a box says nothing about who made
// it. So what stands in one must be bound to its sender and purpose by a signature around it, and by saying both
// inside. The X25519 key is the one that the Ed25519 key turns into (libsodium: crypto_sign_ed25519_pk_to_curve25519),
// so that an identity has one key to know. Every call makes another box of the same secret.
//
// Threads: any. Errors: kInvalidArgument, kUnauthenticated; no message repeats a secret.
#pragma once

#include <vector>

#include "distri/utils/signing.hpp"

namespace distri {

// Bytes that are wiped when they are destroyed or assigned to. Moves, and never copies by accident.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(BytesView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecretBytes(SecretBytes&& other) noexcept = default;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  // From the randomness of the operating system.
  static SecretBytes random(std::size_t size_bytes);
  static SecretBytes zeros(std::size_t size_bytes);

  // A second object with the same bytes, on purpose.
  SecretBytes copy() const { return SecretBytes(view()); }
  BytesView view() const { return {bytes_.data(), bytes_.size()}; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  char* data() { return bytes_.data(); }
  // In a time that does not tell where they differ.
  bool operator==(const SecretBytes& other) const;

 private:
  std::vector<char> bytes_;
};

// Overwrites bytes that held a secret, so that no compiler leaves it out.
void wipe(Bytes& bytes);

// A box is so much longer than what is in it.
inline constexpr std::size_t kSealBytes = 48;

// Error kInvalidArgument: `to` is nobody's key.
Result<Bytes> seal_for(const PublicKey& to, BytesView secret);

// Errors: kInvalidArgument (shorter than a box); kUnauthenticated (it was sealed for another key, or changed since).
Result<SecretBytes> open_sealed(const SigningKey& key, BytesView box);

}  // namespace distri
