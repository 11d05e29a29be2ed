#include "distri/utils/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <set>

#include "distri/utils/ids.hpp"

using namespace distri;

TEST_CASE("The same seed gives the same numbers and another seed others") {
  Random a(1);
  Random b(1);
  Random c(2);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto value = a.next();
    CHECK(value == b.next());
    differs = differs || value != c.next();
  }
  CHECK(differs);
}

TEST_CASE("below() stays below its bound and reaches every value evenly") {
  Random random(3);
  std::array<int, 10> seen{};
  for (int i = 0; i < 100'000; ++i) ++seen.at(random.below(10));
  for (const int count : seen) {
    CHECK(count > 9'500);
    CHECK(count < 10'500);
  }
  CHECK(random.below(1) == 0);
}

TEST_CASE("unit() lies in [0, 1) and chance() follows its probability") {
  Random random(4);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) {
    const double value = random.unit();
    CHECK(value >= 0.0);
    CHECK(value < 1.0);
    hits += random.chance(0.25) ? 1 : 0;
  }
  CHECK(hits > 24'000);
  CHECK(hits < 26'000);
}

TEST_CASE("Random ids do not repeat") {
  Random random = Random::from_system();
  std::set<RequestId> ids;
  for (int i = 0; i < 10'000; ++i) CHECK(ids.insert(random.id<RequestId>()).second);
}
