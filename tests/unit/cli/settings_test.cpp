#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "distri/cli/settings.hpp"

using namespace distri;

namespace {

using Environment = std::map<std::string, std::string>;

// A file that goes with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text) {
    std::string name = (std::filesystem::temp_directory_path() / "distri_settings_XXXXXX").string();
    const int file = ::mkstemp(name.data());
    REQUIRE(file >= 0);
    ::close(file);
    path_ = name;
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Result<cli::LoadedSettings> load(const std::vector<std::string>& words, const Environment& environment = {}) {
  std::size_t used = 0;
  const auto arguments = cli::parse_arguments(*cli::find_command({"serve"}, used), words);
  REQUIRE(arguments);
  return cli::load_settings(*arguments, [&](const std::string& name) -> std::optional<std::string> {
    const auto at = environment.find(name);
    return at == environment.end() ? std::nullopt : std::optional(at->second);
  });
}

std::string error_of(const std::vector<std::string>& words, const Environment& environment = {}) {
  const auto loaded = load(words, environment);
  REQUIRE_FALSE(loaded);
  return loaded.error().message;
}

std::string error_of_file(std::string_view text) {
  const TemporaryFile file(text);
  std::string message = error_of({"--config", file.path()});
  const std::size_t at = message.find(file.path());
  REQUIRE(at != std::string::npos);
  return message.replace(at, file.path().size(), "FILE");
}

const cli::Origin& origin(const cli::LoadedSettings& loaded, std::string_view name) {
  for (const cli::Origin& each : loaded.origins) {
    if (each.name == name) return each;
  }
  FAIL("no setting ", name);
  return loaded.origins.front();
}

}  // namespace

TEST_CASE("without anything said, a node is what NodeConfig is") {
  const auto loaded = load({});
  REQUIRE(loaded);
  const cloud::NodeConfig defaults;
  const cloud::NodeConfig& node = loaded->settings.node;
  CHECK(node.listen == defaults.listen);
  CHECK(node.peers.empty());
  CHECK(node.data_dir.empty());
  CHECK_FALSE(node.durability);
  CHECK(node.queue_max == defaults.queue_max);
  CHECK(node.stop_ms == defaults.stop_ms);
  for (const cli::Origin& each : loaded->origins) CHECK(each.source == "default");
}

TEST_CASE("what the help says of defaults is what they are") {
  // The defaults that --help shows, given as values, change nothing.
  const auto plain = load({});
  REQUIRE(plain);
  std::vector<std::string> words;
  for (const cli::Origin& each : plain->origins) {
    const bool is_value = each.value.find(' ') == std::string::npos && each.value != "none" && each.value != "false";
    if (is_value) words.insert(words.end(), {"--" + each.name, each.value});
  }
  CHECK(words.size() >= 30);
  const auto said = load(words);
  REQUIRE(said);
  const cloud::NodeConfig& a = plain->settings.node;
  const cloud::NodeConfig& b = said->settings.node;
  CHECK(a.listen == b.listen);
  CHECK(a.members == b.members);
  CHECK(a.workers == b.workers);
  CHECK(a.memory_bytes_max == b.memory_bytes_max);
  CHECK(a.connections_max == b.connections_max);
  CHECK(a.connections_per_address_max == b.connections_per_address_max);
  CHECK(a.connections_per_loopback_address_max == b.connections_per_loopback_address_max);
  CHECK(a.connection_rate_max == b.connection_rate_max);
  CHECK(a.connection_burst_max == b.connection_burst_max);
  CHECK(a.connection_loopback_rate_max == b.connection_loopback_rate_max);
  CHECK(a.strangers_max == b.strangers_max);
  CHECK(a.stranger_bytes_max == b.stranger_bytes_max);
  CHECK(a.stranger_frames_max == b.stranger_frames_max);
  CHECK(a.stranger_streams_max == b.stranger_streams_max);
  CHECK(a.queue_max == b.queue_max);
  CHECK(a.request_body_bytes_max == b.request_body_bytes_max);
  CHECK(a.buffered_bytes_max == b.buffered_bytes_max);
  CHECK(a.reply_page_bytes_max == b.reply_page_bytes_max);
  CHECK(a.watchers_max == b.watchers_max);
  CHECK(a.default_deadline_ms == b.default_deadline_ms);
  CHECK(a.hello_ms == b.hello_ms);
  CHECK(a.stranger_ms == b.stranger_ms);
  CHECK(a.frame_ms == b.frame_ms);
  CHECK(a.write_stall_ms == b.write_stall_ms);
  CHECK(a.stop_ms == b.stop_ms);
  CHECK(a.gossip_ms == b.gossip_ms);
  CHECK(plain->settings.log_level == said->settings.log_level);
}

