#include "convergence.hpp"

#include <algorithm>

#include "checkers.hpp"

namespace distri::sim {

namespace {

constexpr std::size_t kDocumentBytes = 100;
constexpr std::size_t kSegmentBytes = 1448;
// So many as a real node announces, with names of their length.
constexpr std::size_t kServices = 24;
constexpr std::string_view kServiceName = "CreateCollection";

std::string address_of(std::size_t i) {
  return fmt::format("10.20.30.{}:7400", 100 + i);
}

}  // namespace

void Traffic::add(const Traffic& other) {
  nodes = other.nodes;
  duration_ms += other.duration_ms;
  messages += other.messages;
  bytes += other.bytes;
  network_bytes += other.network_bytes;
}

void ConvergenceFigures::add(const ConvergenceFigures& other) {
  every_node_ms.insert(every_node_ms.end(), other.every_node_ms.begin(), other.every_node_ms.end());
  each_node_ms.insert(each_node_ms.end(), other.each_node_ms.begin(), other.each_node_ms.end());
  writing.add(other.writing);
  idle.add(other.idle);
}

WorldOptions Convergence::world_options(const ConvergenceOptions& options) {
  WorldOptions world;
  world.nodes = world.nodes_max = options.nodes;
  world.config.members = static_cast<std::uint32_t>(options.nodes);
  return world;
}

Convergence::Convergence(const ConvergenceOptions& options, EventLog& log)
    : options_(options),
      random_(options.seed),
      world_(world_options(options), FaultSet(), random_, log),
      writes_left_(options.writes) {
  world_.network().set_links(options.latency_ms, kJitterMs, options.loss);
  world_.turned = [this](std::size_t i) { look(i); };
  world_.sent = [this](std::size_t, replication::MessageKind, std::size_t payload_bytes) { count(payload_bytes); };
}

void Convergence::start(std::size_t i) {
  world_.start(i);
  std::vector<std::string> addresses;
  for (std::size_t other = 0; other < world_.size(); ++other) {
    if (other != i) addresses.push_back(address_of(other));
  }
  world_.machine(i).replica->set_known_addresses(std::move(addresses));
  world_.machine(i).replica->set_services(std::vector<std::string>(kServices, std::string(kServiceName)));
  for (std::size_t other = 0; other < world_.size(); ++other) world_.connect(i, other);
}

void Convergence::write() {
  if (writes_left_ == 0) return;
  const std::size_t i = random_.below(world_.size());
  bson::Builder document;
  document.append_int64("_id", static_cast<std::int64_t>(writes_left_--));
  document.append_string("text", std::string(kDocumentBytes, 'x'));
  // Before the turn ends, so that its own end is the first look.
  const auto done = world_.turn(i, {[&](replication::Replica& replica, Millis now) -> Result<> {
                                  DISTRI_TRY_VOID(replica.insert("documents", std::move(document).finish(), now));
                                  under_way_.push_back({replica.newest_own_dot(), world_.now(), {}});
                                  return {};
                                }});
  if (!done) world_.fail(fmt::format("a write is refused: {}", done.error().message));
  world_.schedule(static_cast<Millis>(1 + random_.below(kGapMsMax)), [this] { write(); });
}

// What does that machine hold now that it did not hold before?
void Convergence::look(std::size_t i) {
  const VersionVector& vector = world_.machine(i).replica->vector();
  for (Write& write : under_way_) {
    if (write.held.test(i) || !vector.covers(write.dot)) continue;
    write.held.set(i);
    if (write.held.count() > 1) figures_.each_node_ms.push_back(world_.now() - write.at);
    if (write.held.count() == world_.size()) figures_.every_node_ms.push_back(world_.now() - write.at);
  }
  std::erase_if(under_way_, [this](const Write& write) { return write.held.count() == world_.size(); });
}

void Convergence::count(std::size_t payload_bytes) {
  const std::size_t bytes = payload_bytes + kFrameBytes;
  ++sent_.messages;
  sent_.bytes += bytes;
  sent_.network_bytes += bytes + (bytes / kSegmentBytes + 1) * kNetworkBytes;
}

void Convergence::begin_counting() {
  sent_ = {};
  sent_.nodes = world_.size();
  counting_since_ = world_.now();
}

Traffic Convergence::counted() const {
  Traffic result = sent_;
  result.duration_ms = world_.now() - counting_since_;
  return result;
}

Result<ConvergenceFigures> Convergence::run() {
  const auto gossip_ms = static_cast<std::uint64_t>(world_.options().config.gossip_ms);
  for (std::size_t i = 0; i < world_.size(); ++i) {
    world_.schedule(static_cast<Millis>(random_.below(gossip_ms)), [this, i] { start(i); });
  }
  world_.run_for(kSettleMs);
  begin_counting();
  write();
  const Millis end = world_.now() + static_cast<Millis>(options_.writes * kGapMsMax);
  world_.run_until(end, [this] { return writes_left_ == 0; });
  figures_.writing = counted();
  const bool all = world_.run_until(world_.now() + kGiveUpMs, [this] { return under_way_.empty(); });
  if (!all && !world_.failure()) world_.fail(fmt::format("a write is not everywhere after {} s", kGiveUpMs / 1000));
  world_.run_for(kSettleMs);
  begin_counting();
  world_.run_for(kIdleMs);
  figures_.idle = counted();
  if (!world_.failure() && !agreed(world_)) world_.fail("the nodes do not agree in the end");
  for (std::size_t i = 1; i < world_.size(); ++i) check_meeting(world_, 0, i);
  if (world_.failure())
    return distri::fail(Code::kDataLoss, "seed {}, {} nodes: {}", options_.seed, options_.nodes, *world_.failure());
  return figures_;
}

}  // namespace distri::sim
