#include "distri/replication/op_log.hpp"

#include <algorithm>
#include <queue>

#include "distri/utils/check.hpp"

namespace distri::replication {

namespace {

// What an entry takes beside its bytes, about.
constexpr std::size_t kEntryOverheadBytes = 128;

// Of an append, over what is wanted: no turn has much to do, and the log still shrinks.
constexpr std::size_t kDroppedAtOnce = 16;

std::size_t cost(const OpLog::Entry& entry) {
  return entry.batch->size() + entry.effects.size() + kEntryOverheadBytes;
}

}  // namespace

void OpLog::append(Entry entry) {
  bytes_ += cost(entry);
  auto& positions = positions_[entry.actor];
  if (!positions.empty()) DISTRI_CHECK(at(positions.back()).last_counter < entry.last_counter);
  positions.push_back(end_position());
  entries_.push_back(std::move(entry));
  while (bytes_ > bytes_max_ && entries_.size() > 1) drop_oldest();
  for (std::size_t dropped = 0; dropped < kDroppedAtOnce && bytes_ > bytes_wanted_ && entries_.size() > 1; ++dropped)
    drop_oldest();
}

void OpLog::drop_oldest() {
  const Entry& oldest = entries_.front();
  floor_.advance(oldest.actor, oldest.last_counter);
  const auto found = positions_.find(oldest.actor);
  found->second.pop_front();
  if (found->second.empty()) positions_.erase(found);
  bytes_ -= cost(oldest);
  entries_.pop_front();
  ++first_position_;
}

OpLog::Missing OpLog::missing(const VersionVector& vector, std::size_t bytes_max) const {
  // A merge of the actors' own sequences, by position; nothing that `vector` covers is looked at.
  struct Head {
    std::uint64_t position;
    std::deque<std::uint64_t>::const_iterator at;
    std::deque<std::uint64_t>::const_iterator end;
    bool operator<(const Head& other) const { return position > other.position; }
  };
  std::priority_queue<Head> heads;
  for (const auto& [actor, positions] : positions_) {
    const std::uint64_t seen = vector.get(actor);
    const auto first = std::partition_point(positions.begin(), positions.end(),
                                            [&](std::uint64_t position) { return at(position).last_counter <= seen; });
    if (first != positions.end()) heads.push({*first, first, positions.end()});
  }
  Missing result;
  std::size_t bytes = 0;
  while (!heads.empty()) {
    Head head = heads.top();
    const Entry& entry = at(head.position);
    if (!result.entries.empty() && bytes + entry.batch->size() > bytes_max) {
      result.more = true;
      break;
    }
    bytes += entry.batch->size();
    result.entries.push_back(&entry);
    heads.pop();
    if (++head.at != head.end) heads.push({*head.at, head.at, head.end});
  }
  return result;
}

std::vector<const OpLog::Entry*> OpLog::stretch(const ActorId& actor, std::uint64_t after, std::uint64_t to,
                                                std::size_t bytes_max) const {
  std::vector<const Entry*> result;
  const auto found = positions_.find(actor);
  if (found == positions_.end()) return result;
  const std::deque<std::uint64_t>& positions = found->second;
  auto next = std::partition_point(positions.begin(), positions.end(),
                                   [&](std::uint64_t position) { return at(position).last_counter <= after; });
  std::size_t bytes = 0;
  for (; next != positions.end() && at(*next).first_counter <= to; ++next) {
    const Entry& entry = at(*next);
    if (!result.empty() && bytes + entry.batch->size() > bytes_max) break;
    bytes += entry.batch->size();
    result.push_back(&entry);
  }
  return result;
}

OpLog::Gap OpLog::gap(const VersionVector& vector) const {
  Gap gap{end_position(), first_position_};
  for (const auto& [actor, positions] : positions_) {
    const std::uint64_t seen = vector.get(actor);
    const auto first = std::partition_point(positions.begin(), positions.end(),
                                            [&](std::uint64_t position) { return at(position).last_counter <= seen; });
    if (first != positions.begin()) gap.covered_end = std::max(gap.covered_end, *std::prev(first) + 1);
    if (first == positions.end()) continue;
    gap.begin = std::min(gap.begin, *first);
    if (at(*first).first_counter <= seen) gap.covered_end = std::max(gap.covered_end, *first + 1);
  }
  return gap;
}

}  // namespace distri::replication