TEST_CASE("the command line counts before the environment, and that before the file") {
  const TemporaryFile file(
      "# a node\nlisten = \"127.0.0.1:1001\"\nqueue_max = 11\nworkers = 1\npeers = [\"a:1\", \"b:2\"]\ninsecure = "
      "true\n");
  const Environment environment{{"DISTRI_QUEUE_MAX", "12"}, {"DISTRI_WORKERS", "2"}, {"DISTRI_CONFIG", file.path()}};
  const auto loaded = load({"--workers", "3"}, environment);
  REQUIRE(loaded);
  const cloud::NodeConfig& node = loaded->settings.node;
  CHECK(node.workers == 3);
  CHECK(node.queue_max == 12);
  CHECK(node.listen == Address{"127.0.0.1", 1001});
  CHECK(node.peers == std::vector<Address>{{"a", 1}, {"b", 2}});
  CHECK(node.insecure);
  CHECK(origin(*loaded, "workers").source == "--workers");
  CHECK(origin(*loaded, "queue-max").source == "DISTRI_QUEUE_MAX");
  CHECK(origin(*loaded, "listen").source == file.path() + ":2");
  CHECK(origin(*loaded, "peers").value == "a:1,b:2");
  const auto other = load({"--config", "/nonexistent/distri.toml"}, environment);
  REQUIRE_FALSE(other);
  CHECK(other.error().code == Code::kNotFound);
  CHECK(other.error().message == "cannot read /nonexistent/distri.toml: No such file or directory");
}

TEST_CASE("a list in one place replaces that of another, and may be empty") {
  const TemporaryFile file("peers = [\"a:1\"]\n");
  const auto replaced = load({"--config", file.path(), "--peers", "c:3,d:4", "--peers", "e:5"});
  REQUIRE(replaced);
  CHECK(replaced->settings.node.peers == std::vector<Address>{{"c", 3}, {"d", 4}, {"e", 5}});
  const auto emptied = load({"--config", file.path()}, {{"DISTRI_PEERS", ""}});
  REQUIRE(emptied);
  CHECK(emptied->settings.node.peers.empty());
}

TEST_CASE("a secret is not shown") {
  const std::string key(64, 'a');
  const auto loaded = load({}, {{"DISTRI_SERVICE_KEY", key}});
  REQUIRE(loaded);
  CHECK(loaded->settings.service_key == Bytes(32, '\xaa'));
  for (const cli::Origin& each : loaded->origins) CHECK(each.value.find("aaaa") == std::string::npos);
  CHECK(origin(*loaded, "service-key").value == "(set)");
}

TEST_CASE("a value that is wrong is named with its place") {
  CHECK(error_of({"--queue-max", "0"}) == "--queue-max: '0' is no whole number from 1 to 100000000");
  CHECK(error_of({}, {{"DISTRI_QUEUE_MAX", "many"}}) ==
        "DISTRI_QUEUE_MAX: 'many' is no whole number from 1 to 100000000");
  CHECK(error_of({}, {{"DISTRI_INSECURE", "maybe"}}) == "DISTRI_INSECURE: 'maybe' is neither true nor false");
  CHECK(error_of({"--memory-max", "lots"}) ==
        "--memory-max: 'lots' is no amount of bytes; write for example 4096, 64KiB, 512MiB or 2GiB");
  CHECK(error_of({"--drain-timeout", "10"}) ==
        "--drain-timeout: '10' is no length of time; write for example 500ms, 10s, 5m, 2h or 30d");
  CHECK(error_of({"--drain-timeout", "25h"}) == "--drain-timeout: '25h' is not from 1ms to 24h");
  CHECK(error_of({"--service-key", "abc"}).starts_with("--service-key: must be 64 hexadecimal digits"));
  CHECK(error_of({"--durability", "maybe"}).starts_with("--durability: "));
  CHECK(error_of({"--listen", "nowhere:x"}).starts_with("--listen: "));
  CHECK(error_of({"--data-dir", ""}) == "--data-dir: the name of the directory is empty");
}

TEST_CASE("a file that is wrong is told by line and column") {
  CHECK(error_of_file("queue_max = 5\nquue_max = 6\n") ==
        "FILE:2:12: quue_max: there is no such setting, did you mean queue_max?");
  CHECK(error_of_file("[server]\nlisten = \"a:1\"\n").starts_with("FILE:1:1: server: there is no such setting"));
  CHECK(error_of_file("queue-max = 5\n") == "FILE:1:13: queue-max: there is no such setting, did you mean queue_max?");
  CHECK(error_of_file("queue_max = 1.5\n") == "FILE:1:13: queue_max: must be a text, a whole number or a boolean");
  CHECK(error_of_file("queue_max = [1, 2]\n") == "FILE:1:13: queue_max: must be one value, not a list");
  CHECK(error_of_file("\nqueue_max = 0\n") == "FILE:2: queue_max: '0' is no whole number from 1 to 100000000");
  CHECK(error_of_file("queue_max = 5\nqueue_max = 6\n").starts_with("FILE:2:"));
  CHECK(error_of_file("queue_max = \n").starts_with("FILE:1:"));
}
