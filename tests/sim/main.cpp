// distri-sim: clusters of real replicas in a simulated world: one per seed, or one that follows a script.
#include <charconv>
#include <cstdio>
#include <cxxopts.hpp>
#include <variant>

#include "broadcast.hpp"
#include "commands.hpp"

namespace {

using namespace distri;
using namespace distri::sim;

struct ScenarioCommand {
  std::vector<std::string> files;
  std::string log_file;
};
struct Help {};
using Command = std::variant<Help, SeedsCommand, PlantsCommand, ConvergenceCommand, BroadcastCommand, ScenarioCommand>;

template <class Names>
std::string list(const Names& names) {
  std::string text;
  for (const auto& entry : names) text += (text.empty() ? "" : ", ") + std::string(entry.name);
  return text;
}

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalidArgument, "--seeds: '{}' is not a number; write A..B or one number", text);
  }
  return value;
}

template <class WithSeeds>
Result<> parse_seeds(std::string_view text, WithSeeds& command) {
  const std::size_t dots = text.find("..");
  DISTRI_TRY(command.first_seed, parse_number(text.substr(0, dots)));
  command.last_seed = command.first_seed;
  if (dots != std::string_view::npos) {
    DISTRI_TRY(command.last_seed, parse_number(text.substr(dots + 2)));
  }
  if (command.last_seed < command.first_seed)
    return fail(Code::kInvalidArgument, "--seeds: {} is an empty range", text);
  return {};
}

template <class Names>
Result<typename Names::value_type> named(std::string_view option, const std::string& name, const Names& names) {
  for (const auto& entry : names) {
    if (entry.name == name) return entry;
  }
  return fail(Code::kInvalidArgument, "{}: unknown name '{}'; known are {}", option, name, list(names));
}

cxxopts::Options options() {
  cxxopts::Options options("distri-sim",
                           "Runs simulated clusters, one per seed, under faults; checks that they converge.");
  // clang-format off
  options.add_options()
    ("seeds", "seeds to run, A..B or one", cxxopts::value<std::string>())
    ("nodes", "nodes per cluster, 2 to 100 (default: drawn, mostly 3 to 7)", cxxopts::value<std::size_t>())
    ("ops", "writes per cluster, about", cxxopts::value<std::size_t>()->default_value("1000"))
    ("fault", "exactly these faults (a,b,...) instead of a drawn mixture: " + list(kFaultNames), cxxopts::value<std::string>()->default_value(""))
    ("members", "clusters with keys: machines join by invitation, leave, are removed and replaced, and move")
    ("plant", "bring in a defect: " + list(kDefectNames), cxxopts::value<std::string>()->default_value(""))
    ("plants", "for each defect (or those of --plant) the number of seeds until it is caught")
    ("rounds", "with --plants: from so many different first seeds", cxxopts::value<std::uint64_t>()->default_value("5"))
    ("seeds-max", "with --plants: give up after so many seeds", cxxopts::value<std::uint64_t>()->default_value("200"))
    ("convergence", "measure how soon after a write every node has it, and what idle nodes send; --nodes (default: 10 and 100), --seeds (1..3), --json")
    ("broadcast", "measure what it costs and takes to bring a batch to all, by the broadcast tree and directly; --nodes (17 to 100, default 100), --seeds (1), --json; 1: a goal is missed")
    ("latency-ms", "with --convergence (1) or --broadcast (5): of every link, 1 to 10000", cxxopts::value<std::int64_t>())
    ("loss", "with --convergence or --broadcast: share of messages that are lost, 0 to 0.5", cxxopts::value<double>()->default_value("0.01"))
    ("writes", "with --convergence or --broadcast: for each seed", cxxopts::value<std::size_t>()->default_value("200"))
    ("scenario", "run scripts: --scenario FILE FILE ...")
    ("log", "write what happens to this file", cxxopts::value<std::string>()->default_value(""))
    ("json", "write the figures to this file", cxxopts::value<std::string>()->default_value(""))
    ("files", "", cxxopts::value<std::vector<std::string>>())
    ("h,help", "this text");
  // clang-format on
  options.parse_positional("files");
  return options;
}

Result<Command> parse_plants(const cxxopts::ParseResult& parsed) {
  PlantsCommand command;
  const auto name = parsed["plant"].as<std::string>();
  if (!name.empty()) {
    DISTRI_TRY_VOID(named("--plant", name, kDefectNames));
    command.names.push_back(name);
  }
  if (parsed.count("seeds") != 0) {
    SeedsCommand seeds;
    DISTRI_TRY_VOID(parse_seeds(parsed["seeds"].as<std::string>(), seeds));
    command.first_seed = seeds.first_seed;
  }
  command.rounds = std::max<std::uint64_t>(1, parsed["rounds"].as<std::uint64_t>());
  command.seeds_max = std::max<std::uint64_t>(1, parsed["seeds-max"].as<std::uint64_t>());
  command.ops = parsed["ops"].as<std::size_t>();
  command.json_file = parsed["json"].as<std::string>();
  return command;
}

Result<std::size_t> parse_nodes(const cxxopts::ParseResult& parsed) {
  const auto nodes = parsed["nodes"].as<std::size_t>();
  if (nodes < 2 || nodes > 100) return fail(Code::kInvalidArgument, "--nodes: {} is not in 2 to 100", nodes);
  return nodes;
}

