// sha256.hpp: SHA-256 (FIPS 180-4) by OpenSSL, for files: most processors have instructions for it, and it takes half
// of the time of BLAKE2b there (docs/peers.md has figures). Here because this module alone knows OpenSSL.
#pragma once

#include <memory>

#include "distri/utils/hash.hpp"

struct evp_md_ctx_st;

namespace distri::net {

Hash256 sha256(BytesView bytes);

// The same of bytes that come piece by piece. Threads: one at a time. No errors.
class Sha256 {
 public:
  Sha256();
  void update(BytesView bytes);
  // Of all that came. Afterwards only assignment and destruction are allowed.
  Hash256 finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace distri::net
