// Commands about nodes: one runs here; others are asked how they are, called, copied.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "distri/cli/command_groups.hpp"
#include "distri/cli/machine_name.hpp"
#include "distri/cli/remote.hpp"
#include "distri/cli/settings.hpp"
#include "distri/cli/supervisor.hpp"
#include "distri/cli/units.hpp"
#include "distri/cloud/cluster_setup.hpp"
#ifdef DISTRI_HAVE_IMAGES
#include "distri/services/register.hpp"
#endif

namespace distri::cli {
namespace {

// ---- serve

Result<> register_images(cloud::CloudNode& node, const Bytes& service_key) {
  if (service_key.empty()) return {};
#ifdef DISTRI_HAVE_IMAGES
  services::ImageServiceConfig config;
  DISTRI_TRY(config.service_key, services::Key32::from_hex(to_hex(service_key)));
  services::register_image_services(node, config);
  return {};
#else
  static_cast<void>(node);
  return fail(Code::kInvalidArgument,
              "service-key: this program was built without OpenCV and has no image service; leave it out");
#endif
}

void show_settings(const Arguments& arguments, const std::vector<Origin>& origins) {
  if (arguments.flag("json")) {
    Json all = Json::object();
    for (const Origin& each : origins) all[each.name] = {{"value", each.value}, {"source", each.source}};
    return print_line(all.dump());
  }
  std::vector<std::vector<std::string>> rows{{"SETTING", "VALUE", "FROM"}};
  for (const Origin& each : origins) rows.push_back({each.name, each.value, each.source});
  print_table(rows);
}

Result<> join(const Arguments& arguments, const std::string& line, const cloud::NodeConfig& config) {
  constexpr std::int64_t kJoinMs = 60'000;
  if (config.data_dir.empty()) {
    return fail(Code::kInvalidArgument,
                "--join needs --data-dir: a member keeps its key and the table of members there");
  }
  DISTRI_TRY(
      const auto joined,
      cloud::join_cluster(config.data_dir, line, arguments.text("name").value_or(machine_name()), kJoinMs, config.log));
  config.log.info("node {} {} a member of cluster {}", joined.node.short_hex(),
                  joined.before ? "was already" : "is now", joined.cluster.substr(0, 8));
  return {};
}

Result<> serve(const Arguments& arguments) {
  DISTRI_TRY(LoadedSettings loaded, load_settings(arguments, [](const std::string& name) -> std::optional<std::string> {
               const char* const value = std::getenv(name.c_str());
               return value == nullptr ? std::nullopt : std::optional<std::string>(value);
             }));
  if (arguments.flag("check-config")) {
    show_settings(arguments, loaded.origins);
    return {};
  }
  ServeSettings& settings = loaded.settings;
  cloud::NodeConfig config = settings.node;
  std::erase(config.peers, config.listen);
  config.log = Log::to_stderr("distri", settings.log_level);
  config.on_serving = [] { notify_supervisor("READY=1\nSTATUS=serving"); };
  config.on_stopping = [] { notify_supervisor("STOPPING=1\nSTATUS=finishing what was accepted"); };
  // From the environment it cannot be seen in the list of processes.
  auto line = arguments.text("join");
  if (const char* variable = std::getenv("DISTRI_JOIN"); !line && variable != nullptr) line = variable;
  if (line) DISTRI_TRY_VOID(join(arguments, *line, config));
  cloud::CloudNode node(config);
  DISTRI_TRY_VOID(register_images(node, settings.service_key));
  DISTRI_TRY_VOID(node.listen());
  if (arguments.flag("json")) {
    Json out{{"address", to_string(node.address())}};
    if (const auto local = node.local_address()) out["local_address"] = to_string(*local);
    print_line(out.dump());
  } else {
    print_line(fmt::format("listening at {}", to_string(node.address())));
    if (const auto local = node.local_address())
      print_line(fmt::format("and for this machine at {}", to_string(*local)));
  }
  std::fflush(stdout);
  return node.run();
}

// ---- status

const Json& part(const Json& stats, std::string_view path) {
  static const Json kNothing;
  const Json* at = &stats;
  while (!path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string name(path.substr(0, dot));
    if (!at->is_object() || !at->contains(name)) return kNothing;
    at = &(*at)[name];
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return *at;
}

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::uint64_t whole(const Json& value) {
  return value.is_number_unsigned() || value.is_number_integer() ? value.get<std::uint64_t>() : 0;
}

std::vector<std::string> status_row(const Json& stats) {
  std::uint64_t documents = 0;
  for (const Json& each : part(stats, "collections")) documents += whole(part(each, "documents"));
  return {shown(part(stats, "address")),
          shown(part(stats, "node")).substr(0, 8),
          shown(part(stats, "state")),
          shown_duration_ms(static_cast<std::int64_t>(whole(part(stats, "uptime_ms")))),
          shown(part(stats, "connections.nodes")),
          shown(part(stats, "connections.clients")),
          fmt::format("{}", whole(part(stats, "load.queued")) + whole(part(stats, "load.running"))),
          fmt::format("{}", documents),
          shown_bytes(whole(part(stats, "memory.used"))),
          shown(part(stats, "storage.durability")),
          shown(part(stats, "digest")).substr(0, 12)};
}

Result<> status(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const auto answers, remote.client().collect_stats(remote.options()));
  std::vector<Json> all;
  for (const auto& each : answers) all.push_back(Json::parse(each.dump()));
  std::size_t silent = 0;
  std::string trouble;
  for (const Json& each : all) {
    if (!each.contains("error")) continue;
    ++silent;
    trouble = shown(each["error"]);
  }
  if (silent == all.size()) return fail(Code::kUnavailable, "no node answers; last: {}", trouble);
  if (arguments.flag("json")) {
    print_line(Json(all).dump());
    return {};
  }
  std::vector<std::vector<std::string>> rows{
      {"ADDRESS", "NODE", "STATE", "UP", "PEERS", "CLIENTS", "LOAD", "DOCUMENTS", "MEMORY", "DURABILITY", "DIGEST"}};
  std::vector<std::string> digests;
  for (const Json& each : all) {
    if (each.contains("error")) {
      rows.push_back({shown(each["address"]), "-", "no answer: " + shown(each["error"])});
      continue;
    }
    rows.push_back(status_row(each));
    digests.push_back(shown(part(each, "digest")));
  }
  print_table(rows);
  const bool equal = std::equal(digests.begin() + 1, digests.end(), digests.begin());
  print_line(fmt::format("{} of {} nodes answer; {}", all.size() - silent, all.size(),
                         equal ? "they hold the same documents" : "they do not hold the same documents yet"));
  return {};
}

// ---- call

Result<> call(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  Bytes params;
  if (const auto text = arguments.text("params")) {
    DISTRI_TRY(const Json parsed, parse_json(*text, "--params"));
    params = parsed.dump();
  }
  Bytes body = arguments.text("body").value_or("");
  if (const auto file = arguments.text("body-file")) {
    if (!body.empty()) return fail(Code::kInvalidArgument, "give either --body or --body-file, not both");
    DISTRI_TRY(body, read_input(*file));
  }
  client::CallOptions options = remote.options();
  if (const auto only = arguments.text("only")) {
    auto address = parse_address(*only);
    if (!address) return fail(Code::kInvalidArgument, "--only: {}", address.error().message);
    options.only_node = *address;
  }
  DISTRI_TRY(const client::Reply reply, remote.client().call_encoded(body, *arguments.positional(0), params, options));
  if (const auto out = arguments.text("out")) {
    std::ofstream file(*out, std::ios::binary | std::ios::trunc);
    if (!file.write(reply.body.data(), static_cast<std::streamsize>(reply.body.size())).flush()) {
      return fail(Code::kStorageFailed, "cannot write {}: {}", *out, std::strerror(errno));
    }
  } else if (!arguments.flag("json")) {
    std::fwrite(reply.body.data(), 1, reply.body.size(), stdout);
    if (::isatty(STDOUT_FILENO) != 0 && !reply.body.ends_with('\n')) print_line("");
  }
  if (arguments.flag("json")) {
    Json result{{"node", to_string(reply.node)},
                {"attempts", reply.attempts},
                {"rtt_us", reply.rtt_us},
                {"bytes", reply.body.size()}};
    if (!arguments.flag("out")) {
      Json parsed = Json::parse(reply.body, nullptr, false);
      if (parsed.is_discarded()) {
        result["body_hex"] = to_hex(reply.body);
      } else {
        result["body"] = std::move(parsed);
      }
    }
    print_line(result.dump());
  }
  return {};
}

// ---- backup, restore

Result<> backup(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const std::string directory = *arguments.positional(0);
  if (!directory.starts_with('/')) {
    return fail(Code::kInvalidArgument, "DIRECTORY must be an absolute path on the node's machine, not '{}'",
                directory);
  }
  client::CallOptions options = remote.options();
  options.only_node = remote.nodes().front();
  if (options.timeout_ms == 0) options.timeout_ms = 3'600'000;
  DISTRI_TRY(const client::Reply reply,
             remote.client().call_encoded({}, "Backup", Json{{"directory", directory}}.dump(), options));
  print_line(arguments.flag("json") ? reply.body
                                    : fmt::format("{} holds a backup of {}", directory, to_string(reply.node)));
  return {};
}

Result<> restore(const Arguments& arguments) {
  namespace fs = std::filesystem;
  const fs::path from = fs::path(*arguments.positional(0)) / "db";
  const fs::path to = *arguments.positional(1);
  std::error_code error;
  if (!fs::is_directory(from, error)) {
    return fail(Code::kNotFound, "{} is no backup: it has no directory db; name what 'distri backup' has made",
                *arguments.positional(0));
  }
  if (fs::exists(to, error) && !fs::is_empty(to, error)) {
    return fail(Code::kAlreadyExists, "{} is not empty; name a new directory, or move away what is there", to.string());
  }
  fs::create_directories(to, error);
  if (!error) fs::permissions(to, fs::perms::owner_all, error);
  // Under another name until all is there: half a database is none.
  const fs::path partial = to / "db.partial";
  if (!error) fs::copy(from, partial, fs::copy_options::recursive, error);
  ::sync();
  if (!error) fs::rename(partial, to / "db", error);
  ::sync();
  if (error) return fail(Code::kStorageFailed, "restoring to {}: {}", to.string(), error.message());
  print_line(
      arguments.flag("json")
          ? Json{{"data_dir", to.string()}}.dump()
          : fmt::format("{0} is ready; start a node with it, and the others as its peers: distri serve --data-dir {0} "
                        "--peers ...",
                        to.string()));
  return {};
}

}  // namespace

std::vector<Command> node_commands() {
  return {
      {"serve",
       "run a node until it is stopped",
       {},
       serve_options(),
       "Each setting can also come from the environment (DISTRI_DATA_DIR for --data-dir) or from the TOML file that "
       "--config "
       "or DISTRI_CONFIG names (data_dir); the command line counts first, then the environment, then the file. SIGTERM "
       "and "
       "SIGINT stop the node: it takes nothing new, finishes what it has accepted, tells its peers and ends. Under "
       "systemd it "
       "says when it serves (Type=notify).",
       "distri serve\n"
       "distri serve --listen 127.0.0.1:3001 --peers 127.0.0.1:3000 --data-dir /var/lib/distri\n"
       "distri serve --config /etc/distri.toml --check-config\n"
       "distri serve --join LINE --data-dir /var/lib/distri --listen 0.0.0.0:3000 --advertise 10.0.0.2:3000",
       serve},
      {"status",
       "how the nodes are: one line each",
       {},
       with_remote({}),
       "Nodes that hold the same documents show the same digest.",
       "distri status\ndistri status --nodes 127.0.0.1:3000 --json",
       status},
      {"call",
       "call a service with bytes, and write the bytes that come back to standard output",
       {{"SERVICE", "its name, such as Echo, Stats or AddDocument<photos>"}},
       with_remote({{"params", "JSON", "parameters, one object"},
                    {"body", "TEXT", "the body"},
                    {"body-file", "FILE", "the body is in this file; -: standard input", Expects::kFile},
                    {"out", "FILE", "write the reply to this file", Expects::kFile},
                    {"only", "ADDRESS", "ask exactly this node"}}),
       "",
       "distri call Echo --body hello\n"
       "distri call Stats --only 127.0.0.1:3001\n"
       "distri call 'AddDocument<photos>' --body '{\"name\": \"dune\"}'\n"
       "distri call Encrypt --body-file photo.jpg --out hidden.png",
       call},
      {"backup",
       "make a node copy its database, consistently and while it goes on",
       {{"DIRECTORY", "an absolute path on the node's machine, where nothing is yet", false, false,
         Expects::kDirectory}},
       with_remote({}),
       "The first of the nodes is asked, and no other. It needs a data directory. On the same file system the copy is "
       "made of "
       "hard links: bring it to another disk.",
       "distri backup /backup/2026-11-28 --nodes 127.0.0.1:3000",
       backup},
      {"restore",
       "make a data directory from a backup, for a new node",
       {{"BACKUP", "what 'distri backup' has made", false, false, Expects::kDirectory},
        {"DATA_DIR", "a directory that does not exist yet or is empty", false, false, Expects::kDirectory}},
       {},
       "The node that is started with it is a new one, which has the documents of the backup; its peers give it what "
       "came "
       "after.",
       "distri restore /backup/2026-11-28 /var/lib/distri",
       restore},
  };
}

}  // namespace distri::cli
