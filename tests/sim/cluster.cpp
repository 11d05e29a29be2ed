#include "cluster.hpp"

#include <algorithm>

namespace distri::sim {

using replication::MessageKind;
using replication::Notice;
using replication::Replica;

namespace {

constexpr Millis kTickMs = 50;

}  // namespace

Cluster::Cluster(const ClusterOptions& options, EventLog& log)
    : options_(options),
      log_(log),
      random_(options.seed),
      faults_(random_, options.fault),
      network_(options.nodes, faults_, random_),
      nodes_(options.nodes) {
  config_.gossip_ms = 200;
  config_.pull_timeout_ms = 1'000;
  config_.holdback_ms_max = 5'000;
  config_.pull_chunk_bytes = std::array<std::size_t, 3>{512, 4096, 1u << 20}[random_.below(3)];
  config_.log_bytes_max = faults_.has(Fault::kSmallLog) ? 2'000 + random_.below(20'000) : 16u << 20;
  config_.holdback_bytes_max = faults_.has(Fault::kSmallHoldback) ? 4'000 : 4u << 20;
  turns_left_ = options.ops / 2;
  turn_gap_ms_ = static_cast<Millis>(1 + random_.below(50));
  for (Node& node : nodes_) {
    node.id = random_.id<NodeId>();
    if (faults_.has(Fault::kClockSkew)) node.clock_offset_ms = static_cast<Millis>(random_.below(40'000)) - 20'000;
  }
}

void Cluster::schedule(Millis delay, std::function<void()> action) {
  events_.push({now_ + delay, next_order_++, std::move(action)});
}

void Cluster::fail(std::string what) {
  if (failure_) return;
  log_.line("{} FAILED: {}", now_, what);
  failure_ = std::move(what);
}

Millis Cluster::wall(const Node& node) const {
  return kEpochMs + now_ + node.clock_offset_ms;
}

std::optional<std::string> Cluster::run() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) start(i);
  for (std::size_t a = 0; a < nodes_.size(); ++a) {
    for (std::size_t b = a + 1; b < nodes_.size(); ++b) connect(a, b);
  }
  schedule(turn_gap_ms_, [this] { client_turn(); });
  schedule(500, [this] { disaster(); });
  run_until(3'600'000, [this] { return turns_left_ == 0; });
  heal();
  const Millis healed_at = now_;
  run_until(now_ + kLivenessMs, [this] { return agreed(); });
  if (!failure_ && !agreed()) fail(fmt::format("no agreement within {} s after the faults ended", kLivenessMs / 1000));
  log_.line("{} agreed {} ms after healing", now_, now_ - healed_at);
  if (!failure_) check_end();
  return failure_;
}

void Cluster::run_until(Millis end, const std::function<bool()>& done) {
  std::uint64_t steps = 0;
  while (!failure_ && !events_.empty() && events_.top().at <= end) {
    if (steps++ % 16 == 0 && done()) return;
    Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.action();
  }
}

void Cluster::start(std::size_t index) {
  Node& node = nodes_[index];
  ++node.incarnation;
  replication::ReplicaConfig config = config_;
  config.node = node.id;
  config.incarnation = node.incarnation;
  config.address = fmt::format("node-{}", index);
  node.replica = std::make_unique<Replica>(config);
  log_.line("{} n{} starts, incarnation {}", now_, index, node.incarnation);
  schedule(static_cast<Millis>(random_.below(kTickMs)), [this, index, life = node.incarnation] {
    if (nodes_[index].incarnation == life) tick(index);
  });
}

void Cluster::stop(std::size_t index) {
  Node& node = nodes_[index];
  for (std::size_t other = 0; other < nodes_.size(); ++other) {
    if (other != index && network_.up(index, other)) disconnect(index, other);
  }
  node.replica.reset();
  node.waiting.clear();
  node.paused = false;
  node.ever_crashed = true;
  log_.line("{} n{} crashes", now_, index);
}

void Cluster::tick(std::size_t index) {
  Node& node = nodes_[index];
  if (!node.replica) return;
  if (!node.paused) {
    node.replica->tick(wall(node));
    flush(index);
    if (random_.below(5) == 0) check_step(index);
  }
  schedule(kTickMs, [this, index, life = node.incarnation] {
    if (nodes_[index].incarnation == life) tick(index);
  });
}

