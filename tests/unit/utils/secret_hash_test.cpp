#include "distri/utils/secret_hash.hpp"

#include <doctest/doctest.h>

using namespace distri;

TEST_CASE("A hashed secret fits itself alone, and no two hashes are the same") {
  const Bytes secret = random_secret(32);
  const auto hash = hash_secret(secret);
  REQUIRE(hash);
  CHECK(hash->starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
  CHECK(fits_secret(secret, *hash));
  Bytes other = secret;
  other[7] = static_cast<char>(other[7] ^ 1);
  CHECK(!fits_secret(other, *hash));
  CHECK(!fits_secret("", *hash));
  CHECK(*hash != *hash_secret(secret));
}

TEST_CASE("A hash that was not made here fits nothing, however much work it asks for") {
  for (const char* hash : {"", "x", "$argon2id$", "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
                           "$argon2id$v=19$m=19456,t=4000000,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
                           "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"}) {
    CAPTURE(hash);
    CHECK(!fits_secret("secret", hash));
  }
  CHECK(!fits_secret("secret", std::string(1'000'000, '$')));
}

TEST_CASE("Secrets are told apart, by themselves and by keyed digests") {
  CHECK(equal_secrets("same", "same"));
  CHECK(!equal_secrets("same", "Same"));
  CHECK(!equal_secrets("same", "same "));
  CHECK(random_secret(16) != random_secret(16));
  const Bytes key = random_secret(32);
  CHECK(keyed_digest(key, "a") == keyed_digest(key, "a"));
  CHECK(keyed_digest(key, "a") != keyed_digest(key, "b"));
  CHECK(keyed_digest(key, "a") != keyed_digest(random_secret(32), "a"));
}
