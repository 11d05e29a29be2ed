// Change streams: renewed with their token, moved to other nodes, ended with a reason.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "distri/client/client.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;
using nlohmann::json;

namespace {

ClientOptions fixed() {
  ClientOptions options;
  options.discover = false;
  return options;
}

std::string page(const std::vector<int>& events, std::string_view token) {
  json list = json::array();
  for (const int event : events) list.push_back({{"n", event}});
  return json{{"events", list}, {"token", token}}.dump() + "\n";
}

std::string token_of(const Seen& request) {
  return json::parse(request.params).value("resumeAfter", "");
}

int next(ChangeStream& stream) {
  const auto event = stream.next(20'000);
  REQUIRE_MESSAGE(event.has_value(), (event ? "" : event.error().message));
  REQUIRE(event->has_value());
  return (**event)["n"];
}

}  // namespace

TEST_CASE("A change stream that ends is renewed from its last token") {
  FakeNode node([](const Seen& request) {
    const std::string token = token_of(request);
    if (token.empty()) return reply(page({}, "t0") + page({1, 2}, "t1"));
    if (token == "t1") return reply(page({3}, "t2"));
    return of_kind(Action::Kind::kSilence);
  });
  Client client({node.address()}, fixed());
  WatchOptions options;
  options.filter = {{"operationType", "insert"}};
  options.update_lookup = true;
  auto stream = client.collection("photos").watch(options);
  REQUIRE(stream.has_value());
  CHECK(next(*stream) == 1);
  // Inside of a page it is the token of the one before.
  CHECK(stream->token() == "t0");
  CHECK(next(*stream) == 2);
  CHECK(stream->token() == "t1");
  CHECK(next(*stream) == 3);
  CHECK(stream->token() == "t2");
  CHECK(!stream->next(10)->has_value());
  const auto seen = node.seen();
  CHECK(seen.front().service == "Watch<photos>");
  CHECK(json::parse(seen.front().params) ==
        json{{"filter", options.filter}, {"fullDocument", "updateLookup"}, {"page_events", 1'000}});
}

TEST_CASE("A change stream goes on when its connection breaks, and drops what was no whole page") {
  std::atomic<int> calls{0};
  FakeNode node([&](const Seen& request) {
    const int call = calls++;
    if (call == 0) return reply(page({1}, "t1") + page({2}, "t2").substr(0, 10));
    if (call == 1) return of_kind(Action::Kind::kDrop);
    if (call == 2) return status(Code::kUnavailable, "not yet");
    CHECK(token_of(request) == "t1");
    return reply(page({2}, "t2"));
  });
  Client client({node.address()}, fixed());
  auto stream = client.watch();
  REQUIRE(stream.has_value());
  CHECK(next(*stream) == 1);
  CHECK(next(*stream) == 2);
  CHECK(stream->trouble().empty());
}

TEST_CASE("When one node has lost the history, the others are asked; when all have, the caller is told") {
  const std::string lost = "ChangeStreamHistoryLost (286): the log has dropped it";
  const auto has_lost = [&](const Seen&) { return status(Code::kInvalidArgument, lost); };
  std::atomic<bool> has_it{true};
  FakeNode a(has_lost);
  FakeNode b([&](const Seen& request) { return has_it ? reply(page({7}, "t7")) : has_lost(request); });
  FakeNode c(has_lost);
  Client client({a.address(), b.address(), c.address()}, fixed());
  WatchOptions options;
  options.resume_after = "t6";
  auto stream = client.watch(options);
  REQUIRE(stream.has_value());
  CHECK(next(*stream) == 7);
  has_it = false;
  // What came in the meantime is given first.
  for (;;) {
    const auto event = stream->next(20'000);
    if (event) continue;
    CHECK(event.error().code == Code::kInvalidArgument);
    CHECK(event.error().message.contains("ChangeStreamHistoryLost (286)"));
    break;
  }
}

TEST_CASE("What can never be watched is told at once") {
  FakeNode node([](const Seen&) { return status(Code::kInvalidArgument, "BadValue (2): filter: $foo"); });
  Client client({node.address()}, fixed());
  CHECK(client.watch().error().message.contains("BadValue (2)"));
  FakeNode garbage([](const Seen&) { return reply("{\"token\":7}\n"); });
  Client confused({garbage.address()}, fixed());
  CHECK(confused.watch().error().code == Code::kProtocolError);
}

TEST_CASE("A watch that no node answers ends at its timeout") {
  FakeNode node([](const Seen&) { return of_kind(Action::Kind::kSilence); });
  Client client({node.address()}, fixed());
  WatchOptions options;
  options.timeout_ms = 50;
  CHECK(client.watch(options).error().code == Code::kDeadlineExceeded);
}
