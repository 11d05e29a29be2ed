#include "options.hpp"

#include <charconv>
#include <cstdlib>
#include <cxxopts.hpp>
#include <optional>

#include "distri/utils/hash.hpp"
#ifdef DISTRI_HAVE_IMAGES
#include "peer_actions.hpp"
#endif

namespace example {
namespace {

using distri::Code;
using distri::Result;

constexpr std::uint64_t kClientsMax = 100'000;
constexpr std::uint64_t kServersMax = 64;
constexpr std::uint64_t kWorkersMax = 1024;
constexpr std::uint64_t kMembersMax = 10'000;
constexpr std::uint64_t kLogBudgetMax = 1ULL << 40;
constexpr std::uint64_t kMemoryMax = 1ULL << 50;
constexpr std::uint64_t kPeerTimeoutMax_ms = 3'600'000;

// Whoever sets no key gets this one, which everybody knows: fine on one machine, a warning beyond it.
constexpr std::string_view kDemoKeyPhrase = "distri-example: the service key of the demonstration, no secret";

cxxopts::Options describe() {
  cxxopts::Options options("distri-example",
                           "distri-example: nodes, clients, tests and a demonstration of distri, in one program.\n");
  options.custom_help("--mode MODE [options]");
  options.add_options()  //
      ("mode", "server | client | test-servers | test-client-db | test-client-encrypt | demo | peer",
       cxxopts::value<std::string>(), "MODE")  //
      ("ips",
       "node addresses, comma-separated; for a server its own comes first, then its peers; for a peer where it "
       "listens, then nodes",
       cxxopts::value<std::string>(),
       "A,B,C")  //
      ("n", "test-servers: servers (3); test-client-*: clients (100); client: rounds per image (1)",
       cxxopts::value<std::string>(),
       "N")                                                                                            //
      ("n-servers", "test-client-*: servers to test against (3)", cxxopts::value<std::string>(), "K")  //
      ("start-port", "test-*: the first server's port; the others follow (3000)", cxxopts::value<std::string>(),
       "PORT")                                                                  //
      ("spawn", "test-client-*: start the servers even when --ips names them")  //
      ("images", "files or folders of images (repeatable; several may follow)",
       cxxopts::value<std::vector<std::string>>(),
       "DIR|FILE...")                                       //
      ("report", "client: print statistics of every node")  //
      ("out",
       "client: where to put encrypted and decrypted images; demo: where results go (demo-out); peer: the new file of "
       "a view",
       cxxopts::value<std::string>(), "DIR|FILE")                                        //
      ("json", "write the figures to this file", cxxopts::value<std::string>(), "FILE")  //
      ("timeout-s", "client, test-client-*: how long one call may take (120)", cxxopts::value<std::string>(),
       "SECONDS")                                                                                     //
      ("workers", "server: worker threads; 0: one per core (0)", cxxopts::value<std::string>(), "N")  //
      ("data-dir",
       "server: keep everything in this directory, too; without, the node starts empty each time; peer: its books, "
       "pictures and key (distri-peer-NAME)",
       cxxopts::value<std::string>(), "DIR")  //
      ("durability",
       "server: when a write is acknowledged: memory (at once), batched (written; synced every 100 ms), sync (on the "
       "disk); sync with --data-dir, else memory",
       cxxopts::value<std::string>(), "MODE")  //
      ("members",
       "server: size of the cluster, this node included, of which w=majority and w=all are counted (1 + the peers of "
       "--ips)",
       cxxopts::value<std::string>(), "N")  //
      ("log-budget",
       "server: so many bytes of writes are kept for peers that come back and for readers of changes; a peer that was "
       "away for longer gets a snapshot (a quarter of the documents' bytes, from 16 MiB to 512 MiB)",
       cxxopts::value<std::string>(), "BYTES")  //
      ("memory-max",
       "server: bytes of memory for documents and indexes; beyond, writes that need more are refused (0: no limit)",
       cxxopts::value<std::string>(), "BYTES")                                             //
      ("insecure", "server: listen beyond loopback without keys, in a network you trust")  //
      ("service-key",
       "server: key of Encrypt and Decrypt, 64 hexadecimal digits, the same on all nodes; else $DISTRI_SERVICE_KEY; "
       "else a fixed demo "
       "key that protects nothing",
       cxxopts::value<std::string>(), "HEX")                                    //
      ("identifier", "peer: your name", cxxopts::value<std::string>(), "NAME")  //
      ("key", "peer: the file with your key, as 'distri keygen' makes it (key in --data-dir, made at the first use)",
       cxxopts::value<std::string>(), "FILE")  //
      ("cluster", "peer: nodes have keys; only those of this cluster are spoken to, and your key is shown to them",
       cxxopts::value<std::string>(), "ID")  //
      ("do", "peer: what to do, see below; without: a program for a terminal", cxxopts::value<std::string>(),
       "ACTION")  //
      ("dir", "peer: publish, listen, grant: the folder of images that you offer", cxxopts::value<std::string>(),
       "DIR")                                                                                                         //
      ("from", "peer: whose image, by name, key, or 8 or more digits of one", cxxopts::value<std::string>(), "PEER")  //
      ("image", "peer: an image's name in the catalog", cxxopts::value<std::string>(), "NAME")                        //
      ("views", "peer: a number of views", cxxopts::value<std::string>(), "N")                                        //
      ("request", "peer: a request's id, or so many of its digits that no other begins with them",
       cxxopts::value<std::string>(), "ID")                                                                    //
      ("grant", "peer: the same of a grant, which has its request's id", cxxopts::value<std::string>(), "ID")  //
      ("format", "peer: text for people, or json: one object per line (text)", cxxopts::value<std::string>(),
       "text|json")  //
      ("pictures",
       "peer, without --do: how pictures are drawn in the terminal: sixel, blocks, none, or auto: sixel where the "
       "terminal says that it can (auto)",
       cxxopts::value<std::string>(), "FORM")  //
      ("timeout-ms", "peer: how long to wait until others have what they are told, and for a picture (30000)",
       cxxopts::value<std::string>(), "MS")                                                                    //
      ("log-level", "debug | info | warning | error | off (warning)", cxxopts::value<std::string>(), "LEVEL")  //
      ("h,help", "this text")("version", "the version")                                                        //
      ("more-images", "", cxxopts::value<std::vector<std::string>>());
  options.parse_positional({"more-images"});
  return options;
}

constexpr std::string_view kExamples = R"(
Examples:
  one node:            distri-example --mode server --ips 127.0.0.1:3000
  one with a disk:     distri-example --mode server --ips 127.0.0.1:3000 --data-dir node0
  the second of two:   distri-example --mode server --ips 127.0.0.1:3001,127.0.0.1:3000
  three, supervised:   distri-example --mode test-servers --n 3
  their statistics:    distri-example --mode client --report --ips 127.0.0.1:3000
  encrypt a folder:    distri-example --mode client --ips 127.0.0.1:3000 --images photos/ --out encrypted/
  2500 clients:        distri-example --mode test-client-db --n 2500 --n-servers 3
  250 with images:     distri-example --mode test-client-encrypt --n 250 --n-servers 2 --json figures.json
  see it all:          distri-example --mode demo --images photos/ --out demo-out
  share pictures:      distri-example --mode peer --identifier ana --ips 127.0.0.1:4100,127.0.0.1:3000 --dir photos
  the same in scripts: distri-example --mode peer --identifier ana --ips 127.0.0.1:4100,127.0.0.1:3000 --dir photos --do listen
  ask for one:         distri-example --mode peer --identifier ben --ips 127.0.0.1:4101,127.0.0.1:3000 --do request
                         --from ana --image dune.png --views 3

The tests use the servers on the ports from --start-port on; if nothing listens there, they start their own.
Exit code: 0 all was well; 1 something checked was wrong; 2 it could not start (one sentence on standard error says why).
)";

const std::pair<std::string_view, Mode> kModes[] = {{"server", Mode::kServer},
                                                    {"client", Mode::kClient},
                                                    {"test-servers", Mode::kTestServers},
                                                    {"test-client-db", Mode::kTestClientDb},
                                                    {"test-client-encrypt", Mode::kTestClientEncrypt},
                                                    {"demo", Mode::kDemo},
                                                    {"peer", Mode::kPeer}};

Result<Mode> parse_mode(const std::string& text) {
  for (const auto& [name, mode] : kModes) {
    if (name == text) return mode;
  }
  return distri::fail(
      Code::kInvalidArgument,
      "--mode '{}' is unknown; use server, client, test-servers, test-client-db, test-client-encrypt, demo or peer",
      text);
}

Result<std::uint64_t> number(const cxxopts::ParseResult& parsed, const char* name, std::uint64_t otherwise,
                             std::uint64_t least, std::uint64_t most) {
  if (parsed.count(name) == 0) return otherwise;
  const auto& text = parsed[name].as<std::string>();
  std::uint64_t value = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), text_end, value);
  if (error != std::errc{} || end != text_end || value < least || value > most) {
    return distri::fail(Code::kInvalidArgument, "--{} must be a whole number between {} and {}, not '{}'", name, least,
                        most, text);
  }
  return value;
}

