// calendar.hpp: milliseconds since 1970 <-> years, months, days (proleptic Gregorian, UTC), and dates as text. Private
// to the module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace distri::db {

struct CivilTime {
  std::int64_t year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;    // 1 to 31
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
};

inline constexpr std::int64_t kMsPerDay = 86'400'000;

std::int64_t floor_divide(std::int64_t a, std::int64_t b);  // b > 0

std::int64_t days_of(std::int64_t year, int month, int day);  // since 1970-01-01
CivilTime civil_date_of(std::int64_t days);                   // midnight
CivilTime civil_of(std::int64_t ms);
// Also when hour, minute and so on are beyond their ranges: they are added. nullopt: not in 64 bits.
std::optional<std::int64_t> ms_of(const CivilTime& time);

int days_in_month(std::int64_t year, int month);
int day_of_year(std::int64_t days);  // 1 to 366
int day_of_week(std::int64_t days);  // 0 (Sunday) to 6
struct IsoWeek {
  std::int64_t year;
  int week;  // 1 to 53
};
IsoWeek iso_week_of(std::int64_t days);

// "2020-01-02T03:04:05.678Z"
std::string date_text(std::int64_t ms);
// A date with or without a time ("2020-01-02", "2020-01-02T03:04", "2020-01-02 03:04:05.678+02:00"); without an offset
// it is `zone_minutes` east of UTC.
std::optional<std::int64_t> parse_date_text(std::string_view text, int zone_minutes = 0);

// "UTC", "GMT", "Z", "+02", "-0130", "+01:30" -> minutes east of UTC.
std::optional<int> parse_zone(std::string_view text);

}  // namespace distri::db
