#include "distri/wire/session.hpp"

#include "session_pair.hpp"

namespace distri::wire {
namespace {

ReplyHead status_head(Code status, BytesView message) {
  ReplyHead head;
  head.status = status;
  head.message = message;
  return head;
}

}  // namespace

TEST_CASE("the accepting side says nothing before it has seen a valid hello") {
  SessionPair pair;
  pair.node.start();
  CHECK(pair.node.output().empty());
  pair.client.start();
  pair.move();
  CHECK(pair.client_events.events == Events{"hello N"});
  CHECK(pair.node_events.events == Events{"hello C"});
  CHECK(pair.client.peer().streams_max == Limits{}.streams_max);
}

TEST_CASE("the accepting side answers with the one version in use") {
  Recorder events;
  Hello ours = hello_of(Role::kNode, "N");
  ours.version_max = 9;
  Session node(Side::kAccepted, ours, {}, events);
  Hello theirs = hello_of(Role::kClient, "C");
  theirs.version_max = 4;
  theirs.frame_bytes_max = kFrameBytesMin;
  Bytes bytes;
  encode_hello(bytes, theirs);
  REQUIRE(node.receive(bytes));
  const auto answer = decode_hello(BytesView(node.output()).substr(kFrameHeaderBytes));
  REQUIRE(answer);
  CHECK(answer->version_min == 4);
  CHECK(answer->version_max == 4);
}

TEST_CASE("a version mismatch ends both sides with the same sentence") {
  Recorder client_events;
  Recorder node_events;
  Hello old = hello_of(Role::kClient, "C");
  old.version_min = old.version_max = 7;
  SessionPair pair;
  Session client(Side::kDialled, old, {}, client_events);
  client.start();
  const auto refused = pair.node.receive(client.output());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kProtocolError);
  const auto told = client.receive(pair.node.output());
  REQUIRE_FALSE(told);
  CHECK(told.error().code == Code::kProtocolError);
  CHECK(told.error().message.find(refused.error().message) != std::string::npos);
  CHECK(refused.error().message.find("1 to 3") != std::string::npos);
  CHECK(refused.error().message.find("7 to 7") != std::string::npos);
  CHECK(client_events.events.empty());
  CHECK(pair.node_events.events.empty());
}

TEST_CASE("requests and replies travel the same whatever the pieces") {
  for (const std::size_t piece_bytes : {1, 2, 3, 11, 12, 13, 40, 1 << 20}) {
    CAPTURE(piece_bytes);
    SessionPair pair;
    pair.client.start();
    pair.move(piece_bytes);
    std::size_t taken = 0;
    RequestHead head;
    head.service = "Echo";
    head.params = "{\"a\":1}";
    const auto first = pair.client.open_request(head, "hello", true, taken);
    CHECK(*first == 1);
    const auto second = pair.client.open_request(head, {}, false, taken);
    CHECK(*second == 2);
    CHECK(pair.client.send_data(2, "more", false) == 4);
    CHECK(pair.client.send_data(2, "", true) == 0);
    pair.move(piece_bytes);
    CHECK(pair.node.send_reply(1, {}, "world", false) == 5);
    CHECK(pair.node.send_data(1, "!", true) == 1);
    CHECK(pair.node.send_reply(2, status_head(Code::kNotFound, "no"), {}, true) == 0);
    pair.move(piece_bytes);
    CHECK(pair.node_events.events == Events{"hello C", "request 1 Echo [{\"a\":1}] [hello] end",
                                            "request 2 Echo [{\"a\":1}] []", "data 2 [more]", "data 2 [] end"});
    CHECK(pair.client_events.events ==
          Events{"hello N", "reply 1 ok [] [world]", "data 1 [!] end", "reply 2 not_found [no] [] end"});
    CHECK(pair.client.open_streams() == 0);
    CHECK(pair.node.open_streams() == 0);
    CHECK_FALSE(pair.node.mid_frame());
  }
}

