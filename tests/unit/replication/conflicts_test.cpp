#include "distri/replication/conflicts.hpp"

#include <set>

#include "distri/replication/counter.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/op_log.hpp"
#include "distri/utils/random.hpp"
#include "naive_model.hpp"
#include "support.hpp"

using namespace distri;
using namespace distri::replication;
using namespace distri::replication::test;

namespace {

const Bytes kKey = key_of(doc(1));

Conflict conflict(unsigned char actor, std::uint64_t counter, std::int32_t id = 1,
                  const std::string& collection = "c") {
  const bson::Document document = doc(id, {{"a", static_cast<std::int32_t>(counter)}});
  const Dot dot{actor_id(actor), counter};
  return {{collection, key_of(document), dot},
          {ConflictKind::kDocument, dot, {5, actor_id(actor)}, {actor_id(9), 1}, document, {}, {}, 0}};
}

std::vector<Conflict> conflicts_of(const Replica& replica) {
  std::vector<Conflict> result;
  replica.conflicts().for_each([&](const Conflict& one) {
    result.push_back(one);
    result.back().arrival = 0;
  });
  return result;
}

// Two nodes that share a document, then write without hearing of each other.
struct Pair : Mesh {
  explicit Pair(std::int32_t n = 10) : Mesh(2) {
    connect_all();
    REQUIRE(replicas[0]->insert("c", doc(1, {{"n", n}, {"m", 0}}), now).has_value());
    settle();
    disconnect(0, 1);
  }
  void meet() {
    connect(0, 1);
    settle();
    pass(2'000);
    check_equal();
  }
  const Conflict& only(std::size_t node) {
    REQUIRE(replicas[node]->conflicts().size() == 1);
    return replicas[node]->conflicts().entries().begin()->second;
  }
  Result<> set(std::size_t node, const std::vector<std::pair<std::string, std::int32_t>>& fields) {
    now += 10;
    return replicas[node]->update("c", kKey, fields_only(fields), {}, now);
  }
};

}  // namespace

TEST_CASE("of two concurrent replacements the lost one is a conflict on both nodes, and comes back") {
  Pair pair;
  REQUIRE(pair[0].replace("c", doc(1, {{"x", 1}}), pair.now).has_value());
  REQUIRE(pair[1].replace("c", doc(1, {{"x", 2}}), pair.now + 5).has_value());
  pair.meet();
  CHECK(conflicts_of(pair[0]) == conflicts_of(pair[1]));
  const Conflict lost = pair.only(0);
  CHECK(lost.loser.kind == ConflictKind::kDocument);
  CHECK(lost.loser.content == doc(1, {{"x", 1}}));
  CHECK(lost.name.loser.actor == pair[0].actor());
  CHECK(lost.loser.winner.actor == pair[1].actor());
  CHECK(pair[0].take_conflict_events().size() == 1);
  CHECK(pair[0].take_conflict_events().empty());
  REQUIRE(pair[1].restore_conflict("c", kKey, lost.name.loser, pair.now).has_value());
  pair.settle();
  pair.check_equal();
  CHECK(field(pair[0], "c", 1, "x") == 1);
  CHECK(pair[0].conflicts().size() == 0);
  CHECK(pair[1].conflicts().size() == 0);
  CHECK(pair[1].restore_conflict("c", kKey, lost.name.loser, pair.now).error().code == Code::kNotFound);
  CHECK(pair[1].dismiss_conflict("c", kKey, lost.name.loser, pair.now).error().code == Code::kNotFound);
}

TEST_CASE("what a writer had seen is no conflict, nor is equal content") {
  Pair pair;
  REQUIRE(pair[0].replace("c", doc(1, {{"x", 1}}), pair.now).has_value());
  REQUIRE(pair[1].replace("c", doc(1, {{"x", 1}}), pair.now + 50).has_value());
  pair.meet();
  CHECK(pair[0].conflicts().size() == 0);
  CHECK(pair[1].conflicts().size() == 0);
  REQUIRE(pair[0].remove("c", kKey, pair.now).has_value());
  REQUIRE(pair[1].remove("c", kKey, pair.now).has_value());
  pair.settle();
  CHECK(pair[0].conflicts().size() == 0);
  CHECK(pair[1].conflicts().size() == 0);
}

// Which of the two came first must not decide what is a conflict.
TEST_CASE("a value that increments of the winner happen to come to is lost all the same") {
  Pair pair;
  REQUIRE(pair.set(0, {{"n", 7}}).has_value());
  REQUIRE(pair.set(1, {{"n", 5}}).has_value());
  REQUIRE(pair[1].increment("c", kKey, fields_only({{"n", 2}}), pair.now).has_value());
  pair.meet();
  CHECK(field(pair[0], "c", 1, "n") == 7);
  for (const std::size_t i : {0, 1}) CHECK(pair.only(i).loser.content == fields_only({{"n", 7}}));
}

TEST_CASE("the same holds when their states meet") {
  Pair pair;
  REQUIRE(pair.set(0, {{"n", 7}}).has_value());
  REQUIRE(pair.set(1, {{"n", 5}}).has_value());
  REQUIRE(pair[1].increment("c", kKey, fields_only({{"n", 2}}), pair.now).has_value());
  std::vector<State> states;
  for (const std::size_t i : {0, 1}) {
    const db::Record& record = *find(pair[i], "c", 1);
    states.push_back({record.revision, bson::Document(record.document.view())});
  }
  for (const std::size_t mine : {0, 1}) {
    Losers losers;
    const Seen seen_here(pair[mine].vector());
    const Seen seen_there(pair[1 - mine].vector());
    (void)merge(ref(states[mine]), states[1 - mine], seen_here, seen_there, losers);
    REQUIRE(losers.all().size() == 1);
    CHECK(losers.all().front().content == fields_only({{"n", 7}}));
  }
}

TEST_CASE("a document that an update has made equal to the winner is lost all the same") {
  for (const bool updated_loses : {true, false}) {
    Pair pair;
    const std::size_t updated = updated_loses ? 0 : 1;
    REQUIRE(pair[updated].replace("c", doc(1, {{"x", 1}}), pair.now + (updated_loses ? 0 : 5)).has_value());
    REQUIRE(pair[updated].update("c", kKey, fields_only({{"x", 2}}), {}, pair.now + 7).has_value());
    REQUIRE(pair[1 - updated].replace("c", doc(1, {{"x", 2}}), pair.now + (updated_loses ? 5 : 0)).has_value());
    const Dot lost = find(pair[0], "c", 1)->revision.dot();
    pair.meet();
    for (const std::size_t i : {0, 1})
      CHECK_MESSAGE(pair[i].conflicts().find({"c", kKey, lost}) != nullptr, "updated ", updated, " node ", i);
  }
}

TEST_CASE("where two set the same and one of them is incremented since, nothing is lost") {
  Pair pair;
  REQUIRE(pair.set(0, {{"n", 5}}).has_value());
  REQUIRE(pair.set(1, {{"n", 5}}).has_value());
  REQUIRE(pair[1].increment("c", kKey, fields_only({{"n", 2}}), pair.now).has_value());
  pair.meet();
  pair.check_equal();
  for (const std::size_t i : {0, 1}) CHECK(pair[i].conflicts().size() == 0);
}

TEST_CASE("of two updates of one field the lost value is a conflict; updates of different fields are none") {
  Pair pair;
  REQUIRE(pair.set(0, {{"n", 1}, {"a", 1}}).has_value());
  REQUIRE(pair.set(1, {{"n", 2}, {"b", 2}}).has_value());
  pair.meet();
  CHECK(conflicts_of(pair[0]) == conflicts_of(pair[1]));
  const Conflict lost = pair.only(1);
  CHECK(lost.loser.kind == ConflictKind::kFields);
  CHECK(lost.loser.content == fields_only({{"n", 1}}));
  REQUIRE(pair[0].restore_conflict("c", kKey, lost.name.loser, pair.now).has_value());
  pair.settle();
  pair.check_equal();
  CHECK(field(pair[1], "c", 1, "n") == 1);
  CHECK(field(pair[1], "c", 1, "b") == 2);
  CHECK(pair[1].conflicts().size() == 0);
}

TEST_CASE("a document that is deleted over an unseen update is kept as it was") {
  Pair pair;
  REQUIRE(pair.set(0, {{"n", 77}}).has_value());
  REQUIRE(pair[1].remove("c", kKey, pair.now).has_value());
  pair.meet();
  CHECK(find(pair[0], "c", 1) == nullptr);
  // The node that had the update still knows the whole document, the other one only what it was told.
  CHECK(pair.only(0).loser.kind == ConflictKind::kDocument);
  CHECK(pair.only(0).loser.content == doc(1, {{"n", 77}, {"m", 0}}));
  CHECK(pair.only(1).loser.kind == ConflictKind::kFields);
  CHECK(pair.only(1).name == pair.only(0).name);
  SUBCASE("restored as a document") {
    REQUIRE(pair[0].restore_conflict("c", kKey, pair.only(0).name.loser, pair.now).has_value());
    pair.settle();
    CHECK(field(pair[1], "c", 1, "m") == 0);
  }
  SUBCASE("restored as fields") {
    REQUIRE(pair[1].restore_conflict("c", kKey, pair.only(1).name.loser, pair.now).has_value());
    pair.settle();
    CHECK(names_of(find(pair[0], "c", 1)->document) == "_id n");
  }
  pair.check_equal();
  CHECK(field(pair[1], "c", 1, "n") == 77);
  CHECK(pair[0].conflicts().size() == 0);
  CHECK(pair[1].conflicts().size() == 0);
}

TEST_CASE("a delete that loses to an unseen insert is a conflict, and can be done after all") {
  Pair pair;
  REQUIRE(pair[0].remove("c", kKey, pair.now).has_value());
  REQUIRE(pair[1].replace("c", doc(1, {{"x", 2}}), pair.now + 50).has_value());
  pair.meet();
  for (std::size_t node = 0; node < 2; ++node) {
    CHECK(pair.only(node).loser.kind == ConflictKind::kDelete);
    CHECK(pair.only(node).loser.content == doc(1));
  }
  REQUIRE(pair[0].restore_conflict("c", kKey, pair.only(0).name.loser, pair.now).has_value());
  pair.settle();
  CHECK(find(pair[1], "c", 1) == nullptr);
  CHECK(pair[1].conflicts().size() == 0);
}

TEST_CASE("an increment that ran into a concurrent set is a conflict, and adds up when it is restored") {
  Pair pair;
  REQUIRE(pair[0].increment("c", kKey, fields_only({{"n", 5}}), pair.now).has_value());
  REQUIRE(pair.set(1, {{"n", 100}}).has_value());
  pair.meet();
  CHECK(field(pair[0], "c", 1, "n") == 100);
  CHECK(conflicts_of(pair[0]) == conflicts_of(pair[1]));
  CHECK(pair.only(0).loser.kind == ConflictKind::kIncrement);
  CHECK(pair.only(0).loser.increments == fields_only({{"n", 5}}));
  REQUIRE(pair[1].restore_conflict("c", kKey, pair.only(1).name.loser, pair.now).has_value());
  pair.settle();
  pair.check_equal();
  CHECK(field(pair[0], "c", 1, "n") == 105);
  CHECK(pair[0].conflicts().size() == 0);
}

TEST_CASE("increments of which the setter had seen some are kept as the value that they made") {
  Pair pair;
  pair.connect(0, 1);
  REQUIRE(pair[0].increment("c", kKey, fields_only({{"n", 5}}), pair.now).has_value());
  pair.settle();
  pair.disconnect(0, 1);
  REQUIRE(pair[0].increment("c", kKey, fields_only({{"n", 3}}), pair.now).has_value());
  REQUIRE(pair.set(1, {{"n", 100}}).has_value());
  pair.meet();
  CHECK(pair.only(0).loser.kind == ConflictKind::kFields);
  CHECK(pair.only(0).loser.content == fields_only({{"n", 18}}));
  CHECK(pair.only(1).loser.increments == fields_only({{"n", 3}}));
  CHECK(pair.only(0).name == pair.only(1).name);
}

TEST_CASE("what a drop buries unseen is kept, also when it comes after the drop") {
  Pair pair;
  REQUIRE(pair[0].insert("c", doc(2, {{"x", 2}}), pair.now).has_value());
  REQUIRE(pair.set(0, {{"n", 7}}).has_value());
  REQUIRE(pair[1].drop_collection("c", pair.now + 1'000).has_value());
  pair.meet();
  CHECK_FALSE(pair[0].collection_exists("c"));
  for (std::size_t node = 0; node < 2; ++node) {
    REQUIRE(pair[node].conflicts().size() == 2);
    const auto lost = pair[node].conflicts().list({"c", key_of(doc(2)), {}, 10});
    REQUIRE(lost.size() == 1);
    CHECK(lost[0]->loser.content == doc(2, {{"x", 2}}));
  }
  REQUIRE(pair[1]
              .restore_conflict("c", key_of(doc(2)),
                                pair[1].conflicts().list({"c", key_of(doc(2)), {}, 1})[0]->name.loser, pair.now)
              .has_value());
  pair.settle();
  pair.check_equal();
  CHECK(field(pair[0], "c", 2, "x") == 2);
  CHECK(pair[0].conflicts().size() == 1);
}

TEST_CASE("conflicts are bounded by entries and by bytes: the oldest go first and are counted") {
  Conflicts conflicts(3, 3'000);
  for (std::uint64_t i = 1; i <= 5; ++i) CHECK(conflicts.add(conflict(static_cast<unsigned char>(9 - i), i)));
  CHECK(conflicts.size() == 3);
  CHECK(conflicts.evicted() == 2);
  CHECK(conflicts.find(conflict(8, 1).name) == nullptr);
  CHECK(conflicts.find(conflict(4, 5).name) != nullptr);
  CHECK(conflicts.add(conflict(1, 1, 1, "other")));
  CHECK(conflicts.size() == 4);
  Conflict large = conflict(1, 9);
  bson::Builder builder;
  builder.append_int32("_id", 1).append_string("t", std::string(10'000, 'x'));
  large.loser.content = std::move(builder).finish();
  CHECK(conflicts.add(large));
  CHECK(conflicts.size("c") == 1);
  CHECK(conflicts.add(conflict(1, 10)));
  CHECK(conflicts.size("c") == 1);
  CHECK_FALSE(conflicts.check());
  CHECK(conflicts.erase(conflict(1, 10).name));
  CHECK_FALSE(conflicts.erase(conflict(1, 10).name));
  CHECK(conflicts.size("c") == 0);
  Conflicts none(0);
  CHECK_FALSE(none.add(conflict(1, 1)));
  CHECK(none.size() == 0);
}

TEST_CASE("conflicts are listed by collection and document, page by page") {
  Conflicts conflicts(100);
  for (std::uint64_t i = 1; i <= 9; ++i) {
    conflicts.add(conflict(1, i, static_cast<std::int32_t>(i % 3)));
    conflicts.add(conflict(1, i, 1, "d"));
  }
  CHECK(conflicts.list({}).size() == 18);
  CHECK(conflicts.list({"d", {}, {}, 100}).size() == 9);
  CHECK(conflicts.list({"none", {}, {}, 100}).empty());
  CHECK(conflicts.list({"c", key_of(doc(2)), {}, 100}).size() == 3);
  std::set<ConflictName> seen;
  Conflicts::Query query{"c", {}, {}, 2};
  for (;;) {
    const auto page = conflicts.list(query);
    if (page.empty()) break;
    CHECK(page.size() <= 2);
    for (const Conflict* one : page) CHECK(seen.insert(one->name).second);
    query.after = page.back()->name;
  }
  CHECK(seen.size() == 9);
}

TEST_CASE("what a write loses in several places is joined under its name") {
  Conflicts conflicts(10);
  conflicts.keep_touched();
  Conflict fields = conflict(1, 1);
  fields.loser = {ConflictKind::kFields, fields.name.loser, {}, {}, fields_only({{"a", 1}}), {"x"}, {}, 0};
  CHECK(conflicts.add(fields));
  CHECK(conflicts.take_touched().size() == 1);
  CHECK_FALSE(conflicts.add(fields));
  CHECK(conflicts.touched().empty());
  fields.loser.content = fields_only({{"b", 2}});
  fields.loser.unset = {"x", "y"};
  fields.loser.increments = fields_only({{"a", 5}, {"c", 3}});
  fields.loser.since = 1;
  CHECK_FALSE(conflicts.add(fields));
  const Loser& joined = conflicts.find(fields.name)->loser;
  CHECK(joined.content == fields_only({{"a", 1}, {"b", 2}}));
  CHECK(joined.unset == std::vector<std::string>{"x", "y"});
  CHECK(joined.increments == fields_only({{"c", 3}}));
  CHECK(conflicts.add(conflict(1, 1)) == false);
  CHECK(conflicts.find(fields.name)->loser.kind == ConflictKind::kDocument);
  CHECK_FALSE(conflicts.check());
}

TEST_CASE("lost increments are kept once, whether they come one by one or as a sum, and are resolved together") {
  const auto lost = [](std::uint64_t since, std::uint64_t last, std::int32_t n) {
    Conflict one = conflict(1, last);
    one.loser = {ConflictKind::kIncrement, one.name.loser, {3, actor_id(1)}, {}, {}, {},
                 fields_only({{"n", n}}),  since};
    return one;
  };
  const std::vector<Conflict> parts = {lost(5, 5, 1), lost(7, 7, 10), lost(9, 9, 100)};
  const Conflict sum = lost(5, 9, 111);
  for (const bool sum_first : {false, true}) {
    Conflicts conflicts(10);
    if (sum_first) conflicts.add(sum);
    for (const Conflict& part : parts) conflicts.add(part);
    if (!sum_first) CHECK(conflicts.size() == 3);
    conflicts.add(sum);
    REQUIRE(conflicts.size() == 1);
    CHECK(conflicts.find(sum.name)->loser == sum.loser);
    CHECK_FALSE(conflicts.check());
  }
  // Of another actor, or after the sum: not in it.
  Conflicts conflicts(10);
  conflicts.add(lost(10, 10, 7));
  Conflict other = lost(6, 6, 7);
  other.name.loser.actor = other.loser.dot.actor = actor_id(2);
  conflicts.add(other);
  conflicts.add(sum);
  CHECK(conflicts.size() == 3);
  // Another field of an increment that the sum holds in part.
  Conflict two = lost(8, 8, 10);
  two.loser.increments = fields_only({{"n", 10}, {"m", 2}});
  conflicts.add(two);
  REQUIRE(conflicts.find(two.name) != nullptr);
  CHECK(conflicts.find(two.name)->loser.increments == fields_only({{"m", 2}}));
  // Where they came one by one, they go with the sum that was resolved elsewhere.
  Conflicts single(10);
  for (const Conflict& part : parts) single.add(part);
  single.add(lost(4, 4, 1));
  single.resolve(sum.name, sum.loser.since);
  CHECK(single.size() == 1);
  CHECK(single.find(lost(4, 4, 1).name) != nullptr);
}

TEST_CASE("a conflict survives the trip through bytes, and a damaged one is refused") {
  Conflict whole = conflict(1, 4);
  whole.arrival = 12;
  Conflict fields = whole;
  fields.loser = {ConflictKind::kFields,   whole.name.loser,
                  {3, actor_id(1)},        {},
                  fields_only({{"a", 1}}), std::vector<std::string>{"u"},
                  fields_only({{"n", 2}}), 3};
  const auto encoded = [](const Conflict& one) {
    Bytes bytes;
    wire::Writer out(bytes);
    encode(out, one);
    return bytes;
  };
  const auto decoded = [](BytesView bytes) {
    wire::Reader in(bytes);
    return decode_conflict(in);
  };
  for (const Conflict& one : {whole, fields}) {
    const Bytes bytes = encoded(one);
    CHECK(decoded(bytes) == Result<Conflict>(one));
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decoded(BytesView(bytes).substr(0, size)).has_value());
  }
  const auto refused = [&](Conflict one, auto change) {
    change(one);
    return !decoded(encoded(one)).has_value();
  };
  CHECK(refused(whole, [](Conflict& c) { c.name.collection = "system.x"; }));
  CHECK(refused(whole, [](Conflict& c) { c.name.key.clear(); }));
  CHECK(refused(whole, [](Conflict& c) { c.name.key = key_of(doc(2)); }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.dot.counter = 0; }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.kind = static_cast<ConflictKind>(5); }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.kind = ConflictKind::kDelete; }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.content = fields_only({{"a", 1}}); }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.unset = {"a"}; }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.unset = {"a"}; }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.kind = ConflictKind::kIncrement; }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.increments = fields_only({{"a", 1}}); }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.content = doc(1); }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.since = 0; }));
  CHECK(refused(fields, [](Conflict& c) { c.loser.since = 5; }));
  CHECK(refused(whole, [](Conflict& c) { c.loser.since = 1; }));
  CHECK(refused(fields, [](Conflict& c) {
    bson::Builder text;
    text.append_string("n", "x");
    c.loser.increments = std::move(text).finish();
  }));
}

