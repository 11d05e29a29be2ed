#include "distri/db/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "distri/db/language_error.hpp"

namespace distri::db {

struct Regex::Code {
  std::string prefix;
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  // The scratch memory of the last search, so that the next one allocates nothing. Whoever searches takes it and puts
  // it back; a second thread makes its own.
  mutable std::atomic<pcre2_match_data*> idle{nullptr};

  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() {
    pcre2_match_data_free(idle.load());
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
};

namespace {

Result<std::uint32_t> options_of(std::string_view where, std::string_view options) {
  std::uint32_t flags = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
  for (const char c : options) {
    switch (c) {
      case 'i':
        flags |= PCRE2_CASELESS;
        break;
      case 'm':
        flags |= PCRE2_MULTILINE;
        break;
      case 's':
        flags |= PCRE2_DOTALL;
        break;
      case 'x':
        flags |= PCRE2_EXTENDED;
        break;
      case 'u':  // always on
        break;
      default:
        return refuse(51108, "{}: invalid flag in the options '{}'; known are i, m, s, x and u", where, shown(options));
    }
  }
  return flags;
}

}  // namespace

Result<Regex> Regex::compile(std::string_view where, std::string_view pattern, std::string_view options) {
  DISTRI_TRY(const std::uint32_t flags, options_of(where, options));
  if (pattern.find('\0') != std::string_view::npos) {
    return refuse(51109, "{}: a regular expression cannot contain a zero byte", where);
  }
  if (pattern.size() > kRegexPatternBytesMax) {
    return refuse(51091, "{}: the regular expression takes {} bytes, at most {} are allowed", where, pattern.size(),
                  kRegexPatternBytesMax);
  }
  auto code = std::make_unique<Code>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  code->code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), flags, &error, &offset, nullptr);
  if (code->code == nullptr) {
    std::array<char, 160> text{};
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text.data()), text.size());
    return refuse(51091, "{}: the regular expression is invalid: {} at offset {} of '{}'", where, text.data(), offset,
                  shown(pattern));
  }
  code->limits = pcre2_match_context_create(nullptr);
  if (code->limits == nullptr) return fail(distri::Code::kInternal, "{}: no memory for a regular expression", where);
  pcre2_set_match_limit(code->limits, kRegexStepsMax);
  pcre2_set_heap_limit(code->limits, kRegexMemoryKibMax);
  code->prefix = literal_prefix(pattern, options);
  return Regex(std::move(code));
}

Regex::Regex(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

const std::string& Regex::prefix() const {
  return code_->prefix;
}

namespace {

// Runs one search with the idle scratch memory, or new one.
template <class Then>
Regex::Outcome run(const pcre2_code* code, pcre2_match_context* limits, std::atomic<pcre2_match_data*>& idle,
                   std::string_view text, std::size_t start, const Then& then) {
  pcre2_match_data* data = idle.exchange(nullptr, std::memory_order_acquire);
  if (data == nullptr) data = pcre2_match_data_create_from_pattern(code, nullptr);
  if (data == nullptr) return Regex::Outcome::kLimit;
  const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                                 PCRE2_NO_UTF_CHECK, data, limits);
  if (result > 0) then(data);
  pcre2_match_data_free(idle.exchange(data, std::memory_order_acq_rel));
  if (result > 0) return Regex::Outcome::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Regex::Outcome::kNo : Regex::Outcome::kLimit;
}

}  // namespace

Regex::Outcome Regex::search(std::string_view text) const {
  return run(code_->code, code_->limits, code_->idle, text, 0, [](pcre2_match_data*) {});
}

Regex::Outcome Regex::search(std::string_view text, std::size_t start, std::vector<Span>& spans) const {
  return run(code_->code, code_->limits, code_->idle, text, start, [&](pcre2_match_data* data) {
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
    spans.clear();
    for (std::uint32_t i = 0; i < pcre2_get_ovector_count(data); ++i) {
      // \K can put the beginning behind the end.
      spans.push_back({std::min(offsets[2 * i], offsets[2 * i + 1]), offsets[2 * i + 1]});
    }
  });
}

std::string_view Regex::limit_text() {
  return "the regular expression needs more than 100000 steps or 4 MiB in one text: write it without nested "
         "repetitions";
}

}  // namespace distri::db
