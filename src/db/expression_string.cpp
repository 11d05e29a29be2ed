#include <algorithm>
#include <array>
#include <limits>

#include "distri/db/conversion.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"
#include "distri/db/text.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

// As text what MongoDB takes for text: null and missing are "".
Result<std::string> coerced(const Call& call, std::size_t i) {
  const Value& value = call[i];
  if (is_nullish(value)) return std::string();
  if (value.type() != Type::kBool && value.type() != Type::kObjectId) {
    if (auto text = text_of(value)) return *std::move(text);
  }
  return refuse(16007, "{}: can't convert from BSON type {} to string", call.name, kind_of(value));
}

Result<Value> text_result(const Call& call, std::string_view text) {
  if (text.size() > bson::kDocumentBytesMax - 64) {
    return refuse(mongo::kObjectTooLarge, "{}: a string of {} bytes is too large", call.name, text.size());
  }
  return call.arena().string(text);
}

Result<Value> concatenate(const Call& call) {
  std::string text;
  for (const Value& value : call.arguments) {
    if (is_nullish(value)) return call.null();
    if (value.type() != Type::kString) {
      return refuse(16702, "$concat only supports strings, not {}", kind_of(value));
    }
    text += value.as_string();
    if (text.size() > bson::kDocumentBytesMax) break;
  }
  return text_result(call, text);
}

template <char kFirst, char kLast, int kShift>
Result<Value> with_case(const Call& call) {
  DISTRI_TRY(auto text, coerced(call, 0));
  for (char& c : text) {
    if (c >= kFirst && c <= kLast) c = static_cast<char>(c + kShift);
  }
  return text_result(call, text);
}

Result<Value> compare_ignoring_case(const Call& call) {
  DISTRI_TRY(const auto a, coerced(call, 0));
  DISTRI_TRY(const auto b, coerced(call, 1));
  const auto upper = [](char c) { return static_cast<unsigned char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); };
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (upper(a[i]) != upper(b[i])) return call.arena().int32(upper(a[i]) < upper(b[i]) ? -1 : 1);
  }
  return call.arena().int32(a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1));
}

Result<Value> substring_by_bytes(const Call& call) {
  DISTRI_TRY(const auto text, coerced(call, 0));
  if (!call[1].is_number()) {
    return refuse(16034, "{}: starting index must be a numeric type, not {}", call.name, kind_of(call[1]));
  }
  if (!call[2].is_number()) {
    return refuse(16035, "{}: length must be a numeric type, not {}", call.name, kind_of(call[2]));
  }
  constexpr std::int64_t kEverything = std::numeric_limits<std::int64_t>::max();
  const std::int64_t start = truncate_to_int64(call[1]).value_or(kEverything);
  const std::int64_t length = truncate_to_int64(call[2]).value_or(kEverything);
  if (start < 0) return refuse(50752, "{}: starting index must be non-negative, but is {}", call.name, start);
  const auto from = static_cast<std::size_t>(start);
  if (from >= text.size()) return text_result(call, "");
  if (is_continuation(text[from])) {
    return refuse(28656, "{}: invalid range: the starting index is inside a UTF-8 character", call.name);
  }
  const std::size_t size =
      length < 0 ? text.size() - from : std::min(static_cast<std::size_t>(length), text.size() - from);
  if (from + size < text.size() && is_continuation(text[from + size])) {
    return refuse(28657, "{}: invalid range: the ending index is inside a UTF-8 character", call.name);
  }
  return text_result(call, std::string_view(text).substr(from, size));
}

Result<Value> substring_by_code_points(const Call& call) {
  DISTRI_TRY(const auto text, coerced(call, 0));
  const auto start = call[1].is_number() ? call[1].to_int64() : std::nullopt;
  if (!start) return refuse(34450, "$substrCP: starting index must be a whole number, not {}", shown_value(call[1]));
  const auto length = call[2].is_number() ? call[2].to_int64() : std::nullopt;
  if (!length) return refuse(34452, "$substrCP: length must be a whole number, not {}", shown_value(call[2]));
  if (*start < 0) return refuse(34455, "$substrCP: the starting index must not be negative");
  if (*length < 0) return refuse(34454, "$substrCP: the length must not be negative");
  const std::size_t from = code_point_offset(text, static_cast<std::size_t>(*start));
  const std::string_view rest = std::string_view(text).substr(from);
  return text_result(call, rest.substr(0, code_point_offset(rest, static_cast<std::size_t>(*length))));
}

