#include <algorithm>

#include "distri/membership/local_member.hpp"
#include "world.hpp"

namespace distri::sim {

using replication::MessageKind;
using replication::Notice;

namespace {

// A document is made of the fields of several updates, and comes with its conflicts.
constexpr std::size_t kBatchesBeyondChunk = 8;
constexpr std::size_t kVectorBytes = 2'000;

}  // namespace

// Two of one identity have been met.
void World::report_copy(std::size_t i, std::size_t other) {
  copies_met_ = true;
  if (!duplicate_identity_expected)
    fail(fmt::format("{} and {} have one identity", machines_[i].name, machines_[other].name));
  if (options_.defect.owner == OwnerPlant::kHideCopies) return;
  log_.line("{} {} reports a copy: {}", now_, machines_[i].name, machines_[other].name);
  notices_.push_back({i, Notice::Kind::kDuplicateIdentity, "two nodes of one identity"});
}

// What cloud::Peers does when a node that is linked already says hello: of two lives the newer one is let in, as a node
// that has started anew. False: `there` is the older one.
bool World::make_way(std::size_t here, std::size_t there) {
  for (std::size_t other = 0; other < machines_.size(); ++other) {
    if (other == there || !(machines_[other].id == machines_[there].id) || !network_.up(here, other)) continue;
    report_copy(here, machines_[other].incarnation > machines_[there].incarnation ? there : other);
    if (machines_[other].incarnation > machines_[there].incarnation) return false;
    disconnect(here, other);
  }
  return true;
}

void World::connect(std::size_t a, std::size_t b) {
  if (a == b || network_.up(a, b) || network_.blocked(a, b) || !machines_[a].replica || !machines_[b].replica) return;
  if (machines_[a].id == machines_[b].id) return report_copy(a, b);
  if (gate_ != nullptr && !gate_->may_link(a, b)) return;
  if (!make_way(a, b) || !make_way(b, a)) return;
  network_.set_up(a, b, true);
  log_.line("{} link {} {} up", now_, machines_[a].name, machines_[b].name);
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)}) {
    if (!network_.up(a, b)) return;  // a crash in the turn
    machines_[here].replica->peer_connected(machines_[there].id, wall(machines_[here]));
    after_turn(here);
  }
  if (gate_ != nullptr && network_.up(a, b)) gate_->linked(a, b);
}

void World::disconnect(std::size_t a, std::size_t b) {
  if (!network_.up(a, b)) return;
  network_.set_up(a, b, false);
  log_.line("{} link {} {} down", now_, machines_[a].name, machines_[b].name);
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)}) {
    if (!machines_[here].replica) continue;
    machines_[here].replica->peer_disconnected(machines_[there].id);
    // Not after_turn(): the machine may be in the middle of a crash.
    flush(here);
  }
}

void World::connect_all() {
  for (std::size_t a = 0; a < machines_.size(); ++a) {
    for (std::size_t b = a + 1; b < machines_.size(); ++b) connect(a, b);
  }
}

void World::reconnect_later(std::size_t i) {
  for (std::size_t other = 0; other < machines_.size(); ++other) {
    if (other == i) continue;
    schedule(static_cast<Millis>(20 + random_.below(500)), [this, i, other] { connect(i, other); });
  }
}

// Sends what a node wants sent, and hears what it has to say.
void World::flush(std::size_t i) {
  for (const replication::Outgoing& message : machines_[i].replica->take_outgoing()) {
    check_size(i, message);
    for (std::size_t to = 0; to < machines_.size(); ++to) {
      if (to == i || !(machines_[to].id == message.to) || !network_.up(i, to)) continue;
      send(i, to, message);
      break;
    }
  }
  take_notices(i);
}

// An answer to a pull is a chunk: what was asked for, and no more than one batch or document beyond it.
void World::check_size(std::size_t from, const replication::Outgoing& message) {
  const std::size_t bytes = message.payload->size();
  if (message.kind != MessageKind::kPullReply && message.kind != MessageKind::kState) return;
  const std::size_t bytes_max =
      options_.config.pull_chunk_bytes + kBatchesBeyondChunk * (largest_batch_ + kVectorBytes);
  if (bytes > bytes_max)
    fail(fmt::format("{} sends a chunk of {} bytes, at most {} make sense", machines_[from].name, bytes, bytes_max));
}

