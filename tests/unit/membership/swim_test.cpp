#include "distri/membership/swim.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace {

using namespace distri;
using namespace distri::membership;

NodeId id(std::size_t number) {
  NodeId node;
  node.bytes[0] = static_cast<unsigned char>(number);
  node.bytes[31] = 1;
  return node;
}

std::vector<NodeId> ids(std::size_t count) {
  std::vector<NodeId> all;
  for (std::size_t number = 0; number < count; ++number) all.push_back(id(number));
  return all;
}

SwimMessage decoded(const Swim::Message& message) {
  auto result = decode_swim_message(message.bytes);
  REQUIRE(result);
  return *std::move(result);
}

SwimMessage said(SwimMessage::Kind kind, std::uint32_t sequence, std::vector<SwimReport> reports = {}) {
  SwimMessage message;
  message.kind = kind;
  message.sequence = sequence;
  message.reports = std::move(reports);
  return message;
}

// Node 0 of a cluster, with everything that it is told and says in the test's hands.
struct Rig {
  std::int64_t now_ms = 1000;
  Swim swim;
  explicit Rig(std::size_t nodes, const SwimOptions& options = {}, std::uint64_t incarnation = 0)
      : swim(id(0), incarnation, options, Random(1), now_ms) {
    swim.set_members(ids(nodes));
  }
  // Moves on to the next deadline; what is sent then.
  std::vector<Swim::Message> next() {
    now_ms = swim.next_ms();
    swim.on_time(now_ms);
    return swim.take_messages();
  }
  // The next ping, answering nothing.
  Swim::Message next_ping() {
    for (int i = 0; i < 1000; ++i) {
      for (Swim::Message& message : next()) {
        if (decoded(message).kind == SwimMessage::Kind::kPing) return message;
      }
    }
    FAIL("no ping");
    return {};
  }
  std::vector<Swim::Message> hear(std::size_t from, const SwimMessage& message) {
    REQUIRE(swim.receive(now_ms, id(from), encode(message)));
    return swim.take_messages();
  }
  void tell(std::size_t from, const SwimReport& report) { hear(from, said(SwimMessage::Kind::kAck, 999, {report})); }
};

SwimReport report(std::size_t node, Health health, std::uint64_t incarnation, std::size_t by = 0) {
  return {id(node), health, incarnation, health == Health::kSuspect ? id(by) : NodeId{}};
}

TEST_CASE("a probe that is answered leaves the node alive, whoever brings the answer") {
  Rig rig(5);
  for (int i = 0; i < 40; ++i) {
    const Swim::Message ping = rig.next_ping();
    if (i % 2 == 1) CHECK(rig.next().size() == 3);  // it asks three helpers
    const std::size_t from = i % 2 == 0 ? ping.to.bytes[0] : ping.to.bytes[0] % 4u + 1;
    rig.hear(from, said(SwimMessage::Kind::kAck, decoded(ping).sequence));
  }
  CHECK(rig.swim.take_changes().empty());
  CHECK(rig.swim.counters().probes == 40);
  CHECK(rig.swim.counters().probes_failed == 0);
}

TEST_CASE("each node is probed once in each pass") {
  Rig rig(8);
  for (int pass = 0; pass < 5; ++pass) {
    std::set<NodeId> probed;
    for (int i = 0; i < 7; ++i) {
      const Swim::Message ping = rig.next_ping();
      probed.insert(ping.to);
      rig.hear(ping.to.bytes[0], said(SwimMessage::Kind::kAck, decoded(ping).sequence));
    }
    CHECK(probed.size() == 7);
  }
}

TEST_CASE("a node that nobody reaches is suspected, then dead, and is alive again when it says so") {
  Rig rig(5);
  const NodeId victim = rig.next_ping().to;
  const std::vector<Swim::Message> requests = rig.next();
  REQUIRE(requests.size() == 3);
  for (const Swim::Message& request : requests) {
    CHECK(decoded(request).kind == SwimMessage::Kind::kPingReq);
    CHECK(decoded(request).target == victim);
    CHECK(request.to != victim);
  }
  rig.next();
  CHECK(rig.swim.health(victim) == Health::kSuspect);
  const std::int64_t from_ms = rig.now_ms;
  while (rig.swim.health(victim) == Health::kSuspect) rig.next();
  CHECK(rig.swim.health(victim) == Health::kDead);
  CHECK(rig.now_ms - from_ms == rig.swim.suspicion_ms(0));
  rig.tell(1, {victim, Health::kAlive, 0, {}});
  CHECK(rig.swim.health(victim) == Health::kDead);
  rig.tell(1, {victim, Health::kAlive, 1, {}});
  CHECK(rig.swim.health(victim) == Health::kAlive);
}

