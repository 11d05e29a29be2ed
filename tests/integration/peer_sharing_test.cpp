// Peers that share images: real nodes, real links, real directories, in one process. The life of what is shared, with
// everybody away at each step.
#include <set>

#include "distri/net/sha256.hpp"
#include "pair_scene.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Scene = PairScene;
using Why = NotViewed::Why;
using State = Holding::State;

namespace {

// ana has dune.png, ben wants it; nodes without keys, with a disk, that come and go.
struct OpenScene {
  TestDirectory directory;
  Nodes nodes;
  Agent ana{directory.path(), "ana", adjust()};
  Agent ben{directory.path(), "ben", adjust()};
  const Bytes dune = sample_image(1);

  explicit OpenScene(std::size_t count) : nodes(count, directory.path()) {
    write_file(ana.pictures() / "dune.png", dune);
    ana.on();
    ana.publish();
    ben.on();
    REQUIRE(ben.knows(ana));
    REQUIRE(ana.knows(ben));
  }
  Agent::Adjust adjust() {
    return [this](PeerOptions& options) {
      options.nodes = nodes.addresses();
      options.escrow_views = 1;
      options.cloud_ms = 500;
    };
  }
};

}  // namespace

TEST_CASE(
    "An image is offered, asked for, granted with fewer views, seen so often, and no more until they are raised") {
  Scene scene(0);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  REQUIRE(comes_true([&] { return take(ben->fetch_catalog()).offers.size() == 1; }));
  const Catalog catalog = take(ben->fetch_catalog({.peer = "ana", .name_prefix = "du", .kind = "png"}));
  REQUIRE(catalog.offers.size() == 1);
  CHECK(catalog.current);
  CHECK(catalog.offers[0].owner_name == "ana");
  CHECK(catalog.offers[0].entry.digest == net::sha256(dune));
  CHECK(take(ben->fetch_catalog({.peer = {}, .name_prefix = "x", .kind = ""})).offers.empty());
  CHECK(ben->access_resource("ana", "dune.png").error().why == Why::kNotAsked);

  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  CHECK(sent.delivery == Delivery::kToldDirectly);
  REQUIRE(ana->pending_approvals().size() == 1);
  CHECK(ana->pending_approvals()[0].from == "ben");
  CHECK(ben->access_resource("ana", "dune.png").error().why == Why::kWaiting);
  CHECK(take(ana->grant_resource(sent.id, 2)) == Delivery::kToldDirectly);
  CHECK(ana->pending_approvals().empty());
  REQUIRE(ben.asked(sent.id)->state == State::kGranted);

  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 2);
  CHECK(ana.shares(sent.id).remaining == 0);
  take(ana->update_permission(sent.id, 3));
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 3);
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kViewed) == 3; }));
  CHECK(ana->grant_resource(sent.id, 1).error().code == Code::kAlreadyExists);

  take(ana->update_permission(sent.id, 9));
  take(ana->revoke(sent.id));
  CHECK(scene.view_all(views) == Why::kRevoked);
  const Sent second = take(ben->request_resource("ana", "dune.png", 5));
  take(ana->grant_resource(second.id, 0));
  CHECK(ben->access_grant(second.id).error().why == Why::kRefused);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("While the owner is away requests wait in the cloud, and views come from escrow until it is empty") {
  Scene scene(2);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  ana.off();
  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  CHECK(sent.delivery == Delivery::kWaitingInCloud);
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  ana.off();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  CHECK(take(ana->grant_resource(sent.id, 5)) == Delivery::kToldDirectly);
  REQUIRE(ben.has_picture(sent.id));
  REQUIRE(ana.has_in_escrow(sent.id, 2));
  ana.off();
  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kAway);
  CHECK(views == 2);
  // The owner learns of both, and fills the escrow again.
  ana.on();
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kEscrowUsed) == 2; }));
  REQUIRE(ana.has_in_escrow(sent.id, 2));
  CHECK(ana.shares(sent.id).remaining == 1);
  REQUIRE(ben.knows(ana));
  const auto online = ben->access_resource("ana", "dune.png");
  REQUIRE(online.has_value());
  CHECK(!online->from_escrow);
  // What lies in the cloud is to be had also while he is there.
  views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 2);
  ana.off();
  CHECK(scene.view_all(views) == Why::kUsedUp);
  // A withdrawal reaches him, too.
  CHECK(take(ben->withdraw(sent.id)) == Delivery::kWaitingInCloud);
  ana.on();
  CHECK(comes_true([&] { return ana->shared().empty(); }));
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kWithdrawn) == 1; }));
  CHECK(ana.count(PeerEvent::Kind::kDoubleUse) == 0);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("While the viewer is away answers wait in the cloud, whatever they are") {
  Scene scene(1);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const Sent first = take(ben->request_resource("ana", "dune.png", 1));
  const Sent second = take(ben->request_resource("ana", "dune.png", 2));
  REQUIRE(ana.has_to_answer(second.id));
  ben.off();
  CHECK(take(ana->grant_resource(first.id, 1)) == Delivery::kWaitingInCloud);
  CHECK(take(ana->grant_resource(second.id, 0)) == Delivery::kWaitingInCloud);
  ben.on();
  REQUIRE(ben.has_picture(first.id));
  REQUIRE(ben.hears(second.id, State::kRefused));
  ben.off();
  CHECK(take(ana->update_permission(first.id, 3)) == Delivery::kWaitingInCloud);
  ben.on();
  CHECK(comes_true([&] { return ben.asked(first.id)->grant->views == 3; }));
  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 3);
  take(ana->update_permission(first.id, 4));
  ben.off();
  CHECK(take(ana->revoke(first.id)) == Delivery::kWaitingInCloud);
  ben.on();
  REQUIRE(ben.hears(first.id, State::kRevoked));
  CHECK(ben->access_grant(first.id).error().why == Why::kRevoked);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("Both are restarted after each step, and nothing is lost or given twice") {
  Scene scene(1);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const auto restart = [&] {
    ana.off();
    ben.off();
    ana.on();
    ana.publish();
    ben.on();
  };
  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  restart();
  REQUIRE(ana.has_to_answer(sent.id));
  take(ana->grant_resource(sent.id, 4));
  restart();
  REQUIRE(ben.has_picture(sent.id));
  std::set<std::uint32_t> serials;
  for (int i = 0; i < 4; ++i) {
    // By whichever way there is one.
    std::optional<Viewed> seen;
    REQUIRE(comes_true([&] {
      auto viewed = ben->access_grant(sent.id);
      if (viewed) seen = *std::move(viewed);
      return seen.has_value();
    }));
    CHECK(seen->image == dune);
    CHECK(serials.insert(seen->serial).second);
    restart();
  }
  CHECK(comes_true([&] {
    const auto viewed = ben->access_grant(sent.id);
    REQUIRE(!viewed.has_value());
    return viewed.error().why == Why::kUsedUp;
  }));
  CHECK(ana.shares(sent.id).remaining == 0);
  take(ana->revoke(sent.id));
  restart();
  REQUIRE(ben.hears(sent.id, State::kRevoked));
  CHECK(ana->shared().empty());
  CHECK(ana.count(PeerEvent::Kind::kRequested) <= 1);
  CHECK(ana.count(PeerEvent::Kind::kDoubleUse) == 0);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("Many who view at once get as many views as were granted, each with another serial") {
  Scene scene(2);
  constexpr std::uint32_t kViews = 7;
  const GrantId id = scene.granted(9, kViews);
  std::mutex mutex;
  std::multiset<std::uint32_t> serials;
  std::vector<std::thread> viewers;
  for (int i = 0; i < 4; ++i) {
    viewers.emplace_back([&] {
      for (;;) {
        const auto seen = scene.ben->access_grant(id);
        if (!seen) return;
        const std::lock_guard lock(mutex);
        CHECK(seen->image == scene.dune);
        serials.insert(seen->serial);
      }
    });
  }
  for (auto& each : viewers) each.join();
  // The last ones may still be on their way into escrow.
  CHECK(comes_true([&] {
    const auto seen = scene.ben->access_grant(id);
    if (seen) serials.insert(seen->serial);
    return serials.size() == kViews;
  }));
  CHECK(std::set(serials.begin(), serials.end()).size() == kViews);
  CHECK(scene.ben->access_grant(id).error().why == Why::kUsedUp);
  CHECK(scene.ana.count(PeerEvent::Kind::kDoubleUse) == 0);
}

TEST_CASE("Many requests and answers at once: each is answered once") {
  Scene scene(0);
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<GrantId> asked;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 3; ++n) {
        const Sent sent = take(scene.ben->request_resource("ana", "dune.png", 2));
        const std::lock_guard lock(mutex);
        asked.push_back(sent.id);
      }
    });
  }
  for (auto& each : threads) each.join();
  threads.clear();
  for (const GrantId& id : asked) REQUIRE(scene.ana.has_to_answer(id));
  std::atomic<int> granted = 0;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    threads.emplace_back([&, i] {
      for (const GrantId& id : asked) {
        const auto answered = scene.ana->grant_resource(id, i);
        granted += answered ? 1 : 0;
        if (!answered) CHECK(answered.error().code == Code::kAlreadyExists);
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(granted == static_cast<int>(asked.size()));
  for (const GrantId& id : asked) {
    REQUIRE(scene.ben.has_picture(id));
    const auto seen = scene.ben->access_grant(id);
    REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
    CHECK(seen->image == scene.dune);
  }
}

TEST_CASE("Without any node everything goes over direct links, and the cloud hears of it when nodes are there again") {
  OpenScene scene(2);
  auto& [directory, nodes, ana, ben, dune] = scene;
  REQUIRE(comes_true([&] { return take(ben->fetch_catalog()).offers.size() == 1; }));
  // One node goes: nothing is noticed.
  nodes.stop(0);
  const Sent first = take(ben->request_resource("ana", "dune.png", 5));
  REQUIRE(ana.has_to_answer(first.id));
  take(ana->grant_resource(first.id, 5));
  REQUIRE(ben.has_picture(first.id));
  REQUIRE(ana.has_in_escrow(first.id, 1));
  REQUIRE(ben->access_grant(first.id).has_value());
  // Both go.
  nodes.stop(1);
  REQUIRE(comes_true(
      [&] { return ana.count(PeerEvent::Kind::kCloudAway) > 0 && ben.count(PeerEvent::Kind::kCloudAway) > 0; }));
  const Sent second = take(ben->request_resource("ana", "dune.png", 3));
  CHECK(second.delivery == Delivery::kToldDirectly);
  CHECK(!take(ben->fetch_catalog()).current);
  CHECK(take(ben->fetch_catalog()).offers.size() == 1);
  CHECK(take(ana->grant_resource(second.id, 2)) == Delivery::kToldDirectly);
  REQUIRE(ben.has_picture(second.id));
  for (int i = 0; i < 2; ++i) {
    const auto seen = ben->access_grant(second.id);
    REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
    CHECK(seen->image == dune);
  }
  CHECK(ben->access_grant(second.id).error().why != Why::kFailed);
  // Nobody is there: kept, over a restart as well.
  ana.off();
  const Sent third = take(ben->request_resource("ana", "dune.png", 1));
  CHECK(third.delivery == Delivery::kKeptHere);
  CHECK(ben->access_grant(second.id).error().why == Why::kAway);
  ben.off();
  ben.on();
  // Nodes and owner come back.
  nodes.start_again();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(third.id));
  take(ana->grant_resource(third.id, 1));
  REQUIRE(ben.hears(third.id, State::kGranted));
  client::Client reader(nodes.addresses());
  CHECK(comes_true([&] { return reader.count("grants").value_or(0) == 3; }));
  CHECK(comes_true([&] { return reader.count("requests").value_or(0) == 3; }));
}

TEST_CASE(
    "A peer says how far it has come with what is to be told and fetched, without nodes, with them, and in between") {
  OpenScene scene(1);
  auto& [directory, nodes, ana, ben, dune] = scene;
  const auto told_all = [](Agent& agent) {
    return comes_true([&] {
      const Standing standing = agent->standing();
      return standing.cloud_read && !standing.cloud_away && standing.untold == 0;
    });
  };
  REQUIRE(told_all(ana));
  const auto rounds = ana->standing().rounds;
  CHECK(comes_true([&] { return ana->standing().rounds > rounds; }));
  const Sent first = take(ben->request_resource("ana", "dune.png", 2));
  REQUIRE(told_all(ben));
  CHECK(ben->delivery(first.id) == Delivery::kWaitingInCloud);
  // Without the node.
  nodes.stop(0);
  REQUIRE(comes_true([&] { return ana->standing().cloud_away && ben->standing().cloud_away; }));
  CHECK(take(ana->grant_resource(first.id, 2)) == Delivery::kToldDirectly);
  CHECK(ana->delivery(first.id) == Delivery::kToldDirectly);
  CHECK(comes_true([&] { return ana->standing().untold >= 2; }));  // the grant, and its escrow
  CHECK(!ana->standing().cloud_read);
  CHECK(comes_true([&] { return ben->standing().to_fetch == 0 && ben->available().at(0).picture_here; }));
  ana.off();
  const Sent second = take(ben->request_resource("ana", "dune.png", 2));
  CHECK(second.delivery == Delivery::kKeptHere);
  CHECK(ben->delivery(second.id) == Delivery::kKeptHere);
  CHECK(ben->standing().untold == 1);
  // What is kept here is told by the next life as well.
  ben.off();
  ben.on();
  CHECK(ben->delivery(second.id) == Delivery::kKeptHere);
  nodes.start_again();
  REQUIRE(told_all(ben));
  CHECK(ben->delivery(second.id) == Delivery::kWaitingInCloud);
  // Its answer while he is away, and he while the picture's owner is.
  ben.off();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(second.id));
  take(ana->grant_resource(second.id, 1));
  REQUIRE(told_all(ana));
  CHECK(ana->delivery(second.id) == Delivery::kWaitingInCloud);
  ana.off();
  ben.on();
  REQUIRE(ben.hears(second.id, State::kGranted));
  CHECK(comes_true([&] { return ben->standing().to_fetch == 0; }));  // the try has failed
  CHECK(std::ranges::count(ben->available(), false, &AvailableResource::picture_here) == 1);
  // Who has no cloud at all keeps what he cannot tell directly.
  Agent cem(directory.path(), "cem");
  cem.on();
  CHECK(cem->standing().cloud_away);
  CHECK(!cem->standing().cloud_read);
  CHECK(cem->standing().untold <= 1);  // his own record, which nobody takes
  const Sent third = take(cem->request_resource(ana.id().hex(), "dune.png", 1));
  CHECK(third.delivery == Delivery::kKeptHere);
  CHECK(cem->delivery(third.id) == Delivery::kKeptHere);
}

