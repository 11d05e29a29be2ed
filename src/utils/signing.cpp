#include "distri/utils/signing.hpp"

#include <sodium.h>

#include <mutex>
#include <utility>

#include "distri/utils/check.hpp"

namespace distri {
namespace {

constexpr std::string_view kPrefix = "distri-signature-v1";

static_assert(kSeedBytes == crypto_sign_SEEDBYTES);
static_assert(Signature::kSize == crypto_sign_BYTES);
static_assert(PublicKey::kSize == crypto_sign_PUBLICKEYBYTES);

void start_sodium() {
  static std::once_flag once;
  std::call_once(once, [] { DISTRI_CHECK(sodium_init() >= 0); });
}

Bytes signed_bytes(std::string_view context, BytesView message) {
  DISTRI_CHECK(!context.empty() && context.size() <= kSignatureContextBytesMax);
  Bytes bytes;
  bytes.reserve(kPrefix.size() + 1 + context.size() + message.size());
  bytes.append(kPrefix).push_back(static_cast<char>(context.size()));
  return bytes.append(context).append(message);
}

const unsigned char* data_of(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

SigningKey SigningKey::generate() {
  start_sodium();
  SigningKey key;
  PublicKey ignored;
  crypto_sign_keypair(ignored.bytes.data(), key.secret_.data());
  return key;
}

SigningKey SigningKey::from_seed(BytesView seed) {
  DISTRI_CHECK(seed.size() == kSeedBytes);
  start_sodium();
  SigningKey key;
  PublicKey ignored;
  crypto_sign_seed_keypair(ignored.bytes.data(), key.secret_.data(), data_of(seed));
  return key;
}

SigningKey::SigningKey(SigningKey&& other) noexcept : secret_(other.secret_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SigningKey& SigningKey::operator=(SigningKey&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    sodium_memzero(other.secret_.data(), other.secret_.size());
  }
  return *this;
}

SigningKey::~SigningKey() {
  sodium_memzero(secret_.data(), secret_.size());
}

BytesView SigningKey::seed() const {
  return {reinterpret_cast<const char*>(secret_.data()), kSeedBytes};
}

PublicKey SigningKey::public_key() const {
  return PublicKey::from_view({reinterpret_cast<const char*>(secret_.data()) + kSeedBytes, PublicKey::kSize});
}

Signature SigningKey::sign(std::string_view context, BytesView message) const {
  const Bytes bytes = signed_bytes(context, message);
  Signature signature;
  crypto_sign_detached(signature.bytes.data(), nullptr, data_of(bytes), bytes.size(), secret_.data());
  return signature;
}

bool is_valid(const PublicKey& key) {
  start_sodium();
  return crypto_core_ed25519_is_valid_point(key.bytes.data()) == 1;
}

bool verify(const PublicKey& key, std::string_view context, BytesView message, const Signature& signature) {
  start_sodium();
  const Bytes bytes = signed_bytes(context, message);
  return crypto_sign_verify_detached(signature.bytes.data(), data_of(bytes), bytes.size(), key.bytes.data()) == 0;
}

}  // namespace distri
