#include "distri/services/envelope.hpp"

#include <doctest/doctest.h>

#include "distri/utils/random.hpp"

namespace distri::services {
namespace {

Key32 key_of(unsigned char byte) {
  Key32 key;
  key.bytes.fill(byte);
  return key;
}

TEST_CASE("a header reads back as it was written") {
  EnvelopeHeader header;
  header.derivation = KeyDerivation::kArgon2id;
  header.argon2_passes = 3;
  header.argon2_memory_bytes = 1 << 26;
  header.salt.fill(1);
  header.nonce.fill(2);
  header.ciphertext_bytes = 40;
  header.key_check.fill(3);
  const Bytes bytes = write_envelope_header(header);
  CHECK(bytes.size() == kEnvelopeHeaderBytes);
  CHECK(has_envelope_magic(bytes));
  CHECK(parse_envelope_header(bytes + Bytes(40, 'x')).value() == header);
  CHECK(parse_envelope_header(bytes + Bytes(39, 'x')).error().code == Code::kDataLoss);
}

TEST_CASE("what is sealed opens with the same key only, whatever the padding") {
  Random random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    Bytes file;
    for (std::size_t i = 0; i < size; ++i)
      file.push_back(static_cast<char>(random.chance(0.3) ? 0 : random.below(3) * 64));
    const std::size_t total = size + kEnvelopeOverheadBytes + random.below(50);
    const Bytes envelope = seal(file, key_of(1), {}, total);
    CHECK(envelope.size() == total);
    const EnvelopeHeader header = parse_envelope_header(envelope).value();
    CHECK(open(envelope, header, key_of(1)).value() == file);
    CHECK(open(envelope, header, key_of(2)).error().code == Code::kUnauthenticated);
  }
}

TEST_CASE("no byte of an envelope can be changed unnoticed") {
  const Bytes envelope = seal("the file", key_of(1), {}, 150);
  for (std::size_t i = 0; i < envelope.size(); ++i) {
    Bytes changed = envelope;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    if (!has_envelope_magic(changed)) continue;
    const auto header = parse_envelope_header(changed);
    if (header) CHECK_FALSE(open(changed, *header, key_of(1)).has_value());
  }
}

TEST_CASE("the same passphrase and salt give the same key, another salt another one") {
  std::array<unsigned char, 16> salt{};
  const Key32 first = derive_key("phrase", salt, 1, 8192).value();
  CHECK(derive_key("phrase", salt, 1, 8192).value().bytes == first.bytes);
  salt[0] = 1;
  CHECK(derive_key("phrase", salt, 1, 8192).value().bytes != first.bytes);
  CHECK_FALSE(derive_key("phrase", salt, 1, 100).has_value());
}

TEST_CASE("subkeys differ by purpose and by master key") {
  CHECK(subkey(key_of(1), 1).bytes != subkey(key_of(1), 2).bytes);
  CHECK(subkey(key_of(1), 1).bytes != subkey(key_of(2), 1).bytes);
}

}  // namespace
}  // namespace distri::services
