#include <algorithm>
#include <charconv>

#include "distri/bson/json.hpp"
#include "distri/bson/json_reader.hpp"

namespace distri::bson {
namespace {

// No document needs more: the longest canonical form of a value is 8 times its BSON.
constexpr std::size_t kTextBytesMax = 8 * kDocumentBytesMax;
// Buffers larger than this are given back after use.
constexpr std::size_t kKeptBytesMax = 1u << 20;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum class NumberForm : std::uint8_t { kNone, kInteger, kReal };

// JSON's grammar: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
NumberForm number_form(std::string_view token) {
  std::size_t at = token.starts_with('-') ? 1 : 0;
  const auto skip_digits = [&] {
    const std::size_t start = at;
    while (at < token.size() && token[at] >= '0' && token[at] <= '9') ++at;
    return at - start;
  };
  const bool zero = at < token.size() && token[at] == '0';
  const std::size_t whole = skip_digits();
  if (whole == 0 || (zero && whole > 1)) return NumberForm::kNone;
  if (at == token.size()) return NumberForm::kInteger;
  if (token[at] == '.') {
    ++at;
    if (skip_digits() == 0) return NumberForm::kNone;
  }
  if (at < token.size() && (token[at] == 'e' || token[at] == 'E')) {
    ++at;
    if (at < token.size() && (token[at] == '+' || token[at] == '-')) ++at;
    if (skip_digits() == 0) return NumberForm::kNone;
  }
  return at == token.size() ? NumberForm::kReal : NumberForm::kNone;
}

}  // namespace

bool JsonReader::refuse(Code code, std::string reason) {
  std::string path;
  for (int depth = 1; depth <= path_depth_; ++depth) {
    if (depth > 1) path.push_back('.');
    path.append(out_.c_str() + path_[static_cast<std::size_t>(depth)]);
  }
  constexpr std::size_t kPathShownMax = 200;
  if (path.size() > kPathShownMax) path.resize(kPathShownMax);
  if (!path.empty()) path = fmt::format(" at field '{}'", path);
  error_ = Error{code, fmt::format("JSON: {}{}", reason, path)};
  return false;
}

bool JsonReader::broken(simdjson::error_code error) {
  if (error == simdjson::INCORRECT_TYPE || error == simdjson::N_ATOM_ERROR || error == simdjson::T_ATOM_ERROR ||
      error == simdjson::F_ATOM_ERROR) {
    return fault("this is not a value");
  }
  std::string_view why = simdjson::error_message(error);
  if (why.ends_with('.')) why.remove_suffix(1);
  const char* at = nullptr;
  if (document_ != nullptr && document_->current_location().get(at) == simdjson::SUCCESS && at >= padded_.data() &&
      at <= padded_.data() + text_size_) {
    return fault("{} (byte {})", why, at - padded_.data());
  }
  return fault("{}", why);
}

Result<Document> JsonReader::read(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return fail(Code::kTooLarge, "JSON: a text of {} bytes is more than the limit of {}", text.size(), kTextBytesMax);
  }
  out_.clear();
  keys_.clear();
  path_depth_ = 0;
  const bool ok = parse(text);
  document_ = nullptr;
  Result<Document> result;
  if (ok) {
    result = Document::trusted(Bytes(out_));  // a copy of the exact size
  } else {
    result = fail(std::move(error_));
  }
  if (padded_.capacity() > kKeptBytesMax) {
    padded_ = {};
    parser_ = od::parser();
  }
  if (out_.capacity() > kKeptBytesMax) {
    out_ = {};
    keys_ = {};
  }
  if (sorted_.capacity() > kKeptBytesMax / sizeof(std::string_view)) sorted_ = {};
  return result;
}

bool JsonReader::parse(std::string_view text) {
  text_size_ = text.size();
  padded_.assign(text);
  padded_.append(simdjson::SIMDJSON_PADDING, ' ');
  unicode_escapes_ = text.find("\\u") != std::string_view::npos;

  od::document document;
  if (const auto error = parser_.iterate(padded_.data(), text.size(), padded_.size()).get(document)) {
    if (error == simdjson::EMPTY) return fault("the text is empty; an object was expected");
    return broken(error);
  }
  document_ = &document;
  od::object top;
  if (const auto error = document.get_object().get(top)) {
    if (error == simdjson::INCORRECT_TYPE) return fault("the text is not an object");
    return broken(error);
  }
  out_.push_back('\0');  // a place for the "type" of the whole, so that object() is the same at every depth
  if (!object(top, 0, 1)) return false;
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return fault("there is something after the object");
  out_.erase(0, 1);
  return true;
}

