// Whatever a peer sends, in whatever order: the replica stays sound. Input: records of kind (1 byte, of MessageKind or
// not), sender (1 byte), length (2 bytes, little-endian), payload; kinds from 249 have no length and payload: 249
// changes the number of members (above 16 batches go by the broadcast tree), 250 writes a document, 251 increments, 252
// restores or dismisses a conflict, 253 and above let time pass.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "distri/bson/compare.hpp"
#include "distri/replication/replica.hpp"
#include "distri/wire/primitives.hpp"

namespace {

using namespace distri;
using replication::MessageKind;
using replication::Replica;

constexpr std::uint8_t kPeers = 2;

NodeId node(std::uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

bson::Document document(std::int32_t id) {
  bson::Builder builder;
  builder.append_int32("_id", id).append_string("name", "value").append_int32("n", id);
  return std::move(builder).finish();
}

// A small replica that has something to lose.
void fill(Replica& replica, std::int64_t now) {
  for (std::int32_t i = 0; i < 3; ++i) {
    if (!replica.insert("c", document(i), now)) std::abort();
  }
  if (!replica.remove("c", bson::order_key(document(2).view().begin()->value), now)) std::abort();
  for (std::uint8_t i = 1; i <= kPeers; ++i) replica.peer_connected(node(i), now);
  replica.end_turn(now);
}

// An error is fine: a lost document from a stranger may be one that nobody may store.
void settle_conflict(Replica& replica, std::uint8_t choice, std::int64_t now) {
  if (replica.conflicts().size() == 0) return;
  const replication::ConflictName name = replica.conflicts().entries().begin()->first;
  if (choice % 2 == 0) {
    (void)replica.restore_conflict(name.collection, name.key, name.loser, now);
  } else {
    (void)replica.dismiss_conflict(name.collection, name.key, name.loser, now);
  }
}

// Every conflict survives the trip through bytes.
void check_conflicts(const Replica& replica) {
  replica.conflicts().for_each([](const replication::Conflict& conflict) {
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, conflict);
    wire::Reader in(bytes);
    if (replication::decode_conflict(in) != Result<replication::Conflict>(conflict)) std::abort();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::Reader in(BytesView(reinterpret_cast<const char*>(data), size));
  replication::ReplicaConfig config;
  config.node = node(100);
  config.log_bytes_max = 2'000;
  config.holdback_bytes_max = 4'000;
  config.pull_chunk_bytes = 200;
  Replica replica(config);
  std::int64_t now = 1'700'000'000'000;
  fill(replica, now);
  while (!in.at_end()) {
    const std::uint8_t kind = in.u8();
    const std::uint8_t sender = in.u8();
    if (kind >= 253) {
      now += sender * 100;
      replica.tick(now);
    } else if (kind == 252) {
      settle_conflict(replica, sender, now);
    } else if (kind == 251) {
      bson::Builder deltas;
      deltas.append_int32("n", 1).append_double("m", sender);
      (void)replica.increment("c", bson::order_key(document(sender % 4).view().begin()->value),
                              std::move(deltas).finish(), now);
    } else if (kind == 249) {
      replica.set_members(sender);
    } else if (kind == 250) {
      (void)replica.upsert_fields("c", document(sender), now);
    } else {
      (void)replica.receive(node(static_cast<std::uint8_t>(1 + sender % kPeers)), static_cast<MessageKind>(kind),
                            in.bytes16(), now);
    }
    replica.end_turn(now);
    (void)replica.take_outgoing();
    (void)replica.take_notices();
    (void)replica.take_conflict_events();
  }
  check_conflicts(replica);
  if (const auto broken = replica.check_invariants()) {
    std::fprintf(stderr, "%s\n", broken->c_str());
    std::abort();
  }
  return 0;
}
