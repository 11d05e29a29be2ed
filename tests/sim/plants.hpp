// plants.hpp: defects that are brought in on purpose, to prove that the checkers see them, by name.
//
// Some sit inside the replica (replication/plant.hpp), the others in what stands around it: the owner's start and
// storage code, the network, the service; or in membership (membership/plant.hpp).
#pragma once

#include <array>
#include <string_view>

#include "distri/membership/plant.hpp"
#include "distri/replication/plant.hpp"

namespace distri::sim {

enum class OwnerPlant {
  kNone,
  kSkipIncarnationBump,  // a node that starts again goes on as the actor it was
  kAckBeforeFsync,       // the owner reports a commit as durable when it is written
  kCorruptDocument,      // one batch says something else when it arrives
  kLoseOp,               // one op of a batch does not arrive, the batch does
  kLoseWrite,            // the service says yes and does nothing
  kHideCopies,           // two nodes of one identity are taken for one that has started anew
  kWaitForEver,          // who waits for holders is never answered "indeterminate"
  kIgnoreToken,          // a node answers a session whatever it has seen
  kTokenFromTheFuture,   // a token names a write that comes only after it
  kTornCommit,           // of every tenth commit one record does not reach the disk
  kCutMessage,           // one message loses its last byte
  kKeepLinks,            // a link to a node that was removed stays up
  kForgetNobody,         // what a node confirmed that was removed counts as before
  kTrustAddresses,       // whoever listens where the table says that a member does is taken for one
};

struct Defect {
  replication::Plant replica = replication::Plant::kNone;
  OwnerPlant owner = OwnerPlant::kNone;
  membership::Plant member = membership::Plant::kNone;
  bool members = false;  // it shows in a cluster with keys only
};

struct DefectName {
  std::string_view name;
  Defect defect;
};

inline constexpr std::array kDefectNames{
    DefectName{"skip-incarnation-bump", {.owner = OwnerPlant::kSkipIncarnationBump}},
    DefectName{"ack-before-fsync", {.owner = OwnerPlant::kAckBeforeFsync}},
    DefectName{"corrupt-document", {.owner = OwnerPlant::kCorruptDocument}},
    DefectName{"lose-op", {.owner = OwnerPlant::kLoseOp}},
    DefectName{"lose-write", {.owner = OwnerPlant::kLoseWrite}},
    DefectName{"advance-vector-early", {.replica = replication::Plant::kAdvanceVectorEarly}},
    DefectName{"drop-held-batch", {.replica = replication::Plant::kDropHeldBatch}},
    DefectName{"adopt-any-clock", {.replica = replication::Plant::kAdoptAnyClock}},
    DefectName{"stamp-by-wall-clock", {.replica = replication::Plant::kStampByWallClock}},
    DefectName{"tombstones-by-time", {.replica = replication::Plant::kTombstonesByTime}},
    DefectName{"update-any-generation", {.replica = replication::Plant::kUpdateAnyGeneration}},
    DefectName{"forget-conflict", {.replica = replication::Plant::kForgetConflict}},
    DefectName{"ignore-covered-dots", {.replica = replication::Plant::kIgnoreCoveredDots}},
    DefectName{"ack-before-durable", {.replica = replication::Plant::kAckBeforeDurable}},
    DefectName{"ack-for-others", {.replica = replication::Plant::kAckForOthers}},
    DefectName{"increment-as-set", {.replica = replication::Plant::kIncrementAsSet}},
    DefectName{"vector-before-states", {.replica = replication::Plant::kVectorBeforeStates}},
    DefectName{"hide-copies", {.owner = OwnerPlant::kHideCopies}},
    DefectName{"wait-for-ever", {.owner = OwnerPlant::kWaitForEver}},
    DefectName{"ignore-token", {.owner = OwnerPlant::kIgnoreToken}},
    DefectName{"token-from-the-future", {.owner = OwnerPlant::kTokenFromTheFuture}},
    DefectName{"torn-commit", {.owner = OwnerPlant::kTornCommit}},
    DefectName{"cut-message", {.owner = OwnerPlant::kCutMessage}},
    DefectName{"refuse-in-minority", {.replica = replication::Plant::kRefuseInMinority}},
    DefectName{"never-pull", {.replica = replication::Plant::kNeverPull}},
    DefectName{"no-timeouts", {.replica = replication::Plant::kNoTimeouts}},
    DefectName{"forget-wants", {.replica = replication::Plant::kForgetWants}},
    DefectName{"hide-conflict-events", {.replica = replication::Plant::kHideConflictEvents}},
    DefectName{"ignore-checksums", {.replica = replication::Plant::kIgnoreChecksums}},
    DefectName{"skip-counter", {.replica = replication::Plant::kSkipCounter}},
    DefectName{"show-undurable", {.replica = replication::Plant::kShowUndurable}},
    DefectName{"lost-too-early", {.replica = replication::Plant::kLostTooEarly}},
    DefectName{"ignore-log-budget", {.replica = replication::Plant::kIgnoreLogBudget}},
    DefectName{"ignore-holdback-budget", {.replica = replication::Plant::kIgnoreHoldbackBudget}},
    DefectName{"ignore-conflict-budget", {.replica = replication::Plant::kIgnoreConflictBudget}},
    DefectName{"ignore-tombstone-budget", {.replica = replication::Plant::kIgnoreTombstoneBudget}},
    DefectName{"ignore-chunk-bytes", {.replica = replication::Plant::kIgnoreChunkBytes}},
    DefectName{"watch-skips", {.replica = replication::Plant::kWatchSkips}},
    DefectName{"watch-repeats", {.replica = replication::Plant::kWatchRepeats}},
    DefectName{"watch-turns-back", {.replica = replication::Plant::kWatchTurnsBack}},
    DefectName{"expire-by-own-clock", {.replica = replication::Plant::kExpireByOwnClock}},
    DefectName{"trim-newest", {.replica = replication::Plant::kTrimNewest}},
    DefectName{"trim-inserts-only", {.replica = replication::Plant::kTrimInsertsOnly}},
    DefectName{"never-announce", {.replica = replication::Plant::kNeverAnnounce}},
    DefectName{"insert-by-clock", {.replica = replication::Plant::kInsertByClock}},
    DefectName{"hoard-revocations", {.member = membership::Plant::kHoardRevocations, .members = true}},
    DefectName{"forget-sequence", {.member = membership::Plant::kForgetSequence, .members = true}},
    DefectName{"keep-links", {.owner = OwnerPlant::kKeepLinks, .members = true}},
    DefectName{"forget-nobody", {.owner = OwnerPlant::kForgetNobody, .members = true}},
    DefectName{"trust-addresses", {.owner = OwnerPlant::kTrustAddresses, .members = true}},
};

}  // namespace distri::sim
