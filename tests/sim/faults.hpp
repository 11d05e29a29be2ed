// faults.hpp: what can go wrong in a simulated cluster, and which of it does in one seed.
//
// Swarm testing (Groce et al., 2012): each fault is on with probability 1/2 per seed, so that seeds explore different
// mixtures and one fault does not always hide another. Faults that came later are drawn from a stream of their own, and
// more rarely, so that most seeds are what they were before. What is no fault but may be on or off has its own stream.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/random.hpp"

namespace distri::sim {

enum class Fault {
  kDrop,            // single messages vanish while the link stays
  kBreak,           // links break, with all that is on them, and come back
  kDuplicate,       // messages arrive twice
  kReorder,         // messages overtake each other
  kPartition,       // the nodes fall into two halves
  kBridge,          // two halves that only one node can reach both of
  kOneWay,          // one direction of a link loses everything
  kSlowLink,        // some links take up to two seconds
  kPause,           // a node stands still; its mail waits
  kClockSkew,       // clocks run apart by seconds
  kClockJump,       // a clock leaps to 1970, a year ahead, or by minutes
  kCrash,           // a node loses its memory and what its disk had not synced, and starts again
  kCrashAtWrite,    // the same between taking a commit, writing, syncing and reporting it
  kLostFsync,       // for a while a disk says that it synced and did not; then it crashes
  kBitFlip,         // one bit of what a stopped node stored turns over
  kDiskFull,        // a disk takes nothing for a while
  kSlowSync,        // a sync takes up to 300 ms
  kRestoredBackup,  // a node starts again from an older copy of its data directory
  kReplace,         // a node is gone for good; a new one takes its place
  kJoin,            // one more node than before
  kLongOutage,      // a node is cut off while much happens
  kSmallLog,        // logs reach back only a little: states must be sent
  kSmallHoldback,   // little room for early batches
  kSmallBudgets,    // few tombstones and few conflicts are kept
  kLargeDocuments,
  kClone,            // a copy of a node's data directory starts beside the original
  kRemove,           // a node is gone for good, and `members` is one fewer from then on
  kMixedDurability,  // every node has a mode of its own: memory, batched or sync
  kPowerCut,         // all nodes crash at once
  kLeases,           // no fault: documents that expire
  kCapped,           // no fault: capped collections
  kTree,             // no fault: batches go by the broadcast tree, however few nodes there are
};

struct FaultName {
  Fault fault;
  std::string_view name;
  double later = 0;    // its probability, when it is drawn from the later stream
  bool apart = false;  // drawn by whoever needs it (add())
};
inline constexpr double kLaterChance = 0.2;
inline constexpr std::array<FaultName, 32> kFaultNames{{
    {Fault::kDrop, "drop"},
    {Fault::kBreak, "break"},
    {Fault::kDuplicate, "duplicate"},
    {Fault::kReorder, "reorder"},
    {Fault::kPartition, "partition"},
    {Fault::kBridge, "bridge"},
    {Fault::kOneWay, "one-way"},
    {Fault::kSlowLink, "slow-link"},
    {Fault::kPause, "pause"},
    {Fault::kClockSkew, "clock-skew"},
    {Fault::kClockJump, "clock-jump"},
    {Fault::kCrash, "crash"},
    {Fault::kCrashAtWrite, "crash-at-write"},
    {Fault::kLostFsync, "lost-fsync"},
    {Fault::kBitFlip, "bit-flip"},
    {Fault::kDiskFull, "disk-full"},
    {Fault::kSlowSync, "slow-sync"},
    {Fault::kRestoredBackup, "restored-backup"},
    {Fault::kReplace, "replace"},
    {Fault::kJoin, "join"},
    {Fault::kLongOutage, "long-outage"},
    {Fault::kSmallLog, "small-log"},
    {Fault::kSmallHoldback, "small-holdback"},
    {Fault::kSmallBudgets, "small-budgets"},
    {Fault::kLargeDocuments, "large-documents"},
    {Fault::kClone, "clone", kLaterChance},
    {Fault::kRemove, "remove", kLaterChance},
    {Fault::kMixedDurability, "mixed-durability", kLaterChance},
    {Fault::kPowerCut, "power-cut", kLaterChance},
    {Fault::kLeases, "leases", 0, true},
    {Fault::kCapped, "capped", 0, true},
    {Fault::kTree, "tree", 0, true},
}};

class FaultSet {
 public:
  FaultSet() = default;  // nothing goes wrong
  // `forced`: exactly these, unless there are none.
  FaultSet(Random& random, Random& later, const std::vector<Fault>& forced) {
    for (const FaultName& entry : kFaultNames) {
      if (entry.apart) continue;
      on_[static_cast<std::size_t>(entry.fault)] = entry.later > 0 ? later.chance(entry.later) : random.chance(0.5);
    }
    if (forced.empty()) return;
    on_.fill(false);
    for (const Fault fault : forced) on_[static_cast<std::size_t>(fault)] = true;
  }
  // "drop,crash", for people and for --fault.
  std::string to_string() const {
    std::string names;
    for (const FaultName& entry : kFaultNames) {
      if (has(entry.fault)) names.append(names.empty() ? "" : ",").append(entry.name);
    }
    return names;
  }
  void remove(Fault fault) { on_[static_cast<std::size_t>(fault)] = false; }
  void add(Fault fault) { on_[static_cast<std::size_t>(fault)] = true; }
  bool has(Fault fault) const { return on_[static_cast<std::size_t>(fault)]; }

 private:
  std::array<bool, kFaultNames.size()> on_{};
};

}  // namespace distri::sim