void Cluster::connect(std::size_t a, std::size_t b) {
  if (network_.up(a, b) || network_.blocked(a, b) || !nodes_[a].replica || !nodes_[b].replica) return;
  network_.set_up(a, b, true);
  log_.line("{} link n{} n{} up", now_, a, b);
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)}) {
    nodes_[here].replica->peer_connected(nodes_[there].id, wall(nodes_[here]));
    flush(here);
  }
}

void Cluster::disconnect(std::size_t a, std::size_t b) {
  if (!network_.up(a, b)) return;
  network_.set_up(a, b, false);
  log_.line("{} link n{} n{} down", now_, a, b);
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)}) {
    if (!nodes_[here].replica) continue;
    nodes_[here].replica->peer_disconnected(nodes_[there].id);
    flush(here);
  }
}

void Cluster::reconnect_later(std::size_t a, std::size_t b) {
  schedule(static_cast<Millis>(50 + random_.below(1'000)), [this, a, b] { connect(a, b); });
}

// Sends what a node wants sent, and looks at what it has to say.
void Cluster::flush(std::size_t index) {
  Node& node = nodes_[index];
  for (const replication::Outgoing& message : node.replica->take_outgoing()) {
    const auto found =
        std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& other) { return other.id == message.to; });
    const auto to = static_cast<std::size_t>(found - nodes_.begin());
    if (!network_.up(index, to)) continue;
    auto payload = message.kind == MessageKind::kBatch ? spoil(message.payload) : message.payload;
    for (const Millis at : network_.arrivals(index, to, now_)) {
      schedule(at - now_, [this, index, to, epoch = network_.epoch(index, to), kind = message.kind, payload] {
        arrive(index, to, epoch, kind, payload);
      });
    }
  }
  for (const Notice& notice : node.replica->take_notices()) {
    log_.line("{} n{} notice {}: {}", now_, index, static_cast<int>(notice.kind), notice.text);
    if (notice.kind == Notice::Kind::kDivergence || notice.kind == Notice::Kind::kBadMessage ||
        notice.kind == Notice::Kind::kDuplicateIdentity) {
      fail(fmt::format("node {}: {}", index, notice.text));
    }
  }
}

void Cluster::arrive(std::size_t from, std::size_t to, std::uint64_t epoch, MessageKind kind,
                     std::shared_ptr<const Bytes> payload) {
  Node& node = nodes_[to];
  if (!node.replica || !network_.up(from, to) || network_.epoch(from, to) != epoch) return;
  if (node.paused) {
    node.waiting.push_back(
        [this, from, to, epoch, kind, payload = std::move(payload)] { arrive(from, to, epoch, kind, payload); });
    return;
  }
  log_.line("{} n{} -> n{} kind {} {} bytes", now_, from, to, static_cast<int>(kind), payload->size());
  if (auto result = node.replica->receive(nodes_[from].id, kind, *payload, wall(node)); !result) {
    fail(fmt::format("node {} refuses a message of node {}: {}", to, from, result.error().message));
  }
  node.replica->end_turn(wall(node));
  flush(to);
  if (kind == MessageKind::kUpdateInfo) check_meeting(from, to);
}

// The planted defects of the network: one batch, once, with valid bytes that say something else.
std::shared_ptr<const Bytes> Cluster::spoil(std::shared_ptr<const Bytes> payload) {
  const bool corrupt = options_.plant == Plant::kCorruptDocument;
  if ((!corrupt && options_.plant != Plant::kLoseOp) || planted_ || now_ < 1'000) return payload;
  wire::Reader in(*payload);
  auto batch = replication::decode_batch(in, config_.limits);
  if (!batch || batch->ops.back().kind != replication::OpKind::kInsert) return payload;
  replication::Op& op = batch->ops.back();
  if (corrupt) {
    bson::Builder builder;
    builder.append_element(*op.document.view().begin());
    builder.append_string("spoiled", "yes");
    op.document = std::move(builder).finish();
  } else {
    replication::Op nothing;
    nothing.kind = replication::OpKind::kCreateCollection;
    nothing.collection = op.collection;
    nothing.stamp = {1, batch->actor};
    op = nothing;
  }
  Bytes spoiled;
  wire::Writer out(spoiled);
  replication::encode(out, *batch);
  planted_ = true;
  log_.line("{} planted", now_);
  return std::make_shared<const Bytes>(std::move(spoiled));
}

}  // namespace distri::sim
