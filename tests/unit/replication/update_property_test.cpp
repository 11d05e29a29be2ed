// Random updates of random documents keep the invariants of db/update.hpp, also in the eyes of replication.
#include <doctest/doctest.h>

#include "../bson/random_document.hpp"
#include "update_check.hpp"

using namespace distri;

namespace {

// Few names, so that paths meet what is there.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  bson::Document document() {
    bson::Builder out;
    out.append_int32("_id", 1);
    for (const std::string_view name : {"a", "b", "c", "1"}) {
      if (random_.chance(0.7)) value(out, name, 3);
    }
    return std::move(out).finish();
  }

  bson::Document update() {
    static constexpr std::array<std::string_view, 17> kOperators = {
        "$set",         "$set",         "$unset", "$inc",  "$inc",     "$mul", "$min",      "$max", "$rename",
        "$currentDate", "$setOnInsert", "$push",  "$pull", "$pullAll", "$pop", "$addToSet", "$bit"};
    bson::Builder out;
    for (auto n = 1 + random_.below(2); n > 0; --n) {
      const std::string_view op = kOperators[random_.below(kOperators.size())];
      out.begin_object(op);
      for (auto fields = 1 + random_.below(2); fields > 0; --fields) argument(out, op, path());
      out.end();
    }
    return std::move(out).finish();
  }

  db::UpdateContext context() {
    db::UpdateContext context{.now_ms = 1'700'000'000'000};
    if (random_.chance(0.8)) context.matched_index = random_.below(3);
    return context;
  }

 private:
  std::string path() {
    static constexpr std::array<std::string_view, 4> kFirst = {"a", "b", "c", "1"};
    static constexpr std::array<std::string_view, 9> kNext = {"a", "b", "0", "1", "2", "$[]", "$[x]", "$", "10"};
    std::string path(kFirst[random_.below(kFirst.size())]);
    for (auto n = random_.below(3); n > 0; --n) path += "." + std::string(kNext[random_.below(kNext.size())]);
    return path;
  }

  void value(bson::Builder& out, std::string_view key, int depth) {
    const auto kind = random_.below(depth > 0 ? 10 : 6);
    if (kind < 3) {
      out.append_int32(key, static_cast<std::int32_t>(random_.below(4)));
    } else if (kind < 4) {
      out.append_int64(key, bson::test::random_int64(random_));
    } else if (kind < 5) {
      out.append_double(key, bson::test::random_double(random_));
    } else if (kind < 6) {
      bson::test::append_random(out, key, random_, 1);
    } else if (kind < 8) {
      out.begin_array(key);
      for (std::uint64_t i = 0, n = random_.below(4); i < n; ++i) value(out, std::to_string(i), depth - 1);
      out.end();
    } else {
      out.begin_object(key);
      for (const std::string_view name : {"a", "b", "0"}) {
        if (random_.chance(0.5)) value(out, name, depth - 1);
      }
      out.end();
    }
  }

  void array(bson::Builder& out, std::string_view key) {
    out.begin_array(key);
    for (std::uint64_t i = 0, n = random_.below(6); i < n; ++i) value(out, std::to_string(i), 1);
    out.end();
  }

  std::int32_t small() { return static_cast<std::int32_t>(random_.below(9)) - 4; }

  void argument(bson::Builder& out, std::string_view op, const std::string& key) {
    if (op == "$rename") {
      out.append_string(key, path());
    } else if (op == "$currentDate") {
      out.append_bool(key, true);
    } else if (op == "$pop") {
      out.append_int32(key, random_.chance(0.5) ? 1 : -1);
    } else if (op == "$pullAll") {
      array(out, key);
    } else if (op == "$bit") {
      out.begin_object(key).append_int32("xor", small()).append_int64("or", small()).end();
    } else if (op == "$inc" || op == "$mul") {
      const auto kind = random_.below(3);
      if (kind == 0) out.append_int32(key, small());
      if (kind == 1) out.append_int64(key, bson::test::random_int64(random_));
      if (kind == 2) out.append_double(key, bson::test::random_double(random_));
    } else if (op == "$pull" && random_.chance(0.5)) {
      out.begin_object(key).append_int32("$gte", small()).end();
    } else if ((op == "$push" || op == "$addToSet") && random_.chance(0.6)) {
      out.begin_object(key);
      array(out, "$each");
      if (op == "$push" && random_.chance(0.5)) out.append_int32("$position", small());
      if (op == "$push" && random_.chance(0.5)) out.append_int32("$slice", small());
      if (op == "$push" && random_.chance(0.5)) out.append_int32("$sort", random_.chance(0.5) ? 1 : -1);
      out.end();
    } else {
      value(out, key, 2);
    }
  }

  Random random_;
};

}  // namespace

TEST_CASE("Random updates give sound documents, and replication makes the same of what it is told") {
  Generator generator(7);
  bson::Builder list;
  list.begin_object("0").begin_object("x").append_int32("$gte", 1).end().end();
  const bson::Document filters = std::move(list).finish();
  int compiled = 0;
  int applied = 0;
  int changed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bson::Document source = generator.update();
    auto update = db::Update::compile(source, {filters});
    if (!update) update = db::Update::compile(source);
    if (!update) continue;
    ++compiled;
    for (int j = 0; j < 3; ++j) {
      const auto result = replication::test::check_update(*update, generator.document(), generator.context());
      if (!result) continue;
      ++applied;
      if (result->changed) ++changed;
    }
  }
  // The generator is worth something only if most of it gets through.
  CHECK(compiled > 10'000);
  CHECK(applied > 10'000);
  CHECK(changed > 8'000);
}
