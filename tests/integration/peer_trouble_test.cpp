// What users share goes through its whole life while nodes are killed, links are cut and the cloud falls apart, at each
// step: three nodes as processes, peers in this one, real links. In the end every node holds the same, no request was
// lost or answered twice, and no view was given twice.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "distri/peer/cloud_records.hpp"
#include "distri/utils/random.hpp"
#include "share_cast.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Kind = PeerEvent::Kind;
using Cut = Relays::Cut;
using Why = NotViewed::Why;

namespace {

enum class Moment : std::uint8_t { kBefore, kDuring, kAfter };

// One step of some lives while a node is killed; where `others_do`, the rest of the nodes bring it to its end before
// that one comes back.
void step_with_kill(Cast& cast, std::span<ShareLife* const> lives, std::size_t step, std::size_t victim, Moment moment,
                    bool others_do) {
  const ShareLife::Step& one = ShareLife::steps()[step];
  INFO(one.name, ", node ", victim, " is killed, moment ", static_cast<int>(moment));
  for (ShareLife* life : lives) (life->*one.prepare)();
  static Random random(11);
  if (moment == Moment::kBefore) cast.nodes.kill(victim);
  std::thread killer;
  if (moment == Moment::kDuring) {
    // Somewhere in what follows.
    killer = std::thread([&, after_us = random.below(6'000)] {
      std::this_thread::sleep_for(std::chrono::microseconds(after_us));
      cast.nodes.kill(victim);
    });
  }
  for (ShareLife* life : lives) (life->*one.act)();
  if (killer.joinable()) killer.join();
  if (moment == Moment::kAfter) cast.nodes.kill(victim);
  const bool before = others_do && moment == Moment::kBefore;
  if (!before) cast.nodes.start(victim);
  for (ShareLife* life : lives) (life->*one.settle)();
  if (before) cast.nodes.start(victim);
}

Moment moment_of(std::size_t number) {
  return static_cast<Moment>(number % 3);
}

// Each step of some lives, with a trouble around the calls of each.
template <class Begin, class End>
void live_with(std::span<ShareLife* const> lives, Begin begin, End end) {
  for (const ShareLife::Step& step : ShareLife::steps()) {
    INFO(step.name);
    for (ShareLife* life : lives) (life->*step.prepare)();
    begin();
    for (ShareLife* life : lives) (life->*step.act)();
    end();
    for (ShareLife* life : lives) (life->*step.settle)();
  }
}

}  // namespace

TEST_CASE("Each of three nodes is killed at each step of what two peers share, before, during and after the calls") {
  Cast cast({{0, 1, 2}, {1, 2, 0}});
  for (std::size_t victim = 0; victim < kNodes; ++victim) {
    ShareLife* const life = &cast.share(0, 1);
    for (std::size_t step = 0; step < ShareLife::steps().size(); ++step) {
      step_with_kill(cast, {{life}}, step, victim, moment_of(step + victim), true);
    }
  }
  cast.check();
}

TEST_CASE("The only node that a peer speaks to is killed at each step, the owner's and the viewer's") {
  Cast cast({{0}, {1}});
  for (std::size_t victim = 0; victim < 2; ++victim) {
    ShareLife* const life = &cast.share(0, 1);
    for (std::size_t step = 0; step < ShareLife::steps().size(); ++step) {
      step_with_kill(cast, {{life}}, step, victim, moment_of(step + victim), false);
    }
  }
  cast.check();
}

TEST_CASE("Five peers share with each other while a node is killed at each step") {
  Cast cast({{0, 1, 2}, {1}, {2, 0}, {0}, {0, 1, 2}});
  std::vector<ShareLife*> lives;
  for (std::size_t i = 0; i < 5; ++i) lives.push_back(&cast.share(i, (i + 1) % 5));
  for (std::size_t step = 0; step < ShareLife::steps().size(); ++step) {
    step_with_kill(cast, lives, step, step % kNodes, moment_of(step / 2), false);
  }
  cast.check();
}

TEST_CASE("The direct link between two peers is cut at each step: closed, or silent") {
  Cast cast({{0, 1, 2}, {1, 2, 0}});
  for (const Cut how : {Cut::kClosed, Cut::kSilent}) {
    ShareLife& life = cast.share(0, 1);
    live_with({{&life}}, [&] { cast.cut_direct(how); }, [&] { cast.mend_direct(); });
    CHECK(life.asked() == Delivery::kWaitingInCloud);
  }
  cast.check();
}

TEST_CASE("At each step the cloud falls apart between two peers, who reach each other or do not") {
  Cast cast({{0}, {1, 2}});
  for (const Cut how : {Cut::kClosed, Cut::kSilent}) {
    for (const bool direct : {true, false}) {
      CAPTURE(direct);
      CHECK(comes_true([&] { return cast.reaches_all_from(0); }));
      bool first = true;
      ShareLife& life = cast.share(0, 1);
      live_with(
          {{&life}},
          [&] {
            cast.cut_cloud(how);
            if (!direct) cast.cut_direct(how);
            if (std::exchange(first, false)) CHECK(!cast.reaches_all_from(0));
          },
          [&] {
            cast.mend_cloud();
            cast.mend_direct();
          });
      CHECK(life.asked() == (direct ? Delivery::kToldDirectly : Delivery::kWaitingInCloud));
    }
  }
  cast.check(true);
}

TEST_CASE(
    "Five peers share with each other while the cloud falls apart at each step, and direct links at every other") {
  Cast cast({{0}, {1}, {2, 1}, {0, 1}, {2}});
  std::vector<ShareLife*> lives;
  for (std::size_t i = 0; i < 5; ++i) lives.push_back(&cast.share(i, (i + 1) % 5));
  std::size_t step = 0;
  live_with(
      lives,
      [&] {
        cast.cut_cloud(Cut::kClosed);
        if (step++ % 2 == 1) cast.cut_direct(Cut::kClosed);
      },
      [&] {
        cast.mend_cloud();
        cast.mend_direct();
      });
  cast.check(true);
}

// ---- Escrow on both sides of a partition

TEST_CASE("Two devices of a viewer take the same keys on two sides of a partition, and the owner is told of each") {
  Cast cast({{0}, {1}});
  Agent& ana = cast.agent(0);
  Agent& ben = cast.agent(1);
  const GrantId id = cast.granted(2);
  REQUIRE(ana.has_in_escrow(id, 2));
  const auto on_node_2 = [&](PeerOptions& options) {
    cast.adjust({2}, 1)(options);
    options.advertised.clear();
  };
  Agent phone(cast.directory.path(), "phone", on_node_2, &ben);
  phone.on();
  REQUIRE(phone.has_picture(id));
  REQUIRE(cast.nodes.differences() == "");
  ana.off();
  cast.relays.cut(1, 2, Cut::kClosed);
  cast.relays.cut(0, 2, Cut::kClosed);
  std::set<std::uint32_t> serials;
  for (Agent* device : {&ben, &phone}) {
    for (int i = 0; i < 2; ++i) {
      const auto seen = (*device)->access_grant(id);
      REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
      CHECK(seen->from_escrow);
      serials.insert(seen->serial);
    }
    CHECK((*device)->access_grant(id).error().why == Why::kUsedUp);
  }
  CHECK(serials.size() == 2);
  cast.relays.mend(1, 2);
  cast.relays.mend(0, 2);
  cast.on(0);
  CHECK(comes_true([&] { return ana.count(Kind::kDoubleUse) == 2 && ana.count(Kind::kEscrowUsed) == 4; }));
  CHECK(ana.shares(id).used == 2);
  CHECK(ana.shares(id).remaining == 0);
  CHECK(ben->access_grant(id).error().why == Why::kUsedUp);
  CHECK(cast.nodes.differences() == "");
  CHECK(take(cast.nodes.read(0, "viewkeys")).empty());
  CHECK(take(cast.nodes.read(0, "receipts")).size() == 4);
}

TEST_CASE("Keys that the owner takes back on her side and that are used on the other are reported, and counted once") {
  Cast cast({{0}, {1, 2}});
  Agent& ana = cast.agent(0);
  Agent& ben = cast.agent(1);
  const GrantId id = cast.granted(2);
  REQUIRE(ana.has_in_escrow(id, 2));
  REQUIRE(cast.nodes.differences() == "");
  cast.cut_direct(Cut::kClosed);
  cast.cut_cloud(Cut::kClosed);
  take(ana->update_permission(id, 0));
  REQUIRE(ana.has_in_escrow(id, 0));
  for (int i = 0; i < 2; ++i) REQUIRE(ben->access_grant(id).has_value());
  cast.mend_cloud();
  cast.mend_direct();
  CHECK(comes_true([&] { return ana.count(Kind::kUsedAfterTakenBack) == 2; }));
  // With four views in all two are left.
  take(ana->update_permission(id, 4));
  std::size_t views = 0;
  CHECK(comes_true([&] {
    const auto seen = ben->access_grant(id);
    views += seen ? 1 : 0;
    return !seen && seen.error().why == Why::kUsedUp && views == 2;
  }));
  CHECK(ana.shares(id).used == 4);
  CHECK(ana.count(Kind::kDoubleUse) == 0);
  CHECK(cast.nodes.differences() == "");
}

TEST_CASE(
    "While the last views lie where the viewer's node cannot see them he hears to try again, not that all are used") {
  Cast cast({{0}, {1, 2}});
  Agent& ana = cast.agent(0);
  Agent& ben = cast.agent(1);
  cast.cut_cloud(Cut::kClosed);
  const GrantId id = cast.granted(3);
  REQUIRE(ana.has_in_escrow(id, 2));
  REQUIRE(ben->access_grant(id).has_value());
  const auto nothing = ben->access_grant(id);
  REQUIRE(!nothing.has_value());
  CHECK(nothing.error().why == Why::kTryAgain);
  CHECK(nothing.error().error.message.contains("its last views lie in the cloud"));
  cast.mend_cloud();
  std::size_t views = 1;
  CHECK(comes_true([&] {
    const auto seen = ben->access_grant(id);
    if (!seen) {
      CHECK((seen.error().why == Why::kTryAgain || views == 3));
      return seen.error().why == Why::kUsedUp;
    }
    ++views;
    return false;
  }));
  CHECK(views == 3);
  // Nor while some are to be taken out again.
  take(ana->update_permission(id, 5));
  REQUIRE(ana.has_in_escrow(id, 2));
  REQUIRE(cast.nodes.differences() == "");
  cast.nodes.kill(0);
  take(ana->update_permission(id, 4));
  const auto less = ben->access_grant(id);
  if (!less) CHECK(less.error().why == Why::kTryAgain);
  views += less ? 1 : 0;
  cast.nodes.start(0);
  CHECK(comes_true([&] {
    const auto seen = ben->access_grant(id);
    if (!seen) return seen.error().why == Why::kUsedUp;
    ++views;
    return false;
  }));
  // What was in escrow when the views were lowered he may have been faster to take. Each is counted, and none that he
  // has reached for in vain.
  CHECK((views == 4 || views == 5));
  CHECK(comes_true([&] { return ana.shares(id).used == views && ana.shares(id).in_escrow == 0; }));
}

TEST_CASE("Who has taken a view key and not heard of it hears so at any node, and only who has asked so") {
  Cast cast({{0}, {1, 2}});
  const GrantId id = cast.granted(2);
  REQUIRE(cast.agent(0).has_in_escrow(id, 2));
  REQUIRE(cast.nodes.differences() == "");
  const PublicKey owner = cast.agent(0).id();
  const auto at = [&](std::size_t node, const auto& call) {
    client::ClientOptions options;
    options.discover = false;
    client::Client client({cast.nodes.address(node)}, options);
    return call(CloudRecords(client, {}));
  };
  const auto keys = at(0, [&](const CloudRecords& cloud) { return take(cloud.view_keys(owner, id)).records; });
  REQUIRE(keys.size() == 2);
  const auto mine = RequestId::from_view("0123456789abcdef");
  const auto another = RequestId::from_view("fedcba9876543210");
  CHECK(at(0, [&](CloudRecords cloud) { return take(cloud.take(keys[0], mine)); }));
  CHECK(at(0, [&](CloudRecords cloud) { return take(cloud.take_back(owner, {{id, keys[1].serial}, another})); }));
  REQUIRE(cast.nodes.differences() == "");
  for (std::size_t node = 0; node < kNodes; ++node) {
    CAPTURE(node);
    CHECK(at(node, [&](CloudRecords cloud) { return take(cloud.take(keys[0], mine)); }));
    CHECK(at(node, [&](CloudRecords cloud) { return take(cloud.take_back(owner, {{id, keys[1].serial}, another})); }));
    const auto third = RequestId::from_view(fmt::format("the third, at {:5}", node));
    CHECK(!at(node, [&](CloudRecords cloud) { return take(cloud.take(keys[0], third)); }));
  }
}

// ---- Change streams

TEST_CASE("What changes in the cloud is told by change streams, without a look, also when nodes are killed") {
  Cast cast({{0, 1, 2}, {1, 2, 0}});
  Agent& ana = cast.agent(0);
  Agent& ben = cast.agent(1);
  // From now on they do not look by themselves, and do not hear of each other directly.
  cast.cut_direct(Cut::kClosed);
  cast.poll_ms = 3'600'000;
  for (const std::size_t each : {0u, 1u}) {
    cast.agent(each).off();
    cast.on(each);
  }
  REQUIRE(comes_true([&] { return ana->standing().cloud_read && ben->standing().cloud_read; }));
  write_file(ana.pictures() / "late.png", sample_image(7));
  ana.publish();
  REQUIRE(comes_true([&] { return ben.count(Kind::kCatalogChanged) > 0; }));
  for (std::size_t victim = 0; victim < kNodes; ++victim) {
    cast.nodes.kill(victim);
    const Sent sent = take(ben->request_resource(ana.id().hex(), "late.png", 3));
    CHECK(sent.delivery == Delivery::kWaitingInCloud);
    REQUIRE(ana.has_to_answer(sent.id));
    take(ana->grant_resource(sent.id, 3));
    REQUIRE(ben.hears(sent.id, Holding::State::kGranted));
    cast.nodes.start(victim);
    take(ana->update_permission(sent.id, 5));
    CHECK(comes_true([&] { return ben.asked(sent.id)->grant->views == 5; }));
    take(ana->revoke(sent.id));
    REQUIRE(ben.hears(sent.id, Holding::State::kRevoked));
  }
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (argc > 1 && arguments[1] == kNodeRole) be_node(arguments);
  return doctest::Context(argc, argv).run();
}
