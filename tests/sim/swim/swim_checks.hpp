// swim_checks.hpp: what must be true of failure detection in the simulated world, for one seed; and the comparison of
// Lifeguard's refinements with SWIM as it was published.
#pragma once

#include <string>
#include <vector>

#include "swim_world.hpp"

namespace distri::sim {

// Bounds in protocol periods (of a second), for a cluster of this size. So long after crashes everybody alive sees
// those nodes dead: some node's turn to probe them, a suspicion, the telling.
std::int64_t crash_periods_max(std::size_t nodes);
// So long after the last fault nobody takes a node for dead that is not, or the other way round.
std::int64_t heal_periods_max(std::size_t nodes);
// Then, without loss, nobody changes his mind for so long.
inline constexpr std::int64_t kQuietPeriods = 120;
// What a node sends on average, with faults and all.
inline constexpr double kBytesPerSecondMax = 3000;

struct SwimRun {
  std::uint64_t seed = 1;
  std::size_t nodes = 0;
  std::vector<std::string> failures;
  std::int64_t crash_periods = 0;  // the longest, of all crashes
  std::int64_t heal_periods = 0;   // the longest, of all heals
  double bytes_per_second = 0;     // of the node that sent most
  std::uint64_t trace = 0;
};
// Crashes, restarts with and without a clock, pauses, partitions, loss: drawn from the seed. The size, too, if `nodes`
// is 0.
SwimRun run_swim_seed(std::uint64_t seed, std::size_t nodes, const SwimOptions& swim);

struct SwimFigures {
  double node_hours = 0;
  FalseReports reports;
  double bytes_per_second = 0;    // of the average node
  double crash_periods_mean = 0;  // from a crash until everybody alive and healthy sees it
};
// `hours` of simulated time of such a world, then crashes of single healthy nodes.
SwimFigures measure_swim(const SwimWorldOptions& options, double hours);

}  // namespace distri::sim
