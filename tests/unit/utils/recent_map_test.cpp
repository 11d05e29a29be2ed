#include "distri/utils/recent_map.hpp"

#include <doctest/doctest.h>

#include <string>

using distri::RecentMap;

TEST_CASE("entries are found until they are the oldest and dropped; asking does not make them younger") {
  RecentMap<int, std::string> map;
  CHECK(map.empty());
  for (int key = 0; key < 100; ++key) map[key] = std::to_string(key);
  CHECK(map.size() == 100);
  map[3] += "!";
  CHECK(map.size() == 100);
  for (int key = 0; key < 90; ++key) {
    CHECK(map.oldest() == std::to_string(key) + (key == 3 ? "!" : ""));
    map.drop_oldest();
    CHECK(map.find(key) == nullptr);
  }
  CHECK(map.size() == 10);
  map[3] = "again";
  CHECK(map.oldest() == "90");
  REQUIRE(map.find(95) != nullptr);
  CHECK(*map.find(95) == "95");
  CHECK(*map.find(3) == "again");
}
