// Random filters, updates and reads against interpreters written for tests alone (language_model.hpp).
#include "language_model.hpp"

#include <doctest/doctest.h>

#include "distri/utils/random.hpp"

using namespace distri;

namespace {

// The test says something only if both answers are frequent.
void check_both(const test::LanguageModel<Random>::Counts& counts) {
  const auto& [yes, no] = counts;
  MESSAGE(yes, " times yes, ", no, " times no");
  CHECK(yes > (yes + no) / 10);
  CHECK(no > (yes + no) / 20);
}

}  // namespace

TEST_CASE("random filters agree with the naive interpreter on random documents") {
  Random random(1);
  test::LanguageModel<Random> model(random);
  for (int i = 0; i < 20'000; ++i) {
    const std::string difference = model.try_filter();
    REQUIRE_MESSAGE(difference.empty(), i, ": ", difference);
  }
  check_both(model.filters());
}

TEST_CASE("random updates agree with the naive interpreter on random documents") {
  Random random(2);
  test::LanguageModel<Random> model(random);
  for (int i = 0; i < 20'000; ++i) {
    const std::string difference = model.try_update();
    REQUIRE_MESSAGE(difference.empty(), i, ": ", difference);
  }
  check_both(model.updates());
}

TEST_CASE("random sorted reads agree with the naive interpreter, with indexes and without") {
  Random random(3);
  test::LanguageModel<Random> model(random);
  for (int i = 0; i < 10'000; ++i) {
    const std::string difference = model.try_read();
    REQUIRE_MESSAGE(difference.empty(), i, ": ", difference);
  }
  check_both(model.reads());
}
