#include <algorithm>

#include "distri/replication/journal_record.hpp"
#include "distri/replication/replica_impl.hpp"
#include "distri/utils/hash.hpp"

namespace distri::replication {

namespace {

// A stream of states is resumed this often with the same peer before it is given up.
constexpr int kResumesMax = 4;

}  // namespace

bool Replica::Impl::staging() const {
  return orphan || std::any_of(connected.begin(), connected.end(),
                               [](const auto& entry) { return entry.second.pull && entry.second.pull->staging; });
}

void Replica::Impl::orphan_staging(const NodeId& node, Peer& peer) {
  if (!peer.pull || !peer.pull->staging || peer.pull->staging->parts.empty()) return;
  const auto info = infos.find(node);
  if (info == infos.end()) return;
  orphan = Orphan{node, info->second.actor, std::move(*peer.pull->staging), elapsed};
}

// The sender keeps nothing of a stream, so it goes on as if the link had not broken.
void Replica::Impl::resume_staging(const NodeId& from, Peer& peer, const ActorId& actor) {
  if (!orphan || orphan->node != from) return;
  if (orphan->actor == actor && !refusing()) {
    peer.pull.emplace();
    peer.pull->staging = std::move(orphan->staging);
    ++counters.state_resumes;
    send_pull(from, *peer.pull);
  }
  orphan.reset();
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
      if (peer.pull || !peer.announced || elapsed < peer.resting_until || on_its_way(peer)) continue;
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
  request.vector = vector.unfolded();
  if (pull.staging) {
    request.vector = pull.staging->staged.unfolded();
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
  if (orphan && elapsed - orphan->since >= config.pull_timeout_ms) orphan.reset();
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
  DISTRI_TRY(PullRequest request, decode_pull_request(in));
  request.vector.use_folds(folds);
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
  // Those that the receiver may not know: who covers a fold's op knows the fold.
  for (const auto& [actor, of_actor] : folds->all()) {
    for (const Fold& fold : of_actor) {
      if (!request.vector.covers(fold.by)) chunk.folds.emplace_back(actor, fold);
    }
  }
  std::sort(chunk.folds.begin(), chunk.folds.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.by) < std::tie(b.first, b.second.by);
  });
  chunk.cursor = scan.cursor;
  Bytes payload;
  payload.reserve(scan.encoded.size() + 256 + 24 * vector.entries().size());
  wire::Writer out(payload);
  encode_state_head(out, chunk);
  out.raw(scan.encoded);
  out.u64(checksum_64(payload));
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
  const std::uint64_t before = counters.remote_ops;
  for (const BytesView encoded : reply.batches) {
    wire::Reader batch_in(encoded);
    DISTRI_TRY(Batch batch, decode_batch(batch_in, config.limits));
    deliver(from, std::move(batch), std::make_shared<const Bytes>(encoded));
  }
  // An answer that comes too late is still worth its batches.
  if (!asked) return {};
  const bool useful = counters.remote_ops > before;
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
    batch.before.use_folds(folds);
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
  if (payload.size() < kChecksumBytes) return fail(Code::kProtocolError, "state chunk: it ends early");
  const BytesView body = payload.substr(0, payload.size() - kChecksumBytes);
  if (wire::Reader(payload.substr(body.size())).u64() != checksum_64(body)) {
    return fail(Code::kProtocolError, "state chunk: its checksum does not fit");
  }
  wire::Reader in(body);
  DISTRI_TRY(StateChunk chunk, decode_state_chunk(in));
  Peer& peer = connected[from];
  if (!peer.pull || peer.pull->id != chunk.id) return {};
  for (const auto& [actor, fold] : chunk.folds) learn_fold(actor, fold);
  chunk.vector.use_folds(folds);
  const auto known = [&chunk](const Dot& dot) { return dot.counter == 0 || chunk.vector.covers(dot); };
  for (const CollectionChunk& collection : chunk.collections) {
    bool covered = known(collection.stamps.created.dot) && known(collection.stamps.dropped.dot);
    for (const auto& [key, state] : collection.states) {
      covered = covered && known(state.revision.dot());
      for (const auto& field : state.revision.fields()) covered = covered && is_covered(field, chunk.vector);
    }
    for (const Conflict& conflict : collection.conflicts)
      covered = covered && known(conflict.name.loser) && known(conflict.loser.winner);
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
  const auto theirs = std::make_shared<const VersionVector>(std::move(chunk.vector));
  staging.reach = *theirs;
  staging.cursor = std::move(chunk.cursor);
  staging.chunks_done = chunk.last;
  for (CollectionChunk& collection : chunk.collections) staging.parts.push_back({std::move(collection), theirs});
  if (config.plant == Plant::kVectorBeforeStates) staging.staged = staging.start = staging.reach;
  if (config.plant == Plant::kVectorBeforeStates) staging.chunks_done = true;
  peer.pull->timeouts = 0;
  staging.bytes += payload.size();
  if (staging.bytes > config.staging_bytes_max) {
    notice(Notice::Kind::kHoldbackFull, from,
           fmt::format("its states take more than staging_bytes_max {}: they are not taken over",
                       config.staging_bytes_max));
    end_pull(peer, false);
    return {};
  }
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
  Stretches taken;
  for (Staging::Part& part : staging.parts) {
    for (const auto& [key, state] : part.chunk.states) observe_clock(from, newest_stamp(state.revision));
    taken.add(part.chunk, part.theirs);
    store.merge(std::move(part.chunk), vector, *part.theirs, Store::Absence::kDeleted, &staging.start);
  }
  vector.merge(staging.start);
  log.raise_floor(staging.start);
  for (Holdback::Held& held : staging.tail) {
    if (is_ready(held.batch, vector)) apply(from, std::move(held.batch), std::move(held.encoded), &taken);
  }
  interrupt_feed();
  drain_holdback();
  ++counters.state_syncs;
  notice(Notice::Kind::kSyncedByState, from,
         fmt::format("took over its states: {} writes are covered now", vector.total()));
  consider_pulls();
}

}  // namespace distri::replication
