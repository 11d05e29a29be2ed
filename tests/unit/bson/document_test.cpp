#include <doctest/doctest.h>

#include <set>
#include <utility>

#include "distri/bson/json.hpp"
#include "distri/bson/object_id.hpp"
#include "random_document.hpp"

using namespace distri;
using namespace distri::bson;

namespace {

Document json(std::string_view text) {
  auto document = from_json(text);
  REQUIRE_MESSAGE(document.has_value(), text << ": " << (document ? "" : document.error().message));
  return *std::move(document);
}

}  // namespace

TEST_CASE("a builder writes what a view reads back") {
  Builder builder;
  builder.append_double("d", 1.5).append_string("s", "h\xc3\xa9").append_int32("i", -7).append_int64("l", 1LL << 40);
  builder.append_bool("b", true).append_null("n").append_date("t", -1).append_object_id("o", "0123456789ab");
  builder.append_binary("x", "abc", 5)
      .begin_object("obj")
      .append_int32("in", 1)
      .begin_array("list")
      .append_null("0")
      .end()
      .end();
  builder.begin_array("empty").end();
  const Document document = std::move(builder).finish();
  REQUIRE(validate(document.bytes()));
  const View view = document;
  CHECK(view.count() == 11);
  CHECK_FALSE(view.empty());
  CHECK(view.find("d")->as_double() == 1.5);
  CHECK(view.find("s")->as_string() == "h\xc3\xa9");
  CHECK(view.find("i")->as_int32() == -7);
  CHECK(view.find("l")->as_int64() == 1LL << 40);
  CHECK(view.find("b")->as_bool());
  CHECK(view.find("n")->type() == Type::kNull);
  CHECK(view.find("t")->as_date_ms() == -1);
  CHECK(view.find("o")->as_object_id() == "0123456789ab");
  CHECK(view.find("x")->binary_bytes() == "abc");
  CHECK(view.find("x")->binary_subtype() == 5);
  CHECK(view.find("obj")->as_object().find("list")->as_object().count() == 1);
  CHECK(view.find("empty")->as_object().empty());
  CHECK_FALSE(view.find("missing"));
  CHECK_FALSE(view.find(""));
  CHECK(view.find_element("i")->raw == BytesView("\x10i\0\xf9\xff\xff\xff", 7));
}

TEST_CASE("an empty document is five bytes, as a default view and as a built one") {
  CHECK(Document().bytes() == BytesView("\5\0\0\0\0", 5));
  CHECK(View().bytes() == Document().bytes());
  CHECK(Builder().finish() == Document());
  CHECK(View().empty());
  CHECK(View().begin().at_end());
}

TEST_CASE("numbers convert when that loses nothing") {
  const Document document = json(R"({"i":5,"l":9007199254740993,"d":3.0,"h":3.5,"big":1e300,"s":"5",
    "nan":{"$numberDouble":"NaN"},"m":{"$numberDecimal":"12E1"},"f":{"$numberDecimal":"1.5"},"w":{"$numberDecimal":"1E+40"}})");
  const auto of = [&](std::string_view key) { return document.view().find(key)->to_int64(); };
  CHECK(of("i") == 5);
  CHECK(of("l") == 9007199254740993);
  CHECK(of("d") == 3);
  CHECK(of("m") == 120);
  for (const auto key : {"h", "big", "s", "nan", "f", "w"}) CHECK_MESSAGE(!of(key), key);
  CHECK(document.view().find("i")->to_double() == 5.0);
  CHECK_FALSE(document.view().find("s")->to_double());
  CHECK_FALSE(document.view().find("m")->to_double());
}

TEST_CASE("merging keeps places, replaces values and appends new fields in order") {
  struct Row {
    const char* base;
    const char* fields;
    const char* merged;
  };
  for (const Row& row : {Row{"{}", "{}", "{}"}, Row{R"({"_id":1,"a":2})", "{}", R"({"_id":1,"a":2})"},
                         Row{R"({"_id":1,"a":2,"b":3})", R"({"a":"x","c":[1]})", R"({"_id":1,"a":"x","b":3,"c":[1]})"},
                         Row{"{}", R"({"z":1,"y":2})", R"({"z":1,"y":2})"},
                         Row{R"({"a":{"x":1,"y":2}})", R"({"a":{"x":3}})", R"({"a":{"x":3}})"}}) {
    CHECK(to_json(merge_fields(json(row.base), json(row.fields))) == row.merged);
  }
}

