// A node with a data directory, seen from the wire: acknowledgements, write concern, restarts, damage, a full disk,
// backups.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "distri/storage/rocks_journal.hpp"
#include "journal_double.hpp"
#include "raw_client.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

cloud::NodeConfig with_disk(const std::string& directory, std::shared_ptr<JournalDouble> disk) {
  cloud::NodeConfig config;
  config.data_dir = directory;
  config.open_journal = [disk](const std::string&) -> Result<std::unique_ptr<storage::Journal>> {
    return disk->journal();
  };
  return config;
}

cloud::NodeConfig on_disk(const std::string& directory) {
  cloud::NodeConfig config;
  config.data_dir = directory;
  return config;
}

// Sends a request without waiting for its reply.
std::uint32_t send(RawClient& client, std::string_view service, std::string_view params, BytesView body,
                   const RequestId& id = {}) {
  wire::RequestHead head;
  head.service = service;
  head.params = params;
  head.id = id;
  Bytes out;
  const auto stream = client.next_stream();
  wire::encode_request(out, stream, head, body, true);
  client.send(out);
  return stream;
}

void wait_until_held(const Address& address, int replies) {
  eventually([&] { return stats(address)["write_concern"]["waiting"] == replies; });
}

std::size_t quarantined(const std::string& directory) {
  std::size_t n = 0;
  for (const auto& each : fs::directory_iterator(directory)) {
    n += each.path().filename().string().starts_with("quarantine-") ? 1 : 0;
  }
  return n;
}

}  // namespace

TEST_CASE("A write is acknowledged when the disk has it; reads of other things do not wait") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  const RunningNode node(with_disk(scratch.path("n"), disk));
  wait_until_serving(node.address());
  RawClient client(node.address());
  disk->block_syncs();
  std::vector<std::uint32_t> writes;
  writes.push_back(send(client, "AddDocument<c>", "", R"({"_id":1})"));
  disk->wait_until_blocked();
  writes.push_back(send(client, "AddDocument<c>", R"({"w":1})", R"({"_id":2})"));
  writes.push_back(send(client, "UpdateDocument<c>", R"({"w":"all"})", R"({"_id":1,"a":1})"));
  writes.push_back(send(client, "DeleteDocument<c>", R"({"filter":{"_id":2},"w":"majority"})", ""));
  writes.push_back(send(client, "CreateCollection<d>", "", ""));
  RawClient reader(node.address());
  wait_until_held(node.address(), 5);
  CHECK(json::parse(reader.call("Count<elsewhere>").body)["count"] == 0);
  // A write that changes nothing shows what earlier ones did: it waits, too. An error does not.
  CHECK(reader.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kAlreadyExists);
  writes.push_back(send(client, "CreateCollection<c>", "", ""));
  wait_until_held(node.address(), 6);
  disk->let_syncs_go();
  for (const auto stream : writes) CHECK(client.collect(stream).status == Code::kOk);
  CHECK(stats(node.address())["buffered_bytes"] == 0);
}

TEST_CASE("What is not durable yet is not shown before it is, by a read of it or of its collection") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  const RunningNode node(with_disk(scratch.path("n"), disk));
  wait_until_serving(node.address());
  RawClient client(node.address());
  CHECK(client.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  disk->block_syncs();
  const auto write = send(client, "AddDocument<c>", "", R"({"_id":2})");
  disk->wait_until_blocked();
  wait_until_held(node.address(), 1);
  RawClient reader(node.address());
  std::vector<std::uint32_t> reads;
  reads.push_back(send(reader, "ReadCollection<c>", R"({"filter":{"_id":2}})", ""));
  reads.push_back(send(reader, "ReadCollection<c>", R"({"filter":{"_id":{"$in":[1,2]}}})", ""));
  reads.push_back(send(reader, "ReadCollection<c>", R"({"filter":{"a":1}})", ""));
  reads.push_back(send(reader, "Count<c>", "", ""));
  wait_until_held(node.address(), 5);
  // The others go on meanwhile.
  RawClient other(node.address());
  CHECK(json::parse(other.call("ReadCollection<c>", R"({"filter":{"_id":1}})").body)["documents"].size() == 1);
  const auto late = other.call("Count<c>", "", "", {}, 0, "", 200);
  CHECK(late.status == Code::kDeadlineExceeded);
  CHECK(late.message == "the reply shows a write that this node's disk has not taken after 200 ms");
  disk->let_syncs_go();
  CHECK(client.collect(write).status == Code::kOk);
  CHECK(json::parse(reader.collect(reads[0]).body)["documents"].size() == 1);
  CHECK(json::parse(reader.collect(reads[1]).body)["documents"].size() == 2);
  CHECK(json::parse(reader.collect(reads[2]).body)["documents"].empty());
  CHECK(json::parse(reader.collect(reads[3]).body)["count"] == 2);
  CHECK(stats(node.address())["buffered_bytes"] == 0);
}