TEST_CASE("a reply that ends before the body of its request ends the stream") {
  SessionPair pair;
  pair.hello();
  const auto stream = pair.request("Upload", "part", false);
  pair.move();
  pair.node.send_reply(stream, status_head(Code::kTooLarge, "enough"), {}, true);
  CHECK_FALSE(pair.node.has_stream(stream));
  CHECK(pair.client.send_data(stream, "on its way", false) == 10);  // crosses the reply
  pair.move();
  CHECK(pair.client_events.take() == Events{"reply 1 too_large [enough] [] end"});
  CHECK_FALSE(pair.client.has_stream(stream));
  CHECK(pair.client.send_data(stream, "swallowed", true) == 9);
  CHECK(pair.client.output().empty());
  CHECK(pair.node_events.take() == Events{"request 1 Upload [] [part]"});
}

TEST_CASE("resets that cross are ignored by both sides") {
  SessionPair pair;
  pair.hello();
  const auto stream = pair.request("Work");
  pair.move();
  pair.node_events.take();
  pair.client.reset(stream, Error{Code::kCancelled, "changed my mind"});
  pair.node.reset(stream, Error{Code::kInternal, "broke"});
  pair.move();
  CHECK(pair.client_events.take().empty());
  CHECK(pair.node_events.take().empty());
  CHECK_FALSE(pair.client.failed());
  CHECK_FALSE(pair.node.failed());
}

TEST_CASE("a cancelled request's late reply is ignored, and the node hears of the cancellation") {
  SessionPair pair;
  pair.hello();
  const auto stream = pair.request("Work");
  pair.move();
  pair.node_events.take();
  pair.node.send_reply(stream, {}, "late", false);
  pair.node.send_data(stream, "later", false);
  pair.client.reset(stream, Error{Code::kCancelled, "too slow"});
  pair.move();
  CHECK(pair.client_events.take().empty());
  CHECK(pair.node_events.take() == Events{"reset 1 cancelled: too slow"});
  CHECK(pair.node.send_data(stream, "swallowed", true) == 9);
  CHECK(pair.node.send_reply(stream, {}, "swallowed", true) == 9);
  CHECK(pair.node.output().empty());
}

TEST_CASE("more requests than streams_max are answered busy, and the connection lives") {
  SessionPair pair({}, Limits{.streams_max = 2});
  pair.hello();
  pair.request("A");
  pair.request("B");
  std::size_t taken = 0;
  RequestHead head;
  head.service = "C";
  const auto third = pair.client.open_request(head, {}, true, taken);
  REQUIRE_FALSE(third);
  CHECK(third.error().code == Code::kBusy);
  // A client that does not keep to it:
  pair.move();
  Bytes bytes;
  encode_request(bytes, 3, head, "body", false);
  encode_data(bytes, 3, "more of it, which nobody wants", true);
  REQUIRE(pair.node.receive(bytes));
  const BytesView answer = pair.node.output();
  CHECK(decode_frame_header(answer)->flags == kFlagEnd);
  CHECK(decode_frame_header(answer)->stream == 3);
  BytesView body;
  const auto busy = decode_reply(answer.substr(kFrameHeaderBytes), Limits{}, body);
  REQUIRE(busy);
  CHECK(busy->status == Code::kBusy);
  CHECK(busy->message.find("streams_max") != BytesView::npos);
  CHECK(pair.node_events.take() == Events{"request 1 A [] [] end", "request 2 B [] [] end"});
  CHECK(pair.node.open_streams() == 2);
  pair.node.send_reply(1, {}, {}, true);
  CHECK(pair.node.open_streams() == 1);
}

