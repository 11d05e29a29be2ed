// envelope.hpp: the sealed form of a file, before it becomes pixels.
//
//   offset  bytes  field (integers little-endian)
//        0      8  magic "distriIM"
//        8      1  version, 1
//        9      1  key derivation: 0 none, 1 Argon2id
//       10      2  zero
//       12      4  Argon2id passes, or 0
//       16      8  Argon2id memory in bytes, or 0
//       24     16  Argon2id salt, or zero
//       40     24  nonce
//       64      8  length of what follows the header
//       72     16  key check: BLAKE2b-128 of the nonce under subkey 2
//       88      n  ciphertext and its 16-byte tag: XChaCha20-Poly1305 under subkey 1, bytes 0 to 87 as associated data
// The plaintext is the file, one byte 0x80, and zeros up to the wanted size, so that padding is authenticated as well.
//
// An AEAD alone cannot tell a wrong key from a changed file. The key check can: it depends on key and nonce only. It is
// no oracle that the tag would not be, and since it comes from an independent subkey it says nothing about the
// encryption key. Threads: none; pure functions.
#pragma once

#include <array>
#include <cstdint>

#include "distri/services/key.hpp"
#include "distri/utils/bytes.hpp"

namespace distri::services {

inline constexpr BytesView kEnvelopeMagic = "distriIM";
inline constexpr std::uint8_t kEnvelopeVersion = 1;
inline constexpr std::size_t kEnvelopeHeaderBytes = 88;
inline constexpr std::size_t kTagBytes = 16;
// What an envelope adds to a file, at least: header, one byte of padding, tag.
inline constexpr std::size_t kEnvelopeOverheadBytes = kEnvelopeHeaderBytes + 1 + kTagBytes;

enum class KeyDerivation : std::uint8_t { kNone = 0, kArgon2id = 1 };

struct EnvelopeHeader {
  KeyDerivation derivation = KeyDerivation::kNone;
  std::uint32_t argon2_passes = 0;
  std::uint64_t argon2_memory_bytes = 0;
  std::array<unsigned char, 16> salt{};
  std::array<unsigned char, 24> nonce{};
  std::uint64_t ciphertext_bytes = 0;  // tag included
  std::array<unsigned char, 16> key_check{};

  bool operator==(const EnvelopeHeader&) const = default;
};

bool has_envelope_magic(BytesView bytes);

// Precondition: has_envelope_magic(). kInvalidArgument for an unknown version or derivation; kDataLoss for fields that
// contradict each other or the number of bytes there are.
Result<EnvelopeHeader> parse_envelope_header(BytesView envelope);

// Exactly kEnvelopeHeaderBytes.
Bytes write_envelope_header(const EnvelopeHeader& header);

// An envelope of exactly `envelope_bytes`, which must be at least file.size() + kEnvelopeOverheadBytes. Takes
// derivation, its costs and the salt from `header`; draws the nonce itself and fills in the rest.
Bytes seal(BytesView file, const Key32& master, EnvelopeHeader header, std::size_t envelope_bytes);

// The file. `header` is what parse_envelope_header(envelope) gave; bytes behind its ciphertext are not looked at.
// kUnauthenticated: wrong key. kDataLoss: right key, changed bytes.
Result<Bytes> open(BytesView envelope, const EnvelopeHeader& header, const Key32& master);

}  // namespace distri::services
