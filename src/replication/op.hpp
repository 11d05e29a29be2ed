// op.hpp: one write as it travels and rests in the log, and the batch of one turn.
//
// Ops carry everything that merging needs: their stamp, and for an update the generation it saw. The dot of op i of a
// batch is (batch.actor, batch.first_counter + i).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/replication/version_vector.hpp"

namespace distri::replication {

// The numbers travel: never reuse one.
enum class OpKind : std::uint8_t {
  kInsert = 1,            // a whole document: begins a generation (insert or replace)
  kUpdate = 2,            // fields set and unset inside the generation `target`
  kDelete = 3,            // ends in a tombstone: a generation without document
  kCreateCollection = 4,  // stamped; existence is the newer of create and drop
  kDropCollection = 5,    // every generation with a stamp not above this one's is dead
  kResolve = 6,           // the conflict `loser` of a document has been dealt with
  kIncrement = 7,         // numbers added to fields inside the generation `target`
  kFold = 8,              // everybody has the writes of the actor `folded` up to its counter (folds.hpp); no collection
  kNote = 9,              // nothing: whoever holds it holds what its writer had seen; no collection
};

// Adds to the value that the field got by the write stamped `base` (of an update, or of the generation).
struct Increment {
  std::string field;
  Stamp base;
  db::Number delta;

  bool operator==(const Increment&) const = default;
};

struct Op {
  OpKind kind = OpKind::kInsert;
  Stamp stamp;
  std::string collection;
  Bytes key;                       // order_key of the _id; empty for collection ops
  bson::Document document;         // kInsert: the document; kUpdate: the fields set; kDelete: {_id}
  std::vector<std::string> unset;  // kUpdate: fields removed
  Stamp target;                    // kUpdate, kIncrement: stamp of the generation it saw
  std::vector<Increment> increments = {};
  Dot loser = {};           // kResolve
  std::uint64_t since = 0;  // kResolve: increments of that actor from this counter on are resolved with it; 0: none
  Dot folded = {};          // kFold
  RequestId request = {};   // the request that made it; empty: none that may be repeated

  bool operator==(const Op&) const = default;
};

// What one turn of one node wrote, in order.
struct Batch {
  ActorId actor;
  std::uint64_t first_counter = 0;
  VersionVector before;  // what the writer had seen (own earlier writes included): apply only when covered
  std::vector<Op> ops;

  std::uint64_t last_counter() const { return first_counter + ops.size() - 1; }
  bool operator==(const Batch&) const = default;
};

struct OpLimits {
  std::size_t batch_ops_max = 4096;
  std::size_t batch_bytes_max = 24u << 20;  // one document of the largest size, with room
};

void encode(wire::Writer& out, const Batch& batch);
// Total: validates documents (bson::validate), names, counters (no zero, no overflow), kinds, and the limits.
// kProtocolError names the field.
Result<Batch> decode_batch(wire::Reader& in, const OpLimits& limits);

}  // namespace distri::replication
