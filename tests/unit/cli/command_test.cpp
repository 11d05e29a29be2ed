#include <doctest/doctest.h>

#include <set>

#include "distri/cli/command.hpp"
#include "distri/cli/units.hpp"

using namespace distri;
using cli::Command;

namespace {

const Command& command(const std::vector<std::string>& words) {
  std::size_t used = 0;
  const Command* found = cli::find_command(words, used);
  REQUIRE(found != nullptr);
  CHECK(used == words.size());
  return *found;
}

std::string error_of(const std::vector<std::string>& name, const std::vector<std::string>& words) {
  const auto arguments = cli::parse_arguments(command(name), words);
  REQUIRE_FALSE(arguments);
  CHECK(arguments.error().code == Code::kInvalidArgument);
  return arguments.error().message;
}

}  // namespace

TEST_CASE("commands have names of their own, a summary, an example and something to run") {
  std::set<std::string_view> names;
  for (const Command& each : cli::commands()) {
    CAPTURE(each.name);
    CHECK(names.insert(each.name).second);
    CHECK_FALSE(each.summary.empty());
    CHECK(each.examples.find("distri " + std::string(each.name)) != std::string_view::npos);
    CHECK(bool(each.run != nullptr));
    std::set<std::string_view> options;
    for (const cli::Option& option : each.options) {
      CAPTURE(option.name);
      CHECK(options.insert(option.name).second);
      CHECK(option.name.size() > 1);  // cxxopts knows no long options of one letter
      CHECK_FALSE(option.help.empty());
      if (!option.words.empty()) CHECK_FALSE(option.placeholder.empty());
    }
    const std::string help = cli::help_of(each);
    for (const std::string_view part : {each.summary, each.name}) CHECK(help.find(part) != std::string::npos);
    for (std::size_t begin = 0; begin < help.size();) {
      const std::size_t end = help.find('\n', begin);
      if (help.find("Examples:") > begin) CHECK(end - begin <= 120);
      begin = end + 1;
    }
  }
}

TEST_CASE("words become options and arguments, also JSON with commas and values that look like options") {
  const auto arguments = cli::parse_arguments(command({"db", "find"}),
                                              {"photos", R"({"a":[1,2],"b":"x,y"})", "--limit", "3", "--sort=--odd"});
  REQUIRE(arguments);
  CHECK(arguments->positional(0) == "photos");
  CHECK(arguments->positional(1) == R"({"a":[1,2],"b":"x,y"})");
  CHECK_FALSE(arguments->positional(2));
  CHECK(arguments->positionals(1).size() == 1);
  CHECK(arguments->positionals(7).empty());
  CHECK(arguments->number("limit", 9, 0, 10) == 3);
  CHECK(arguments->number("skip", 9, 0, 10) == 9);
  CHECK(arguments->text("sort") == "--odd");
  CHECK_FALSE(arguments->flag("explain"));
  const auto listed = cli::parse_arguments(command({"serve"}), {"--peers", "a:1,b:2", "--peers", "c:3"});
  REQUIRE(listed);
  CHECK(listed->list("peers") == std::vector<std::string>{"a:1,b:2", "c:3"});
}

TEST_CASE("each wrong word is named, with what to do") {
  CHECK(error_of({"db", "find"}, {}) == "COLLECTION is missing: its name; 'distri db find --help' shows examples");
  CHECK(error_of({"db", "count"}, {"c", "{}", "more"}) ==
        "'more' is one argument too many for 'distri db count'; quote JSON: '{\"a\": 1}'");
  CHECK(error_of({"db", "find"}, {"c", "--limt", "3"}) ==
        "unknown option --limt, did you mean --limit; 'distri db find --help' shows all");
  CHECK(error_of({"db", "find"}, {"c", "--frobnicate"}) ==
        "unknown option --frobnicate; 'distri db find --help' shows all");
  CHECK(error_of({"db", "find"}, {"c", "--limit"}) == "--limit needs a value: --limit N");
  CHECK(error_of({"db", "find"}, {"c", "--limit", "3", "--limit", "4"}) == "--limit is given twice");
  const auto arguments = cli::parse_arguments(command({"db", "find"}), {"c", "--limit", "many", "--skip", "11"});
  REQUIRE(arguments);
  CHECK(arguments->number("limit", 0, 0, 10).error().message ==
        "--limit must be a whole number from 0 to 10, not 'many'");
  CHECK(arguments->number("skip", 0, 0, 10).error().message == "--skip must be a whole number from 0 to 10, not '11'");
  CHECK(cli::parse_arguments(command({"db", "find"}), {"--help"}));  // nothing else is needed then
}

TEST_CASE("what was probably meant is what is near") {
  CHECK(cli::nearest("sevre", {"serve", "status", "version"}) == "serve");
  CHECK(cli::nearest("stat", {"serve", "status", "version"}) == "status");
  CHECK(cli::nearest("xyzzy", {"serve", "status", "version"}).empty());
}

TEST_CASE("completion scripts hold every command and option") {
  for (const std::string_view shell : {"bash", "zsh", "fish"}) {
    CAPTURE(shell);
    const auto script = cli::completion_script(shell);
    REQUIRE(script);
    for (const Command& each : cli::commands()) {
      const std::string_view last = each.name.substr(each.name.find(' ') + 1);
      CHECK_MESSAGE(script->find(last) != std::string::npos, each.name);
      for (const cli::Option& option : each.options) {
        const std::string word = (shell == "fish" ? "-l " : "--") + std::string(option.name);
        CHECK_MESSAGE(script->find(word) != std::string::npos, each.name << " " << option.name);
      }
    }
  }
  CHECK(cli::completion_script("tcsh").error().message ==
        "no completion for 'tcsh'; there is one for bash, zsh and fish");
}

TEST_CASE("amounts of bytes and of time") {
  CHECK(cli::parse_bytes("0") == 0);
  CHECK(cli::parse_bytes("4096") == 4096);
  CHECK(cli::parse_bytes("64KiB") == 65536);
  CHECK(cli::parse_bytes("64K") == 65536);
  CHECK(cli::parse_bytes("2GiB") == 2ull << 30);
  CHECK(cli::parse_bytes("16777215TiB") == 16777215ull << 40);
  for (const auto* text : {"", "MiB", "-1", "1.5GiB", "1 GiB", "5XB", "16777216TiB", "99999999999999999999"}) {
    CHECK_MESSAGE(!cli::parse_bytes(text), text);
  }
  CHECK(cli::parse_duration_ms("0") == 0);
  CHECK(cli::parse_duration_ms("500ms") == 500);
  CHECK(cli::parse_duration_ms("10s") == 10'000);
  CHECK(cli::parse_duration_ms("30d") == 2'592'000'000);
  for (const auto* text : {"", "10", "s", "-1s", "1.5s", "10 s", "1w", "999999999999999999d"}) {
    CHECK_MESSAGE(!cli::parse_duration_ms(text), text);
  }
  CHECK(cli::parse_duration_ms("10").error().message ==
        "'10' is no length of time; write for example 500ms, 10s, 5m, 2h or 30d");
  CHECK(cli::shown_bytes(1023) == "1023 B");
  CHECK(cli::shown_bytes(1536) == "1.5 KiB");
  CHECK(cli::shown_bytes(3ull << 40) == "3.0 TiB");
  CHECK(cli::shown_duration_ms(999) == "999 ms");
  CHECK(cli::shown_duration_ms(61'000) == "1m 1s");
  CHECK(cli::shown_duration_ms(90'000'000) == "1d 1h");
}
