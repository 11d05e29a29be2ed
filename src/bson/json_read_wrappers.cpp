// The values that JSON writes as objects: each function reads one and appends its BSON.
#include <charconv>
#include <limits>

#include "distri/bson/decimal128.hpp"
#include "distri/bson/iso_date.hpp"
#include "distri/bson/json_reader.hpp"

namespace distri::bson {

bool JsonReader::wrapped_text(std::string_view name, od::value value, std::string_view& out) {
  od::json_type type{};
  if (const auto error = value.type().get(type)) return broken(error);
  if (type != od::json_type::string) return fault("'{}' takes a string", name);
  return string(value, out);
}

template <class T>
bool JsonReader::integer_text(std::string_view name, od::value value, T& out) {
  std::string_view text;
  if (!wrapped_text(name, value, text)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return (error == std::errc{} && end == text.data() + text.size()) ||
         fault("'{}' takes an integer of {} bits in quotes, not '{}'", name, sizeof(T) * 8, text.substr(0, 40));
}

bool JsonReader::object_id_text(std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (!bytes || bytes->size() != 12) return fault("'$oid' takes 24 hexadecimal digits");
  out_.append(*bytes);
  return true;
}

bool JsonReader::wrapped(Wrapper wrapper, od::value value, std::size_t type_at, int depth) {
  std::string_view text;
  switch (wrapper) {
    case Wrapper::kObjectId:
      set_type(type_at, Type::kObjectId);
      return wrapped_text("$oid", value, text) && object_id_text(text);
    case Wrapper::kSymbol:
      set_type(type_at, Type::kSymbol);
      if (!wrapped_text("$symbol", value, text)) return false;
      append_text(text);
      return size_ok();
    case Wrapper::kInt32: {
      std::int32_t v = 0;
      set_type(type_at, Type::kInt32);
      if (!integer_text("$numberInt", value, v)) return false;
      append_raw(v);
      return true;
    }
    case Wrapper::kInt64: {
      std::int64_t v = 0;
      set_type(type_at, Type::kInt64);
      if (!integer_text("$numberLong", value, v)) return false;
      append_raw(v);
      return true;
    }
    case Wrapper::kDouble: {
      set_type(type_at, Type::kDouble);
      if (!wrapped_text("$numberDouble", value, text)) return false;
      double v = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
      const bool odd_name = text.size() > 3 && (text.back() == ')' || text == "-nan");
      if (error != std::errc{} || end != text.data() + text.size() || odd_name) {
        return fault("'$numberDouble' takes a number in quotes, not '{}'", text.substr(0, 40));
      }
      append_raw(v == v ? v : std::numeric_limits<double>::quiet_NaN());
      return true;
    }
    case Wrapper::kDecimal128: {
      set_type(type_at, Type::kDecimal128);
      if (!wrapped_text("$numberDecimal", value, text)) return false;
      const auto decimal = Decimal128::parse(text);
      if (!decimal)
        return fault("'$numberDecimal' takes a number of at most 34 digits in quotes, not '{}'", text.substr(0, 60));
      const auto raw = decimal->encode();
      out_.append(raw.data(), raw.size());
      return true;
    }
    case Wrapper::kBinary:
      set_type(type_at, Type::kBinary);
      return wrapped_binary(value);
    case Wrapper::kUuid:
      set_type(type_at, Type::kBinary);
      return wrapped_uuid(value);
    case Wrapper::kTimestamp:
      set_type(type_at, Type::kTimestamp);
      return wrapped_timestamp(value);
    case Wrapper::kRegex:
      set_type(type_at, Type::kRegex);
      return wrapped_regex(value);
    case Wrapper::kDbPointer:
      set_type(type_at, Type::kDbPointer);
      return wrapped_db_pointer(value);
    case Wrapper::kDate:
      set_type(type_at, Type::kDate);
      return wrapped_date(value);
    case Wrapper::kMinKey:
    case Wrapper::kMaxKey: {
      set_type(type_at, wrapper == Wrapper::kMinKey ? Type::kMinKey : Type::kMaxKey);
      std::int64_t one = 0;
      return (value.get_int64().get(one) == simdjson::SUCCESS && one == 1) || fault("'$minKey' and '$maxKey' take 1");
    }
    case Wrapper::kUndefined: {
      set_type(type_at, Type::kUndefined);
      bool truth = false;
      return (value.get_bool().get(truth) == simdjson::SUCCESS && truth) || fault("'$undefined' takes true");
    }
    case Wrapper::kScope: {
      // The scope stays where it is until the code is known (wrapped_code_with_scope).
      od::object scope;
      if (value.get_object().get(scope) != simdjson::SUCCESS) return fault("'$scope' takes an object");
      std::size_t scope_type_at = 0;
      if (!element_head("$scope", depth, scope_type_at)) return false;
      if (!object(scope, scope_type_at, depth + 1)) return false;
      return static_cast<Type>(out_[scope_type_at]) == Type::kObject || fault("'$scope' takes an object");
    }
    case Wrapper::kCode:
    case Wrapper::kNone:
      break;
  }
  return fault("this is not a value");
}

// out_ from `start`: maybe an unused length (when the code came first), a head "$scope", the scope.
bool JsonReader::wrapped_code_with_scope(std::size_t start, std::string_view code, bool code_first) {
  constexpr std::size_t kScopeHeadBytes = 8;
  const std::size_t scope_at = start + (code_first ? 4 : 0) + kScopeHeadBytes;
  const Bytes scope = out_.substr(scope_at);
  out_.resize(start);
  append_u32(4 + 4 + code.size() + 1 + scope.size());
  append_text(code);
  out_.append(scope);
  return size_ok();
}

bool JsonReader::wrapped_date(od::value value) {
  od::json_type type{};
  if (const auto error = value.type().get(type)) return broken(error);
  std::int64_t ms = 0;
  if (type == od::json_type::number) {
    if (value.get_int64().get(ms) != simdjson::SUCCESS) return fault("'$date' takes whole milliseconds");
  } else if (type == od::json_type::string) {
    std::string_view text;
    if (!string(value, text)) return false;
    const auto parsed = parse_iso_date(text);
    if (!parsed) return fault("'$date' takes YYYY-MM-DDThh:mm:ss.mmmZ, not '{}'", text.substr(0, 40));
    ms = *parsed;
  } else if (type == od::json_type::object) {
    std::array<std::string_view, 2> texts;
    if (!object_field("$date", value, {"$numberLong", ""}, texts)) return false;
    const auto [end, error] = std::from_chars(texts[0].data(), texts[0].data() + texts[0].size(), ms);
    if (error != std::errc{} || end != texts[0].data() + texts[0].size())
      return fault("'$date' takes whole milliseconds");
  } else {
    return fault("'$date' takes a text, milliseconds or {{\"$numberLong\": \"...\"}}");
  }
  append_raw(ms);
  return true;
}

// Reads an object with exactly these two fields (one, when the second name is empty), both strings.
bool JsonReader::object_field(std::string_view wrapper, od::value value, std::array<std::string_view, 2> names,
                              std::array<std::string_view, 2>& texts) {
  od::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return fault("'{}' takes an object", wrapper);
  const unsigned wanted = names[1].empty() ? 1 : 3;
  unsigned seen = 0;
  for (auto each : object) {
    od::field field;
    if (const auto error = std::move(each).get(field)) return broken(error);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return broken(error);
    const unsigned index = key == names[0] ? 0 : 1;
    if (key.empty() || key != names[index] || (seen & (1u << index)) != 0)
      return fault("'{}' takes no field '{}'", wrapper, key);
    if (!wrapped_text(names[index], field.value(), texts[index])) return false;
    seen |= 1u << index;
  }
  return seen == wanted || fault("'{}' needs '{}'", wrapper, (seen & 1) == 0 ? names[0] : names[1]);
}

bool JsonReader::wrapped_binary(od::value value) {
  std::array<std::string_view, 2> texts;
  if (!object_field("$binary", value, {"base64", "subType"}, texts)) return false;
  const auto bytes = from_base64(texts[0]);
  if (!bytes) return fault("'$binary': {}", bytes.error().message);
  const std::string padded = texts[1].size() == 1 ? fmt::format("0{}", texts[1]) : std::string(texts[1]);
  const auto subtype = from_hex(padded);
  if (!subtype || subtype->size() != 1) return fault("'$binary': 'subType' takes one or two hexadecimal digits");
  const bool old = subtype->front() == 2;  // the old form repeats the length inside
  append_u32(bytes->size() + (old ? 4 : 0));
  out_.append(*subtype);
  if (old) append_u32(bytes->size());
  out_.append(*bytes);
  return size_ok();
}

bool JsonReader::wrapped_uuid(od::value value) {
  std::string_view text;
  if (!wrapped_text("$uuid", value, text)) return false;
  std::string hex;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return fault("'$uuid' takes 8-4-4-4-12 hexadecimal digits");
    if (!dash) hex.push_back(text[i]);
  }
  const auto bytes = from_hex(hex);
  if (!bytes || bytes->size() != 16) return fault("'$uuid' takes 8-4-4-4-12 hexadecimal digits");
  append_u32(16);
  out_.push_back(4);
  out_.append(*bytes);
  return true;
}

bool JsonReader::wrapped_timestamp(od::value value) {
  od::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return fault("'$timestamp' takes an object");
  std::array<std::uint32_t, 2> parts{};
  unsigned seen = 0;
  for (auto each : object) {
    od::field field;
    if (const auto error = std::move(each).get(field)) return broken(error);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return broken(error);
    const unsigned index = key == "i" ? 0 : 1;
    std::uint64_t number = 0;
    if ((key != "t" && key != "i") || (seen & (1u << index)) != 0)
      return fault("'$timestamp' takes 't' and 'i', once each");
    if (field.value().get_uint64().get(number) != simdjson::SUCCESS || number > 0xffffffff) {
      return fault("'$timestamp': '{}' takes an integer from 0 to 4294967295", key);
    }
    parts[index] = static_cast<std::uint32_t>(number);
    seen |= 1u << index;
  }
  if (seen != 3) return fault("'$timestamp' takes 't' and 'i', once each");
  append_raw(parts[0]);
  append_raw(parts[1]);
  return true;
}

bool JsonReader::wrapped_regex(od::value value) {
  std::array<std::string_view, 2> texts;
  if (!object_field("$regularExpression", value, {"pattern", "options"}, texts)) return false;
  for (const std::string_view text : texts) {
    if (text.find('\0') != std::string_view::npos) return fault("'$regularExpression' takes no zero byte");
    out_.append(text).push_back('\0');
  }
  return size_ok();
}

bool JsonReader::wrapped_db_pointer(od::value value) {
  od::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return fault("'$dbPointer' takes an object");
  std::string_view collection;
  std::array<std::string_view, 2> id;
  unsigned seen = 0;
  for (auto each : object) {
    od::field field;
    if (const auto error = std::move(each).get(field)) return broken(error);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return broken(error);
    const unsigned bit = key == "$ref" ? 1 : (key == "$id" ? 2 : 0);
    if (bit == 0 || (seen & bit) != 0) return fault("'$dbPointer' takes '$ref' and '$id', once each");
    if (bit == 1 && !wrapped_text("$ref", field.value(), collection)) return false;
    if (bit == 2 && !object_field("$id", field.value(), {"$oid", ""}, id)) return false;
    seen |= bit;
  }
  if (seen != 3) return fault("'$dbPointer' takes '$ref' and '$id', once each");
  append_text(collection);
  return object_id_text(id[0]) && size_ok();
}

}  // namespace distri::bson
