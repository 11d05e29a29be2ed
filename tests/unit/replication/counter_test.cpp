#include "distri/replication/counter.hpp"

#include <cmath>
#include <limits>

#include "distri/replication/merge.hpp"
#include "distri/utils/random.hpp"
#include "support.hpp"

using namespace distri;
using namespace distri::replication;
using namespace distri::replication::test;

namespace {

using Kind = Number::Kind;
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

Number int32(std::int32_t v) {
  return {Kind::kInt32, v};
}
Number int64(std::int64_t v) {
  return {Kind::kInt64, v};
}
Number real(double v) {
  return {Kind::kDouble, 0, v};
}

Counter counter(const Number& base, const std::vector<Number>& deltas) {
  Counter result{base, {}};
  unsigned char actor = 0;
  for (const Number& delta : deltas) CHECK(add(result, {actor_id(++actor), 1}, delta));
  return result;
}

Op increment_op(std::uint64_t hlc, const ActorId& actor, const State& state, bson::View deltas) {
  Op op;
  op.kind = OpKind::kIncrement;
  op.stamp = {hlc, actor};
  op.target = state.revision.stamp();
  op.increments = *plan_increments(ref(state), deltas, actor);
  return op;
}

}  // namespace

TEST_CASE("a sum stays as narrow as its terms allow, and never wraps") {
  CHECK(value_of(counter(int32(1), {int32(2)})) == int32(3));
  CHECK(value_of(counter({}, {int32(2)})) == int32(2));
  CHECK(value_of(counter({}, {int64(2)})) == int64(2));
  CHECK(value_of(counter(int32(1), {int64(2)})) == int64(3));
  CHECK(value_of(counter(int32(2147483647), {int32(1)})) == int64(2147483648LL));
  CHECK(value_of(counter(int32(2147483647), {int32(1), int32(-1)})) == int32(2147483647));
  CHECK(value_of(counter(int64(kMax), {int64(1)})) == real(0x1.0p63));
  CHECK(value_of(counter(int64(kMax), {int64(kMax), int64(kMin), int64(kMin)})) == int64(-2));
  CHECK(value_of(counter(int32(1), {real(0.5)})) == real(1.5));
  CHECK(value_of(counter(real(0.5), {int32(1)})) == real(1.5));
  CHECK(value_of(counter({}, {real(-0.0)})) == real(-0.0));
  CHECK(value_of(counter(real(-0.0), {real(0.0)})) == real(0.0));
  const Number nan = value_of(
      counter(real(std::numeric_limits<double>::infinity()), {real(-std::numeric_limits<double>::infinity())}));
  CHECK(std::bit_cast<std::uint64_t>(nan.real) == 0x7ff8000000000000);
  CHECK(value_of(counter(real(-std::nan("123")), {int32(1)})) == nan);
}

TEST_CASE("a part contains what has a lower counter, and merging keeps the greater part of each actor") {
  Counter a = counter(int32(0), {});
  const ActorId one = actor_id(1);
  CHECK(add(a, {one, 3}, int32(5)));
  CHECK_FALSE(add(a, {one, 3}, int32(5)));
  CHECK_FALSE(add(a, {one, 2}, int32(7)));
  Counter b = a;
  CHECK(add(b, {one, 4}, int32(1)));
  CHECK(add(a, {actor_id(2), 1}, int32(10)));
  Counter ab = a;
  Counter ba = b;
  CHECK(merge(ab, b));
  CHECK(merge(ba, a));
  CHECK(ab == ba);
  CHECK_FALSE(merge(ab, b));
  CHECK(value_of(ab) == int32(16));
  CHECK(ab.parts[0].first == 3);
  CHECK(ab.parts[0].counter == 4);
}

TEST_CASE("parts of any actors in any order and any tree give the same counter") {
  Random random(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Counter> replicas(3, Counter{int64(static_cast<std::int64_t>(random.next())), {}});
    Counter all = replicas[0];
    std::uint64_t counters[3] = {};
    for (int i = 0; i < 20; ++i) {
      const std::size_t at = random.below(3);
      const Number delta = random.below(4) == 0 ? real(static_cast<double>(random.next()) / 3)
                                                : int64(static_cast<std::int64_t>(random.next()) >> 8);
      const db::Dot dot{actor_id(static_cast<unsigned char>(at + 1)), ++counters[at]};
      REQUIRE(add(replicas[at], dot, delta));
      REQUIRE(add(all, dot, delta));
      if (random.below(3) == 0) merge(replicas[at], replicas[random.below(3)]);
    }
    Counter forward = replicas[0];
    merge(forward, replicas[1]);
    merge(forward, replicas[2]);
    Counter backward = replicas[2];
    Counter middle = replicas[1];
    merge(middle, replicas[0]);
    merge(backward, middle);
    REQUIRE(forward == backward);
    REQUIRE(forward == all);
    REQUIRE(value_of(forward) == value_of(all));
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, forward);
    wire::Reader in(bytes);
    REQUIRE(decode_counter(in) == Result<Counter>(forward));
  }
}

