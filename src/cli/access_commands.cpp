// Commands about who but members may use a cluster with keys: tokens and users.
#include <algorithm>
#include <array>
#include <ctime>

#include "distri/cli/command_groups.hpp"
#include "distri/cli/remote.hpp"
#include "distri/cli/units.hpp"

namespace distri::cli {
namespace {

constexpr std::string_view kAllCollections = "*";

// --collections 'a.*,b' --collections c
Json patterns_of(const Arguments& arguments, std::string_view option) {
  Json patterns = Json::array();
  for (const std::string& list : arguments.list(option)) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      if (end > begin) patterns.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return patterns;
}

// One grant for the roles on collections, one for calling services.
Result<Json> grants_of(const Arguments& arguments) {
  const auto roles = arguments.list("role");
  if (roles.empty()) return fail(Code::kInvalidArgument, "--role is missing: read, write, call or admin");
  Json on_collections = Json::array();
  bool calls = false;
  bool administers = false;
  for (const std::string& role : roles) {
    administers |= role == "admin";
    if (role == "call") {
      calls = true;
    } else {
      on_collections.push_back(role);
    }
  }
  Json collections = patterns_of(arguments, "collections");
  Json services = patterns_of(arguments, "services");
  if (collections.empty() && administers) collections.push_back(kAllCollections);
  if (on_collections.empty() != collections.empty()) {
    return fail(Code::kInvalidArgument,
                "--collections goes with the roles read, write and admin: names, or prefixes such as 'robots.*'; '*' "
                "is all");
  }
  if (calls == services.empty()) {
    return fail(Code::kInvalidArgument,
                "--services goes with the role call: names, or prefixes with '*' behind them; '*' is all");
  }
  Json grants = Json::array();
  if (!collections.empty()) grants.push_back({{"roles", on_collections}, {"collections", collections}});
  if (calls) grants.push_back({{"roles", {"call"}}, {"services", services}});
  return grants;
}

Result<Json> params_of(const Arguments& arguments, std::string name) {
  Json params{{"name", std::move(name)}};
  DISTRI_TRY(params["grants"], grants_of(arguments));
  if (const auto text = arguments.text("expires")) {
    const auto life = parse_duration_ms(*text);
    if (!life || *life < 1'000) {
      return fail(Code::kInvalidArgument, "--expires: {}", life ? "must be at least 1s" : life.error().message);
    }
    params["expires_ms"] = *life;
  }
  return params;
}

Result<> token_create(const Arguments& arguments) {
  DISTRI_TRY(Json params, params_of(arguments, arguments.text("name").value_or("token")));
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.write("CreateToken", std::move(params)));
  print_line(arguments.flag("json") ? reply.dump() : reply["token"].get<std::string>());
  return {};
}

Result<> user_create(const Arguments& arguments) {
  DISTRI_TRY(Json params, params_of(arguments, *arguments.positional(0)));
  params["key"] = *arguments.positional(1);
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.write("CreateUser", std::move(params)));
  print_line(arguments.flag("json") ? reply.dump() : reply["_id"].get<std::string>());
  return {};
}

std::string shown_day(const Json& entry, const char* field) {
  if (!entry.contains(field)) return "-";
  const std::time_t seconds = entry[field].get<std::int64_t>() / 1000;
  std::tm time{};
  std::array<char, 32> text{};
  if (::gmtime_r(&seconds, &time) == nullptr) return "-";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &time)};
}

std::string shown_grants(const Json& grants) {
  std::string text;
  for (const Json& grant : grants) {
    std::vector<std::string> patterns;
    for (const char* field : {"collections", "services"}) {
      if (!grant.contains(field)) continue;
      for (const Json& pattern : grant[field]) patterns.push_back(pattern.get<std::string>());
    }
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ",
                        fmt::join(grant["roles"].get<std::vector<std::string>>(), ","), fmt::join(patterns, ","));
  }
  return text;
}

// Those whose ids begin so: "token:" or "key:".
Result<> list_access(const Arguments& arguments, std::string_view prefix) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.read("ListAccess", {}));
  Json chosen = Json::array();
  for (const Json& entry : reply["access"]) {
    if (entry["id"].get<std::string>().starts_with(prefix)) chosen.push_back(entry);
  }
  if (arguments.flag("json")) {
    print_line(chosen.dump());
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"ID", "NAME", "RIGHTS", "CREATED", "EXPIRES"}};
  for (const Json& entry : chosen) {
    rows.push_back({entry["id"].get<std::string>(), entry["name"].get<std::string>(), shown_grants(entry["grants"]),
                    shown_day(entry, "created_ms"),
                    shown_day(entry, "expires_ms") + (entry["expired"].get<bool>() ? " (expired)" : "")});
  }
  print_table(rows);
  return {};
}

