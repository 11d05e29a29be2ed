#include "distri/replication/digest.hpp"
#include "distri/replication/hlc.hpp"
#include "distri/replication/holdback.hpp"
#include "distri/replication/messages.hpp"
#include "distri/replication/op_log.hpp"
#include "distri/utils/random.hpp"
#include "support.hpp"

using namespace distri;
using namespace distri::replication;
using namespace distri::replication::test;

namespace {

Batch sample_batch() {
  const ActorId actor = actor_id(7);
  Batch batch{actor, 5, {}, {}};
  batch.before.advance(actor_id(1), 9);
  batch.before.advance(actor, 4);
  Op create;
  create.kind = OpKind::kCreateCollection;
  create.stamp = {10, actor};
  create.collection = "c";
  Op insert = create;
  insert.kind = OpKind::kInsert;
  insert.document = doc(3, {{"a", 1}});
  insert.key = key_of(insert.document);
  Op update = insert;
  update.kind = OpKind::kUpdate;
  update.stamp = {11, actor};
  update.target = {10, actor};
  update.document = fields_only({{"b", 2}});
  update.unset = {"a"};
  Op remove = insert;
  remove.kind = OpKind::kDelete;
  remove.document = doc(3);
  Op drop = create;
  drop.kind = OpKind::kDropCollection;
  Op increment = insert;
  increment.kind = OpKind::kIncrement;
  increment.stamp = {13, actor};
  increment.target = {10, actor};
  increment.document = {};
  increment.increments = {{"b", {11, actor}, {db::Number::Kind::kInt64, 1LL << 40}},
                          {"c", {10, actor}, {db::Number::Kind::kDouble, 0, -0.5}}};
  Op resolve = create;
  resolve.kind = OpKind::kResolve;
  resolve.key = insert.key;
  resolve.loser = {actor_id(3), 8};
  batch.ops = {create, insert, update, remove, drop, increment, resolve};
  return batch;
}

Bytes encoded(const Batch& batch) {
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, batch);
  return bytes;
}

Result<Batch> decoded(BytesView bytes, const OpLimits& limits = {}) {
  wire::Reader in(bytes);
  return decode_batch(in, limits);
}

}  // namespace

TEST_CASE("a batch survives the trip through bytes") {
  const Batch batch = sample_batch();
  const auto back = decoded(encoded(batch));
  REQUIRE(back.has_value());
  CHECK(*back == batch);
}

TEST_CASE("every truncation of a batch, and every byte after it, is refused") {
  const Bytes bytes = encoded(sample_batch());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decoded(BytesView(bytes).substr(0, size)).has_value());
  CHECK_FALSE(decoded(bytes + "x").has_value());
}

TEST_CASE("a batch that breaks a rule is refused with the rule's name") {
  const auto refused = [](auto change, std::string_view word, OpLimits limits = {}) {
    Batch batch = sample_batch();
    change(batch);
    const auto result = decoded(encoded(batch), limits);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Code::kProtocolError);
    CHECK_MESSAGE(result.error().message.find(word) != std::string::npos, result.error().message);
  };
  refused([](Batch& b) { b.ops.clear(); }, "batch_ops_max");
  refused([](Batch&) {}, "batch_ops_max", {2, 1u << 20});
  refused([](Batch&) {}, "batch_bytes_max", {100, 64});
  refused([](Batch& b) { b.first_counter = 0; }, "first counter");
  refused([](Batch& b) { b.first_counter = ~std::uint64_t{0} - 1; }, "first counter");
  refused([](Batch& b) { b.actor = {}; }, "actor");
  refused([](Batch& b) { b.before.advance(b.actor, 5); }, "after itself");
  refused([](Batch& b) { b.ops[0].stamp.hlc = 0; }, "stamp");
  refused([](Batch& b) { b.ops[0].collection = "system.x"; }, "op:");
  refused([](Batch& b) { b.ops[0].kind = static_cast<OpKind>(10); }, "kind");
  refused([](Batch& b) { b.ops[0].kind = OpKind::kNote; }, "note");
  refused([](Batch& b) { b.ops[0].kind = OpKind::kFold; }, "fold");
  refused([](Batch& b) { b.ops[1].document = fields_only({{"a", 1}}); }, "document");
  refused([](Batch& b) { b.ops[1].document = bson::Document::trusted("broken"); }, "document");
  refused([](Batch& b) { b.ops[2].target.hlc = 11; }, "newer");
  refused([](Batch& b) { b.ops[2].unset = {"b"}; }, "twice");
  refused([](Batch& b) { b.ops[2].unset = {"_id"}; }, "_id");
  refused([](Batch& b) { b.ops[2].document = doc(3); }, "_id");
  refused([](Batch& b) { b.ops[2].key.clear(); }, "key");
  refused([](Batch& b) { b.ops[3].document = doc(3, {{"a", 1}}); }, "delete");
  refused([](Batch& b) { b.ops[5].increments.clear(); }, "increment");
  refused([](Batch& b) { b.ops[5].key.clear(); }, "key");
  refused([](Batch& b) { b.ops[5].target.hlc = 13; }, "newer");
  refused([](Batch& b) { b.ops[5].increments[0].base.hlc = 13; }, "base");
  refused([](Batch& b) { b.ops[5].increments[0].base.hlc = 9; }, "base");
  refused([](Batch& b) { b.ops[5].increments[0].field = "_id"; }, "_id");
  refused([](Batch& b) { b.ops[5].increments[0].field = "c"; }, "twice");
  refused([](Batch& b) { b.ops[5].increments[0].field = "$x"; }, "'$'");
  refused([](Batch& b) { b.ops[5].increments[0].field = std::string("a\0b", 3); }, "zero byte");
  refused([](Batch& b) { b.ops[5].increments[0].field = "\xff"; }, "UTF-8");
  refused([](Batch& b) { b.ops[5].increments[0].delta = {}; }, "nothing");
  refused([](Batch& b) { b.ops[5].increments[0].delta.kind = static_cast<db::Number::Kind>(4); }, "kind");
  refused([](Batch& b) { b.ops[6].key.clear(); }, "conflict");
  refused([](Batch& b) { b.ops[6].loser.counter = 0; }, "conflict");
}

