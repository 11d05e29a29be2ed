// $dateToString, $dateFromString.
#include <array>

#include "distri/db/expression_dates.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::string_view kKnown = "known are %Y %m %d %H %M %S %L %j %u %w %U %V %G %b %B %z %Z %%";

// Appends what a specifier stands for; false: no such specifier.
bool append_specifier(std::string& out, char specifier, std::int64_t local, int zone) {
  const CivilTime t = civil_of(local);
  const std::int64_t days = floor_divide(local, kMsPerDay);
  const auto put = [&](auto value, int width) { fmt::format_to(std::back_inserter(out), "{:0{}}", value, width); };
  switch (specifier) {
    case 'Y':
      put(t.year, 4);
      return true;
    case 'm':
      put(t.month, 2);
      return true;
    case 'd':
      put(t.day, 2);
      return true;
    case 'H':
      put(t.hour, 2);
      return true;
    case 'M':
      put(t.minute, 2);
      return true;
    case 'S':
      put(t.second, 2);
      return true;
    case 'L':
      put(t.millisecond, 3);
      return true;
    case 'j':
      put(day_of_year(days), 3);
      return true;
    case 'u':
      put((day_of_week(days) + 6) % 7 + 1, 1);
      return true;
    case 'w':
      put(day_of_week(days) + 1, 1);
      return true;
    case 'U':
      put((day_of_year(days) - 1 + 7 - day_of_week(days)) / 7, 2);
      return true;
    case 'V':
      put(iso_week_of(days).week, 2);
      return true;
    case 'G':
      put(iso_week_of(days).year, 4);
      return true;
    case 'b':
      out += kMonths[static_cast<std::size_t>(t.month - 1)].substr(0, 3);
      return true;
    case 'B':
      out += kMonths[static_cast<std::size_t>(t.month - 1)];
      return true;
    case 'z':
      fmt::format_to(std::back_inserter(out), "{}{:02}{:02}", zone < 0 ? '-' : '+', std::abs(zone) / 60,
                     std::abs(zone) % 60);
      return true;
    case 'Z':
      fmt::format_to(std::back_inserter(out), "{:+}", zone);
      return true;
    case '%':
      out.push_back('%');
      return true;
    default:
      return false;
  }
}

// Arguments: date, format, timezone, onNull.
Result<Value> to_text(const Call& call) {
  if (is_nullish(call[0])) return call.given(3) ? call[3] : call.null();
  if ((call.given(1) && is_nullish(call[1])) || (call.given(2) && is_nullish(call[2]))) return call.null();
  DISTRI_TRY(const std::int64_t ms, date_of(call.name, call[0]));
  DISTRI_TRY(const int zone, zone_of(call, 2));
  std::string_view format = zone == 0 ? "%Y-%m-%dT%H:%M:%S.%LZ" : "%Y-%m-%dT%H:%M:%S.%L";
  if (call.given(1)) {
    if (call[1].type() != Type::kString) {
      return refuse(18533, "$dateToString requires that 'format' be a string, found: {}", kind_of(call[1]));
    }
    format = call[1].as_string();
  }
  std::string text;
  for (std::size_t i = 0; i < format.size() && text.size() <= bson::kDocumentBytesMax; ++i) {
    if (format[i] != '%') {
      text.push_back(format[i]);
      continue;
    }
    if (++i == format.size()) return refuse(18535, "$dateToString: unmatched '%' at the end of the format");
    if (!append_specifier(text, format[i], local_ms(ms, zone), zone)) {
      return refuse(18536, "$dateToString: invalid format character '%{}'; {}", format[i], kKnown);
    }
  }
  if (text.size() > bson::kDocumentBytesMax - 64)
    return refuse(mongo::kObjectTooLarge, "$dateToString: it is too large");
  return call.arena().string(text);
}

// Reads a date by a format.
class DateReader {
 public:
  DateReader(std::string_view text, std::string_view format, int zone) : text_(text), format_(format), zone_(zone) {}

  // Why it is not such a date; empty: ms() is it.
  std::string read() {
    for (std::size_t i = 0; i < format_.size(); ++i) {
      if (format_[i] != '%') {
        if (!take(format_[i])) return fmt::format("'{}' is expected before '{}'", format_[i], shown(text_));
        continue;
      }
      if (++i == format_.size()) return "unmatched '%' at the end of the format";
      if (auto problem = specifier(format_[i]); !problem.empty()) return problem;
    }
    if (!text_.empty()) return fmt::format("'{}' is left over", shown(text_));
    if (time_.day > days_in_month(time_.year, time_.month)) return "there is no such day";
    if (day_of_year_ > 0) {
      time_.month = 1;
      time_.day = day_of_year_;
    }
    const auto ms = ms_of(time_);
    ms_ = local_ms(*ms, -zone_);
    return {};
  }
  std::int64_t ms() const { return ms_; }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  // One to `digits` digits, from `least` to `most`.
  std::string number(int digits, int least, int most, int& out) {
    int value = 0;
    int taken = 0;
    for (; taken < digits && !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; ++taken) {
      value = value * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
    }
    if (taken == 0) return fmt::format("a number is expected before '{}'", shown(text_));
    if (value < least || value > most) return fmt::format("{} is not from {} to {}", value, least, most);
    out = value;
    return {};
  }

