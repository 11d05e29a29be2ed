#include "distri/cli/settings.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "distri/cli/units.hpp"

namespace distri::cli {
namespace {

using Values = std::vector<std::string>;

// One of the values of a setting, or all of a list, become part of the settings.
using Apply = Result<> (*)(ServeSettings& settings, const Values& values);

struct Setting {
  Option option;
  std::string_view fallback;  // the default, for people
  Apply apply;
  bool secret = false;
};

Result<std::uint64_t> whole_number(const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return fail(Code::kInvalidArgument, "'{}' is no whole number from {} to {}", text, least, most);
  }
  return value;
}

Result<bool> boolean(const std::string& text) {
  if (text.empty() || text == "true" || text == "1" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "no") return false;
  return fail(Code::kInvalidArgument, "'{}' is neither true nor false", text);
}

// A count into a member of NodeConfig.
template <auto kMember, std::uint64_t kLeast, std::uint64_t kMost>
Result<> count(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(const std::uint64_t value, whole_number(values.front(), kLeast, kMost));
  auto& member = settings.node.*kMember;
  member = static_cast<std::remove_reference_t<decltype(member)>>(value);
  return {};
}

template <auto kMember, std::uint64_t kLeast>
Result<> bytes(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(const std::uint64_t value, parse_bytes(values.front()));
  if (value < kLeast) return fail(Code::kInvalidArgument, "'{}' is less than {} bytes", values.front(), kLeast);
  settings.node.*kMember = value;
  return {};
}

template <auto kMember>
Result<> duration(ServeSettings& settings, const Values& values) {
  constexpr std::int64_t kMost = 86'400'000;
  DISTRI_TRY(const std::int64_t value, parse_duration_ms(values.front()));
  if (value < 1 || value > kMost) {
    return fail(Code::kInvalidArgument, "'{}' is not from 1ms to 24h", values.front());
  }
  settings.node.*kMember = value;
  return {};
}

Result<> apply_listen(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(settings.node.listen, parse_address(values.front()));
  return {};
}

Result<> apply_peers(ServeSettings& settings, const Values& values) {
  settings.node.peers.clear();
  for (const std::string& value : values) {
    if (value.empty()) continue;
    DISTRI_TRY(const auto addresses, parse_addresses(value));
    settings.node.peers.insert(settings.node.peers.end(), addresses.begin(), addresses.end());
  }
  return {};
}

Result<> apply_advertise(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(const Address address, parse_address(values.front()));
  settings.node.advertise = to_string(address);
  return {};
}

Result<> apply_local_listen(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(settings.node.local_listen, parse_address(values.front()));
  return {};
}

Result<> apply_insecure(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(settings.node.insecure, boolean(values.front()));
  return {};
}

Result<> apply_data_dir(ServeSettings& settings, const Values& values) {
  if (values.front().empty()) return fail(Code::kInvalidArgument, "the name of the directory is empty");
  settings.node.data_dir = values.front();
  return {};
}

Result<> apply_durability(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(settings.node.durability, cloud::parse_durability(values.front()));
  return {};
}

Result<> apply_log_budget(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(const std::uint64_t value, parse_bytes(values.front()));
  if (value == 0) return fail(Code::kInvalidArgument, "must be at least one byte");
  settings.node.log_bytes_min = settings.node.log_bytes_max = value;
  return {};
}

Result<> apply_log_level(ServeSettings& settings, const Values& values) {
  DISTRI_TRY(settings.log_level, parse_log_level(values.front()));
  return {};
}

Result<> apply_service_key(ServeSettings& settings, const Values& values) {
  const auto key = from_hex(values.front());
  if (!key || key->size() != 32) {
    return fail(Code::kInvalidArgument, "must be 64 hexadecimal digits (32 bytes); 'openssl rand -hex 32' makes one");
  }
  settings.service_key = *key;
  return {};
}

constexpr std::uint64_t kCountMax = 100'000'000;
constexpr std::uint64_t kRateMax = 1'000'000;
using Node = cloud::NodeConfig;

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> kSettings = {
      {{"listen", "ADDRESS", "where to listen: host:port, or a port of 127.0.0.1; port 0: any free one"},
       "127.0.0.1:3000",
       apply_listen},
      {{"peers", "A,B,C", "addresses of other nodes (repeatable); more are learned from them", Expects::kText, true},
       "none",
       apply_peers},
      {{"advertise", "ADDRESS", "where others reach this node, when that is not where it listens"},
       "as --listen",
       apply_advertise},
      {{"local-listen", "ADDRESS",
        "for a node with keys: a loopback address where programs of this machine may do everything, without keys"},
       "none",
       apply_local_listen},
      {{"insecure", "", "listen beyond loopback without keys, in a network you trust"}, "false", apply_insecure},
      {{"data-dir", "DIR", "keep everything in this directory, too; without, the node starts empty each time",
        Expects::kDirectory},
       "none",
       apply_data_dir},
      {{"durability",
        "MODE",
        "when a write is acknowledged: memory (at once), batched (written; synced every 100 ms), sync (on the disk)",
        Expects::kText,
        false,
        {"memory", "batched", "sync"}},
       "sync with --data-dir, else memory",
       apply_durability},
      {{"members", "N", "size of the cluster, of which w=majority and w=all are counted; 0: 1 + --peers"},
       "0",
       count<&Node::members, 0, 10'000>},
      {{"workers", "N", "threads that run services; 0: one per core"}, "0", count<&Node::workers, 0, 1'024>},
      {{"service-key", "HEX",
        "key of Encrypt and Decrypt, 64 hexadecimal digits, the same on all nodes; better in the environment or a "
        "file: "
        "command lines can be seen by others. Without it the node does not offer them"},
       "none",
       apply_service_key,
       true},
      {{"log-level",
        "LEVEL",
        "how much goes to standard error",
        Expects::kText,
        false,
        {"debug", "info", "warning", "error", "off"}},
       "info",
       apply_log_level},
      {{"memory-max", "BYTES",
        "memory for documents and indexes; beyond, writes that need more are refused; 0: no limit"},
       "0",
       bytes<&Node::memory_bytes_max, 0>},
      {{"log-budget", "BYTES",
        "writes kept for peers that come back and for readers of changes; who was away for longer gets a snapshot"},
       "a quarter of the documents, 16MiB to 512MiB",
       apply_log_budget},
      {{"connections-max", "N", "connections at once; beyond, new ones are closed"},
       "16000",
       count<&Node::connections_max, 1, kCountMax>},
      {{"connections-per-address-max", "N",
        "the same of one address: IPv4, or a /64 of IPv6; programs of this machine have a limit of their own"},
       "1024",
       count<&Node::connections_per_address_max, 1, kCountMax>},
      {{"connections-per-loopback-address-max", "N",
        "the same of one loopback address; 0: as many as --connections-max"},
       "0",
       count<&Node::connections_per_loopback_address_max, 0, kCountMax>},
      {{"connection-rate-max", "N",
        "new connections a second of one address, as counted above, after the first --connection-burst-max; beyond, "
        "they are refused; 0: no limit"},
       "200",
       count<&Node::connection_rate_max, 0, kRateMax>},
      {{"connection-burst-max", "N", "connections that may come at once from one address before the rate counts"},
       "5000",
       count<&Node::connection_burst_max, 1, kRateMax>},
      {{"connection-loopback-rate-max", "N", "the same rate of one loopback address; 0: no limit"},
       "0",
       count<&Node::connection_loopback_rate_max, 0, kRateMax>},
      {{"strangers-max", "N",
        "connections that have not shown yet that they may be here (by a key, or without keys by a hello); beyond, the "
        "oldest is closed"},
       "4096",
       count<&Node::strangers_max, 1, kCountMax>},
      {{"stranger-bytes-max", "BYTES", "what each of them may send; with TLS, 128KiB more"},
       "64KiB",
       bytes<&Node::stranger_bytes_max, 4'096>},
      {{"stranger-frames-max", "N", "and in how many frames"}, "64", count<&Node::stranger_frames_max, 8, kCountMax>},
      {{"stranger-streams-max", "N", "and how many requests it may make, to be known, to show a token or to join"},
       "8",
       count<&Node::stranger_streams_max, 2, kCountMax>},
      {{"queue-max", "N", "requests that wait for a worker; beyond: busy"},
       "256",
       count<&Node::queue_max, 1, kCountMax>},
      {{"body-max", "BYTES", "body of one request that is not a stream"},
       "64MiB",
       bytes<&Node::request_body_bytes_max, 1'024>},
      {{"buffered-max", "BYTES", "bodies and replies of all requests under way; beyond: busy"},
       "1GiB",
       bytes<&Node::buffered_bytes_max, 1'024>},
      {{"page-max", "BYTES", "one page of ReadCollection"}, "4MiB", bytes<&Node::reply_page_bytes_max, 1'024>},
      {{"watchers-max", "N", "change streams at once; beyond: busy"},
       "10000",
       count<&Node::watchers_max, 1, kCountMax>},
      {{"default-deadline", "TIME", "of requests that name none"}, "30s", duration<&Node::default_deadline_ms>},
      {{"hello-timeout", "TIME", "to say hello after connecting"}, "5s", duration<&Node::hello_ms>},
      {{"stranger-timeout", "TIME", "with keys: for a connection without rights, to ask to join"},
       "10s",
       duration<&Node::stranger_ms>},
      {{"frame-timeout", "TIME", "to complete a frame once begun"}, "30s", duration<&Node::frame_ms>},
      {{"stall-timeout", "TIME", "to take any of what the node sends"}, "30s", duration<&Node::write_stall_ms>},
      {{"drain-timeout", "TIME", "to finish what was accepted, when stopping"}, "10s", duration<&Node::stop_ms>},
      {{"gossip-interval", "TIME", "between two UpdateInfo to a peer"}, "1s", duration<&Node::gossip_ms>},
  };
  return kSettings;
}

std::string environment_name(std::string_view name) {
  std::string out = "DISTRI_";
  for (const char c : name) {
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

std::string file_key(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

// ---- The file.

struct FromFile {
  Values values;
  std::string source;  // "distri.toml:3"
};
using File = std::map<std::string, FromFile, std::less<>>;  // by the setting's name

Result<std::string> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return std::string(truth->get() ? "true" : "false");
  return fail(Code::kInvalidArgument, "must be a text, a whole number or a boolean");
}

Result<Values> values_of(const toml::node& node, bool list) {
  const auto* array = node.as_array();
  if (array == nullptr) {
    DISTRI_TRY(std::string value, scalar(node));
    return Values{std::move(value)};
  }
  if (!list) return fail(Code::kInvalidArgument, "must be one value, not a list");
  Values values;
  for (const auto& each : *array) {
    DISTRI_TRY(std::string value, scalar(each));
    values.push_back(std::move(value));
  }
  if (values.empty()) values.emplace_back();
  return values;
}

Result<File> parse_file(const std::string& text, const std::string& path) {
  File file;
  try {
    const toml::table table = toml::parse(text, path);
    for (const auto& [key, node] : table) {
      const auto at = node.source().begin;
      const auto wrong = [&](std::string_view what) {
        return fail(Code::kInvalidArgument, "{}:{}:{}: {}: {}", path, at.line, at.column, key.str(), what);
      };
      std::vector<std::string> keys;
      for (const Setting& each : all_settings()) keys.push_back(file_key(each.option.name));
      const auto found = std::find(keys.begin(), keys.end(), key.str());
      if (found == keys.end()) {
        const std::string meant = nearest(key.str(), {keys.begin(), keys.end()});
        return wrong(meant.empty() ? "there is no such setting; 'distri serve --help' shows all, with _ for -"
                                   : fmt::format("there is no such setting, did you mean {}?", meant));
      }
      const Setting& setting = all_settings()[static_cast<std::size_t>(found - keys.begin())];
      auto values = values_of(node, setting.option.repeated);
      if (!values) return wrong(values.error().message);
      file[std::string(setting.option.name)] = {std::move(*values), fmt::format("{}:{}", path, at.line)};
    }
  } catch (const toml::parse_error& error) {
    const auto at = error.source().begin;
    return fail(Code::kInvalidArgument, "{}:{}:{}: {}", path, at.line, at.column, error.description());
  }
  return file;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, "cannot read {}: {}", path, std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::string shown(const Setting& setting, const Values& values) {
  if (setting.secret) return "(set)";
  if (setting.option.placeholder.empty() && values.front().empty()) return "true";
  return fmt::format("{}", fmt::join(values, ","));
}

}  // namespace

std::vector<Option> serve_options() {
  static const std::vector<std::string> kHelp = [] {
    std::vector<std::string> texts;
    for (const Setting& each : all_settings()) {
      texts.push_back(fmt::format("{} (default: {})", each.option.help, each.fallback));
    }
    return texts;
  }();
  std::vector<Option> options;
  for (std::size_t i = 0; i < kHelp.size(); ++i) {
    options.push_back(all_settings()[i].option);
    options.back().help = kHelp[i];
  }
  options.push_back({"join", "LINE",
                     "first become a member of a cluster, by the line that 'distri invite' has printed (default: "
                     "$DISTRI_JOIN, which cannot be "
                     "seen in the list of processes)"});
  options.push_back({"name", "NAME", "with --join: what this node is called (default: the machine's name)"});
  options.push_back({"config", "FILE", "settings in TOML; the names of these options, with _ for -", Expects::kFile});
  options.push_back(
      {"check-config", "", "say what would be used and where each setting comes from, and start nothing"});
  return options;
}

Result<LoadedSettings> load_settings(const Arguments& arguments,
                                     const std::function<std::optional<std::string>(const std::string&)>& environment) {
  File file;
  auto path = arguments.text("config");
  if (!path) path = environment("DISTRI_CONFIG");
  if (path) {
    DISTRI_TRY(const std::string text, read_file(*path));
    DISTRI_TRY(file, parse_file(text, *path));
  }
  LoadedSettings loaded;
  for (const Setting& setting : all_settings()) {
    const std::string name(setting.option.name);
    Values values;
    std::string source;
    if (arguments.flag(name)) {
      values = arguments.list(name);
      if (values.empty()) values.emplace_back();  // a flag
      source = "--" + name;
    } else if (auto value = environment(environment_name(name))) {
      values = {std::move(*value)};
      source = environment_name(name);
    } else if (const auto at = file.find(name); at != file.end()) {
      values = at->second.values;
      source = at->second.source;
    }
    if (values.empty()) {
      loaded.origins.push_back({name, std::string(setting.fallback), "default"});
      continue;
    }
    if (auto applied = setting.apply(loaded.settings, values); !applied) {
      return fail(Code::kInvalidArgument, "{}: {}{}", source,
                  source.starts_with("--") || source.starts_with("DISTRI_") ? "" : file_key(name) + ": ",
                  applied.error().message);
    }
    loaded.origins.push_back({name, shown(setting, values), source});
  }
  return loaded;
}

}  // namespace distri::cli
