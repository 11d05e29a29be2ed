#include <simdjson.h>

#include "distri/bson/value.hpp"

namespace distri::bson {
namespace {

class Validator {
 public:
  explicit Validator(BytesView bytes) : bytes_(bytes) {}

  Result<> run() {
    std::size_t end = 0;
    if (object(0, bytes_.size(), 1, end)) {
      if (end == bytes_.size()) return {};
      fault(0, "the length says {} bytes, there are {}", end, bytes_.size());
    }
    return fail(std::move(error_));
  }

 private:
  // Each check returns false after it has filled error_. `limit` is the end of the enclosing value; `end` becomes the
  // end of this one.
  template <class... Args>
  bool fault(std::size_t at, fmt::format_string<Args...> format, Args&&... args) {
    error_ = Error{Code::kInvalidArgument,
                   fmt::format("document: {} at byte {}", fmt::format(format, std::forward<Args>(args)...), at)};
    return false;
  }

  bool need(std::size_t at, std::size_t limit, std::size_t size) {
    return limit - at >= size ||
           fault(at, "a value of {} bytes does not fit into the {} that are left", size, limit - at);
  }

  bool utf8(std::size_t at, std::size_t size, std::string_view what) {
    const char* text = bytes_.data() + at;
    bool ascii = true;
    for (std::size_t i = 0; i < size && i < 32; ++i) ascii &= static_cast<signed char>(text[i]) >= 0;
    if (ascii && size <= 32) return true;
    return simdjson::validate_utf8(text, size) || fault(at, "{} is not UTF-8", what);
  }

  bool cstring(std::size_t at, std::size_t limit, std::string_view what, std::size_t& end) {
    const void* zero = std::memchr(bytes_.data() + at, 0, limit - at);
    if (zero == nullptr) return fault(at, "{} has no terminating zero", what);
    end = static_cast<std::size_t>(static_cast<const char*>(zero) - bytes_.data()) + 1;
    return utf8(at, end - 1 - at, what);
  }

  bool string(std::size_t at, std::size_t limit, std::size_t& end) {
    if (!need(at, limit, 5)) return false;
    const std::size_t size = detail::load_u32(bytes_.data() + at);
    if (size < 1 || size > limit - at - 4)
      return fault(at, "a string's length {} is not from 1 to {}", size, limit - at - 4);
    end = at + 4 + size;
    if (bytes_[end - 1] != 0) return fault(end - 1, "a string does not end with a zero byte");
    return utf8(at + 4, size - 1, "a string");
  }

  bool binary(std::size_t at, std::size_t limit, std::size_t& end) {
    if (!need(at, limit, 5)) return false;
    const std::size_t size = detail::load_u32(bytes_.data() + at);
    if (size > limit - at - 5)
      return fault(at, "a binary value's length {} is more than the {} left", size, limit - at - 5);
    if (bytes_[at + 4] == 2 && (size < 4 || detail::load_u32(bytes_.data() + at + 5) != size - 4)) {
      return fault(at, "a binary value of subtype 2 does not repeat its length");
    }
    end = at + 5 + size;
    return true;
  }

  bool code_with_scope(std::size_t at, std::size_t limit, int depth, std::size_t& end) {
    if (!need(at, limit, 4)) return false;
    const std::size_t size = detail::load_u32(bytes_.data() + at);
    if (size < 14 || size > limit - at) return fault(at, "a code with scope of {} bytes does not fit", size);
    end = at + size;
    std::size_t scope = 0;
    std::size_t scope_end = 0;
    if (!string(at + 4, end, scope) || !object(scope, end, depth + 1, scope_end)) return false;
    return scope_end == end || fault(at, "the parts of a code with scope do not fill it");
  }

  bool value(Type type, std::size_t at, std::size_t limit, int depth, std::size_t& end) {
    switch (type) {
      case Type::kString:
      case Type::kCode:
      case Type::kSymbol:
        return string(at, limit, end);
      case Type::kObject:
      case Type::kArray:
        return object(at, limit, depth + 1, end);
      case Type::kBinary:
        return binary(at, limit, end);
      case Type::kBool:
        if (!need(at, limit, 1)) return false;
        end = at + 1;
        return static_cast<unsigned char>(bytes_[at]) <= 1 || fault(at, "a bool is neither 0 nor 1");
      case Type::kRegex: {
        std::size_t options = 0;
        return cstring(at, limit, "a regular expression", options) &&
               cstring(options, limit, "the options of a regular expression", end);
      }
      case Type::kDbPointer: {
        std::size_t id = 0;
        if (!string(at, limit, id) || !need(id, limit, 12)) return false;
        end = id + 12;
        return true;
      }
      case Type::kCodeWithScope:
        return code_with_scope(at, limit, depth, end);
      case Type::kDouble:
      case Type::kUndefined:
      case Type::kObjectId:
      case Type::kDate:
      case Type::kNull:
      case Type::kInt32:
      case Type::kTimestamp:
      case Type::kInt64:
      case Type::kDecimal128:
      case Type::kMaxKey:
      case Type::kMinKey: {
        const std::size_t size = detail::value_size(type, nullptr);  // of fixed size: the bytes are not looked at
        end = at + size;
        return need(at, limit, size);
      }
    }
    return fault(at, "0x{:02x} is not a type of BSON", static_cast<unsigned>(type));
  }

  bool object(std::size_t at, std::size_t limit, int depth, std::size_t& end) {
    if (depth > kDepthMax) return fault(at, "objects and arrays nest deeper than {}", kDepthMax);
    if (!need(at, limit, 5)) return false;
    const std::size_t size = detail::load_u32(bytes_.data() + at);
    if (size < 5 || size > limit - at) return fault(at, "an object's length {} is not from 5 to {}", size, limit - at);
    end = at + size;
    const std::size_t last = end - 1;
    if (bytes_[last] != 0) return fault(last, "an object does not end with a zero byte");
    at += 4;
    while (at < last) {
      const auto type = static_cast<Type>(static_cast<std::uint8_t>(bytes_[at]));
      if (type == Type{}) return fault(at, "an object ends before its length says");
      std::size_t value_at = 0;
      std::size_t next = 0;
      if (!cstring(at + 1, last, "a field name", value_at) || !value(type, value_at, last, depth, next)) return false;
      at = next;
    }
    return true;
  }

  BytesView bytes_;
  Error error_;
};

}  // namespace

Result<View> validate(BytesView bytes) {
  if (bytes.size() > kDocumentBytesMax) {
    return fail(Code::kTooLarge, "document: {} bytes are more than the limit of {}", bytes.size(), kDocumentBytesMax);
  }
  DISTRI_TRY_VOID(Validator(bytes).run());
  return View::trusted(bytes);
}

}  // namespace distri::bson