Result<> take_service_key(const cxxopts::ParseResult& parsed, Options& options) {
  std::optional<std::string> hex;
  std::string_view source = "--service-key";
  if (parsed.count("service-key") > 0) {
    hex = parsed["service-key"].as<std::string>();
  } else if (const char* environment = std::getenv("DISTRI_SERVICE_KEY"); environment != nullptr) {
    hex = environment;
    source = "DISTRI_SERVICE_KEY";
  }
  if (!hex) {
    const distri::Hash256 key = distri::blake2b_256(kDemoKeyPhrase);
    options.service_key.assign(key.begin(), key.end());
    return {};
  }
  auto bytes = distri::from_hex(*hex);
  if (!bytes || bytes->size() != 32) {
    return distri::fail(Code::kInvalidArgument,
                        "{} must be 64 hexadecimal digits (32 bytes); 'openssl rand -hex 32' makes one", source);
  }
  options.service_key = std::move(*bytes);
  options.service_key_is_default = false;
  return {};
}

Result<> take_storage(const cxxopts::ParseResult& parsed, Options& options) {
  DISTRI_TRY(const std::uint64_t members, number(parsed, "members", 0, 1, kMembersMax));
  options.members = static_cast<std::uint32_t>(members);
  if (parsed.count("log-budget") > 0) {
    DISTRI_TRY(options.log_budget_bytes, number(parsed, "log-budget", 0, 1, kLogBudgetMax));
  }
  DISTRI_TRY(options.memory_max_bytes, number(parsed, "memory-max", 0, 0, kMemoryMax));
  if (parsed.count("data-dir") > 0) {
    options.data_dir = parsed["data-dir"].as<std::string>();
    if (options.data_dir.empty()) return distri::fail(Code::kInvalidArgument, "--data-dir is empty; name a directory");
  }
  if (parsed.count("durability") > 0) {
    const auto durability = distri::cloud::parse_durability(parsed["durability"].as<std::string>());
    if (!durability) return distri::fail(Code::kInvalidArgument, "--durability: {}", durability.error().message);
    options.durability = *durability;
  }
  return {};
}

