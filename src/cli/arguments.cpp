// The words of a command line, parsed by cxxopts as the command's own list of options says.
#define CXXOPTS_VECTOR_DELIMITER '\0'  // values may hold commas: JSON does
#include <algorithm>
#include <charconv>
#include <cxxopts.hpp>
#include <numeric>

#include "distri/cli/command.hpp"

namespace distri::cli {
namespace {

constexpr std::string_view kPositionals = "positionals";

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

const Option* find_option(const Command& command, std::string_view name) {
  const auto at = std::find_if(command.options.begin(), command.options.end(),
                               [name](const Option& option) { return option.name == name; });
  return at == command.options.end() ? nullptr : &*at;
}

// cxxopts says what is wrong, but not what to do.
Result<> check_names(const Command& command, const std::vector<std::string>& words) {
  std::vector<std::string_view> known{"json", "help"};
  for (const Option& option : command.options) known.push_back(option.name);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--") break;
    if (!word.starts_with("--")) continue;
    const std::string_view name = word.substr(2, word.find('=') - 2);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string meant = nearest(name, known);
      return fail(Code::kInvalidArgument, "unknown option --{}{}; 'distri {} --help' shows all", name,
                  meant.empty() ? "" : fmt::format(", did you mean --{}", meant), command.name);
    }
    const Option* option = find_option(command, name);
    const bool takes_next =
        option != nullptr && !option->placeholder.empty() && word.find('=') == std::string_view::npos;
    if (!takes_next) continue;
    if (i + 1 == words.size()) {
      return fail(Code::kInvalidArgument, "--{} needs a value: --{} {}", name, name, option->placeholder);
    }
    ++i;  // its value may look like an option
  }
  return {};
}

Result<> check_positionals(const Command& command, const std::vector<std::string>& given) {
  const auto needed = static_cast<std::size_t>(std::count_if(command.arguments.begin(), command.arguments.end(),
                                                             [](const Positional& each) { return !each.optional; }));
  if (given.size() < needed) {
    const Positional& missing = command.arguments[given.size()];
    return fail(Code::kInvalidArgument, "{} is missing: {}; 'distri {} --help' shows examples", missing.name,
                missing.help, command.name);
  }
  const bool open = !command.arguments.empty() && command.arguments.back().repeated;
  if (!open && given.size() > command.arguments.size()) {
    return fail(Code::kInvalidArgument, "'{}' is one argument too many for 'distri {}'; quote JSON: '{{\"a\": 1}}'",
                given[command.arguments.size()], command.name);
  }
  return {};
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const std::string_view each : known) {
    const std::size_t distance = edit_distance(word, each);
    if (distance < best_distance) {
      best = each;
      best_distance = distance;
    }
  }
  return std::string(best);
}

std::optional<std::string> Arguments::text(std::string_view option) const {
  const auto at = options_.find(option);
  return at == options_.end() ? std::nullopt : std::optional(at->second.back());
}

std::vector<std::string> Arguments::list(std::string_view option) const {
  const auto at = options_.find(option);
  return at == options_.end() ? std::vector<std::string>() : at->second;
}

std::optional<std::string> Arguments::positional(std::size_t index) const {
  return index < positionals_.size() ? std::optional(positionals_[index]) : std::nullopt;
}

std::vector<std::string> Arguments::positionals(std::size_t index) const {
  if (index >= positionals_.size()) return {};
  return {positionals_.begin() + static_cast<std::ptrdiff_t>(index), positionals_.end()};
}

Result<std::uint64_t> Arguments::number(std::string_view option, std::uint64_t otherwise, std::uint64_t least,
                                        std::uint64_t most) const {
  const auto given = text(option);
  if (!given) return otherwise;
  std::uint64_t value = 0;
  const char* const text_end = given->data() + given->size();
  const auto [end, error] = std::from_chars(given->data(), text_end, value);
  if (error != std::errc{} || end != text_end || value < least || value > most) {
    return fail(Code::kInvalidArgument, "--{} must be a whole number from {} to {}, not '{}'", option, least, most,
                *given);
  }
  return value;
}

Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& words) {
  DISTRI_TRY_VOID(check_names(command, words));
  cxxopts::Options description("distri");
  auto add = description.add_options();
  for (const Option& option : command.options) {
    add(std::string(option.name), "",
        option.placeholder.empty() ? std::shared_ptr<cxxopts::Value>(cxxopts::value<bool>())
                                   : cxxopts::value<std::vector<std::string>>());
  }
  add("json", "", cxxopts::value<bool>())("help", "", cxxopts::value<bool>());
  add(std::string(kPositionals), "", cxxopts::value<std::vector<std::string>>());
  description.parse_positional({std::string(kPositionals)});
  std::vector<const char*> pointers{"distri"};
  for (const std::string& word : words) pointers.push_back(word.c_str());

  Arguments arguments;
  try {
    const auto parsed = description.parse(static_cast<int>(pointers.size()), pointers.data());
    for (const std::string_view name : {std::string_view("json"), std::string_view("help")}) {
      if (parsed.count(std::string(name)) > 0) arguments.options_[std::string(name)] = {};
    }
    for (const Option& option : command.options) {
      const std::string name(option.name);
      const std::size_t count = parsed.count(name);
      if (count == 0) continue;
      if (count > 1 && !option.repeated) return fail(Code::kInvalidArgument, "--{} is given twice", option.name);
      arguments.options_[name] =
          option.placeholder.empty() ? std::vector<std::string>() : parsed[name].as<std::vector<std::string>>();
    }
    if (parsed.count(std::string(kPositionals)) > 0) {
      arguments.positionals_ = parsed[std::string(kPositionals)].as<std::vector<std::string>>();
    }
  } catch (const cxxopts::exceptions::exception& error) {
    return fail(Code::kInvalidArgument, "{}; 'distri {} --help' shows the options", error.what(), command.name);
  }
  if (!arguments.flag("help")) DISTRI_TRY_VOID(check_positionals(command, arguments.positionals_));
  return arguments;
}

}  // namespace distri::cli
