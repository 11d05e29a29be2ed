#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cxxopts.hpp>
#include <fstream>
#include <optional>
#include <sstream>

namespace bench {
namespace {

using distri::Code;
using distri::Result;

struct WorkloadName {
  const char* name;
  Workload workload;
  std::uint64_t requests;
};
constexpr WorkloadName kWorkloads[] = {
    {"add", Workload::kAdd, 200'000},       {"get", Workload::kGet, 200'000},
    {"update", Workload::kUpdate, 200'000}, {"set", Workload::kSet, 200'000},
    {"read", Workload::kRead, 20'000},      {"range", Workload::kRange, 20'000},
    {"scan", Workload::kScan, 20},          {"mixed", Workload::kMixed, 200'000},
    {"echo", Workload::kEcho, 200'000},     {"delete", Workload::kDelete, 0},
    {"encrypt", Workload::kEncrypt, 200},   {"encrypt-direct", Workload::kEncryptDirect, 200},
    {"fsync", Workload::kFsync, 500},
};

constexpr std::uint64_t kClientsMax = 10'000;
constexpr std::uint64_t kPipelineMax = 1'000;
constexpr std::uint64_t kRequestsMax = 100'000'000;  // each keeps a 4-byte sample
constexpr std::uint64_t kDocumentsMax = 10'000'000;
constexpr std::uint64_t kDocBytesMin = 60;  // room for the fields that every document has
constexpr std::uint64_t kDocBytesMax = 1u << 20;
constexpr std::uint64_t kSecondsMax = 3'600;
constexpr std::uint64_t kRateMax = 1'000'000;
constexpr std::uint64_t kMembersMax = 1'000;

cxxopts::Options describe() {
  cxxopts::Options options(
      "distri-bench",
      "distri-bench: throughput and latency of distri nodes, in a closed loop; every reply is checked.\n");
  options.custom_help("--nodes A,B --workload NAME [options]");
  options.add_options()                                                                                     //
      ("nodes", "node addresses; connections are dealt out in turn", cxxopts::value<std::string>(), "A,B")  //
      ("data-dir", "for nodes with keys: the data directory of a member, whose key is shown; all links are TLS 1.3",
       cxxopts::value<std::string>(), "DIR")  //
      ("workload",
       "add | get | update (fields beside the _id) | set (the same by $set) | delete | read (10 documents, without an "
       "index) | range (100 in order, by an index) | scan (10 documents, after looking at all) | mixed (add and get) | "
       "echo | encrypt | encrypt-direct (no node: the same calls in one thread) | fsync (no node: a file in "
       "--directory grows by --doc-bytes, fsync, and so on)",
       cxxopts::value<std::string>(), "NAME")                                                        //
      ("clients", "connections (50)", cxxopts::value<std::string>(), "N")                            //
      ("pipeline", "requests in flight on each connection (1)", cxxopts::value<std::string>(), "P")  //
      ("requests", "measured requests (200000; read and range 20000; encrypt 200; scan 20; delete: all)",
       cxxopts::value<std::string>(),
       "N")  //
      ("warmup", "requests before them that do not count (a tenth, at least two rounds of the pipelines)",
       cxxopts::value<std::string>(),
       "N")                                                                                     //
      ("seconds", "measure so long, not so many requests", cxxopts::value<std::string>(), "S")  //
      ("rate",
       "requests a second, all connections together: sent when they are due, and latency counts from then (none: a "
       "reply sends the next request)",
       cxxopts::value<std::string>(), "R")  //
      ("w", "writes: how many members must hold one: 1, 2, ..., majority or all (what the node says)",
       cxxopts::value<std::string>(), "W")                                                                 //
      ("doc-bytes", "size of a document, or of an echoed body (100)", cxxopts::value<std::string>(), "B")  //
      ("documents", "documents that are there for those that need some (10000)", cxxopts::value<std::string>(),
       "N")                                                                                                        //
      ("format", "json | bson: how documents travel (json)", cxxopts::value<std::string>(), "FORMAT")              //
      ("image", "encrypt: the image file to send (a small one made here)", cxxopts::value<std::string>(), "FILE")  //
      ("collection", "its name (a new one)", cxxopts::value<std::string>(), "NAME")                                //
      ("directory", "fsync: where (here)", cxxopts::value<std::string>(), "DIR")                                   //
      ("prepared", "the documents are in --collection, from a run with --keep; it is kept again")                  //
      ("keep", "leave the collection of the run in place")                                                         //
      ("json", "write the figures to this file", cxxopts::value<std::string>(), "FILE")                            //
      ("h,help", "this text");
  return options;
}

constexpr std::string_view kExamples = R"(
Examples:
  distri-bench --nodes 127.0.0.1:3000 --workload add --clients 50 --pipeline 32
  distri-bench --nodes 127.0.0.1:3000,127.0.0.1:3001 --workload get --doc-bytes 1000 --json get.json
  distri-bench --nodes 127.0.0.1:3000,127.0.0.1:3001,127.0.0.1:3002 --workload add --w majority --seconds 10
  distri-bench --nodes 127.0.0.1:3000 --data-dir /var/lib/distri --workload get --pipeline 32
  distri-bench --nodes 127.0.0.1:3000 --workload mixed --rate 2000 --seconds 30
  distri-bench --nodes 127.0.0.1:3000 --workload scan --documents 1000000 --clients 1 --format bson
  distri-bench --nodes 127.0.0.1:3000 --workload encrypt --image photo.jpg --clients 4 --requests 100

A request counts as an error when its status is not ok or its reply is not what it must be. The clock starts when the warm-up is
complete and stops with the last measured reply. "client_cpu_share" is the load generator's own use of one core meanwhile.
Exit code: 0 no errors; 1 errors; 2 it could not start.
)";

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

Result<> take_workload(const cxxopts::ParseResult& parsed, Options& options) {
  if (parsed.count("workload") == 0)
    return distri::fail(Code::kInvalidArgument, "--workload is missing; --help lists them");
  options.workload_name = parsed["workload"].as<std::string>();
  const auto* found = std::find_if(std::begin(kWorkloads), std::end(kWorkloads),
                                   [&](const WorkloadName& known) { return options.workload_name == known.name; });
  if (found == std::end(kWorkloads)) {
    return distri::fail(
        Code::kInvalidArgument,
        "--workload '{}' is unknown; use add, get, update, set, delete, read, range, scan, mixed, echo, encrypt, "
        "encrypt-direct or fsync",
        options.workload_name);
  }
  options.workload = found->workload;
  options.requests = found->requests;
  return {};
}

Result<> take_image(const cxxopts::ParseResult& parsed, Options& options) {
  if (parsed.count("image") == 0) return {};
  const auto path = parsed["image"].as<std::string>();
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  if (!in || !(bytes << in.rdbuf())) return distri::fail(Code::kInvalidArgument, "--image: cannot read '{}'", path);
  options.image = std::move(bytes).str();
  return {};
}

Result<> take_write_concern(const cxxopts::ParseResult& parsed, Options& options) {
  if (parsed.count("w") == 0) return {};
  const auto text = parsed["w"].as<std::string>();
  if (text == "majority" || text == "all") {
    options.w = '"' + text + '"';
    return {};
  }
  const auto count = number(parsed, "w", 1, 1, kMembersMax);
  if (!count)
    return distri::fail(Code::kInvalidArgument, "--w must be 1 to {}, majority or all, not '{}'", kMembersMax, text);
  options.w = std::to_string(*count);
  return {};
}

// How much, how long, how fast.
Result<> take_amounts(const cxxopts::ParseResult& parsed, Options& options) {
  DISTRI_TRY(const auto clients, number(parsed, "clients", 50, 1, kClientsMax));
  DISTRI_TRY(const auto pipeline, number(parsed, "pipeline", 1, 1, kPipelineMax));
  DISTRI_TRY(const auto seconds, number(parsed, "seconds", 0, 1, kSecondsMax));
  DISTRI_TRY(const auto rate, number(parsed, "rate", 0, 1, kRateMax));
  DISTRI_TRY(options.documents, number(parsed, "documents", 10'000, 100, kDocumentsMax));
  options.clients = static_cast<std::uint32_t>(clients);
  options.pipeline = static_cast<std::uint32_t>(pipeline);
  options.seconds = static_cast<std::uint32_t>(seconds);
  options.rate_per_s = static_cast<std::uint32_t>(rate);
  if (seconds > 0 && parsed.count("requests") > 0)
    return distri::fail(Code::kInvalidArgument, "--seconds and --requests exclude each other");
  const bool deletes = options.workload == Workload::kDelete;
  if (deletes) options.requests = options.documents;
  DISTRI_TRY(options.requests,
             number(parsed, "requests", options.requests, 1, deletes ? options.documents : kRequestsMax));
  std::uint64_t warmup = std::max(options.requests / 10, 2 * clients * pipeline);
  if (seconds > 0) warmup = 2 * clients * pipeline;
  if (options.workload == Workload::kEncryptDirect || options.workload == Workload::kFsync) warmup = 1;
  if (deletes) warmup = 0;
  DISTRI_TRY(options.warmup, number(parsed, "warmup", warmup, 0, deletes ? 0 : kRequestsMax));
  return {};
}

Result<Options> convert(const cxxopts::ParseResult& parsed) {
  Options options;
  if (parsed.count("help") > 0) {
    options.help = true;
    return options;
  }
  if (!parsed.unmatched().empty()) {
    return distri::fail(Code::kInvalidArgument, "'{}' belongs to no option; --help shows them",
                        parsed.unmatched().front());
  }
  DISTRI_TRY_VOID(take_workload(parsed, options));
  if (parsed.count("nodes") > 0) {
    auto nodes = distri::parse_addresses(parsed["nodes"].as<std::string>());
    if (!nodes) return distri::fail(Code::kInvalidArgument, "--nodes: {}", nodes.error().message);
    options.nodes = std::move(*nodes);
  } else if (options.workload != Workload::kEncryptDirect && options.workload != Workload::kFsync) {
    return distri::fail(Code::kInvalidArgument, "--nodes is missing, e.g. --nodes 127.0.0.1:3000");
  }
  if (parsed.count("data-dir") > 0) options.data_dir = parsed["data-dir"].as<std::string>();
  DISTRI_TRY_VOID(take_amounts(parsed, options));
  DISTRI_TRY_VOID(take_write_concern(parsed, options));
  DISTRI_TRY(const auto doc_bytes, number(parsed, "doc-bytes", 100, kDocBytesMin, kDocBytesMax));
  options.doc_bytes = static_cast<std::uint32_t>(doc_bytes);
  if (parsed.count("format") > 0) {
    const auto format = parsed["format"].as<std::string>();
    if (format != "json" && format != "bson")
      return distri::fail(Code::kInvalidArgument, "--format '{}' is neither json nor bson", format);
    options.format = format == "bson" ? distri::wire::Format::kBson : distri::wire::Format::kJson;
  }
  DISTRI_TRY_VOID(take_image(parsed, options));
  if (parsed.count("collection") > 0) options.collection = parsed["collection"].as<std::string>();
  if (parsed.count("directory") > 0) options.directory = parsed["directory"].as<std::string>();
  options.prepared = parsed.count("prepared") > 0;
  if (options.prepared && options.collection.empty())
    return distri::fail(Code::kInvalidArgument, "--prepared needs --collection, the one with the documents");
  options.keep = options.prepared || parsed.count("keep") > 0;
  if (parsed.count("json") > 0) options.json = parsed["json"].as<std::string>();
  return options;
}

// cxxopts knows names of one letter only with one dash; ours is --w.
std::vector<std::string> with_short_w(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--w" || argument.starts_with("--w=")) {
      arguments.emplace_back("-w");
      if (argument.size() > 4) arguments.emplace_back(argument.substr(4));
    } else {
      arguments.emplace_back(argument);
    }
  }
  return arguments;
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  try {
    auto description = describe();
    const std::vector<std::string> arguments = with_short_w(argc, argv);
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
  std::string text = description.help();
  constexpr std::string_view kShort = "  -w W  ";
  if (const auto at = text.find(kShort); at != std::string::npos) text.replace(at, kShort.size(), "      --w W");
  return text + std::string(kExamples);
}

}  // namespace bench
