#include "swarm.hpp"

#include <algorithm>
#include <array>

namespace distri::sim {

namespace {

bool needs_disk(Fault fault) {
  switch (fault) {
    case Fault::kCrashAtWrite:
    case Fault::kLostFsync:
    case Fault::kBitFlip:
    case Fault::kDiskFull:
    case Fault::kSlowSync:
    case Fault::kRestoredBackup:
    case Fault::kClone:
      return true;
    default:
      return false;
  }
}

// "after": seeds that are known, such as 3222, draw nothing from it.
constexpr std::uint64_t kLaterStream = 0x6166746572;
constexpr std::uint64_t kLeasesStream = 0x6c6561736573;  // "leases"
constexpr std::uint64_t kCappedStream = 0x636170706564;  // "capped"
constexpr std::uint64_t kTreeStream = 0x74726565;        // "tree"
constexpr double kApartChance = 0.25;

// Each from its own stream.
FaultSet with_apart(FaultSet faults, Random& leases, Random& capped, Random tree, bool forced) {
  if (!forced && leases.chance(kApartChance)) faults.add(Fault::kLeases);
  if (!forced && capped.chance(kApartChance)) faults.add(Fault::kCapped);
  if (!forced && tree.chance(kApartChance)) faults.add(Fault::kTree);
  return faults;
}

// Who comes, goes or is copied is decided elsewhere then.
FaultSet without_comers(FaultSet faults, bool members) {
  for (const Fault fault : {Fault::kClone, Fault::kRemove, Fault::kReplace, Fault::kJoin}) {
    if (members) faults.remove(fault);
  }
  return faults;
}

// Mostly few, as of few each is more; sometimes some tens.
std::size_t size_with_keys(const SwarmOptions& options, Random& random) {
  const std::uint64_t size = random.below(50);
  const std::size_t drawn = size == 0 ? 16 + random.below(25) : size < 5 ? 8 + random.below(8) : 3 + random.below(5);
  return options.nodes != 0 ? options.nodes : drawn;
}

}  // namespace

WorldOptions Swarm::draw(const SwarmOptions& options, const FaultSet& faults, Random& random, Random& later) {
  WorldOptions world;
  const std::uint64_t size = random.below(20);
  const std::size_t drawn = size == 0 ? 2 : size == 1 ? 8 + random.below(8) : 3 + random.below(5);
  world.nodes = options.nodes != 0 ? options.nodes : drawn;
  if (options.members) world.nodes = size_with_keys(options, later);
  world.nodes_max = world.nodes + (faults.has(Fault::kJoin) ? 1 + random.below(2) : 0);
  if (faults.has(Fault::kClone)) world.nodes_max += kClonesMax;
  if (options.members) world.nodes_max = world.nodes + Members::kJoinsMax;
  const std::uint64_t mode = random.below(10);
  world.durability = mode < 3 ? Durability::kMemory : mode < 5 ? Durability::kBatched : Durability::kSync;
  if (std::any_of(options.faults.begin(), options.faults.end(), needs_disk)) world.durability = Durability::kSync;
  constexpr std::array kModes{Durability::kMemory, Durability::kBatched, Durability::kSync};
  while (faults.has(Fault::kMixedDurability) && world.mixed.size() < world.nodes_max)
    world.mixed.push_back(kModes[later.below(kModes.size())]);
  world.sync_ms_max = faults.has(Fault::kSlowSync) ? 300 : 3;
  world.defect = options.defect;
  replication::ReplicaConfig& config = world.config;
  config.gossip_ms = 200;
  config.pull_timeout_ms = 1'000;
  config.holdback_ms_max = 5'000;
  config.pull_chunk_bytes = std::array<std::size_t, 3>{512, 4096, 1u << 20}[random.below(3)];
  config.log_bytes_max = faults.has(Fault::kSmallLog) ? 2'000 + random.below(20'000) : 16u << 20;
  config.holdback_bytes_max = faults.has(Fault::kSmallHoldback) ? 4'000 : 4u << 20;
  config.members = static_cast<std::uint32_t>(world.nodes_max);
  if (faults.has(Fault::kTree)) config.direct_nodes_max = 1;
  config.fold_after_ms = random.chance(0.5) ? 2'000 : 600'000;
  if (faults.has(Fault::kSmallBudgets)) {
    config.tombstones_max = 1 + random.below(8);
    config.conflicts_max = 1 + random.below(8);
  }
  return world;
}