bool JsonReader::size_ok() {
  return out_.size() <= kDocumentBytesMax ||
         refuse(Code::kTooLarge, fmt::format("the document is larger than the limit of {} bytes", kDocumentBytesMax));
}

void JsonReader::close(std::size_t start) {
  out_.push_back('\0');
  const auto size = static_cast<std::uint32_t>(out_.size() - start);
  std::memcpy(out_.data() + start, &size, sizeof size);
}

bool JsonReader::element_head(std::string_view key, int depth, std::size_t& type_at) {
  type_at = out_.size();
  out_.push_back('\0');
  path_[static_cast<std::size_t>(depth)] = out_.size();
  path_depth_ = depth;
  out_.append(key).push_back('\0');
  return size_ok();
}

bool JsonReader::checked_key(std::string_view key) {
  if (std::memchr(key.data(), 0, key.size()) != nullptr) return fault("a field name contains a zero byte");
  return !unicode_escapes_ || simdjson::validate_utf8(key) || fault("a field name has an unpaired surrogate");
}

bool JsonReader::unique_keys(std::size_t first_key) {
  constexpr std::size_t kQuadraticMax = 16;
  const std::size_t count = keys_.size() - first_key;
  const auto duplicate = [this](std::string_view key) {
    return fault("the field '{}' occurs twice in one object", key);
  };
  if (count <= kQuadraticMax) {
    for (std::size_t i = first_key + 1; i < keys_.size(); ++i) {
      const char* key = out_.c_str() + keys_[i];
      for (std::size_t k = first_key; k < i; ++k) {
        if (std::strcmp(key, out_.c_str() + keys_[k]) == 0) return duplicate(key);
      }
    }
  } else {
    sorted_.clear();
    for (std::size_t i = first_key; i < keys_.size(); ++i) sorted_.emplace_back(out_.c_str() + keys_[i]);
    std::sort(sorted_.begin(), sorted_.end());
    const auto twice = std::adjacent_find(sorted_.begin(), sorted_.end());
    if (twice != sorted_.end()) return duplicate(*twice);
  }
  keys_.resize(first_key);
  return true;
}

bool JsonReader::object(od::object object, std::size_t type_at, int depth) {
  if (depth > kDepthMax) return fault("objects and arrays nest deeper than {}", kDepthMax);
  const std::size_t start = out_.size();
  const std::size_t first_key = keys_.size();
  append_u32(0);
  Wrapper wrapper = Wrapper::kNone;
  std::string_view code;
  bool first = true;
  bool both = false;
  for (auto each : object) {
    od::field field;
    if (const auto error = std::move(each).get(field)) return broken(error);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return broken(error);
    const Wrapper kind = depth > 1 ? wrapper_of(key) : Wrapper::kNone;
    if (kind != Wrapper::kNone || wrapper != Wrapper::kNone) {
      const bool second_half = (wrapper == Wrapper::kCode && kind == Wrapper::kScope) ||
                               (wrapper == Wrapper::kScope && kind == Wrapper::kCode);
      if ((!first && !second_half) || both)
        return fault("an object that stands for a value takes no other field ('{}')", key);
      both = !first;
      wrapper = kind;
      if (kind == Wrapper::kCode) {
        if (!wrapped_text("$code", field.value(), code)) return false;
      } else {
        if (first) out_.resize(start);
        if (!wrapped(kind, field.value(), type_at, depth)) return false;
      }
      first = false;
      continue;
    }
    first = false;
    if (!checked_key(key)) return false;
    std::size_t child_type_at = 0;
    keys_.push_back(out_.size() + 1);
    if (!element_head(key, depth, child_type_at) || !value(field.value(), child_type_at, depth)) return false;
  }
  path_depth_ = depth - 1;
  if (wrapper != Wrapper::kNone) {
    if (wrapper != Wrapper::kCode && wrapper != Wrapper::kScope) return true;
    if (!both && wrapper == Wrapper::kScope) return fault("'$scope' needs '$code' beside it");
    set_type(type_at, both ? Type::kCodeWithScope : Type::kCode);
    if (both) return wrapped_code_with_scope(start, code, wrapper == Wrapper::kScope);
    out_.resize(start);
    append_text(code);
    return size_ok();
  }
  set_type(type_at, Type::kObject);
  close(start);
  return unique_keys(first_key);
}

