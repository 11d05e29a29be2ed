#include "distri/utils/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "distri/utils/random.hpp"

using namespace distri;

TEST_CASE("Percentiles are within a sixteenth of the exact ones") {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    Histogram histogram;
    std::vector<std::uint64_t> values;
    const auto bits = 1 + random.below(40);
    for (int i = 0; i < 2000; ++i) {
      values.push_back(random.next() >> (63 - bits));
      histogram.add(values.back());
    }
    std::sort(values.begin(), values.end());
    CHECK(histogram.count() == values.size());
    CHECK(histogram.max() == values.back());
    for (const double fraction : {0.0, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto exact =
          values[std::min(values.size() - 1, static_cast<std::size_t>(fraction * static_cast<double>(values.size())))];
      const auto measured = histogram.percentile(fraction);
      CHECK(measured >= exact);
      CHECK(measured <= exact + exact / 16 + 1);
    }
  }
}

TEST_CASE("An empty histogram answers zero and the largest value fits") {
  Histogram histogram;
  CHECK(histogram.percentile(0.5) == 0);
  CHECK(histogram.average() == 0);
  histogram.add(~std::uint64_t{0});
  CHECK(histogram.percentile(0.5) == ~std::uint64_t{0});
}

TEST_CASE("Merging histograms is the histogram of all values") {
  Histogram a;
  Histogram b;
  Histogram both;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? a : b).add(i * i);
    both.add(i * i);
  }
  a.merge(b);
  CHECK(a.count() == both.count());
  CHECK(a.max() == both.max());
  CHECK(a.average() == both.average());
  CHECK(a.percentile(0.9) == both.percentile(0.9));
}
