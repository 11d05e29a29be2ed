// Help texts, made of the list of commands.
#include <algorithm>

#include "distri/cli/command.hpp"

namespace distri::cli {
namespace {

constexpr std::size_t kWidth = 100;

// `text` in lines of at most kWidth columns, all but the first behind `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

using Rows = std::vector<std::pair<std::string, std::string_view>>;

std::string table(const Rows& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  std::string out;
  for (const auto& [left, right] : rows) out += fmt::format("  {:<{}}  {}\n", left, width, wrapped(right, width + 4));
  return out;
}

std::string usage_of(const Command& command) {
  std::string out = fmt::format("usage: distri {}", command.name);
  for (const Positional& each : command.arguments) {
    const std::string word = fmt::format("{}{}", each.name, each.repeated ? "..." : "");
    out += each.optional ? fmt::format(" [{}]", word) : " " + word;
  }
  return out + " [option...]\n";
}

std::string indented(std::string_view lines) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    out += fmt::format("  {}\n", lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return out;
}

Rows commands_of(std::string_view group) {
  Rows rows;
  for (const Command& each : commands()) {
    const std::size_t space = each.name.find(' ');
    const bool inside = space != std::string_view::npos && each.name.substr(0, space) == group;
    if (inside || (group.empty() && space == std::string_view::npos)) rows.emplace_back(each.name, each.summary);
  }
  return rows;
}

}  // namespace

std::string help_of_program() {
  Rows rows = commands_of("");
  std::vector<std::string> lists;
  for (const Group& each : groups()) {
    rows.emplace_back(each.name, each.summary);
    lists.push_back(fmt::format("'distri {}'", each.name));
  }
  return "usage: distri COMMAND [argument...] [option...]\n\n"
         "A peer-to-peer cloud: nodes that each hold all documents, and the commands to use them.\n\n"
         "Commands:\n" +
         table(rows) +
         wrapped(fmt::format("\n{} list their commands. Every command knows --help, with examples, and --json.",
                             fmt::join(lists, ", ")),
                 0) +
         "\n"
         "Nodes are found by --nodes, else $DISTRI_NODES, else at 127.0.0.1:3000.\n"
         "Exit code: 0 done; 1 it failed; 2 the command line or the request is wrong.\n";
}

std::string help_of_group(std::string_view group) {
  return fmt::format("usage: distri {} COMMAND [argument...] [option...]\n\nCommands:\n{}", group,
                     table(commands_of(group)));
}

std::string help_of(const Command& command) {
  std::string out = usage_of(command) + "\n" + wrapped(command.summary, 0) + "\n";
  if (!command.details.empty()) out += "\n" + wrapped(command.details, 0) + "\n";
  Rows arguments;
  for (const Positional& each : command.arguments) arguments.emplace_back(std::string(each.name), each.help);
  if (!arguments.empty()) out += "\nArguments:\n" + table(arguments);
  Rows options;
  for (const Option& each : command.options) {
    options.emplace_back(
        fmt::format("--{}{}{}", each.name, each.placeholder.empty() ? "" : " ", std::string(each.placeholder)),
        each.help);
  }
  options.emplace_back("--json", "results and errors as JSON");
  options.emplace_back("--help", "this text");
  out += "\nOptions:\n" + table(options);
  if (!command.examples.empty()) out += "\nExamples:\n" + indented(command.examples);
  return out;
}

const Command* find_command(const std::vector<std::string>& words, std::size_t& used) {
  for (std::size_t count = std::min<std::size_t>(words.size(), 2); count > 0; --count) {
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    const auto at = std::find_if(commands().begin(), commands().end(),
                                 [&](const Command& command) { return command.name == name; });
    if (at == commands().end()) continue;
    used = count;
    return &*at;
  }
  return nullptr;
}

}  // namespace distri::cli
