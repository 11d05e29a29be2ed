// What one user shares with others, step by step, and at each step each trouble: as integration.peer_trouble does it
// with real processes, over three simulated nodes (exchange_world.hpp).
#include <algorithm>

#include "exchange_world.hpp"

using namespace distri::peer;
using namespace distri::peer::test;

namespace {

constexpr int kTroubleSeconds = 8;
constexpr int kMendedSeconds = 30;

struct Trouble {
  std::string_view name;
  void (*begin)(World&);
  void (*end)(World&);
};

template <std::size_t who>
constexpr Trouble stopped(std::string_view name) {
  return {name, [](World& world) { world.peers()[who]->crash(); }, [](World& world) { world.peers()[who]->start(); }};
}
template <std::size_t who>
constexpr Trouble cut_off(std::string_view name) {
  return {name, [](World& world) { world.peers()[who]->online = false; },
          [](World& world) { world.peers()[who]->online = true; }};
}
template <std::size_t node, bool loses_all>
constexpr Trouble killed(std::string_view name) {
  return {name, [](World& world) { world.kill(node, loses_all); }, [](World& world) { world.revive(node); }};
}
template <bool nodes, bool links>
constexpr Trouble parted(std::string_view name) {
  return {name,
          [](World& world) {
            world.part_nodes(nodes);
            world.cut_links(links);
          },
          [](World& world) {
            world.part_nodes(false);
            world.cut_links(false);
          }};
}
template <bool links>
constexpr Trouble no_cloud(std::string_view name) {
  return {name,
          [](World& world) {
            for (std::size_t node = 0; node < 3; ++node) world.kill(node, false);
            world.cut_links(links);
          },
          [](World& world) {
            for (std::size_t node = 0; node < 3; ++node) world.revive(node);
            world.cut_links(false);
          }};
}

constexpr Trouble kTroubles[] = {
    {"none", [](World&) {}, [](World&) {}},
    stopped<0>("the owner is stopped"),
    stopped<1>("a viewer is stopped"),
    cut_off<0>("the owner reaches nobody"),
    cut_off<1>("a viewer reaches nobody"),
    killed<0, false>("node 0 is killed"),
    killed<1, false>("node 1 is killed"),
    killed<2, false>("node 2 is killed"),
    killed<0, true>("node 0 loses all"),
    killed<1, true>("node 1 loses all"),
    killed<2, true>("node 2 loses all"),
    parted<true, false>("the owner's node reaches no other"),
    parted<false, true>("the peers do not reach each other"),
    parted<true, true>("neither do the nodes nor the peers"),
    no_cloud<false>("all nodes are killed"),
    no_cloud<true>("nobody reaches anybody"),
};

// What the owner, the first of the world's peers, shares with one viewer.
class Life {
 public:
  enum Step { kPublish, kAsk, kGrant, kView, kViewBeyond, kRaise, kRevoke, kAskAgain, kRefuse, kSteps };

  Life(World& world, std::size_t viewer) : world_(world), owner_(*world.peers()[0]), viewer_(*world.peers()[viewer]) {}

  // Whoever is to act does so when he is there. Views are tried from then on, both ways in turn, also when none is left.
  void act(Step step) {
    if (step == kView || step == kViewBeyond || step == kRaise || step == kRevoke) view();
    SimulatedPeer& actor = step == kAsk || step == kAskAgain ? viewer_ : owner_;
    if (done_ == step || !actor.up()) return;
    done_ = step;
    switch (step) {
      case kPublish:
        owner_.files.insert("photo.png");
        return owner_.publish();
      case kAsk:
      case kAskAgain:
        return viewer_.request(owner_.agent().self(), "photo.png", 5);
      case kGrant:
        return owner_.approve(asked_.at(0), 3);
      case kRaise:
        return owner_.change_views(asked_.at(0), 4);
      case kRevoke:
        return owner_.revoke(asked_.at(0));
      case kRefuse:
        return owner_.refuse(asked_.at(1));
      default:
        return;
    }
  }

