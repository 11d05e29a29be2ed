// distri-sim-swim: failure detectors in a simulated world: checks of many seeds, and Lifeguard against plain SWIM.
#include <fmt/format.h>
#include <charconv>
#include <cstdio>
#include <cxxopts.hpp>

#include "swim_checks.hpp"

namespace {

using namespace distri;
using namespace distri::sim;

Result<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return fail(Code::kInvalidArgument, "--seeds: '{}' is not a number; write A..B or one number", text);
  }
  return value;
}

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};
Result<Seeds> parse_seeds(std::string_view text) {
  Seeds seeds;
  const std::size_t dots = text.find("..");
  DISTRI_TRY(seeds.first, parse_number(text.substr(0, dots)));
  seeds.last = seeds.first;
  if (dots != std::string_view::npos) {
    DISTRI_TRY(seeds.last, parse_number(text.substr(dots + 2)));
  }
  if (seeds.last < seeds.first) return fail(Code::kInvalidArgument, "--seeds: {} is an empty range", text);
  return seeds;
}

int run_seeds(const Seeds& seeds, std::size_t nodes, bool plain) {
  const SwimOptions swim = plain ? SwimOptions::plain() : SwimOptions{};
  int failed = 0;
  SwimRun worst;
  std::uint64_t trace = 0;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    const SwimRun run = run_swim_seed(seed, nodes, swim);
    for (const std::string& failure : run.failures) {
      fmt::print("seed {} ({} nodes): {}; replay: distri-sim-swim --seeds {}{}{}\n", seed, run.nodes, failure, seed,
                 nodes == 0 ? "" : fmt::format(" --nodes {}", nodes), plain ? " --plain" : "");
    }
    failed += run.failures.empty() ? 0 : 1;
    worst.crash_periods = std::max(worst.crash_periods, run.crash_periods);
    worst.heal_periods = std::max(worst.heal_periods, run.heal_periods);
    worst.bytes_per_second = std::max(worst.bytes_per_second, run.bytes_per_second);
    trace = trace * 31 + run.trace;
  }
  fmt::print(
      "{} seeds, {} failed; at worst: a crash seen by all after {} periods, the truth known {} periods after a "
      "fault, {:.0f} bytes a second sent by a node; trace {:016x}\n",
      seeds.last - seeds.first + 1, failed, worst.crash_periods, worst.heal_periods, worst.bytes_per_second, trace);
  return failed == 0 ? 0 : 1;
}

struct Row {
  std::string_view name;
  SwimOptions swim;
};

std::vector<Row> rows() {
  std::vector<Row> rows{{"plain SWIM", SwimOptions::plain()}};
  SwimOptions one = SwimOptions::plain();
  one.local_health = true;
  rows.push_back({"+ local health only", one});
  one = SwimOptions::plain();
  one.suspicion = true;
  rows.push_back({"+ suspicion only", one});
  one = SwimOptions::plain();
  one.buddy = true;
  rows.push_back({"+ buddy only", one});
  SwimOptions paper;
  paper.late_grace = false;
  rows.push_back({"Lifeguard (all three)", paper});
  rows.push_back({"and late grace: default", SwimOptions{}});
  return rows;
}

void add(FalseReports& sum, const FalseReports& more) {
  sum.suspicions_of_healthy += more.suspicions_of_healthy;
  sum.suspicions_of_slow += more.suspicions_of_slow;
  sum.deaths_of_healthy += more.deaths_of_healthy;
  sum.deaths_of_slow += more.deaths_of_slow;
  sum.deaths_of_stalled += more.deaths_of_stalled;
  sum.healthy_seen_dead += more.healthy_seen_dead;
}

std::string times(std::uint64_t before, std::uint64_t after) {
  if (after == 0) return fmt::format("none instead of {}", before);
  return fmt::format("{:.1f} x fewer ({} instead of {})", static_cast<double>(before) / static_cast<double>(after),
                     after, before);
}

