// A whole node, seen from the wire: services, workers, retries, streams, deadlines, replication between nodes,
// stopping.
#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "distri/net/connection_census.hpp"
#include "distri/wire/session_token.hpp"
#include "raw_client.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace {

// Lets a handler wait until the test says so.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return open_; });
  }
  void wait_until_inside(int n) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return inside_ >= n; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int inside_ = 0;
};

}  // namespace

TEST_CASE("A user service runs on a worker and gets parameters, target and body") {
  const RunningNode node({}, [](cloud::CloudNode& it) {
    REQUIRE(it.register_service("JoinWords", [](const cloud::ServiceRequest& request) -> Result<Bytes> {
      return request.target + ":" + request.params.value("word", "?") + ":" + request.body;
    }));
    CHECK(it.register_service("JoinWords", nullptr).error().code == Code::kAlreadyExists);
    CHECK(it.register_service("AddDocument", nullptr).error().code == Code::kAlreadyExists);
    CHECK(it.register_service("no spaces", nullptr).error().code == Code::kInvalidArgument);
  });
  RawClient client(node.address());
  CHECK(client.call("JoinWords<there>", R"({"word":"w"})", "body").body == "there:w:body");
  CHECK(client.call("JoinWords", "", Bytes(3'000'000, 'x')).body.size() == 3'000'003);
  const auto bad = client.call("JoinWords", "{broken");
  CHECK(bad.status == Code::kInvalidArgument);
  CHECK(bad.message.starts_with("parameters: "));
}

TEST_CASE("A handler that throws costs one request, not the node") {
  const RunningNode node({}, [](cloud::CloudNode& it) {
    REQUIRE(it.register_service(
        "Throw", [](const cloud::ServiceRequest&) -> Result<Bytes> { throw std::runtime_error("oops"); }));
    REQUIRE(it.register_service("ThrowInt", [](const cloud::ServiceRequest&) -> Result<Bytes> { throw 7; }));
    REQUIRE(it.register_service(
        "Fail", [](const cloud::ServiceRequest&) -> Result<Bytes> { return fail(Code::kDataLoss, "torn"); }));
  });
  RawClient client(node.address());
  CHECK(client.call("Throw").status == Code::kInternal);
  CHECK(client.call("Throw").message.find("oops") != std::string::npos);
  CHECK(client.call("ThrowInt").status == Code::kInternal);
  CHECK(client.call("Fail").status == Code::kDataLoss);
  CHECK(client.call("Fail").message == "torn");
  CHECK(client.call("Echo", "", "alive").body == "alive");
}

TEST_CASE("A full worker queue answers busy at once, and the database goes on") {
  Gate gate;
  cloud::NodeConfig config;
  config.workers = 1;
  config.queue_max = 2;
  const RunningNode node(config, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Wait", [&](const cloud::ServiceRequest&) -> Result<Bytes> {
      gate.wait();
      return Bytes("done");
    }));
  });
  RawClient client(node.address());
  std::vector<std::uint32_t> streams;
  const auto send_one = [&] {
    wire::RequestHead head;
    head.service = "Wait";
    Bytes out;
    streams.push_back(client.next_stream());
    wire::encode_request(out, streams.back(), head, "", true);
    client.send(out);
  };
  send_one();
  gate.wait_until_inside(1);
  send_one();
  send_one();
  RawClient other(node.address());
  eventually([&] { return json::parse(other.call("Stats").body)["load"]["queued"] == 2; });
  const auto refused = other.call("Wait");
  CHECK(refused.status == Code::kBusy);
  CHECK(refused.message.find("queue_max") != std::string::npos);
  CHECK(other.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  gate.open();
  for (const auto stream : streams) CHECK(client.collect(stream).body == "done");
  const auto stats = json::parse(other.call("Stats").body);
  CHECK(stats["services"]["Wait"]["completed"] == 3);
  CHECK(stats["services"]["Wait"]["busy"] == 1);
  CHECK(stats["requests"]["in_flight"].get<int>() >= 0);
}