TEST_CASE("after our goodbye new requests are answered unavailable and old ones finish") {
  SessionPair pair;
  pair.hello();
  const auto old = pair.request("Old");
  pair.move();
  pair.node.goodbye(Error{Code::kUnavailable, "stopping"});
  const auto crossing = pair.request("New");
  pair.move();
  CHECK(pair.client_events.take() ==
        Events{
            "goodbye unavailable: stopping",
            fmt::format("reply {} unavailable [this side takes no new requests; use another connection or node] [] end",
                        crossing)});
  CHECK(pair.client.peer_goodbye()->message == "stopping");
  std::size_t taken = 0;
  RequestHead head;
  head.service = "Newer";
  CHECK(pair.client.open_request(head, {}, true, taken).error().code == Code::kUnavailable);
  pair.node.send_reply(old, {}, "done", true);
  pair.move();
  CHECK(pair.client_events.take() == Events{"reply 1 ok [] [done] end"});
  CHECK(pair.node_events.take() == Events{"request 1 Old [] [] end"});
}

TEST_CASE("requests that could never be accepted are refused before they are sent") {
  SessionPair pair({}, Limits{.frame_bytes_max = 2048, .params_bytes_max = 3000});
  pair.hello();
  std::size_t taken = 0;
  RequestHead head;
  CHECK(pair.client.open_request(head, {}, true, taken).error().code == Code::kInvalidArgument);
  const std::string name(256, 's');
  head.service = name;
  CHECK(pair.client.open_request(head, {}, true, taken).error().code == Code::kTooLarge);
  head.service = "S";
  const std::string params(3001, 'p');
  head.params = params;
  CHECK(pair.client.open_request(head, {}, true, taken).error().message.find("params_bytes_max is 3000") !=
        std::string::npos);
  head.params = BytesView(params).substr(0, 2500);
  CHECK(pair.client.open_request(head, {}, true, taken).error().message.find("frame_bytes_max is 2048") !=
        std::string::npos);
  CHECK(pair.client.output().empty());
  CHECK(pair.node.open_request(head, {}, true, taken).error().code == Code::kInvalidArgument);
}

