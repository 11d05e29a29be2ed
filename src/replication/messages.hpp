// messages.hpp: the payloads of replication messages beside Batch (op.hpp) and UpdateInfo (replica.hpp). Decoders are
// total and bounded.
#pragma once

#include <string>
#include <vector>

#include "distri/replication/conflicts.hpp"
#include "distri/replication/digest.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/op_log.hpp"

namespace distri::replication {

// A place in the order (collection, key). A stream of states resumes after it, so the sender keeps nothing between
// chunks.
struct StateCursor {
  std::string collection;
  Bytes key;  // empty: only the collection's head has been sent
  auto operator<=>(const StateCursor&) const = default;
};

// "Send me what I lack": from the log, or, with a cursor, the next chunk of states.
struct PullRequest {
  std::uint64_t id = 0;  // comes back in the answer
  VersionVector vector;
  bool states = false;
  StateCursor after;
  bool operator==(const PullRequest&) const = default;
};
void encode(wire::Writer& out, const PullRequest& request);
Result<PullRequest> decode_pull_request(wire::Reader& in);

// Encoded batches in causal order.
struct PullReply {
  std::uint64_t id = 0;
  bool more = false;               // the log holds more for this vector
  std::vector<BytesView> batches;  // inside the payload
};
void encode_pull_reply(wire::Writer& out, std::uint64_t id, const OpLog::Missing& missing);
Result<PullReply> decode_pull_reply(wire::Reader& in);

// A part of a stream of states: everything that a collection holds between two keys.
struct CollectionChunk {
  std::string name;
  CollectionStamps stamps;
  Bytes from;                                   // after this key; empty: from the first
  Bytes to;                                     // up to this one
  bool to_end = true;                           // or to the collection's end; then `to` is empty
  std::vector<std::pair<Bytes, State>> states;  // by key, ascending, inside the range
  std::vector<Conflict> conflicts;              // by name, inside the range
  bool operator==(const CollectionChunk&) const = default;
};
struct StateChunk {
  std::uint64_t id = 0;
  bool first = false;                           // begins a stream
  bool last = false;                            // ends it
  VersionVector vector;                         // the sender's, when it made this chunk
  std::vector<std::pair<ActorId, Fold>> folds;  // those whose op the receiver had not seen
  StateCursor cursor;                           // where the next one goes on
  std::vector<CollectionChunk> collections;
  bool operator==(const StateChunk&) const = default;
};
void encode_state_head(wire::Writer& out, const StateChunk& chunk);  // all but the collections
void encode_collection_head(wire::Writer& out, std::string_view name, const CollectionStamps& stamps, BytesView from);
void encode_state(wire::Writer& out, BytesView key, StateRef state);
void encode_conflict(wire::Writer& out, const Conflict& conflict);
void encode_collection_end(wire::Writer& out, BytesView to, bool to_end);
// One state as encode_state() wrote it, with its key.
Result<std::pair<Bytes, State>> decode_state(wire::Reader& in);
// The stamps as encode_collection_head() writes them behind the name.
void encode(wire::Writer& out, const CollectionStamps& stamps);
CollectionStamps decode_stamps(wire::Reader& in);
Result<StateChunk> decode_state_chunk(wire::Reader& in);

// ---- Mending. Between nodes whose vectors are equal and whose digests are not.

// How stretches of a collection look to the asker, one behind the other.
struct RangeDigests {
  struct Range {
    bool to_end = false;
    Bytes to;
    std::uint64_t documents = 0;
    Digest digest;
    bool operator==(const Range&) const = default;
  };
  std::uint64_t id = 0;
  VersionVector vector;
  std::string collection;
  Bytes from;
  std::vector<Range> ranges;
  bool operator==(const RangeDigests&) const = default;
};
inline constexpr std::size_t kRangesMax = 64;
void encode(wire::Writer& out, const RangeDigests& message);
Result<RangeDigests> decode_range_digests(wire::Reader& in);

// The states of the stretches that differ; from the asker it is the second half of the exchange and asks for nothing.
struct RangeStates {
  std::uint64_t id = 0;
  bool answer = false;
  VersionVector vector;
  bool to_end = false;  // everything was compared; else only up to `to`
  Bytes to;
  std::vector<CollectionChunk> collections;
  bool operator==(const RangeStates&) const = default;
};
void encode_range_states_head(wire::Writer& out, const RangeStates& message);  // all but the collections
Result<RangeStates> decode_range_states(wire::Reader& in);

}  // namespace distri::replication
