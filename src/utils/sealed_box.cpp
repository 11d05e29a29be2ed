#include "distri/utils/sealed_box.hpp"

#include <sodium.h>

#include <array>

#include "distri/utils/check.hpp"

namespace distri {
namespace {

static_assert(kSealBytes == crypto_box_SEALBYTES);

using BoxPublicKey = std::array<unsigned char, crypto_box_PUBLICKEYBYTES>;

struct BoxSecretKey {
  std::array<unsigned char, crypto_box_SECRETKEYBYTES> bytes{};
  ~BoxSecretKey() { sodium_memzero(bytes.data(), bytes.size()); }
};

struct Expanded {  // the seed, then the public key, as libsodium wants it
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> bytes{};
  ~Expanded() { sodium_memzero(bytes.data(), bytes.size()); }
};

const unsigned char* raw(BytesView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// libsodium takes no null, not even of no bytes.
void zero(void* at, std::size_t size) {
  if (size > 0) sodium_memzero(at, size);
}

}  // namespace

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    zero(bytes_.data(), bytes_.size());
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  zero(bytes_.data(), bytes_.size());
}

SecretBytes SecretBytes::random(std::size_t size_bytes) {
  DISTRI_CHECK(sodium_init() >= 0);
  SecretBytes secret = zeros(size_bytes);
  if (size_bytes > 0) randombytes_buf(secret.data(), size_bytes);
  return secret;
}

SecretBytes SecretBytes::zeros(std::size_t size_bytes) {
  SecretBytes secret;
  secret.bytes_.resize(size_bytes);
  return secret;
}

bool SecretBytes::operator==(const SecretBytes& other) const {
  return size() == other.size() && (empty() || sodium_memcmp(bytes_.data(), other.bytes_.data(), size()) == 0);
}

void wipe(Bytes& bytes) {
  sodium_memzero(bytes.data(), bytes.size());
  bytes.clear();
}

Result<Bytes> seal_for(const PublicKey& to, BytesView secret) {
  DISTRI_CHECK(sodium_init() >= 0);
  BoxPublicKey box_key{};
  Bytes box(secret.size() + kSealBytes, '\0');
  if (crypto_sign_ed25519_pk_to_curve25519(box_key.data(), to.bytes.data()) != 0 ||
      crypto_box_seal(reinterpret_cast<unsigned char*>(box.data()), raw(secret), secret.size(), box_key.data()) != 0) {
    return fail(Code::kInvalidArgument, "sealed box: {} is nobody's key, nothing can be sealed for it", to.short_hex());
  }
  return box;
}

Result<SecretBytes> open_sealed(const SigningKey& key, BytesView box) {
  DISTRI_CHECK(sodium_init() >= 0);
  if (box.size() < kSealBytes) {
    return fail(Code::kInvalidArgument, "sealed box: it has {} bytes, no box is shorter than {}", box.size(),
                kSealBytes);
  }
  Expanded expanded;
  PublicKey ignored;
  crypto_sign_seed_keypair(ignored.bytes.data(), expanded.bytes.data(), raw(key.seed()));
  BoxSecretKey secret_key;
  BoxPublicKey public_key{};
  DISTRI_CHECK(crypto_sign_ed25519_sk_to_curve25519(secret_key.bytes.data(), expanded.bytes.data()) == 0);
  crypto_scalarmult_base(public_key.data(), secret_key.bytes.data());
  SecretBytes secret = SecretBytes::zeros(box.size() - kSealBytes);
  if (crypto_box_seal_open(reinterpret_cast<unsigned char*>(secret.data()), raw(box), box.size(), public_key.data(),
                           secret_key.bytes.data()) != 0) {
    return fail(Code::kUnauthenticated, "sealed box: it was made for another key, or changed since");
  }
  return secret;
}

}  // namespace distri