bool JsonReader::array(od::array array, int depth) {
  if (depth > kDepthMax) return fault("objects and arrays nest deeper than {}", kDepthMax);
  const std::size_t start = out_.size();
  append_u32(0);
  std::uint32_t index = 0;
  for (auto each : array) {
    od::value item;
    if (const auto error = std::move(each).get(item)) return broken(error);
    std::array<char, 12> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), index++).ptr;
    std::size_t type_at = 0;
    if (!element_head({text.data(), static_cast<std::size_t>(end - text.data())}, depth, type_at)) return false;
    if (!value(item, type_at, depth)) return false;
  }
  path_depth_ = depth - 1;
  close(start);
  return true;
}

bool JsonReader::string(od::value value, std::string_view& out) {
  if (const auto error = value.get_string().get(out)) {
    if (error == simdjson::INCORRECT_TYPE) return fault("a string was expected");
    return broken(error);
  }
  return !unicode_escapes_ || simdjson::validate_utf8(out) || fault("a string has an unpaired surrogate");
}

bool JsonReader::value(od::value value, std::size_t type_at, int depth) {
  od::json_type type{};
  if (const auto error = value.type().get(type)) return broken(error);
  switch (type) {
    case od::json_type::object: {
      od::object child;
      if (const auto error = value.get_object().get(child)) return broken(error);
      return object(child, type_at, depth + 1);
    }
    case od::json_type::array: {
      od::array child;
      if (const auto error = value.get_array().get(child)) return broken(error);
      set_type(type_at, Type::kArray);
      return array(child, depth + 1);
    }
    case od::json_type::string: {
      std::string_view text;
      if (!string(value, text)) return false;
      set_type(type_at, Type::kString);
      append_text(text);
      return size_ok();
    }
    case od::json_type::number:
      return number(value, type_at);
    case od::json_type::boolean: {
      bool truth = false;
      if (const auto error = value.get_bool().get(truth)) return broken(error);
      set_type(type_at, Type::kBool);
      out_.push_back(truth ? 1 : 0);
      return true;
    }
    case od::json_type::null: {
      bool null = false;
      if (const auto error = value.is_null().get(null)) return broken(error);
      if (!null) return fault("this is not a value");
      set_type(type_at, Type::kNull);
      return true;
    }
  }
  return fault("this is not a value");
}

// simdjson only finds where a number is. Its on-demand reading of doubles (3.0.1) is wrong for more than 19 digits:
// get_number() says 0.0, and get_double() loses digits behind "0.".
bool JsonReader::number(od::value value, std::size_t type_at) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  const char* const end = token.data() + token.size();
  const NumberForm form = number_form(token);
  if (form == NumberForm::kNone) return fault("'{}' is not a number", token.substr(0, 40));
  std::int64_t integer = 0;
  if (form == NumberForm::kInteger && std::from_chars(token.data(), end, integer).ec == std::errc{}) {
    const auto narrow = static_cast<std::int32_t>(integer);
    set_type(type_at, narrow == integer ? Type::kInt32 : Type::kInt64);
    narrow == integer ? append_raw(narrow) : append_raw(integer);
    return true;
  }
  double real = 0;
  if (std::from_chars(token.data(), end, real).ec != std::errc{}) {
    return fault("the number '{}' is beyond the range of a double", token.substr(0, 40));
  }
  set_type(type_at, Type::kDouble);
  append_raw(real);
  return true;
}

Result<Document> from_json(std::string_view text) {
  static thread_local JsonReader reader;
  return reader.read(text);
}

}  // namespace distri::bson