TEST_CASE("a report counts by incarnation, then by how bad it is") {
  Rig rig(5);
  const auto after = [&](const SwimReport& told) {
    rig.tell(1, told);
    return rig.swim.health(id(2));
  };
  CHECK(after(report(2, Health::kSuspect, 0, 3)) == Health::kSuspect);
  CHECK(after(report(2, Health::kAlive, 0)) == Health::kSuspect);
  CHECK(after(report(2, Health::kAlive, 1)) == Health::kAlive);
  CHECK(after(report(2, Health::kDead, 0)) == Health::kAlive);
  CHECK(after(report(2, Health::kDead, 1)) == Health::kDead);
  CHECK(after(report(2, Health::kSuspect, 1, 3)) == Health::kDead);
  CHECK(after(report(2, Health::kSuspect, 2, 3)) == Health::kSuspect);
}

TEST_CASE("a node that hears that it is suspected or dead says that it is alive, with a higher incarnation") {
  Rig rig(5, {}, 10);
  for (const auto& [told, incarnation] :
       {std::pair(report(0, Health::kSuspect, 10, 2), 11u), std::pair(report(0, Health::kDead, 11), 12u),
        std::pair(report(0, Health::kDead, 40), 41u), std::pair(report(0, Health::kAlive, 50), 51u)}) {
    const auto answers = rig.hear(1, said(SwimMessage::Kind::kPing, 5, {told}));
    REQUIRE(answers.size() == 1);
    const auto reports = decoded(answers[0]).reports;
    CHECK(std::ranges::count(reports, SwimReport{id(0), Health::kAlive, incarnation, {}}) == 1);
    CHECK(rig.swim.incarnation() == incarnation);
  }
  // Whoever has missed it is told again, also when it is not news any more.
  for (std::uint32_t i = 0; i < 20; ++i) rig.hear(2, said(SwimMessage::Kind::kPing, i));
  CHECK(decoded(rig.hear(2, said(SwimMessage::Kind::kPing, 9)).at(0)).reports.empty());
  const auto answers = rig.hear(1, said(SwimMessage::Kind::kPing, 5, {report(0, Health::kDead, 12)}));
  CHECK(std::ranges::count(decoded(answers.at(0)).reports, SwimReport{id(0), Health::kAlive, 51, {}}) == 1);
  CHECK(rig.swim.incarnation() == 51);
}

TEST_CASE("a suspicion is shorter with each other node that confirms it, up to three") {
  Rig rig(30);
  CHECK(std::abs(rig.swim.suspicion_ms(0) - 6 * rig.swim.suspicion_ms(3)) <= 6);  // rounded
  CHECK(rig.swim.suspicion_ms(0) > rig.swim.suspicion_ms(1));
  CHECK(rig.swim.suspicion_ms(1) > rig.swim.suspicion_ms(2));
  CHECK(rig.swim.suspicion_ms(9) == rig.swim.suspicion_ms(3));
  const std::int64_t begin_ms = rig.now_ms;
  for (std::size_t by = 3; by < 10; ++by) {
    rig.tell(1, report(2, Health::kSuspect, 0, by));
    rig.tell(1, report(2, Health::kSuspect, 0, by));
  }
  while (rig.swim.health(id(2)) != Health::kDead) {
    for (const Swim::Message& message : rig.next()) {
      if (decoded(message).kind == SwimMessage::Kind::kPing) {
        rig.hear(message.to.bytes[0], said(SwimMessage::Kind::kAck, decoded(message).sequence));
      }
    }
  }
  CHECK(rig.now_ms - begin_ms == rig.swim.suspicion_ms(3));
  Rig plain(30, SwimOptions::plain());
  CHECK(plain.swim.suspicion_ms(0) == plain.swim.suspicion_ms(3));
}

