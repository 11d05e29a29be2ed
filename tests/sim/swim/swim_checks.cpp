#include "swim_checks.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace distri::sim {

namespace {

constexpr std::int64_t kSecond = 1000;

std::int64_t log_periods(std::size_t nodes) {
  return static_cast<std::int64_t>(std::ceil(std::log2(static_cast<double>(nodes) + 1)));
}

// Runs until it is so, or for so many seconds; the seconds that it took, -1: never.
template <class Condition>
std::int64_t wait_for(SwimWorld& world, std::int64_t seconds_max, const Condition& condition) {
  for (std::int64_t seconds = 0; seconds <= seconds_max; ++seconds) {
    if (condition()) return seconds;
    world.run_for(kSecond);
  }
  return -1;
}

class Seed {
 public:
  Seed(std::uint64_t seed, std::size_t nodes, const SwimOptions& swim)
      : random_(seed * 2 + 1), world_(options(random_, seed, nodes, swim)) {
    run_.seed = seed;
    run_.nodes = world_.nodes();
  }

  SwimRun run() {
    world_.run_for(30 * kSecond);
    for (int disaster = 0; disaster < 5; ++disaster) {
      switch (random_.below(4)) {
        case 0:
          crash_and_return();
          break;
        case 1:
          partition();
          break;
        case 2:
          pauses();
          break;
        default:
          restart_at_once();
          break;
      }
      heal();
    }
    quiet();
    for (std::size_t machine = 0; machine < world_.nodes(); ++machine) {
      const double seconds = static_cast<double>(world_.now_ms() - begin_ms_) / 1000;
      run_.bytes_per_second =
          std::max(run_.bytes_per_second, static_cast<double>(world_.bytes_sent(machine)) / seconds);
    }
    if (run_.bytes_per_second > kBytesPerSecondMax)
      fail(fmt::format("a node sent {:.0f} bytes a second", run_.bytes_per_second));
    if (world_.largest_message() > membership::kSwimMessageBytesMax) fail("a message is too large");
    run_.trace = world_.trace();
    return run_;
  }

 private:
  static SwimWorldOptions options(Random& random, std::uint64_t seed, std::size_t nodes, const SwimOptions& swim) {
    SwimWorldOptions options;
    options.seed = seed;
    options.nodes = nodes != 0 ? nodes : random.chance(0.7) ? 3 + random.below(18) : 21 + random.below(80);
    options.loss = 0.1 * random.unit();
    options.latency_ms = 1 + static_cast<std::int64_t>(random.below(20));
    options.swim = swim;
    return options;
  }

  void fail(std::string what) { run_.failures.push_back(std::move(what)); }
  std::size_t draw_machine() { return random_.below(world_.nodes()); }

  // Up to a third of them; each is seen dead by all that run, then starts again.
  void crash_and_return() {
    std::vector<std::size_t> crashed;
    for (std::size_t i = 0; i < 1 + world_.nodes() / 3; ++i) {
      const std::size_t machine = draw_machine();
      if (!world_.up(machine) || random_.chance(0.3)) continue;
      world_.crash(machine);
      crashed.push_back(machine);
    }
    const std::int64_t max = crash_periods_max(world_.nodes());
    const std::int64_t took = wait_for(world_, max, [&] { return world_.all_see(crashed, Health::kDead); });
    if (took < 0)
      fail(fmt::format("{} crashed nodes are not seen dead by everybody after {} periods", crashed.size(), max));
    run_.crash_periods = std::max(run_.crash_periods, took);
    for (const std::size_t machine : crashed) world_.start(machine, random_.chance(0.5));
  }

  void partition() {
    std::vector<bool> side(world_.nodes());
    for (std::size_t i = 0; i < side.size(); ++i) side[i] = random_.chance(0.5);
    world_.cut(side);
    world_.run_for(static_cast<std::int64_t>(1 + random_.below(200)) * kSecond);
    world_.heal();
  }

