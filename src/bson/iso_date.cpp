#include "distri/bson/iso_date.hpp"

#include <fmt/format.h>

#include <array>

namespace distri::bson {
namespace {

// Takes fixed numbers of digits and single characters off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool ok() const { return ok_; }
  bool done() const { return text_.empty(); }
  char peek() const { return text_.empty() ? '\0' : text_.front(); }

  bool skip(char c) {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) { ok_ &= skip(c); }

  int digits(int count) {
    int value = 0;
    for (int i = 0; i < count; ++i) {
      if (peek() < '0' || peek() > '9') {
        ok_ = false;
        return 0;
      }
      value = value * 10 + (peek() - '0');
      text_.remove_prefix(1);
    }
    return value;
  }

  // The fraction of a second, in milliseconds.
  int milliseconds() {
    int value = 0;
    int count = 0;
    for (; peek() >= '0' && peek() <= '9'; ++count, text_.remove_prefix(1)) {
      if (count < 3) value = value * 10 + (peek() - '0');
    }
    ok_ &= count >= 1 && count <= 9;
    for (; count < 3; ++count) value *= 10;
    return value;
  }

 private:
  std::string_view text_;
  bool ok_ = true;
};

constexpr std::int64_t kMsPerDay = 86'400'000;
// Days from 0000-03-01 to 1970-01-01, and in 400 years, of the proleptic Gregorian calendar.
constexpr std::int64_t kDaysToEpoch = 719'468;
constexpr std::int64_t kDaysPerEra = 146'097;

struct Date {
  std::int64_t year;
  int month;
  int day;
};

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Both conversions count years from March, so that the leap day is the last day of its year, and months of March to
// February have (153 m + 2) / 5 days before them (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
std::int64_t days_since_epoch(const Date& date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = floor_divide(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const int month_from_march = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kDaysToEpoch;
}

Date date_of(std::int64_t days) {
  const std::int64_t shifted = days + kDaysToEpoch;
  const std::int64_t era = floor_divide(shifted, kDaysPerEra);
  const std::int64_t day_of_era = shifted - era * kDaysPerEra;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const auto day_of_year = static_cast<int>(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
  const int month_from_march = (5 * day_of_year + 2) / 153;
  const int day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

bool exists(const Date& date) {
  if (date.month < 1 || date.month > 12 || date.day < 1) return false;
  const bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return date.day <= kDays[static_cast<std::size_t>(date.month - 1)] + (leap && date.month == 2 ? 1 : 0);
}

}  // namespace

void append_iso_date(std::string& out, std::int64_t ms) {
  const std::int64_t days = floor_divide(ms, kMsPerDay);
  const std::int64_t of_day = ms - days * kMsPerDay;
  const Date date = date_of(days);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month, date.day,
                 of_day / 3600000, of_day / 60000 % 60, of_day / 1000 % 60);
  if (of_day % 1000 != 0) fmt::format_to(std::back_inserter(out), ".{:03}", of_day % 1000);
  out.push_back('Z');
}

std::optional<std::int64_t> parse_iso_date(std::string_view text) {
  Scanner scan(text);
  const int year = scan.digits(4);
  scan.expect('-');
  const int month = scan.digits(2);
  scan.expect('-');
  const int day = scan.digits(2);
  scan.expect('T');
  const int hour = scan.digits(2);
  scan.expect(':');
  const int minute = scan.digits(2);
  int second = 0;
  int fraction = 0;
  if (scan.skip(':')) {
    second = scan.digits(2);
    if (scan.skip('.')) fraction = scan.milliseconds();
  }
  int zone_minutes = 0;
  if (!scan.skip('Z')) {
    const int sign = scan.peek() == '-' ? -1 : 1;
    if (!scan.skip('-')) scan.expect('+');
    const int hours = scan.digits(2);
    int minutes = 0;
    if (!scan.done()) {
      scan.skip(':');
      minutes = scan.digits(2);
    }
    if (hours > 23 || minutes > 59) return std::nullopt;
    zone_minutes = sign * (hours * 60 + minutes);
  }
  if (!scan.ok() || !scan.done() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const Date date{year, month, day};
  if (!exists(date)) return std::nullopt;
  const std::int64_t days = days_since_epoch(date);
  return ((days * 24 + hour) * 60 + minute - zone_minutes) * 60000 + second * 1000 + fraction;
}

}  // namespace distri::bson