TEST_CASE("a state whose stamp and dot are of two actors is refused") {
  const bson::Document document = doc(3, {{"a", 1}});
  Bytes encoded;
  wire::Writer out(encoded);
  const State state{db::Revision({10, actor_id(7)}, {actor_id(7), 5}), document};
  encode_state(out, key_of(document), ref(state));
  wire::Reader whole(encoded);
  REQUIRE(decode_state(whole).has_value());
  const std::size_t actor_at = encoded.find(actor_id(7).view());
  REQUIRE(actor_at != Bytes::npos);
  encoded.replace(actor_at, ActorId::kSize, actor_id(8).view());
  wire::Reader forged(encoded);
  const auto refused = decode_state(forged);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::kProtocolError);
  CHECK(refused.error().message == "state: its stamp and its dot are of two actors");
}

TEST_CASE("a version vector keeps the highest counter of each actor and knows what it covers") {
  VersionVector a;
  a.advance(actor_id(2), 5);
  a.advance(actor_id(1), 3);
  a.advance(actor_id(2), 4);
  CHECK(a.get(actor_id(2)) == 5);
  CHECK(a.get(actor_id(9)) == 0);
  CHECK(a.total() == 8);
  VersionVector b = a;
  b.advance(actor_id(3), 1);
  CHECK(b.covers(a));
  CHECK_FALSE(a.covers(b));
  VersionVector c;
  c.advance(actor_id(1), 7);
  CHECK_FALSE(c.covers(a));
  c.merge(b);
  CHECK(c.get(actor_id(1)) == 7);
  CHECK(c.covers(b));
  Bytes bytes;
  wire::Writer out(bytes);
  c.encode(out);
  wire::Reader in(bytes);
  CHECK(VersionVector::decode(in) == Result<VersionVector>(c));
}

TEST_CASE("a version vector with actors out of order, a zero or a false count is refused") {
  const auto decode = [](std::uint32_t count, const std::vector<std::pair<unsigned char, std::uint64_t>>& entries) {
    Bytes bytes;
    wire::Writer out(bytes);
    out.u32(count);
    for (const auto& [actor, counter] : entries) {
      out.raw(actor_id(actor).view());
      out.u64(counter);
    }
    wire::Reader in(bytes);
    return VersionVector::decode(in).has_value();
  };
  CHECK(decode(2, {{1, 1}, {2, 1}}));
  CHECK_FALSE(decode(2, {{2, 1}, {1, 1}}));
  CHECK_FALSE(decode(2, {{1, 1}, {1, 1}}));
  CHECK_FALSE(decode(1, {{1, 0}}));
  CHECK_FALSE(decode(3, {{1, 1}}));
  CHECK_FALSE(decode(0xffffffff, {}));
}