Swarm::Swarm(const SwarmOptions& options, EventLog& log)
    : options_(options),
      log_(log),
      random_(options.seed),
      later_(options.seed ^ kLaterStream),
      leases_(options.seed ^ kLeasesStream),
      capped_(options.seed ^ kCappedStream),
      faults_(without_comers(with_apart(FaultSet(random_, later_, options.faults), leases_, capped_,
                                        Random(options.seed ^ kTreeStream), !options.faults.empty()),
                             options.members)),
      world_(draw(options, faults_, random_, later_), faults_, random_, log),
      clients_(4) {
  if (options.members) members_ = std::make_unique<Members>(world_, options.seed, options.defect);
  crashed_ = options.members;
  turns_left_ = options.ops / 2;
  turn_gap_ms_ = static_cast<Millis>(1 + random_.below(50));
  log_documents_ = 2 + static_cast<std::int64_t>(capped_.below(9));
  for (std::size_t i = 0; i < world_.size(); ++i) {
    if (faults_.has(Fault::kClockSkew))
      world_.machine(i).clock_offset_ms = static_cast<Millis>(random_.below(40'000)) - 20'000;
  }
  watchers_.emplace_back(world_, WatchClient::Habits{}, options.seed * 3);
  watchers_.emplace_back(world_, WatchClient::Habits{{}, 2, 300, 1}, options.seed * 3 + 1);
  watchers_.emplace_back(world_, WatchClient::Habits{"birds", 1'000, 1u << 20, 8}, options.seed * 3 + 2);
  world_.turned = [this](std::size_t i) {
    for (WatchClient& watcher : watchers_) watcher.turned(i);
  };
  world_.duplicate_identity_expected = faults_.has(Fault::kClone);
  world_.crash_point = [this](std::size_t i) {
    return faults_.has(Fault::kCrashAtWrite) && !healed_ && random_.chance(0.002) && crash_and_restart(i);
  };
  world_.met = [this](std::size_t from, std::size_t to) {
    // The replicas compare digests at every meeting themselves; in a large cluster we look at some of them only.
    if (random_.below(world_.size()) < 7) check_meeting(world_, from, to);
    if (random_.below(2 * world_.size()) == 0) check_step(world_, to);
    if (random_.below(400) == 0) check_against_model(world_, to);
  };
}

void Swarm::agree() {
  const Millis since = world_.now();
  const auto all = [this] { return (!members_ || !members_->unsettled()) && agreed(world_); };
  if (!world_.run_until(since + kLivenessMs, all)) {
    const auto why = members_ ? members_->unsettled() : std::nullopt;
    world_.fail(fmt::format("no agreement within {} s after the faults ended{}{}", kLivenessMs / 1000, why ? ": " : "",
                            why.value_or("")));
  }
  log_.line("{} agreed after {} ms", world_.now(), world_.now() - since);
}

std::optional<std::string> Swarm::run() {
  log_.line("seed {}: {} nodes, members {}, durability {}, faults {}", options_.seed, world_.size(),
            world_.options().config.members, static_cast<int>(world_.options().durability), faults_.to_string());
  for (std::size_t i = 0; i < world_.size(); ++i) world_.start(i);
  world_.connect_all();
  first_tallies();
  if (members_) members_->begin();
  world_.schedule(turn_gap_ms_, [this] { client_turn(); });
  world_.schedule(500, [this] { disaster(); });
  world_.run_until(3'600'000, [this] { return turns_left_ == 0; });
  heal();
  agree();
  if (!world_.failure()) last_writes();
  if (!world_.failure()) agree();
  if (members_ && !world_.failure()) members_->check_end();
  if (!world_.failure()) check_leases();
  if (!world_.failure()) check_capped();
  if (!world_.failure()) check_end(world_);
  if (!world_.failure()) check_copies_noticed(world_);
  for (WatchClient& watcher : watchers_) {
    if (!world_.failure()) watcher.check_end();
  }
  if (!world_.failure()) check_sessions();
  if (!world_.failure()) check_tallies();
  return world_.failure();
}

}  // namespace distri::sim
