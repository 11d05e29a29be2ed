#include "distri/client/node_table.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace distri::client {
namespace {

constexpr double kLatencySame = 3;         // up to so many times the usual is no reason to prefer another node
constexpr double kLatencyMost = 10;        // one hiccup of the machine must not look like a slow node
constexpr double kLatencyFaded = 1.1;      // a penalty below this is none
constexpr double kLatencyWeight = 0.2;     // of a new measurement
constexpr double kUsualDownWeight = 0.3;   // of a new measurement below the usual
constexpr double kUsualUpWeight = 0.01;    // of one above it
constexpr double kWorkersAssumed = 4;      // turns a load per worker into requests
constexpr std::size_t kServicesMax = 256;  // services with a usual time of their own

// "AddDocument<photos>" -> "AddDocument"
std::string_view stem(std::string_view service) {
  return service.substr(0, service.find('<'));
}

bool contains(const std::vector<NodePtr>& nodes, const NodePtr& node) {
  return std::ranges::find(nodes, node) != nodes.end();
}

}  // namespace

void Node::failed(std::int64_t now_ms) {
  if (in_backoff(now_ms)) return;
  backoff_ms = std::clamp(backoff_ms * 2, kBackoffFirstMs, kBackoffMaxMs);
  backoff_until_ms = now_ms + backoff_ms;
}

void Node::succeeded() {
  backoff_ms = 0;
  backoff_until_ms = 0;
}

void Node::overloaded() {
  load = std::max(load * 1.5, 2.0);
}

double Node::score(std::int64_t now_ms) const {
  double penalty = 1;
  if (latency > kLatencySame) {
    const double age = static_cast<double>(now_ms - measured_ms) / static_cast<double>(kLatencyHalfLifeMs);
    penalty = 1 + (latency / kLatencySame - 1) * std::exp2(-age);
    if (penalty < kLatencyFaded) penalty = 1;
  }
  return (load * kWorkersAssumed + in_flight + 1) * penalty;
}

NodeTable::NodeTable(const std::vector<Address>& seeds, bool discover) : discover_(discover), learned_(!discover) {
  for (const auto& seed : seeds) {
    if (find(seed) == nullptr) add(seed, true, 0);
  }
}

NodePtr NodeTable::add(const Address& address, bool seed, std::int64_t now_ms) {
  auto node = std::make_shared<Node>();
  node->address = address;
  node->name = to_string(address);
  node->seed = seed;
  node->seen_ms = now_ms;
  nodes_.push_back(node);
  return node;
}

NodePtr NodeTable::find(const Address& address) const {
  const auto found = std::ranges::find_if(nodes_, [&](const NodePtr& node) { return node->address == address; });
  return found == nodes_.end() ? nullptr : *found;
}

NodePtr NodeTable::find_or_learn(const Address& address, std::int64_t now_ms) {
  if (auto node = find(address)) return node;
  return discover_ ? add(address, false, now_ms) : nullptr;
}

bool NodeTable::candidate(const Node& node, std::int64_t now_ms) const {
  return node.alias_of == nullptr || node.alias_of->in_backoff(now_ms);
}

NodePtr NodeTable::choose(Random& random, std::int64_t now_ms, const std::vector<NodePtr>& tried) const {
  std::vector<const NodePtr*> candidates;
  candidates.reserve(nodes_.size());
  const NodePtr* soonest = nullptr;
  for (const auto& node : nodes_) {
    if (!candidate(*node, now_ms)) continue;
    if (soonest == nullptr || node->backoff_until_ms < (*soonest)->backoff_until_ms) soonest = &node;
    if (!node->in_backoff(now_ms) && !contains(tried, node)) candidates.push_back(&node);
  }
  if (candidates.empty()) return tried.empty() && soonest != nullptr ? *soonest : nullptr;
  if (candidates.size() == 1) return *candidates.front();
  const std::size_t first = random.below(candidates.size());
  std::size_t second = random.below(candidates.size() - 1);
  if (second >= first) ++second;
  const NodePtr& a = *candidates[first];
  const NodePtr& b = *candidates[second];
  return b->score(now_ms) < a->score(now_ms) ? b : a;
}

std::vector<NodePtr> NodeTable::listed() const {
  std::vector<NodePtr> result;
  std::ranges::copy_if(nodes_, std::back_inserter(result),
                       [](const NodePtr& node) { return node->alias_of == nullptr; });
  return result;
}

void NodeTable::record_latency(Node& node, std::string_view service, std::int64_t rtt_us, std::int64_t now_ms) {
  const double us = static_cast<double>(std::max<std::int64_t>(rtt_us, 1));
  std::string name(stem(service));
  if (usual_us_.size() >= kServicesMax && !usual_us_.contains(name)) name.clear();
  double& usual_us = usual_us_.try_emplace(std::move(name), us).first->second;
  const double relative = std::min(us / usual_us, kLatencyMost);
  usual_us += (us < usual_us ? kUsualDownWeight : kUsualUpWeight) * (us - usual_us);
  node.latency += kLatencyWeight * (relative - node.latency);
  node.measured_ms = now_ms;
}

bool NodeTable::begin_refresh(std::int64_t now_ms, std::int64_t refresh_ms) {
  if (!discover_ || refreshing_ || now_ms - refreshed_ms_ < refresh_ms) return false;
  refreshing_ = true;
  return true;
}

void NodeTable::end_refresh(std::int64_t now_ms) {
  refreshing_ = false;
  refreshed_ms_ = now_ms;
}

void NodeTable::merge(const Address& asked, const std::vector<NodeReport>& reports, std::int64_t now_ms) {
  if (!discover_) return;
  learned_ = true;
  for (const auto& report : reports) {
    NodePtr node = find_or_learn(report.address, now_ms);
    node->load = std::isfinite(report.load) ? std::max(report.load, 0.0) : 0.0;
    node->seen_ms = now_ms;
    if (!report.self) continue;
    node->alias_of = nullptr;
    if (const NodePtr other = find(asked); other != nullptr && other != node) other->alias_of = node;
  }
  std::erase_if(nodes_, [&](const NodePtr& node) { return !node->seed && now_ms - node->seen_ms > kForgetMs; });
  for (const auto& node : nodes_) {
    if (node->alias_of != nullptr && !contains(nodes_, node->alias_of)) node->alias_of = nullptr;
  }
}

}  // namespace distri::client
