// watch_client.hpp: a reader of the change feed that moves between nodes with its token, keeps a copy of the documents
// from nothing but what it is told, and holds the nodes to what docs/documents.md promises of a change feed.
//
// A chain begins with a copy of a node's documents and goes on over any number of nodes, until one says that history is
// lost, or a drop was not complete; then a new one begins. Checked, within a chain: no write is shown twice, nor one
// that the token had seen; a write comes after those that its writer knew; what the chain has passed and not shown has
// met a concurrent write; and in the end the copy is what the nodes hold. Threads: none.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "distri/replication/change_feed.hpp"
#include "world.hpp"

namespace distri::sim {

class WatchClient {
 public:
  struct Habits {
    std::string collection;  // empty: all
    std::size_t events_max = 1'000;
    std::size_t work_bytes = 1u << 20;
    std::size_t laziness = 2;  // it reads at one of so many turns of its node
  };

  WatchClient(World& world, Habits habits, std::uint64_t seed);

  // A machine has had a turn: perhaps the watcher reads there, moves there, or goes away.
  void turned(std::size_t i);
  // Everything is at rest and all nodes agree: it reads to the end, on every node.
  void check_end();

 private:
  using Place = std::pair<std::string, Bytes>;
  using Fields = std::map<std::string, Bytes>;  // elements as documents hold them

  bool here(std::size_t i) const { return at_ && *at_ == i && world_.machine(i).life == life_; }
  bool attach(std::size_t i);
  void check_lost(const replication::Replica& replica, const VersionVector& seen);
  void begin(std::size_t i);
  void read(std::size_t i, std::size_t pages);
  void take(std::size_t i, bson::View event);
  void fold(const History::Write& write, std::string_view type, bson::View event);
  void check_order(const Place& place, const History::Write& write);
  void check_passed();
  void check_copy(std::size_t i);
  bool concurrent(const History::Write& write) const;
  bool watched(std::string_view collection) const;
  bool excused() const;
  void restart(std::string_view why);
  void fail(std::string_view what);

  World& world_;
  Habits habits_;
  Random random_;

  // Where it reads.
  std::optional<std::size_t> at_;
  std::uint64_t life_ = 0;
  std::optional<replication::ChangeFeed> feed_;
  std::optional<replication::ChangeFeed::Reader> reader_;
  int turned_away_ = 0;

  // The chain.
  std::optional<std::string> token_;
  VersionVector start_;   // what its copy began with
  VersionVector opened_;  // what its token named when it came to this node
  std::set<Dot> shown_;
  std::map<Place, std::vector<Dot>> order_;  // of each document, the newest last
  std::map<Place, Fields> copy_;
};

}  // namespace distri::sim
