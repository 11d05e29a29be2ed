// How fast connections may come: the bucket of one address, and what is kept of all.
#include "distri/net/connection_rate.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include "distri/utils/random.hpp"

using namespace distri;
using net::ConnectionRate;

namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

// A bucket as one learns it: tokens that come at a rate, up to a number.
struct NaiveBucket {
  double per_second;
  double most;
  double tokens;
  std::int64_t at_us = 0;
  bool take(std::int64_t now_us) {
    tokens = std::min(most, tokens + static_cast<double>(now_us - at_us) * per_second / kSecondUs);
    at_us = now_us;
    if (tokens < 1 - 1e-9) return false;
    tokens -= 1;
    return true;
  }
};

}  // namespace

TEST_CASE("without a rate everybody may come, and nothing is kept") {
  ConnectionRate rate(0, 1);
  for (int i = 0; i < 10'000; ++i) CHECK(rate.wait_ms("a", 0) == 0);
  CHECK(rate.addresses() == 0);
  CHECK_FALSE(rate.limited());
}

TEST_CASE("so many at once, then one each interval; who is refused loses nothing by asking") {
  ConnectionRate rate(4, 2);
  CHECK(rate.wait_ms("a", 0) == 0);
  CHECK(rate.wait_ms("a", 0) == 0);
  for (int i = 0; i < 100; ++i) CHECK(rate.wait_ms("a", 0) == 250);
  CHECK(rate.wait_ms("a", 249'001) == 1);
  CHECK(rate.wait_ms("a", 250'000) == 0);
  CHECK(rate.wait_ms("a", 250'000) == 250);
  CHECK(rate.wait_ms("b", 250'000) == 0);
  // After a while the bucket is full, and not fuller.
  CHECK(rate.wait_ms("a", 100 * kSecondUs) == 0);
  CHECK(rate.wait_ms("a", 100 * kSecondUs) == 0);
  CHECK(rate.wait_ms("a", 100 * kSecondUs) > 0);
}

TEST_CASE("it is the bucket of the textbook, for any times") {
  Random random(5);
  ConnectionRate rate(100, 7);
  NaiveBucket naive{100, 7, 7};
  std::int64_t now_us = 0;
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    now_us += static_cast<std::int64_t>(random.below(4)) * 2'500;  // intervals of 10 ms are met exactly
    const bool may = naive.take(now_us);
    CHECK((rate.wait_ms("a", now_us) == 0) == may);
    taken += may ? 1 : 0;
  }
  CHECK(taken > 1'000);
  CHECK(taken < 20'000);
}

TEST_CASE("addresses are forgotten when their buckets are full, so that many of them cost nothing") {
  ConnectionRate rate(100, 50);
  std::int64_t now_us = 0;
  std::size_t most = 0;
  for (int i = 0; i < 100'000; ++i) {
    now_us += 100;
    CHECK(rate.wait_ms(fmt::format("address {}", i), now_us) == 0);
    CHECK(rate.wait_ms("one that stays", now_us) >= 0);
    most = std::max(most, rate.addresses());
  }
  CHECK(most < 2'100);
  CHECK(rate.wait_ms("one that stays", now_us) > 0);
}
