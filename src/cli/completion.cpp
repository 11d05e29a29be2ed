// Completion for shells: the script holds what the list of commands holds, so that no completion starts the program.
#include "distri/cli/command.hpp"

namespace distri::cli {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
  return fmt::format("{}", fmt::join(words, between));
}

std::vector<std::string> option_words(const Command& command) {
  std::vector<std::string> words;
  for (const Option& option : command.options) words.push_back(fmt::format("--{}", option.name));
  words.emplace_back("--json");
  words.emplace_back("--help");
  return words;
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The group of a command; empty: none.
std::string_view group_of(const Command& command) {
  const std::size_t space = command.name.find(' ');
  return space == std::string_view::npos ? std::string_view() : command.name.substr(0, space);
}

std::string_view last_word(const Command& command) {
  return command.name.substr(command.name.find(' ') + 1);
}

// The words that may follow the name of the group; or with an empty one, that of the program.
std::vector<std::string> words_of(std::string_view group) {
  std::vector<std::string> out;
  for (const Command& each : commands()) {
    if (group_of(each) == group) out.emplace_back(last_word(each));
  }
  if (group.empty()) {
    for (const Group& each : groups()) out.emplace_back(each.name);
  }
  return out;
}

// The case branches of one command: what follows an option, and what else may stand there.
std::string bash_case(const Command& command) {
  std::string files, directories, words;
  for (const Option& option : command.options) {
    if (!option.words.empty()) {
      words += fmt::format("        --{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", option.name,
                           fmt::join(option.words, " "));
    } else if (option.expects == Expects::kFile) {
      files += fmt::format("{}--{}", files.empty() ? "" : "|", option.name);
    } else if (option.expects == Expects::kDirectory) {
      directories += fmt::format("{}--{}", directories.empty() ? "" : "|", option.name);
    }
  }
  std::string out = fmt::format("    '{}')\n      case $before in\n{}", command.name, words);
  if (!files.empty()) out += fmt::format("        {}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", files);
  if (!directories.empty())
    out += fmt::format("        {}) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n", directories);
  out += "      esac\n";
  bool takes_files = false;
  for (const Positional& each : command.arguments) takes_files = takes_files || each.expects != Expects::kText;
  out += fmt::format("      options='{}' files={} ;;\n", joined(option_words(command)), takes_files ? "yes" : "no");
  return out;
}

std::string bash_script() {
  std::string cases, grouped;
  for (const Command& each : commands()) cases += bash_case(each);
  for (const Group& each : groups())
    grouped += fmt::format("    {}) words='{} --help' ;;\n", each.name, joined(words_of(each.name)));
  return fmt::format(R"(# bash completion for distri. In ~/.bashrc: source <(distri completion bash)
_distri() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command words= options files
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  command=${{COMP_WORDS[1]}}
  case $command in
{}  esac
  if [[ -n $words ]]; then
    if ((COMP_CWORD == 2)); then
      COMPREPLY=($(compgen -W "$words" -- "$word"))
      return
    fi
    command+=" ${{COMP_WORDS[2]}}"
  fi
  case $command in
{}    *) return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ $files == yes ]]; then
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _distri distri
)",
                     joined(words_of("")), grouped, cases);
}

// "[...]" and ":" mean something to _arguments.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(Expects expects, const std::vector<std::string_view>& words) {
  if (!words.empty()) return fmt::format("({})", fmt::join(words, " "));
  if (expects == Expects::kFile) return "_files";
  if (expects == Expects::kDirectory) return "_files -/";
  return " ";
}

