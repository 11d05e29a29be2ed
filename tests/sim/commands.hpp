// commands.hpp: what the program distri-sim does, once its arguments are read. Each returns the program's exit code.
#pragma once

#include <string>
#include <vector>

#include "convergence.hpp"
#include "swarm.hpp"

namespace distri::sim {

struct SeedsCommand {
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 1;
  SwarmOptions swarm;
  std::string fault;
  std::string plant;
  std::string log_file;
  std::string json_file;
};
// One line for each seed that fails, with the command that replays it.
Result<int> run_seeds(const SeedsCommand& command);

struct PlantsCommand {
  std::vector<std::string> names;  // empty: all
  std::uint64_t first_seed = 1;
  std::uint64_t seeds_max = 200;  // a defect that so many seeds do not show is not caught
  std::uint64_t rounds = 5;       // from different first seeds
  std::size_t ops = 1000;
  std::string json_file;
};
// Runs each planted defect until a checker sees it, several times; prints a table. 1 when one was not caught.
Result<int> run_plants(const PlantsCommand& command);

struct ConvergenceCommand {
  std::vector<std::size_t> nodes{10, 100};  // one cluster of each size for every seed
  ConvergenceOptions options;               // its seed and nodes are filled in
  std::uint64_t first_seed = 1;
  std::uint64_t last_seed = 3;
  std::string json_file;
};
// Measures, and prints a table that says what of.
Result<int> run_convergence(const ConvergenceCommand& command);

// Runs scripts; one line for each that fails.
Result<int> run_scenarios(const std::vector<std::string>& files, const std::string& log_file);

}  // namespace distri::sim
