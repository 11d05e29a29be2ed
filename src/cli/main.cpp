// distri: the command to run nodes and to use them.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "distri/cli/command.hpp"

namespace distri::cli {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

int report(const Error& error, bool json) {
  if (json) {
    const nlohmann::ordered_json out{{"error", {{"code", code_name(error.code)}, {"message", error.message}}}};
    fmt::print(stderr, "{}\n", out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "distri: {}\n", error.message);
  }
  return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailed;
}

Error unknown_command(const std::vector<std::string>& words) {
  const bool grouped = is_group(words.front()) && words.size() > 1;
  const std::string asked = grouped ? words[0] + " " + words[1] : words[0];
  std::vector<std::string_view> known;
  for (const Command& each : commands()) known.push_back(each.name);
  const std::string meant = nearest(asked, known);
  return {Code::kInvalidArgument, fmt::format("unknown command '{}'{}; 'distri {}--help' lists them", asked,
                                              meant.empty() ? "" : fmt::format(", did you mean '{}'?", meant),
                                              grouped ? words.front() + " " : "")};
}

int run(const std::vector<std::string>& words) {
  if (words.empty()) {
    fmt::print(stderr, "{}", help_of_program());
    return kExitUsage;
  }
  std::size_t used = 0;
  if (const Command* command = find_command(words, used)) {
    const std::vector<std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(used), words.end());
    const bool json = std::find(rest.begin(), rest.end(), "--json") != rest.end();
    const auto arguments = parse_arguments(*command, rest);
    if (!arguments) return report(arguments.error(), json);
    if (arguments->flag("help")) {
      fmt::print("{}", help_of(*command));
      return kExitOk;
    }
    const auto done = command->run(*arguments);
    return done ? kExitOk : report(done.error(), json);
  }
  const bool asks_help = words.back() == "--help" || words.back() == "-h" || words.front() == "help";
  if (is_group(words.front()) && (words.size() == 1 || (words.size() == 2 && asks_help))) {
    fmt::print("{}", help_of_group(words.front()));
    return kExitOk;
  }
  if (asks_help && words.size() == 1) {
    fmt::print("{}", help_of_program());
    return kExitOk;
  }
  if (words.front() == "--version") {
    fmt::print("distri {}\n", DISTRI_VERSION);
    return kExitOk;
  }
  if (words.front() == "help") {
    std::vector<std::string> asked(words.begin() + 1, words.end());
    asked.emplace_back("--help");
    return run(asked);
  }
  return report(unknown_command(words), false);
}

}  // namespace

}  // namespace distri::cli

int main(int argc, char** argv) {
  try {
    return distri::cli::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "distri: {}\n", error.what());
    return 1;
  }
}
