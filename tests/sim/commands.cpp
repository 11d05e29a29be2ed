#include "commands.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "broadcast.hpp"
#include "percentiles.hpp"
#include "scenario.hpp"

namespace distri::sim {

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Result<File> open_file(const std::string& name) {
  File file(name.empty() ? nullptr : std::fopen(name.c_str(), "w"), &std::fclose);
  if (!name.empty() && !file) return distri::fail(Code::kInvalidArgument, "cannot write to '{}'", name);
  return file;
}

double seconds_since(std::chrono::steady_clock::time_point started) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

std::string replay_command(const SeedsCommand& command, std::uint64_t seed) {
  std::string text = fmt::format("distri-sim --seeds {} --ops {}", seed, command.swarm.ops);
  if (command.swarm.members) text += " --members";
  if (command.swarm.nodes != 0) text += fmt::format(" --nodes {}", command.swarm.nodes);
  if (!command.fault.empty()) text += " --fault " + command.fault;
  if (!command.plant.empty()) text += " --plant " + command.plant;
  return text;
}

// A failure without the names, numbers and places that differ from seed to seed: which checker spoke.
std::string kind_of(const std::string& failure) {
  std::istringstream words(failure);
  std::string result;
  for (std::string word; words >> word;) {
    if (word.ends_with(':') && word.size() <= 4 && result.empty()) continue;  // the node's name
    if (std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; }) ||
        word.front() == '\'' || word.size() <= 1) {
      word = "..";
    }
    result += (result.empty() ? "" : " ") + word;
  }
  return result.substr(0, 90);
}

struct Caught {
  std::vector<std::uint64_t> seeds;  // how many each round took
  std::map<std::string, int> by;
  std::uint64_t missed = 0;
};

// What a tree does not bring gossip does, so that nobody's promise is broken: only the measurement shows it.
bool slows_broadcast(const Defect& defect) {
  return defect.replica == replication::Plant::kNeverAnnounce;
}

std::optional<std::string> judge(const SwarmOptions& options, EventLog& log) {
  if (slows_broadcast(options.defect)) return judge_broadcast(options.seed, options.defect);
  return Swarm(options, log).run();
}

Caught catch_plant(const DefectName& plant, const PlantsCommand& command) {
  Caught caught;
  EventLog log(nullptr);
  for (std::uint64_t round = 0; round < command.rounds; ++round) {
    std::optional<std::string> failure;
    std::uint64_t tried = 0;
    while (!failure && tried < command.seeds_max) {
      SwarmOptions options;
      options.seed = command.first_seed + round * 100'000 + tried++;
      options.ops = command.ops;
      options.defect = plant.defect;
      options.members = plant.defect.members;
      failure = judge(options, log);
      // The control: a seed that fails without the defect says nothing about it.
      const bool of_broadcast = slows_broadcast(options.defect);
      options.defect = {};
      if (failure && (of_broadcast ? judge_broadcast(options.seed, {}) : judge(options, log))) failure.reset();
    }
    if (failure) {
      caught.seeds.push_back(tried);
      ++caught.by[kind_of(*failure)];
    } else {
      ++caught.missed;
      caught.seeds.push_back(command.seeds_max + 1);
    }
  }
  std::sort(caught.seeds.begin(), caught.seeds.end());
  return caught;
}

std::string most_frequent(const std::map<std::string, int>& counts) {
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? "nothing" : most->first;
}

std::string to_json(const Traffic& traffic) {
  return fmt::format("{{\"kbit_per_s\":{:.3f},\"network_kbit_per_s\":{:.3f},\"messages_per_s\":{:.3f}}}",
                     traffic.kbit_per_s(), traffic.network_kbit_per_s(), traffic.messages_per_s());
}

}  // namespace

Result<int> run_seeds(const SeedsCommand& command) {
  DISTRI_TRY(const File log_file, open_file(command.log_file));
  DISTRI_TRY(const File json_file, open_file(command.json_file));
  EventLog log(log_file.get());
  std::vector<std::uint64_t> failed;
  Millis simulated_ms = 0;
  std::uint64_t runs = 0;
  const auto started = std::chrono::steady_clock::now();
  for (std::uint64_t seed = command.first_seed; seed <= command.last_seed; ++seed, ++runs) {
    SwarmOptions options = command.swarm;
    options.seed = seed;
    Swarm swarm(options, log);
    const auto failure = swarm.run();
    simulated_ms += swarm.simulated_ms();
    if (!failure) continue;
    failed.push_back(seed);
    fmt::print("seed {} failed: {}; replay: {}\n", seed, *failure, replay_command(command, seed));
    std::fflush(stdout);
  }
  const double seconds = seconds_since(started);
  const double simulated = static_cast<double>(simulated_ms) / 1000;
  fmt::print("{} seeds, {} failed, {:.2f} simulated hours in {:.1f} s, log hash {:016x}\n", runs, failed.size(),
             simulated / 3600, seconds, log.hash());
  if (json_file) {
    fmt::print(json_file.get(), "{{\"seeds\":{},\"failed\":[{}],\"simulated_seconds\":{:.3f},\"seconds\":{:.3f}}}\n",
               runs, fmt::join(failed, ","), simulated, seconds);
  }
  return failed.empty() ? 0 : 1;
}

