#include "scenario_words.hpp"

#include <charconv>

#include "distri/bson/json.hpp"

namespace distri::sim {

namespace {

// The length of the JSON object, array or string at the start of `text`; nullopt: it does not end.
std::optional<std::size_t> json_length(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
    if (!quoted && depth <= 0) return i + 1;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty() && line.front() != '#') {
    const char c = line.front();
    if (c == ' ' || c == '\t' || c == '\r') {
      line.remove_prefix(1);
      continue;
    }
    std::size_t length = line.find_first_of(" \t\r");
    if (length == std::string_view::npos) length = line.size();
    if (c == '{' || c == '[' || c == '"') {
      const auto whole = json_length(line);
      if (!whole) return fail(Code::kInvalidArgument, "the JSON '{}' does not end", line);
      length = *whole;
    }
    words.emplace_back(line.substr(0, length));
    line.remove_prefix(length);
  }
  return words;
}

Result<std::string> Words::take(std::string_view what) {
  if (empty()) return fail(Code::kInvalidArgument, "{} is missing", what);
  return words_[next_++];
}

bool Words::take_if(std::string_view word) {
  if (empty() || words_[next_] != word) return false;
  ++next_;
  return true;
}

Result<std::int64_t> Words::number(std::string_view what, std::int64_t min, std::int64_t max) {
  DISTRI_TRY(const std::string word, take(what));
  std::int64_t value = 0;
  const char* const last = word.data() + word.size();
  auto [end, error] = std::from_chars(word.data(), last, value);
  if (error == std::errc() && end + 1 == last && *end == 'k') {
    value *= 1024;
    ++end;
  }
  if (error != std::errc() || end != last || value < min || value > max)
    return fail(Code::kInvalidArgument, "{}: '{}' is not a number from {} to {}", what, word, min, max);
  return value;
}

Result<bson::Document> Words::json(std::string_view what) {
  DISTRI_TRY(const std::string word, take(what));
  auto document = bson::from_json(word);
  if (!document)
    return fail(Code::kInvalidArgument, "{}: '{}' is no JSON object: {}", what, word, document.error().message);
  return document;
}

Result<bson::Document> Words::id() {
  DISTRI_TRY(const std::string word, take("the _id"));
  auto document = bson::from_json("{\"_id\":" + word + "}");
  if (!document) return fail(Code::kInvalidArgument, "the _id '{}' is no JSON value (texts stand in quotes)", word);
  return document;
}

Result<> Words::end() const {
  if (!empty()) return fail(Code::kInvalidArgument, "'{}' is one word too many", words_[next_]);
  return {};
}

}  // namespace distri::sim
