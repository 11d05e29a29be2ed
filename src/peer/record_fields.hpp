// record_fields.hpp: reads the fields of a record out of a document, and checks signatures. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/peer/limits.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/hash.hpp"
#include "distri/utils/signing.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::peer {

// Reads like a wire::Reader: the first field that is missing or wrong makes the rest empty and is what done() answers,
// so that a decoder reads all its fields and asks once. Fields that nobody reads are ignored.
class Fields {
 public:
  // `what`: the kind of record, which begins the error's sentence.
  Fields(std::string_view what, bson::View document);

  std::string text(std::string_view field);
  bool flag(std::string_view field);
  // A whole number from least to most; one in a double counts as well.
  std::uint64_t number(std::string_view field, std::uint64_t least, std::uint64_t most);
  std::uint64_t version() { return number("version", 1, kVersionMax); }
  std::int64_t time_ms(std::string_view field) {
    return static_cast<std::int64_t>(number(field, 0, static_cast<std::uint64_t>(kTimeMsMax)));
  }
  // Lower-case hexadecimal digits.
  template <class IdType>
  IdType id(std::string_view field) {
    const Bytes bytes = hex(field, IdType::kSize);
    return bytes.empty() ? IdType{} : IdType::from_view(bytes);
  }
  Hash256 digest(std::string_view field);
  Bytes binary(std::string_view field, std::size_t bytes_max);
  Signature signature();
  // Texts as "host:port", kAddressesMax at most.
  std::vector<Address> addresses(std::string_view field);
  // `_id`, which follows from other fields.
  void expect_id(std::string_view id);

  // Errors kInvalidArgument, kTooLarge.
  Result<> done() const;

 private:
  // nullopt: there was an error, now or before.
  std::optional<bson::Value> find(std::string_view field, bson::Type type, std::string_view wanted);
  Bytes hex(std::string_view field, std::size_t bytes);
  template <class... Args>
  void fail_with(Code code, fmt::format_string<Args...> format, Args&&... args);

  std::string_view what_;
  bson::View document_;
  std::optional<Error> error_;
};

std::string to_hex(const Hash256& digest);
inline BytesView view_of(const Hash256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// The version of what signatures of records cover; the first byte of it.
inline constexpr std::uint8_t kRecordFormat = 1;

// Error kUnauthenticated.
Result<> check_signature(std::string_view what, std::string_view context, const PublicKey& owner, BytesView message,
                         const Signature& signature);
// Errors of the fields that every record has. kInvalidArgument.
Result<> check_version(std::string_view what, std::uint64_t version);
Result<> check_time(std::string_view what, std::string_view field, std::int64_t time_ms);
// `owner` and `to` are keys, and two different ones.
Result<> check_parties(std::string_view what, const PublicKey& owner, const PublicKey& to);

}  // namespace distri::peer