// Exit code 1 when the default does not bring both figures of healthy nodes down to a tenth.
int compare(const Seeds& seeds, SwimWorldOptions world, double hours) {
  const auto count = static_cast<double>(seeds.last - seeds.first + 1);
  fmt::print("{} nodes, {:.1f}% of them slow, {:.1f}% loss, {} seed(s) of {} h each\n", world.nodes,
             world.slow_share * 100, world.loss * 100, count, hours);
  fmt::print("per node and hour:        suspicions begun of     deaths declared of             seen dead\n");
  constexpr std::string_view kHead = "{:<25}{:>10}{:>10}{:>11}{:>10}{:>10}{:>11}{:>10}{:>16}\n";
  fmt::print(kHead, "", "healthy", "slow", "healthy", "slow", "stalled", "healthy", "bytes/s", "crash, periods");
  FalseReports plain, last;
  for (const Row& row : rows()) {
    last = {};
    double node_hours = 0, bytes_per_second = 0, crash_periods = 0;
    world.swim = row.swim;
    for (world.seed = seeds.first; world.seed <= seeds.last; ++world.seed) {
      const SwimFigures figures = measure_swim(world, hours);
      add(last, figures.reports);
      node_hours += figures.node_hours;
      bytes_per_second += figures.bytes_per_second / count;
      crash_periods += figures.crash_periods_mean / count;
    }
    const auto rate = [&](std::uint64_t number) {
      return fmt::format("{:.3f}", static_cast<double>(number) / node_hours);
    };
    fmt::print(kHead, row.name, rate(last.suspicions_of_healthy), rate(last.suspicions_of_slow),
               rate(last.deaths_of_healthy), rate(last.deaths_of_slow), rate(last.deaths_of_stalled),
               rate(last.healthy_seen_dead), fmt::format("{:.0f}", bytes_per_second),
               fmt::format("{:.1f}", crash_periods));
    if (row.name == "plain SWIM") plain = last;
  }
  fmt::print("of healthy nodes, default against plain SWIM: suspicions {}; deaths {}\n",
             times(plain.suspicions_of_healthy, last.suspicions_of_healthy),
             times(plain.deaths_of_healthy, last.deaths_of_healthy));
  const bool good = last.suspicions_of_healthy * 10 <= plain.suspicions_of_healthy &&
                    last.deaths_of_healthy * 10 <= plain.deaths_of_healthy;
  return good ? 0 : 1;
}

Result<int> run(int argc, char** argv) {
  cxxopts::Options options("distri-sim-swim", "Failure detectors in a simulated world, one per seed.");
  // clang-format off
  options.add_options()
    ("seeds", "seeds to run, A..B or one", cxxopts::value<std::string>()->default_value("1"))
    ("nodes", "nodes, 3 to 100 (default: drawn; with --compare 32)", cxxopts::value<std::size_t>()->default_value("0"))
    ("plain", "SWIM as published, without Lifeguard's refinements")
    ("compare", "count false suspicions and deaths with and without the refinements")
    ("hours", "with --compare: simulated time, 0.1 to 100", cxxopts::value<double>()->default_value("1"))
    ("loss", "with --compare: share of messages lost, 0 to 0.5", cxxopts::value<double>()->default_value("0.05"))
    ("slow", "with --compare: share of nodes that are slow, 0 to 0.5", cxxopts::value<double>()->default_value("0.125"))
    ("h,help", "this text");
  // clang-format on
  try {
    const auto parsed = options.parse(argc, argv);
    if (parsed.count("help") != 0) {
      fmt::print("{}", options.help());
      return 0;
    }
    if (!parsed.unmatched().empty())
      return fail(Code::kInvalidArgument, "unknown argument '{}'", parsed.unmatched()[0]);
    DISTRI_TRY(const Seeds seeds, parse_seeds(parsed["seeds"].as<std::string>()));
    const auto nodes = parsed["nodes"].as<std::size_t>();
    if (nodes != 0 && (nodes < 3 || nodes > 100))
      return fail(Code::kInvalidArgument, "--nodes: {} is not in 3 to 100", nodes);
    if (parsed.count("compare") == 0) return run_seeds(seeds, nodes, parsed.count("plain") != 0);
    SwimWorldOptions world;
    world.nodes = nodes == 0 ? 32 : nodes;
    world.loss = parsed["loss"].as<double>();
    world.slow_share = parsed["slow"].as<double>();
    const auto hours = parsed["hours"].as<double>();
    if (!(world.loss >= 0 && world.loss <= 0.5)) return fail(Code::kInvalidArgument, "--loss: it is not in 0 to 0.5");
    if (!(world.slow_share >= 0 && world.slow_share <= 0.5))
      return fail(Code::kInvalidArgument, "--slow: it is not in 0 to 0.5");
    if (!(hours >= 0.1 && hours <= 100)) return fail(Code::kInvalidArgument, "--hours: it is not in 0.1 to 100");
    return compare(seeds, world, hours);
  } catch (const cxxopts::exceptions::exception& error) {
    return fail(Code::kInvalidArgument, "{}", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto code = run(argc, argv);
  if (code) return *code;
  fmt::print(stderr, "distri-sim-swim: {}\n", code.error().message);
  return 2;
}