Result<Value> length_in_bytes(const Call& call) {
  if (call[0].type() != Type::kString) {
    return refuse(34473, "$strLenBytes requires a string argument, found: {}", kind_of(call[0]));
  }
  return call.arena().integer(static_cast<std::int64_t>(call[0].as_string().size()));
}

Result<Value> length_in_code_points(const Call& call) {
  if (call[0].type() != Type::kString) {
    return refuse(34471, "$strLenCP requires a string argument, found: {}", kind_of(call[0]));
  }
  return call.arena().integer(static_cast<std::int64_t>(code_points(call[0].as_string())));
}

// The code points that are trimmed off when none are named.
bool is_blank(std::string_view point) {
  static constexpr std::string_view kBlanks[] = {std::string_view("\0", 1),
                                                 " ",
                                                 "\t",
                                                 "\n",
                                                 "\v",
                                                 "\f",
                                                 "\r",
                                                 "\u00a0",
                                                 "\u1680",
                                                 "\u2000",
                                                 "\u2001",
                                                 "\u2002",
                                                 "\u2003",
                                                 "\u2004",
                                                 "\u2005",
                                                 "\u2006",
                                                 "\u2007",
                                                 "\u2008",
                                                 "\u2009",
                                                 "\u200a"};
  return std::find(std::begin(kBlanks), std::end(kBlanks), point) != std::end(kBlanks);
}

template <bool kLeft, bool kRight>
Result<Value> trim(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kString) {
    return refuse(50699, "{} requires its input to be a string, got {}", call.name, shown_value(call[0]));
  }
  std::vector<std::string_view> named;
  if (call.given(1)) {
    if (is_nullish(call[1])) return call.null();
    if (call[1].type() != Type::kString) {
      return refuse(50700, "{} requires 'chars' to be a string, got {}", call.name, shown_value(call[1]));
    }
    const std::string_view all = call[1].as_string();
    for (std::size_t at = 0; at < all.size(); at += code_point_size(all, at)) {
      named.push_back(all.substr(at, code_point_size(all, at)));
    }
    std::sort(named.begin(), named.end());
  }
  const auto goes = [&](std::string_view point) {
    return call.given(1) ? std::binary_search(named.begin(), named.end(), point) : is_blank(point);
  };
  std::string_view text = call[0].as_string();
  while (kLeft && !text.empty()) {
    const std::size_t size = code_point_size(text, 0);
    if (!goes(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (kRight && !text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && is_continuation(text[at])) --at;
    if (!goes(text.substr(at))) break;
    text = text.substr(0, at);
  }
  return text_result(call, text);
}

Result<Value> split(const Call& call) {
  if (call.any_nullish()) return call.null();
  if (call[0].type() != Type::kString) {
    return refuse(40085, "$split requires an expression that evaluates to a string as a first argument, found: {}",
                  kind_of(call[0]));
  }
  if (call[1].type() != Type::kString) {
    return refuse(40086, "$split requires an expression that evaluates to a string as a second argument, found: {}",
                  kind_of(call[1]));
  }
  std::string_view text = call[0].as_string();
  const std::string_view separator = call[1].as_string();
  if (separator.empty()) return refuse(40087, "$split requires a non-empty separator");
  ArrayResult parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.append(call.arena().string(text.substr(0, at)));
    if (at == std::string_view::npos || parts.full()) break;
    text.remove_prefix(at + separator.size());
    DISTRI_TRY_VOID(call.state.spend(1));
  }
  return std::move(parts).finish(call.state);
}