TEST_CASE("merging large documents gives the same as merging field by field") {
  Builder base;
  Builder fields;
  std::string expected = "{";
  for (int i = 0; i < 3000; ++i) base.append_int32("k" + std::to_string(i), 0);
  for (int i = 4000; i > 2000; i -= 2) fields.append_int32("k" + std::to_string(i), 1);
  for (int i = 0; i < 3000; ++i) expected += "\"k" + std::to_string(i) + (i > 2000 && i % 2 == 0 ? "\":1," : "\":0,");
  for (int i = 4000; i >= 3000; i -= 2) expected += "\"k" + std::to_string(i) + "\":1,";
  expected.back() = '}';
  CHECK(to_json(merge_fields(std::move(base).finish(), std::move(fields).finish())) == expected);
}

TEST_CASE("the id goes first: kept, moved or added") {
  ObjectId id{};
  id.fill(1);
  CHECK(to_json(with_id_first(json(R"({"_id":1,"a":2})"), id)) == R"({"_id":1,"a":2})");
  CHECK(to_json(with_id_first(json(R"({"a":2,"_id":1,"b":3})"), id)) == R"({"_id":1,"a":2,"b":3})");
  CHECK(to_json(with_id_first(json(R"({"a":2})"), id)) == R"({"_id":{"$oid":"010101010101010101010101"},"a":2})");
  CHECK(to_json(with_id_first(Document(), id)) == R"({"_id":{"$oid":"010101010101010101010101"}})");
}

TEST_CASE("generated ids strictly increase, whatever the clock does, and carry its seconds") {
  Random random(7);
  ObjectIdGenerator generator(random);
  const auto text = [](const ObjectId& id) { return std::string(id.begin(), id.end()); };
  CHECK(to_hex(text(generator.next(0x12345678LL * 1000 + 999)).substr(0, 4)) == "12345678");
  std::string last = text(generator.next(1'700'000'000'000));
  std::int64_t now = 1'700'000'000'000;
  for (int i = 0; i < 100'000; ++i) {
    now += static_cast<std::int64_t>(random.below(3000)) - 1400;
    const std::string id = text(generator.next(now));
    CHECK_MESSAGE(last < id, i);
    last = id;
  }
}

TEST_CASE("more than 2^24 ids within one second do not repeat, and other generators make other ids") {
  Random random(8);
  ObjectIdGenerator generator(random);
  ObjectIdGenerator other(random);
  const ObjectId first = generator.next(5000);
  CHECK(first != other.next(5000));
  const auto greater = [](const ObjectId& a, const ObjectId& b) {
    return std::memcmp(a.data(), b.data(), a.size()) > 0;
  };
  ObjectId last = first;
  bool increasing = true;
  for (int i = 0; i < (1 << 24) + 10; ++i) {
    const ObjectId id = generator.next(5000);
    increasing &= greater(id, last);
    last = id;
  }
  CHECK(increasing);
}

TEST_CASE("generated ids do not fail for times before 1970 or beyond 32 bits of seconds") {
  Random random(9);
  ObjectIdGenerator generator(random);
  CHECK(to_hex({generator.next(-5).data(), 4}) == "00000000");
  CHECK(to_hex({generator.next(std::int64_t{1} << 60).data(), 4}) == "ffffffff");
}

TEST_CASE("A stored document holds a copy of just the bytes of a document") {
  const Document document = Document(from_json(R"({"_id":1,"a":{"b":[1,2]}})").value());
  StoredDocument stored(document);
  CHECK(stored.bytes() == document.view().bytes());
  CHECK(stored == document);
  CHECK(stored.data() != document.bytes().data());
  const StoredDocument copy = stored;
  CHECK(copy == stored);
  CHECK(copy.data() != stored.data());
  const char* there = stored.data();
  StoredDocument moved = std::move(stored);
  CHECK(moved.data() == there);  // views of it hold
  moved = copy;
  CHECK(moved == copy);
  CHECK(StoredDocument().view().empty());
  CHECK_FALSE(moved == StoredDocument());
}
