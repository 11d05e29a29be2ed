// What a stranger may do to a node: each case ends in a clear error or a closed connection within its limit, with
// memory bounded, while another client goes on undisturbed.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "distri/utils/random.hpp"
#include "distri/wire/primitives.hpp"
#include "raw_client.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace {

cloud::NodeConfig short_limits() {
  cloud::NodeConfig config;
  config.hello_ms = 200;
  config.frame_ms = 200;
  config.write_stall_ms = 400;
  config.default_deadline_ms = 2'000;
  return config;
}

// Resident memory of this process, in bytes (node and test are one process).
std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

// AddressSanitizer keeps freed memory for a while, ThreadSanitizer multiplies it: the bound is then this much looser.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kSlackBytes = 1u << 30;
#else
constexpr std::size_t kSlackBytes = 0;
#endif

// The other client, who must notice nothing.
void check_unharmed(const RunningNode& node) {
  RawClient other(node.address());
  CHECK(other.call("Echo", "", "hello").body == "hello");
  CHECK(other.call("AddDocument<good>", "", R"({"a":1})").status == Code::kOk);
}

}  // namespace

TEST_CASE("An unknown service is named together with those that exist") {
  const RunningNode node(short_limits());
  RawClient client(node.address());
  const auto reply = client.call("Fly");
  CHECK(reply.status == Code::kUnknownService);
  CHECK(reply.message.find("'Fly'") != std::string::npos);
  CHECK(reply.message.find("AddDocument") != std::string::npos);
  CHECK(client.call("UpdateInfo").status == Code::kPermissionDenied);
  CHECK(client.call("Bad<name").status == Code::kInvalidArgument);
  check_unharmed(node);
}

TEST_CASE("A client that connects and says nothing is closed") {
  const RunningNode node(short_limits());
  RawClient silent(node.address(), false);
  silent.wait_closed();
  check_unharmed(node);
}

TEST_CASE("A frame that says it is 2 GiB long is refused on its length alone") {
  const RunningNode node(short_limits());
  {
    RawClient before_hello(node.address(), false);
    Bytes out;
    wire::Writer writer(out);
    writer.u32(0x80000000u);
    writer.u8(static_cast<std::uint8_t>(wire::FrameType::kHello));
    writer.u8(0);
    writer.u16(0);
    writer.u32(0);
    before_hello.send(out);
    before_hello.wait_closed();
  }
  RawClient client(node.address());
  const auto before = resident_bytes();
  Bytes out;
  wire::Writer writer(out);
  writer.u32(0x80000000u);
  writer.u8(static_cast<std::uint8_t>(wire::FrameType::kRequest));
  writer.u8(0);
  writer.u16(0);
  writer.u32(1);
  client.send(out);
  const auto reason = client.wait_closed();
  REQUIRE(reason);
  CHECK(reason->code == Code::kTooLarge);
  CHECK(reason->message.find("2147483648") != std::string::npos);
  CHECK(reason->message.find("frame_bytes_max") != std::string::npos);
  CHECK(resident_bytes() < before + (16u << 20) + kSlackBytes);
  check_unharmed(node);
}

TEST_CASE("Half a frame and then silence closes the connection") {
  const RunningNode node(short_limits());
  RawClient client(node.address());
  wire::RequestHead head;
  head.service = "Echo";
  Bytes out;
  wire::encode_request(out, 1, head, "body", true);
  client.send(BytesView(out).substr(0, out.size() / 2));
  const auto reason = client.wait_closed();
  REQUIRE(reason);
  CHECK(reason->code == Code::kDeadlineExceeded);
  check_unharmed(node);
}

TEST_CASE("Half a request body and then silence ends at the request's deadline") {
  const RunningNode node(short_limits(), [](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Take",
                                [](const cloud::ServiceRequest& request) -> Result<Bytes> { return request.body; }));
  });
  for (const auto* service : {"Take", "AddDocument<c>", "Echo"}) {
    CAPTURE(service);
    RawClient client(node.address());
    wire::RequestHead head;
    head.service = service;
    head.deadline_ms = 150;
    Bytes out;
    wire::encode_request(out, 1, head, "half", false);
    client.send(out);
    const auto reply = client.collect(1);
    CHECK(reply.status == Code::kDeadlineExceeded);
  }
  check_unharmed(node);
}

TEST_CASE("A client that stops reading is cut off, and its replies do not pile up") {
  const RunningNode node(short_limits());
  {
    RawClient writer(node.address());
    const std::string text(50'000, 'x');
    for (int i = 0; i < 40; ++i) {
      REQUIRE(
          writer.call("AddDocument<big>", "", R"({"_id":)" + std::to_string(i) + R"(,"t":")" + text + "\"}").status ==
          Code::kOk);
    }
  }
  const auto before = resident_bytes();
  RawClient greedy(node.address());
  wire::RequestHead head;
  head.service = "ReadCollection<big>";
  // 2 MB each: two gigabytes of replies that nobody reads.
  for (std::uint32_t stream = 1; stream <= 1000; ++stream) {
    Bytes out;
    wire::encode_request(out, stream, head, "", true);
    greedy.send(out);
  }
  check_unharmed(node);
  // Now and then it looks whether it is still there, without reading the bulk: the node must close by itself.
  RawClient watcher(node.address());
  bool gone = false;
  for (int i = 0; i < 20'000 && !gone; ++i) {
    gone = json::parse(watcher.call("Stats").body)["connections"]["clients"] == 1;
  }
  CHECK(gone);
  CHECK(resident_bytes() < before + (200u << 20) + kSlackBytes);
  check_unharmed(node);
}

