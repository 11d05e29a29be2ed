// share_cast.hpp: three nodes as processes and up to five users who share, all behind relays that a test can cut.
#pragma once

#include <map>

#include "share_life.hpp"

namespace distri::test {

inline constexpr std::size_t kNodes = 3;
inline constexpr std::array<const char*, 5> kNames = {"ana", "ben", "cem", "dag", "eva"};

// Three nodes and some users, who all know each other. Ends of the relays: the nodes, then the users.
struct Cast {
  TestDirectory directory;
  Relays relays;
  NodeProcesses nodes;
  std::vector<std::unique_ptr<Agent>> agents;
  std::vector<std::unique_ptr<ShareLife>> lives;
  std::map<std::size_t, std::size_t> lives_of;  // by owner
  std::int64_t poll_ms = 20;                    // of users that are switched on from now on

  // Which nodes each of the users speaks to.
  explicit Cast(const std::vector<std::vector<std::size_t>>& attached)
      : relays(kNodes + attached.size()), nodes(kNodes, directory.path(), relays) {
    for (std::size_t i = 0; i < attached.size(); ++i) {
      agents.push_back(std::make_unique<Agent>(directory.path(), kNames[i], adjust(attached[i], i)));
    }
    for (std::size_t i = 0; i < agents.size(); ++i) on(i);
    for (const auto& each : agents) {
      for (const auto& other : agents) {
        if (each != other) REQUIRE(each->knows(*other));
      }
    }
  }
  Agent::Adjust adjust(const std::vector<std::size_t>& attached, std::size_t number) {
    return [this, attached, number](peer::PeerOptions& options) {
      for (const std::size_t node : attached) options.nodes.push_back(nodes.address(node));
      options.client.discover = false;
      options.advertised = {relays.address(kNodes + number)};
      options.escrow_views = 2;
      options.poll_ms = poll_ms;
      options.cloud_ms = 2'000;
      options.direct_ms = 700;
    };
  }
  Agent& agent(std::size_t number) { return *agents[number]; }
  void on(std::size_t number) {
    agent(number).on();
    relays.forward(kNodes + number, agent(number)->address());
  }
  ShareLife& share(std::size_t owner, std::size_t viewer) {
    ++lives_of[owner];
    lives.push_back(std::make_unique<ShareLife>(agent(owner), agent(viewer), static_cast<int>(lives.size() + 1)));
    return *lives.back();
  }
  // What the first shares with the second: asked for, granted, and its picture fetched.
  peer::GrantId granted(std::uint32_t views) {
    write_file(agent(0).pictures() / "dune.png", sample_image(1));
    agent(0).publish();
    const peer::Sent sent = take(agent(1)->request_resource(agent(0).id().hex(), "dune.png", views));
    REQUIRE(agent(0).has_to_answer(sent.id));
    take(agent(0)->grant_resource(sent.id, views));
    REQUIRE(agent(1).has_picture(sent.id));
    return sent.id;
  }
  void cut_direct(Relays::Cut how) {
    for (std::size_t i = 0; i < agents.size(); ++i) relays.cut(Relays::kAnybody, kNodes + i, how);
  }
  // Node 0 from the other two.
  void cut_cloud(Relays::Cut how) {
    for (const std::size_t other : {1u, 2u}) relays.cut(0, other, how);
  }
  void mend_cloud() {
    for (const std::size_t other : {1u, 2u}) relays.mend(0, other);
  }
  void mend_direct() {
    for (std::size_t i = 0; i < agents.size(); ++i) relays.mend(Relays::kAnybody, kNodes + i);
  }
  // Whether what is written at a node gets to all others.
  bool reaches_all_from(std::size_t node) const {
    client::ClientOptions options;
    options.discover = false;
    client::Client client({nodes.address(node)}, options);
    client::WriteOptions all;
    all.w = client::WriteConcern::all();
    all.timeout_ms = 500;
    return client.add_document("probes", {{"from", node}}, all).has_value();
  }
  // All that was to be told was told, everybody has the same, and each life came to its end. `apart`: the cloud was in
  // parts, so a key that was used on one side just before may have been taken back on the other; that is reported.
  void check(bool apart = false) {
    for (const auto& each : agents) {
      CHECK(comes_true([&] {
        const peer::Standing standing = (*each)->standing();
        return standing.cloud_read && !standing.cloud_away && standing.untold == 0;
      }));
    }
    CHECK(nodes.differences() == "");
    CHECK(take(nodes.read(0, "requests")).size() == 2 * lives.size());
    CHECK(take(nodes.read(0, "grants")).size() == 2 * lives.size());
    for (const auto& each : lives) each->check(nodes);
    for (std::size_t i = 0; i < agents.size(); ++i) {
      CAPTURE(i);
      CHECK(agent(i).count(peer::PeerEvent::Kind::kRequested) == 2 * lives_of[i]);
      CHECK(agent(i).count(peer::PeerEvent::Kind::kDoubleUse) == 0);
      CHECK((apart || agent(i).count(peer::PeerEvent::Kind::kUsedAfterTakenBack) == 0));
      CHECK(comes_true([&] {
        return agent(i).count(peer::PeerEvent::Kind::kViewed) + agent(i).count(peer::PeerEvent::Kind::kEscrowUsed) ==
               ShareLife::kViews * lives_of[i] + agent(i).count(peer::PeerEvent::Kind::kNotUsed);
      }));
      CHECK(agent(i).troubles() == "");
    }
  }
};

}  // namespace distri::test