Result<> take_peer(const cxxopts::ParseResult& parsed, Options& options) {
  PeerFlags& peer = options.peer;
  const auto take = [&](const char* name, std::string& to) -> Result<> {
    if (parsed.count(name) == 0) return {};
    to = parsed[name].as<std::string>();
    if (to.empty()) return distri::fail(Code::kInvalidArgument, "--{} is empty; --help says what it is", name);
    return {};
  };
  DISTRI_TRY_VOID(take("identifier", peer.identifier));
  DISTRI_TRY_VOID(take("do", peer.action));
  DISTRI_TRY_VOID(take("dir", peer.directory));
  DISTRI_TRY_VOID(take("key", peer.key));
  DISTRI_TRY_VOID(take("cluster", peer.cluster));
  DISTRI_TRY_VOID(take("pictures", peer.pictures));
  for (const char* name : {"from", "image", "views", "request", "grant", "out"}) {
    if (parsed.count(name) > 0) peer.flags[name] = parsed[name].as<std::string>();
  }
  if (parsed.count("format") > 0) {
    const auto& format = parsed["format"].as<std::string>();
    peer.as_json = format == "json";
    if (!peer.as_json && format != "text") {
      return distri::fail(Code::kInvalidArgument, "--format must be text or json, not '{}'", format);
    }
  }
  DISTRI_TRY(const std::uint64_t timeout_ms,
             number(parsed, "timeout-ms", static_cast<std::uint64_t>(peer.timeout_ms), 1, kPeerTimeoutMax_ms));
  peer.timeout_ms = static_cast<std::int64_t>(timeout_ms);
  return {};
}

Result<> check_peer(const Options& options) {
  if (options.peer.identifier.empty()) {
    return distri::fail(Code::kInvalidArgument, "--identifier is missing: say by which name others know you");
  }
  if (options.addresses.size() >= 2) return {};
  return distri::fail(Code::kInvalidArgument,
                      "--ips {}: name the address where this peer listens, then at least one node, e.g. --ips "
                      "127.0.0.1:4100,127.0.0.1:3000",
                      options.addresses.empty() ? "is missing" : "names no node");
}

Result<> check_mode(const Options& options) {
  const auto need_addresses = [&](std::string_view what) -> Result<> {
    if (!options.addresses.empty()) return {};
    return distri::fail(Code::kInvalidArgument, "--ips is missing: {}", what);
  };
  switch (options.mode) {
    case Mode::kServer:
      return need_addresses("name the address to listen at, then the peers, e.g. --ips 127.0.0.1:3000,127.0.0.1:3001");
    case Mode::kClient:
      if (!options.report && options.images.empty()) {
        return distri::fail(Code::kInvalidArgument, "nothing to do: add --report, or --images with files or a folder");
      }
      return need_addresses("name at least one node, e.g. --ips 127.0.0.1:3000");
    case Mode::kPeer:
      return check_peer(options);
    default:
      return {};
  }
}

