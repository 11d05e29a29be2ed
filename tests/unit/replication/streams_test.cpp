// A stream of states, chunk by chunk: what a chunk says of documents, deletes and conflicts that the receiver has too.
#include "distri/replication/store.hpp"
#include "distri/replication/stretches.hpp"
#include "support.hpp"

namespace distri::replication::test {
namespace {

const Bytes kKey = key_of(doc(1));

// A store with what it has seen, fed with ops by hand.
struct Node {
  Store store{1'000};
  VersionVector vector;

  Dot apply(Op op, unsigned char actor, std::uint64_t hlc, const VersionVector& before) {
    const Dot dot{actor_id(actor), vector.get(actor_id(actor)) + 1};
    op.collection = "c";
    op.stamp = {hlc, actor_id(actor)};
    if (op.kind != OpKind::kDropCollection) op.key = kKey;
    store.apply(std::move(op), dot, Seen(before, dot));
    vector.advance(dot.actor, dot.counter);
    return dot;
  }
  Dot insert(unsigned char actor, std::uint64_t hlc, std::int32_t x, const VersionVector& before = {}) {
    Op op;
    op.document = doc(1, {{"x", x}});
    return apply(std::move(op), actor, hlc, before);
  }
  Dot remove(unsigned char actor, std::uint64_t hlc, const VersionVector& before = {}) {
    Op op;
    op.kind = OpKind::kDelete;
    op.document = doc(1);
    return apply(std::move(op), actor, hlc, before);
  }
  Dot drop(unsigned char actor, std::uint64_t hlc, const VersionVector& before = {}) {
    Op op;
    op.kind = OpKind::kDropCollection;
    return apply(std::move(op), actor, hlc, before);
  }
  Dot resolve(unsigned char actor, const Dot& loser) {
    Op op;
    op.kind = OpKind::kResolve;
    op.loser = loser;
    return apply(std::move(op), actor, 1, vector);
  }
  void forget_tombstones() {
    store.purge_tombstones([](const Store::Tombstone&) { return true; }, 100);
  }
  bool holds(const Dot& dot) const { return find() != nullptr && find()->revision.dot() == dot; }
  const db::Record* find() const { return store.find("c", kKey); }
  bool has_conflict(const Dot& loser) const { return store.conflicts().find({"c", kKey, loser}) != nullptr; }

  // All of it, in one chunk.
  std::vector<CollectionChunk> states() const {
    StateChunk head;
    head.id = 1;
    head.first = head.last = true;
    head.vector = vector;
    Bytes bytes;
    wire::Writer out(bytes);
    encode_state_head(out, head);
    out.raw(store.scan({}, 1u << 20).encoded);
    wire::Reader in(bytes);
    auto decoded = decode_state_chunk(in);
    REQUIRE(decoded.has_value());
    return std::move(decoded->collections);
  }
  void take(const Node& from) {
    for (CollectionChunk& chunk : from.states())
      store.merge(std::move(chunk), vector, from.vector, Store::Absence::kDeleted, &from.vector);
    vector.merge(from.vector);
    const auto broken = store.check(vector);
    CHECK_MESSAGE(!broken, broken.value_or(""));
  }
};

}  // namespace

TEST_CASE("a conflict that was resolved here does not come back with the states of one who does not know that") {
  Node mine;
  const Dot loser = mine.insert(1, 10, 1);
  mine.insert(2, 20, 2);
  REQUIRE(mine.has_conflict(loser));
  Node theirs;
  theirs.take(mine);
  REQUIRE(theirs.has_conflict(loser));
  mine.resolve(3, loser);
  REQUIRE_FALSE(mine.has_conflict(loser));
  mine.take(theirs);
  CHECK_FALSE(mine.has_conflict(loser));
  // And the other way round: their resolution comes as states.
  theirs.take(mine);
  CHECK_FALSE(theirs.has_conflict(loser));
}

TEST_CASE("a conflict comes with the states when the loser still shows here") {
  Node mine;
  const Dot loser = mine.insert(1, 10, 1);
  Node theirs;
  theirs.insert(1, 10, 1);
  const Dot winner = theirs.insert(2, 20, 2);
  REQUIRE(theirs.has_conflict(loser));
  mine.take(theirs);
  CHECK(mine.holds(winner));
  CHECK(mine.has_conflict(loser));
}

TEST_CASE("a conflict stays when the states of another still show the loser") {
  Node mine;
  const Dot loser = mine.insert(1, 10, 1);
  Node theirs;
  theirs.insert(1, 10, 1);
  const Dot winner = mine.insert(2, 20, 2);
  mine.take(theirs);
  CHECK(mine.holds(winner));
  CHECK(mine.has_conflict(loser));
}

TEST_CASE("a document whose delete the sender has forgotten ends, also when the sender holds an older tombstone") {
  Node mine;
  const Dot old = mine.insert(1, 30, 1);
  Node theirs;
  theirs.insert(1, 30, 1);
  theirs.remove(2, 40, theirs.vector);
  theirs.forget_tombstones();
  SUBCASE("nothing") {}
  SUBCASE("a tombstone that is below our document") {
    theirs.remove(3, 20);
  }
  SUBCASE("a tombstone that is below our drop of the collection") {
    theirs.remove(3, 20);
    mine.drop(4, 25);
  }
  REQUIRE(mine.holds(old));
  mine.take(theirs);
  CHECK(mine.find() == nullptr);
}

TEST_CASE("a delete that was seen and forgotten here ends a document that came after it and is older") {
  Node mine;
  mine.insert(1, 10, 1);
  mine.remove(1, 30, mine.vector);
  mine.forget_tombstones();
  const Dot late = mine.insert(2, 20, 2);
  Node theirs;
  theirs.insert(1, 10, 1);
  theirs.remove(1, 30, theirs.vector);
  SUBCASE("the sender has seen it") {
    theirs.insert(2, 20, 2);
    REQUIRE(theirs.has_conflict(late));
  }
  SUBCASE("the sender has not") {}
  REQUIRE(mine.holds(late));
  mine.take(theirs);
  CHECK(mine.find() == nullptr);
  CHECK(mine.store.tombstone("c", kKey).has_value());
  CHECK(mine.has_conflict(late));
}

TEST_CASE("of two documents that either side has seen the end of, neither comes back") {
  Node mine;
  mine.insert(1, 10, 1);
  mine.remove(1, 12, mine.vector);
  mine.forget_tombstones();
  const Dot newer = mine.insert(2, 20, 2);
  Node theirs;
  theirs.insert(2, 20, 2);
  theirs.remove(2, 30, theirs.vector);
  theirs.forget_tombstones();
  const Dot older = theirs.insert(1, 10, 1);
  REQUIRE(mine.holds(newer));
  REQUIRE(theirs.holds(older));
  SUBCASE("the older one comes") {
    mine.take(theirs);
    CHECK(mine.find() == nullptr);
    theirs.take(mine);
  }
  SUBCASE("the newer one comes") {
    theirs.take(mine);
    CHECK(theirs.find() == nullptr);
    mine.take(theirs);
  }
  CHECK(mine.find() == nullptr);
  CHECK(theirs.find() == nullptr);
  CHECK(mine.store.digest("c") == theirs.store.digest("c"));
}

TEST_CASE("a document whose delete was forgotten here stays away, also when an older tombstone is here") {
  Node mine;
  mine.insert(1, 30, 1);
  mine.remove(2, 40, mine.vector);
  mine.forget_tombstones();
  SUBCASE("nothing") {}
  SUBCASE("an older tombstone") {
    mine.remove(3, 20);
  }
  Node theirs;
  theirs.insert(1, 30, 1);
  mine.take(theirs);
  CHECK(mine.find() == nullptr);
}

TEST_CASE("a drop that came while the states were sent is left to the op behind them") {
  Node mine;
  const Dot unseen = mine.insert(1, 10, 1);
  Node theirs;
  theirs.insert(2, 5, 2);
  const VersionVector start = theirs.vector;
  theirs.drop(2, 20, theirs.vector);
  for (CollectionChunk& chunk : theirs.states())
    mine.store.merge(std::move(chunk), mine.vector, theirs.vector, Store::Absence::kDeleted, &start);
  CHECK(mine.holds(unseen));
  mine.vector.merge(start);
  mine.drop(2, 20, start);
  CHECK(mine.find() == nullptr);
  CHECK(mine.has_conflict(unseen));
  CHECK(mine.vector.covers(theirs.vector));
}

TEST_CASE("a stretch contains the writes that its maker had seen, and no others") {
  const auto seen = [](std::uint64_t counter) {
    auto vector = std::make_shared<VersionVector>();
    vector->advance(actor_id(1), counter);
    return vector;
  };
  const auto chunk = [](const std::string& name, const Bytes& from, const Bytes& to, bool to_end) {
    CollectionChunk result;
    result.name = name;
    result.from = from;
    result.to = to;
    result.to_end = to_end;
    return result;
  };
  Stretches stretches;
  stretches.add(chunk("b", "", "k5", false), seen(10));
  stretches.add(chunk("b", "k5", "", true), seen(20));
  stretches.add(chunk("b", "k9", "", true), seen(30));  // it grew at its end
  stretches.add(chunk("d", "", "", true), seen(40));
  const auto contains = [&](const std::string& collection, const Bytes& key, std::uint64_t counter) {
    Op op;
    op.collection = collection;
    op.key = key;
    return stretches.contain(op, {actor_id(1), counter});
  };
  CHECK(contains("b", "k1", 10));
  CHECK_FALSE(contains("b", "k1", 11));
  CHECK(contains("b", "k5", 10));
  CHECK_FALSE(contains("b", "k5", 11));
  CHECK(contains("b", "k6", 20));
  CHECK_FALSE(contains("b", "k6", 21));
  CHECK(contains("b", "k91", 30));
  CHECK(contains("d", "k", 40));
  CHECK_FALSE(contains("a", "k", 1));
  CHECK_FALSE(contains("c", "k", 1));
  CHECK_FALSE(contains("e", "k", 1));
  CHECK_FALSE(contains("b", "", 1));  // an op on the collection
}

}  // namespace distri::replication::test