  std::string month_name(bool whole) {
    for (std::size_t i = 0; i < kMonths.size(); ++i) {
      const std::string_view name = whole ? kMonths[i] : kMonths[i].substr(0, 3);
      if (!text_.starts_with(name)) continue;
      text_.remove_prefix(name.size());
      time_.month = static_cast<int>(i) + 1;
      return {};
    }
    return fmt::format("a month is expected before '{}'", shown(text_));
  }

  std::string specifier(char c) {
    switch (c) {
      case 'Y': {
        int year = 0;
        auto problem = number(4, 0, 9999, year);
        time_.year = year;
        return problem;
      }
      case 'm':
        return number(2, 1, 12, time_.month);
      case 'd':
        return number(2, 1, 31, time_.day);
      case 'H':
        return number(2, 0, 23, time_.hour);
      case 'M':
        return number(2, 0, 59, time_.minute);
      case 'S':
        return number(2, 0, 59, time_.second);
      case 'L':
        return number(3, 0, 999, time_.millisecond);
      case 'j':
        return number(3, 1, 366, day_of_year_);
      case 'b':
        return month_name(false);
      case 'B':
        return month_name(true);
      case 'z': {
        std::size_t size = 0;
        while (size < text_.size() && size < 6 &&
               std::string_view("+-:0123456789ZUTCGM").find(text_[size]) != std::string_view::npos) {
          ++size;
        }
        const auto zone = parse_zone(text_.substr(0, size));
        if (!zone) return fmt::format("an offset is expected before '{}'", shown(text_));
        zone_ = *zone;
        text_.remove_prefix(size);
        return {};
      }
      case '%':
        return take('%') ? std::string() : "'%' is expected";
      default:
        return fmt::format("invalid format character '%{}'; known are %Y %m %d %H %M %S %L %j %b %B %z %%", c);
    }
  }

  std::string_view text_;
  std::string_view format_;
  int zone_;
  CivilTime time_;
  int day_of_year_ = 0;
  std::int64_t ms_ = 0;
};

// Arguments: dateString, format, timezone, onError, onNull. onError and onNull are evaluated only when needed.
Result<Value> from_text(const ExpressionNode& node, EvaluationState& state) {
  std::array<Value, 3> values;
  for (std::size_t i = 0; i < 3; ++i) {
    if (node.arguments[i].run == nullptr) continue;
    DISTRI_TRY(values[i], evaluate_node(node.arguments[i], state));
  }
  const auto given = [&](std::size_t i) { return node.arguments[i].run != nullptr; };
  if (is_nullish(values[0])) return given(4) ? evaluate_node(node.arguments[4], state) : Value();
  if ((given(1) && is_nullish(values[1])) || (given(2) && is_nullish(values[2]))) return Value();
  const Call call{node.entry->name, values, node, state};
  DISTRI_TRY(const int zone, zone_of(call, 2));
  if (given(1) && values[1].type() != Type::kString) {
    return refuse(40684, "$dateFromString requires that 'format' be a string, found: {}", kind_of(values[1]));
  }
  std::string problem;
  if (values[0].type() != Type::kString) {
    problem = fmt::format("'dateString' must be a string, found: {}", kind_of(values[0]));
  } else if (given(1)) {
    DISTRI_TRY_VOID(state.spend((values[0].raw().size() + values[1].raw().size()) / 16));
    DateReader reader(values[0].as_string(), values[1].as_string(), zone);
    problem = reader.read();
    if (problem.empty()) return state.arena.date(reader.ms());
  } else {
    if (const auto ms = parse_date_text(values[0].as_string(), zone)) return state.arena.date(*ms);
    problem = "it is not an ISO 8601 date";
  }
  if (given(3)) return evaluate_node(node.arguments[3], state);
  return refuse(mongo::kConversionFailure, "$dateFromString: error parsing date string {}: {}", shown_value(values[0]),
                problem);
}

constexpr std::array kTable = {
    OperatorEntry{"$dateToString", 1, 1, to_text, nullptr, "date! format timezone onNull"},
    OperatorEntry{"$dateFromString", 1, 1, nullptr, from_text, "dateString! format timezone onError onNull"},
};

}  // namespace

std::span<const OperatorEntry> date_text_operators() {
  return kTable;
}

}  // namespace distri::db