Result<Options> convert(const cxxopts::ParseResult& parsed) {
  Options options;
  if (parsed.count("help") > 0) return options;
  if (parsed.count("version") > 0) {
    options.mode = Mode::kVersion;
    return options;
  }
  if (parsed.count("mode") == 0)
    return distri::fail(Code::kInvalidArgument, "--mode is missing; --help shows the modes and examples");
  DISTRI_TRY(options.mode, parse_mode(parsed["mode"].as<std::string>()));
  if (parsed.count("ips") > 0) {
    auto addresses = distri::parse_addresses(parsed["ips"].as<std::string>());
    if (!addresses) return distri::fail(Code::kInvalidArgument, "--ips: {}", addresses.error().message);
    options.addresses = std::move(*addresses);
  }
  options.insecure = parsed.count("insecure") > 0;
  options.report = parsed.count("report") > 0;
  options.spawn = parsed.count("spawn") > 0;
  if (parsed.count("images") > 0) options.images = parsed["images"].as<std::vector<std::string>>();
  if (parsed.count("more-images") > 0) {
    const auto& more = parsed["more-images"].as<std::vector<std::string>>();
    if (options.images.empty()) {
      return distri::fail(Code::kInvalidArgument, "'{}' belongs to no option; --help shows them", more.front());
    }
    options.images.insert(options.images.end(), more.begin(), more.end());
  }
  if (parsed.count("out") > 0) options.out = parsed["out"].as<std::string>();
  if (parsed.count("json") > 0) options.json = parsed["json"].as<std::string>();
  if (parsed.count("log-level") > 0) {
    options.log_level_text = parsed["log-level"].as<std::string>();
    auto level = distri::parse_log_level(options.log_level_text);
    if (!level) return distri::fail(Code::kInvalidArgument, "--log-level: {}", level.error().message);
    options.log_level = *level;
  }
  DISTRI_TRY(options.n, number(parsed, "n", 0, 1, options.mode == Mode::kTestServers ? kServersMax : kClientsMax));
  DISTRI_TRY(options.servers, number(parsed, "n-servers", 3, 1, kServersMax));
  DISTRI_TRY(const std::uint64_t port, number(parsed, "start-port", 3000, 1, 65535));
  options.start_port = static_cast<std::uint16_t>(port);
  DISTRI_TRY(const std::uint64_t workers, number(parsed, "workers", 0, 0, kWorkersMax));
  options.workers = static_cast<unsigned>(workers);
  DISTRI_TRY_VOID(take_storage(parsed, options));
  DISTRI_TRY(const std::uint64_t timeout_s, number(parsed, "timeout-s", 120, 1, 3600));
  options.timeout_ms = static_cast<std::int64_t>(timeout_s) * 1000;
  const std::uint64_t ports = options.mode == Mode::kTestServers && options.n > 0 ? options.n : options.servers;
  if (options.start_port + ports - 1 > 65535) {
    return distri::fail(Code::kInvalidArgument, "--start-port {} leaves no room for {} ports below 65536", port, ports);
  }
  DISTRI_TRY_VOID(take_service_key(parsed, options));
  DISTRI_TRY_VOID(take_peer(parsed, options));
  DISTRI_TRY_VOID(check_mode(options));
  return options;
}

// cxxopts knows names of one letter only with one dash; ours is --n.
std::vector<std::string> with_short_n(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i] == "--n") arguments[i] = "-n";
    if (!arguments[i].starts_with("--n=")) continue;
    std::string value = arguments[i].substr(4);
    arguments[i] = "-n";
    arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::move(value));
  }
  return arguments;
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  try {
    auto description = describe();
    const std::vector<std::string> arguments = with_short_n(argc, argv);
    std::vector<const char*> pointers;
    for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
    return convert(description.parse(static_cast<int>(pointers.size()), pointers.data()));
  } catch (const cxxopts::exceptions::exception& error) {
    return distri::fail(Code::kInvalidArgument, "{}; --help shows the options", error.what());
  }
}

std::string help_text() {
  auto description = describe();
  description.set_width(130);
  description.positional_help("");
  std::string text = description.help();
  constexpr std::string_view kShort = "  -n N     ";
  if (const auto at = text.find(kShort); at != std::string::npos) text.replace(at, kShort.size(), "      --n N");
  // The option that catches what follows --images is no option for people.
  if (const auto at = text.find("--more-images"); at != std::string::npos) {
    const auto begin = text.rfind('\n', at);
    const auto end = text.find('\n', at);
    text.erase(begin, end - begin);
  }
#ifdef DISTRI_HAVE_IMAGES
  text += "\nActions of --mode peer, given with --do, or as lines to one that listens:\n" + action_help();
#endif
  return text + std::string(kExamples);
}

}  // namespace example