TEST_CASE("A write that the disk does not take in time is indeterminate") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  const RunningNode node(with_disk(scratch.path("n"), disk));
  wait_until_serving(node.address());
  RawClient client(node.address());
  disk->block_syncs();
  const auto reply = client.call("AddDocument<c>", "", R"({"_id":1})", {}, 0, "", 200);
  CHECK(reply.status == Code::kIndeterminate);
  CHECK(reply.message == "w=1: the write was executed, but this node's disk has not taken it after 200 ms");
  disk->let_syncs_go();
  CHECK(client.call("AddDocument<c>", "", R"({"_id":2})").status == Code::kOk);
}

TEST_CASE("A retried request waits for its first try's write, each with its own write concern") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  auto config = with_disk(scratch.path("n"), disk);
  config.members = 2;
  const RunningNode node(config);
  wait_until_serving(node.address());
  RawClient client(node.address());
  RawClient again(node.address());
  disk->block_syncs();
  const auto first = send(client, "AddDocument<c>", "", R"({"_id":1})", request_id(1));
  disk->wait_until_blocked();
  const auto second = send(again, "AddDocument<c>", "", R"({"_id":1})", request_id(1));
  wait_until_held(node.address(), 2);
  disk->let_syncs_go();
  CHECK(client.collect(first).status == Code::kOk);
  CHECK(again.collect(second).status == Code::kOk);
  const auto more = again.call("AddDocument<c>", R"({"w":2})", R"({"_id":1})", request_id(1), 1, "", 200);
  CHECK(more.status == Code::kIndeterminate);
  CHECK(more.message == "w=2: 1 of 2 members hold it after 200 ms");
  CHECK(again.call("AddDocument<c>", "", R"({"_id":1})", request_id(1), 1).status == Code::kOk);
}

TEST_CASE("The write concern is checked before anything is written") {
  cloud::NodeConfig config;
  config.members = 3;
  const RunningNode node(config);
  wait_until_serving(node.address());
  RawClient client(node.address());
  for (const std::string w : {"0", "-1", "1.5", "\"most\"", "true", "4", "{}"}) {
    CAPTURE(w);
    const auto reply = client.call("AddDocument<c>", R"({"w":)" + w + "}", R"({"_id":1})");
    CHECK(reply.status == Code::kInvalidArgument);
    CHECK(reply.message.find("'w'") != std::string::npos);
    CHECK(reply.message.find("members") != std::string::npos);
  }
  CHECK(client.call("Count<c>", R"({"w":1})").status == Code::kInvalidArgument);
  CHECK(json::parse(client.call("Count<c>").body)["count"] == 0);
  CHECK(client.call("AddDocument<c>", R"({"w":1})", R"({"_id":1})").status == Code::kOk);
  const auto reply = client.call("AddDocument<c>", R"({"w":"majority"})", R"({"_id":2})", {}, 0, "", 100);
  CHECK(reply.status == Code::kIndeterminate);
  CHECK(reply.message == "w=majority: 1 of 2 members hold it after 100 ms");
  CHECK(json::parse(client.call("Count<c>").body)["count"] == 2);
}

