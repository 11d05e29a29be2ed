#include "distri/membership/swim.hpp"

#include <algorithm>

#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr std::size_t kRelaysMax = 1024;  // pings on behalf of others that are under way
constexpr std::uint32_t kNackAfterMsMax = 60'000;

SwimMessage message(SwimMessage::Kind kind, std::uint32_t sequence) {
  SwimMessage result;
  result.kind = kind;
  result.sequence = sequence;
  return result;
}

}  // namespace

SwimOptions SwimOptions::plain() {
  SwimOptions options;
  options.local_health = options.suspicion = options.buddy = options.late_grace = false;
  return options;
}

Swim::Swim(const NodeId& self, std::uint64_t incarnation, const SwimOptions& options, Random random,
           std::int64_t now_ms)
    : self_(self), incarnation_(incarnation), options_(options), random_(random) {
  DISTRI_CHECK(options.period_ms > options.probe_timeout_ms && options.probe_timeout_ms > 0);
  DISTRI_CHECK(options.dead_periods > 0 && incarnation <= kSwimIncarnationMax);
  period_end_ms_ = now_ms + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options.period_ms)));
  spread({.node = self_, .health = Health::kAlive, .incarnation = incarnation_, .by = {}});
}

void Swim::set_members(std::span<const NodeId> members) {
  const std::set<NodeId> wanted(members.begin(), members.end());
  std::erase_if(peers_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  std::erase_if(rumors_, [&](const auto& entry) { return entry.first != self_ && !wanted.contains(entry.first); });
  std::erase_if(relays_, [&](const auto& entry) {
    return !wanted.contains(entry.second.asker) || !wanted.contains(entry.second.target);
  });
  if (probe_ && !wanted.contains(probe_->target)) probe_.reset();
  std::erase_if(order_, [&](const NodeId& node) { return !wanted.contains(node); });
  place_ = std::min(place_, order_.size());
  for (const NodeId& node : wanted) {
    if (node == self_ || !peers_.try_emplace(node).second) continue;
    const auto at = place_ + random_.below(order_.size() - place_ + 1);
    order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(at), node);
  }
}

Health Swim::health(const NodeId& node) const {
  const auto peer = peers_.find(node);
  return peer == peers_.end() ? Health::kDead : peer->second.health;
}

std::int64_t Swim::next_ms() const {
  std::int64_t next = period_end_ms_;
  if (probe_ && !probe_->answered && !probe_->helpers_asked) next = std::min(next, probe_->timeout_ms);
  for (const auto& [sequence, relay] : relays_) next = std::min(next, relay.nacked ? relay.end_ms : relay.nack_ms);
  for (const auto& [node, peer] : peers_) {
    if (peer.health == Health::kSuspect) next = std::min(next, suspicion_end_ms(peer));
  }
  return next;
}

void Swim::on_time(std::int64_t now_ms) {
  if (options_.late_grace) forgive_lateness(now_ms);
  run_relays(now_ms);
  if (probe_ && !probe_->answered && !probe_->helpers_asked && now_ms >= probe_->timeout_ms) ask_helpers(now_ms);
  if (now_ms >= period_end_ms_) {
    end_probe(now_ms);
    begin_period(now_ms);
  }
  end_suspicions(now_ms);
}

// This node was stopped: what should have been heard meanwhile may still wait to be read. All deadlines move by that
// time, and its own health is in doubt.
void Swim::forgive_lateness(std::int64_t now_ms) {
  const std::int64_t late_ms = now_ms - next_ms();
  if (late_ms < options_.probe_timeout_ms) return;
  change_local_health(1);
  period_end_ms_ += late_ms;
  if (probe_) probe_->timeout_ms += late_ms;
  for (auto& [node, peer] : peers_) peer.suspected_ms += late_ms;
}

void Swim::begin_period(std::int64_t now_ms) {
  period_end_ms_ = now_ms + options_.period_ms * patience();
  ping_dead_nodes();
  const auto target = next_target();
  if (!target) return;
  probe_ = Probe{.target = *target,
                 .sequence = ++sequence_,
                 .timeout_ms = now_ms + options_.probe_timeout_ms * patience(),
                 .answered = false,
                 .helpers_asked = false,
                 .helpers = 0,
                 .nacks_missing = {}};
  ++counters_.probes;
  send(*target, message(SwimMessage::Kind::kPing, sequence_));
}

std::optional<NodeId> Swim::next_target() {
  for (std::size_t tried = 0; tried < 2 * order_.size(); ++tried) {
    if (place_ >= order_.size()) {
      std::shuffle(order_.begin(), order_.end(), random_);
      place_ = 0;
    }
    const NodeId node = order_[place_++];
    if (peers_.at(node).health != Health::kDead) return node;
  }
  return std::nullopt;
}