TEST_CASE("the longest texts fit the smallest frame") {
  SessionPair pair(Limits{.frame_bytes_max = kFrameBytesMin}, {});
  pair.hello();
  pair.request("A");
  pair.request("B");
  pair.move();
  const std::string text(10'000, 't');
  const std::string hint(255, 'h');
  const std::string token(kFrameBytesMin / 2, 'k');
  ReplyHead head = status_head(Code::kBusy, text);
  head.hint = hint;
  head.token = token;
  CHECK(pair.node.send_reply(1, head, "body", false) == 4);
  pair.node.reset(2, Error{Code::kInternal, text});
  pair.node.goodbye(Error{Code::kUnavailable, text});
  pair.move();
  CHECK(pair.client_events.events.size() == 3);
  CHECK_FALSE(pair.client.failed());
  pair.node.abort(Error{Code::kInternal, text});
  pair.move();
  CHECK_FALSE(pair.client.failed());
}

TEST_CASE("a hint or token over its limit is left out") {
  SessionPair pair;
  pair.hello();
  pair.request("A");
  pair.move();
  const std::string too_long(kTokenBytesMax + 1, 'x');
  ReplyHead head;
  head.hint = too_long;
  head.token = too_long;
  pair.node.send_reply(1, head, {}, true);
  pair.move();
  CHECK(pair.client_events.take() == Events{"reply 1 ok [] [] end"});
}

TEST_CASE("pings are answered and messages travel between nodes") {
  SessionPair pair({}, Limits{.frame_bytes_max = 2048, .node_frame_bytes_max = 2048}, Role::kNode);
  pair.hello();
  pair.client.ping(7);
  REQUIRE(pair.client.send_message(3, "to node"));
  REQUIRE(pair.node.send_message(4, "and back"));
  pair.move();
  CHECK(pair.client_events.take() == Events{"message 4 [and back]", "pong 7"});
  CHECK(pair.node_events.take() == Events{"message 3 [to node]"});
  const auto too_large = pair.client.send_message(3, std::string(2047, 'x'));
  REQUIRE_FALSE(too_large);
  CHECK(too_large.error().code == Code::kTooLarge);
  CHECK(pair.client.send_message(3, std::string(2046, 'x')));

  SessionPair with_client;
  with_client.hello();
  CHECK(with_client.client.send_message(1, "x").error().code == Code::kInvalidArgument);
}

TEST_CASE("two nodes allow each other longer frames than they allow a client") {
  const Limits limits{.frame_bytes_max = 2048, .node_frame_bytes_max = 4096};
  SessionPair nodes(limits, limits, Role::kNode);
  nodes.hello();
  REQUIRE(nodes.client.send_message(1, std::string(4094, 'x')));
  REQUIRE(nodes.node.send_message(1, std::string(4094, 'x')));
  CHECK_FALSE(nodes.node.send_message(1, std::string(4095, 'x')));
  nodes.move();
  CHECK(nodes.client_events.events.size() == 1);
  CHECK(nodes.node_events.events.size() == 1);
  SessionPair with_client(limits, limits);
  with_client.hello();
  CHECK(with_client.node.peer().frame_bytes_max == 2048);
  CHECK(with_client.client.peer().frame_bytes_max == 2048);
}

TEST_CASE("pongs stop while a megabyte waits to be sent") {
  SessionPair pair;
  pair.hello();
  Bytes pings;
  for (int i = 0; i < 200'000; ++i) encode_ping(pings, FrameType::kPing, 1);
  REQUIRE(pair.node.receive(pings));
  CHECK(pair.node.output().size() < kPongBacklogBytes + 100);
}

TEST_CASE("nothing can be sent before the hello") {
  SessionPair pair;
  std::size_t taken = 0;
  RequestHead head;
  head.service = "S";
  CHECK(pair.client.open_request(head, {}, true, taken).error().code == Code::kUnavailable);
  CHECK(pair.client.send_message(1, "x").error().code == Code::kUnavailable);
  pair.client.ping(1);
  pair.client.goodbye(Error{Code::kCancelled, ""});
  CHECK(pair.client.output().empty());
}

TEST_CASE("handlers may send, reset and stop from inside an event") {
  SessionPair pair;
  pair.hello();
  pair.node_events.after = [&](const std::string& event) {
    if (event.starts_with("request 1")) {
      for (std::uint32_t i = 0; i < 3; ++i) pair.node.ping(i);
      pair.node.send_reply(1, {}, "at once", true);
    } else if (event.starts_with("request 2")) {
      pair.node.reset(2, Error{Code::kInternal, "no"});
    } else if (event.starts_with("request 3")) {
      pair.node.stop();
    }
  };
  for (const char* service : {"A", "B", "C", "D"}) pair.request(service);
  pair.move();
  CHECK(pair.node_events.events.size() == 3);  // nothing after stop()
  CHECK(pair.node.failed());
  CHECK(pair.node.open_streams() == 0);
  CHECK_FALSE(pair.node.mid_frame());
  CHECK(pair.client_events.take() == Events{"reply 1 ok [] [at once] end", "reset 2 internal: no"});
  CHECK(pair.node.receive("x").error().code == Code::kUnavailable);
}

TEST_CASE("an abort tells the reason once") {
  SessionPair pair;
  pair.hello();
  pair.node.abort(Error{Code::kDeadlineExceeded, "idle"});
  pair.node.abort(Error{Code::kInternal, "again"});
  pair.node.ping(1);
  pair.move();
  CHECK(pair.client_events.take() == Events{"goodbye deadline_exceeded: idle"});
}

TEST_CASE("output_ready is called once for each time the output begins to fill") {
  SessionPair pair;
  pair.hello();
  int calls = 0;
  pair.client.set_output_ready([&] { ++calls; });
  pair.client.ping(1);
  pair.client.ping(2);
  CHECK(calls == 1);
  pair.client.output().clear();
  pair.client.ping(3);
  CHECK(calls == 2);
}

}  // namespace distri::wire
