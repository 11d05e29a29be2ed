// undurable.hpp: what has changed and is not on the disk yet, so that nobody is shown what a crash would take back.
//
// For every document, and for every collection as a whole, the number of the newest commit that changes it, until that
// commit is durable. Memory: the keys of the commits under way. Threads: none. Errors: none.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace distri::replication {

class Undurable {
 public:
  // Commit numbers do not go down. An empty key: the collection's own state (created, dropped).
  void changed(std::string_view collection, std::string_view key, std::uint64_t commit) {
    Entry& entry = collections_[collection];
    entry.newest = commit;
    std::uint64_t& of_key = entry.keys[key];
    if (of_key == commit) return;
    of_key = commit;
    under_way_.push_back({commit, std::string(collection), std::string(key)});
  }

  // Commits up to this one are durable.
  void durable(std::uint64_t commit) {
    for (; !under_way_.empty() && under_way_.front().commit <= commit; under_way_.pop_front()) {
      const auto entry = collections_.find(under_way_.front().collection);
      if (entry == collections_.end()) continue;
      const auto key = entry->second.keys.find(under_way_.front().key);
      if (key != entry->second.keys.end() && key->second <= commit) entry->second.keys.erase(key);
      if (entry->second.keys.empty()) collections_.erase(entry);
    }
  }

  // The commit that must be durable before anybody is shown the collection, or that document of it; 0: none.
  std::uint64_t newest(std::string_view collection) const {
    const auto entry = collections_.find(collection);
    return entry == collections_.end() ? 0 : entry->second.newest;
  }
  std::uint64_t newest(std::string_view collection, std::string_view key) const {
    const auto entry = collections_.find(collection);
    if (entry == collections_.end()) return 0;
    const auto of = [&keys = entry->second.keys](std::string_view name) {
      const auto found = keys.find(name);
      return found == keys.end() ? 0 : found->second;
    };
    return std::max(of(key), of({}));
  }
  // Before anybody is shown anything.
  std::uint64_t newest() const { return under_way_.empty() ? 0 : under_way_.back().commit; }
  // Keys remembered, of commits under way.
  std::size_t size() const { return under_way_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  template <class Value>
  using Map = absl::flat_hash_map<std::string, Value, Hash, std::equal_to<>>;
  struct Entry {
    std::uint64_t newest = 0;
    Map<std::uint64_t> keys;
  };
  struct Change {
    std::uint64_t commit;
    std::string collection;
    std::string key;
  };
  Map<Entry> collections_;
  std::deque<Change> under_way_;
};

}  // namespace distri::replication