TEST_CASE("a counter from outside is refused when its parts are not in order") {
  const Counter good = counter(int32(1), {int32(1), real(2)});
  const auto refused = [&](auto change) {
    Counter bad = good;
    change(bad);
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, bad);
    wire::Reader in(bytes);
    return !decode_counter(in).has_value();
  };
  CHECK_FALSE(refused([](Counter&) {}));
  CHECK(refused([](Counter& c) { c.parts.clear(); }));
  CHECK(refused([](Counter& c) { std::swap(c.parts[0], c.parts[1]); }));
  CHECK(refused([](Counter& c) { c.parts[1] = c.parts[0]; }));
  CHECK(refused([](Counter& c) { c.parts[0].first = 0; }));
  CHECK(refused([](Counter& c) { c.parts[0].first = 2; }));
  CHECK(refused([](Counter& c) { c.parts[0].sum.kind = Kind::kNone; }));
  CHECK(refused([](Counter& c) { c.parts[0].sum.kind = static_cast<Kind>(4); }));
  CHECK(refused([](Counter& c) { c.base = {Kind::kInt32, 1LL << 40}; }));
  CHECK(refused([](Counter& c) { c.base.kind = static_cast<Kind>(9); }));
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, good);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    wire::Reader in(BytesView(bytes).substr(0, size));
    CHECK_FALSE(decode_counter(in).has_value());
  }
}

TEST_CASE("a local increment beyond 64 bits is refused and names its field") {
  CHECK(check_add(counter(int64(kMax), {}), actor_id(1), int32(0), "n").has_value());
  const auto refused = check_add(counter(int64(kMax), {}), actor_id(1), int32(1), "n");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::kInvalidArgument);
  CHECK(refused.error().message.find("'n'") != std::string::npos);
  // Concurrent increments have left the range already: it is a double, and may be brought back.
  CHECK(check_add(counter(int64(kMax), {int64(5)}), actor_id(2), int64(-9), "n").has_value());
  // The value fits, but this actor's own sum would not.
  CHECK_FALSE(check_add(counter(int64(kMin), {int64(kMax)}), actor_id(1), int64(kMax), "n").has_value());
  CHECK(check_add(counter(int64(kMax), {}), actor_id(1), real(1), "n").has_value());
}

TEST_CASE("an increment begins on an insert, an update, a missing field and an unset field alike") {
  const ActorId one = actor_id(1);
  const ActorId two = actor_id(2);
  Op insert;
  insert.stamp = {1, one};
  insert.document = doc(1, {{"a", 10}, {"b", 20}});
  State state = *apply({}, insert, {one, 1});
  Op update;
  update.kind = OpKind::kUpdate;
  update.stamp = {2, one};
  update.target = {1, one};
  update.document = fields_only({{"c", 30}});
  update.unset = {"b"};
  state = *apply(ref(state), update, {one, 2});
  const auto deltas = fields_only({{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}});
  // Two concurrent ones, in both orders.
  const Op mine = increment_op(3, one, state, deltas);
  const Op theirs = increment_op(4, two, state, deltas);
  State x = *apply(ref(*apply(ref(state), mine, {one, 3})), theirs, {two, 1});
  State y = *apply(ref(*apply(ref(state), theirs, {two, 1})), mine, {one, 3});
  CHECK(x == y);
  CHECK(*x.document == doc(1, {{"a", 12}, {"b", 4}, {"c", 36}, {"d", 8}}));
  CHECK(check_state(x).has_value());
  CHECK_FALSE(apply(ref(x), mine, {one, 3}).has_value());
  // Setting makes a new base; what was added to the old one is void from then on.
  update.stamp = {5, two};
  update.document = fields_only({{"a", 100}});
  update.unset = {};
  x = *apply(ref(x), update, {two, 2});
  CHECK(x.document->view().find("a")->as_int32() == 100);
  CHECK(x.revision.fields()[0].counter == nullptr);
  Losers losers;
  const auto late = apply(ref(x), increment_op(6, one, y, fields_only({{"a", 7}})), {one, 4}, Seen(), losers);
  CHECK_FALSE(late.has_value());
  REQUIRE(losers.all().size() == 1);
  CHECK(losers.all()[0].kind == ConflictKind::kIncrement);
  CHECK(losers.all()[0].dot == Dot{one, 4});
  CHECK(losers.all()[0].winner == Dot{two, 2});
  CHECK(losers.all()[0].increments == fields_only({{"a", 7}}));
}

