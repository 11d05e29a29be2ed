// Random sets of ops, delivered in random causal orders and merged as states in random trees: always the same state,
// and always what brute force says.
#include "distri/replication/merge.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "distri/replication/store.hpp"
#include "distri/utils/random.hpp"
#include "naive_model.hpp"
#include "support.hpp"

using namespace distri;
using namespace distri::replication;
using namespace distri::replication::test;

namespace {

constexpr std::size_t kWriters = 3;
const Bytes kKey = key_of(doc(1));

// A history of one document: each op with the set of ops (by number) that its writer had seen.
struct History {
  struct Event {
    Op op;
    Dot dot;
    std::vector<bool> seen;
  };
  std::vector<Event> events;
};

// Numbers of all types at the edges where adding is hard.
void append_number(bson::Builder& builder, Random& random, const std::string& name) {
  using Int32 = std::numeric_limits<std::int32_t>;
  using Int64 = std::numeric_limits<std::int64_t>;
  using Double = std::numeric_limits<double>;
  const std::int32_t small[] = {0, 1, -1, 7, Int32::max(), Int32::min()};
  const std::int64_t large[] = {0, 1, -1, Int64::max(), Int64::min(), Int64::max() / 2, 1LL << 53};
  const double real[] = {0.0,
                         -0.0,
                         0.1,
                         -2.5,
                         1e308,
                         -1e308,
                         Double::infinity(),
                         -Double::infinity(),
                         Double::quiet_NaN(),
                         Double::denorm_min()};
  switch (random.below(8)) {
    case 0:
      builder.append_double(name, real[random.below(std::size(real))]);
      break;
    case 1:
    case 2:
      builder.append_int64(name, large[random.below(std::size(large))]);
      break;
    default:
      builder.append_int32(name, small[random.below(std::size(small))]);
  }
}

bson::Document random_fields(Random& random, int value, bool with_id) {
  bson::Builder builder;
  if (with_id) builder.append_int32("_id", 1);
  std::vector<std::string> names{"a", "b", "c", "d", "e"};
  std::shuffle(names.begin(), names.end(), random);
  names.resize(1 + random.below(3));
  for (const std::string& name : names) {
    switch (random.below(4)) {
      case 0:
        append_number(builder, random, name);
        break;
      case 1:
        builder.append_string(name, std::to_string(value));
        break;
      default:
        builder.append_int32(name, value);
    }
  }
  return std::move(builder).finish();
}

bson::Document random_deltas(Random& random) {
  bson::Builder builder;
  for (const char* name : {"a", "b", "c", "g"}) {
    if (random.below(3) == 0) append_number(builder, random, name);
  }
  return std::move(builder).finish();
}

// What a writer sees, on its way: its own state and knowledge.
struct Writer {
  State state;
  std::vector<bool> seen;
  std::uint64_t counter = 0;
};

Op random_op(Random& random, const Writer& writer, const ActorId& actor, int value) {
  Op op;
  op.collection = "c";
  op.key = kKey;
  const std::uint64_t floor = writer.state.never_written() ? 0 : newest_stamp(writer.state.revision).hlc;
  // Clocks are wild: a stamp is only sure to exceed what it replaces.
  op.stamp = {floor + 1 + random.below(6), actor};
  const bool live = writer.state.document.has_value();
  const std::uint64_t kind = random.below(14);
  if (live && kind >= 8) {
    const bson::Document deltas = random_deltas(random);
    auto increments = plan_increments(ref(writer.state), deltas, actor);
    if (increments && !increments->empty()) {
      op.kind = OpKind::kIncrement;
      op.target = writer.state.revision.stamp();
      op.increments = std::move(*increments);
      return op;
    }
  }
  if (!live || kind < 2) {
    op.kind = OpKind::kInsert;
    op.document = random_fields(random, value, true);
  } else if (kind < 3) {
    op.kind = OpKind::kDelete;
    op.document = doc(1);
  } else {
    op.kind = OpKind::kUpdate;
    op.target = writer.state.revision.stamp();
    op.document = random_fields(random, value, false);
    for (const char* name : {"a", "c", "f"}) {
      if (!op.document.view().find(name) && random.below(3) == 0) op.unset.emplace_back(name);
    }
  }
  return op;
}

State applied(State state, const Op& op, const Dot& dot) {
  auto next = apply(ref(state), op, dot);
  return next ? std::move(*next) : std::move(state);
}

History random_history(Random& random, std::size_t ops) {
  History history;
  std::vector<Writer> writers(kWriters);
  for (Writer& writer : writers) writer.seen.resize(ops);
  while (history.events.size() < ops) {
    const std::size_t at = random.below(kWriters);
    Writer& writer = writers[at];
    if (random.below(3) == 0) {
      // Hears from another: everything that one has seen.
      const Writer& other = writers[random.below(kWriters)];
      writer.state = merged(writer.state, other.state);
      for (std::size_t i = 0; i < ops; ++i) writer.seen[i] = writer.seen[i] || other.seen[i];
      continue;
    }
    const ActorId actor = actor_id(static_cast<unsigned char>(at + 1));
    Op op = random_op(random, writer, actor, static_cast<int>(history.events.size()));
    const Dot dot{actor, ++writer.counter};
    writer.state = applied(writer.state, op, dot);
    history.events.push_back({std::move(op), dot, writer.seen});
    writer.seen[history.events.size() - 1] = true;
  }
  return history;
}

// All events, or those of `wanted`, in a random order that respects what each had seen.
std::vector<std::size_t> causal_order(Random& random, const History& history) {
  std::vector<std::size_t> order;
  std::vector<bool> done(history.events.size());
  while (order.size() < history.events.size()) {
    const std::size_t candidate = random.below(history.events.size());
    if (done[candidate]) continue;
    const auto& seen = history.events[candidate].seen;
    bool ready = true;
    for (std::size_t i = 0; i < seen.size(); ++i) ready = ready && (!seen[i] || done[i]);
    if (!ready) continue;
    done[candidate] = true;
    order.push_back(candidate);
  }
  return order;
}

State apply_all(const History& history, const std::vector<std::size_t>& order) {
  State state;
  for (const std::size_t i : order) state = applied(std::move(state), history.events[i].op, history.events[i].dot);
  return state;
}

struct Expected {
  Bytes document;
  sim::NaiveModel::Counters counters;
};

Expected brute_force(const History& history) {
  sim::NaiveModel model;
  VersionVector all;
  for (const auto& event : history.events) {
    model.add(event.dot, event.op);
    all.advance(event.dot.actor, event.dot.counter);
  }
  const auto result = model.result(all);
  if (result.empty() || result.at("c").empty()) return {};
  return {result.at("c").at(kKey), model.counters("c", kKey, all)};
}

sim::NaiveModel::Counters counters_of(const State& state) {
  sim::NaiveModel::Counters result;
  for (const auto& field : state.revision.fields()) {
    if (!field.counter) continue;
    for (const CounterPart& part : field.counter->parts)
      result[field.name][part.actor] = {part.first, part.counter, part.sum.integer, part.sum.real};
  }
  return result;
}

bool same(const sim::NaiveModel::Counters& a, const sim::NaiveModel::Counters& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first &&
           std::equal(
               x.second.begin(), x.second.end(), y.second.begin(), y.second.end(), [](const auto& p, const auto& q) {
                 const bool nan = p.second.reals != p.second.reals && q.second.reals != q.second.reals;
                 return p.first == q.first && p.second.first == q.second.first && p.second.last == q.second.last &&
                        p.second.integers == q.second.integers && (nan || p.second.reals == q.second.reals);
               });
  });
}

}  // namespace

