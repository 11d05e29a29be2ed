// support.hpp: users on paper, and their records.
#pragma once

#include <doctest/doctest.h>

#include "distri/peer/limits.hpp"
#include "distri/peer/records.hpp"

namespace distri::peer::test {

// Always the same for the same words.
inline SigningKey key(std::string_view what) {
  const Hash256 seed = blake2b_256(what);
  return SigningKey::from_seed({reinterpret_cast<const char*>(seed.data()), seed.size()});
}
inline PublicKey id_of(std::string_view what) {
  return key(what).public_key();
}
template <class IdType>
IdType make_id(std::uint64_t number) {
  IdType id;
  for (std::size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<unsigned char>(number >> (8 * i));
  id.bytes[IdType::kSize - 1] ^= 0x80;
  return id;
}
inline GrantId grant_id(std::uint64_t number, std::string_view asker = "bob") {
  return make_grant_id(id_of(asker), number);
}
inline ViewId view_id(std::uint64_t number) {
  return make_id<ViewId>(number);
}
inline DeviceId device_id(std::uint64_t number) {
  return make_id<DeviceId>(number);
}

inline constexpr std::int64_t kNow = 1'800'000'000'000;

inline FileFacts file_facts() {
  return {.digest = blake2b_256("file"), .sealed_digest = blake2b_256("sealed"), .sealed_bytes = 6};
}
inline SecretBytes image_key() {
  return SecretBytes(Bytes(kImageKeyBytes, 'k'));
}
// That there is a value; says the error where there is none.
template <class T>
T value(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result ? std::string() : to_string(result.error())));
  return *std::move(result);
}

// That it was refused with this code and these words.
template <class T>
void check_refused(const Result<T>& result, Code code, std::string_view words) {
  CAPTURE(words);
  REQUIRE_FALSE(result.has_value());
  CAPTURE(result.error().message);
  CHECK(result.error().code == code);
  CHECK(result.error().message.find(words) != std::string::npos);
}

inline bson::Document edited(const bson::Document& document, const bson::Document& fields) {
  return bson::merge_fields(document, fields);
}

}  // namespace distri::peer::test
