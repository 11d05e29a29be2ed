#include "distri/services/key.hpp"

#include <sodium.h>

#include <mutex>

#include "distri/utils/bytes.hpp"
#include "distri/utils/check.hpp"

namespace distri::services {

static_assert(crypto_pwhash_argon2id_SALTBYTES == 16);
static_assert(crypto_kdf_KEYBYTES == Key32::kSize);

Key32::~Key32() {
  sodium_memzero(bytes.data(), bytes.size());
}

Result<Key32> Key32::from_hex(std::string_view hex) {
  if (hex.size() != 2 * kSize) {
    return fail(Code::kInvalidArgument, "a key is {} hexadecimal digits, not {}", 2 * kSize, hex.size());
  }
  Key32 key;
  std::size_t size = 0;
  const char* end = nullptr;
  const int status = sodium_hex2bin(key.bytes.data(), kSize, hex.data(), hex.size(), nullptr, &size, &end);
  if (status != 0 || size != kSize) {
    return fail(Code::kInvalidArgument, "a key is {} hexadecimal digits; there is something else at position {}",
                2 * kSize, end - hex.data());
  }
  return key;
}

bool Key32::empty() const {
  return sodium_is_zero(bytes.data(), bytes.size()) == 1;
}

SecretText& SecretText::operator=(const SecretText& other) {
  if (this != &other) {
    sodium_memzero(text_.data(), text_.size());
    text_ = other.text_;
  }
  return *this;
}

SecretText::~SecretText() {
  sodium_memzero(text_.data(), text_.size());
}

void init_sodium() {
  static std::once_flag once;
  std::call_once(once, [] { DISTRI_CHECK(sodium_init() >= 0); });
}

Result<Key32> derive_key(std::string_view passphrase, const std::array<unsigned char, 16>& salt, std::uint64_t opslimit,
                         std::uint64_t memlimit_bytes) {
  init_sodium();
  if (opslimit < crypto_pwhash_argon2id_OPSLIMIT_MIN || opslimit > crypto_pwhash_argon2id_OPSLIMIT_MAX ||
      memlimit_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN || memlimit_bytes > crypto_pwhash_argon2id_MEMLIMIT_MAX) {
    return fail(Code::kInvalidArgument, "Argon2id cannot run with {} passes over {} bytes of memory", opslimit,
                memlimit_bytes);
  }
  Key32 key;
  if (crypto_pwhash(key.bytes.data(), Key32::kSize, passphrase.data(), passphrase.size(), salt.data(), opslimit,
                    memlimit_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return fail(Code::kUnavailable, "not enough memory to turn the passphrase into a key ({} bytes are needed)",
                memlimit_bytes);
  }
  return key;
}

Key32 subkey(const Key32& master, std::uint64_t purpose) {
  init_sodium();
  Key32 derived;
  DISTRI_CHECK(
      crypto_kdf_derive_from_key(derived.bytes.data(), Key32::kSize, purpose, "distrimg", master.bytes.data()) == 0);
  return derived;
}

}  // namespace distri::services
