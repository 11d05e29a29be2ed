// distri-sim: clusters of real replicas in a simulated world, one per seed.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cxxopts.hpp>
#include <memory>

#include "cluster.hpp"

namespace {

using namespace distri;
using namespace distri::sim;

struct Arguments {
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  ClusterOptions cluster;
  std::string fault;
  std::string plant;
  std::string log_file;
  std::string json_file;
};

std::string known_faults() {
  std::string names;
  for (const FaultName& entry : kFaultNames) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return names;
}

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalidArgument, "--seeds: '{}' is not a number; write A..B or one number", text);
  }
  return value;
}

Result<> parse_seeds(std::string_view text, Arguments& arguments) {
  const std::size_t dots = text.find("..");
  DISTRI_TRY(arguments.first_seed, parse_number(text.substr(0, dots)));
  arguments.last_seed = arguments.first_seed;
  if (dots != std::string_view::npos) {
    DISTRI_TRY(arguments.last_seed, parse_number(text.substr(dots + 2)));
  }
  if (arguments.last_seed < arguments.first_seed)
    return fail(Code::kInvalidArgument, "--seeds: {} is an empty range", text);
  return {};
}

Result<> parse_plant(Arguments& arguments) {
  if (arguments.plant.empty()) return {};
  for (const auto& [name, plant] : {std::pair("corrupt-document", Plant::kCorruptDocument),
                                    std::pair("lose-op", Plant::kLoseOp), std::pair("lose-write", Plant::kLoseWrite)}) {
    if (arguments.plant == name) arguments.cluster.plant = plant;
  }
  if (arguments.cluster.plant != Plant::kNone) return {};
  return fail(Code::kInvalidArgument, "--plant: unknown defect '{}'; known are corrupt-document, lose-op, lose-write",
              arguments.plant);
}

Result<> parse_fault(Arguments& arguments) {
  if (arguments.fault.empty()) return {};
  for (const FaultName& entry : kFaultNames) {
    if (entry.name == arguments.fault) arguments.cluster.fault = entry.fault;
  }
  if (!arguments.cluster.fault)
    return fail(Code::kInvalidArgument, "--fault: unknown fault '{}'; known are {}", arguments.fault, known_faults());
  return {};
}

// nullopt: help was asked for and has been printed.
Result<std::optional<Arguments>> parse(int argc, char** argv) {
  cxxopts::Options options("distri-sim",
                           "Runs simulated clusters, one per seed, under faults; checks that they converge.");
  // clang-format off
  options.add_options()
    ("seeds", "seeds to run, A..B or one", cxxopts::value<std::string>())
    ("nodes", "nodes per cluster, 2 to 100", cxxopts::value<std::size_t>()->default_value("5"))
    ("ops", "writes per cluster, about", cxxopts::value<std::size_t>()->default_value("1000"))
    ("fault", "exactly this fault instead of a drawn mixture: " + known_faults(), cxxopts::value<std::string>()->default_value(""))
    ("plant", "bring in a defect: corrupt-document, lose-op, lose-write", cxxopts::value<std::string>()->default_value(""))
    ("log", "write what happens to this file", cxxopts::value<std::string>()->default_value(""))
    ("json", "write the figures to this file", cxxopts::value<std::string>()->default_value(""))
    ("h,help", "this text");
  // clang-format on
  try {
    const auto parsed = options.parse(argc, argv);
    if (parsed.count("help") != 0) {
      std::fputs(options.help().c_str(), stdout);
      return std::nullopt;
    }
    if (!parsed.unmatched().empty())
      return fail(Code::kInvalidArgument, "unknown argument '{}'; see --help", parsed.unmatched().front());
    if (parsed.count("seeds") == 0) return fail(Code::kInvalidArgument, "--seeds A..B is missing; see --help");
    Arguments arguments;
    DISTRI_TRY_VOID(parse_seeds(parsed["seeds"].as<std::string>(), arguments));
    arguments.cluster.nodes = parsed["nodes"].as<std::size_t>();
    arguments.cluster.ops = parsed["ops"].as<std::size_t>();
    arguments.fault = parsed["fault"].as<std::string>();
    arguments.plant = parsed["plant"].as<std::string>();
    arguments.log_file = parsed["log"].as<std::string>();
    arguments.json_file = parsed["json"].as<std::string>();
    if (arguments.cluster.nodes < 2 || arguments.cluster.nodes > 100) {
      return fail(Code::kInvalidArgument, "--nodes: {} is not in 2 to 100", arguments.cluster.nodes);
    }
    DISTRI_TRY_VOID(parse_fault(arguments));
    DISTRI_TRY_VOID(parse_plant(arguments));
    return arguments;
  } catch (const cxxopts::exceptions::exception& error) {
    return fail(Code::kInvalidArgument, "{}; see --help", error.what());
  }
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Result<File> open_file(const std::string& name) {
  File file(name.empty() ? nullptr : std::fopen(name.c_str(), "w"), &std::fclose);
  if (!name.empty() && !file) return fail(Code::kInvalidArgument, "cannot write to '{}'", name);
  return file;
}

std::string replay_command(const Arguments& arguments, std::uint64_t seed) {
  std::string command =
      fmt::format("distri-sim --seeds {} --nodes {} --ops {}", seed, arguments.cluster.nodes, arguments.cluster.ops);
  if (!arguments.fault.empty()) command += " --fault " + arguments.fault;
  if (!arguments.plant.empty()) command += " --plant " + arguments.plant;
  return command;
}

Result<int> run(const Arguments& arguments) {
  DISTRI_TRY(const File log_file, open_file(arguments.log_file));
  DISTRI_TRY(const File json_file, open_file(arguments.json_file));
  EventLog log(log_file.get());
  std::vector<std::uint64_t> failed;
  Millis simulated_ms = 0;
  std::uint64_t runs = 0;
  const auto started = std::chrono::steady_clock::now();
  for (std::uint64_t seed = arguments.first_seed; seed <= arguments.last_seed; ++seed, ++runs) {
    ClusterOptions options = arguments.cluster;
    options.seed = seed;
    log.line("seed {}", seed);
    Cluster cluster(options, log);
    const auto failure = cluster.run();
    simulated_ms += cluster.simulated_ms();
    if (!failure) continue;
    failed.push_back(seed);
    fmt::print("seed {} failed: {}; replay: {}\n", seed, *failure, replay_command(arguments, seed));
    std::fflush(stdout);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const double simulated = static_cast<double>(simulated_ms) / 1000;
  fmt::print("{} seeds, {} failed, {:.0f} simulated seconds in {:.1f} s, log hash {:016x}\n", runs, failed.size(),
             simulated, seconds, log.hash());
  if (json_file) {
    fmt::print(json_file.get(), "{{\"seeds\":{},\"failed\":[{}],\"simulated_seconds\":{:.3f},\"seconds\":{:.3f}}}\n",
               runs, fmt::join(failed, ","), simulated, seconds);
  }
  return failed.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  auto arguments = parse(argc, argv);
  if (arguments && !*arguments) return 0;
  const Result<int> code = arguments ? run(**arguments) : Result<int>(fail(arguments.error()));
  if (code) return *code;
  fmt::print(stderr, "distri-sim: {}\n", code.error().message);
  return 2;
}
