// messages.hpp: the payloads of replication messages beside Batch (op.hpp) and UpdateInfo (replica.hpp). Decoders are
// total and bounded.
#pragma once

#include <string>
#include <vector>

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

// A part of a stream of states.
struct CollectionChunk {
  std::string name;
  CollectionStamps stamps;
  std::vector<std::pair<Bytes, State>> states;  // by key
  bool operator==(const CollectionChunk&) const = default;
};
struct StateChunk {
  std::uint64_t id = 0;
  bool first = false;    // begins a stream
  bool last = false;     // ends it
  VersionVector vector;  // the sender's, when it made this chunk
  StateCursor cursor;    // where the next one goes on
  std::vector<CollectionChunk> collections;
  bool operator==(const StateChunk&) const = default;
};
void encode_state_head(wire::Writer& out, const StateChunk& chunk);  // all but the collections
void encode_collection_head(wire::Writer& out, std::string_view name, const CollectionStamps& stamps);
void encode_state(wire::Writer& out, BytesView key, StateRef state);
void encode_collection_end(wire::Writer& out);
// One state as encode_state() wrote it, with its key.
Result<std::pair<Bytes, State>> decode_state(wire::Reader& in);
// The stamps as encode_collection_head() writes them behind the name.
void encode(wire::Writer& out, const CollectionStamps& stamps);
CollectionStamps decode_stamps(wire::Reader& in);
Result<StateChunk> decode_state_chunk(wire::Reader& in);

}  // namespace distri::replication