// The bounds of the part to search, in bytes; `begin` > the size: nothing to search.
template <bool kByCodePoint>
Result<Value> index_of(const Call& call) {
  if (is_nullish(call[0])) return call.null();
  if (call[0].type() != Type::kString) {
    return refuse(40091, "{} requires a string as the first argument, found: {}", call.name, kind_of(call[0]));
  }
  if (call[1].type() != Type::kString) {
    return refuse(40092, "{} requires a string as the second argument, found: {}", call.name, kind_of(call[1]));
  }
  const std::string_view text = call[0].as_string();
  std::array<std::size_t, 2> bounds = {0, text.size()};
  const auto to_bytes = [&](std::int64_t index) {
    const auto plain = static_cast<std::size_t>(index);
    if (!kByCodePoint) return plain;
    return plain > code_points(text) ? text.size() + 1 : code_point_offset(text, plain);
  };
  for (std::size_t i = 2; i < call.size(); ++i) {
    const auto bound = call[i].is_number() ? call[i].to_int64() : std::nullopt;
    if (!bound) {
      return refuse(40096, "{} requires a whole number as {} index, found: {}", call.name,
                    i == 2 ? "starting" : "ending", shown_value(call[i]));
    }
    if (*bound < 0) {
      return refuse(40097, "{} requires a {} index that is not negative, found: {}", call.name,
                    i == 2 ? "starting" : "ending", *bound);
    }
    bounds[i - 2] = to_bytes(*bound);
  }
  const std::size_t end = std::min(bounds[1], text.size());
  if (bounds[0] > end) return call.arena().int32(-1);
  const std::size_t found = text.substr(0, end).find(call[1].as_string(), bounds[0]);
  if (found == std::string_view::npos) return call.arena().int32(-1);
  return call.arena().integer(static_cast<std::int64_t>(kByCodePoint ? code_points(text.substr(0, found)) : found));
}

template <bool kAll>
Result<Value> replace(const Call& call) {
  static constexpr std::array<std::string_view, 3> kNames = {"input", "find", "replacement"};
  static constexpr std::array<int, 3> kCodes = {51746, 51745, 51744};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!is_nullish(call[i]) && call[i].type() != Type::kString) {
      return refuse(kCodes[i], "{} requires that '{}' be a string, found: {}", call.name, kNames[i],
                    shown_value(call[i]));
    }
  }
  if (call.any_nullish()) return call.null();
  const std::string_view text = call[0].as_string();
  const std::string_view wanted = call[1].as_string();
  std::string result;
  std::size_t at = 0;
  while (result.size() <= bson::kDocumentBytesMax) {
    const std::size_t found = text.find(wanted, at);
    if (found == std::string_view::npos) break;
    result.append(text.substr(at, found - at)).append(call[2].as_string());
    at = found + wanted.size();
    if (wanted.empty()) {  // between all characters, and at both ends
      if (at == text.size()) return text_result(call, result);
      const std::size_t size = code_point_size(text, at);
      if (kAll) result.append(text.substr(at, size));
      if (kAll) at += size;
    }
    if (!kAll) break;
  }
  return text_result(call, result.append(text.substr(at)));
}

constexpr std::array kTable = {
    OperatorEntry{"$concat", 0, -1, concatenate},
    OperatorEntry{"$toLower", 1, 1, with_case<'A', 'Z', 'a' - 'A'>},
    OperatorEntry{"$toUpper", 1, 1, with_case<'a', 'z', 'A' - 'a'>},
    OperatorEntry{"$strcasecmp", 2, 2, compare_ignoring_case},
    OperatorEntry{"$substr", 3, 3, substring_by_bytes},
    OperatorEntry{"$substrBytes", 3, 3, substring_by_bytes},
    OperatorEntry{"$substrCP", 3, 3, substring_by_code_points},
    OperatorEntry{"$strLenBytes", 1, 1, length_in_bytes},
    OperatorEntry{"$strLenCP", 1, 1, length_in_code_points},
    OperatorEntry{"$trim", 1, 1, trim<true, true>, nullptr, "input! chars"},
    OperatorEntry{"$ltrim", 1, 1, trim<true, false>, nullptr, "input! chars"},
    OperatorEntry{"$rtrim", 1, 1, trim<false, true>, nullptr, "input! chars"},
    OperatorEntry{"$split", 2, 2, split},
    OperatorEntry{"$indexOfCP", 2, 4, index_of<true>},
    OperatorEntry{"$indexOfBytes", 2, 4, index_of<false>},
    OperatorEntry{"$replaceOne", 1, 1, replace<false>, nullptr, "input! find! replacement!"},
    OperatorEntry{"$replaceAll", 1, 1, replace<true>, nullptr, "input! find! replacement!"},
};

}  // namespace

std::span<const OperatorEntry> string_operators() {
  return kTable;
}

}  // namespace distri::db
