// scenario_words.hpp: the words of one line of a script, taken one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"

namespace distri::sim {

class Words {
 public:
  explicit Words(const std::vector<std::string>& words) : words_(words) {}

  bool empty() const { return next_ == words_.size(); }
  const std::string* peek() const { return empty() ? nullptr : &words_[next_]; }
  // kInvalidArgument when there is none: "<what> is missing".
  Result<std::string> take(std::string_view what);
  // Takes the next word if it is this one.
  bool take_if(std::string_view word);
  // An integer in [min, max]; `4k` is 4096.
  Result<std::int64_t> number(std::string_view what, std::int64_t min, std::int64_t max);
  Result<bson::Document> json(std::string_view what);
  // Any JSON value, as the _id of a document {_id: value}.
  Result<bson::Document> id();
  // Nothing may be left.
  Result<> end() const;

 private:
  const std::vector<std::string>& words_;
  std::size_t next_ = 0;
};

// Splits a line at blanks; `#` begins a comment. A JSON object, array or string is one word. kInvalidArgument when one
// does not end.
Result<std::vector<std::string>> split_words(std::string_view line);

}  // namespace distri::sim