TEST_CASE("Nodes that have lost everything are told again by the peers, who go on with them") {
  OpenScene scene(1);
  auto& [directory, nodes, ana, ben, dune] = scene;
  const Sent first = take(ben->request_resource("ana", "dune.png", 5));
  REQUIRE(ana.has_to_answer(first.id));
  take(ana->grant_resource(first.id, 3));
  REQUIRE(ben.has_picture(first.id));
  REQUIRE(ana.has_in_escrow(first.id, 1));
  nodes.stop(0);
  std::filesystem::remove_all(directory.path() / "node0");
  nodes.start_again();
  client::Client reader(nodes.addresses());
  for (const std::string collection : {"requests", "grants", "catalog"}) {
    CHECK(comes_true([&] { return reader.count(collection).value_or(0) == 1; }));
  }
  CHECK(comes_true([&] { return reader.count("users").value_or(0) == 2; }));
  // Nobody but its owner writes a record of these collections, as before.
  std::size_t owned = 0;
  for (const auto& each : take(reader.list_collections())) {
    owned += each.contains("options") && each["options"].contains("ownerField") ? 1 : 0;
  }
  CHECK(owned == 6);
  // The owner is away: what is asked for and answered goes through these nodes.
  ana.off();
  const Sent second = take(ben->request_resource("ana", "dune.png", 1));
  CHECK(comes_true([&] { return ben->delivery(second.id) == Delivery::kWaitingInCloud; }));
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(second.id));
  take(ana->grant_resource(second.id, 1));
  REQUIRE(ben.has_picture(second.id));
  // The view whose key was lost with the nodes may have been used: it is not given again, and nobody waits for it.
  std::uint32_t views = 0;
  CHECK(comes_true([&] {
    const auto seen = ben->access_grant(first.id);
    if (!seen) return seen.error().why == Why::kUsedUp;
    CHECK(seen->image == dune);
    ++views;
    return false;
  }));
  CHECK(views == 2);
  CHECK(ana.shares(first.id).used == 3);
}