TEST_CASE("A request id is executed once, however often it is sent") {
  std::atomic<int> runs{0};
  Gate gate;
  cloud::NodeConfig config;
  config.workers = 2;
  const RunningNode node(config, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Once", [&](const cloud::ServiceRequest&) -> Result<Bytes> {
      ++runs;
      gate.wait();
      return Bytes("result");
    }));
  });
  RawClient first(node.address());
  RawClient second(node.address());
  wire::RequestHead head;
  head.service = "Once";
  head.id = request_id(9);
  const auto send = [&](RawClient& client) {
    Bytes out;
    const auto stream = client.next_stream();
    wire::encode_request(out, stream, head, "", true);
    client.send(out);
    return stream;
  };
  const auto a = send(first);
  gate.wait_until_inside(1);
  const auto b = send(second);
  gate.open();
  CHECK(first.collect(a).body == "result");
  CHECK(second.collect(b).body == "result");
  RawClient third(node.address());
  CHECK(third.call("Once", "", "", request_id(9), 1).body == "result");
  CHECK(runs == 1);
  CHECK(third.call("Once", "", "", request_id(10)).body == "result");
  CHECK(runs == 2);
  // The same for writes: a repeated delete does not delete what came after it.
  CHECK(third.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  CHECK(third.call("DeleteDocument<c>", R"({"all":true})", "", request_id(11)).body == R"({"deleted":1})");
  CHECK(third.call("AddDocument<c>", "", R"({"_id":2})").status == Code::kOk);
  CHECK(third.call("DeleteDocument<c>", R"({"all":true})", "", request_id(11), 1).body == R"({"deleted":1})");
  CHECK(third.call("Count<c>").body == R"({"count":1})");
}

TEST_CASE("A caller that loses its connection finds the result under its request id") {
  Gate gate;
  std::atomic<int> runs{0};
  const RunningNode node({}, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Slow", [&](const cloud::ServiceRequest&) -> Result<Bytes> {
      ++runs;
      gate.wait();
      return Bytes("kept");
    }));
  });
  {
    RawClient client(node.address());
    wire::RequestHead head;
    head.service = "Slow";
    head.id = request_id(5);
    Bytes out;
    wire::encode_request(out, client.next_stream(), head, "", true);
    client.send(out);
    gate.wait_until_inside(1);
  }
  gate.open();
  RawClient again(node.address());
  CHECK(again.call("Slow", "", "", request_id(5), 1).body == "kept");
  CHECK(runs == 1);
}

TEST_CASE("Bytes that a worker holds stay counted when the caller takes the request back") {
  Gate gate;
  cloud::NodeConfig config;
  config.workers = 1;
  const RunningNode node(config, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Wait", [&](const cloud::ServiceRequest&) -> Result<Bytes> {
      gate.wait();
      return Bytes();
    }));
  });
  RawClient client(node.address());
  RawClient watcher(node.address());
  wire::RequestHead head;
  head.service = "Wait";
  for (int i = 0; i < 3; ++i) {
    Bytes out;
    const auto stream = client.next_stream();
    wire::encode_request(out, stream, head, Bytes(50'000, 'b'), true);
    client.send(out);
    if (i == 0) gate.wait_until_inside(1);
    out.clear();
    wire::encode_reset(out, stream, Error{Code::kCancelled, "changed my mind"});
    client.send(out);
  }
  const auto stats = [&] { return json::parse(watcher.call("Stats").body); };
  eventually([&] { return stats()["services"]["Wait"]["failed"] == 3; });
  CHECK(stats()["buffered_bytes"] == 150'000);
  gate.open();
  eventually([&] { return stats()["buffered_bytes"] == 0; });
}

TEST_CASE("A deadline ends a request whose service takes longer") {
  Gate gate;
  std::atomic<bool> saw_cancelled{false};
  const RunningNode node({}, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Hang", [&](const cloud::ServiceRequest& request) -> Result<Bytes> {
      gate.wait();
      saw_cancelled = request.cancelled();
      return Bytes();
    }));
  });
  RawClient client(node.address());
  const auto reply = client.call("Hang", "", "", {}, 0, "", 100);
  CHECK(reply.status == Code::kDeadlineExceeded);
  CHECK(reply.message.find("100 ms") != std::string::npos);
  gate.open();
  eventually([&] { return saw_cancelled.load(); });
}

