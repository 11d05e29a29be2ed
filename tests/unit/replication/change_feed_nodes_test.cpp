// The change feed of a reader that goes from node to node: what it has seen elsewhere, and what had lost to that.
#include <functional>

#include "feed_support.hpp"
#include "journal_support.hpp"

namespace distri::replication::test {
namespace {

ChangeFeed::Query one_at_a_time() {
  ChangeFeed::Query query;
  query.events_max = 1;
  return query;
}

}  // namespace

TEST_CASE("a token goes on at another node: nothing twice, nothing left out") {
  Mesh mesh(2);
  mesh.connect_all();
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  CHECK(watch.read() == R"(create c; insert c {"_id":1} {"_id":1})");
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now));
  REQUIRE(mesh[1].insert("c", doc(3), mesh.now));
  mesh.settle();
  REQUIRE(watch.move_to(mesh[1]));
  CHECK(watch.read() == R"(insert c {"_id":3} {"_id":3}; insert c {"_id":2} {"_id":2})");
  REQUIRE(watch.move_to(mesh[0]));
  CHECK(watch.read().empty());
}

TEST_CASE("a node that lacks what the token names is not ready for it") {
  Mesh mesh(2);
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh[0].end_turn(mesh.now);
  CHECK(!watch.read().empty());
  const auto token = decode_resume_token(watch.token());
  REQUIRE(token.has_value());
  CHECK(!ChangeFeed(mesh[1]).ready(*token));
  mesh.connect_all();
  mesh.pass(2'000);
  CHECK(ChangeFeed(mesh[1]).ready(*token));
}

TEST_CASE("what lost to a write that was seen elsewhere does not turn the reader back") {
  // Node 0 writes x=1, node 1 later x=2, neither knowing of the other.
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"x", 0}, {"y", 0}}), mesh.now));
  mesh.settle();
  Watch at_zero;
  Watch at_one;
  REQUIRE(at_zero.begin(mesh[0]));
  REQUIRE(at_one.begin(mesh[1]));
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].update("c", key_of(doc(1)), fields_only({{"x", 1}, {"y", 1}}), {}, mesh.now));
  REQUIRE(mesh[1].update("c", key_of(doc(1)), fields_only({{"x", 2}}), {}, mesh.now + 1'000));
  mesh[0].end_turn(mesh.now);
  mesh[1].end_turn(mesh.now + 1'000);
  CHECK(at_one.read() == R"(update c {"_id":1} {"updatedFields":{"x":2},"removedFields":[]})");
  mesh.connect(0, 1);
  mesh.pass(2'000);

  SUBCASE("on the node where it came later it lost in part, and is a conflict") {
    CHECK(at_one.read() == R"(update c {"_id":1} {"updatedFields":{"y":1},"removedFields":[]}; )"
                           R"(conflict c {"_id":1} fields)");
  }
  SUBCASE("where it came earlier, the reader that has seen the winner is shown the same") {
    REQUIRE(at_one.move_to(mesh[0]));
    CHECK(at_one.read() == R"(update c {"_id":1} {"updatedFields":{"y":1},"removedFields":[]}; )"
                           R"(conflict c {"_id":1} fields)");
  }
  SUBCASE("the reader that has seen neither is shown both, in the order of the node") {
    CHECK(at_zero.read() == R"(update c {"_id":1} {"updatedFields":{"x":1,"y":1},"removedFields":[]}; )"
                            R"(update c {"_id":1} {"updatedFields":{"x":2},"removedFields":[]}; )"
                            R"(conflict c {"_id":1} fields)");
  }
}

TEST_CASE("what a drop ended, which the reader has not seen, does not turn back a newer document, which it has") {
  // Of node 0 an insert, of node 1 a drop, of node 2 another document of that _id.
  Mesh mesh(3);
  mesh.connect_all();
  REQUIRE(mesh[0].create_collection("c", mesh.now));
  mesh.settle();
  Watch watch;
  REQUIRE(watch.begin(mesh[2]));
  for (const auto& [a, b] : {std::pair(0, 1), std::pair(0, 2), std::pair(1, 2)}) mesh.disconnect(a, b);
  REQUIRE(mesh[0].insert("c", doc(1, {{"x", 1}}), mesh.now));
  REQUIRE(mesh[1].drop_collection("c", mesh.now + 1'000));
  REQUIRE(mesh[2].insert("c", doc(1, {{"x", 2}}), mesh.now + 2'000));
  for (int i = 0; i < 3; ++i) mesh[i].end_turn(mesh.now + 2'000);
  CHECK(watch.read() == R"(insert c {"_id":1} {"_id":1,"x":2})");
  mesh.connect_all();
  mesh.pass(5'000);
  mesh.check_equal();
  REQUIRE(watch.move_to(mesh[0]));
  const std::string shown = watch.read();
  CHECK_MESSAGE(shown.find("insert") == std::string::npos, shown);
  CHECK_MESSAGE(shown.find("drop c partly") != std::string::npos, shown);
}

TEST_CASE("what lost to a write from the middle of a batch does not turn the reader back either") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"x", 0}}), mesh.now));
  mesh.settle();
  Watch watch(one_at_a_time);
  REQUIRE(watch.begin(mesh[0]));
  mesh.disconnect(0, 1);
  REQUIRE(mesh[1].update("c", key_of(doc(1)), fields_only({{"x", 1}}), {}, mesh.now));
  REQUIRE(mesh[0].replace("c", doc(1, {{"x", 2}}), mesh.now + 1'000));
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now + 1'000));
  mesh[1].end_turn(mesh.now);
  mesh[0].end_turn(mesh.now + 1'000);
  CHECK(watch.read_page() == R"(replace c {"_id":1} {"_id":1,"x":2})");
  mesh.connect(0, 1);
  mesh.pass(2'000);
  REQUIRE(watch.move_to(mesh[1]));
  CHECK(watch.read() == R"(conflict c {"_id":1} fields; insert c {"_id":2} {"_id":2})");
}

TEST_CASE("the reader that has seen the loser hears of the conflict from the node where the winner came first") {
  Mesh mesh(2);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1, {{"x", 0}}), mesh.now));
  mesh.settle();
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  mesh.disconnect(0, 1);
  REQUIRE(mesh[0].update("c", key_of(doc(1)), fields_only({{"x", 1}}), {}, mesh.now));
  REQUIRE(mesh[1].replace("c", doc(1, {{"x", 2}}), mesh.now + 1'000));
  mesh[0].end_turn(mesh.now);
  mesh[1].end_turn(mesh.now + 1'000);
  CHECK(watch.read() == R"(update c {"_id":1} {"updatedFields":{"x":1},"removedFields":[]})");
  mesh.connect(0, 1);
  mesh.pass(2'000);
  REQUIRE(watch.move_to(mesh[1]));
  CHECK(watch.read() == R"(replace c {"_id":1} {"_id":1,"x":2}; conflict c {"_id":1} fields)");
}

TEST_CASE("a delete that found nothing where it is read still ends what the reader has seen elsewhere") {
  Mesh mesh(3);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  mesh.disconnect(0, 2);
  mesh.disconnect(1, 2);
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  // Node 1 deletes, node 0 replaces later, node 2 deletes last; none knows of the others. Node 1 hears of node 2 first.
  const auto to_one = [](const Outgoing& message) { return message.to == Mesh::id(1); };
  REQUIRE(mesh[0].replace("c", doc(1, {{"x", 1}}), mesh.now + 1'000));
  mesh.settle(to_one);
  REQUIRE(mesh[1].remove("c", key_of(doc(1)), mesh.now));
  mesh.settle(to_one);
  REQUIRE(mesh[2].remove("c", key_of(doc(1)), mesh.now + 2'000));
  CHECK(watch.read() == R"(replace c {"_id":1} {"_id":1,"x":1}; conflict c {"_id":1} delete)");
  mesh.disconnect(0, 1);
  mesh.connect(1, 2);
  mesh.pass(2'000);
  mesh.connect(0, 1);
  mesh.pass(3'000);
  mesh.check_equal();
  REQUIRE(watch.move_to(mesh[1]));
  CHECK(watch.read() == R"(delete c {"_id":1}; conflict c {"_id":1} document)");
}

// Node 0 writes, node 1 ends it without knowing, the reader sees that; node 2 ends it once more, later, and knows of
// neither. `late`: node 0 hears of the second end first.
void check_seen_end(bool late, const std::function<void(Replica&, std::int64_t)>& write,
                    const std::function<void(Replica&, std::int64_t)>& end, std::string_view seen) {
  Mesh mesh(3);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  REQUIRE(mesh[0].insert("c", doc(2), mesh.now));
  mesh.settle();
  Watch watch(one_at_a_time);
  REQUIRE(watch.begin(mesh[1]));
  for (const auto& [a, b] : {std::pair(0, 1), std::pair(0, 2), std::pair(1, 2)}) mesh.disconnect(a, b);
  write(mesh[0], mesh.now + 1'000);
  end(mesh[1], mesh.now + 2'000);
  end(mesh[2], mesh.now + 3'000);
  for (int i = 0; i < 3; ++i) mesh[i].end_turn(mesh.now + 3'000);
  CHECK(watch.read() == seen);
  mesh.now += 3'000;
  mesh.connect(0, late ? 2 : 1);
  mesh.pass(2'000);
  mesh.connect(0, late ? 1 : 2);
  mesh.connect(1, 2);
  mesh.pass(3'000);
  mesh.check_equal();
  REQUIRE(watch.move_to(mesh[0]));
  CHECK(watch.read_page() == R"(conflict c {"_id":1} document)");
  REQUIRE(watch.move_to(mesh[1]));
  CHECK(watch.read().empty());
}

TEST_CASE("what was ended by a write that the reader has seen is not shown, whatever has ended it once more since") {
  const auto replace = [](Replica& at, std::int64_t now) { REQUIRE(at.replace("c", doc(1, {{"x", 1}}), now)); };
  for (const bool late : {false, true}) {
    CAPTURE(late);
    SUBCASE("a delete") {
      const auto remove = [](Replica& at, std::int64_t now) { REQUIRE(at.remove("c", key_of(doc(1)), now)); };
      check_seen_end(late, replace, remove, R"(delete c {"_id":1})");
    }
    SUBCASE("a drop") {
      const auto drop = [](Replica& at, std::int64_t now) { REQUIRE(at.drop_collection("c", now)); };
      check_seen_end(late, replace, drop, "drop c complete");
    }
  }
}

TEST_CASE("a token of changes that are lost for good ends with that, and does not go on as if they were there") {
  Mesh mesh(1);
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh[0].end_turn(mesh.now);
  CHECK(watch.read() == R"(create c; insert c {"_id":1} {"_id":1})");
  const auto token = decode_resume_token(watch.token());
  REQUIRE(token.has_value());
  // The node has no disk, and starts again.
  ReplicaConfig config = mesh.config;
  config.node = Mesh::id(0);
  config.incarnation = 2;
  mesh.replicas[0] = std::make_unique<Replica>(config);
  mesh.pass(150'000);
  REQUIRE(ChangeFeed(mesh[0]).ready(*token));
  const auto error = Watch().begin(mesh[0], watch.token()).error();
  CHECK(error.code == Code::kInvalidArgument);
  CHECK(error.message.starts_with(kHistoryLost));
  CHECK(error.message.find("changes that were shown are lost") != std::string::npos);
}

TEST_CASE("a node that took over states remembers after a restart which changes it cannot tell") {
  // Node 1 replaces the document without knowing of node 0's later replacement, then takes over node 0's states.
  Mesh mesh(2, [] {
    ReplicaConfig base;
    base.log_bytes_max = 4'000;
    return base;
  }());
  ReplicaConfig config = mesh.config;
  config.node = Mesh::id(1);
  config.journal = true;
  Disk disk;
  mesh.replicas[1] = std::make_unique<Replica>(config);
  mesh.connect_all();
  REQUIRE(mesh[0].insert("c", doc(1), mesh.now));
  mesh.settle();
  disk.save(mesh[1], mesh.now);
  mesh.disconnect(0, 1);
  REQUIRE(mesh[1].replace("c", doc(1, {{"own", 1}}), mesh.now));
  disk.save(mesh[1], mesh.now);
  mesh.now += 1'000;
  REQUIRE(mesh[0].replace("c", doc(1, {{"later", 1}}), mesh.now));
  for (std::int32_t i = 100; i < 200; ++i) {
    REQUIRE(mesh[0].insert("c", doc(i), mesh.now));
    mesh[0].end_turn(mesh.now);
  }
  Watch watch;
  REQUIRE(watch.begin(mesh[0]));
  const std::string token = watch.token();
  mesh.connect(0, 1);
  mesh.pass(3'000);
  REQUIRE(mesh[1].counters().state_syncs == 1);
  mesh.check_equal();
  disk.save(mesh[1], mesh.now);
  CHECK(Watch().begin(mesh[1], token).error().message.starts_with(kHistoryLost));
  config.incarnation = 2;
  Replica again(config);
  REQUIRE(again.load(disk.source(), mesh.now));
  // It would show its own replacement, which had lost to one that the reader has seen.
  CHECK(Watch().begin(again, token).error().message.starts_with(kHistoryLost));
}

}  // namespace distri::replication::test
