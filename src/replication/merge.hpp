// merge.hpp: what two replicas make of the same writes, as pure functions.
//
// The state of one `_id` is its newest generation: a document with its field registers, or a tombstone. It is a join
// semilattice:
//
//   * Generations are ordered by (stamp, dot); the greater one wins as a whole.
//   * Within a generation every top-level field is a register, ordered by (stamp, dot). A field without a FieldRevision
//   still holds
//     what the generation's insert gave it, which is older than any update.
//   * An update applies only to the generation it names. Delivery is causal, so that generation has been seen before;
//   when it is no
//     longer the newest the update is void for ever, on every replica.
//
// Hence applying ops in any causal order and merging states in any tree give the same state (property-tested).
//
// Field order. Field k of the insert has ordinal k (`_id` is 0); a field that came later has none
// (FieldRevision::kAdded). A document lists the fields with an ordinal by ordinal, then the added ones by name.
// Ordinals of untouched fields are not stored: they are the numbers that no FieldRevision uses, in order, which every
// replica derives alike.
//
// Threads: none. Errors: none, except check_state() for what comes from outside.
#pragma once

#include <optional>

#include "distri/bson/document.hpp"
#include "distri/db/records.hpp"
#include "distri/replication/counter.hpp"
#include "distri/replication/losers.hpp"
#include "distri/replication/op.hpp"

namespace distri::replication {

// Concurrent updates of different fields may together exceed bson::kDocumentBytesMax; the result is kept all the same,
// because all replicas must agree. Beyond this size, which only a peer in bad faith reaches, an update is void.
inline constexpr std::size_t kMergedDocumentBytesMax = 256u << 20;

// Default-constructed: never written.
struct State {
  db::Revision revision;
  std::optional<bson::Document> document;  // nullopt: tombstone (or never written)

  bool never_written() const { return revision.dot().counter == 0; }
  bool operator==(const State&) const = default;
};

// A state where it is stored. No document: tombstone. revision == nullptr: never written.
struct StateRef {
  const db::Revision* revision = nullptr;
  std::optional<bson::View> document = std::nullopt;
};
StateRef ref(const State& state);
StateRef ref(const db::Record& record);

// Newest create and newest drop of a collection. Generations with a stamp not above dropped.stamp are dead.
struct CollectionStamps {
  struct Event {
    Stamp stamp;
    Dot dot;
    auto operator<=>(const Event&) const = default;
  };
  Event created;
  Event dropped;
  // The greatest stamp of a tombstone that was removed: new generations exceed it, so that nobody who still has the
  // tombstone takes them for older than the delete.
  Stamp purged;

  void merge(const CollectionStamps& other);
  // Created since it was last dropped.
  bool created_last() const { return created.stamp > dropped.stamp; }
  bool operator==(const CollectionStamps&) const = default;
};

// What a document op makes of the current state; nullopt: it changes nothing. Not for collection ops and kResolve.
// `seen`: what the op's writer had seen. Into `losers` goes what was lost to it unseen, or it itself when it lost:
// delivery is causal, so whoever wrote what it loses to had not seen it.
std::optional<State> apply(StateRef current, Op op, const Dot& dot, const Seen& seen, Losers& losers);
std::optional<State> apply(StateRef current, Op op, const Dot& dot);
// An op that can have no effect, because of `winner`.
void lose(StateRef current, const Op& op, const Dot& dot, const Dot& winner, Losers& losers);

// The join; nullopt: `current` stays as it is. `mine`, `theirs`: what the holders of the two states have seen.
std::optional<State> merge(StateRef current, State other, const Seen& mine, const Seen& theirs, Losers& losers);
std::optional<State> merge(StateRef current, State other);
State merged(State a, State b);

// The greatest stamp in it: what a write that replaces it must exceed.
Stamp newest_stamp(const db::Revision& revision);

// For the writer of increments: what to add to which base, from {field: number, ...}. Precondition: `current` has a
// document. kInvalidArgument: a delta or a field that is not int32, int64 or double, or a sum beyond 64 bits.
Result<std::vector<Increment>> plan_increments(StateRef current, bson::View deltas, const ActorId& actor);

// The vector covers every write that the register shows.
bool is_covered(const db::FieldRevision& field, const VersionVector& vector);

// A state from outside: registers sorted and newer than the generation, ordinals and field order as above, `_id` first
// and usable. kProtocolError.
Result<> check_state(const State& state);

}  // namespace distri::replication
