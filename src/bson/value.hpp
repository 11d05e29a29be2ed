// value.hpp: looking at a stored document without parsing it.
//
// A document is one contiguous BSON object (bsonspec.org, version 1.1). A View is valid BSON by construction: it comes
// from a Document, from validate(), or from inside another View. Walking it therefore needs no checks and allocates
// nothing.
//
// Threads: values; any. Errors: only validate() can fail.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "distri/utils/bytes.hpp"

namespace distri::bson {

inline constexpr std::size_t kDocumentBytesMax = 16u << 20;
inline constexpr int kDepthMax = 100;  // nested objects and arrays

// The numbers are BSON's.
enum class Type : std::uint8_t {
  kDouble = 0x01,
  kString = 0x02,
  kObject = 0x03,
  kArray = 0x04,
  kBinary = 0x05,
  kUndefined = 0x06,
  kObjectId = 0x07,
  kBool = 0x08,
  kDate = 0x09,
  kNull = 0x0a,
  kRegex = 0x0b,
  kDbPointer = 0x0c,
  kCode = 0x0d,
  kSymbol = 0x0e,
  kCodeWithScope = 0x0f,
  kInt32 = 0x10,
  kTimestamp = 0x11,
  kInt64 = 0x12,
  kDecimal128 = 0x13,
  kMaxKey = 0x7f,
  kMinKey = 0xff,
};

// "double", "string", "object", ...: MongoDB's names of the types.
std::string_view type_name(Type type);

class View;

namespace detail {

inline std::uint32_t load_u32(const char* at) {
  std::uint32_t v;
  std::memcpy(&v, at, sizeof v);
  return v;
}

// Bytes of the value of that type that begins at `at`. Precondition: valid BSON.
inline std::size_t value_size(Type type, const char* at) {
  switch (type) {
    case Type::kDouble:
    case Type::kDate:
    case Type::kTimestamp:
    case Type::kInt64:
      return 8;
    case Type::kInt32:
      return 4;
    case Type::kBool:
      return 1;
    case Type::kObjectId:
      return 12;
    case Type::kDecimal128:
      return 16;
    case Type::kString:
    case Type::kCode:
    case Type::kSymbol:
      return 4 + load_u32(at);
    case Type::kObject:
    case Type::kArray:
    case Type::kCodeWithScope:
      return load_u32(at);
    case Type::kBinary:
      return 5 + load_u32(at);
    case Type::kDbPointer:
      return 4 + load_u32(at) + 12;
    case Type::kRegex: {
      const std::size_t pattern = std::strlen(at) + 1;
      return pattern + std::strlen(at + pattern) + 1;
    }
    case Type::kUndefined:
    case Type::kNull:
    case Type::kMaxKey:
    case Type::kMinKey:
      break;
  }
  return 0;
}

inline constexpr char kEmptyObject[5] = {5, 0, 0, 0, 0};

}  // namespace detail

// One value: its type and its bytes (without type byte and key).
class Value {
 public:
  Value() = default;  // null
  Value(Type type, BytesView raw) : type_(type), raw_(raw) {}

  Type type() const { return type_; }
  BytesView raw() const { return raw_; }

  bool is_number() const {
    return type_ == Type::kDouble || type_ == Type::kInt32 || type_ == Type::kInt64 || type_ == Type::kDecimal128;
  }
  // Preconditions of the getters: the type is the named one.
  double as_double() const { return load<double>(0); }
  std::int32_t as_int32() const { return load<std::int32_t>(0); }
  std::int64_t as_int64() const { return load<std::int64_t>(0); }
  bool as_bool() const { return raw_[0] != 0; }
  std::int64_t as_date_ms() const { return load<std::int64_t>(0); }
  std::string_view as_string() const { return raw_.substr(4, raw_.size() - 5); }  // kString, kCode, kSymbol
  BytesView as_object_id() const { return raw_; }                                 // 12 bytes
  View as_object() const;                                                         // kObject, kArray
  BytesView binary_bytes() const { return raw_.substr(5); }
  std::uint8_t binary_subtype() const { return static_cast<std::uint8_t>(raw_[4]); }

