// regex.hpp: a compiled regular expression (PCRE2, UTF-8), with bounds on what it may cost. Private to the module.
//
// PCRE2's limits on steps and memory are set low: a pattern that backtracks without end stops after some milliseconds
// and is reported, not taken for "no match". Threads: constant after compile(); any. Errors: compile(), and
// Outcome::kLimit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/value.hpp"

namespace distri::db {

inline constexpr std::size_t kRegexPatternBytesMax = 16'384;
inline constexpr std::uint32_t kRegexStepsMax = 100'000;      // of the matcher, in one text
inline constexpr std::uint32_t kRegexMemoryKibMax = 4 << 10;  // of the matcher, in one text

// All texts that match begin with this; empty: nothing is known. For patterns that begin with ^ and go on with
// characters that stand for themselves, without the options i, m and x and without alternatives.
std::string literal_prefix(std::string_view pattern, std::string_view options);

class Regex {
 public:
  // `options`: of i, m, s, x, u. `where` begins the message: "filter: '$regex' at 'a'".
  static Result<Regex> compile(std::string_view where, std::string_view pattern, std::string_view options);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // literal_prefix() of what it was compiled from.
  const std::string& prefix() const;

  enum class Outcome : std::uint8_t { kNo, kYes, kLimit };
  // Precondition: `text` is UTF-8.
  Outcome search(std::string_view text) const;

  // Where the whole match and each group begin and end, in bytes; npos for a group that took no part.
  struct Span {
    std::size_t begin;
    std::size_t end;
  };
  // From the byte `start` on; `spans` is filled on kYes.
  Outcome search(std::string_view text, std::size_t start, std::vector<Span>& spans) const;

  // "the regular expression needs more than 100000 steps ...": what kLimit means, for the caller's message.
  static std::string_view limit_text();

 private:
  struct Code;
  explicit Regex(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

}  // namespace distri::db
