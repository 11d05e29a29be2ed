// effect.hpp: what an op did when it was applied here, kept beside its batch in the log, so that the log can be read as
// a feed of changes (change_feed.hpp).
//
// An op says what its writer did; what becomes of it depends on what a node had seen before: an insert may replace a
// document, an update may lose some or all of its fields to a concurrent one. Nodes may differ in this, so effects do
// not travel; they rest in the journal with the log.
//
// Encoding, of the ops of one batch: u8 summary (1: some op has conflicts), then for each op u8 kind with flags, and
// what the flags announce. Most batches take one byte an op and one more. Empty: not known (the ops came as states).
// Threads: values. Errors: only the decoder's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/revision.hpp"
#include "distri/utils/result.hpp"

namespace distri::replication {

struct Effect {
  // The numbers rest in journals.
  enum class Kind : std::uint8_t {
    kNone = 0,  // nothing that a reader of documents sees
    kInserted = 1,
    kReplaced = 2,
    kUpdated = 3,
    kDeleted = 4,
    kCreated = 5,
    kDropped = 6,
    kDroppedPartly = 7,  // documents that the drop's writer had not seen have survived
    // Nothing that a reader sees who has seen what this node had. One who has seen more, elsewhere, may hold what ends.
    kDeletedNothing = 8,
    kDroppedNothing = 9,
    kCreatedAgain = 10,
  };
  // A write that became a conflict by this op: an earlier one, or the op itself.
  struct Lost {
    db::Dot loser;
    db::Dot winner;  // counter 0: not known
    Bytes key;       // of the document

    bool operator==(const Lost&) const = default;
  };

  Kind kind = Kind::kNone;
  bool took_effect = false;              // on documents, stamps or conflicts; does not rest with the others
  std::vector<std::string> lost_fields;  // kUpdated: of the op's fields those that lost to newer ones
  std::vector<Lost> conflicts;           // at most kConflictsMax
  bson::Document id;                     // kUpdated: {_id}, where the key does not tell it exactly

  static constexpr std::size_t kConflictsMax = 1'000;
  // A reader who has seen what this node had sees it.
  bool visible() const { return kind != Kind::kNone && kind < Kind::kDeletedNothing; }
  bool operator==(const Effect&) const = default;
};

// The effects of a batch, one by one, as they rest in the log.
class EffectsWriter {
 public:
  void add(const Effect& effect);
  // Everything since the last call.
  Bytes take();

 private:
  Bytes bytes_;
};

// Some op of the batch has conflicts.
bool has_conflicts(BytesView effects);
// kDataLoss. Precondition: not empty.
Result<std::vector<Effect>> decode_effects(BytesView effects, std::size_t ops);

}  // namespace distri::replication
