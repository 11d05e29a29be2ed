// The change feed: every kind of change as an event, filters, tokens, and what happens when history is gone.
#include "distri/replication/journal_record.hpp"
#include "distri/replication/op_log.hpp"
#include "feed_support.hpp"
#include "journal_support.hpp"

namespace distri::replication::test {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

ReplicaConfig config_of(unsigned char node) {
  ReplicaConfig config;
  config.node = node_id(node);
  return config;
}

bson::Document json(std::string_view text) {
  auto document = bson::from_json(text);
  REQUIRE(document.has_value());
  return std::move(*document);
}

ChangeFeed::Query on_c() {
  ChangeFeed::Query query;
  query.collection = "c";
  return query;
}

ChangeFeed::Query with_lookup() {
  ChangeFeed::Query query;
  query.lookup = true;
  return query;
}

}  // namespace

TEST_CASE("every kind of write comes as MongoDB's event of that kind, in the order of the writes") {
  Replica replica(config_of(1));
  Watch watch;
  REQUIRE(watch.begin(replica));
  CHECK(watch.read().empty());
  REQUIRE(replica.insert("c", doc(1, {{"a", 1}}), kNow));
  replica.end_turn(kNow);
  CHECK(watch.read() == R"(create c; insert c {"_id":1} {"_id":1,"a":1})");
  REQUIRE(replica.replace("c", doc(1, {{"b", 2}}), kNow));
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"x", 3}}), {"b"}, kNow));
  REQUIRE(replica.increment("c", key_of(doc(1)), fields_only({{"x", 4}}), kNow));
  replica.end_turn(kNow);
  CHECK(watch.read() == R"(replace c {"_id":1} {"_id":1,"b":2}; )"
                        R"(update c {"_id":1} {"updatedFields":{"x":3},"removedFields":["b"]}; )"
                        R"(update c {"_id":1} {"updatedFields":{},"removedFields":[],"incrementedFields":{"x":4}})");
  REQUIRE(replica.remove("c", key_of(doc(1)), kNow));
  REQUIRE(replica.drop_collection("c", kNow));
  REQUIRE(replica.note(kNow));
  REQUIRE(replica.replace("system.indexes", doc(1), kNow));
  replica.end_turn(kNow);
  CHECK(watch.read() == R"(delete c {"_id":1}; drop c complete)");
}

TEST_CASE("an event names its write, its time and its stamp; stamps sort as texts") {
  Replica replica(config_of(1));
  Watch watch;
  REQUIRE(watch.begin(replica));
  REQUIRE(replica.insert("c", doc(1), kNow));
  REQUIRE(replica.insert("c", doc(2), kNow));
  replica.end_turn(kNow);
  const auto events = watch.events();
  REQUIRE(events.has_value());
  REQUIRE(events->size() == 3);
  const bson::View second = (*events)[1];
  CHECK(second.find("_id")->as_string() == replica.actor().hex() + "-2");
  CHECK(second.find("wallTime")->as_date_ms() == kNow);
  CHECK(second.find("stamp")->as_string() < (*events)[2].view().find("stamp")->as_string());
}

TEST_CASE("an update's event has the _id exactly as the document has it") {
  Replica replica(config_of(1));
  Watch watch;
  REQUIRE(watch.begin(replica));
  for (const std::string_view id : {"7.0", R"({"$numberLong":"7000000000"})", R"("seven")", R"({"a":[1,"x"]})",
                                    R"({"$oid":"0123456789abcdef01234567"})", R"("0123456789")", "-3", "0.5",
                                    R"({"$date":"2024-01-01T00:00:00Z"})"}) {
    const bson::Document document = json(fmt::format(R"({{"_id":{},"v":1}})", id));
    REQUIRE(replica.insert("c", document, kNow));
    REQUIRE(replica.update("c", key_of(document), fields_only({{"v", 2}}), {}, kNow));
    replica.end_turn(kNow);
    const auto events = watch.events();
    REQUIRE(events.has_value());
    const bson::View update = events->back();
    CHECK(update.find("operationType")->as_string() == "update");
    const bson::Element key = *update.find("documentKey")->as_object().begin();
    CHECK(key.raw == document.view().begin()->raw);
  }
}