TEST_CASE("w=2 is acknowledged when the other node holds it durably, not before") {
  const ScratchDirectory scratch;
  const auto near_disk = std::make_shared<JournalDouble>();
  const auto far_disk = std::make_shared<JournalDouble>();
  auto near_config = with_disk(scratch.path("near"), near_disk);
  near_config.members = 2;
  const RunningNode near_node(near_config);
  auto far_config = with_disk(scratch.path("far"), far_disk);
  far_config.peers = {near_node.address()};
  const RunningNode far_node(far_config);
  wait_until_serving(near_node.address());
  wait_until_serving(far_node.address());
  eventually([&] { return stats(near_node.address())["connections"]["nodes"] == 1; });
  RawClient client(near_node.address());
  CHECK(client.call("AddDocument<c>", R"({"w":2})", R"({"_id":1})").status == Code::kOk);
  CHECK(client.call("AddDocument<c>", R"({"w":"all"})", R"({"_id":2})").status == Code::kOk);
  far_disk->block_syncs();
  const auto stream = send(client, "AddDocument<c>", R"({"w":"majority"})", R"({"_id":3})");
  far_disk->wait_until_blocked();
  RawClient other(near_node.address());
  CHECK(other.call("AddDocument<c>", "", R"({"_id":4})").status == Code::kOk);
  CHECK(other.call("AddDocument<c>", R"({"w":2})", R"({"_id":5})", {}, 0, "", 100).message ==
        "w=2: 1 of 2 members hold it after 100 ms");
  CHECK(stats(near_node.address())["write_concern"]["waiting"] == 1);
  far_disk->let_syncs_go();
  CHECK(client.collect(stream).status == Code::kOk);
}

TEST_CASE("A find-and-modify that changes nothing waits for the peer's write that it shows") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  const RunningNode first{cloud::NodeConfig{}};
  auto config = with_disk(scratch.path("n"), disk);
  config.peers = {first.address()};
  const RunningNode second(config);
  wait_until_serving(first.address());
  wait_until_serving(second.address());
  eventually([&] { return stats(first.address())["connections"]["nodes"] == 1; });
  RawClient writer(first.address());
  CHECK(writer.call("AddDocument<c>", "", R"({"_id":1,"n":1})").status == Code::kOk);
  RawClient client(second.address());
  eventually([&] { return json::parse(client.call("Count<c>").body)["count"] == 1; });
  disk->block_syncs();
  CHECK(writer.call("UpdateDocument<c>", R"({"filter":{"_id":1},"update":{"$set":{"n":2}}})", "").status == Code::kOk);
  disk->wait_until_blocked();
  const auto stream = send(client, "FindAndModify<c>", R"({"filter":{"_id":1},"update":{"$set":{"n":2}}})", "");
  wait_until_held(second.address(), 1);
  disk->let_syncs_go();
  CHECK(json::parse(client.collect(stream).body)["document"]["n"] == 2);
}

TEST_CASE("w=2 reaches a member that connects later") {
  cloud::NodeConfig config;
  config.members = 2;
  const RunningNode first(config);
  wait_until_serving(first.address());
  RawClient client(first.address());
  const auto stream = send(client, "AddDocument<c>", R"({"w":2})", R"({"_id":1})");
  wait_until_held(first.address(), 1);
  cloud::NodeConfig late;
  late.peers = {first.address()};
  const RunningNode second(late);
  CHECK(client.collect(stream).status == Code::kOk);
}