TEST_CASE("Streams of bytes pass through a service and through Echo without being held") {
  const RunningNode node({}, [](cloud::CloudNode& it) {
    REQUIRE(it.register_stream_service(
        "Upper", [](const cloud::ServiceRequest&, cloud::BodyReader& in, cloud::BodyWriter& out) -> Result<> {
          for (;;) {
            DISTRI_TRY(Bytes chunk, in.read());
            if (chunk.empty()) return {};
            for (auto& c : chunk) c = static_cast<char>(std::toupper(c));
            DISTRI_TRY_VOID(out.write(chunk));
          }
        }));
    REQUIRE(it.register_stream_service(
                  "Count",
                  [](const cloud::ServiceRequest&, cloud::BodyReader&, cloud::BodyWriter&) -> Result<> { return {}; })
                .error()
                .code == Code::kAlreadyExists);
    REQUIRE(it.register_stream_service(
        "Half", [](const cloud::ServiceRequest&, cloud::BodyReader&, cloud::BodyWriter& out) -> Result<> {
          DISTRI_TRY_VOID(out.write("some"));
          DISTRI_TRY_VOID(out.write(Bytes(400'000, 'x')));
          return fail(Code::kDataLoss, "the rest is gone");
        }));
  });
  RawClient client(node.address());
  CHECK(client.call("Upper", "", "abc").body == "ABC");
  CHECK(client.call("Upper").body.empty());
  const auto half = client.call("Half");
  CHECK(half.status == Code::kDataLoss);
  CHECK(half.message == "the rest is gone");
  // The reply's window is smaller than what comes back: reading and writing must go on together.
  std::thread([&] {
    RawClient streaming(node.address());
    wire::RequestHead head;
    head.service = "Upper";
    Bytes out;
    const auto stream = streaming.next_stream();
    wire::encode_request(out, stream, head, Bytes(10'000, 'a'), false);
    streaming.send(out);
    std::size_t sent = 10'000;
    std::size_t received = 0;
    std::size_t window = streaming.peer().stream_window_bytes;
    constexpr std::size_t kTotal = 20u << 20;
    bool ended = false;
    while (!ended) {
      while (sent < kTotal && window > 0) {
        const auto size = std::min({kTotal - sent, window, std::size_t{50'000}});
        out.clear();
        sent += size;
        window -= size;
        wire::encode_data(out, stream, Bytes(size, 'b'), sent == kTotal);
        streaming.send(out);
      }
      const auto frame = streaming.receive();
      REQUIRE(frame);
      if (frame->header.type == wire::FrameType::kWindow) window += *wire::decode_window(frame->payload);
      if (frame->header.type == wire::FrameType::kReply) {
        BytesView body;
        REQUIRE(wire::decode_reply(frame->payload, {}, body));
        received += body.size();
      }
      if (frame->header.type == wire::FrameType::kData) {
        received += frame->payload.size();
        out.clear();
        if (!frame->payload.empty())
          wire::encode_window(out, stream, static_cast<std::uint32_t>(frame->payload.size()));
        streaming.send(out);
      }
      const bool body_frame =
          frame->header.type == wire::FrameType::kReply || frame->header.type == wire::FrameType::kData;
      ended = body_frame && (frame->header.flags & wire::kFlagEnd) != 0;
    }
    CHECK(received == kTotal);
  }).join();
  CHECK(client.call("Echo", "", Bytes(200'000, 'e')).body == Bytes(200'000, 'e'));
}

TEST_CASE("Replies of every size come back whole, and leave nothing behind when the caller goes") {
  const RunningNode node;
  RawClient watcher(node.address());
  for (const std::size_t size : {1u, 1'000u, 60'000u, 70'000u, 150'000u, 300'000u, 330'000u, 1'000'000u}) {
    CAPTURE(size);
    RawClient client(node.address());
    const std::string text(size, 't');
    REQUIRE(client.call("AddDocument<big>", "", R"({"_id":1,"t":")" + text + "\"}").status == Code::kOk);
    const auto read = client.call("ReadCollection<big>");
    REQUIRE(read.status == Code::kOk);
    CHECK(json::parse(read.body)["documents"][0]["t"] == text);
    REQUIRE(client.call("DropCollection<big>").status == Code::kOk);
  }
  eventually([&] { return json::parse(watcher.call("Stats").body)["connections"]["clients"] == 1; });
  const auto requests = json::parse(watcher.call("Stats").body)["requests"];
  CHECK(requests["in_flight"] == 0);
  CHECK(requests["failed"] == 0);
}

TEST_CASE("Three nodes converge, and a client reads its own write on another node") {
  cloud::NodeConfig config;
  config.gossip_ms = 50;
  RunningNode a(config);
  config.peers = {a.address()};
  RunningNode b(config);
  // c learns of b through a.
  RunningNode c(config);
  RawClient to_a(a.address());
  RawClient to_b(b.address());
  RawClient to_c(c.address());
  const auto connected = [](RawClient& client) { return json::parse(client.call("Nodes").body)["nodes"].size(); };
  eventually([&] { return connected(to_a) == 3 && connected(to_b) == 3 && connected(to_c) == 3; });
  eventually([&] { return to_c.call("Count<x>").status == Code::kOk && to_b.call("Count<x>").status == Code::kOk; });
  for (int i = 0; i < 200; ++i) {
    auto& writer = i % 2 == 0 ? to_b : to_c;
    auto& reader = i % 2 == 0 ? to_c : to_b;
    const auto id = std::to_string(i);
    const auto added = writer.call("AddDocument<x>", "", R"({"_id":)" + id + "}");
    REQUIRE(added.status == Code::kOk);
    CHECK(reader.call("Count<x>", R"({"filter":{"_id":)" + id + "}}", "", {}, 0, added.token).body == R"({"count":1})");
  }
  // Monotonic reads: the reply of a read names the writes of all three that it may have shown; those that the caller's
  // token names already are left out.
  REQUIRE(to_a.call("AddDocument<y>", "", R"({"_id":1})").status == Code::kOk);
  const auto read = to_a.call("Count<x>");
  CHECK(read.token.size() == 3 * 24);
  CHECK(to_a.call("Count<x>", "", "", {}, 0, read.token).token.empty());
  CHECK(to_b.call("Count<y>", "", "", {}, 0, read.token).body == R"({"count":1})");
  const auto digest = [](RawClient& client) { return json::parse(client.call("Stats").body)["digest"]; };
  eventually([&] { return digest(to_a) == digest(to_b) && digest(to_b) == digest(to_c); });
  CHECK(to_a.call("Count<x>").body == R"({"count":200})");
}

TEST_CASE("A session that names a write which is lost for good is served, and told to forget it") {
  const RunningNode node;
  RawClient client(node.address());
  const auto added = client.call("AddDocument<x>", "", R"({"_id":1})");
  auto token = *wire::SessionToken::decode(added.token);
  ActorId ended;
  ended.bytes.fill(9);
  token.see(ended, 5);
  const auto read = client.call("Count<x>", "", "", {}, 0, token.encode());
  REQUIRE(read.status == Code::kOk);
  CHECK(read.body == R"({"count":1})");
  token.merge(*wire::SessionToken::decode(read.token));
  CHECK(token.entries() == wire::SessionToken::decode(added.token)->entries());
}

TEST_CASE("A session that names a write which a member that is away may have is not served") {
  cloud::NodeConfig config;
  config.members = 2;
  const RunningNode node(config);
  RawClient client(node.address());
  wire::SessionToken token;
  ActorId elsewhere;
  elsewhere.bytes.fill(9);
  token.see(elsewhere, 5);
  const auto read = client.call("Count<x>", "", "", {}, 0, token.encode());
  CHECK(read.status == Code::kBehind);
  CHECK(read.message == "for 2000 ms this node has not received a write that the caller has seen");
  CHECK(read.token.empty());
}

TEST_CASE("A node that joins late has everything before it serves documents") {
  cloud::NodeConfig config;
  config.gossip_ms = 50;
  RunningNode a(config);
  RawClient to_a(a.address());
  for (int i = 0; i < 500; ++i)
    REQUIRE(to_a.call("AddDocument<x>", "", R"({"_id":)" + std::to_string(i) + "}").status == Code::kOk);
  config.peers = {a.address()};
  const RunningNode b(config);
  RawClient to_b(b.address());
  RawReply reply;
  eventually([&] {
    reply = to_b.call("Count<x>");
    CHECK((reply.status == Code::kOk || reply.status == Code::kUnavailable));
    return reply.status == Code::kOk;
  });
  CHECK(reply.body == R"({"count":500})");
}

TEST_CASE("An index that one node is told of is built on all of them, and on one that joins later") {
  cloud::NodeConfig config;
  config.gossip_ms = 50;
  RunningNode a(config);
  RawClient to_a(a.address());
  for (int i = 0; i < 1'500; ++i) {
    const auto id = std::to_string(i);
    REQUIRE(to_a.call("AddDocument<x>", "", R"({"_id":)" + id + R"(,"n":)" + id + "}").status == Code::kOk);
  }
  REQUIRE(to_a.call("CreateIndex<x>", R"({"key":{"n":-1}})").body == R"({"name":"n_-1","created":true})");
  config.peers = {a.address()};
  const RunningNode b(config);
  RawClient to_b(b.address());
  for (RawClient* client : {&to_a, &to_b}) {
    eventually([&] {
      const auto reply = client->call("ListIndexes<x>");
      if (reply.status != Code::kOk) return false;
      const json indexes = json::parse(reply.body)["indexes"];
      return indexes.size() == 2 && indexes[1]["ready"] == true && indexes[1]["entries"] == 1'500;
    });
    const json plan = json::parse(client->call("Explain<x>", R"({"filter":{"n":{"$gt":1490}},"sort":{"n":-1}})").body);
    CHECK(plan["executionStats"]["nReturned"] == 9);
    CHECK(plan["executionStats"]["totalKeysExamined"] == 9);
  }
  REQUIRE(to_b.call("DropCollection<x>").status == Code::kOk);
  eventually([&] { return to_a.call("ListIndexes<x>").body == R"({"indexes":[]})"; });
}

TEST_CASE("Stopping finishes what was accepted and refuses what comes") {
  Gate gate;
  RunningNode node({}, [&](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Wait", [&](const cloud::ServiceRequest&) -> Result<Bytes> {
      gate.wait();
      return Bytes("finished");
    }));
  });
  RawClient client(node.address());
  wire::RequestHead head;
  head.service = "Wait";
  Bytes out;
  const auto stream = client.next_stream();
  wire::encode_request(out, stream, head, "", true);
  client.send(out);
  gate.wait_until_inside(1);
  node.node().stop();
  for (;;) {
    const auto frame = client.receive();
    REQUIRE(frame);
    if (frame->header.type == wire::FrameType::kGoodbye) break;
  }
  CHECK(client.call("Count<x>").status == Code::kUnavailable);
  gate.open();
  CHECK(client.collect(stream).body == "finished");
  node.stop();
}

TEST_CASE("Beyond loopback a node starts only when told that the network is trusted") {
  cloud::NodeConfig config;
  config.listen = {"0.0.0.0", 0};
  config.handle_signals = false;
  cloud::CloudNode node(config);
  const auto result = node.listen();
  REQUIRE_FALSE(result);
  CHECK(result.error().code == Code::kPermissionDenied);
  CHECK(result.error().message.find("--insecure") != std::string::npos);
}

TEST_CASE("A port that is taken is an error with the address") {
  const RunningNode node;
  cloud::NodeConfig config;
  config.listen = node.address();
  cloud::CloudNode second(config);
  const auto result = second.listen();
  REQUIRE_FALSE(result);
  CHECK(result.error().message.find(to_string(node.address())) != std::string::npos);
}

TEST_CASE("Every read that may be long is carried out in slices, and says what it says in one piece") {
  const RunningNode node;
  wait_until_serving(node.address());
  RawClient client(node.address());
  const std::string padding(2'000, 'x');
  json operations = json::array();
  for (int i = 0; i < 2'000; ++i)
    operations.push_back({{"insertOne", {{"document", {{"_id", i}, {"v", i % 7}, {"padding", padding}}}}}});
  REQUIRE(client.call("BulkWrite<c>", "", json{{"operations", operations}}.dump()).status == Code::kOk);
  const auto slices = [&] { return stats(node.address())["reads"]["slices"].get<int>(); };
  int before = slices();
  const auto ask = [&](const std::string& service, const std::string& params) {
    const RawReply reply = client.call(service, params, "");
    REQUIRE(reply.status == Code::kOk);
    const int after = slices();
    CHECK(after - before > 3);
    before = after;
    return json::parse(reply.body);
  };
  const std::string last = R"("filter":{"v":3,"padding":{"$ne":"y"},"_id":{"$ne":5}})";
  CHECK(ask("Count<c>", "{" + last + "}") == json::parse(R"({"count":286})"));
  CHECK(ask("Distinct<c>", R"({"field":"v"})")["values"].size() == 7);
  const json sorted =
      ask("ReadCollection<c>", "{" + last + R"(,"sort":{"v":1,"_id":-1},"limit":2,"projection":{"v":1}})");
  CHECK(sorted["documents"] == json::parse(R"([{"_id":1998,"v":3},{"_id":1991,"v":3}])"));
  const json by_id =
      ask("ReadCollection<c>", R"({"filter":{"v":3,"$nor":[{"_id":{"$lt":1990}}]},"projection":{"v":1}})");
  CHECK(by_id["documents"] == json::parse(R"([{"_id":1991,"v":3},{"_id":1998,"v":3}])"));
  // What writes must read first.
  CHECK(ask("Aggregate<c>", R"({"pipeline":[{"$match":{"v":3}},{"$project":{"v":1}},{"$out":"out"}]})") ==
        json::parse(R"({"written":286})"));
  CHECK(client.call("Count<out>").body == R"({"count":286})");
  CHECK(ask("CreateIndex<c>", R"({"key":{"_id":1,"v":1},"unique":true})")["created"] == true);
  const RawReply refused = client.call("CreateIndex<c>", R"({"key":{"v":1},"unique":true})", "");
  CHECK(refused.status == Code::kAlreadyExists);
  before = slices();
  const json explained = ask("Explain<c>", "{" + last + "}");
  CHECK(explained["executionStats"]["nReturned"] == 286);
  CHECK(explained["executionStats"]["totalDocsExamined"] == 2'000);
}

TEST_CASE("A long read has its turns between those of other requests; its caller may leave, and its deadline holds") {
  const RunningNode node;
  wait_until_serving(node.address());
  RawClient client(node.address());
  json operations = json::array();
  for (int i = 0; i < 2'000; ++i) operations.push_back({{"insertOne", {{"document", {{"_id", i}, {"v", i}}}}}});
  REQUIRE(client.call("BulkWrite<c>", "", json{{"operations", operations}}.dump()).status == Code::kOk);
  const auto reads = [&] { return stats(node.address())["reads"]; };

  // Some hundreds of thousands of steps.
  const std::string some =
      R"({"pipeline":[{"$lookup":{"from":"c","pipeline":[{"$limit":100}],"as":"all"}},{"$match":{"v":7}},)"
      R"({"$project":{"n":{"$size":"$all"}}}]})";
  CHECK(json::parse(client.call("Aggregate<c>", "", some).body)["documents"] == json::parse(R"([{"_id":7,"n":100}])"));
  CHECK(reads()["slices"].get<int>() > 10);
  CHECK(reads()["running"] == 0);

  // More than a run may take, were it ever to come so far.
  const std::string endless = R"({"pipeline":[{"$lookup":{"from":"c","pipeline":[{"$lookup":{"from":"c","pipeline":[],)"
                              R"("as":"a"}},{"$project":{"_id":1}}],"as":"b"}},{"$count":"n"}]})";
  {
    RawClient leaving(node.address());
    wire::RequestHead head;
    head.service = "Aggregate<c>";
    Bytes out;
    wire::encode_request(out, leaving.next_stream(), head, endless, true);
    leaving.send(out);
    eventually([&] { return reads()["running"] == 1; });
    for (int i = 0; i < 50; ++i) CHECK(client.call("Count<c>").status == Code::kOk);
    CHECK(reads()["running"] == 1);
  }
  eventually([&] { return reads()["running"] == 0; });
  const RawReply late = client.call("Aggregate<c>", "", endless, {}, 0, "", 300);
  CHECK(late.status == Code::kDeadlineExceeded);
  eventually([&] { return reads()["running"] == 0; });
  eventually([&] { return stats(node.address())["buffered_bytes"] == 0; });
}

TEST_CASE("2,500 clients of one address may connect at once, as a node is set") {
  const cloud::NodeConfig config;
  net::ConnectionCensus census({.connections_max = config.connections_max,
                                .per_address_max = 10'000,
                                .strangers_max = config.strangers_max,
                                .rate_max = config.connection_rate_max,
                                .burst_max = config.connection_burst_max});
  std::vector<net::ConnectionCensus::Visit> visits;
  for (int i = 0; i < 2'500; ++i) {
    REQUIRE(census.may_enter("192.0.2.7", 0));
    visits.push_back(census.enter("192.0.2.7", [](const Error&) {}));
  }
}