  // kRegex: pattern and options; kDbPointer: collection and 12 bytes of id; kCodeWithScope: code and scope.
  std::string_view regex_pattern() const { return raw_.data(); }
  std::string_view regex_options() const { return raw_.data() + regex_pattern().size() + 1; }
  std::string_view db_pointer_collection() const { return {raw_.data() + 4, detail::load_u32(raw_.data()) - 1}; }
  BytesView db_pointer_id() const { return raw_.substr(raw_.size() - 12); }
  std::string_view scoped_code() const { return {raw_.data() + 8, detail::load_u32(raw_.data() + 4) - 1}; }
  View code_scope() const;
  std::uint32_t timestamp_increment() const { return load<std::uint32_t>(0); }
  std::uint32_t timestamp_seconds() const { return load<std::uint32_t>(4); }

  // The value as a 64-bit integer when it is a number that one represents exactly (also 3.0).
  std::optional<std::int64_t> to_int64() const;
  // Any number but decimal128 as a double.
  std::optional<double> to_double() const;

 private:
  template <class T>
  T load(std::size_t offset) const {
    T v;
    std::memcpy(&v, raw_.data() + offset, sizeof v);
    return v;
  }

  Type type_ = Type::kNull;
  BytesView raw_;
};

// One field of an object (or element of an array, whose keys are "0", "1", ...).
struct Element {
  std::string_view key;
  Value value;
  BytesView raw;  // type byte, key, zero, value: ready to be copied into another document
};

// A whole object or array.
class View {
 public:
  // The empty object.
  View() : bytes_(detail::kEmptyObject, sizeof detail::kEmptyObject) {}
  // Precondition: `bytes` is valid BSON.
  static View trusted(BytesView bytes) { return View(bytes); }

  class Iterator {
   public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(const char* at) : at_(at) { decode(); }
    const Element& operator*() const { return element_; }
    const Element* operator->() const { return &element_; }
    Iterator& operator++() {
      at_ += element_.raw.size();
      decode();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool at_end() const { return *at_ == 0; }
    bool operator==(std::default_sentinel_t) const { return at_end(); }

   private:
    void decode() {
      const auto type = static_cast<Type>(static_cast<std::uint8_t>(*at_));
      if (*at_ == 0) return;
      const std::size_t key_size = std::strlen(at_ + 1);
      const char* value = at_ + key_size + 2;
      const std::size_t size = detail::value_size(type, value);
      element_.key = {at_ + 1, key_size};
      element_.value = Value(type, {value, size});
      element_.raw = {at_, key_size + 2 + size};
    }
    const char* at_;
    Element element_;
  };

  Iterator begin() const { return Iterator(bytes_.data() + 4); }
  std::default_sentinel_t end() const { return {}; }

  BytesView bytes() const { return bytes_; }
  bool empty() const { return bytes_.size() == 5; }
  std::size_t count() const;

  // The first field of that name.
  std::optional<Value> find(std::string_view key) const;
  // Its position among the fields, and the whole element.
  std::optional<Element> find_element(std::string_view key) const;

  // Same bytes.
  bool operator==(const View& other) const { return bytes_ == other.bytes_; }

 private:
  explicit View(BytesView bytes) : bytes_(bytes) {}
  BytesView bytes_;
};

inline View Value::as_object() const {
  return View::trusted(raw_);
}

// Checks every byte: lengths, terminators, UTF-8 of keys and strings, types, depth (kDepthMax), size
// (kDocumentBytesMax), array keys are not required to be dense. kInvalidArgument (or kTooLarge) with the offset and
// what is wrong.
Result<View> validate(BytesView bytes);

}  // namespace distri::bson
