// The ordered storage of a collection, beside a std::map.
#include "distri/db/records.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "distri/bson/json.hpp"
#include "distri/utils/random.hpp"

using namespace distri;
using namespace distri::db;

namespace {

Record record_of(int value) {
  bson::Builder document;
  document.append_int32("_id", value);
  return {std::move(document).finish(), {}};
}

int value_of(const Record& record) {
  return record.document.view().begin()->value.as_int32();
}

// Keys that differ early, late, only in length, only in zero bytes at the end, and not at all within the prefix.
std::string key_of(Random& random) {
  static const std::vector<std::string> kHeads = {
      "", "a", std::string(15, 'k'), std::string(16, 'k'), std::string(17, 'k'), std::string(40, '\xff')};
  std::string key = kHeads[random.below(kHeads.size())];
  for (std::uint64_t n = random.below(4); n > 0; --n) key.push_back(static_cast<char>(random.below(3) * 127));
  return key;
}

}  // namespace

TEST_CASE("records are found, kept in the order of their keys' bytes, and erased, as in a map") {
  Random random(7);
  Records records;
  std::map<std::string, int, std::less<>> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::string key = key_of(random);
    const Record* there = records.record(key);
    REQUIRE((there != nullptr) == model.contains(key));
    if (there != nullptr) REQUIRE(value_of(*there) == model[key]);
    if (there == nullptr) {
      records.insert(key, record_of(step));
      model[key] = step;
    } else if (random.below(2) == 0) {
      records.replace(*there, record_of(step));
      model[key] = step;
      REQUIRE(records.record(key) == there);
    } else {
      records.erase(records.find(key));
      model.erase(key);
    }
    const std::string probe = key_of(random);
    const auto same = [&](Records::const_iterator at, auto wanted) {
      if (wanted == model.end()) return at == records.end();
      return at != records.end() && at->first == wanted->first && value_of(at->second) == wanted->second;
    };
    REQUIRE(same(records.lower_bound(probe), model.lower_bound(probe)));
    REQUIRE(same(records.upper_bound(probe), model.upper_bound(probe)));
    REQUIRE(same(records.find(probe), model.find(probe)));
  }
  REQUIRE(records.size() == model.size());
  auto wanted = model.begin();
  for (const auto& [key, record] : records) {
    REQUIRE(key == wanted->first);
    REQUIRE(value_of(record) == (wanted++)->second);
  }
  auto back = records.end();
  for (auto at = model.rbegin(); at != model.rend(); ++at) REQUIRE((--back)->first == at->first);
}

TEST_CASE("records move, and what they moved onto is gone") {
  Records from;
  from.insert("a", record_of(1));
  Records to;
  to.insert("b", record_of(2));
  to = std::move(from);
  CHECK(to.size() == 1);
  CHECK(to.record("a") != nullptr);
  CHECK(to.record("b") == nullptr);
  const Records moved = std::move(to);
  CHECK(value_of(*moved.record("a")) == 1);
}

TEST_CASE("A key may be as long as a key can be") {
  Records records;
  const std::string longest(0xffff, 'k');
  records.insert(longest, record_of(1));
  records.insert("", record_of(2));
  CHECK(value_of(*records.record(longest)) == 1);
  CHECK(records.begin()->first.empty());
  CHECK((++records.begin())->first == longest);
  CHECK(records.record(longest.substr(1)) == nullptr);
}

TEST_CASE("A revision is copied with its fields, and is the same with none as with an empty list") {
  const ActorId actor{{1}};
  Revision plain({5, actor}, {actor, 2});
  CHECK(plain.stamp() == Stamp{5, actor});
  CHECK(plain.dot() == Dot{actor, 2});
  CHECK(plain.fields().empty());
  Revision changed = plain;
  CHECK(changed.mutable_fields().empty());
  CHECK(changed == plain);
  changed.mutable_fields().push_back({"a", {6, actor}, {actor, 3}});
  CHECK_FALSE(changed == plain);
  const Revision copy = changed;
  changed.mutable_fields().front().unset = true;
  CHECK_FALSE(copy.fields().front().unset);
  plain = copy;
  CHECK(plain == copy);
  CHECK_FALSE(plain == Revision({5, actor}, {actor, 4}, copy.fields()));
}
