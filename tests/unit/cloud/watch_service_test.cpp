// The service Watch, seen from the wire: pages, tokens, limits, slow readers, the end of a stream, two nodes.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/bson/document.hpp"
#include "distri/utils/clock.hpp"
#include "journal_double.hpp"
#include "raw_client.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace {

// One watcher on a connection of its own.
class Watcher {
 public:
  Watcher(const Address& address, std::string_view service, const json& params = json::object(),
          std::uint32_t deadline_ms = 60'000, wire::Format format = wire::Format::kJson)
      : client_(address) {
    open(service, format == wire::Format::kJson ? params.dump() : "", deadline_ms, format);
  }
  void open(std::string_view service, std::string_view params, std::uint32_t deadline_ms = 60'000,
            wire::Format format = wire::Format::kJson) {
    wire::RequestHead head;
    head.service = service;
    head.params = params;
    head.deadline_ms = deadline_ms;
    head.format = format;
    stream_ = client_.next_stream();
    Bytes out;
    wire::encode_request(out, stream_, head, {}, true);
    client_.send(out);
  }
  // Takes a frame of the stream; false: it has ended.
  bool read_frame() {
    const auto frame = client_.receive();
    REQUIRE(frame);
    if (frame->header.stream != stream_) return true;
    if (frame->header.type == wire::FrameType::kReply) {
      BytesView body;
      const auto head = wire::decode_reply(frame->payload, {}, body);
      REQUIRE(head);
      status = head->status;
      message = head->message;
      text_ += body;
    } else if (frame->header.type == wire::FrameType::kData) {
      text_ += frame->payload;
      if (!frame->payload.empty()) {
        Bytes out;
        wire::encode_window(out, stream_, static_cast<std::uint32_t>(frame->payload.size()));
        client_.send(out);
      }
    } else if (frame->header.type == wire::FrameType::kReset) {
      const auto error = wire::decode_error(frame->payload);
      REQUIRE(error);
      status = error->code;
      message = error->message;
      return false;
    }
    return (frame->header.flags & wire::kFlagEnd) == 0;
  }
  // The next page; nullopt: the stream has ended.
  std::optional<json> page() {
    for (;;) {
      if (const auto end = text_.find('\n'); end != std::string::npos) {
        auto result = json::parse(text_.substr(0, end));
        text_.erase(0, end + 1);
        token = result["token"];
        return result;
      }
      if (ended_) return std::nullopt;
      ended_ = !read_frame();
    }
  }
  // The next event, over pages without any.
  json event() {
    while (events_.empty()) {
      auto next = page();
      REQUIRE(next);
      for (auto& each : (*next)["events"]) events_.push_back(std::move(each));
    }
    json result = std::move(events_.front());
    events_.erase(events_.begin());
    return result;
  }
  void run_to_end() {
    while (page()) {
    }
  }
  const Bytes& text() const { return text_; }
  RawClient& client() { return client_; }
  std::uint32_t stream() const { return stream_; }

  Code status = Code::kInternal;
  std::string message;
  std::string token;

 private:
  RawClient client_;
  std::uint32_t stream_ = 0;
  Bytes text_;
  std::vector<json> events_;
  bool ended_ = false;
};

Code refused(const Address& address, std::string_view service, const json& params, std::string_view text) {
  RawClient client(address);
  const auto reply = client.call(service, params.dump());
  CHECK_MESSAGE(reply.message.contains(text), reply.message);
  return reply.status;
}

}  // namespace

TEST_CASE("Watch begins with a token and then sends every change of the collection") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch<photos>");
  const auto first = watcher.page();
  REQUIRE(first);
  CHECK(watcher.status == Code::kOk);
  CHECK((*first)["events"].empty());
  CHECK(!(*first)["token"].get<std::string>().empty());
  RawClient client(node.address());
  CHECK(client.call("AddDocument<other>", "", R"({"_id":0})").status == Code::kOk);
  CHECK(client.call("AddDocument<photos>", "", R"({"_id":1,"stars":4})").status == Code::kOk);
  CHECK(client.call("UpdateDocument<photos>", "", R"({"_id":1,"$set":{"stars":5},"$inc":{"n":1}})").status ==
        Code::kOk);
  CHECK(client.call("DeleteDocument<photos>", R"({"filter":{"_id":1}})").status == Code::kOk);
  CHECK(client.call("DropCollection<photos>").status == Code::kOk);
  CHECK(watcher.event()["operationType"] == "create");
  const json insert = watcher.event();
  CHECK(insert["operationType"] == "insert");
  CHECK(insert["ns"] == json{{"coll", "photos"}});
  CHECK(insert["documentKey"] == json{{"_id", 1}});
  CHECK(insert["fullDocument"] == json{{"_id", 1}, {"stars", 4}});
  CHECK(watcher.event()["updateDescription"] ==
        json{{"updatedFields", {{"stars", 5}}}, {"removedFields", json::array()}});
  CHECK(watcher.event()["updateDescription"]["incrementedFields"] == json{{"n", 1}});
  CHECK(watcher.event()["operationType"] == "delete");
  CHECK(watcher.event()["operationType"] == "drop");
  const json watch = stats(node.address())["watch"];
  CHECK(watch["watchers"] == 1);
  CHECK(watch["events"] == 6);
}

