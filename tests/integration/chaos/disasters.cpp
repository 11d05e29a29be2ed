#include "disasters.hpp"

#include <algorithm>

namespace chaos {

using distri::Result;

namespace {

constexpr std::size_t kAtOnce = 2;
constexpr std::int64_t kPauseMinMs = 500;  // from one beginning to the next
constexpr std::int64_t kPauseMaxMs = 5'000;

// How long it lasts, and how often it is chosen beside the others.
struct Nature {
  Disaster what;
  std::int64_t least_ms;
  std::int64_t most_ms;
  int weight;
};
constexpr std::array<Nature, kDisasterCount> kNatures{{{Disaster::kKill, 100, 4'000, 5},
                                                       {Disaster::kKillSeveral, 100, 3'000, 2},
                                                       {Disaster::kKillAll, 100, 2'000, 1},
                                                       {Disaster::kStop, 200, 5'000, 3},
                                                       {Disaster::kPartition, 1'500, 7'000, 4},
                                                       {Disaster::kOneWay, 1'000, 5'000, 2},
                                                       {Disaster::kUnplug, 500, 5'000, 1},
                                                       {Disaster::kCutClients, 1'000, 4'000, 1},
                                                       {Disaster::kFullDisk, 2'000, 6'000, 2}}};

}  // namespace

std::string_view name_of(Disaster disaster) {
  constexpr std::array<std::string_view, kDisasterCount> kNames{
      "kill",   "kill several",         "kill all", "stop", "partition", "one-way partition",
      "unplug", "cut off from clients", "full disk"};
  return kNames[static_cast<std::size_t>(disaster)];
}

Disasters::Disasters(World world, std::uint64_t seed, std::function<void(const std::string&)> say)
    : world_(world), random_(seed), say_(std::move(say)) {}

bool Disasters::under_way(Disaster what) const {
  return std::ranges::any_of(active_, [&](const Active& active) { return active.what == what; });
}

std::vector<Disaster> Disasters::possible() const {
  std::vector<Disaster> result;
  for (const Nature& nature : kNatures) {
    const Disaster what = nature.what;
    const bool kill = what == Disaster::kKill || what == Disaster::kKillSeveral || what == Disaster::kKillAll;
    const bool cut = what == Disaster::kPartition || what == Disaster::kOneWay || what == Disaster::kUnplug ||
                     what == Disaster::kCutClients;
    const bool full = what == Disaster::kFullDisk;
    if ((kill && !world_.kills) || (cut && world_.network == nullptr) || (full && world_.disk == nullptr)) continue;
    // Twice the same at once would undo each other.
    if (under_way(what)) continue;
    for (int i = 0; i < nature.weight; ++i) result.push_back(what);
  }
  return result;
}

Result<> Disasters::tick(std::int64_t now_ms) {
  now_ms_ = now_ms;
  for (std::size_t i = 0; i < active_.size();) {
    if (now_ms < active_[i].end_ms) {
      ++i;
      continue;
    }
    DISTRI_TRY_VOID(end(active_[i]));
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (now_ms < next_ms_) return {};
  next_ms_ = now_ms + kPauseMinMs + static_cast<std::int64_t>(random_.below(kPauseMaxMs - kPauseMinMs));
  const auto choices = possible();
  if (active_.size() >= kAtOnce || choices.empty()) return {};
  return begin(choices[random_.below(choices.size())], now_ms);
}

Result<> Disasters::heal() {
  for (Active& active : active_) DISTRI_TRY_VOID(end(active));
  active_.clear();
  return {};
}

std::vector<std::size_t> Disasters::some_nodes(std::size_t count) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < world_.nodes.count(); ++i) {
    if (world_.nodes.running(i)) all.push_back(i);
  }
  for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random_.below(i)]);
  all.resize(std::min(all.size(), count));
  std::ranges::sort(all);
  return all;
}

std::string Disasters::names(const std::vector<std::size_t>& nodes) const {
  std::string text;
  for (const std::size_t node : nodes) text += (text.empty() ? "" : " ") + world_.nodes.setup(node).name;
  return text;
}

Result<> Disasters::begin(Disaster what, std::int64_t now_ms) {
  const Nature& nature = kNatures[static_cast<std::size_t>(what)];
  Active active;
  active.what = what;
  active.end_ms =
      now_ms + nature.least_ms +
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(nature.most_ms - nature.least_ms)));
  const std::size_t count = world_.nodes.count();
  switch (what) {
    case Disaster::kKillSeveral:
      active.nodes = some_nodes(count < 3 ? count : 2 + random_.below(count - 2));
      break;
    case Disaster::kKillAll:
      active.nodes = some_nodes(count);
      break;
    case Disaster::kPartition:
      break;
    case Disaster::kFullDisk:
      active.nodes = {world_.disk_node};
      break;
    default:
      active.nodes = some_nodes(1);
      break;
  }
  if (active.nodes.empty() && what != Disaster::kPartition) return {};
  active.text = names(active.nodes);
  DISTRI_TRY_VOID(strike(active));
  ++counts_[static_cast<std::size_t>(what)];
  say_(fmt::format("{}: {}, for {} ms", name_of(what), active.text, active.end_ms - now_ms));
  active_.push_back(std::move(active));
  return {};
}

Result<> Disasters::strike(Active& active) {
  switch (active.what) {
    case Disaster::kKill:
    case Disaster::kKillSeveral:
    case Disaster::kKillAll:
      for (const std::size_t node : active.nodes) world_.nodes.kill(node);
      kills_ += active.nodes.size();
      return {};
    case Disaster::kStop:
      for (const std::size_t node : active.nodes) world_.nodes.stop(node);
      return {};
    case Disaster::kPartition:
      return partition(active);
    case Disaster::kOneWay: {
      const std::size_t to = active.nodes[0];
      const std::size_t from = (to + 1 + random_.below(world_.nodes.count() - 1)) % world_.nodes.count();
      active.cuts = {{from, to}};
      active.text = fmt::format("{} no longer hears {}", world_.nodes.setup(to).name, world_.nodes.setup(from).name);
      return world_.network->cut(from, to);
    }
    case Disaster::kUnplug:
      return world_.network->plug(active.nodes[0], false);
    case Disaster::kCutClients:
      active.cuts = {{Network::kClients, active.nodes[0]}};
      return world_.network->cut(Network::kClients, active.nodes[0]);
    case Disaster::kFullDisk:
      disk_full_ = true;
      return world_.disk->fill();
  }
  return {};
}

// Two random sides, neither of them empty.
Result<> Disasters::partition(Active& active) {
  const std::size_t count = world_.nodes.count();
  const std::uint64_t left_mask = 1 + random_.below((std::uint64_t{1} << count) - 2);
  std::vector<std::size_t> left;
  std::vector<std::size_t> right;
  for (std::size_t i = 0; i < count; ++i) ((left_mask >> i & 1) != 0 ? left : right).push_back(i);
  for (const std::size_t a : left) {
    for (const std::size_t b : right) {
      for (const auto& cut : {std::pair{a, b}, std::pair{b, a}}) {
        DISTRI_TRY_VOID(world_.network->cut(cut.first, cut.second));
        active.cuts.push_back(cut);
      }
    }
  }
  active.text = fmt::format("{} | {}", names(left), names(right));
  const std::size_t one = left[random_.below(left.size())];
  const std::size_t other = right[random_.below(right.size())];
  if (world_.nodes.running(one) && world_.nodes.running(other)) {
    active.probed = true;
    world_.prober.begin({world_.nodes.setup(one).address, world_.nodes.setup(other).address}, active.text);
  }
  return {};
}

Result<> Disasters::end(Active& active) {
  if (active.probed) world_.prober.end();
  for (const auto& [from, to] : active.cuts) DISTRI_TRY_VOID(world_.network->mend(from, to));
  switch (active.what) {
    case Disaster::kKill:
    case Disaster::kKillSeveral:
    case Disaster::kKillAll:
      for (const std::size_t node : active.nodes) DISTRI_TRY_VOID(world_.nodes.start(node));
      break;
    case Disaster::kStop:
      for (const std::size_t node : active.nodes) world_.nodes.go_on(node);
      break;
    case Disaster::kUnplug:
      DISTRI_TRY_VOID(world_.network->plug(active.nodes[0], true));
      break;
    case Disaster::kFullDisk:
      world_.disk->empty();
      disk_full_ = false;
      room_since_ms_ = now_ms_;
      break;
    default:
      break;
  }
  return {};
}

}  // namespace chaos
