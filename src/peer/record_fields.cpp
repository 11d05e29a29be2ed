#include "distri/peer/record_fields.hpp"

#include <algorithm>

namespace distri::peer {

template <class... Args>
void Fields::fail_with(Code code, fmt::format_string<Args...> format, Args&&... args) {
  if (!error_) error_ = Error{code, fmt::format("{}: ", what_) + fmt::format(format, std::forward<Args>(args)...)};
}

Fields::Fields(std::string_view what, bson::View document) : what_(what), document_(document) {
  if (document.bytes().size() > kRecordBytesMax) {
    fail_with(Code::kTooLarge, "it has {} bytes, at most {} are allowed", document.bytes().size(), kRecordBytesMax);
  }
}

std::optional<bson::Value> Fields::find(std::string_view field, bson::Type type, std::string_view wanted) {
  if (error_) return std::nullopt;
  const auto value = document_.find(field);
  if (!value) {
    fail_with(Code::kInvalidArgument, "its field '{}' is missing", field);
    return std::nullopt;
  }
  const bool number = type == bson::Type::kInt64 && value->is_number();
  if (value->type() != type && !number) {
    fail_with(Code::kInvalidArgument, "its field '{}' is of type {}, it must be {}", field,
              bson::type_name(value->type()), wanted);
    return std::nullopt;
  }
  return value;
}

std::string Fields::text(std::string_view field) {
  const auto value = find(field, bson::Type::kString, "a string");
  return value ? std::string(value->as_string()) : std::string();
}

bool Fields::flag(std::string_view field) {
  const auto value = find(field, bson::Type::kBool, "true or false");
  return value && value->as_bool();
}

std::uint64_t Fields::number(std::string_view field, std::uint64_t least, std::uint64_t most) {
  const auto value = find(field, bson::Type::kInt64, "a whole number");
  if (!value) return least;
  const auto number = value->to_int64();
  if (number && *number >= 0 && static_cast<std::uint64_t>(*number) >= least &&
      static_cast<std::uint64_t>(*number) <= most) {
    return static_cast<std::uint64_t>(*number);
  }
  if (number) {
    fail_with(Code::kInvalidArgument, "its field '{}' is {}, {} to {} are allowed", field, *number, least, most);
  } else {
    fail_with(Code::kInvalidArgument, "its field '{}' is no whole number, {} to {} are allowed", field, least, most);
  }
  return least;
}

Bytes Fields::hex(std::string_view field, std::size_t bytes) {
  const auto value = find(field, bson::Type::kString, "a string");
  if (!value) return {};
  const std::string_view digits = value->as_string();
  const bool good = digits.size() == 2 * bytes && std::ranges::all_of(digits, [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (good) return from_hex(digits).value();
  fail_with(Code::kInvalidArgument, "its field '{}' must be {} lower-case hexadecimal digits", field, 2 * bytes);
  return {};
}

Hash256 Fields::digest(std::string_view field) {
  Hash256 digest{};
  const Bytes bytes = hex(field, digest.size());
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

Bytes Fields::binary(std::string_view field, std::size_t bytes_max) {
  const auto value = find(field, bson::Type::kBinary, "binary");
  if (!value) return {};
  if (value->binary_subtype() != 0) {
    fail_with(Code::kInvalidArgument, "its field '{}' is binary of subtype {}, it must be 0", field,
              value->binary_subtype());
    return {};
  }
  const BytesView bytes = value->binary_bytes();
  if (bytes.size() <= bytes_max) return Bytes(bytes);
  fail_with(Code::kTooLarge, "its field '{}' has {} bytes, at most {} are allowed", field, bytes.size(), bytes_max);
  return {};
}

Signature Fields::signature() {
  const Bytes bytes = binary("sig", Signature::kSize);
  if (bytes.size() == Signature::kSize) return Signature::from_view(bytes);
  fail_with(Code::kInvalidArgument, "its field 'sig' has {} bytes, a signature has {}", bytes.size(), Signature::kSize);
  return {};
}

std::vector<Address> Fields::addresses(std::string_view field) {
  std::vector<Address> addresses;
  const auto value = find(field, bson::Type::kArray, "an array");
  if (!value) return addresses;
  for (const bson::Element& element : value->as_object()) {
    if (addresses.size() == kAddressesMax) {
      fail_with(Code::kTooLarge, "its field '{}' has more than {} addresses", field, kAddressesMax);
      return {};
    }
    if (element.value.type() != bson::Type::kString) {
      fail_with(Code::kInvalidArgument, "its field '{}' holds a {}, it must hold strings", field,
                bson::type_name(element.value.type()));
      return {};
    }
    auto address = parse_address(element.value.as_string());
    if (!address) {
      fail_with(Code::kInvalidArgument, "its field '{}' holds what is no address (\"host:port\")", field);
      return {};
    }
    addresses.push_back(*std::move(address));
  }
  return addresses;
}

void Fields::expect_id(std::string_view id) {
  const std::string found = text("_id");
  if (found != id) fail_with(Code::kInvalidArgument, "its '_id' does not follow from its other fields");
}

Result<> Fields::done() const {
  if (error_) return fail(*error_);
  return {};
}

std::string to_hex(const Hash256& digest) {
  return distri::to_hex(view_of(digest));
}

Result<> check_signature(std::string_view what, std::string_view context, const PublicKey& owner, BytesView message,
                         const Signature& signature) {
  if (verify(owner, context, message, signature)) return {};
  return fail(Code::kUnauthenticated, "{}: the signature is not that of its owner {}; it is forged or was changed",
              what, owner.short_hex());
}

Result<> check_version(std::string_view what, std::uint64_t version) {
  if (version >= 1 && version <= kVersionMax) return {};
  return fail(Code::kInvalidArgument, "{}: version {}, 1 to {} are allowed", what, version, kVersionMax);
}

Result<> check_time(std::string_view what, std::string_view field, std::int64_t time_ms) {
  if (time_ms >= 0 && time_ms <= kTimeMsMax) return {};
  return fail(Code::kInvalidArgument, "{}: {} is {}, 0 to {} are allowed", what, field, time_ms, kTimeMsMax);
}

Result<> check_parties(std::string_view what, const PublicKey& owner, const PublicKey& to) {
  if (to.empty() || owner.empty()) return fail(Code::kInvalidArgument, "{}: 'owner' or 'to' is no key", what);
  if (to != owner) return {};
  return fail(Code::kInvalidArgument, "{}: it is for its own owner; name another user", what);
}

}  // namespace distri::peer