Result<int> run_plants(const PlantsCommand& command) {
  DISTRI_TRY(const File json_file, open_file(command.json_file));
  std::vector<DefectName> plants;
  for (const DefectName& plant : kDefectNames) {
    const bool named = std::find(command.names.begin(), command.names.end(), plant.name) != command.names.end();
    if (command.names.empty() || named) plants.push_back(plant);
  }
  bool all = true;
  std::string json;
  fmt::print("{:<24}{:>7}{:>7}{:>8}  caught by (most often)\n", "defect", "median", "most", "missed");
  for (const DefectName& plant : plants) {
    const Caught caught = catch_plant(plant, command);
    const std::uint64_t median = caught.seeds[caught.seeds.size() / 2];
    const std::string by = most_frequent(caught.by);
    fmt::print("{:<24}{:>7}{:>7}{:>8}  {}\n", plant.name, median, caught.seeds.back(), caught.missed, by);
    std::fflush(stdout);
    json += fmt::format("{}{{\"name\":\"{}\",\"seeds\":[{}],\"median\":{},\"missed\":{},\"by\":\"{}\"}}",
                        json.empty() ? "" : ",", plant.name, fmt::join(caught.seeds, ","), median, caught.missed, by);
    all = all && caught.missed == 0;
  }
  if (json_file) {
    fmt::print(json_file.get(), "{{\"rounds\":{},\"seeds_max\":{},\"plants\":[{}]}}\n", command.rounds,
               command.seeds_max, json);
  }
  return all ? 0 : 1;
}

Result<int> run_convergence(const ConvergenceCommand& command) {
  DISTRI_TRY(const File json_file, open_file(command.json_file));
  const ConvergenceOptions& options = command.options;
  fmt::print(
      "From a write's turn at one node until every other node shows it; memory-only replicas, all linked to all, links "
      "of {} to {} ms that lose {:g}% of all messages for good; {} writes a seed, one by one, 1 to {} ms apart; seeds "
      "{}..{}; simulated time.\n"
      "Traffic is what one node sends a second: encoded messages with {} bytes of framing each, and (on the network) "
      "{} "
      "more for TLS, TCP and IP; idle for {} s after the last write.\n",
      options.latency_ms, options.latency_ms + Convergence::kJitterMs, options.loss * 100, options.writes,
      Convergence::kGapMsMax, command.first_seed, command.last_seed, Convergence::kFrameBytes,
      Convergence::kNetworkBytes, Convergence::kIdleMs / 1000);
  fmt::print("{:>6} |{:>27} |{:>27} |{:>26} |{:>26}\n", "", "ms until the last node", "ms until any one node",
             "idle kbit/s (network)", "writing kbit/s (network)");
  fmt::print("{:>6} |{:>9}{:>9}{:>9} |{:>9}{:>9}{:>9} |\n", "nodes", "p50", "p99", "max", "p50", "p99", "max");
  EventLog log(nullptr);
  std::string clusters;
  for (const std::size_t nodes : command.nodes) {
    ConvergenceFigures all;
    for (std::uint64_t seed = command.first_seed; seed <= command.last_seed; ++seed) {
      ConvergenceOptions one = options;
      one.nodes = nodes;
      one.seed = seed;
      DISTRI_TRY(const ConvergenceFigures figures, Convergence(one, log).run());
      all.add(figures);
    }
    const Percentiles every(all.every_node_ms);
    const Percentiles each(all.each_node_ms);
    fmt::print("{:>6} |{:>9}{:>9}{:>9} |{:>9}{:>9}{:>9} |{:>14.1f} ({:>9.1f}) |{:>14.1f} ({:>9.1f})\n", nodes,
               every.p50, every.p99, every.max, each.p50, each.p99, each.max, all.idle.kbit_per_s(),
               all.idle.network_kbit_per_s(), all.writing.kbit_per_s(), all.writing.network_kbit_per_s());
    std::fflush(stdout);
    clusters += fmt::format(
        "{}{{\"nodes\":{},\"writes\":{},\"every_node_ms\":{},\"each_node_ms\":{},\"idle\":{},\"writing\":{}}}",
        clusters.empty() ? "" : ",", nodes, all.every_node_ms.size(), every.json(), each.json(), to_json(all.idle),
        to_json(all.writing));
  }
  if (json_file) {
    fmt::print(
        json_file.get(),
        "{{\"latency_ms\":{},\"jitter_ms\":{},\"loss\":{:g},\"first_seed\":{},\"last_seed\":{},\"frame_bytes\":{},"
        "\"network_bytes\":{},\"idle_ms\":{},\"clusters\":[{}]}}\n",
        options.latency_ms, Convergence::kJitterMs, options.loss, command.first_seed, command.last_seed,
        Convergence::kFrameBytes, Convergence::kNetworkBytes, Convergence::kIdleMs, clusters);
  }
  return 0;
}

Result<int> run_scenarios(const std::vector<std::string>& files, const std::string& log_file) {
  DISTRI_TRY(const File log_to, open_file(log_file));
  EventLog log(log_to.get());
  bool all = true;
  for (const std::string& name : files) {
    std::ifstream in(name);
    if (!in) return distri::fail(Code::kInvalidArgument, "--scenario: cannot read '{}'", name);
    std::stringstream text;
    text << in.rdbuf();
    const auto result = Scenario::run(name, text.str(), log);
    if (!result && result.error().code == Code::kInvalidArgument) return distri::fail(result.error());
    fmt::print("{}\n", result ? name + ": ok" : result.error().message);
    all = all && result.has_value();
  }
  return all ? 0 : 1;
}

}  // namespace distri::sim
