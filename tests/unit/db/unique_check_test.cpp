#include "distri/db/unique_check.hpp"

#include "index_support.hpp"

namespace distri::db::test {
namespace {

// "" when no two have the same key. `between` is called between slices of one document each.
std::string check(
    db::Collection& collection, std::string_view index, const std::function<void(int slice)>& between = [](int) {}) {
  db::UniqueCheck run(*db::parse_index(json(index)));
  for (int slice = 1;; ++slice) {
    std::uint64_t budget = 1;
    const auto complete = run.step(&collection, budget);
    if (!complete) {
      CHECK(complete.error().code == Code::kAlreadyExists);
      return complete.error().message;
    }
    if (*complete) return "";
    between(slice);
  }
}

constexpr std::string_view kByA = R"({"key":{"a":1},"unique":true})";

}  // namespace

TEST_CASE("documents with the same key are found and named, as the index would count them") {
  db::Collection c;
  for (const char* text :
       {R"({"_id":1,"a":[1,2],"b":1})", R"({"_id":2,"a":3,"b":1})", R"({"_id":3,"a":null})", R"({"_id":4,"b":[7,8]})"})
    put(c, text);
  CHECK(
      check(c, kByA) ==
      R"(DuplicateKey (11000): E11000 duplicate key error index: a_1: the documents {"_id":3} and {"_id":4} have the )"
      R"(same key already; change or delete one, or create the index without 'unique')");
  CHECK(check(c, R"({"key":{"a":1},"unique":true,"sparse":true})").empty());
  CHECK(check(c, R"({"key":{"a":1},"unique":true,"partialFilterExpression":{"a":{"$gt":0}}})").empty());
  CHECK(check(c, R"({"key":{"a":1,"b":1},"unique":true})").empty());
  CHECK(check(c, R"({"key":{"b":1},"unique":true})").find(R"({"_id":1} and {"_id":2})") != std::string::npos);
  put(c, R"({"_id":5,"a":[9,2.0]})");
  CHECK(check(c, R"({"key":{"a":1},"unique":true,"sparse":true})").find(R"({"_id":1} and {"_id":5})") !=
        std::string::npos);
  db::UniqueCheck nothing(*db::parse_index(json(kByA)));
  std::uint64_t budget = 1;
  CHECK(*nothing.step(nullptr, budget));
}

TEST_CASE("what was looked at and has changed since is no conflict, what is there is one") {
  db::Collection c;
  const auto fill = [&c] {
    for (int i = 0; i < 6; ++i) put(c, fmt::format(R"({{"_id":{0},"a":{0}}})", i));
  };
  fill();
  const auto meanwhile = [&c](std::string_view text) {
    return [&c, text](int slice) {
      if (slice == 3) put(c, text);
    };
  };
  CHECK(check(c, kByA, meanwhile(R"({"_id":5,"a":1})")).find(R"({"_id":1} and {"_id":5})") != std::string::npos);
  fill();
  // 1 moves away from its key, and 5 takes it.
  CHECK(check(c, kByA, [&](int slice) {
          if (slice == 3) put(c, R"({"_id":1,"a":"else"})");
          if (slice == 4) put(c, R"({"_id":5,"a":1})");
        }).empty());
  fill();
  CHECK(check(c, kByA, [&](int slice) {
          if (slice == 3) c.erase(key_of(json(R"({"_id":1})")));
          if (slice == 4) put(c, R"({"_id":5,"a":1})");
        }).empty());
  // A third one has the key of one that has gone and one that is there.
  fill();
  CHECK(check(c, kByA, [&](int slice) {
          if (slice == 2) c.erase(key_of(json(R"({"_id":0})")));
          if (slice == 2) put(c, R"({"_id":4,"a":0})");
          if (slice == 3) put(c, R"({"_id":5,"a":0})");
        }).find(R"({"_id":4} and {"_id":5})") != std::string::npos);
}

}  // namespace distri::db::test