TEST_CASE("A client that reads but never gives credit holds a bounded amount, until its deadline") {
  auto config = short_limits();
  config.write_stall_ms = 30'000;  // it does read
  const RunningNode node(config);
  RawClient client(node.address());
  const std::string text(900'000, 'x');
  REQUIRE(client.call("AddDocument<big>", "", R"({"_id":1,"t":")" + text + "\"}").status == Code::kOk);
  wire::RequestHead head;
  head.service = "ReadCollection<big>";
  int busy = 0;
  int reset = 0;
  int complete = 0;
  constexpr int kRequests = 100;
  for (std::uint32_t i = 0; i < kRequests; ++i) {
    Bytes out;
    wire::encode_request(out, client.next_stream(), head, "", true);
    client.send(out);
  }
  while (busy + reset + complete < kRequests) {
    const auto frame = client.receive();
    REQUIRE(frame);
    if (frame->header.type == wire::FrameType::kReset) {
      CHECK(wire::decode_error(frame->payload)->code == Code::kDeadlineExceeded);
      ++reset;
    }
    if (frame->header.type == wire::FrameType::kReply && (frame->header.flags & wire::kFlagEnd) != 0) {
      BytesView body;
      const auto reply = wire::decode_reply(frame->payload, {}, body);
      REQUIRE(reply);
      ++(reply->status == Code::kBusy ? busy : complete);
      if (reply->status == Code::kBusy) CHECK(reply->message.find("not read") != std::string_view::npos);
    }
  }
  CHECK(complete == 0);
  CHECK(busy > 0);
  CHECK(reset > 0);
  check_unharmed(node);
}

TEST_CASE("A body over the limit is refused by name") {
  auto config = short_limits();
  config.request_body_bytes_max = 1u << 20;
  const RunningNode node(config, [](cloud::CloudNode& it) {
    REQUIRE(it.register_service("Take",
                                [](const cloud::ServiceRequest& request) -> Result<Bytes> { return request.body; }));
  });
  RawClient client(node.address());
  const auto reply = client.call("Take", "", Bytes(3u << 20, 'x'));
  CHECK(reply.status == Code::kTooLarge);
  CHECK(reply.message.find("1048576") != std::string::npos);
  RawClient documents(node.address());
  const auto document = documents.call("AddDocument<c>", "", R"({"t":")" + std::string(17u << 20, 'x') + "\"}");
  CHECK(document.status == Code::kTooLarge);
  check_unharmed(node);
}

TEST_CASE("A flood of requests without reading beyond streams_max is answered busy, not fatal") {
  const RunningNode node(short_limits());
  RawClient client(node.address());
  wire::RequestHead head;
  head.service = "Echo";
  head.deadline_ms = 500;
  Bytes out;
  for (int i = 0; i < 3000; ++i) wire::encode_request(out, client.next_stream(), head, "x", false);
  client.send(out);
  int busy = 0;
  int ended = 0;
  while (ended < 3000) {
    const auto frame = client.receive();
    REQUIRE(frame);
    if (frame->header.type == wire::FrameType::kReset) ++ended;
    if (frame->header.type == wire::FrameType::kReply && (frame->header.flags & wire::kFlagEnd) != 0) {
      BytesView body;
      ++ended;
      if (wire::decode_reply(frame->payload, {}, body)->status == Code::kBusy) ++busy;
    }
  }
  CHECK(busy == 3000 - 1024);
  check_unharmed(node);
}

TEST_CASE("Garbage and mutated frames end in a goodbye or a closed connection, never in a crash") {
  const RunningNode node(short_limits());
  Random random(42);
  for (int round = 0; round < 150; ++round) {
    RawClient client(node.address(), round % 3 != 0);
    wire::RequestHead head;
    head.service = "AddDocument<c>";
    head.params = R"({"x":1})";
    Bytes out;
    for (std::uint32_t stream = 1; stream < 4; ++stream) wire::encode_request(out, stream, head, R"({"a":1})", true);
    wire::encode_data(out, 2, "late", true);
    wire::encode_window(out, 1, 100);
    for (std::uint64_t flips = 1 + random.below(6); flips > 0; --flips) {
      out[random.below(out.size())] = static_cast<char>(random.next());
    }
    out.resize(1 + random.below(out.size()));
    client.send(out);
  }
  check_unharmed(node);
}

TEST_CASE("A false node that sends broken messages is closed with the reason") {
  const RunningNode node(short_limits());
  for (std::uint16_t kind = 0; kind < 9; ++kind) {
    RawClient fake(node.address(), true, wire::Role::kNode);
    Bytes out;
    wire::encode_message(out, kind, "\xff\xff\xff\xff garbage");
    fake.send(out);
    if (kind == 6) continue;  // "leaving" carries free text
    const auto reason = fake.wait_closed();
    REQUIRE(reason);
    CHECK(reason->code == Code::kProtocolError);
  }
  // A client may not send messages at all.
  RawClient client(node.address());
  Bytes out;
  wire::encode_message(out, 1, "x");
  client.send(out);
  const auto reason = client.wait_closed();
  REQUIRE(reason);
  CHECK(reason->code == Code::kProtocolError);
  check_unharmed(node);
}

TEST_CASE("Thousands of idle connections cost little and go when their time is up") {
  auto config = short_limits();
  config.hello_ms = 1'000;
  const RunningNode node(config);
  const auto before = resident_bytes();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 2000; ++i) idle.push_back(std::make_unique<RawClient>(node.address(), false));
  check_unharmed(node);
  CHECK(resident_bytes() < before + (64u << 20) + kSlackBytes);
  for (auto& client : idle) client->wait_closed();
  check_unharmed(node);
}
