// faults.hpp: what can go wrong in a simulated cluster, and which of it does in one seed.
//
// Swarm testing (Groce et al., 2012): each fault is on with probability 1/2 per seed, so that seeds explore different
// mixtures and one fault does not always hide another.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "distri/utils/random.hpp"

namespace distri::sim {

enum class Fault {
  kDrop,           // single messages vanish while the link stays
  kBreak,          // links break, with all that is on them, and come back
  kDuplicate,      // messages arrive twice
  kReorder,        // messages overtake each other
  kPartition,      // the nodes fall into two halves
  kOneWay,         // one direction of a link loses everything
  kPause,          // a node stands still; its mail waits
  kClockSkew,      // clocks run apart by seconds
  kClockJump,      // a clock leaps to 1970, a year ahead, or by minutes
  kCrash,          // a node loses its memory and starts again as a new incarnation
  kSmallLog,       // logs reach back only a little: states must be sent
  kSmallHoldback,  // little room for early batches
  kLargeDocuments,
};

struct FaultName {
  Fault fault;
  std::string_view name;
};
inline constexpr std::array<FaultName, 13> kFaultNames{{
    {Fault::kDrop, "drop"},
    {Fault::kBreak, "break"},
    {Fault::kDuplicate, "duplicate"},
    {Fault::kReorder, "reorder"},
    {Fault::kPartition, "partition"},
    {Fault::kOneWay, "one-way"},
    {Fault::kPause, "pause"},
    {Fault::kClockSkew, "clock-skew"},
    {Fault::kClockJump, "clock-jump"},
    {Fault::kCrash, "crash"},
    {Fault::kSmallLog, "small-log"},
    {Fault::kSmallHoldback, "small-holdback"},
    {Fault::kLargeDocuments, "large-documents"},
}};

class FaultSet {
 public:
  // `forced`: exactly that one.
  FaultSet(Random& random, std::optional<Fault> forced) {
    for (const FaultName& entry : kFaultNames) {
      const bool drawn = random.chance(0.5);
      on_[static_cast<std::size_t>(entry.fault)] = forced ? entry.fault == *forced : drawn;
    }
  }
  bool has(Fault fault) const { return on_[static_cast<std::size_t>(fault)]; }

 private:
  std::array<bool, kFaultNames.size()> on_{};
};

// Defects that the simulator itself brings in between the replicas, to prove that the checkers see them.
enum class Plant { kNone, kCorruptDocument, kLoseOp, kLoseWrite };

}  // namespace distri::sim