TEST_CASE("a reader of one collection is shown that one, one of the whole node all but distri's own") {
  Replica replica(config_of(1));
  Watch all;
  Watch one(on_c);
  Watch own([] {
    ChangeFeed::Query query;
    query.collection = "system.indexes";
    return query;
  });
  REQUIRE(all.begin(replica));
  REQUIRE(one.begin(replica));
  REQUIRE(own.begin(replica));
  REQUIRE(replica.create_collection("c", kNow));
  REQUIRE(replica.create_collection("d", kNow));
  REQUIRE(replica.replace("system.indexes", doc(1), kNow));
  replica.end_turn(kNow);
  CHECK(all.read() == "create c; create d");
  CHECK(one.read() == "create c");
  CHECK(own.read() == R"(create system.indexes; insert system.indexes {"_id":1} {"_id":1})");
  CHECK(all.token() == one.token());
}

TEST_CASE("a filter is asked about the event; a filter that fails ends the reader") {
  Replica replica(config_of(1));
  Watch deletes([] {
    ChangeFeed::Query query;
    query.filter = *db::Filter::compile(json(R"({"operationType":"delete"})"));
    return query;
  });
  Watch large([] {
    ChangeFeed::Query query;
    query.filter = *db::Filter::compile(json(R"({"fullDocument.v":{"$gte":5}})"));
    return query;
  });
  Watch failing([] {
    ChangeFeed::Query query;
    query.filter = *db::Filter::compile(json(R"({"$expr":{"$divide":[1,0]}})"));
    return query;
  });
  REQUIRE(deletes.begin(replica));
  REQUIRE(large.begin(replica));
  REQUIRE(failing.begin(replica));
  REQUIRE(replica.insert("c", doc(1, {{"v", 4}}), kNow));
  REQUIRE(replica.insert("c", doc(2, {{"v", 5}}), kNow));
  REQUIRE(replica.remove("c", key_of(doc(1)), kNow));
  replica.end_turn(kNow);
  CHECK(deletes.read() == R"(delete c {"_id":1})");
  CHECK(large.read() == R"(insert c {"_id":2} {"_id":2,"v":5})");
  CHECK(failing.events().error().code == Code::kInvalidArgument);
  // What does not match is seen all the same.
  CHECK(deletes.token() == large.token());
}

TEST_CASE("updateLookup brings the document as it is now, null when it is gone") {
  Replica replica(config_of(1));
  Watch watch(with_lookup);
  REQUIRE(watch.begin(replica));
  REQUIRE(replica.insert("c", doc(1, {{"a", 1}}), kNow));
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"a", 2}}), {}, kNow));
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"a", 3}}), {}, kNow));
  replica.end_turn(kNow);
  CHECK(watch.read() == R"(create c; insert c {"_id":1} {"_id":1,"a":1}; )"
                        R"(update c {"_id":1} {"updatedFields":{"a":2},"removedFields":[]} {"_id":1,"a":3}; )"
                        R"(update c {"_id":1} {"updatedFields":{"a":3},"removedFields":[]} {"_id":1,"a":3})");
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"a", 4}}), {}, kNow));
  REQUIRE(replica.remove("c", key_of(doc(1)), kNow));
  replica.end_turn(kNow);
  CHECK(watch.read() == R"(update c {"_id":1} {"updatedFields":{"a":4},"removedFields":[]} null; delete c {"_id":1})");
}

TEST_CASE("pages end at their limits, and go on inside of a batch") {
  Replica replica(config_of(1));
  ChangeFeed feed(replica);
  ChangeFeed::Query query;
  query.events_max = 3;
  auto reader = feed.open(std::move(query), std::nullopt);
  REQUIRE(reader.has_value());
  REQUIRE(replica.create_collection("c", kNow));
  for (std::int32_t i = 0; i < 10; ++i) REQUIRE(replica.insert("c", doc(i), kNow));
  replica.end_turn(kNow);
  std::size_t events = 0;
  std::size_t pages = 0;
  std::string token;
  for (bool more = true; more; ++pages) {
    auto page = feed.next(*reader, 1u << 20);
    REQUIRE(page.has_value());
    CHECK(page->events.size() <= 3);
    events += page->events.size();
    more = page->more;
    if (pages == 1) token = feed.token(*reader);
  }
  CHECK(events == 11);
  CHECK(pages == 4);
  // A token from the middle of the batch.
  Watch rest;
  REQUIRE(rest.begin(replica, token));
  CHECK(rest.events()->size() == 5);
}