TEST_CASE("A full disk refuses writes, answers reads, and takes writes again when there is room") {
  const ScratchDirectory scratch;
  const auto disk = std::make_shared<JournalDouble>();
  const RunningNode node(with_disk(scratch.path("n"), disk));
  wait_until_serving(node.address());
  RawClient client(node.address());
  CHECK(client.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  disk->fail_writes({Code::kStorageFull, "there is no room"});
  const auto waiting = send(client, "AddDocument<c>", "", R"({"_id":2})");
  eventually([&] { return stats(node.address())["storage"]["state"] == "full"; });
  RawClient other(node.address());
  const auto refused = other.call("AddDocument<c>", "", R"({"_id":3})", request_id(3));
  CHECK(refused.status == Code::kStorageFull);
  CHECK(refused.message == "there is no room");
  // Reads go on; only the document that no crash may take back once it was shown is kept back.
  CHECK(json::parse(other.call("Count<c>").body)["count"] == 2);
  CHECK(json::parse(other.call("ReadCollection<c>", R"({"filter":{"_id":1}})").body)["documents"].size() == 1);
  const auto unsure = other.call("ReadCollection<c>", R"({"filter":{"_id":2}})");
  CHECK(unsure.status == Code::kStorageFull);
  CHECK(unsure.message ==
        "a document's newest write is not durable here and cannot become so now (there is no room); another node may "
        "have it");
  disk->heal();
  CHECK(client.collect(waiting).status == Code::kOk);
  eventually([&] { return stats(node.address())["storage"]["state"] == "ok"; });
  // The refusal was not the outcome of that request: it may be tried again.
  CHECK(other.call("AddDocument<c>", "", R"({"_id":3})", request_id(3), 1).status == Code::kOk);
}

TEST_CASE("A restarted node is the same one and has everything") {
  const ScratchDirectory scratch;
  std::string node_id;
  std::string digest;
  for (int round = 0; round < 3; ++round) {
    RunningNode node(on_disk(scratch.path("n")));
    wait_until_serving(node.address());
    RawClient client(node.address());
    const auto before = stats(node.address());
    if (round > 0) {
      CHECK(before["node"] == node_id);
      CHECK(before["digest"] == digest);
      CHECK(before["storage"]["loaded_documents"] == 50 * round);
    }
    for (int i = 0; i < 50; ++i) {
      REQUIRE(client.call("AddDocument<c>", "", json{{"_id", 1000 * round + i}}.dump()).status == Code::kOk);
    }
    if (round == 1) CHECK(client.call("UpdateDocument<c>", "", R"({"_id":3,"a":"b"})").status == Code::kOk);
    const auto after = stats(node.address());
    node_id = after["node"];
    digest = after["digest"];
    CHECK(after["storage"]["durability"] == "sync");
    CHECK(after["storage"]["commits"].get<int>() >= 1);
  }
}

TEST_CASE("Without a data directory nothing is kept; with durability memory only the identity is") {
  const ScratchDirectory scratch;
  auto config = on_disk(scratch.path("n"));
  config.durability = cloud::Durability::kMemory;
  std::string node_id;
  for (int round = 0; round < 2; ++round) {
    RunningNode node(config);
    wait_until_serving(node.address());
    if (round > 0) CHECK(stats(node.address())["node"] == node_id);
    node_id = stats(node.address())["node"];
    RawClient client(node.address());
    CHECK(client.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  }
  cloud::NodeConfig wrong;
  wrong.listen.port = 0;
  wrong.durability = cloud::Durability::kSync;
  CHECK(cloud::CloudNode(wrong).listen().error().code == Code::kInvalidArgument);
}

TEST_CASE("Two nodes cannot share a data directory") {
  const ScratchDirectory scratch;
  const RunningNode node(on_disk(scratch.path("n")));
  auto config = on_disk(scratch.path("n"));
  config.listen.port = 0;
  const auto result = cloud::CloudNode(config).listen();
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find("another process uses") != std::string::npos);
}

TEST_CASE("Damaged data is moved aside, and peers fill the node again") {
  const ScratchDirectory scratch;
  const RunningNode other;
  wait_until_serving(other.address());
  auto config = on_disk(scratch.path("n"));
  config.peers = {other.address()};
  {
    RunningNode node(config);
    wait_until_serving(node.address());
    RawClient client(node.address());
    for (int i = 0; i < 20; ++i) {
      REQUIRE(client.call("AddDocument<c>", R"({"w":2})", json{{"_id", i}}.dump()).status == Code::kOk);
    }
  }
  REQUIRE(fs::remove(scratch.path("n/db/CURRENT")));
  {
    RunningNode node(config);
    wait_until_serving(node.address());
    CHECK(quarantined(scratch.path("n")) == 1);
    CHECK(stats(node.address())["storage"]["loaded_documents"] == 0);
    RawClient client(node.address());
    CHECK(json::parse(client.call("Count<c>").body)["count"] == 20);
    CHECK(stats(node.address())["digest"] == stats(other.address())["digest"]);
  }
  RunningNode again(config);
  wait_until_serving(again.address());
  CHECK(stats(again.address())["storage"]["loaded_documents"] == 20);
  CHECK(quarantined(scratch.path("n")) == 1);
}

TEST_CASE("A record that fails its check moves the data aside, too") {
  const ScratchDirectory scratch;
  {
    RunningNode node(on_disk(scratch.path("n")));
    wait_until_serving(node.address());
    RawClient client(node.address());
    REQUIRE(client.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  }
  {
    auto journal = storage::RocksJournal::open(scratch.path("n/db"));
    REQUIRE(journal);
    Bytes last_key;
    Bytes last_value;
    REQUIRE((*journal)->load([&](BytesView key, BytesView value) -> Result<> {
      last_key = key;
      last_value = value;
      return {};
    }));
    last_value.back() = static_cast<char>(last_value.back() ^ 1);
    REQUIRE((*journal)->write({{last_key, last_value}}));
    REQUIRE((*journal)->sync());
  }
  const RunningNode node(on_disk(scratch.path("n")));
  wait_until_serving(node.address());
  CHECK(quarantined(scratch.path("n")) == 1);
  RawClient client(node.address());
  CHECK(json::parse(client.call("Count<c>").body)["count"] == 0);
  CHECK(client.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
}

TEST_CASE("A backup made while writes go on starts as a new node that has the documents") {
  const ScratchDirectory scratch;
  std::string node_id;
  {
    RunningNode node(on_disk(scratch.path("n")));
    wait_until_serving(node.address());
    RawClient client(node.address());
    node_id = stats(node.address())["node"];
    for (int i = 0; i < 30; ++i) {
      REQUIRE(client.call("AddDocument<c>", "", json{{"_id", i}}.dump()).status == Code::kOk);
    }
    const auto backup = send(client, "Backup", json{{"directory", scratch.path("backup")}}.dump(), "");
    RawClient writer(node.address());
    for (int i = 100; i < 120; ++i) {
      REQUIRE(writer.call("AddDocument<c>", "", json{{"_id", i}}.dump()).status == Code::kOk);
    }
    const auto reply = client.collect(backup);
    CHECK(reply.status == Code::kOk);
    CHECK(json::parse(reply.body)["directory"] == scratch.path("backup"));
    CHECK(client.call("Backup", json{{"directory", scratch.path("backup")}}.dump()).status == Code::kAlreadyExists);
    CHECK(client.call("Backup").status == Code::kInvalidArgument);
    CHECK(client.call("Backup", R"({"directory":"relative"})").status == Code::kInvalidArgument);
  }
  CHECK_FALSE(fs::exists(scratch.path("backup/node_id")));
  RunningNode restored(on_disk(scratch.path("backup")));
  wait_until_serving(restored.address());
  const auto restored_stats = stats(restored.address());
  CHECK(restored_stats["node"] != node_id);
  CHECK(restored_stats["storage"]["loaded_documents"].get<int>() >= 30);
  RawClient client(restored.address());
  CHECK(json::parse(client.call("Count<c>", R"({"filter":{"_id":{"$lt":100}}})").body)["count"] == 30);

  const RunningNode memory;
  RawClient refused(memory.address());
  const auto reply = refused.call("Backup", json{{"directory", scratch.path("other")}}.dump());
  CHECK(reply.status == Code::kInvalidArgument);
  CHECK(reply.message.find("--data-dir") != std::string::npos);
}
