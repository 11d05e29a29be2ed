// plant.hpp: defects that tests plant into a replica, to prove that the simulator's checkers see them.
//
// Test only: ReplicaConfig::plant is kNone everywhere else. Each is a mistake that a replicated database has really
// been shipped with.
#pragma once

#include <cstdint>

namespace distri::replication {

enum class Plant : std::uint8_t {
  kNone,
  kAdvanceVectorEarly,   // a batch that came early counts as seen
  kDropHeldBatch,        // one batch in the hold-back is forgotten, its dots counted as seen
  kAdoptAnyClock,        // a peer's clock is followed however far ahead it is
  kStampByWallClock,     // a write's stamp does not exceed what it replaces
  kTombstonesByTime,     // tombstones go when they are old, seen by all or not
  kUpdateAnyGeneration,  // an update applies to a generation it never saw
  kForgetConflict,       // a concurrent loser is thrown away
  kIgnoreCoveredDots,    // a stream of states brings back what was deleted
  kAckBeforeDurable,     // a write counts as durable when it is written, not when it is synced
  kAckForOthers,         // a peer counts as holding a write that it has not confirmed
  kIncrementAsSet,       // concurrent increments overwrite each other
  kVectorBeforeStates,   // a stream of states is taken over with the vector of its end
  kRefuseInMinority,     // a node that sees less than half of the members takes no writes
  kNeverPull,            // nobody asks for what it lacks
  kNoTimeouts,           // pulls and held-back batches wait for ever
  kForgetWants,          // who is asked to confirm a write that is not durable yet forgets the question
  kHideConflictEvents,   // a conflict is kept, but nobody is told
  kIgnoreChecksums,      // a record of the journal is believed, whatever its checksum says
  kSkipCounter,          // a number is left out now and then
  kShowUndurable,        // a caller's token names what is not on the disk yet
  kLostTooEarly,         // a write counts as lost when the peers that happen to be here lack it
  kIgnoreLogBudget,      // each of these knows no bound
  kIgnoreHoldbackBudget,
  kIgnoreConflictBudget,
  kIgnoreTombstoneBudget,
  kIgnoreChunkBytes,
  kWatchSkips,        // the change feed leaves out an event now and then
  kWatchRepeats,      // it shows again what the reader has seen elsewhere
  kWatchTurnsBack,    // and what lost to that
  kExpireByOwnClock,  // documents expire by the wall clock of the node that removes them
  kTrimNewest,        // a capped collection over its limits loses its newest documents
  kTrimInsertsOnly,   // what a merge or a lowered limit leaves over the limits stays
  kNeverAnnounce,     // neighbours in the broadcast tree are not told what they were not pushed
  kInsertByClock,     // what is inserted into a capped collection stands where the writer's clock puts it
};

}  // namespace distri::replication