Result<> token_list(const Arguments& arguments) {
  return list_access(arguments, "token:");
}

Result<> user_list(const Arguments& arguments) {
  return list_access(arguments, "key:");
}

// By id, or by a name that only one of the kind has.
Result<> revoke_access(const Arguments& arguments, std::string_view prefix, std::string_view kind) {
  const std::string wanted = *arguments.positional(0);
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.read("ListAccess", {}));
  std::vector<std::string> found;
  for (const Json& entry : reply["access"]) {
    const auto id = entry["id"].get<std::string>();
    if (!id.starts_with(prefix)) continue;
    if (id == wanted || id.substr(prefix.size()) == wanted || entry["name"] == wanted) found.push_back(id);
  }
  if (found.empty()) return fail(Code::kNotFound, "there is no {} '{}'", kind, wanted);
  if (found.size() > 1) {
    return fail(Code::kInvalidArgument, "{} {}s are called '{}'; say which by its id: {}", found.size(), kind, wanted,
                fmt::join(found, ", "));
  }
  DISTRI_TRY_VOID(remote.write("RevokeAccess", {{"id", found.front()}}));
  print_line(arguments.flag("json") ? Json{{"id", found.front()}}.dump() : fmt::format("{} is revoked", found.front()));
  return {};
}

Result<> token_revoke(const Arguments& arguments) {
  return revoke_access(arguments, "token:", "token");
}

Result<> user_remove(const Arguments& arguments) {
  return revoke_access(arguments, "key:", "user");
}

std::vector<Option> with_grants(std::vector<Option> options) {
  options.push_back({"role",
                     "ROLE",
                     "read, write (and read), call, or admin; may be repeated",
                     Expects::kText,
                     true,
                     {"read", "write", "call", "admin"}});
  options.push_back({"collections", "A,B",
                     "for read, write and admin: names, or prefixes as 'robots.*'; '*' is all (admin: all)",
                     Expects::kText, true});
  options.push_back({"services", "A,B", "for call: names, or prefixes; '*' is all", Expects::kText, true});
  options.push_back({"expires", "TIME", "for how long it is good, such as 30d (default: until it is revoked)"});
  return with_write(std::move(options));
}

}  // namespace

std::vector<Command> access_commands() {
  const Positional token{"TOKEN", "its id, or its name"};
  return {
      {"token create",
       "make a token, with which a program without a key may use the cluster, and print it",
       {},
       with_grants({{"name", "NAME", "what it is for (default: token)"}}),
       "The line is printed once: nodes keep a hash of it. Whoever reads it has its rights. Programs show it with "
       "--token, $DISTRI_TOKEN or ClientOptions::token.",
       "distri token create --name arm-7 --role write --collections 'robots.*' --expires 30d --data-dir "
       "/var/lib/distri\n"
       "distri token create --name camera --role call --services Encrypt --data-dir /var/lib/distri",
       token_create},
      {"token list",
       "list the tokens, with their rights",
       {},
       with_remote({}),
       "",
       "distri token list --data-dir /var/lib/distri",
       token_list},
      {"token revoke",
       "revoke a token: its connections end, and nobody is let in by it any more",
       {token},
       with_write({}),
       "",
       "distri token revoke arm-7 --data-dir /var/lib/distri",
       token_revoke},
      {"user create",
       "let in whoever holds a key, with these rights",
       {{"NAME", "who it is"}, {"KEY", "the public half of the key, as 'distri keygen' prints it"}},
       with_grants({}),
       "The user shows the key with --key, and says with --cluster which cluster it is for.",
       "distri user create ada \"$(distri keygen ada_key)\" --role read --collections '*' --data-dir /var/lib/distri",
       user_create},
      {"user list",
       "list the users, with their rights",
       {},
       with_remote({}),
       "",
       "distri user list --data-dir /var/lib/distri",
       user_list},
      {"user remove",
       "let a user in no more",
       {{"USER", "the name, or the key"}},
       with_write({}),
       "",
       "distri user remove ada --data-dir /var/lib/distri",
       user_remove},
  };
}

}  // namespace distri::cli
