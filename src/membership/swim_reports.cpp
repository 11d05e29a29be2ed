// What nodes say about each other's health, and how long it is said.
#include <algorithm>
#include <cmath>

#include "distri/membership/swim.hpp"

namespace distri::membership {

namespace {

std::pair<std::uint64_t, Health> rank(std::uint64_t incarnation, Health health) {
  return {incarnation, health};
}

}  // namespace

void Swim::take(std::int64_t now_ms, const SwimReport& report, bool own) {
  if (report.node == self_) {
    take_about_self(report);
    return;
  }
  const auto found = peers_.find(report.node);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  const auto known = rank(peer.incarnation, peer.health);
  const auto heard = rank(report.incarnation, report.health);
  if (heard < known) return;
  if (heard == known) {
    if (report.health != Health::kSuspect || !peers_.contains(report.by)) return;
    // Somebody else cannot reach it either: others should hear of that, too, as long as it shortens the suspicion.
    if (peer.suspected_by.size() <= confirmations_max() && peer.suspected_by.insert(report.by).second) spread(report);
    return;
  }
  if (report.health == Health::kSuspect && !peers_.contains(report.by) && report.by != self_) return;
  const bool begins = report.health == Health::kSuspect && peer.health != Health::kSuspect;
  const bool changed = peer.health != report.health;
  peer.health = report.health;
  peer.incarnation = report.incarnation;
  peer.suspected_by.clear();
  if (report.health == Health::kSuspect) {
    peer.suspected_ms = now_ms;
    peer.suspected_by.insert(report.by);
  }
  counters_.suspicions += begins ? 1 : 0;
  if (changed) changes_.push_back({report.node, report.health, report.incarnation, own});
  spread(report);
}

void Swim::take_about_self(const SwimReport& report) {
  if (report.health == Health::kAlive && report.incarnation <= incarnation_) return;
  if (report.incarnation < incarnation_) {
    // Whoever says that has missed the refutation, which nobody repeats any more.
    spread({.node = self_, .health = Health::kAlive, .incarnation = incarnation_, .by = {}});
    return;
  }
  // Said of an earlier life or by mistake: nobody but this node raises the incarnation, so that all will believe it.
  incarnation_ = std::min(report.incarnation + 1, kSwimIncarnationMax);
  ++counters_.refuted;
  if (report.health != Health::kAlive) change_local_health(1);
  spread({.node = self_, .health = Health::kAlive, .incarnation = incarnation_, .by = {}});
}

void Swim::suspect(std::int64_t now_ms, const NodeId& node) {
  const auto peer = peers_.find(node);
  if (peer == peers_.end() || peer->second.health == Health::kDead) return;
  take(now_ms, {.node = node, .health = Health::kSuspect, .incarnation = peer->second.incarnation, .by = self_}, true);
  // A suspicion that others began: this node confirms it.
  if (peer->second.suspected_by.size() <= confirmations_max() && peer->second.suspected_by.insert(self_).second) {
    spread({.node = node, .health = Health::kSuspect, .incarnation = peer->second.incarnation, .by = self_});
  }
}

void Swim::end_suspicions(std::int64_t now_ms) {
  for (auto& [node, peer] : peers_) {
    if (peer.health != Health::kSuspect || now_ms < suspicion_end_ms(peer)) continue;
    ++counters_.deaths;
    take(now_ms, {.node = node, .health = Health::kDead, .incarnation = peer.incarnation, .by = {}}, true);
  }
}

// Without enough others there is nobody to wait for.
std::size_t Swim::confirmations_max() const {
  return peers_.size() < options_.confirmations + 1 ? 0 : options_.confirmations;
}

std::int64_t Swim::suspicion_ms(std::size_t confirmations) const {
  const double members = static_cast<double>(peers_.size() + 1);
  const double shortest_ms =
      options_.suspicion_periods * std::max(1.0, std::log10(members)) * static_cast<double>(options_.period_ms);
  const std::size_t enough = confirmations_max();
  if (!options_.suspicion || enough == 0) return static_cast<std::int64_t>(shortest_ms);
  const double longest_ms = shortest_ms * options_.suspicion_stretch;
  const double share = std::log(static_cast<double>(confirmations) + 1) / std::log(static_cast<double>(enough) + 1);
  return static_cast<std::int64_t>(std::max(shortest_ms, longest_ms - (longest_ms - shortest_ms) * share));
}

std::int64_t Swim::suspicion_end_ms(const Peer& peer) const {
  const std::size_t others = peer.suspected_by.empty() ? 0 : peer.suspected_by.size() - 1;
  return peer.suspected_ms + suspicion_ms(others);
}

// The newest report on a node takes the place of an older one, and begins anew.
void Swim::spread(const SwimReport& report) {
  rumors_[report.node] = Rumor{report, 0};
}

SwimReport Swim::report_on(const NodeId& node, const Peer& peer) const {
  SwimReport report{.node = node, .health = peer.health, .incarnation = peer.incarnation, .by = {}};
  if (peer.health == Health::kSuspect && !peer.suspected_by.empty()) report.by = *peer.suspected_by.begin();
  return report;
}

std::size_t Swim::sends_max() const {
  const double members = static_cast<double>(peers_.size() + 1);
  return options_.retransmit * static_cast<std::size_t>(std::ceil(std::log10(members + 1)));
}

std::vector<SwimReport> Swim::choose_reports(const NodeId& to) {
  std::vector<SwimReport> reports;
  std::size_t room = kSwimMessageBytesMax - kSwimHeadBytesMax;
  const Peer& peer = peers_.at(to);
  // Whoever counts as dead must hear of it to come back; whoever is suspected should.
  const bool first = peer.health == Health::kDead || (options_.buddy && peer.health == Health::kSuspect);
  if (first) {
    reports.push_back(report_on(to, peer));
    room -= encoded_bytes(reports.back());
  }
  // It may take this node for dead, too.
  const SwimReport alive{.node = self_, .health = Health::kAlive, .incarnation = incarnation_, .by = {}};
  if (peer.health == Health::kDead) {
    reports.push_back(alive);
    room -= encoded_bytes(alive);
  }
  std::vector<Rumor*> waiting;
  for (auto& [node, rumor] : rumors_) {
    const bool said = (first && node == to) || (peer.health == Health::kDead && node == self_);
    if (!said) waiting.push_back(&rumor);
  }
  // What was sent least often goes first.
  std::ranges::stable_sort(waiting, {}, &Rumor::sent);
  for (Rumor* rumor : waiting) {
    const std::size_t bytes = encoded_bytes(rumor->report);
    if (bytes > room) break;
    room -= bytes;
    ++rumor->sent;
    reports.push_back(rumor->report);
  }
  std::erase_if(rumors_, [&](const auto& entry) { return entry.second.sent >= sends_max(); });
  return reports;
}

}  // namespace distri::membership