void World::send(std::size_t from, std::size_t to, const replication::Outgoing& message) {
  if (sent) sent(from, message.kind, message.payload->size());
  auto payload = message.kind == MessageKind::kBatch ? spoil(message.payload) : message.payload;
  for (const Millis at : network_.arrivals(from, to, now_)) {
    schedule(at - now_, [this, from, to, epoch = network_.epoch(from, to), kind = message.kind, payload] {
      arrive(from, to, epoch, kind, payload);
    });
  }
}

void World::send_membership(std::size_t from, std::size_t to, std::uint16_t kind, Bytes payload) {
  if (network_.up(from, to))
    send(from, to,
         {machines_[to].id, static_cast<MessageKind>(kind), std::make_shared<const Bytes>(std::move(payload))});
}

void World::take_notices(std::size_t i) {
  for (const replication::Conflict& conflict : machines_[i].replica->take_conflict_events()) {
    machines_[i].announced.insert(conflict.name);
    log_.line("{} {} conflict in '{}': {} lost to {}", now_, machines_[i].name, conflict.name.collection,
              sim::to_string(conflict.name.loser), sim::to_string(conflict.loser.winner));
  }
  for (Notice& notice : machines_[i].replica->take_notices()) {
    log_.line("{} {} notice {}: {}", now_, machines_[i].name, static_cast<int>(notice.kind), notice.text);
    // Only when tombstones were dropped that somebody had not seen may nodes differ for a moment, until they have
    // mended.
    if (notice.kind == Notice::Kind::kTombstonesDropped) over_budget_ = true;
    const bool wrong = (notice.kind == Notice::Kind::kDivergence && !over_budget_) ||
                       notice.kind == Notice::Kind::kBadMessage ||
                       (notice.kind == Notice::Kind::kDuplicateIdentity && !duplicate_identity_expected);
    if (wrong) fail(fmt::format("{}: {}", machines_[i].name, notice.text));
    notices_.push_back({i, notice.kind, std::move(notice.text)});
  }
}

void World::arrive(std::size_t from, std::size_t to, std::uint64_t epoch, MessageKind kind,
                   std::shared_ptr<const Bytes> payload) {
  Machine& machine = machines_[to];
  if (!machine.replica || !network_.up(from, to) || network_.epoch(from, to) != epoch) return;
  if (machine.paused) {
    machine.waiting.push_back(
        [this, from, to, epoch, kind, payload = std::move(payload)] { arrive(from, to, epoch, kind, payload); });
    return;
  }
  log_.line("{} {} -> {} kind {} {} bytes", now_, machines_[from].name, machine.name, static_cast<int>(kind),
            payload->size());
  if (gate_ != nullptr && membership::LocalMember::is_kind(static_cast<std::uint16_t>(kind)))
    return gate_->heard(from, to, static_cast<std::uint16_t>(kind), *payload);
  if (auto result = machine.replica->receive(machines_[from].id, kind, *payload, wall(machine)); !result) {
    fail(fmt::format("{} refuses a message of {}: {}", machine.name, machines_[from].name, result.error().message));
  }
  after_turn(to);
  if (kind == MessageKind::kUpdateInfo && met) met(from, to);
}

// The planted defects of the network: one batch, once, with valid bytes that say something else.
std::shared_ptr<const Bytes> World::spoil(std::shared_ptr<const Bytes> payload) {
  const bool corrupt = options_.defect.owner == OwnerPlant::kCorruptDocument;
  if (options_.defect.owner == OwnerPlant::kCutMessage && !planted_ && now_ >= 1'000) {
    planted_ = true;
    return std::make_shared<const Bytes>(payload->substr(0, payload->size() - 1));
  }
  if ((!corrupt && options_.defect.owner != OwnerPlant::kLoseOp) || planted_ || now_ < 1'000) return payload;
  wire::Reader in(*payload);
  auto batch = replication::decode_batch(in, options_.config.limits);
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
