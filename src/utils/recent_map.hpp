// recent_map.hpp: a map whose oldest entries are the first to go.
//
// Entries lie in the order in which they came, one behind the other; the table beside them holds only keys and places,
// so that it stays small, and growing old costs no search. Threads: none. Errors: none.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace distri {

template <class Key, class Value>
class RecentMap {
 public:
  // nullptr: there is none. Valid until the entry goes.
  Value* find(const Key& key) {
    const auto at = places_.find(key);
    return at == places_.end() ? nullptr : &entries_[static_cast<std::size_t>(at->second - first_)].second;
  }
  const Value* find(const Key& key) const { return const_cast<RecentMap*>(this)->find(key); }
  // The entry of `key`, which is made as the newest when there is none.
  Value& operator[](const Key& key) {
    const auto [at, fresh] = places_.try_emplace(key, first_ + entries_.size());
    if (fresh) entries_.emplace_back(key, Value());
    return entries_[static_cast<std::size_t>(at->second - first_)].second;
  }

  // Precondition: not empty.
  const Value& oldest() const { return entries_.front().second; }
  void drop_oldest() {
    places_.erase(entries_.front().first);
    entries_.pop_front();
    ++first_;
  }
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

 private:
  std::deque<std::pair<Key, Value>> entries_;
  std::uint64_t first_ = 0;                         // number of the oldest entry
  absl::flat_hash_map<Key, std::uint64_t> places_;  // numbers of entries
};

}  // namespace distri
