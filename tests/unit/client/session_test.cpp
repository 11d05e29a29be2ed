// What a client remembers of what it has seen, and what it makes of nodes whose disk is full or fails.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "distri/client/client.hpp"
#include "fake_node.hpp"

using namespace distri;
using namespace distri::client;
using namespace distri::client::test;

namespace {

ActorId actor(int n) {
  ActorId id;
  id.bytes[0] = static_cast<unsigned char>(n);
  return id;
}

wire::SessionToken token(std::vector<wire::SessionToken::Entry> entries) {
  wire::SessionToken result;
  for (const auto& [id, counter] : entries) result.see(id, counter);
  return result;
}

std::vector<wire::SessionToken::Entry> sorted(const Seen& seen) {
  auto entries = seen.token.entries();
  std::sort(entries.begin(), entries.end());
  return entries;
}

Action reply_with(wire::SessionToken seen) {
  Action action = reply("ok");
  action.token = std::move(seen);
  return action;
}

ClientOptions fixed() {
  ClientOptions options;
  options.discover = false;
  return options;
}

using Entries = std::vector<wire::SessionToken::Entry>;

}  // namespace

TEST_CASE("a client keeps the maximum of every actor that replies name, in whatever order they come") {
  const std::vector<wire::SessionToken> tokens = {
      token({{actor(1), 5}, {actor(2), 9}}), token({{actor(1), 3}, {actor(3), 1}}), token({{actor(2), 10}}), {}};
  std::atomic<std::size_t> calls{0};
  FakeNode node([&](const Seen&) { return reply_with(tokens.at(calls++)); });
  Client client({node.address()}, fixed());
  for (std::size_t i = 0; i < tokens.size(); ++i) REQUIRE(client.send_data("", "Work").has_value());
  const auto seen = node.seen();
  CHECK(seen[0].token.empty());
  CHECK(sorted(seen[1]) == Entries{{actor(1), 5}, {actor(2), 9}});
  CHECK(sorted(seen[2]) == Entries{{actor(1), 5}, {actor(2), 9}, {actor(3), 1}});
  CHECK(sorted(seen[3]) == Entries{{actor(1), 5}, {actor(2), 10}, {actor(3), 1}});
}

TEST_CASE("a reply of forty entries is kept whole") {
  wire::SessionToken forty;
  for (int i = 1; i <= 40; ++i) forty.see(actor(i), static_cast<std::uint64_t>(i));
  FakeNode node([&](const Seen&) { return reply_with(forty); });
  Client client({node.address()}, fixed());
  REQUIRE(client.send_data("", "Work").has_value());
  REQUIRE(client.send_data("", "Work").has_value());
  CHECK(node.seen()[1].token.entries().size() == 40);
  CHECK(sorted(node.seen()[1]).back() == wire::SessionToken::Entry{actor(40), 40});
}

TEST_CASE("a retry on another node demands what has been seen, and so does one that a node left behind refused") {
  std::atomic<int> at_a{0};
  FakeNode b([](const Seen&) {
    Action action = reply_with(token({{actor(2), 1}}));
    action.delay_ms = 2;  // A is left alone for a while after it dropped a call
    return action;
  });
  FakeNode a([&](const Seen&) {
    switch (++at_a) {
      case 1:
        return reply_with(token({{actor(1), 7}}));
      case 2:
        return of_kind(Action::Kind::kDrop);
      default:
        return status(Code::kBehind, "not here yet", to_string(b.address()));
    }
  });
  Client client({a.address(), b.address()}, fixed());
  // Until A has dropped one call and refused one; others may land on B at once.
  for (int i = 0; i < 5000 && at_a < 4; ++i) REQUIRE(client.send_data("", "Work").has_value());
  REQUIRE(at_a >= 3);
  bool demanded = false;
  for (const auto& seen : b.seen()) {
    if (seen.attempt == 0) continue;
    demanded =
        std::ranges::find(seen.token.entries(), wire::SessionToken::Entry{actor(1), 7}) != seen.token.entries().end();
  }
  CHECK(demanded);
}

TEST_CASE(
    "when no node has what was seen, the call ends at its deadline or last try, and keep_session decides what the next "
    "demands") {
  for (const auto& [keep, tries] : {std::pair(false, 0), std::pair(true, 0), std::pair(false, 3), std::pair(true, 3)}) {
    std::atomic<int> calls{0};
    FakeNode node([&](const Seen&) {
      return ++calls == 1 ? reply_with(token({{actor(1), 7}})) : status(Code::kBehind, "not here yet");
    });
    auto options = fixed();
    options.keep_session = keep;
    Client client({node.address()}, options);
    REQUIRE(client.send_data("", "Work").has_value());
    CallOptions call;
    call.timeout_ms = 60;
    call.only_node = node.address();
    for (int i = 0; i < 2; ++i) {
      const auto refused = client.send_data("", "Work", call);
      REQUIRE_FALSE(refused.has_value());
      CHECK(refused.error().code == Code::kDeadlineExceeded);
      CHECK_FALSE(node.seen().back().token.empty());  // one node alone does not end a session
    }
    call.only_node.reset();
    if (tries > 0) {
      call.timeout_ms = 60'000;
      call.attempts_max = tries;
    }
    CHECK_FALSE(client.send_data("", "Work", call).has_value());
    CHECK_FALSE(client.send_data("", "Work", call).has_value());
    CHECK(node.seen().back().token.empty() == !keep);
  }
}

TEST_CASE("a node whose disk or memory is full: writes go elsewhere, and when all are full that is the answer") {
  for (const Code full : {Code::kStorageFull, Code::kMemoryFull}) {
    std::atomic<bool> b_full{false};
    FakeNode a([full](const Seen&) { return status(full, "no room"); });
    FakeNode b([&](const Seen&) { return b_full ? status(full, "no room") : reply("ok"); });
    Client client({a.address(), b.address()}, fixed());
    for (int i = 0; i < 20; ++i) CHECK(client.send_data("", "Write").has_value());
    for (const auto& seen : b.seen()) CHECK(seen.attempt == 0);  // a full node has executed nothing
    b_full = true;
    const auto refused = client.send_data("", "Write");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == full);
    CHECK(refused.error().message.contains("no room"));
  }
}

TEST_CASE("a write that may have been executed before all nodes refused it is indeterminate, not refused") {
  std::atomic<int> calls{0};
  const auto behave = [&](const Seen&) {
    return ++calls == 1 ? of_kind(Action::Kind::kDrop) : status(Code::kStorageFull, "no room");
  };
  FakeNode a(behave);
  FakeNode b(behave);
  Client client({a.address(), b.address()}, fixed());
  const auto refused = client.send_data("", "Write");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::kIndeterminate);
}

TEST_CASE("a failing disk may have kept the write: the retry says that it is one") {
  FakeNode bad([](const Seen&) { return status(Code::kStorageFailed, "input/output error"); });
  FakeNode good([](const Seen&) { return reply("ok"); });
  Client client({bad.address(), good.address()}, fixed());
  for (int i = 0; i < 50 && bad.count() == 0; ++i) CHECK(client.send_data("", "Write").has_value());
  REQUIRE(bad.count() == 1);
  CHECK(good.seen().back().attempt == 1);
  CHECK(good.seen().back().id == bad.seen().back().id);
}