TEST_CASE("every causal order of the same ops gives the same state, and the one that brute force gives") {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    const History history = random_history(random, 2 + random.below(12));
    const State first = apply_all(history, causal_order(random, history));
    for (int other = 0; other < 3; ++other) REQUIRE(apply_all(history, causal_order(random, history)) == first);
    const Expected expected = brute_force(history);
    REQUIRE((first.document ? first.document->bytes() : Bytes()) == expected.document);
    REQUIRE(same(counters_of(first), expected.counters));
    const auto valid = check_state(first);
    REQUIRE_MESSAGE(valid.has_value(), (valid ? "" : valid.error().message));
  }
}

TEST_CASE("merging states of causally closed parts in any tree gives what applying all ops gives") {
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    const History history = random_history(random, 2 + random.below(12));
    const State whole = apply_all(history, causal_order(random, history));
    // Replicas that have each seen a prefix of some causal order; together they have seen all.
    std::vector<State> states;
    for (int replica = 0; replica < 4; ++replica) {
      auto order = causal_order(random, history);
      if (replica > 0) order.resize(random.below(order.size() + 1));
      states.push_back(apply_all(history, order));
    }
    while (states.size() > 1) {
      std::swap(states[random.below(states.size())], states.back());
      State last = std::move(states.back());
      states.pop_back();
      State& other = states[random.below(states.size())];
      REQUIRE(merged(other, last) == merged(last, other));
      other = merged(std::move(other), std::move(last));
    }
    REQUIRE(states.front() == whole);
    // Through bytes and back.
    if (!whole.never_written()) {
      Bytes bytes;
      wire::Writer out(bytes);
      encode_state(out, kKey, ref(whole));
      wire::Reader in(bytes);
      const auto back = decode_state(in);
      REQUIRE(back.has_value());
      REQUIRE(back->second == whole);
    }
    REQUIRE(merged(whole, whole) == whole);
    // Ops that a state contains already change nothing more.
    for (const std::size_t i : causal_order(random, history)) {
      REQUIRE_FALSE(apply(ref(whole), history.events[i].op, history.events[i].dot).has_value());
    }
  }
}