// Into the options of a measurement.
template <class Options>
Result<> parse_links(const cxxopts::ParseResult& parsed, Options& options, std::size_t& writes) {
  if (parsed.count("latency-ms") != 0) options.latency_ms = parsed["latency-ms"].as<std::int64_t>();
  options.loss = parsed["loss"].as<double>();
  writes = parsed["writes"].as<std::size_t>();
  if (options.latency_ms < 1 || options.latency_ms > 10'000)
    return fail(Code::kInvalidArgument, "--latency-ms: {} is not in 1 to 10000", options.latency_ms);
  if (!(options.loss >= 0 && options.loss <= 0.5))
    return fail(Code::kInvalidArgument, "--loss: {} is not in 0 to 0.5", options.loss);
  if (writes < 1 || writes > 100'000) return fail(Code::kInvalidArgument, "--writes: {} is not in 1 to 100000", writes);
  return {};
}

Result<Command> parse_convergence(const cxxopts::ParseResult& parsed) {
  ConvergenceCommand command;
  if (parsed.count("nodes") != 0) {
    DISTRI_TRY(const std::size_t nodes, parse_nodes(parsed));
    command.nodes = {nodes};
  }
  if (parsed.count("seeds") != 0) {
    DISTRI_TRY_VOID(parse_seeds(parsed["seeds"].as<std::string>(), command));
  }
  DISTRI_TRY_VOID(parse_links(parsed, command.options, command.options.writes));
  command.json_file = parsed["json"].as<std::string>();
  return command;
}

Result<Command> parse_broadcast(const cxxopts::ParseResult& parsed) {
  BroadcastCommand command;
  BroadcastOptions& options = command.options;
  if (parsed.count("nodes") != 0) {
    DISTRI_TRY(options.nodes, parse_nodes(parsed));
  }
  if (options.nodes <= replication::kDirectNodesMax)
    return fail(Code::kInvalidArgument, "--nodes: {} nodes have no broadcast tree, write {} or more", options.nodes,
                replication::kDirectNodesMax + 1);
  if (parsed.count("seeds") != 0) {
    DISTRI_TRY_VOID(parse_seeds(parsed["seeds"].as<std::string>(), command));
  }
  DISTRI_TRY_VOID(parse_links(parsed, options, options.batches));
  command.json_file = parsed["json"].as<std::string>();
  return command;
}

Result<Command> parse_swarm(const cxxopts::ParseResult& parsed) {
  if (parsed.count("seeds") == 0) return fail(Code::kInvalidArgument, "--seeds A..B is missing; see --help");
  SeedsCommand command;
  DISTRI_TRY_VOID(parse_seeds(parsed["seeds"].as<std::string>(), command));
  if (parsed.count("nodes") != 0) {
    DISTRI_TRY(command.swarm.nodes, parse_nodes(parsed));
  }
  command.swarm.ops = parsed["ops"].as<std::size_t>();
  command.swarm.members = parsed.count("members") != 0;
  if (command.swarm.members && command.swarm.nodes == 2)
    return fail(Code::kInvalidArgument, "--members: 2 nodes are too few to remove one; write --nodes 3 or more");
  command.fault = parsed["fault"].as<std::string>();
  command.plant = parsed["plant"].as<std::string>();
  command.log_file = parsed["log"].as<std::string>();
  command.json_file = parsed["json"].as<std::string>();
  for (std::size_t from = 0; from < command.fault.size();) {
    const std::size_t comma = std::min(command.fault.find(',', from), command.fault.size());
    DISTRI_TRY(const FaultName fault, named("--fault", command.fault.substr(from, comma - from), kFaultNames));
    command.swarm.faults.push_back(fault.fault);
    from = comma + 1;
  }
  if (!command.plant.empty()) {
    DISTRI_TRY(const DefectName plant, named("--plant", command.plant, kDefectNames));
    command.swarm.defect = plant.defect;
    command.swarm.members = command.swarm.members || plant.defect.members;
  }
  return command;
}

Result<Command> parse(int argc, char** argv) {
  try {
    auto known = options();
    const auto parsed = known.parse(argc, argv);
    if (parsed.count("help") != 0) {
      std::fputs(known.help().c_str(), stdout);
      return Help();
    }
    std::vector<std::string> files;
    if (parsed.count("files") != 0) files = parsed["files"].as<std::vector<std::string>>();
    if (parsed.count("scenario") != 0) {
      if (files.empty()) return fail(Code::kInvalidArgument, "--scenario: no file is named; see --help");
      return ScenarioCommand{files, parsed["log"].as<std::string>()};
    }
    if (!files.empty()) return fail(Code::kInvalidArgument, "unknown argument '{}'; see --help", files.front());
    if (parsed.count("plants") != 0) return parse_plants(parsed);
    if (parsed.count("convergence") != 0) return parse_convergence(parsed);
    if (parsed.count("broadcast") != 0) return parse_broadcast(parsed);
    return parse_swarm(parsed);
  } catch (const cxxopts::exceptions::exception& error) {
    return fail(Code::kInvalidArgument, "{}; see --help", error.what());
  }
}

Result<int> run(const Command& command) {
  if (const auto* seeds = std::get_if<SeedsCommand>(&command)) return run_seeds(*seeds);
  if (const auto* plants = std::get_if<PlantsCommand>(&command)) return run_plants(*plants);
  if (const auto* convergence = std::get_if<ConvergenceCommand>(&command)) return run_convergence(*convergence);
  if (const auto* broadcast = std::get_if<BroadcastCommand>(&command)) return run_broadcast(*broadcast);
  if (const auto* scenario = std::get_if<ScenarioCommand>(&command))
    return run_scenarios(scenario->files, scenario->log_file);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto command = parse(argc, argv);
  const Result<int> code = command ? run(*command) : Result<int>(fail(command.error()));
  if (code) return *code;
  fmt::print(stderr, "distri-sim: {}\n", code.error().message);
  return 2;
}
