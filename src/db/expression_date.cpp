// Parts of dates, and arithmetic with units of time.
#include <algorithm>
#include <array>

#include "distri/db/expression_dates.hpp"

namespace distri::db {

using bson::Type;
using bson::Value;

Result<std::int64_t> date_of(std::string_view name, const Value& value) {
  if (value.type() == Type::kDate) return value.as_date_ms();
  if (value.type() == Type::kTimestamp) return std::int64_t{value.timestamp_seconds()} * 1000;
  if (value.type() == Type::kObjectId) {
    std::int64_t seconds = 0;
    for (std::size_t i = 0; i < 4; ++i) seconds = seconds * 256 + static_cast<unsigned char>(value.raw()[i]);
    return seconds * 1000;
  }
  return refuse(16006, "{}: can't convert from BSON type {} to date", name, kind_of(value));
}

Result<int> zone_of(const Call& call, std::size_t i) {
  if (!call.given(i)) return 0;
  if (call[i].type() != Type::kString) {
    return refuse(40517, "{}: timezone must evaluate to a string, found: {}", call.name, kind_of(call[i]));
  }
  if (const auto zone = parse_zone(call[i].as_string())) return *zone;
  return refuse(40485, "{}: unrecognized time zone identifier: '{}'; known are UTC, GMT, Z and offsets like +02:00",
                call.name, shown(call[i].as_string()));
}

std::int64_t local_ms(std::int64_t ms, int zone_minutes) {
  std::int64_t result = 0;
  return __builtin_add_overflow(ms, std::int64_t{zone_minutes} * 60'000, &result) ? ms : result;
}

namespace {

using Part = std::int64_t (*)(const CivilTime& time, std::int64_t days);

// Arguments: date, timezone.
template <Part kPart>
Result<Value> part_of_date(const Call& call) {
  if (is_nullish(call[0]) || (call.given(1) && is_nullish(call[1]))) return call.null();
  DISTRI_TRY(const std::int64_t ms, date_of(call.name, call[0]));
  DISTRI_TRY(const int zone, zone_of(call, 1));
  const std::int64_t local = local_ms(ms, zone);
  return call.arena().integer(kPart(civil_of(local), floor_divide(local, kMsPerDay)));
}

constexpr auto kGetYear = [](const CivilTime& t, std::int64_t) { return t.year; };
constexpr auto kGetMonth = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.month; };
constexpr auto kGetDay = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.day; };
constexpr auto kGetHour = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.hour; };
constexpr auto kGetMinute = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.minute; };
constexpr auto kGetSecond = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.second; };
constexpr auto kGetMillisecond = [](const CivilTime& t, std::int64_t) -> std::int64_t { return t.millisecond; };
constexpr auto kGetDayOfWeek = [](const CivilTime&, std::int64_t days) -> std::int64_t {
  return day_of_week(days) + 1;
};
constexpr auto kGetDayOfYear = [](const CivilTime&, std::int64_t days) -> std::int64_t { return day_of_year(days); };
constexpr auto kGetWeek = [](const CivilTime&, std::int64_t days) -> std::int64_t {
  return (day_of_year(days) - 1 + 7 - day_of_week(days)) / 7;  // from 0; weeks begin on Sunday
};
constexpr auto kGetIsoWeek = [](const CivilTime&, std::int64_t days) -> std::int64_t { return iso_week_of(days).week; };
constexpr auto kGetIsoYear = [](const CivilTime&, std::int64_t days) -> std::int64_t { return iso_week_of(days).year; };
constexpr auto kGetIsoDay = [](const CivilTime&, std::int64_t days) -> std::int64_t {
  return (day_of_week(days) + 6) % 7 + 1;
};

enum class Unit : std::uint8_t { kMillisecond, kSecond, kMinute, kHour, kDay, kWeek, kMonth, kQuarter, kYear };

Result<Unit> unit_of(const Call& call, std::size_t i) {
  static constexpr std::array<std::string_view, 9> kNames = {"millisecond", "second", "minute",  "hour", "day",
                                                             "week",        "month",  "quarter", "year"};
  if (call[i].type() != Type::kString) {
    return refuse(5439013, "{}: unit must be a string, found: {}", call.name, kind_of(call[i]));
  }
  const auto at = std::find(kNames.begin(), kNames.end(), call[i].as_string());
  if (at != kNames.end()) return static_cast<Unit>(at - kNames.begin());
  return refuse(mongo::kFailedToParse, "{}: unknown time unit value: '{}'", call.name, shown(call[i].as_string()));
}