TEST_CASE("a field that is unset and set again returns to its place, and added fields are ordered by name") {
  const ActorId actor = actor_id(1);
  const auto update = [&](std::uint64_t hlc, bson::Document set, std::vector<std::string> unset) {
    Op op;
    op.kind = OpKind::kUpdate;
    op.stamp = {hlc, actor};
    op.target = {1, actor};
    op.document = std::move(set);
    op.unset = std::move(unset);
    return op;
  };
  Op insert;
  insert.stamp = {1, actor};
  insert.document = doc(1, {{"m", 1}, {"k", 1}, {"l", 1}});
  State state = applied({}, insert, {actor, 1});
  state = applied(state, update(2, {}, {"k"}), {actor, 2});
  CHECK(names_of(*state.document) == "_id m l");
  state = applied(state, update(3, fields_only({{"z", 1}, {"a", 1}}), {"m"}), {actor, 3});
  CHECK(names_of(*state.document) == "_id l a z");
  state = applied(state, update(4, fields_only({{"k", 2}, {"m", 2}, {"b", 2}}), {}), {actor, 4});
  CHECK(names_of(*state.document) == "_id m k l a b z");
}

TEST_CASE("a state from outside is refused when its parts do not fit together") {
  const ActorId actor = actor_id(1);
  State good{{{5, actor}, {actor, 1}, {{"b", {6, actor}, {actor, 2}, 2, false}}}, doc(1, {{"a", 1}, {"b", 2}})};
  REQUIRE(check_state(good).has_value());
  const auto broken = [&](auto change) {
    State state = good;
    change(state);
    return !check_state(state).has_value();
  };
  CHECK(broken([](State& s) {
    s.revision = db::Revision(s.revision.stamp(), {s.revision.dot().actor, 0}, s.revision.fields());
  }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].stamp.hlc = 5; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].name = "_id"; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].name = "x"; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].unset = true; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].ordinal = 0; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].ordinal = 1; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields()[0].ordinal = 9; }));
  CHECK(broken([](State& s) { s.revision.mutable_fields().push_back(s.revision.fields()[0]); }));
  CHECK(broken([](State& s) { s.document = fields_only({{"a", 1}, {"b", 2}}); }));
  CHECK(broken([](State& s) { s.document = doc(1, {{"a", 1}, {"b", 2}, {"a", 3}}); }));
  CHECK(broken([](State& s) { s.document.reset(); }));
}