TEST_CASE("Watch of a whole node takes a filter on the event, and looks documents up") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch",
                  {{"filter", {{"operationType", "update"}, {"fullDocument.stars", {{"$gte", 4}}}}},
                   {"fullDocument", "updateLookup"}});
  CHECK(watcher.page());
  RawClient client(node.address());
  for (const auto* name : {"a", "b"}) {
    client.call(fmt::format("AddDocument<{}>", name), "", R"({"_id":1,"stars":1})");
    client.call(fmt::format("UpdateDocument<{}>", name), "", R"({"_id":1,"stars":2})");
    client.call(fmt::format("UpdateDocument<{}>", name), "", R"({"_id":1,"stars":4})");
  }
  for (const auto* name : {"a", "b"}) {
    const json event = watcher.event();
    CHECK(event["ns"]["coll"] == name);
    CHECK(event["fullDocument"] == json{{"_id", 1}, {"stars", 4}});
  }
}

TEST_CASE("While nothing matches, the token advances all the same") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch<nothing>");
  const auto first = watcher.page();
  REQUIRE(first);
  RawClient(node.address()).call("AddDocument<c>", "", R"({"_id":1})");
  const auto heartbeat = watcher.page();
  REQUIRE(heartbeat);
  CHECK((*heartbeat)["events"].empty());
  CHECK((*heartbeat)["token"] != (*first)["token"]);
}

TEST_CASE("A stream ends before its deadline with its last token, from which another one goes on") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch", json::object(), 400);
  RawClient client(node.address());
  client.call("AddDocument<c>", "", R"({"_id":1})");
  CHECK(watcher.event()["operationType"] == "create");
  CHECK(watcher.event()["operationType"] == "insert");
  const auto last = watcher.page();
  REQUIRE(last);
  CHECK((*last)["end"] == "deadline");
  CHECK(!watcher.page());
  CHECK(watcher.status == Code::kOk);
  eventually([&] { return stats(node.address())["watch"]["watchers"] == 0; });
  client.call("AddDocument<c>", "", R"({"_id":2})");
  Watcher next(node.address(), "Watch", {{"resumeAfter", watcher.token}});
  CHECK(next.event()["documentKey"]["_id"] == 2);
  Watcher same(node.address(), "Watch", {{"startAfter", watcher.token}});
  CHECK(same.event()["documentKey"]["_id"] == 2);
}

TEST_CASE("Pages of BSON follow each other, each with its length") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch", json::object(), 60'000, wire::Format::kBson);
  RawClient(node.address()).call("AddDocument<c>", "", R"({"_id":1})");
  std::vector<std::string> types;
  std::size_t at = 0;
  while (types.size() < 2) {
    REQUIRE(watcher.read_frame());
    const Bytes& text = watcher.text();
    while (text.size() >= at + 4) {
      const std::uint32_t size = bson::detail::load_u32(text.data() + at);
      if (text.size() < at + size) break;
      const auto page = bson::Document::parse(text.substr(at, size));
      REQUIRE(page);
      CHECK(page->view().find("token")->as_string().size() > 5);
      for (const auto& event : page->view().find("events")->as_object())
        types.emplace_back(event.value.as_object().find("operationType")->as_string());
      at += size;
    }
  }
  CHECK(types == std::vector<std::string>{"create", "insert"});
}

