#include "broadcast.hpp"

#include <algorithm>
#include <utility>

#include "checkers.hpp"
#include "distri/replication/op_log.hpp"
#include "percentiles.hpp"

namespace distri::sim {

using replication::MessageKind;

void BroadcastFigures::add(const BroadcastFigures& other) {
  batches += other.batches;
  died += other.died;
  minimum_bytes += other.minimum_bytes;
  push_bytes += other.push_bytes;
  control_bytes += other.control_bytes;
  pull_bytes += other.pull_bytes;
  gossip_bytes += other.gossip_bytes;
  busiest_bytes += other.busiest_bytes;
  batch_bytes += other.batch_bytes;
  duration_ms += other.duration_ms;
  nodes = other.nodes;
  eager_max = std::max(eager_max, other.eager_max);
  neighbours_max = std::max(neighbours_max, other.neighbours_max);
  times.insert(times.end(), other.times.begin(), other.times.end());
}

double BroadcastFigures::ratio() const {
  if (minimum_bytes == 0) return 0;
  return static_cast<double>(push_bytes + control_bytes + pull_bytes) / static_cast<double>(minimum_bytes);
}

std::optional<std::string> BroadcastFigures::missed() const {
  if (ratio() > kBroadcastRatioMax) return fmt::format("{:.2f} x the minimum is sent", ratio());
  if (static_cast<double>(pull_bytes) > kBroadcastPullsMax * static_cast<double>(minimum_bytes))
    return fmt::format("what the tree does not bring is pulled: {} bytes", pull_bytes);
  if (const Percentiles of(times); of.p99 > kBroadcastP99MsMax)
    return fmt::format("one batch in a hundred takes {} ms", of.p99);
  return std::nullopt;
}

WorldOptions Broadcast::world_options(const BroadcastOptions& options) {
  WorldOptions world;
  world.nodes = world.nodes_max = options.nodes;
  world.config.members = static_cast<std::uint32_t>(options.nodes);
  world.defect = options.defect;
  if (!options.tree) world.config.direct_nodes_max = options.nodes;
  return world;
}

Broadcast::Broadcast(const BroadcastOptions& options, EventLog& log)
    : options_(options),
      random_(options.seed),
      world_(world_options(options), FaultSet(), random_, log),
      left_(options.batches),
      pushed_(options.nodes) {
  world_.network().set_links(options.latency_ms, kJitterMs, options.loss);
  world_.turned = [this](std::size_t i) { look(i); };
  world_.sent = [this](std::size_t from, MessageKind kind, std::size_t payload_bytes) {
    count(from, kind, payload_bytes);
  };
}

void Broadcast::count(std::size_t from, MessageKind kind, std::size_t payload_bytes) {
  if (!counting_) return;
  const std::size_t bytes = payload_bytes + kFrameBytes;
  switch (kind) {
    case MessageKind::kBatch:
    case MessageKind::kTreeBatch:
      figures_.push_bytes += bytes;
      pushed_[from] += bytes;
      return;
    case MessageKind::kHave:
    case MessageKind::kGraft:
    case MessageKind::kPrune:
      figures_.control_bytes += bytes;
      return;
    case MessageKind::kPull:
    case MessageKind::kPullReply:
    case MessageKind::kState:
      figures_.pull_bytes += bytes;
      return;
    case MessageKind::kUpdateInfo:
    case MessageKind::kHeartbeat:
    case MessageKind::kWantInfo:
      figures_.gossip_bytes += bytes;
      return;
    default:
      world_.fail(fmt::format("a message of kind {} was not expected", static_cast<int>(kind)));
  }
}

void Broadcast::write() {
  if (left_ == 0) return;
  const std::size_t i = random_.below(std::min(kWriters, world_.size()));
  if (world_.running(i)) {
    bson::Builder document;
    document.append_int64("_id", static_cast<std::int64_t>(left_--));
    document.append_string("text", std::string(kDocumentBytes, 'x'));
    batches_.push_back({{}, world_.now(), i, 0, {}, {}});
    const auto done = world_.turn(i, {[&](replication::Replica& replica, Millis now) -> Result<> {
                                    DISTRI_TRY_VOID(replica.insert("documents", std::move(document).finish(), now));
                                    batches_.back().dot = replica.newest_own_dot();
                                    return {};
                                  }});
    if (!done) world_.fail(fmt::format("a write is refused: {}", done.error().message));
    const auto& log = world_.machine(i).replica->log();
    Sent& batch = batches_.back();
    batch.bytes = log.at(log.end_position() - 1).batch->size();
    std::size_t others = 0;
    for (std::size_t other = 0; other < world_.size(); ++other) others += other != i && world_.running(other) ? 1 : 0;
    figures_.batch_bytes += batch.bytes + kFrameBytes;
    figures_.minimum_bytes += others * (batch.bytes + kFrameBytes);
    ++figures_.batches;
  }
  if (left_ <= options_.batches / 2 && !std::exchange(crashed_, true)) crash_some();
  world_.schedule(static_cast<Millis>(1 + random_.below(options_.gap_ms_max)), [this] { write(); });
}

// The first of them is a writer.
void Broadcast::crash_some() {
  for (std::size_t crashed = 0; crashed < options_.crashes;) {
    const std::size_t i = crashed == 0 ? 0 : kWriters + random_.below(world_.size() - kWriters);
    if (!world_.running(i)) continue;
    world_.crash(i);
    ++crashed;
  }
}

// What does that machine hold now that it did not hold before?
void Broadcast::look(std::size_t i) {
  const VersionVector& vector = world_.machine(i).replica->vector();
  for (std::size_t at = whole_; at < batches_.size(); ++at) {
    Sent& batch = batches_[at];
    if (batch.held.test(i) || !vector.covers(batch.dot)) continue;
    batch.held.set(i);
    batch.times[i] = world_.now() - batch.at;
  }
  while (whole_ < batches_.size() && batches_[whole_].held.count() == world_.size()) ++whole_;
}

// Every batch that anybody who runs holds is held by all who do.
bool Broadcast::everywhere() const {
  std::bitset<kNodesMax> run;
  for (std::size_t i = 0; i < world_.size(); ++i) run.set(i, world_.running(i));
  return left_ == 0 &&
         std::all_of(batches_.begin() + static_cast<std::ptrdiff_t>(whole_), batches_.end(), [&run](const Sent& batch) {
           const auto held = batch.held & run;
           return held.none() || held == run;
         });
}

void Broadcast::judge(const Sent& batch) {
  bool died = true;
  for (std::size_t i = 0; i < world_.size(); ++i) {
    if (i == batch.writer || !world_.running(i)) continue;
    if (!batch.held.test(i)) continue;
    died = false;
    figures_.times.push_back(batch.times[i]);
  }
  if (died) ++figures_.died;
}

Result<BroadcastFigures> Broadcast::run() {
  const auto gossip_ms = static_cast<std::uint64_t>(world_.options().config.gossip_ms);
  for (std::size_t i = 0; i < world_.size(); ++i) {
    world_.schedule(static_cast<Millis>(random_.below(gossip_ms)), [this, i] {
      world_.start(i);
      for (std::size_t other = 0; other < world_.size(); ++other) world_.connect(i, other);
    });
  }
  world_.run_for(kSettleMs);
  counting_ = true;
  const Millis since = world_.now();
  write();
  const Millis end = since + static_cast<Millis>(options_.batches * options_.gap_ms_max) + kGiveUpMs;
  if (!world_.run_until(end, [this] { return everywhere(); }) && !world_.failure())
    world_.fail(fmt::format("a batch is not everywhere after {} s", kGiveUpMs / 1000));
  world_.run_for(kTailMs);
  figures_.duration_ms = world_.now() - since;
  figures_.nodes = world_.size();
  figures_.busiest_bytes = *std::max_element(pushed_.begin(), pushed_.end());
  for (const Sent& batch : batches_) judge(batch);
  for (std::size_t i = 0; i < world_.size() && !world_.failure(); ++i) {
    if (!world_.running(i)) continue;
    const auto counters = world_.machine(i).replica->counters();
    figures_.eager_max = std::max<std::size_t>(figures_.eager_max, counters.tree_eager);
    figures_.neighbours_max = std::max<std::size_t>(figures_.neighbours_max, counters.tree_neighbours);
    check_meeting(world_, world_.size() - 1, i);
  }
  if (world_.failure())
    return distri::fail(Code::kDataLoss, "seed {}, {} nodes: {}", options_.seed, options_.nodes, *world_.failure());
  return figures_;
}

std::optional<std::string> judge_broadcast(std::uint64_t seed, const Defect& defect) {
  BroadcastOptions options;
  options.nodes = 20;
  options.batches = 100;
  options.loss = 0.03;
  options.gap_ms_max = 2'000;  // no next batch shows what is missing
  options.seed = seed;
  options.defect = defect;
  EventLog log(nullptr);
  const auto figures = Broadcast(options, log).run();
  return figures ? figures->missed() : figures.error().message;
}

}  // namespace distri::sim
