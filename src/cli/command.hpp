// command.hpp: what the distri command can be asked to do, as data: parsing, help and shell completion all come from
// it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/result.hpp"

namespace distri::cli {

// What a shell offers for a value.
enum class Expects { kText, kFile, kDirectory };

struct Option {
  std::string_view name;         // "data-dir" for --data-dir
  std::string_view placeholder;  // of its value, "DIR"; empty: a flag
  std::string_view help;
  Expects expects = Expects::kText;
  bool repeated = false;
  std::vector<std::string_view> words = {};  // if only these are meant
};

struct Positional {
  std::string_view name;  // "COLLECTION"
  std::string_view help;
  bool optional = false;
  bool repeated = false;  // the last one only
  Expects expects = Expects::kText;
};

// The words behind the command's name, checked against its options: none is unknown, or twice unless it may be.
class Arguments {
 public:
  bool flag(std::string_view option) const { return options_.contains(option); }
  // Of an option that is there.
  std::optional<std::string> text(std::string_view option) const;
  std::vector<std::string> list(std::string_view option) const;
  std::optional<std::string> positional(std::size_t index) const;
  // From `index` on.
  std::vector<std::string> positionals(std::size_t index) const;
  // kInvalidArgument names the option and the bounds.
  Result<std::uint64_t> number(std::string_view option, std::uint64_t otherwise, std::uint64_t least,
                               std::uint64_t most) const;

 private:
  friend Result<Arguments> parse_arguments(const struct Command& command, const std::vector<std::string>& words);
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> positionals_;
};

struct Command {
  std::string_view name;     // "db find"
  std::string_view summary;  // one line
  std::vector<Positional> arguments;
  std::vector<Option> options;
  std::string_view details;   // paragraphs; may be empty
  std::string_view examples;  // lines
  // An error ends the program with exit code 2 when it is kInvalidArgument, else with 1.
  Result<> (*run)(const Arguments& arguments) = nullptr;
};

// Commands whose names begin with the same word.
struct Group {
  std::string_view name;  // "db"
  std::string_view summary;
};
const std::vector<Group>& groups();
bool is_group(std::string_view word);

// All of them, in the order of the help. Every one also knows --json and --help.
const std::vector<Command>& commands();

// The command whose name the first words are; nullptr: none. `used`: how many words its name has.
const Command* find_command(const std::vector<std::string>& words, std::size_t& used);

// kInvalidArgument: one sentence that names the word at fault and what to do.
Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& words);

// Of the program, of a group ("db"), of a command.
std::string help_of_program();
std::string help_of_group(std::string_view group);
std::string help_of(const Command& command);

// A script that completes commands, options and their values: "bash", "zsh" or "fish"; else kInvalidArgument.
Result<std::string> completion_script(std::string_view shell);

// The one of `known` that was probably meant, for "did you mean"; empty: none is near.
std::string nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace distri::cli
