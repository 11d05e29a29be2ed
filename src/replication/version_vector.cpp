#include "distri/replication/version_vector.hpp"

#include <algorithm>

namespace distri::replication {

namespace {

constexpr std::size_t kEntryBytes = ActorId::kSize + 8;
// Folds are followed so far; Folds::shorten() keeps honest chains at a few steps.
constexpr int kFoldChainMax = 100;

auto position(auto& entries, const ActorId& actor) {
  return std::lower_bound(
      entries.begin(), entries.end(), actor,
      [](const VersionVector::Entry& entry, const ActorId& wanted) { return entry.first < wanted; });
}

}  // namespace

std::uint64_t VersionVector::entry(const ActorId& actor) const {
  const auto at = position(entries_, actor);
  return at != entries_.end() && at->first == actor ? at->second : 0;
}

std::uint64_t VersionVector::get(const ActorId& actor) const {
  return folds_ == nullptr || folds_->size() == 0 ? entry(actor) : std::max(entry(actor), folded(actor));
}

// A fold's own op may be of an actor that has been folded since.
std::uint64_t VersionVector::folded(const ActorId& actor) const {
  const Fold* fold = folds_->find(actor);
  if (fold == nullptr) return 0;
  Dot by = fold->by;
  for (int i = 0; i < kFoldChainMax; ++i) {
    if (entry(by.actor) >= by.counter) return fold->counter;
    const Fold* next = folds_->find(by.actor);
    if (next == nullptr || next->counter < by.counter) return 0;
    by = next->by;
  }
  return 0;
}

void VersionVector::drop_folded() {
  if (folds_ == nullptr) return;
  std::erase_if(entries_, [this](const Entry& entry) {
    const Fold* fold = folds_->find(entry.first);
    return fold != nullptr && entry.second <= fold->counter && fold->by.actor != entry.first && covers(fold->by);
  });
}

VersionVector VersionVector::unfolded() const {
  VersionVector result = *this;
  result.folds_ = nullptr;
  if (folds_ == nullptr) return result;
  for (const auto& [actor, fold] : folds_->all()) result.advance(actor, folded(actor));
  return result;
}

void VersionVector::advance(const ActorId& actor, std::uint64_t counter) {
  if (counter == 0 || (folds_ != nullptr && folds_->size() > 0 && folded(actor) >= counter)) return;
  const auto at = position(entries_, actor);
  if (at == entries_.end() || at->first != actor) {
    entries_.insert(at, {actor, counter});
  } else {
    at->second = std::max(at->second, counter);
  }
}

bool VersionVector::covers(const VersionVector& other) const {
  auto mine = entries_.begin();
  for (const auto& [actor, counter] : other.entries_) {
    while (mine != entries_.end() && mine->first < actor) ++mine;
    if (mine != entries_.end() && mine->first == actor && mine->second >= counter) continue;
    if (folds_ == nullptr || folded(actor) < counter) return false;
  }
  return true;
}

void VersionVector::merge(const VersionVector& other) {
  if (covers(other)) return;
  if (folds_ != nullptr && folds_->size() > 0) {
    for (const auto& [actor, counter] : other.entries_) advance(actor, counter);
    drop_folded();
    return;
  }
  std::vector<Entry> merged;
  merged.reserve(entries_.size() + other.entries_.size());
  auto a = entries_.begin();
  auto b = other.entries_.begin();
  while (a != entries_.end() || b != other.entries_.end()) {
    if (b == other.entries_.end() || (a != entries_.end() && a->first < b->first)) {
      merged.push_back(*a++);
    } else if (a == entries_.end() || b->first < a->first) {
      merged.push_back(*b++);
    } else {
      merged.emplace_back(a->first, std::max(a->second, b->second));
      ++a, ++b;
    }
  }
  entries_ = std::move(merged);
}

std::uint64_t VersionVector::total() const {
  std::uint64_t sum = 0;
  for (const auto& entry : entries_) sum += entry.second;
  return sum;
}

void VersionVector::encode(wire::Writer& out) const {
  out.u32(static_cast<std::uint32_t>(entries_.size()));
  for (const auto& [actor, counter] : entries_) {
    out.raw(actor.view());
    out.u64(counter);
  }
}

Result<VersionVector> VersionVector::decode(wire::Reader& in) {
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / kEntryBytes)
    return fail(Code::kProtocolError, "version vector: it ends early");
  if (count > kVectorEntriesMax) {
    return fail(Code::kProtocolError, "version vector: {} actors, at most {} are allowed", count, kVectorEntriesMax);
  }
  VersionVector result;
  result.entries_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto actor = in.id<ActorId>();
    const std::uint64_t counter = in.u64();
    if (counter == 0) return fail(Code::kProtocolError, "version vector: a counter is zero");
    if (i > 0 && !(result.entries_.back().first < actor)) {
      return fail(Code::kProtocolError, "version vector: the actors are not in ascending order");
    }
    result.entries_.emplace_back(actor, counter);
  }
  return result;
}

std::string VersionVector::to_string() const {
  std::string text;
  for (const auto& [actor, counter] : entries_) {
    if (!text.empty()) text += ' ';
    text += fmt::format("{}:{}", actor.short_hex(), counter);
  }
  return text;
}

}  // namespace distri::replication
