// The list of commands, with those that ask nobody.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "distri/cli/command_groups.hpp"

namespace distri::cli {
namespace {

Result<> version(const Arguments& arguments) {
  if (arguments.flag("json")) {
    fmt::print("{}\n", nlohmann::ordered_json{{"version", DISTRI_VERSION}}.dump());
  } else {
    fmt::print("distri {}\n", DISTRI_VERSION);
  }
  return {};
}

Result<> completion(const Arguments& arguments) {
  DISTRI_TRY(const std::string script, completion_script(*arguments.positional(0)));
  fmt::print("{}", script);
  return {};
}

}  // namespace

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups{{"cluster", "a cluster with keys: founding it, its root key"},
                                          {"token", "what lets in programs without a key"},
                                          {"user", "who is let in by a key that is no member's"},
                                          {"db", "documents, collections, indexes, changes"}};
  return kGroups;
}

bool is_group(std::string_view word) {
  return std::any_of(groups().begin(), groups().end(), [word](const Group& group) { return group.name == word; });
}

const std::vector<Command>& commands() {
  static const std::vector<Command> kAll = [] {
    std::vector<Command> all = node_commands();
    for (auto group : {cluster_commands(), access_commands()}) {
      for (Command& each : group) all.push_back(std::move(each));
    }
    all.push_back({"completion",
                   "print a script that completes this command's words",
                   {{"SHELL", "bash, zsh or fish"}},
                   {},
                   "",
                   "source <(distri completion bash)\n"
                   "distri completion zsh > \"${fpath[1]}/_distri\"\n"
                   "distri completion fish > ~/.config/fish/completions/distri.fish",
                   completion});
    all.push_back({"version", "print the version", {}, {}, "", "distri version", version});
    for (auto group : {document_commands(), collection_commands()}) {
      for (Command& each : group) all.push_back(std::move(each));
    }
    return all;
  }();
  return kAll;
}

}  // namespace distri::cli
