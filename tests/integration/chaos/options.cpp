#include "options.hpp"

#include <cxxopts.hpp>

namespace chaos {
namespace {

constexpr std::size_t kNodesMax = 16;
constexpr int kSessionsMax = 500;

cxxopts::Options describe() {
  cxxopts::Options options("distri-chaos",
                           "distri-chaos: nodes under load that are killed, stopped and cut off from each other, and "
                           "checks that nothing is lost.\n");
  options.add_options()                                                                                       //
      ("program", "the node's program: distri-example", cxxopts::value<std::string>(), "FILE")                //
      ("minutes", "how long", cxxopts::value<double>()->default_value("1"), "M")                              //
      ("seed", "of the disasters and of the load", cxxopts::value<std::uint64_t>()->default_value("1"), "S")  //
      ("nodes", "2 to 16", cxxopts::value<std::size_t>()->default_value("3"), "N")                            //
      ("sessions", "client sessions at work", cxxopts::value<int>()->default_value("8"), "K")                 //
      ("no-namespaces", "all nodes on loopback: no partitions")                                               //
      ("durability", "of the nodes: sync, batched or memory (then nodes are not killed)",
       cxxopts::value<std::string>()->default_value("sync"), "MODE")  //
      ("directory", "where the run's own folder is made", cxxopts::value<std::string>()->default_value("/tmp"),
       "DIR")  //
      ("disk-megabytes", "size of the small disk of the last node", cxxopts::value<std::size_t>()->default_value("512"),
       "MB")                                                                                             //
      ("no-increments", "the nodes do not know $inc: nothing is counted")                                //
      ("no-conflicts", "the nodes have no conflict store: what lost to a concurrent write may be gone")  //
      ("keep", "keep the logs also when all was well")("h,help", "this text");
  return options;
}

distri::Result<Options> convert(const cxxopts::ParseResult& parsed) {
  Options options;
  options.help = parsed.count("help") > 0;
  if (options.help) return options;
  if (parsed.count("program") == 0)
    return distri::fail(distri::Code::kInvalidArgument, "--program is missing: the path of distri-example");
  options.program = parsed["program"].as<std::string>();
  options.minutes = parsed["minutes"].as<double>();
  options.seed = parsed["seed"].as<std::uint64_t>();
  options.nodes = parsed["nodes"].as<std::size_t>();
  options.sessions = parsed["sessions"].as<int>();
  options.namespaces = parsed.count("no-namespaces") == 0;
  options.increments = parsed.count("no-increments") == 0;
  options.conflicts = parsed.count("no-conflicts") == 0;
  options.keep = parsed.count("keep") > 0;
  options.durability = parsed["durability"].as<std::string>();
  options.directory = parsed["directory"].as<std::string>();
  options.disk_megabytes = parsed["disk-megabytes"].as<std::size_t>();
  if (!(options.minutes > 0)) return distri::fail(distri::Code::kInvalidArgument, "--minutes must be above 0");
  if (options.nodes < 2 || options.nodes > kNodesMax)
    return distri::fail(distri::Code::kInvalidArgument, "--nodes must be 2 to {}", kNodesMax);
  if (options.sessions < 1 || options.sessions > kSessionsMax)
    return distri::fail(distri::Code::kInvalidArgument, "--sessions must be 1 to {}", kSessionsMax);
  if (options.durability != "sync" && options.durability != "batched" && options.durability != "memory")
    return distri::fail(distri::Code::kInvalidArgument, "--durability must be sync, batched or memory");
  if (!parsed.unmatched().empty())
    return distri::fail(distri::Code::kInvalidArgument, "'{}' belongs to no option", parsed.unmatched().front());
  return options;
}

}  // namespace

distri::Result<Options> parse_options(int argc, char** argv) {
  try {
    return convert(describe().parse(argc, argv));
  } catch (const cxxopts::exceptions::exception& error) {
    return distri::fail(distri::Code::kInvalidArgument, "{}; --help shows the options", error.what());
  }
}

std::string help_text() {
  return describe().help();
}

}  // namespace chaos
