#include "distri/cli/units.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace distri::cli {
namespace {

// The number in front; the rest stays in `text`.
std::optional<std::uint64_t> leading_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, int>, 10> kUnits{{{"", 0},
                                                                     {"B", 0},
                                                                     {"K", 10},
                                                                     {"KiB", 10},
                                                                     {"M", 20},
                                                                     {"MiB", 20},
                                                                     {"G", 30},
                                                                     {"GiB", 30},
                                                                     {"T", 40},
                                                                     {"TiB", 40}}};
  std::string_view rest = text;
  if (const auto value = leading_number(rest)) {
    for (const auto& [unit, shift] : kUnits) {
      if (rest != unit) continue;
      if (*value > (std::numeric_limits<std::uint64_t>::max() >> shift)) break;
      return *value << shift;
    }
  }
  return fail(Code::kInvalidArgument, "'{}' is no amount of bytes; write for example 4096, 64KiB, 512MiB or 2GiB",
              text);
}

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  std::string_view rest = text;
  if (const auto value = leading_number(rest)) {
    if (*value == 0 && rest.empty()) return 0;
    for (const auto& [unit, ms] : kUnits) {
      if (rest != unit) continue;
      if (*value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / ms)) break;
      return static_cast<std::int64_t>(*value) * ms;
    }
  }
  return fail(Code::kInvalidArgument, "'{}' is no length of time; write for example 500ms, 10s, 5m, 2h or 30d", text);
}

std::string shown_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string shown_duration_ms(std::int64_t ms) {
  if (ms < 1'000) return fmt::format("{} ms", ms);
  const std::int64_t s = ms / 1'000;
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3'600) return fmt::format("{}m {}s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{}h {}m", s / 3'600, s / 60 % 60);
  return fmt::format("{}d {}h", s / 86'400, s / 3'600 % 24);
}

}  // namespace distri::cli
