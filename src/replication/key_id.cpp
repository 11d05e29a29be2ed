#include "distri/replication/key_id.hpp"

#include <bit>

#include "distri/bson/compare.hpp"

namespace distri::replication {

std::optional<bson::Document> id_of_key(BytesView key) {
  const auto document = [key](auto append) -> std::optional<bson::Document> {
    bson::Builder builder;
    append(builder);
    bson::Document result = std::move(builder).finish();
    if (bson::order_key(result.view().begin()->value) != key) return std::nullopt;
    return result;
  };
  if (key.size() < 2) return std::nullopt;
  const BytesView payload = key.substr(1);
  if (payload.size() == 12) {
    if (auto id = document([&](bson::Builder& b) { b.append_object_id("_id", payload); })) return id;
  }
  if (payload.size() == 9) {
    std::uint64_t bits = 0;
    for (const char byte : payload.substr(0, 8)) bits = bits << 8 | static_cast<unsigned char>(byte);
    const auto number = std::bit_cast<double>((bits >> 63) != 0 ? bits ^ (1ULL << 63) : ~bits);
    if (number >= -0x1.0p53 && number <= 0x1.0p53 && number == static_cast<double>(static_cast<std::int64_t>(number))) {
      const auto whole = static_cast<std::int64_t>(number);
      const bool small = whole == static_cast<std::int32_t>(whole);
      if (auto id = document([&](bson::Builder& b) {
            small ? b.append_int32("_id", static_cast<std::int32_t>(whole)) : b.append_int64("_id", whole);
          }))
        return id;
    } else if (auto id = document([&](bson::Builder& b) { b.append_double("_id", number); })) {
      return id;
    }
  }
  // Text: 00 FF stands for a zero byte, 00 01 ends it.
  std::string text;
  for (std::size_t i = 0; i + 2 < payload.size(); ++i) {
    text.push_back(payload[i]);
    if (payload[i] == '\0') ++i;
  }
  const auto id = document([&](bson::Builder& b) { b.append_string("_id", text); });
  return id && bson::validate(id->bytes()) ? id : std::nullopt;
}

bool is_told_by_key(const bson::Value& id) {
  return id.type() == bson::Type::kObjectId || id.type() == bson::Type::kString || id.type() == bson::Type::kInt32;
}

}  // namespace distri::replication
