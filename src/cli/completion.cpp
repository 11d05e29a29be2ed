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

bool in_group(const Command& command) {
  return command.name.find(' ') != std::string_view::npos;
}

std::vector<std::string> names(bool grouped) {
  std::vector<std::string> out;
  for (const Command& each : commands()) {
    if (in_group(each) == grouped) out.emplace_back(grouped ? each.name.substr(each.name.find(' ') + 1) : each.name);
  }
  if (!grouped) out.emplace_back("db");
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
  std::string cases;
  for (const Command& each : commands()) cases += bash_case(each);
  return fmt::format(R"(# bash completion for distri. In ~/.bashrc: source <(distri completion bash)
_distri() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command options files
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  command=${{COMP_WORDS[1]}}
  if [[ $command == db ]]; then
    if ((COMP_CWORD == 2)); then
      COMPREPLY=($(compgen -W '{} --help' -- "$word"))
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
                     joined(names(false)), joined(names(true)), cases);
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
  for (const Command& each : commands()) {
    const std::string_view name = in_group(each) ? each.name.substr(each.name.find(' ') + 1) : each.name;
    (in_group(each) ? grouped : top) += fmt::format("    {}\n", quoted(fmt::format("{}:{}", name, each.summary)));
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
  local -a top grouped
  top=(
{}    'db:documents, collections, indexes, changes'
  )
  grouped=(
{}  )
  if ((CURRENT == 2)); then
    _describe command top
    return
  fi
  local name=$words[2]
  shift words
  ((CURRENT--))
  if [[ $name == db ]]; then
    if ((CURRENT == 2)); then
      _describe command grouped
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
      "complete -c distri -f\n"
      "complete -c distri -n __fish_use_subcommand -a db -d 'documents, collections, indexes, changes'\n";
  for (const Command& each : commands()) {
    std::string seen;
    if (in_group(each)) {
      const std::string_view name = each.name.substr(each.name.find(' ') + 1);
      out += fmt::format(
          "complete -c distri -n '__fish_seen_subcommand_from db; and test (count (commandline -opc)) -eq 2' -a {} -d "
          "{}\n",
          name, fish_text(each.summary));
      seen = fmt::format("'__fish_seen_subcommand_from db; and __fish_seen_subcommand_from {}'", name);
    } else {
      out +=
          fmt::format("complete -c distri -n __fish_use_subcommand -a {} -d {}\n", each.name, fish_text(each.summary));
      seen = fmt::format("'__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from db'", each.name);
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
