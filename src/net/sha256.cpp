#include "distri/net/sha256.hpp"

#include <openssl/evp.h>

#include "distri/utils/check.hpp"

namespace distri::net {

Hash256 sha256(BytesView bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  // Looked up once: that takes longer than a short input.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  DISTRI_CHECK(algorithm != nullptr && context_ && EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1);
}

void Sha256::update(BytesView bytes) {
  DISTRI_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Hash256 Sha256::finish() {
  Hash256 hash;
  unsigned int size = hash.size();
  DISTRI_CHECK(EVP_DigestFinal_ex(context_.get(), hash.data(), &size) == 1 && size == hash.size());
  return hash;
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

}  // namespace distri::net
