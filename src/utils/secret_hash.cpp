#include "distri/utils/secret_hash.hpp"

#include <sodium.h>

#include <array>

#include "distri/utils/check.hpp"

namespace distri {
namespace {

const unsigned char* raw(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

Result<std::string> hash_secret(BytesView secret) {
  DISTRI_CHECK(sodium_init() >= 0);
  std::array<char, crypto_pwhash_STRBYTES> text{};
  if (crypto_pwhash_argon2id_str(text.data(), secret.data(), secret.size(), kSecretHashPasses,
                                 kSecretHashMemoryBytes) != 0) {
    return fail(Code::kBusy, "there is no memory to hash a secret ({} bytes are needed); try again",
                kSecretHashMemoryBytes);
  }
  return std::string(text.data());
}

bool fits_secret(BytesView secret, const std::string& hash) {
  DISTRI_CHECK(sodium_init() >= 0);
  if (hash.size() >= crypto_pwhash_STRBYTES ||
      crypto_pwhash_argon2id_str_needs_rehash(hash.c_str(), kSecretHashPasses, kSecretHashMemoryBytes) != 0) {
    return false;
  }
  return crypto_pwhash_argon2id_str_verify(hash.c_str(), secret.data(), secret.size()) == 0;
}

Bytes random_secret(std::size_t bytes) {
  DISTRI_CHECK(sodium_init() >= 0);
  Bytes secret(bytes, '\0');
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

std::string keyed_digest(BytesView key, BytesView secret) {
  std::string digest(32, '\0');
  DISTRI_CHECK(crypto_generichash(reinterpret_cast<unsigned char*>(digest.data()), digest.size(), raw(secret),
                                  secret.size(), raw(key), key.size()) == 0);
  return digest;
}

bool equal_secrets(BytesView one, BytesView other) {
  return one.size() == other.size() && sodium_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace distri