TEST_CASE("a suspected node is told so first when it is spoken to, if that refinement is on") {
  for (const bool buddy : {true, false}) {
    SwimOptions options;
    options.buddy = buddy;
    options.retransmit = 1;
    Rig rig(5, options);
    rig.tell(1, report(2, Health::kSuspect, 0, 3));
    for (std::uint32_t i = 0; i < 20; ++i) rig.hear(1, said(SwimMessage::Kind::kPing, i));  // the rumour is told
    const auto answer = rig.hear(2, said(SwimMessage::Kind::kPing, 50));
    const auto reports = decoded(answer.at(0)).reports;
    CHECK((!reports.empty() && reports[0] == report(2, Health::kSuspect, 0, 3)) == buddy);
  }
}

TEST_CASE("a node that misses answers doubts itself, unless its helpers are there") {
  Rig rig(8);
  rig.next_ping();
  std::vector<Swim::Message> requests = rig.next();
  for (const Swim::Message& request : requests) {
    rig.hear(request.to.bytes[0], said(SwimMessage::Kind::kNack, decoded(request).sequence));
  }
  rig.next_ping();
  CHECK(rig.swim.local_health() == 0);
  rig.next();
  const Swim::Message ping = rig.next_ping();
  CHECK(rig.swim.local_health() == 3);  // three helpers said nothing
  const std::int64_t period_ms = rig.swim.next_ms() - rig.now_ms;
  CHECK(period_ms == 4 * SwimOptions{}.probe_timeout_ms);
  rig.hear(ping.to.bytes[0], said(SwimMessage::Kind::kAck, decoded(ping).sequence));
  rig.next_ping();
  CHECK(rig.swim.local_health() == 2);
}

TEST_CASE("a helper pings for others, passes the answer on, and says that it is there when none comes") {
  Rig rig(5);
  SwimMessage request = said(SwimMessage::Kind::kPingReq, 77);
  request.target = id(2);
  request.nack_after_ms = 300;
  auto sent = rig.hear(1, request);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == id(2));
  auto passed = rig.hear(2, said(SwimMessage::Kind::kAck, decoded(sent[0]).sequence));
  REQUIRE(passed.size() == 1);
  CHECK(passed[0].to == id(1));
  CHECK(decoded(passed[0]).sequence == 77);
  sent = rig.hear(1, request);
  const std::int64_t asked_ms = rig.now_ms;
  bool nack = false;
  while (rig.now_ms < asked_ms + 300) {
    for (const Swim::Message& message : rig.next()) nack |= decoded(message).kind == SwimMessage::Kind::kNack;
  }
  CHECK(nack);
  // An answer of somebody else is none.
  CHECK(rig.hear(3, said(SwimMessage::Kind::kAck, decoded(sent[0]).sequence)).empty());
}

TEST_CASE("a node that was stopped suspects nobody for what it did not hear, if that refinement is on") {
  for (const bool grace : {true, false}) {
    SwimOptions options;
    options.late_grace = grace;
    Rig rig(5, options);
    const Swim::Message ping = rig.next_ping();
    rig.tell(1, report(3, Health::kSuspect, 0, 2));
    rig.now_ms += 200'000;
    rig.swim.on_time(rig.now_ms);
    CHECK((rig.swim.health(id(3)) == Health::kSuspect) == grace);
    rig.hear(ping.to.bytes[0], said(SwimMessage::Kind::kAck, decoded(ping).sequence));
    CHECK((rig.swim.counters().probes_failed == 0) == grace);
    CHECK((rig.swim.local_health() > 0));
  }
}

TEST_CASE("members come and go as they are told, and others are not listened to") {
  Rig rig(3);
  CHECK(rig.swim.receive(rig.now_ms, id(7), encode(said(SwimMessage::Kind::kPing, 1))).error().code ==
        Code::kPermissionDenied);
  rig.tell(1, report(7, Health::kDead, 3));
  CHECK(rig.swim.take_changes().empty());
  rig.swim.set_members(ids(9));
  CHECK(rig.swim.health(id(7)) == Health::kAlive);
  std::set<NodeId> probed;
  for (int i = 0; i < 20; ++i) {
    const Swim::Message ping = rig.next_ping();
    probed.insert(ping.to);
    rig.hear(ping.to.bytes[0], said(SwimMessage::Kind::kAck, decoded(ping).sequence));
  }
  CHECK(probed.size() == 8);
  const std::vector<NodeId> few{id(0), id(1)};
  rig.swim.set_members(few);
  CHECK(rig.swim.health(id(7)) == Health::kDead);
  for (int i = 0; i < 5; ++i) CHECK(rig.next_ping().to == id(1));
  rig.swim.set_members({});
  for (int i = 0; i < 5; ++i) CHECK(rig.next().empty());
}

