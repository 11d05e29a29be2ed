#include <algorithm>

#include "distri/replication/replica_impl.hpp"

namespace distri::replication {

namespace {

// A stream of states is resumed this often with the same peer before it is given up.
constexpr int kResumesMax = 4;

}  // namespace

bool Replica::Impl::staging() const {
  return std::any_of(connected.begin(), connected.end(),
                     [](const auto& entry) { return entry.second.pull && entry.second.pull->staging; });
}

// Asks those peers that have what neither we have nor a pull under way will bring. Peers that are leaving or timed out
// come last.
void Replica::Impl::consider_pulls() {
  if (staging() || refusing()) return;
  VersionVector expected = vector;
  for (const auto& [node, peer] : connected) {
    if (peer.pull && peer.announced) expected.merge(*peer.announced);
  }
  for (const bool last_resort : {false, true}) {
    for (auto& [node, peer] : connected) {
      if (peer.pull || !peer.announced || elapsed < peer.resting_until) continue;
      const bool doubtful = peer.leaving || elapsed - peer.last_timeout < config.pull_timeout_ms;
      if (doubtful != last_resort || covers_but_own(expected, *peer.announced)) continue;
      start_pull(node, peer);
      expected.merge(*peer.announced);
    }
  }
}

void Replica::Impl::start_pull(const NodeId& from, Peer& peer) {
  peer.pull.emplace();
  ++counters.pulls;
  send_pull(from, *peer.pull);
}

void Replica::Impl::send_pull(const NodeId& to, Pull& pull) {
  pull.id = next_pull_id++;
  pull.since = elapsed;
  PullRequest request;
  request.id = pull.id;
  request.vector = vector;
  if (pull.staging) {
    request.vector = pull.staging->staged;
    request.states = !pull.staging->chunks_done;
    request.after = pull.staging->cursor;
  }
  Bytes payload;
  wire::Writer out(payload);
  encode(out, request);
  send(to, MessageKind::kPull, std::make_shared<const Bytes>(std::move(payload)));
}

void Replica::Impl::end_pull(Peer& peer, bool useful) {
  peer.pull.reset();
  // Asking again at once would get the same answer.
  if (!useful) peer.resting_until = elapsed + config.gossip_ms;
  consider_pulls();
}

void Replica::Impl::check_timeouts() {
  for (auto& [node, peer] : connected) {
    if (!peer.pull || elapsed - peer.pull->since < config.pull_timeout_ms) continue;
    notice(Notice::Kind::kPullTimeout, node, fmt::format("no answer to a pull within {} ms", config.pull_timeout_ms));
    if (peer.pull->staging && ++peer.pull->timeouts <= kResumesMax) {
      send_pull(node, *peer.pull);
      continue;
    }
    peer.pull.reset();
    peer.last_timeout = elapsed;
  }
}

// ---- The side that has.

Result<> Replica::Impl::on_pull(const NodeId& from, BytesView payload) {
  wire::Reader in(payload);
  DISTRI_TRY(const PullRequest request, decode_pull_request(in));
  if (request.vector.get(self) > own_counter()) report_duplicate_identity(from, request.vector.get(self));
  if (request.states || !log.reaches_back_to(request.vector)) {
    send_states(from, request);
    return {};
  }
  Bytes reply;
  wire::Writer out(reply);
  encode_pull_reply(out, request.id, log.missing(request.vector, config.pull_chunk_bytes));
  send(from, MessageKind::kPullReply, std::make_shared<const Bytes>(std::move(reply)));
  return {};
}

void Replica::Impl::send_states(const NodeId& to, const PullRequest& request) {
  if (!request.states)
    notice(Notice::Kind::kLogTruncated, to, "our log does not reach back to what it has: it is sent states");
  Store::Scan scan = store.scan(request.after, config.pull_chunk_bytes);
  StateChunk chunk;
  chunk.id = request.id;
  chunk.first = !request.states;
  chunk.last = scan.end;
  chunk.vector = vector;
  chunk.cursor = scan.cursor;
  Bytes payload;
  payload.reserve(scan.encoded.size() + 256 + 24 * vector.entries().size());
  wire::Writer out(payload);
  encode_state_head(out, chunk);
  out.raw(scan.encoded);
  ++counters.states_sent;
  send(to, MessageKind::kState, std::make_shared<const Bytes>(std::move(payload)));
}

// ---- The side that lacks.

Result<> Replica::Impl::on_pull_reply(const NodeId& from, BytesView payload) {
  if (refusing()) return {};
  wire::Reader in(payload);
  DISTRI_TRY(const PullReply reply, decode_pull_reply(in));
  Peer& peer = connected[from];
  const bool asked = peer.pull && peer.pull->id == reply.id;
  if (asked && peer.pull->staging) return stage_tail(from, peer, reply);
  const std::uint64_t before = vector.total();
  for (const BytesView encoded : reply.batches) {
    wire::Reader batch_in(encoded);
    DISTRI_TRY(Batch batch, decode_batch(batch_in, config.limits));
    deliver(from, std::move(batch), std::make_shared<const Bytes>(encoded));
  }
  // An answer that comes too late is still worth its batches.
  if (!asked) return {};
  const bool useful = vector.total() > before;
  if (useful && reply.more) {
    send_pull(from, *peer.pull);
  } else {
    end_pull(peer, useful);
  }
  return {};
}

// The writes that the peer applied while it sent its states.
Result<> Replica::Impl::stage_tail(const NodeId& from, Peer& peer, const PullReply& reply) {
  Staging& staging = *peer.pull->staging;
  const std::uint64_t before = staging.staged.total();
  for (const BytesView encoded : reply.batches) {
    wire::Reader in(encoded);
    DISTRI_TRY(Batch batch, decode_batch(in, config.limits));
    if (!is_ready(batch, staging.staged) || batch.actor == self) continue;
    staging.staged.advance(batch.actor, batch.last_counter());
    staging.tail.push_back({std::move(batch), std::make_shared<const Bytes>(encoded), from, elapsed});
  }
  if (staging.staged.covers(staging.reach)) {
    commit(from, peer);
  } else if (staging.staged.total() > before) {
    send_pull(from, *peer.pull);
  } else {
    end_pull(peer, false);
  }
  return {};
}

Result<> Replica::Impl::on_state(const NodeId& from, BytesView payload) {
  if (refusing()) return {};
  wire::Reader in(payload);
  DISTRI_TRY(StateChunk chunk, decode_state_chunk(in));
  Peer& peer = connected[from];
  if (!peer.pull || peer.pull->id != chunk.id) return {};
  const auto known = [&chunk](const Dot& dot) { return dot.counter == 0 || chunk.vector.covers(dot); };
  for (const CollectionChunk& collection : chunk.collections) {
    bool covered = known(collection.stamps.created.dot) && known(collection.stamps.dropped.dot);
    for (const auto& [key, state] : collection.states) {
      covered = covered && known(state.revision.dot);
      for (const auto& field : state.revision.fields) covered = covered && known(field.dot);
    }
    if (!covered)
      return fail(Code::kProtocolError, "state chunk: a state holds a write that its sender's vector does not cover");
  }
  if (chunk.first) {
    if (!begin_staging(from, peer, chunk)) return {};
  } else if (!peer.pull->staging || peer.pull->staging->chunks_done ||
             !(peer.pull->staging->cursor < chunk.cursor || chunk.last)) {
    return fail(Code::kProtocolError, "state chunk: it does not continue the stream");
  }
  Staging& staging = *peer.pull->staging;
  if (!chunk.vector.covers(staging.reach) || chunk.vector.get(self) > own_counter()) {
    return fail(Code::kProtocolError, "state chunk: its vector goes back, or claims writes that we never made");
  }
  staging.reach = std::move(chunk.vector);
  staging.cursor = std::move(chunk.cursor);
  staging.chunks_done = chunk.last;
  std::move(chunk.collections.begin(), chunk.collections.end(), std::back_inserter(staging.collections));
  peer.pull->timeouts = 0;
  if (staging.chunks_done && staging.staged.covers(staging.reach)) {
    commit(from, peer);
  } else {
    send_pull(from, *peer.pull);
  }
  return {};
}

// False: this stream is not wanted.
bool Replica::Impl::begin_staging(const NodeId& from, Peer& peer, const StateChunk& chunk) {
  peer.pull->staging.reset();
  const bool impostor = chunk.vector.get(self) > own_counter();
  if (impostor) report_duplicate_identity(from, chunk.vector.get(self));
  if (impostor || staging()) {
    end_pull(peer, false);
    return false;
  }
  Staging& staging = peer.pull->staging.emplace();
  staging.start = chunk.vector;
  staging.staged = vector;
  staging.staged.merge(chunk.vector);
  return true;
}

// Takes over states, vector and tail in one step. Precondition: staged covers reach.
void Replica::Impl::commit(const NodeId& from, Peer& peer) {
  Staging staging = std::move(*peer.pull->staging);
  peer.pull.reset();
  for (CollectionChunk& collection : staging.collections) {
    for (const auto& [key, state] : collection.states) observe_clock(from, newest_stamp(state.revision));
    store.merge(std::move(collection));
  }
  vector.merge(staging.start);
  log.raise_floor(staging.start);
  for (Holdback::Held& held : staging.tail) {
    if (is_ready(held.batch, vector)) apply(from, std::move(held.batch), std::move(held.encoded));
  }
  drain_holdback();
  ++counters.state_syncs;
  notice(Notice::Kind::kSyncedByState, from,
         fmt::format("took over its states: {} writes are covered now", vector.total()));
  consider_pulls();
}

}  // namespace distri::replication
