// However messages, nodes, owners, viewers and disks fail (exchange_world.hpp): no request is lost or answered twice,
// no view is given twice, nothing is said that is not saved, nothing stays untold, and all say the same in the end.
#include "exchange_world.hpp"

using namespace distri::peer::test;

namespace {

World::Counts live_through(World::Kind kind, std::uint64_t seeds) {
  World::Counts all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    World world(kind, seed);
    for (int step = 0; step < 3500; ++step) {
      CAPTURE(step);
      world.step();
    }
    world.settle();
    world.check();
    all.add(world.counts());
  }
  MESSAGE(all.text());
  return all;
}

}  // namespace

TEST_CASE("between peers that crash and lose messages, no request and no view is lost or given twice") {
  const auto all = live_through(World::Kind::kTrouble, 12);
  CHECK((all.requests > 100 && all.online > 100 && all.from_escrow > 100 && all.crashes > 200 && all.reported > 10));
  CHECK((all.kills > 200 && all.losses > 50 && all.taken_back > 30 && all.forgotten > 10 && all.full > 100));
  CHECK((all.directly > 500 && all.by_cloud > 500));
}

TEST_CASE("where all peers speak to one node, which has all, no key is used twice, and no view lost but in a crash") {
  const auto all = live_through(World::Kind::kOneNode, 20);
  CHECK((all.requests > 50 && all.online > 50 && all.from_escrow > 100 && all.crashes > 100 && all.full > 50));
  CHECK((all.directly > 200 && all.by_cloud > 200 && all.taken_back > 10));
}

TEST_CASE("what is told while others are away arrives, though the cloud is not compared with the books again") {
  const auto all = live_through(World::Kind::kAbsence, 6);
  CHECK((all.requests > 50 && all.online > 50 && all.from_escrow > 50 && all.taken_back > 10));
  CHECK((all.directly > 100 && all.by_cloud > 100));
}