  void pauses() {
    for (std::size_t i = 0; i < 1 + world_.nodes() / 4; ++i) {
      world_.pause(draw_machine(), static_cast<std::int64_t>(1 + random_.below(90)) * kSecond);
      world_.run_for(static_cast<std::int64_t>(random_.below(5)) * kSecond);
    }
    world_.run_for(90 * kSecond);
  }

  // Before anybody has noticed.
  void restart_at_once() {
    const std::size_t machine = draw_machine();
    world_.crash(machine);
    world_.run_for(static_cast<std::int64_t>(random_.below(3 * kSecond)));
    world_.start(machine, random_.chance(0.5));
  }

  void heal() {
    const std::int64_t max = heal_periods_max(world_.nodes());
    const std::int64_t took = wait_for(world_, max, [&] { return world_.truth_is_known(true); });
    if (took < 0) fail(fmt::format("after {} periods without faults somebody is still mistaken", max));
    run_.heal_periods = std::max(run_.heal_periods, took);
  }

  // Whatever is still being told ends, and then nothing changes any more.
  void quiet() {
    world_.set_loss(0);
    world_.run_for(heal_periods_max(world_.nodes()) * kSecond);
    const std::uint64_t before = world_.changes();
    world_.run_for(kQuietPeriods * kSecond);
    if (world_.changes() != before) fail(fmt::format("{} changes of opinion in peace", world_.changes() - before));
    if (!world_.truth_is_known(false)) fail("somebody is mistaken in the end");
  }

  Random random_;
  SwimWorld world_;
  SwimRun run_;
  std::int64_t begin_ms_ = world_.now_ms();
};

}  // namespace

std::int64_t crash_periods_max(std::size_t nodes) {
  return 40 + 10 * log_periods(nodes);
}

std::int64_t heal_periods_max(std::size_t nodes) {
  return 60 + 20 * log_periods(nodes);
}

SwimRun run_swim_seed(std::uint64_t seed, std::size_t nodes, const SwimOptions& swim) {
  return Seed(seed, nodes, swim).run();
}

SwimFigures measure_swim(const SwimWorldOptions& options, double hours) {
  SwimFigures figures;
  SwimWorld world(options);
  world.run_for(60 * kSecond);
  const FalseReports before = world.false_reports();
  std::uint64_t bytes_before = 0;
  for (std::size_t i = 0; i < world.nodes(); ++i) bytes_before += world.bytes_sent(i);
  const double seconds = hours * 3600;
  world.run_for(static_cast<std::int64_t>(seconds * 1000));
  const FalseReports after = world.false_reports();
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < world.nodes(); ++i) bytes += world.bytes_sent(i);
  const auto nodes = static_cast<double>(world.nodes());
  figures.node_hours = hours * nodes;
  figures.reports = {
      after.suspicions_of_healthy - before.suspicions_of_healthy, after.suspicions_of_slow - before.suspicions_of_slow,
      after.deaths_of_healthy - before.deaths_of_healthy,         after.deaths_of_slow - before.deaths_of_slow,
      after.deaths_of_stalled - before.deaths_of_stalled,         after.healthy_seen_dead - before.healthy_seen_dead};
  figures.bytes_per_second = static_cast<double>(bytes - bytes_before) / seconds / nodes;

  // Crashes, so that no gain is bought by never noticing anything.
  constexpr int kCrashes = 5;
  std::int64_t total = 0;
  for (int i = 0; i < kCrashes; ++i) {
    const std::size_t machine = world.nodes() - 1 - static_cast<std::size_t>(i);
    world.crash(machine);
    const auto healthy_know = [&] {
      for (std::size_t by = 0; by < world.nodes(); ++by) {
        if (world.up(by) && !world.slow(by) && world.seen(by, machine) != Health::kDead) return false;
      }
      return true;
    };
    const std::int64_t took = wait_for(world, 600, healthy_know);
    total += took < 0 ? 600 : took;
    world.start(machine, true);
    world.run_for(60 * kSecond);
  }
  figures.crash_periods_mean = static_cast<double>(total) / kCrashes;
  return figures;
}

}  // namespace distri::sim
