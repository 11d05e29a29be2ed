#include "distri/bson/field_name.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "random_document.hpp"

using namespace distri;
using namespace distri::bson;

namespace {

// The document in memory that ends where it does, so that the sanitizer sees a read behind it.
struct Exact {
  explicit Exact(View view) : bytes(new char[view.bytes().size()]), size(view.bytes().size()) {
    std::memcpy(bytes.get(), view.bytes().data(), size);
  }
  View view() const { return View::trusted({bytes.get(), size}); }

  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

// What find_in() must answer, by walking all.
std::optional<Value> walk(View object, std::string_view name) {
  for (const Element& element : object) {
    if (element.key == name) return element.value;
  }
  return std::nullopt;
}

void check_same(View object, std::string_view name) {
  const auto expected = walk(object, name);
  const auto found = FieldName(name).find_in(object);
  REQUIRE(found.has_value() == expected.has_value());
  if (!found) return;
  CHECK(found->type() == expected->type());
  CHECK(found->raw().data() == expected->raw().data());
  CHECK(found->raw().size() == expected->raw().size());
}

}  // namespace

TEST_CASE("a field is found by a name of any length, between names that begin and end like it") {
  const std::string text = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t last = 0; last <= text.size(); ++last) {
    // Every prefix up to `last`, and after it one that differs in the last byte; the last field ends the document.
    Builder builder;
    for (std::size_t size = 0; size <= last; ++size) {
      builder.append_null(text.substr(0, size) + "-");
      builder.append_null(text.substr(0, size));
    }
    const Exact object{std::move(builder).finish()};
    for (std::size_t size = 0; size <= text.size(); ++size) {
      check_same(object.view(), text.substr(0, size));
      check_same(object.view(), text.substr(0, size) + "-");
      check_same(object.view(), text.substr(0, size) + "+");
    }
  }
}

TEST_CASE("the first of two fields of one name is found") {
  Builder builder;
  builder.append_int32("a", 1).append_int32("a", 2).append_int32("long enough", 3).append_int32("long enough", 4);
  const Document object = std::move(builder).finish();
  CHECK(FieldName("a").find_in(object)->as_int32() == 1);
  CHECK(FieldName("long enough").find_in(object)->as_int32() == 3);
}

TEST_CASE("a name with a zero byte is no field's, whatever bytes stand behind the end of one") {
  Builder builder;
  builder.append_int32("a", 'b').append_string("longer name", "x");
  const Exact object{std::move(builder).finish()};
  for (const std::string_view name :
       {std::string_view("a\0b", 3), std::string_view("a\0", 2), std::string_view("\0", 1),
        std::string_view("a\0b\0\0\0\x02l", 8), std::string_view("longer name\0", 12),
        std::string_view("a\0b\0\0\0\x02longer name", 18)}) {
    CHECK_FALSE(FieldName(name).find_in(object.view()));
  }
}

TEST_CASE("fields behind values of every type are found") {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    Builder builder;
    std::vector<std::string> names;
    for (auto n = random.below(8); n > 0; --n) {
      names.push_back(test::random_key(random) + std::string(random.below(12), 'x'));
      test::append_random(builder, names.back(), random, 2);
    }
    const Exact object{std::move(builder).finish()};
    for (const std::string& name : names) check_same(object.view(), name);
    check_same(object.view(), "none");
  }
}
