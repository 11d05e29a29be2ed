// key.hpp: secrets of the image service. Both types wipe what they hold when they are destroyed.
//
// Threads: values; one object is used by one thread at a time.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace distri::services {

// A 256-bit symmetric key.
class Key32 {
 public:
  static constexpr std::size_t kSize = 32;
  std::array<unsigned char, kSize> bytes{};

  Key32() = default;
  Key32(const Key32&) = default;
  Key32& operator=(const Key32&) = default;
  ~Key32();

  // Exactly 64 hexadecimal digits; else kInvalidArgument. The message never repeats the text.
  static Result<Key32> from_hex(std::string_view hex);

  // All zero: "none".
  bool empty() const;
};

// A passphrase.
class SecretText {
 public:
  SecretText(std::string text)
      : text_(std::move(text)) {}  // NOLINT(google-explicit-constructor): assigned from plain strings
  SecretText(const SecretText&) = default;
  SecretText& operator=(const SecretText& other);
  ~SecretText();

  std::string_view view() const { return text_; }

 private:
  std::string text_;
};

// Prepares libsodium, once per process; everything in this module that uses it calls this first. Threads: any.
void init_sodium();

// The key a passphrase stands for: Argon2id, version 1.3 (RFC 9106). Slow and memory-hungry on purpose.
// kUnavailable when the memory cannot be had; kInvalidArgument for costs that libsodium refuses.
Result<Key32> derive_key(std::string_view passphrase, const std::array<unsigned char, 16>& salt, std::uint64_t opslimit,
                         std::uint64_t memlimit_bytes);

// An independent key for one purpose, from a master key (libsodium's BLAKE2b-based crypto_kdf, context "distrimg").
Key32 subkey(const Key32& master, std::uint64_t purpose);

}  // namespace distri::services
