// However messages, nodes, owners and viewers fail (exchange_world.hpp): no request is lost or answered twice, no view
// is given twice, and all say the same in the end.
#include "exchange_world.hpp"

using namespace distri::peer::test;

TEST_CASE("between owners and viewers that crash and lose messages, no request and no view is lost or given twice") {
  std::size_t views = 0;
  std::size_t requests = 0;
  std::size_t crashes = 0;
  std::size_t reported = 0;
  std::size_t kills = 0;
  std::size_t taken_back = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (int step = 0; step < 3500; ++step) {
      CAPTURE(step);
      world.step();
    }
    world.settle();
    world.check();
    views += world.views();
    requests += world.requests();
    crashes += world.crashes();
    reported += world.reported();
    kills += world.kills();
    taken_back += world.taken_back();
  }
  MESSAGE(requests << " requests, " << views << " views shown, " << crashes << " crashes, " << kills
                   << " nodes killed, " << taken_back << " keys taken back, " << reported
                   << " uses reported that were too many");
  CHECK((requests > 100 && views > 300 && crashes > 100 && reported > 0 && kills > 100 && taken_back > 100));
}