namespace {

// Nodes write at random, in changing partitions; then all meet. Every write has content of its own.
struct RandomCluster : Mesh {
  RandomCluster(std::uint64_t seed, std::size_t log_bytes) : Mesh(0), random(seed) {
    config.log_bytes_max = log_bytes;
    config.members = 4;  // else a node alone forgets its tombstones
    for (int i = 0; i < 4; ++i) add();
    for (std::size_t node = 0; node < replicas.size(); ++node) shares.push_back(node);
  }

  void write(std::size_t node) {
    Replica& replica = *replicas[node];
    const std::string collection = random.below(5) == 0 ? "d" : "c";
    const auto id = static_cast<std::int32_t>(random.below(2));
    const Bytes key = key_of(doc(id));
    const std::int32_t value = ++serial * 1'000;
    const std::string name(1, static_cast<char>('a' + random.below(3)));
    // Clocks differ by node, so that who writes later need not win.
    const std::int64_t at = now + static_cast<std::int64_t>(random.below(3'000));
    switch (random.below(14)) {
      case 0:
      case 1:
        (void)replica.replace(collection, doc(id, {{"a", value}, {"b", value + 1}}), at);
        break;
      case 2:
        (void)replica.remove(collection, key, at);
        break;
      case 3:
        if (random.below(3) == 0) (void)replica.drop_collection(collection, at);
        break;
      case 4:
      case 5:
      case 6:
        (void)replica.update(collection, key, fields_only({{name, value}}), {}, at);
        break;
      case 7:
        (void)replica.update(collection, key, {}, {name}, at);
        break;
      case 8:
      case 9:
      case 10:
        (void)replica.increment(collection, key, fields_only({{name, 1 + static_cast<std::int32_t>(random.below(9))}}),
                                at);
        break;
      case 11: {
        const auto page = replica.conflicts().list({collection, key, {}, 1});
        if (page.empty() || random.below(2) == 0) break;
        const Dot loser = page[0]->name.loser;
        // Two nodes that restore the same would write equal content.
        (void)(node == 0 ? replica.restore_conflict(collection, key, loser, at)
                         : replica.dismiss_conflict(collection, key, loser, at));
        break;
      }
      default:
        break;
    }
    record(node);
  }

  // The node's own batches are in what it pushes only while somebody is connected, so they are taken from its log.
  void record(std::size_t node) {
    Replica& replica = *replicas[node];
    replica.end_turn(now);
    for (std::uint64_t at = replica.log().first_position(); at < replica.log().end_position(); ++at) {
      const OpLog::Entry& entry = replica.log().at(at);
      if (entry.actor != replica.actor() || !recorded.insert({node, entry.first_counter}).second) continue;
      wire::Reader in(*entry.batch);
      model.add(*decode_batch(in, {}));
    }
  }

  void regroup() {
    for (const auto& [a, b] : std::vector(links)) disconnect(a, b);
    for (std::size_t& share : shares) share = random.below(3);
    join();
  }
  void join() {
    for (std::size_t a = 0; a < replicas.size(); ++a) {
      for (std::size_t b = a + 1; b < replicas.size(); ++b) {
        if (shares[a] == shares[b]) connect(a, b);
      }
    }
  }

  void run() {
    for (int step = 0; step < 60; ++step) {
      if (random.below(8) == 0) regroup();
      write(random.below(replicas.size()));
      if (random.below(3) == 0) settle();
      if (random.below(10) == 0) pass(1'000);
    }
    for (std::size_t& share : shares) share = 0;
    for (const auto& [a, b] : std::vector(links)) disconnect(a, b);
    join();
    pass(30'000);
  }

  void check() {
    check_equal();
    const VersionVector& vector = replicas[0]->vector();
    const auto expected = model.result(vector);
    for (auto& replica : replicas) {
      sim::NaiveModel::Collections held;
      for (const auto& [name, documents] : replica->database().collections()) {
        held[name];
        for (const auto& [key, record] : documents.records()) held[name].emplace(key, record.document.bytes());
      }
      REQUIRE(held == expected);
      for (const auto& one : model.lost(vector)) {
        const auto here = replica->conflicts().list({one.collection, one.key, {}, 10'000});
        const bool kept = std::any_of(here.begin(), here.end(), [&](const Conflict* held_one) {
          const Dot& dot = held_one->name.loser;
          return dot == one.dot ||
                 (!one.increment.empty() && dot.actor == one.dot.actor && dot.counter > one.dot.counter);
        });
        REQUIRE_MESSAGE(kept, "write ", one.dot.counter, " of ", one.dot.actor.short_hex(), " in ", one.collection, " ",
                        one.increment);
        ++required;
      }
    }
  }

  Random random;
  sim::NaiveModel model;
  std::vector<std::size_t> shares;
  std::set<std::pair<std::size_t, std::uint64_t>> recorded;
  std::int32_t serial = 0;
  int required = 0;
};

}  // namespace

TEST_CASE("whatever loses unseen is a conflict on every node, by ops") {
  int required = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    RandomCluster cluster(seed, 64u << 20);
    cluster.run();
    cluster.check();
    required += cluster.required;
  }
  CHECK(required > 1'000);
}

TEST_CASE("whatever loses unseen is a conflict on every node, by states where the logs do not reach back") {
  int syncs = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    RandomCluster cluster(seed, 2'000);
    cluster.run();
    cluster.check();
    for (auto& replica : cluster.replicas) syncs += static_cast<int>(replica->counters().state_syncs);
  }
  CHECK(syncs > 100);
}

TEST_CASE("a single writer makes no conflicts, however its states and its log overlap on the way") {
  Random random(7);
  for (int round = 0; round < 20; ++round) {
    ReplicaConfig config;
    config.log_bytes_max = 20'000;
    config.pull_chunk_bytes = 200;
    config.members = 2;
    Mesh mesh(2, config);
    const auto write = [&] {
      const auto id = static_cast<std::int32_t>(random.below(12));
      const auto value = static_cast<std::int32_t>(random.below(1'000'000));
      switch (random.below(9)) {
        case 0:
          (void)mesh[0].remove("c", key_of(doc(id)), mesh.now);
          break;
        case 1:
          if (random.below(5) == 0) (void)mesh[0].drop_collection("c", mesh.now);
          break;
        case 2:
        case 3:
          (void)mesh[0].replace("c", doc(id, {{"a", value}}), mesh.now);
          break;
        case 4:
        case 5:
          (void)mesh[0].increment("c", key_of(doc(id)), fields_only({{"a", value}}), mesh.now);
          break;
        default:
          (void)mesh[0].update("c", key_of(doc(id)), fields_only({{"a", value}, {"b", value}}), {}, mesh.now);
      }
      mesh[0].end_turn(mesh.now);
    };
    for (int i = 0; i < 300; ++i) write();
    mesh.connect_all();
    int writes = 0;
    // The pushes are lost, so that all of it comes as states and as the log behind them.
    mesh.pass(20'000, [&](const Outgoing& message) {
      for (int i = 0; message.kind == MessageKind::kState && i < 8 && ++writes < 80; ++i) write();
      return message.kind == MessageKind::kBatch;
    });
    mesh.check_equal();
    CHECK(mesh[1].counters().state_syncs > 0);
    CHECK(mesh[1].conflicts().size() == 0);
  }
}

TEST_CASE("conflicts and counters survive a restart from a journal") {
  ReplicaConfig config;
  config.journal = true;
  Mesh mesh(2, config);
  std::map<Bytes, Bytes> disk;
  const auto save = [&] {
    mesh[0].end_turn(mesh.now);
    const auto commit = mesh[0].take_commit();
    REQUIRE(commit.has_value());
    for (const auto& [key, value] : commit->changes) {
      if (value) {
        disk[key] = *value;
      } else {
        disk.erase(key);
      }
    }
    mesh[0].committed(commit->number, mesh.now);
  };
  const auto restarted = [&](std::uint64_t incarnation) {
    ReplicaConfig own = config;
    own.node = Mesh::id(0);
    own.incarnation = incarnation;
    auto replica = std::make_unique<Replica>(own);
    const auto report = replica->load(
        [&](const RecordVisitor& visit) -> Result<> {
          for (const auto& [key, value] : disk) DISTRI_TRY_VOID(visit(key, value));
          return {};
        },
        mesh.now);
    REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().message));
    CHECK(report->conflicts == mesh[0].conflicts().size());
    CHECK(replica->conflicts().entries() == mesh[0].conflicts().entries());
    CHECK(replica->database_digest() == mesh[0].database_digest());
    CHECK_FALSE(replica->check_invariants());
    return replica;
  };
  for (std::int32_t id = 1; id <= 3; ++id) {
    REQUIRE(mesh[0].replace("c", doc(id, {{"n", id}}), mesh.now));
    REQUIRE(mesh[1].replace("c", doc(id, {{"n", -id}}), mesh.now + id));
  }
  mesh.connect_all();
  mesh.pass(2'000);
  REQUIRE(mesh[0].increment("c", kKey, fields_only({{"n", 5}, {"new", 1}}), mesh.now));
  REQUIRE(mesh[0].conflicts().size() == 3);
  save();
  auto after = restarted(2);
  CHECK(field(*after, "c", 1, "n") == 4);
  REQUIRE(after->increment("c", kKey, fields_only({{"n", 1}}), mesh.now));
  CHECK(field(*after, "c", 1, "n") == 5);
  const ConflictName first = mesh[0].conflicts().entries().begin()->first;
  REQUIRE(mesh[0].restore_conflict("c", first.key, first.loser, mesh.now));
  save();
  CHECK(restarted(3)->conflicts().size() == 2);
  // A flipped bit in a conflict is data loss.
  const auto record = disk.lower_bound(Bytes("x"));
  REQUIRE(record != disk.end());
  record->second[record->second.size() / 2] ^= 1;
  ReplicaConfig own = config;
  own.node = Mesh::id(0);
  own.incarnation = 4;
  Replica damaged(own);
  const auto report = damaged.load(
      [&](const RecordVisitor& visit) -> Result<> {
        for (const auto& [key, value] : disk) DISTRI_TRY_VOID(visit(key, value));
        return {};
      },
      mesh.now);
  REQUIRE_FALSE(report.has_value());
  CHECK(report.error().code == Code::kDataLoss);
}

TEST_CASE("planted defects of merging show") {
  Mesh mesh(2, [] {
    ReplicaConfig config;
    config.plant = Plant::kForgetConflict;
    return config;
  }());
  REQUIRE(mesh[0].replace("c", doc(1, {{"x", 1}}), mesh.now).has_value());
  REQUIRE(mesh[1].replace("c", doc(1, {{"x", 2}}), mesh.now).has_value());
  mesh.connect_all();
  mesh.pass(2'000);
  CHECK(mesh[0].conflicts().size() + mesh[1].conflicts().size() == 0);
  ReplicaConfig as_set;
  as_set.plant = Plant::kIncrementAsSet;
  Mesh counting(2, as_set);
  counting.connect_all();
  REQUIRE(counting[0].insert("c", doc(1, {{"n", 0}}), counting.now).has_value());
  counting.settle();
  for (std::size_t node = 0; node < 2; ++node)
    REQUIRE(counting[node].increment("c", kKey, fields_only({{"n", 1}}), counting.now).has_value());
  counting.settle();
  counting.check_equal();
  CHECK(field(counting[0], "c", 1, "n") == 1);
}