TEST_CASE("dead nodes are pinged in turn and told that they count as dead") {
  Rig rig(5);
  for (std::size_t node : {1, 2, 3}) rig.tell(4, report(node, Health::kDead, 6));
  std::map<NodeId, int> pings;
  for (int i = 0; i < 200; ++i) {
    for (const Swim::Message& message : rig.next()) {
      const SwimMessage ping = decoded(message);
      if (message.to == id(4)) {
        rig.hear(4, said(SwimMessage::Kind::kAck, ping.sequence));
        continue;
      }
      ++pings[message.to];
      REQUIRE(!ping.reports.empty());
      CHECK(ping.reports[0] == SwimReport{message.to, Health::kDead, 6, {}});
    }
  }
  REQUIRE(pings.size() == 3);
  for (const auto& [node, count] : pings) CHECK(std::abs(count - 200 / 16) <= 1);
}

TEST_CASE("two nodes that take each other for dead, each after the other's refutation, find each other again") {
  Rig one(2, {}, 7);
  Swim other(id(1), 9, {}, Random(2), one.now_ms);
  other.set_members(ids(2));
  REQUIRE(other.receive(one.now_ms, id(0), encode(said(SwimMessage::Kind::kAck, 1, {report(0, Health::kDead, 6)}))));
  one.tell(1, report(1, Health::kDead, 8));
  for (int i = 0; i < 100 && one.swim.health(id(1)) == Health::kDead; ++i) {
    for (const Swim::Message& message : one.next()) {
      REQUIRE(other.receive(one.now_ms, id(0), message.bytes));
      for (const Swim::Message& answer : other.take_messages()) {
        REQUIRE(one.swim.receive(one.now_ms, id(1), answer.bytes));
      }
    }
  }
  CHECK(one.swim.health(id(1)) == Health::kAlive);
  CHECK(other.health(id(0)) == Health::kAlive);
}

TEST_CASE("messages stay within their bound however much there is to tell, and all of it is told in the end") {
  Rig rig(120);
  for (std::size_t node = 2; node < 120; ++node) rig.tell(1, report(node, Health::kSuspect, 7, 1 + node % 3));
  std::set<NodeId> told;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const auto answers = rig.hear(1, said(SwimMessage::Kind::kPing, i));
    CHECK(answers.at(0).bytes.size() <= kSwimMessageBytesMax);
    for (const SwimReport& known : decoded(answers[0]).reports) told.insert(known.node);
  }
  CHECK(told.size() == 119);  // those and itself
  CHECK(decoded(rig.hear(1, said(SwimMessage::Kind::kPing, 1)).at(0)).reports.empty());
}

TEST_CASE("messages are read back, and wrong ones are refused") {
  SwimMessage message =
      said(SwimMessage::Kind::kPingReq, 5, {report(1, Health::kSuspect, 2, 3), report(4, Health::kDead, 9)});
  message.target = id(6);
  message.nack_after_ms = 80;
  const Bytes bytes = encode(message);
  CHECK(decode_swim_message(bytes).value() == message);
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(!decode_swim_message(BytesView(bytes).substr(0, size)));
  CHECK(!decode_swim_message(bytes + "x"));
  CHECK(decode_swim_message(Bytes(1201, 'x')).error().code == Code::kTooLarge);
  CHECK(decode_swim_message(Bytes("\x02\x01\0\0\0\0\0", 7)).error().message == "probe: unknown version 2");
  CHECK(decode_swim_message(Bytes("\x01\x05\0\0\0\0\0", 7)).error().message == "probe: unknown kind 5");
  CHECK(
      decode_swim_message(encode(said(SwimMessage::Kind::kAck, 1, {report(1, Health::kDead, kSwimIncarnationMax + 1)})))
          .error()
          .message == "probe: a report has an incarnation beyond all bounds");
}

}  // namespace