TEST_CASE("Wrong parameters and tokens are refused with a reason") {
  const RunningNode node;
  wait_until_serving(node.address());
  const auto at = node.address();
  CHECK(refused(at, "Watch", {{"filtre", 1}}, "no parameter 'filtre'") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"filter", {{"$foo", 1}}}}, "BadValue (2)") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"fullDocument", "always"}}, "updateLookup") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"page_events", 0}}, "1 to 10000") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"resumeAfter", "x"}}, "InvalidResumeToken (260)") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"resumeAfter", 7}}, "must be a string") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch", {{"resumeAfter", "x"}, {"startAfter", "y"}}, "give one") == Code::kInvalidArgument);
  CHECK(refused(at, "Watch<a b>", json::object(), "collection name") == Code::kInvalidArgument);
  RawClient client(at);
  CHECK(client.call("Watch", "", "body").message == "Watch takes no body");
  CHECK(client.call("Watch", "", Bytes(100'000, 'x')).message == "Watch takes no body");
}

TEST_CASE("Watchers are limited, for a connection and for the node, and go with their connection") {
  cloud::NodeConfig config;
  config.watchers_max = 3;
  config.watchers_per_connection_max = 2;
  const RunningNode node(config);
  wait_until_serving(node.address());
  {
    Watcher first(node.address(), "Watch");
    CHECK(first.page());
    first.open("Watch", "{}");
    first.open("Watch", "{}");
    CHECK(!first.page());
    CHECK(first.status == Code::kBusy);
    CHECK(first.message.contains("watchers_per_connection_max"));
    Watcher second(node.address(), "Watch");
    CHECK(second.page());
    Watcher third(node.address(), "Watch");
    CHECK(!third.page());
    CHECK(third.status == Code::kBusy);
    CHECK(third.message.contains("watchers_max"));
  }
  eventually([&] { return stats(node.address())["watch"]["watchers"] == 0; });
  CHECK(Watcher(node.address(), "Watch").page());
}

TEST_CASE("A watcher that takes itself back is gone") {
  const RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch");
  CHECK(watcher.page());
  Bytes out;
  wire::encode_reset(out, watcher.stream(), Error{Code::kCancelled, "enough"});
  watcher.client().send(out);
  eventually([&] { return stats(node.address())["watch"]["watchers"] == 0; });
}

TEST_CASE("A watcher that does not read costs a window and a page, and is told when the log has left it behind") {
  cloud::NodeConfig config;
  config.log_bytes_max = 200'000;
  const RunningNode node(config);
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch<c>");
  CHECK(watcher.page());
  RawClient client(node.address());
  const std::string text(20'000, 'x');
  for (int i = 0; i < 100; ++i) {
    REQUIRE(client.call("AddDocument<c>", "", fmt::format(R"({{"_id":{},"text":"{}"}})", i, text)).status == Code::kOk);
  }
  CHECK(stats(node.address())["buffered_bytes"] < 600'000);
  watcher.run_to_end();
  CHECK(watcher.message.starts_with("ChangeStreamHistoryLost (286)"));
  CHECK(stats(node.address())["watch"]["history_lost"] == 1);
  CHECK(refused(node.address(), "Watch", {{"resumeAfter", watcher.token}}, "ChangeStreamHistoryLost (286)") ==
        Code::kInvalidArgument);
}

TEST_CASE("Only what the disk has is shown") {
  const auto disk = std::make_shared<JournalDouble>();
  const ScratchDirectory directory;
  cloud::NodeConfig config;
  config.data_dir = directory.path("node");
  config.open_journal = [disk](const std::string&) -> Result<std::unique_ptr<storage::Journal>> {
    return disk->journal();
  };
  const RunningNode node(config);
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch", {{"fullDocument", "updateLookup"}}, 1'200);
  CHECK(watcher.page());
  disk->block_syncs();
  RawClient client(node.address());
  wire::RequestHead head;
  head.service = "AddDocument<c>";
  Bytes out;
  wire::encode_request(out, client.next_stream(), head, R"({"_id":1})", true);
  client.send(out);
  eventually([&] { return stats(node.address())["write_concern"]["waiting"] == 1; });
  const auto last = watcher.page();
  REQUIRE(last);
  CHECK((*last)["end"] == "deadline");
  disk->let_syncs_go();
  Watcher next(node.address(), "Watch", {{"resumeAfter", watcher.token}});
  CHECK(next.event()["operationType"] == "create");
  CHECK(next.event()["operationType"] == "insert");
}

TEST_CASE("A node that stops gives its watchers their last token") {
  RunningNode node;
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch");
  CHECK(watcher.page());
  const SystemClock clock;
  const auto since = clock.monotonic_ms();
  node.stop();
  CHECK(clock.monotonic_ms() - since < 5'000);
  const auto last = watcher.page();
  REQUIRE(last);
  CHECK((*last)["end"] == "the node is stopping");
}

TEST_CASE("A token of one node goes on at another, also when that has not heard of the writes yet") {
  const RunningNode a;
  wait_until_serving(a.address());
  cloud::NodeConfig config;
  config.peers = {a.address()};
  const RunningNode b(config);
  wait_until_serving(b.address());
  Watcher at_a(a.address(), "Watch<c>");
  CHECK(at_a.page());
  RawClient client(a.address());
  client.call("AddDocument<c>", "", R"({"_id":1})");
  CHECK(at_a.event()["operationType"] == "create");
  CHECK(at_a.event()["documentKey"]["_id"] == 1);
  Watcher at_b(b.address(), "Watch<c>", {{"resumeAfter", at_a.token}});
  CHECK(at_b.page());
  RawClient(b.address()).call("AddDocument<c>", "", R"({"_id":2})");
  client.call("AddDocument<c>", "", R"({"_id":3})");
  std::vector<int> ids{at_b.event()["documentKey"]["_id"], at_b.event()["documentKey"]["_id"]};
  std::sort(ids.begin(), ids.end());
  CHECK(ids == std::vector<int>{2, 3});
}

TEST_CASE("A token that names what no node has is answered behind, and the caller goes elsewhere") {
  std::string token;
  {
    const RunningNode other;
    wait_until_serving(other.address());
    Watcher watcher(other.address(), "Watch");
    CHECK(watcher.page());
    RawClient(other.address()).call("AddDocument<c>", "", R"({"_id":1})");
    CHECK(watcher.event()["operationType"] == "create");
    CHECK(watcher.event()["operationType"] == "insert");
    token = watcher.token;
  }
  cloud::NodeConfig config;
  config.members = 3;  // so it cannot know that the write is lost
  const RunningNode node(config);
  wait_until_serving(node.address());
  Watcher watcher(node.address(), "Watch", {{"resumeAfter", token}});
  CHECK(!watcher.page());
  CHECK(watcher.status == Code::kBehind);
}