std::string zsh_script() {
  std::string top, grouped, cases;
  const auto described = [](std::string_view word, std::string_view summary) {
    return fmt::format("      {}\n", quoted(fmt::format("{}:{}", word, summary)));
  };
  for (const Group& group : groups()) {
    top += described(group.name, group.summary);
    grouped += fmt::format("    {}) words_of=(\n", group.name);
    for (const Command& each : commands()) {
      if (group_of(each) == group.name) grouped += described(last_word(each), each.summary);
    }
    grouped += "    ) ;;\n";
  }
  for (const Command& each : commands()) {
    if (group_of(each).empty()) top += described(each.name, each.summary);
    cases += fmt::format("    {})\n      _arguments", quoted(each.name));
    for (const Option& option : each.options) {
      std::string spec = fmt::format("{}--{}[{}]", option.repeated ? "*" : "", option.name, zsh_text(option.help));
      if (!option.placeholder.empty()) {
        spec += fmt::format(":{}:{}", zsh_text(option.placeholder), zsh_action(option.expects, option.words));
      }
      cases += " \\\n        " + quoted(spec);
    }
    cases += " \\\n        '--json[results and errors as JSON]' '--help[this text]'";
    for (std::size_t i = 0; i < each.arguments.size(); ++i) {
      const Positional& argument = each.arguments[i];
      cases += " \\\n        " + quoted(fmt::format("{}:{}:{}", argument.repeated ? "*" : std::to_string(i + 1),
                                                    zsh_text(argument.name), zsh_action(argument.expects, {})));
    }
    cases += " ;;\n";
  }
  return fmt::format(R"(#compdef distri
# zsh completion for distri: write it to a file named _distri in a directory of $fpath.
_distri() {{
  local -a top words_of
  top=(
{}  )
  if ((CURRENT == 2)); then
    _describe command top
    return
  fi
  local name=$words[2]
  shift words
  ((CURRENT--))
  case $name in
{}  esac
  if (($#words_of)); then
    if ((CURRENT == 2)); then
      _describe command words_of
      return
    fi
    name+=" $words[2]"
    shift words
    ((CURRENT--))
  fi
  case $name in
{}  esac
}}
if [[ $funcstack[1] == _distri ]]; then _distri "$@"; else compdef _distri distri; fi
)",
                     top, grouped, cases);
}

std::string fish_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_script() {
  std::string out =
      "# fish completion for distri: distri completion fish > ~/.config/fish/completions/distri.fish\n"
      "complete -c distri -f\n";
  std::string all_groups;
  for (const Group& each : groups()) {
    out += fmt::format("complete -c distri -n __fish_use_subcommand -a {} -d {}\n", each.name, fish_text(each.summary));
    all_groups += fmt::format(" {}", each.name);
  }
  for (const Command& each : commands()) {
    std::string seen;
    if (const std::string_view group = group_of(each); !group.empty()) {
      out += fmt::format(
          "complete -c distri -n '__fish_seen_subcommand_from {}; and test (count (commandline -opc)) -eq 2' -a {} -d "
          "{}\n",
          group, last_word(each), fish_text(each.summary));
      seen =
          fmt::format("'__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}'", group, last_word(each));
    } else {
      out +=
          fmt::format("complete -c distri -n __fish_use_subcommand -a {} -d {}\n", each.name, fish_text(each.summary));
      seen =
          fmt::format("'__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from{}'", each.name, all_groups);
    }
    for (const Option& option : each.options) {
      out += fmt::format("complete -c distri -n {} -l {} -d {}", seen, option.name, fish_text(option.help));
      if (!option.placeholder.empty()) out += " -r";
      if (!option.words.empty()) out += fmt::format(" -a '{}'", fmt::join(option.words, " "));
      if (option.expects == Expects::kFile) out += " -F";
      if (option.expects == Expects::kDirectory) out += " -a '(__fish_complete_directories)'";
      out += "\n";
    }
    out += fmt::format("complete -c distri -n {} -l json -d 'results and errors as JSON'\n", seen);
    out += fmt::format("complete -c distri -n {} -l help -d 'this text'\n", seen);
    for (const Positional& argument : each.arguments) {
      if (argument.expects != Expects::kText) out += fmt::format("complete -c distri -n {} -F\n", seen);
    }
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  return fail(Code::kInvalidArgument, "no completion for '{}'; there is one for bash, zsh and fish", shell);
}

}  // namespace distri::cli
