// Random documents, indexes and queries: with indexes and without, the answers are the same (index_model.hpp).
#include <doctest/doctest.h>

#include <algorithm>

#include "distri/utils/random.hpp"
#include "index_model.hpp"

using namespace distri;

TEST_CASE("a collection with indexes answers like one without, whatever is written and asked") {
  std::uint64_t questions = 0;
  std::uint64_t by_index = 0;
  std::uint64_t with_hint = 0;
  std::uint64_t in_order = 0;
  std::uint64_t multikey = 0;
  std::uint64_t unions = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    test::IndexModel<Random> model(random);
    for (int i = 0; i < 120; ++i) {
      const std::string difference = model.step();
      REQUIRE_MESSAGE(difference.empty(), "seed ", seed, ", step ", i, ": ", difference);
    }
    questions += model.questions();
    by_index += model.by_index();
    with_hint += model.with_hint();
    in_order += model.in_order();
    multikey += model.multikey();
    unions += model.unions();
  }
  // The test has looked at what it is for.
  MESSAGE(questions, " questions, ", by_index, " by the planner's index, ", with_hint, " with a hint, ", in_order,
          " in the order of an index, ", multikey, " with arrays, ", unions, " by several indexes");
  CHECK(questions > 3000);
  CHECK(by_index > 100);
  CHECK(with_hint > 1000);
  CHECK(in_order > 100);
  CHECK(multikey > 100);
  CHECK(unions > 30);
}
