#include "distri/db/calendar.hpp"

#include <fmt/format.h>

#include <array>

namespace distri::db {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "hh:mm[:ss[.fff]]" off the front.
bool take_time(std::string_view& text, CivilTime& time) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return false;
  const auto minute = take_digits(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return false;
  time.hour = *hour;
  time.minute = *minute;
  if (!take(text, ':')) return true;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return false;
  time.second = *second;
  if (!take(text, '.')) return true;
  int digits = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    if (++digits <= 3) time.millisecond = time.millisecond * 10 + (text.front() - '0');
  }
  for (int i = digits; i < 3; ++i) time.millisecond *= 10;
  return digits > 0;
}

}  // namespace

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Years are counted from March, so that the leap day is the last of its year (H. Hinnant, "chrono-Compatible Low-Level
// Date Algorithms").
std::int64_t days_of(std::int64_t year, int month, int day) {
  const std::int64_t shifted = month <= 2 ? year - 1 : year;
  const std::int64_t era = floor_divide(shifted, 400);
  const std::int64_t year_of_era = shifted - era * 400;
  const std::int64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719'468;
}

CivilTime civil_date_of(std::int64_t days) {
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = floor_divide(shifted, 146'097);
  const std::int64_t of_era = shifted - era * 146'097;
  const std::int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const auto of_year = static_cast<int>(of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
  const int from_march = (5 * of_year + 2) / 153;
  CivilTime time;
  time.day = of_year - (153 * from_march + 2) / 5 + 1;
  time.month = from_march < 10 ? from_march + 3 : from_march - 9;
  time.year = year_of_era + era * 400 + (time.month <= 2 ? 1 : 0);
  return time;
}

CivilTime civil_of(std::int64_t ms) {
  const std::int64_t days = floor_divide(ms, kMsPerDay);
  const auto of_day = static_cast<int>((ms % kMsPerDay + kMsPerDay) % kMsPerDay);
  CivilTime time = civil_date_of(days);
  time.hour = of_day / 3'600'000;
  time.minute = of_day / 60'000 % 60;
  time.second = of_day / 1000 % 60;
  time.millisecond = of_day % 1000;
  return time;
}

std::optional<std::int64_t> ms_of(const CivilTime& time) {
  constexpr std::int64_t kYearsMax = 300'000'000;  // more than 64 bits of milliseconds hold
  if (time.year > kYearsMax || time.year < -kYearsMax) return std::nullopt;
  const std::int64_t of_day = std::int64_t{time.hour} * 3'600'000 + std::int64_t{time.minute} * 60'000 +
                              std::int64_t{time.second} * 1000 + time.millisecond;
  std::int64_t ms = 0;
  if (__builtin_mul_overflow(days_of(time.year, time.month, time.day), kMsPerDay, &ms) ||
      __builtin_add_overflow(ms, of_day, &ms)) {
    return std::nullopt;
  }
  return ms;
}

int days_in_month(std::int64_t year, int month) {
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[static_cast<std::size_t>(month - 1)] + (leap && month == 2 ? 1 : 0);
}

int day_of_year(std::int64_t days) {
  return static_cast<int>(days - days_of(civil_date_of(days).year, 1, 1)) + 1;
}

int day_of_week(std::int64_t days) {
  return static_cast<int>(days + 4 - floor_divide(days + 4, 7) * 7);  // 1970-01-01 was a Thursday
}

// The week belongs to the year its Thursday is in.
IsoWeek iso_week_of(std::int64_t days) {
  const std::int64_t thursday = days - (day_of_week(days) + 6) % 7 + 3;
  const std::int64_t year = civil_date_of(thursday).year;
  return {year, static_cast<int>((thursday - days_of(year, 1, 1)) / 7) + 1};
}

std::string date_text(std::int64_t ms) {
  const CivilTime t = civil_of(ms);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", t.year, t.month, t.day, t.hour, t.minute, t.second,
                     t.millisecond);
}

std::optional<std::int64_t> parse_date_text(std::string_view text, int zone_minutes) {
  CivilTime time;
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > days_in_month(*year, *month)) return std::nullopt;
  time.year = *year;
  time.month = *month;
  time.day = *day;
  if (take(text, 'T') || take(text, ' ')) {
    if (!take_time(text, time)) return std::nullopt;
    take(text, ' ');
    if (!text.empty()) {
      const auto zone = parse_zone(text);
      if (!zone) return std::nullopt;
      zone_minutes = *zone;
    }
  } else if (!text.empty()) {
    return std::nullopt;
  }
  return *ms_of(time) - std::int64_t{zone_minutes} * 60'000;
}

std::optional<int> parse_zone(std::string_view text) {
  if (text == "UTC" || text == "GMT" || text == "Z") return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_digits(text, 2);
  if (!hours) return std::nullopt;
  int minutes = 0;
  if (!text.empty()) {
    take(text, ':');
    const auto more = take_digits(text, 2);
    if (!more || !text.empty() || *more > 59) return std::nullopt;
    minutes = *more;
  }
  return sign * (*hours * 60 + minutes);
}

}  // namespace distri::db