  // With all well again.
  void expect(Step step) {
    switch (step) {
      case kPublish:
        CHECK_FALSE(viewer_.agent().catalog().at({owner_.agent().self(), "photo.png"}).gone);
        return;
      case kAsk:
      case kAskAgain:
        return see_request();
      case kGrant:
        CHECK(viewer_.agent().pictures_due().empty());
        return see_grant(0, Entry::State::kGranted, 3);
      case kView:
      case kViewBeyond:
        CHECK(world_.views_of(asked_[0]) == 3);
        return see_grant(0, Entry::State::kGranted, 3);
      case kRaise:
        CHECK(world_.views_of(asked_[0]) == 4);
        return see_grant(0, Entry::State::kGranted, 4);
      case kRevoke:
        CHECK(world_.views_of(asked_[0]) == 4);
        return see_grant(0, Entry::State::kRevoked, 4);
      default:
        return see_grant(1, Entry::State::kRefused, 0);
    }
  }

 private:
  void view() {
    if (!viewer_.up()) return;
    from_escrow_ = !from_escrow_;
    from_escrow_ ? viewer_.view_from_escrow(asked_.at(0)) : viewer_.view_online(asked_.at(0));
  }
  void see_request() {
    for (const auto& [id, holding] : viewer_.agent().books().holdings.all()) {
      if (std::ranges::find(asked_, id) == asked_.end()) asked_.push_back(id);
    }
    const Entry* entry = owner_.agent().books().ledger.find(asked_.back());
    REQUIRE(entry != nullptr);
    CHECK(entry->state() == Entry::State::kWaiting);
    CHECK(entry->request.views == 5);
  }
  void see_grant(std::size_t which, Entry::State state, std::uint32_t views) {
    const Holding* holding = viewer_.agent().books().holdings.find(asked_.at(which));
    const Entry* entry = owner_.agent().books().ledger.find(asked_.at(which));
    CHECK(entry->state() == state);
    CHECK(holding->grant == entry->grant);
    CHECK(holding->grant->views == views);
  }

  World& world_;
  SimulatedPeer& owner_;
  SimulatedPeer& viewer_;
  Step done_ = kSteps;
  bool from_escrow_ = false;
  std::vector<GrantId> asked_;
};

// One life with each viewer, all at the same time.
void live(World& world, std::size_t viewers, const Trouble& trouble, int at_step) {
  std::vector<Life> lives;
  for (std::size_t viewer = 1; viewer <= viewers; ++viewer) lives.emplace_back(world, viewer);
  world.pass(3);
  for (int number = 0; number < Life::kSteps; ++number) {
    const auto step = static_cast<Life::Step>(number);
    CAPTURE(number);
    const auto go_on = [&](int seconds) {
      for (int second = 0; second < seconds; ++second) {
        for (Life& each : lives) each.act(step);
        world.pass(1);
      }
    };
    if (number == at_step) {
      trouble.begin(world);
      go_on(kTroubleSeconds);
      trouble.end(world);
    }
    go_on(number == at_step ? kMendedSeconds : kTroubleSeconds);
    for (Life& each : lives) each.expect(step);
  }
  world.pass(2 * kMendedSeconds);
  world.check();
}

void live_through_all(std::size_t viewers) {
  for (const Trouble& trouble : kTroubles) {
    CAPTURE(trouble.name);
    for (int step = 0; step < Life::kSteps; ++step) {
      CAPTURE(step);
      World world(World::Kind::kScript, static_cast<std::uint64_t>(step) + 1);
      live(world, viewers, trouble, step);
    }
  }
}

}  // namespace

TEST_CASE("What two peers share comes to its end whatever is wrong at a step") {
  live_through_all(1);
}

TEST_CASE("What five peers share comes to its end whatever is wrong at a step") {
  live_through_all(4);
}
