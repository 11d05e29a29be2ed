#include "distri/bson/field_name.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace distri::bson {
namespace {

// The first byte of a text is the lowest of its word: as with all numbers here, the machine has BSON's order of bytes.
static_assert(std::endian::native == std::endian::little);
using Word = std::uint64_t;
constexpr std::size_t kWordBytes = sizeof(Word);

Word load_word(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Reads no byte behind `size`. Not by memcpy(), which for a size that is not a constant is a call.
Word first_word(const char* text, std::size_t size) {
  if (size >= kWordBytes) return load_word(text);
  if (size >= 4) {  // two halves, which may overlap
    return detail::load_u32(text) | Word{detail::load_u32(text + size - 4)} << (8 * (size - 4));
  }
  Word word = 0;
  for (std::size_t i = 0; i < size; ++i) word |= Word{static_cast<std::uint8_t>(text[i])} << (8 * i);
  return word;
}

// The place of the first zero byte; kWordBytes: there is none.
std::size_t zero_in(Word word) {
  return static_cast<std::size_t>(std::countr_zero((word - 0x0101010101010101) & ~word & 0x8080808080808080)) / 8;
}

// Sizes of values by type: the bytes that all values of the type have, and kCounted when the value begins with the
// number of the others. By a table because a jump for each field costs more than the rest of the step. Types that are
// rare or have a rule of their own are kOther.
constexpr std::uint8_t kCounted = 0x80;
constexpr std::uint8_t kOther = 0xff;

constexpr std::array<std::uint8_t, 256> value_sizes() {
  std::array<std::uint8_t, 256> sizes;
  sizes.fill(kOther);
  const auto set = [&](Type type, int size) {
    sizes[static_cast<std::uint8_t>(type)] = static_cast<std::uint8_t>(size);
  };
  set(Type::kDouble, 8);
  set(Type::kDate, 8);
  set(Type::kTimestamp, 8);
  set(Type::kInt64, 8);
  set(Type::kInt32, 4);
  set(Type::kBool, 1);
  set(Type::kNull, 0);
  set(Type::kObjectId, 12);
  set(Type::kString, kCounted | 4);
  set(Type::kObject, kCounted);
  set(Type::kArray, kCounted);
  set(Type::kBinary, kCounted | 5);
  return sizes;
}

std::size_t size_of_value(Type type, const char* value) {
  static constexpr auto kSizes = value_sizes();
  const std::uint8_t size = kSizes[static_cast<std::uint8_t>(type)];
  if (size < kCounted) return size;
  if (size == kOther) return detail::value_size(type, value);
  return static_cast<std::size_t>(size - kCounted) + detail::load_u32(value);
}

}  // namespace

FieldName::FieldName(std::string_view text)
    : text_(text),
      first_word_(first_word(text.data(), text.size())),
      mask_(text.size() < kWordBytes ? ~Word{0} >> (8 * (kWordBytes - 1 - text.size())) : ~Word{0}),
      possible_(zero_in(first_word_) == std::min(text.size(), kWordBytes)) {}

std::optional<Value> FieldName::find_in(View object) const {
  if (!possible_) return std::nullopt;
  const bool in_one_word = text_.size() < kWordBytes;
  const char* at = object.bytes().data() + 4;
  const char* const end = object.bytes().data() + object.bytes().size();
  while (*at != 0) {
    const auto type = static_cast<Type>(static_cast<std::uint8_t>(*at));
    const char* const name = at + 1;
    const auto left = static_cast<std::size_t>(end - name);
    const Word word = left >= kWordBytes ? load_word(name) : first_word(name, left);
    std::size_t name_size = zero_in(word);
    if (name_size == kWordBytes) name_size += std::strlen(name + kWordBytes);
    const char* const value = name + name_size + 1;
    const std::size_t size = size_of_value(type, value);
    if ((word & mask_) == first_word_ && (in_one_word || std::string_view(name, name_size) == text_)) {
      return Value(type, {value, size});
    }
    at = value + size;
  }
  return std::nullopt;
}

// Here, so that the compiler sees what a name for one search is made of.
std::optional<Value> View::find(std::string_view key) const {
  return FieldName(key).find_in(*this);
}

}  // namespace distri::bson
