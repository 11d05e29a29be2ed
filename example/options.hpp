// options.hpp: the command line of distri-example, checked.
//
// Errors: kInvalidArgument with one sentence that names the option; main() prints it and ends with kExitUsage.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "distri/cloud/durability.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/utils/log.hpp"

namespace example {

// Exit codes of every mode.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // it ran, and something it checked was wrong
inline constexpr int kExitUsage = 2;   // it could not start: a wrong flag, a bad address, a busy port, no server

enum class Mode { kHelp, kVersion, kServer, kClient, kTestServers, kTestClientDb, kTestClientEncrypt, kDemo, kPeer };

// Of --mode peer (peer_actions.hpp).
struct PeerFlags {
  std::string identifier;
  std::string directory;                     // --dir; empty: none
  std::string action;                        // --do; empty: a program for a terminal
  std::map<std::string, std::string> flags;  // of the action
  bool as_json = false;                      // --format
  std::string key;                           // --key, a file; empty: the one in the data directory
  std::string cluster;                       // --cluster; empty: nodes without keys
  std::string pictures = "auto";             // --pictures
  std::int64_t timeout_ms = 30'000;          // --timeout-ms
};

struct Options {
  Mode mode = Mode::kHelp;
  std::vector<distri::Address> addresses;  // --ips
  bool insecure = false;
  unsigned workers = 0;  // 0: one per core
  std::string data_dir;  // empty: in memory only
  std::optional<distri::cloud::Durability> durability;
  std::uint32_t members = 0;                      // 0: 1 + the peers of --ips
  std::optional<std::uint64_t> log_budget_bytes;  // nullopt: the node decides
  std::uint64_t memory_max_bytes = 0;             // 0: no limit
  distri::LogLevel log_level = distri::LogLevel::kWarning;
  std::string log_level_text = "warning";  // as handed on to child processes
  distri::Bytes service_key;               // 32 bytes
  bool service_key_is_default = true;
  bool report = false;
  std::vector<std::string> images;  // files and folders
  std::uint64_t n = 0;              // 0: the mode's own default
  std::uint64_t servers = 3;
  std::uint16_t start_port = 3000;
  bool spawn = false;  // start servers although --ips names some
  std::string out;     // folder; empty: the mode's own default
  std::string json;    // file; empty: none
  std::int64_t timeout_ms = 120'000;
  PeerFlags peer;
};

distri::Result<Options> parse_options(int argc, const char* const* argv);

std::string help_text();

}  // namespace example