TEST_CASE("a page looks at no more of the log than it may") {
  Replica replica(config_of(1));
  ChangeFeed feed(replica);
  ChangeFeed::Query query;
  query.collection = "nothing";
  auto reader = feed.open(std::move(query), std::nullopt);
  REQUIRE(reader.has_value());
  for (std::int32_t i = 0; i < 10; ++i) {
    REQUIRE(replica.insert("c", doc(i), kNow));
    replica.end_turn(kNow);
  }
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const auto page = feed.next(*reader, 1);
    REQUIRE(page.has_value());
    CHECK(page->events.empty());
    CHECK(page->moved);
    more = page->more;
  }
  CHECK(pages == 10);
}

TEST_CASE("a drop that some documents outlive says so") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  Watch watch;
  REQUIRE(watch.begin(mesh[1]));
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].drop_collection("c", mesh.now));
  mesh[0].end_turn(mesh.now);
  REQUIRE(mesh[1].insert("c", doc(2), mesh.now + 1'000));
  mesh[1].end_turn(mesh.now + 1'000);
  mesh.connect(0, 1);
  mesh.pass(2'000);
  CHECK(watch.read() == R"(insert c {"_id":2} {"_id":2}; drop c partly)");
  // The other node's log has the drop first. The reader that has seen the insert cannot know what is left.
  Watch other;
  REQUIRE(other.begin(mesh[0]));
  CHECK(other.read().empty());
}

TEST_CASE("garbage, changed and foreign tokens are refused with a reason") {
  CHECK(decode_resume_token("").error().message.starts_with("InvalidResumeToken (260)"));
  CHECK(!decode_resume_token("not a token"));
  CHECK(!decode_resume_token(std::string(100'000, 'A')));
  VersionVector vector;
  vector.advance(actor_id(1), 5);
  vector.advance(actor_id(2), 7);
  std::string token = encode_resume_token(vector);
  const auto back = decode_resume_token(token);
  REQUIRE(back.has_value());
  CHECK(*back == vector);
  CHECK(decode_resume_token(encode_resume_token({}))->entries().empty());
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto read = decode_resume_token(changed);
    CHECK((!read || *read == vector));
  }

  Replica replica(config_of(1));
  const ChangeFeed feed(replica);
  VersionVector future;
  future.advance(replica.actor(), 1);
  REQUIRE(feed.ready(future));
  CHECK(feed.open({}, future).error().message.starts_with("InvalidResumeToken (260)"));
  VersionVector foreign;
  foreign.advance(actor_id(9), 1);
  // A node alone knows that nobody else has it.
  replica.tick(kNow);
  CHECK(feed.ready(foreign));
  CHECK(feed.open({}, foreign).error().message.starts_with(kHistoryLost));
}

TEST_CASE("a reader that the log has left behind is told so, also with a token") {
  ReplicaConfig config = config_of(1);
  config.log_bytes_max = 4'000;
  Replica replica(config);
  Watch slow;
  Watch quick;
  REQUIRE(slow.begin(replica));
  REQUIRE(quick.begin(replica));
  const std::string first = slow.token();
  for (std::int32_t i = 0; i < 50; ++i) {
    REQUIRE(replica.insert("c", doc(i), kNow));
    replica.end_turn(kNow);
    CHECK(quick.read().starts_with(i == 0 ? "create" : "insert"));
  }
  CHECK(slow.read().starts_with(kHistoryLost));
  CHECK(Watch().begin(replica, first).error().message.starts_with(kHistoryLost));
  REQUIRE(quick.move_to(replica));
  CHECK(quick.read().empty());
}

TEST_CASE("changes that came as states end the readers, and tokens from before") {
  ReplicaConfig base;
  base.log_bytes_max = 4'000;
  Mesh mesh(2, base);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  Watch here;
  REQUIRE(here.begin(mesh[1]));
  const std::string before = here.token();
  mesh.disconnect(0, 1);
  for (std::int32_t i = 0; i < 100; ++i) {
    REQUIRE(mesh[0].upsert_fields("c", doc(i, {{"v", i}}), mesh.now));
    mesh[0].end_turn(mesh.now);
  }
  mesh.connect(0, 1);
  mesh.pass(3'000);
  REQUIRE(mesh[1].counters().state_syncs == 1);
  mesh.check_equal();
  CHECK(here.read().starts_with(kHistoryLost));
  CHECK(Watch().begin(mesh[1], before).error().message.starts_with(kHistoryLost));
  // From now on it goes on.
  REQUIRE(here.begin(mesh[1]));
  REQUIRE(mesh[0].insert("c", doc(1'000), mesh.now));
  mesh.settle();
  CHECK(here.read() == R"(insert c {"_id":1000} {"_id":1000})");
}

TEST_CASE("only what is durable is shown, and a looked-up document waits for its newest change") {
  ReplicaConfig config = config_of(1);
  config.journal = true;
  Replica replica(config);
  Watch watch;
  ChangeFeed feed(replica);
  auto lookups = feed.open(with_lookup(), std::nullopt);
  REQUIRE(watch.begin(replica));
  REQUIRE(replica.insert("c", doc(1, {{"a", 1}}), kNow));
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"a", 2}}), {}, kNow));
  replica.end_turn(kNow);
  CHECK(watch.read().empty());
  const auto first = replica.take_commit();
  REQUIRE(first.has_value());
  REQUIRE(replica.update("c", key_of(doc(1)), fields_only({{"a", 3}}), {}, kNow));
  replica.end_turn(kNow);
  const auto second = replica.take_commit();
  REQUIRE(second.has_value());
  replica.committed(first->number, kNow);
  CHECK(watch.events()->size() == 3);
  const auto page = feed.next(*lookups, 1u << 20);
  REQUIRE(page.has_value());
  CHECK(page->events.size() == 3);
  CHECK(page->commit == second->number);
  replica.committed(second->number, kNow);
  CHECK(watch.events()->size() == 1);
}

TEST_CASE("a token still holds after a restart from the journal") {
  Disk disk;
  ReplicaConfig config = config_of(1);
  config.journal = true;
  std::string token;
  std::string last;
  {
    Replica replica(config);
    Watch watch;
    REQUIRE(watch.begin(replica));
    REQUIRE(replica.insert("c", doc(1), kNow));
    disk.save(replica, kNow);
    CHECK(watch.events()->size() == 2);
    token = watch.token();
    REQUIRE(replica.replace("c", doc(1, {{"a", 1}}), kNow));
    REQUIRE(replica.remove("c", key_of(doc(1)), kNow));
    disk.save(replica, kNow);
    CHECK(watch.events()->size() == 2);
    last = watch.token();
  }
  config.incarnation = 2;
  Replica again(config);
  SUBCASE("of this format") {
    REQUIRE(again.load(disk.source(), kNow));
    Watch watch;
    REQUIRE(watch.begin(again, token));
    CHECK(watch.read() == R"(replace c {"_id":1} {"_id":1,"a":1}; delete c {"_id":1})");
  }
  SUBCASE("of the format that does not say what writes did: only what comes is told") {
    disk.turn_to_format(1);
    REQUIRE(again.load(disk.source(), kNow));
    CHECK(Watch().begin(again, token).error().message.starts_with(kHistoryLost));
    Watch watch;
    REQUIRE(watch.begin(again, last));
    REQUIRE(again.insert("c", doc(2), kNow));
    disk.save(again, kNow);
    CHECK(watch.read() == R"(insert c {"_id":2} {"_id":2})");
  }
}

TEST_CASE("what an op did is read back as it was written, and damage is noticed") {
  Effect plain;
  plain.kind = Effect::Kind::kInserted;
  Effect rich;
  rich.kind = Effect::Kind::kUpdated;
  rich.lost_fields = {"a", "b"};
  rich.conflicts = {{{actor_id(1), 2}, {actor_id(3), 4}, "key"}};
  rich.id = doc(5);
  EffectsWriter writer;
  writer.add(plain);
  CHECK(!has_conflicts(writer.take()));
  writer.add(plain);
  writer.add(rich);
  const Bytes bytes = writer.take();
  CHECK(has_conflicts(bytes));
  const auto back = decode_effects(bytes, 2);
  REQUIRE(back.has_value());
  CHECK((*back)[0] == plain);
  CHECK((*back)[1] == rich);
  CHECK(!decode_effects(bytes, 3));
  CHECK(!decode_effects(bytes, 1));
  for (std::size_t size = 1; size < bytes.size(); ++size) CHECK(!decode_effects(bytes.substr(0, size), 2));
}

}  // namespace distri::replication::test
