#include "distri/replication/version_vector.hpp"

#include <algorithm>

namespace distri::replication {

namespace {

constexpr std::size_t kEntryBytes = ActorId::kSize + 8;
// Folds are followed so far; Folds::shorten() keeps honest chains at a step or two.
constexpr int kFoldChainMax = 3;

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
bool VersionVector::reaches(const Dot& dot, int steps) const {
  if (entry(dot.actor) >= dot.counter) return true;
  const std::vector<Fold>* of_actor = folds_->find(dot.actor);
  if (of_actor == nullptr || steps == 0) return false;
  return std::any_of(of_actor->begin(), of_actor->end(),
                     [&](const Fold& fold) { return fold.counter >= dot.counter && reaches(fold.by, steps - 1); });
}

std::uint64_t VersionVector::folded(const ActorId& actor) const {
  const std::vector<Fold>* of_actor = folds_->find(actor);
  std::uint64_t counter = 0;
  if (of_actor == nullptr) return 0;
  for (const Fold& fold : *of_actor) {
    if (fold.counter > counter && reaches(fold.by, kFoldChainMax)) counter = fold.counter;
  }
  return counter;
}

void VersionVector::drop_folded() {
  if (folds_ == nullptr || folds_->size() == 0) return;
  std::vector<Entry> kept;
  kept.reserve(entries_.size());
  for (const Entry& each : entries_) {
    if (folded(each.first) < each.second) kept.push_back(each);
  }
  entries_ = std::move(kept);
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
