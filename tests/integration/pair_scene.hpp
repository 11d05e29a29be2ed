// pair_scene.hpp: two users, one of whom has an image that the other wants, and a node with keys that lets both in.
#pragma once

#include "peer_scene.hpp"

namespace distri::test {

// ana has dune.png, ben wants it; a cluster with keys.
struct PairScene {
  TestDirectory directory;
  KeyedNode node;
  Agent ana{directory.path(), "ana", adjust()};
  Agent ben{directory.path(), "ben", adjust()};
  const Bytes dune = sample_image(1);

  explicit PairScene(std::uint32_t escrow_views = 3) : escrow(escrow_views) {
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
    return [this](peer::PeerOptions& options) {
      options.nodes = {node.address()};
      options.client.cluster = node.cluster();
      options.escrow_views = escrow;
    };
  }
  peer::GrantId granted(std::uint32_t asked, std::uint32_t views) {
    const peer::Sent sent = take(ben->request_resource("ana", "dune.png", asked));
    REQUIRE(ana.has_to_answer(sent.id));
    take(ana->grant_resource(sent.id, views));
    REQUIRE(ben.hears(sent.id, peer::Holding::State::kGranted));
    REQUIRE(ben.has_picture(sent.id));
    return sent.id;
  }
  // Views as ben until there is none; why.
  peer::NotViewed::Why view_all(std::uint32_t& views) {
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

}  // namespace distri::test