TEST_CASE("a state with a counter is refused when value, base and parts do not fit together") {
  const ActorId one = actor_id(1);
  Op insert;
  insert.stamp = {5, one};
  insert.document = doc(1, {{"a", 10}});
  State state = *apply({}, insert, {one, 1});
  state = *apply(ref(state), increment_op(6, one, state, fields_only({{"a", 1}})), {one, 2});
  REQUIRE(check_state(state).has_value());
  const auto broken = [&](auto change) {
    State bad = state;
    Counter changed = *bad.revision.fields()[0].counter;
    change(bad, changed);
    bad.revision.mutable_fields()[0].counter = std::make_shared<const Counter>(changed);
    return !check_state(bad).has_value();
  };
  CHECK_FALSE(broken([](State&, Counter&) {}));
  CHECK(broken([](State& s, Counter&) { s.document = doc(1, {{"a", 12}}); }));
  CHECK(broken([](State&, Counter& c) { c.base.integer = 9; }));
  CHECK(broken([](State&, Counter& c) { c.parts.clear(); }));
  CHECK(broken([](State&, Counter& c) { c.parts.push_back(c.parts[0]); }));
  CHECK(broken([](State& s, Counter&) { s.revision.mutable_fields()[0].unset = true; }));
  CHECK(broken([](State& s, Counter&) { s.revision.mutable_fields()[0].dot.counter = 2; }));
  CHECK(broken([](State& s, Counter&) { s.revision.mutable_fields()[0].stamp.hlc = 4; }));
}

TEST_CASE("increments of concurrent writers all count, on every node") {
  Mesh mesh(3);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"n", 0}}), mesh.now).has_value());
  mesh.settle();
  const Bytes key = key_of(doc(1));
  for (int round = 0; round < 10; ++round) {
    for (std::size_t node = 0; node < 3; ++node)
      REQUIRE(mesh[node].increment("c", key, fields_only({{"n", 1}, {"m", 2}}), mesh.now).has_value());
  }
  mesh.settle();
  mesh.check_equal();
  CHECK(field(mesh[2], "c", 1, "n") == 30);
  CHECK(field(mesh[2], "c", 1, "m") == 60);
  CHECK(mesh[0].conflicts().size() == 0);
}

TEST_CASE("a wrong increment is refused and changes nothing") {
  Mesh mesh(1);
  bson::Builder builder;
  builder.append_int32("_id", 1).append_string("s", "x").append_int32("n", 1).append_int64("big", kMax);
  REQUIRE(mesh[0].insert("c", std::move(builder).finish(), mesh.now).has_value());
  const Bytes key = key_of(doc(1));
  const std::uint64_t ops = mesh[0].counters().local_ops;
  const auto refused = [&](bson::View deltas, std::string_view word, bson::View set = {},
                           const std::vector<std::string>& unset = {}) {
    const auto result = mesh[0].update_and_increment("c", key, set, unset, deltas, mesh.now);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(result.error().message.find(word) != std::string::npos, result.error().message);
  };
  refused(fields_only({{"s", 1}}), "'s' holds a string");
  refused(fields_only({{"n", 1}, {"big", 1}}), "'big'");
  refused(fields_only({{"_id", 1}}), "_id");
  refused(fields_only({{"n", 1}, {"n", 1}}), "twice");
  refused(fields_only({{"n", 1}}), "twice", fields_only({{"n", 5}}));
  refused(fields_only({{"n", 1}}), "twice", {}, {"n"});
  refused(fields_only({}), "no field");
  bson::Builder text;
  text.append_string("n", "1");
  refused(std::move(text).finish(), "string");
  CHECK(mesh[0].counters().local_ops == ops);
  CHECK(mesh[0].increment("c", key_of(doc(2)), fields_only({{"n", 1}}), mesh.now).error().code == Code::kNotFound);
  CHECK(mesh[0].update_and_increment("c", key, fields_only({{"t", 1}}), {"s"}, fields_only({{"n", 1}}), mesh.now));
  CHECK(field(mesh[0], "c", 1, "n") == 2);
  CHECK(names_of(find(mesh[0], "c", 1)->document) == "_id n big t");
}
