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
    {"update", Workload::kUpdate, 200'000}, {"read", Workload::kRead, 20'000},
    {"mixed", Workload::kMixed, 200'000},   {"echo", Workload::kEcho, 200'000},
    {"encrypt", Workload::kEncrypt, 200},   {"encrypt-direct", Workload::kEncryptDirect, 200},
};

constexpr std::uint64_t kClientsMax = 10'000;
constexpr std::uint64_t kPipelineMax = 1'000;
constexpr std::uint64_t kRequestsMax = 100'000'000;  // each keeps a 4-byte sample
constexpr std::uint64_t kDocumentsMax = 10'000'000;
constexpr std::uint64_t kDocBytesMin = 60;  // room for the fields that every document has
constexpr std::uint64_t kDocBytesMax = 1u << 20;

cxxopts::Options describe() {
  cxxopts::Options options(
      "distri-bench",
      "distri-bench: throughput and latency of distri nodes, in a closed loop; every reply is checked.\n");
  options.custom_help("--nodes A,B --workload NAME [options]");
  options.add_options()                                                                                     //
      ("nodes", "node addresses; connections are dealt out in turn", cxxopts::value<std::string>(), "A,B")  //
      ("workload",
       "add | get | update | read | mixed (add and get) | echo | encrypt | encrypt-direct (no node: the same calls "
       "in "
       "one thread)",
       cxxopts::value<std::string>(), "NAME")                                                                  //
      ("clients", "connections (50)", cxxopts::value<std::string>(), "N")                                      //
      ("pipeline", "requests in flight on each connection (1)", cxxopts::value<std::string>(), "P")            //
      ("requests", "measured requests (200000; read 20000; encrypt 200)", cxxopts::value<std::string>(), "N")  //
      ("warmup", "requests before them that do not count (a tenth, at least two rounds of the pipelines)",
       cxxopts::value<std::string>(),
       "N")                                                                                                //
      ("doc-bytes", "size of a document, or of an echoed body (100)", cxxopts::value<std::string>(), "B")  //
      ("documents", "documents that are there for get, update, read and mixed (10000)", cxxopts::value<std::string>(),
       "N")                                                                                                        //
      ("format", "json | bson: how documents travel (json)", cxxopts::value<std::string>(), "FORMAT")              //
      ("image", "encrypt: the image file to send (a small one made here)", cxxopts::value<std::string>(), "FILE")  //
      ("keep", "leave the collection of the run in place")                                                         //
      ("json", "write the figures to this file", cxxopts::value<std::string>(), "FILE")                            //
      ("h,help", "this text");
  return options;
}

constexpr std::string_view kExamples = R"(
Examples:
  distri-bench --nodes 127.0.0.1:3000 --workload add --clients 50 --pipeline 32
  distri-bench --nodes 127.0.0.1:3000,127.0.0.1:3001 --workload get --doc-bytes 1000 --json get.json
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
        "--workload '{}' is unknown; use add, get, update, read, mixed, echo, encrypt or encrypt-direct",
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
  } else if (options.workload != Workload::kEncryptDirect) {
    return distri::fail(Code::kInvalidArgument, "--nodes is missing, e.g. --nodes 127.0.0.1:3000");
  }
  DISTRI_TRY(const auto clients, number(parsed, "clients", 50, 1, kClientsMax));
  DISTRI_TRY(const auto pipeline, number(parsed, "pipeline", 1, 1, kPipelineMax));
  options.clients = static_cast<std::uint32_t>(clients);
  options.pipeline = static_cast<std::uint32_t>(pipeline);
  DISTRI_TRY(options.requests, number(parsed, "requests", options.requests, 1, kRequestsMax));
  const std::uint64_t warmup =
      options.workload == Workload::kEncryptDirect ? 1 : std::max(options.requests / 10, 2 * clients * pipeline);
  DISTRI_TRY(options.warmup, number(parsed, "warmup", warmup, 0, kRequestsMax));
  DISTRI_TRY(const auto doc_bytes, number(parsed, "doc-bytes", 100, kDocBytesMin, kDocBytesMax));
  options.doc_bytes = static_cast<std::uint32_t>(doc_bytes);
  DISTRI_TRY(options.documents, number(parsed, "documents", 10'000, 100, kDocumentsMax));
  if (parsed.count("format") > 0) {
    const auto format = parsed["format"].as<std::string>();
    if (format != "json" && format != "bson")
      return distri::fail(Code::kInvalidArgument, "--format '{}' is neither json nor bson", format);
    options.format = format == "bson" ? distri::wire::Format::kBson : distri::wire::Format::kJson;
  }
  DISTRI_TRY_VOID(take_image(parsed, options));
  options.keep = parsed.count("keep") > 0;
  if (parsed.count("json") > 0) options.json = parsed["json"].as<std::string>();
  return options;
}

}  // namespace

Result<Options> parse_options(int argc, const char* const* argv) {
  try {
    auto description = describe();
    return convert(description.parse(argc, argv));
  } catch (const cxxopts::exceptions::exception& error) {
    return distri::fail(Code::kInvalidArgument, "{}; --help shows the options", error.what());
  }
}

std::string help_text() {
  auto description = describe();
  description.set_width(130);
  return description.help() + std::string(kExamples);
}

}  // namespace bench