void Swim::ask_helpers(std::int64_t now_ms) {
  probe_->helpers_asked = true;
  const std::int64_t left_ms = std::max<std::int64_t>(period_end_ms_ - now_ms, 0);
  SwimMessage request{.kind = SwimMessage::Kind::kPingReq,
                      .sequence = probe_->sequence,
                      .target = probe_->target,
                      .nack_after_ms = static_cast<std::uint32_t>(left_ms * 6 / 10),
                      .reports = {}};
  for (const NodeId& helper : draw_helpers(probe_->target)) {
    ++probe_->helpers;
    probe_->nacks_missing.insert(helper);
    send(helper, request);
  }
}

std::vector<NodeId> Swim::draw_helpers(const NodeId& target) {
  std::vector<NodeId> candidates;
  for (const auto& [node, peer] : peers_) {
    if (node != target && peer.health == Health::kAlive) candidates.push_back(node);
  }
  const std::size_t count = std::min(options_.helpers, candidates.size());
  for (std::size_t i = 0; i < count; ++i)
    std::swap(candidates[i], candidates[i + random_.below(candidates.size() - i)]);
  candidates.resize(count);
  return candidates;
}

void Swim::end_probe(std::int64_t now_ms) {
  if (!probe_) return;
  const Probe probe = *std::exchange(probe_, std::nullopt);
  if (probe.answered) {
    change_local_health(-1);
    return;
  }
  ++counters_.probes_failed;
  // Helpers that did not even say that they are there: then it is rather this node that does not hear.
  change_local_health(probe.helpers > 0 ? static_cast<int>(probe.nacks_missing.size()) : 1);
  suspect(now_ms, probe.target);
}

// They may have come back: then this tells them that they count as dead, and they say otherwise. In turn, so that after
// a long partition all are told soon.
void Swim::ping_dead_nodes() {
  std::vector<NodeId> dead;
  for (const auto& [node, peer] : peers_) {
    if (peer.health == Health::kDead) dead.push_back(node);
  }
  if (dead.empty()) return;
  dead_pings_due_ += static_cast<double>(dead.size()) / static_cast<double>(options_.dead_periods);
  for (; dead_pings_due_ >= 1; dead_pings_due_ -= 1) {
    const auto next = std::ranges::upper_bound(dead, last_dead_);
    last_dead_ = next == dead.end() ? dead.front() : *next;
    send(last_dead_, message(SwimMessage::Kind::kPing, ++sequence_));
  }
}

Result<> Swim::receive(std::int64_t now_ms, const NodeId& from, BytesView bytes) {
  if (!peers_.contains(from)) {
    return fail(Code::kPermissionDenied, "probe: node {} is no member", from.short_hex());
  }
  DISTRI_TRY(const SwimMessage heard, decode_swim_message(bytes));
  for (const SwimReport& report : heard.reports) take(now_ms, report);
  switch (heard.kind) {
    case SwimMessage::Kind::kPing:
      send(from, message(SwimMessage::Kind::kAck, heard.sequence));
      break;
    case SwimMessage::Kind::kPingReq: {
      if (relays_.size() >= kRelaysMax || !peers_.contains(heard.target)) break;
      const std::int64_t wait_ms = std::min(heard.nack_after_ms, kNackAfterMsMax);
      relays_.emplace(++sequence_, Relay{.asker = from,
                                         .sequence = heard.sequence,
                                         .target = heard.target,
                                         .nack_ms = now_ms + wait_ms,
                                         .end_ms = now_ms + 2 * wait_ms + 1,
                                         .nacked = false});
      send(heard.target, message(SwimMessage::Kind::kPing, sequence_));
      break;
    }
    case SwimMessage::Kind::kAck:
      if (probe_ && probe_->sequence == heard.sequence) {
        probe_->answered = true;
      } else if (const auto relay = relays_.find(heard.sequence);
                 relay != relays_.end() && relay->second.target == from) {
        send(relay->second.asker, message(SwimMessage::Kind::kAck, relay->second.sequence));
        relays_.erase(relay);
      }
      break;
    case SwimMessage::Kind::kNack:
      if (probe_ && probe_->sequence == heard.sequence) probe_->nacks_missing.erase(from);
      break;
  }
  return {};
}

void Swim::run_relays(std::int64_t now_ms) {
  for (auto& [sequence, relay] : relays_) {
    if (relay.nacked || now_ms < relay.nack_ms) continue;
    relay.nacked = true;
    if (options_.local_health) {
      send(relay.asker, message(SwimMessage::Kind::kNack, relay.sequence));
    }
  }
  std::erase_if(relays_, [&](const auto& entry) { return entry.second.nacked && now_ms >= entry.second.end_ms; });
}

void Swim::send(const NodeId& to, SwimMessage message) {
  message.reports = choose_reports(to);
  messages_.push_back({to, encode(message)});
}

void Swim::change_local_health(int by) {
  if (options_.local_health) local_health_ = std::clamp(local_health_ + by, 0, options_.local_health_max);
}

}  // namespace distri::membership
