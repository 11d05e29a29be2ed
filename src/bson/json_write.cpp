#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "distri/bson/decimal128.hpp"
#include "distri/bson/iso_date.hpp"
#include "distri/bson/json.hpp"

namespace distri::bson {
namespace {

bool needs_escape(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

// The first position from `at` on that needs one; eight bytes at a time, by the tests for bytes that are zero or below
// a bound of "Bit Twiddling Hacks" (Anderson), which have no false positives below the first true one.
std::size_t find_escape(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kHigh = 0x8080808080808080u;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t quotes = word ^ kOnes * '"';
    const std::uint64_t slashes = word ^ kOnes * '\\';
    const std::uint64_t found =
        ((word - kOnes * 0x20) & ~word) | ((quotes - kOnes) & ~quotes) | ((slashes - kOnes) & ~slashes);
    if ((found & kHigh) != 0) break;
  }
  while (at < text.size() && !needs_escape(text[at])) ++at;
  return at;
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t plain = 0;  // start of what needs no escape
  for (std::size_t i = find_escape(text, 0); i < text.size(); i = find_escape(text, i + 1)) {
    const char c = text[i];
    out.append(text, plain, i - plain);
    plain = i + 1;
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out.append(text, plain).push_back('"');
}

template <class T>
void append_integer(std::string& out, T v) {
  std::array<char, 24> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), v).ptr);
}

// Shortest form that reads back as the same double, always recognisable as one.
void append_double_text(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "NaN";
    return;
  }
  if (std::isinf(v)) {
    out += v < 0 ? "-Infinity" : "Infinity";
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
  const std::string_view written(text.data(), static_cast<std::size_t>(end - text.data()));
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void append_wrapped_integer(std::string& out, std::string_view name, std::int64_t v) {
  out.append("{\"").append(name).append("\":\"");
  append_integer(out, v);
  out += "\"}";
}

void append_double_value(std::string& out, double v, JsonMode mode) {
  if (mode == JsonMode::kRelaxed && std::isfinite(v)) return append_double_text(out, v);
  out += "{\"$numberDouble\":\"";
  append_double_text(out, v);
  out += "\"}";
}

void append_date_value(std::string& out, std::int64_t ms, JsonMode mode) {
  out += "{\"$date\":";
  if (mode == JsonMode::kRelaxed && ms >= 0 && ms <= kIsoDateMsMax) {
    out.push_back('"');
    append_iso_date(out, ms);
    out += "\"}";
    return;
  }
  append_wrapped_integer(out, "$numberLong", ms);
  out.push_back('}');
}

void append_binary_value(std::string& out, const Value& value) {
  BytesView bytes = value.binary_bytes();
  if (value.binary_subtype() == 2) bytes.remove_prefix(4);  // the old form repeats the length inside
  out.append("{\"$binary\":{\"base64\":\"").append(to_base64(bytes));
  fmt::format_to(std::back_inserter(out), "\",\"subType\":\"{:02x}\"}}}}", value.binary_subtype());
}

void append_object(std::string& out, View object, JsonMode mode) {
  char separator = '{';
  for (const Element& element : object) {
    out.push_back(separator);
    separator = ',';
    append_quoted(out, element.key);
    out.push_back(':');
    append_json(out, element.value, mode);
  }
  if (separator == '{') out.push_back('{');
  out.push_back('}');
}

void append_array(std::string& out, View array, JsonMode mode) {
  char separator = '[';
  for (const Element& element : array) {
    out.push_back(separator);
    separator = ',';
    append_json(out, element.value, mode);
  }
  if (separator == '[') out.push_back('[');
  out.push_back(']');
}

void append_wrapped_text(std::string& out, std::string_view name, std::string_view text) {
  out.append("{\"").append(name).append("\":");
  append_quoted(out, text);
  out.push_back('}');
}

void append_rare(std::string& out, const Value& value, JsonMode mode) {
  switch (value.type()) {
    case Type::kRegex:
      out += "{\"$regularExpression\":{\"pattern\":";
      append_quoted(out, value.regex_pattern());
      out += ",\"options\":";
      append_quoted(out, value.regex_options());
      out += "}}";
      return;
    case Type::kDbPointer:
      out += "{\"$dbPointer\":{\"$ref\":";
      append_quoted(out, value.db_pointer_collection());
      out.append(",\"$id\":{\"$oid\":\"").append(to_hex(value.db_pointer_id())).append("\"}}}");
      return;
    case Type::kCode:
      return append_wrapped_text(out, "$code", value.as_string());
    case Type::kSymbol:
      return append_wrapped_text(out, "$symbol", value.as_string());
    case Type::kCodeWithScope:
      out += "{\"$code\":";
      append_quoted(out, value.scoped_code());
      out += ",\"$scope\":";
      append_object(out, value.code_scope(), mode);
      out.push_back('}');
      return;
    case Type::kTimestamp:
      fmt::format_to(std::back_inserter(out), "{{\"$timestamp\":{{\"t\":{},\"i\":{}}}}}", value.timestamp_seconds(),
                     value.timestamp_increment());
      return;
    case Type::kDecimal128:
      return append_wrapped_text(out, "$numberDecimal", Decimal128::decode(value.raw()).to_string());
    case Type::kUndefined:
      out += "{\"$undefined\":true}";
      return;
    case Type::kMaxKey:
      out += "{\"$maxKey\":1}";
      return;
    case Type::kMinKey:
      out += "{\"$minKey\":1}";
      return;
    default:
      out += "null";
      return;
  }
}

}  // namespace

void append_json(std::string& out, const Value& value, JsonMode mode) {
  const bool canonical = mode == JsonMode::kCanonical;
  switch (value.type()) {
    case Type::kDouble:
      return append_double_value(out, value.as_double(), mode);
    case Type::kString:
      return append_quoted(out, value.as_string());
    case Type::kObject:
      return append_object(out, value.as_object(), mode);
    case Type::kArray:
      return append_array(out, value.as_object(), mode);
    case Type::kBinary:
      return append_binary_value(out, value);
    case Type::kObjectId:
      out.append("{\"$oid\":\"").append(to_hex(value.as_object_id())).append("\"}");
      return;
    case Type::kBool:
      out += value.as_bool() ? "true" : "false";
      return;
    case Type::kDate:
      return append_date_value(out, value.as_date_ms(), mode);
    case Type::kInt32:
      return canonical ? append_wrapped_integer(out, "$numberInt", value.as_int32())
                       : append_integer(out, value.as_int32());
    case Type::kInt64:
      return canonical ? append_wrapped_integer(out, "$numberLong", value.as_int64())
                       : append_integer(out, value.as_int64());
    default:
      return append_rare(out, value, mode);
  }
}

void append_json(std::string& out, View document, JsonMode mode) {
  append_object(out, document, mode);
}

std::string to_json(View document, JsonMode mode) {
  std::string out;
  out.reserve(document.bytes().size() * 2);
  append_object(out, document, mode);
  return out;
}

}  // namespace distri::bson