// 0 for units whose length varies.
std::int64_t unit_ms(Unit unit) {
  static constexpr std::array<std::int64_t, 9> kMs = {1, 1000, 60'000, 3'600'000, kMsPerDay, 7 * kMsPerDay, 0, 0, 0};
  return kMs[static_cast<std::size_t>(unit)];
}

std::int64_t unit_months(Unit unit) {
  return unit == Unit::kYear ? 12 : (unit == Unit::kQuarter ? 3 : 1);
}

// nullopt: does not fit.
std::optional<std::int64_t> add_units(std::int64_t ms, Unit unit, std::int64_t amount) {
  std::int64_t by = 0;
  std::int64_t result = 0;
  if (const std::int64_t size = unit_ms(unit); size != 0) {
    if (__builtin_mul_overflow(amount, size, &by) || __builtin_add_overflow(ms, by, &result)) return std::nullopt;
    return result;
  }
  CivilTime time = civil_of(ms);
  if (__builtin_mul_overflow(amount, unit_months(unit), &by)) return std::nullopt;
  std::int64_t months = 0;
  if (__builtin_add_overflow(time.year * 12 + time.month - 1, by, &months)) return std::nullopt;
  time.year = floor_divide(months, 12);
  time.month = static_cast<int>(months - time.year * 12) + 1;
  time.day = std::min(time.day, days_in_month(time.year, time.month));  // the 31st becomes the month's last day
  return ms_of(time);
}

// Arguments: startDate, unit, amount, timezone.
template <bool kNegative>
Result<Value> shift_date(const Call& call) {
  if (is_nullish(call[0]) || is_nullish(call[1]) || is_nullish(call[2]) || (call.given(3) && is_nullish(call[3]))) {
    return call.null();
  }
  DISTRI_TRY(const std::int64_t ms, date_of(call.name, call[0]));
  DISTRI_TRY(const Unit unit, unit_of(call, 1));
  const auto amount = call[2].is_number() ? call[2].to_int64() : std::nullopt;
  if (!amount)
    return refuse(5166405, "{} expects a whole number as amount, found: {}", call.name, shown_value(call[2]));
  DISTRI_TRY(const int zone, zone_of(call, 3));
  std::int64_t signed_amount = *amount;
  const bool over = kNegative && __builtin_sub_overflow(std::int64_t{0}, *amount, &signed_amount);
  const auto moved = over ? std::nullopt : add_units(local_ms(ms, zone), unit, signed_amount);
  if (!moved) return refuse(5166406, "{}: the date does not fit into 64 bits", call.name);
  return call.arena().date(local_ms(*moved, -zone));
}

// 0 (Sunday) to 6; `fallback` when it was not given.
Result<int> start_of_week(const Call& call, std::size_t i) {
  if (!call.given(i) || is_nullish(call[i])) return 0;
  static constexpr std::array<std::string_view, 7> kDays = {"sunday",   "monday", "tuesday", "wednesday",
                                                            "thursday", "friday", "saturday"};
  std::string name(call[i].type() == Type::kString ? call[i].as_string() : std::string_view());
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (std::size_t day = 0; day < kDays.size(); ++day) {
    if (name == kDays[day] || name == kDays[day].substr(0, 3)) return static_cast<int>(day);
  }
  return refuse(5439016, "{}: startOfWeek must be a day of the week, found: {}", call.name, shown_value(call[i]));
}

// How many units begin up to that time, from a fixed time on.
std::int64_t unit_number(std::int64_t ms, Unit unit, int week_start) {
  const std::int64_t days = floor_divide(ms, kMsPerDay);
  if (unit == Unit::kWeek) return floor_divide(days + 4 - week_start, 7);
  if (const std::int64_t size = unit_ms(unit); size != 0) return floor_divide(ms, size);
  const CivilTime time = civil_of(ms);
  return floor_divide(time.year * 12 + time.month - 1, unit_months(unit));
}

// Arguments: startDate, endDate, unit, timezone, startOfWeek.
Result<Value> difference(const Call& call) {
  if (is_nullish(call[0]) || is_nullish(call[1]) || is_nullish(call[2]) || (call.given(3) && is_nullish(call[3]))) {
    return call.null();
  }
  DISTRI_TRY(const std::int64_t start, date_of(call.name, call[0]));
  DISTRI_TRY(const std::int64_t end, date_of(call.name, call[1]));
  DISTRI_TRY(const Unit unit, unit_of(call, 2));
  DISTRI_TRY(const int zone, zone_of(call, 3));
  DISTRI_TRY(const int week_start, start_of_week(call, 4));
  std::int64_t result = 0;
  if (__builtin_sub_overflow(unit_number(local_ms(end, zone), unit, week_start),
                             unit_number(local_ms(start, zone), unit, week_start), &result)) {
    return refuse(5166308, "$dateDiff: the difference does not fit into 64 bits");
  }
  return call.arena().int64(result);
}

// The beginning of the bin of `size` units; bins are counted from 2000-01-01 (weeks: from the first start of a week
// after it).
std::optional<std::int64_t> bin_start(std::int64_t ms, Unit unit, std::int64_t size, int week_start) {
  constexpr std::int64_t kReferenceDays = 10'957;
  if (const std::int64_t length = unit_ms(unit); length != 0) {
    std::int64_t reference = kReferenceDays * kMsPerDay;
    if (unit == Unit::kWeek) reference += ((week_start - day_of_week(kReferenceDays) + 7) % 7) * kMsPerDay;
    std::int64_t bin = 0;
    std::int64_t since = 0;
    if (__builtin_mul_overflow(length, size, &bin) || __builtin_sub_overflow(ms, reference, &since))
      return std::nullopt;
    const std::int64_t count = floor_divide(since, bin);
    std::int64_t start = 0;
    if (__builtin_mul_overflow(count, bin, &start) || __builtin_add_overflow(start, reference, &start))
      return std::nullopt;
    return start;
  }
  std::int64_t bin = 0;
  if (__builtin_mul_overflow(unit_months(unit), size, &bin)) return std::nullopt;
  const CivilTime time = civil_of(ms);
  const std::int64_t months = (time.year - 2000) * 12 + time.month - 1;
  std::int64_t start = 0;
  if (__builtin_mul_overflow(floor_divide(months, bin), bin, &start)) return std::nullopt;
  CivilTime begin;
  begin.year = 2000 + floor_divide(start, 12);
  begin.month = static_cast<int>(start - floor_divide(start, 12) * 12) + 1;
  return ms_of(begin);
}

// Arguments: date, unit, binSize, timezone, startOfWeek.
Result<Value> truncate_date(const Call& call) {
  if (is_nullish(call[0]) || is_nullish(call[1])) return call.null();
  if ((call.given(2) && is_nullish(call[2])) || (call.given(3) && is_nullish(call[3]))) return call.null();
  DISTRI_TRY(const std::int64_t ms, date_of(call.name, call[0]));
  DISTRI_TRY(const Unit unit, unit_of(call, 1));
  std::int64_t size = 1;
  if (call.given(2)) {
    const auto whole = call[2].is_number() ? call[2].to_int64() : std::nullopt;
    if (!whole)
      return refuse(5439017, "$dateTrunc requires 'binSize' to be a whole number, found: {}", shown_value(call[2]));
    if (*whole <= 0) return refuse(5439018, "$dateTrunc requires 'binSize' to be greater than 0, found: {}", *whole);
    size = *whole;
  }
  DISTRI_TRY(const int zone, zone_of(call, 3));
  DISTRI_TRY(const int week_start, start_of_week(call, 4));
  const auto start = bin_start(local_ms(ms, zone), unit, size, week_start);
  if (!start) return refuse(5439019, "$dateTrunc: the bin does not fit into 64 bits of milliseconds");
  return call.arena().date(local_ms(*start, -zone));
}

// {date, timezone}, or the date alone.
Result<ExpressionNode> parse_part(ExpressionCompiler& compiler, const OperatorEntry& entry, const Value& source,
                                  int depth) {
  const bool named = source.type() == Type::kObject && source.as_object().find("date");
  return named ? compiler.arguments_named(entry, source, depth) : compiler.arguments_listed(entry, source, depth);
}

template <Part kPart>
constexpr OperatorEntry part(std::string_view name) {
  return OperatorEntry{name, 1, 1, part_of_date<kPart>, nullptr, "date! timezone", parse_part};
}

constexpr std::array kTable = {
    part<+kGetYear>("$year"),
    part<+kGetMonth>("$month"),
    part<+kGetDay>("$dayOfMonth"),
    part<+kGetHour>("$hour"),
    part<+kGetMinute>("$minute"),
    part<+kGetSecond>("$second"),
    part<+kGetMillisecond>("$millisecond"),
    part<+kGetDayOfWeek>("$dayOfWeek"),
    part<+kGetDayOfYear>("$dayOfYear"),
    part<+kGetWeek>("$week"),
    part<+kGetIsoWeek>("$isoWeek"),
    part<+kGetIsoYear>("$isoWeekYear"),
    part<+kGetIsoDay>("$isoDayOfWeek"),
    OperatorEntry{"$dateAdd", 1, 1, shift_date<false>, nullptr, "startDate! unit! amount! timezone"},
    OperatorEntry{"$dateSubtract", 1, 1, shift_date<true>, nullptr, "startDate! unit! amount! timezone"},
    OperatorEntry{"$dateDiff", 1, 1, difference, nullptr, "startDate! endDate! unit! timezone startOfWeek"},
    OperatorEntry{"$dateTrunc", 1, 1, truncate_date, nullptr, "date! unit! binSize timezone startOfWeek"},
};

}  // namespace

std::span<const OperatorEntry> date_operators() {
  return kTable;
}

}  // namespace distri::db
