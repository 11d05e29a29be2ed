// Peers that share images: real nodes, real links, real directories, in one process.
#include "peer_scene.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Why = NotViewed::Why;
using State = Holding::State;

namespace {

// ana has dune.png, ben wants it; a cluster with keys.
struct Scene {
  TestDirectory directory;
  KeyedNode node;
  Agent ana{directory.path(), "ana", adjust()};
  Agent ben{directory.path(), "ben", adjust()};
  const Bytes dune = sample_image(1);

  explicit Scene(std::uint32_t escrow_views = 3) : escrow(escrow_views) {
    let_in(node, ana, "ana");
    let_in(node, ben, "ben");
    write_file(ana.pictures() / "dune.png", dune);
    ana.on();
    ana.publish();
    ben.on();
    REQUIRE(ben.knows(ana));
    REQUIRE(ana.knows(ben));
  }
  Agent::Adjust adjust() {
    return [this](PeerOptions& options) {
      options.nodes = {node.address()};
      options.client.cluster = node.cluster();
      options.escrow_views = escrow;
    };
  }
  GrantId granted(std::uint32_t asked, std::uint32_t views) {
    const Sent sent = take(ben->request_resource("ana", "dune.png", asked));
    REQUIRE(ana.has_to_answer(sent.id));
    take(ana->grant_resource(sent.id, views));
    REQUIRE(ben.hears(sent.id, State::kGranted));
    REQUIRE(ben.has_picture(sent.id));
    return sent.id;
  }
  // Views as ben until there is none; why.
  Why view_all(std::uint32_t& views) {
    for (;;) {
      const auto seen = ben->access_resource("ana", "dune.png");
      if (!seen) {
        INFO(seen.error().error.message);
        return seen.error().why;
      }
      CHECK(seen->image == dune);
      ++views;
    }
  }
  std::uint32_t escrow;
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
  CHECK(catalog.offers[0].entry.digest == blake2b_256(dune));
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