TEST_CASE("a digest does not depend on order, and taking a member away undoes adding it") {
  Random random(3);
  std::vector<Hash256> members;
  for (int i = 0; i < 50; ++i) members.push_back(blake2b_256(std::to_string(random.next())));
  Digest forward, backward;
  for (const auto& member : members) forward.add(member);
  for (auto at = members.rbegin(); at != members.rend(); ++at) backward.add(*at);
  CHECK(forward == backward);
  CHECK(Digest::from_bytes(forward.bytes()) == forward);
  CHECK(forward.hex().size() == 64);
  backward.remove(members[3]);
  CHECK_FALSE(forward == backward);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i != 3) backward.remove(members[i]);
  }
  CHECK(backward.empty());
}

TEST_CASE("the clock ascends whatever the wall clock does, and a far floor does not move it") {
  HybridClock clock(1'000);
  std::uint64_t last = 0;
  for (const std::int64_t wall : {5'000, 5'000, 4'000, 0, -7, 6'000}) {
    const auto reading = clock.next(wall, 0);
    REQUIRE(reading.has_value());
    CHECK(*reading > last);
    last = *reading;
  }
  const std::uint64_t far = HybridClock::from_ms(1'000'000);
  CHECK(clock.next(6'000, far) == far + 1);
  CHECK(*clock.next(6'000, 0) < far);
  CHECK(clock.observe(HybridClock::from_ms(7'000), 6'000));
  CHECK(*clock.next(6'000, 0) > HybridClock::from_ms(7'000));
  CHECK_FALSE(clock.observe(HybridClock::from_ms(8'001), 6'000));
  CHECK(*clock.next(6'000, 0) < HybridClock::from_ms(7'001));
  CHECK_FALSE(clock.next(6'000, ~std::uint64_t{0}).has_value());
}

TEST_CASE("the log forgets the oldest first and gives exactly what a vector lacks, in order") {
  OpLog log(10 * (100 + 128));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    log.append({actor_id(static_cast<unsigned char>(1 + i % 2)), (i + 1) / 2, (i + 1) / 2,
                std::make_shared<const Bytes>(100, 'x')});
  }
  CHECK(log.end_position() - log.first_position() == 10);
  CHECK(log.floor().get(actor_id(1)) == 5);
  CHECK(log.floor().get(actor_id(2)) == 5);
  VersionVector vector;
  CHECK_FALSE(log.reaches_back_to(vector));
  vector.advance(actor_id(1), 8);
  vector.advance(actor_id(2), 5);
  REQUIRE(log.reaches_back_to(vector));
  const auto missing = log.missing(vector, 1u << 20);
  REQUIRE(missing.entries.size() == 7);
  CHECK_FALSE(missing.more);
  CHECK(missing.entries.front()->actor == actor_id(2));
  CHECK(missing.entries.front()->first_counter == 6);
  const auto part = log.missing(vector, 250);
  CHECK(part.entries.size() == 2);
  CHECK(part.more);
  CHECK(log.missing(vector, 1).entries.size() == 1);
}

TEST_CASE("the hold-back releases a batch when its predecessors are there, and never exceeds its bound") {
  const auto held = [](std::uint64_t first, std::int64_t since = 0) {
    Batch batch = sample_batch();
    batch.before = {};
    batch.first_counter = first;
    auto bytes = std::make_shared<const Bytes>(encoded(batch));
    return Holdback::Held{std::move(batch), std::move(bytes), {}, since};
  };
  Holdback holdback(3'000);
  CHECK(holdback.add(held(6)));
  CHECK(holdback.add(held(6)));
  CHECK(holdback.size() == 1);
  VersionVector vector;
  CHECK_FALSE(holdback.take_ready(vector).has_value());
  vector.advance(actor_id(7), 5);
  CHECK(holdback.take_ready(vector).has_value());
  CHECK(holdback.bytes() == 0);
  std::uint64_t first = 100;
  while (holdback.add(held(first, static_cast<std::int64_t>(first)))) first += 5;
  CHECK(holdback.bytes() <= 3'000);
  CHECK(holdback.size() > 1);
  holdback.drop_older_than(101);
  CHECK(holdback.add(held(first, 1'000)));
  vector.advance(actor_id(7), 10'000);
  CHECK_FALSE(holdback.take_ready(vector).has_value());
  CHECK(holdback.size() == 0);
  CHECK(holdback.bytes() == 0);
}
