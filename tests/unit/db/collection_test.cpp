#include <doctest/doctest.h>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/database.hpp"

using namespace distri;

namespace {

std::string problem(const Result<>& result) {
  return result ? "" : to_string(result.error());
}

std::string document_problem(std::string_view text) {
  const auto document = bson::from_json(text);
  REQUIRE_MESSAGE(document.has_value(), text);
  return problem(db::check_document(*document));
}

}  // namespace

TEST_CASE("documents that may be stored are told from those that may not") {
  struct Row {
    std::string text;
    const char* part;  // "": accepted
  };
  const Row rows[] = {
      {R"({"_id":1})", ""},
      {R"({"_id":null,"a":{"$x":1},"b.c":1,"":2})", ""},
      {R"({"_id":{"a":1}})", ""},
      {R"({"_id":{"$minKey":1}})", ""},
      {R"({"_id":")" + std::string(db::kIdBytesMax - 5, 'x') + "\"}", ""},
      {R"({"_id":")" + std::string(db::kIdBytesMax - 4, 'x') + "\"}", "too_large: document: '_id' takes 1025 bytes"},
      {R"({})", "first field must be '_id'"},
      {R"({"a":1,"_id":1})", "first field must be '_id'"},
      {R"({"_id":[1]})", "cannot be of type array"},
      {R"({"_id":{"$undefined":true}})", "cannot be of type undefined"},
      {R"({"_id":{"$regularExpression":{"pattern":"a","options":""}}})", "cannot be of type regex"},
      {R"({"_id":1,"$set":1})", "'$set' must not begin"},
  };
  for (const Row& row : rows) {
    const std::string found = document_problem(row.text);
    if (*row.part == '\0') {
      CHECK_MESSAGE(found.empty(), row.text << ": " << found);
    } else {
      CHECK_MESSAGE(found.find(row.part) != std::string::npos, row.text << ": " << found);
    }
  }
}

TEST_CASE("a field that occurs twice is found among few and among many") {
  for (const int fields : {1, 10, 31, 32, 33, 100}) {
    bson::Builder builder;
    builder.append_int32("_id", 1);
    for (int i = 0; i < fields; ++i) builder.append_int32("f" + std::to_string(i), i);
    bson::Builder twice = builder;
    twice.append_int32("f0", 1);
    CHECK(db::check_document(std::move(builder).finish()).has_value());
    CHECK(problem(db::check_document(std::move(twice).finish())).find("'f0' occurs twice") != std::string::npos);
  }
}

TEST_CASE("collection names are checked") {
  for (const auto* name : {"a", "A-b_c.9", "9", "-", "systems", "a.system."})
    CHECK_MESSAGE(db::check_collection_name(name).has_value(), name);
  CHECK(db::check_collection_name(std::string(120, 'x')).has_value());
  struct Row {
    std::string name;
    const char* part;
  };
  for (const Row& row :
       {Row{"", "empty"}, Row{std::string(121, 'x'), "121 bytes"}, Row{"a b", "position 1"}, Row{"a/b", "position 1"},
        Row{"caf\xc3\xa9", "position 3"}, Row{std::string("a\0", 2), "position 1"}, Row{".a", "begin with '.'"},
        Row{"system.users", "reserved"}, Row{"a$", "position 1"}}) {
    const std::string found = problem(db::check_collection_name(row.name));
    CHECK_MESSAGE(found.find(row.part) != std::string::npos, row.name << ": " << found);
  }
}

TEST_CASE("a collection keeps one record a key, in key order, and counts its bytes") {
  db::Collection collection;
  const auto put = [&](std::string_view text) {
    db::Record record{*bson::from_json(text), {}};
    const Bytes key = bson::order_key(*record.document.view().find("_id"));
    collection.put(key, std::move(record));
    return key;
  };
  const Bytes two = put(R"({"_id":2,"a":"x"})");
  put(R"({"_id":"s"})");
  put(R"({"_id":1.5})");
  put(R"({"_id":2.0,"a":"longer than before"})");
  CHECK(collection.size() == 3);
  std::string order;
  std::size_t bytes = 0;
  for (const auto& [key, record] : collection.records()) {
    order += bson::to_json(record.document);
    bytes += record.document.bytes().size();
  }
  CHECK(order == R"({"_id":1.5}{"_id":2.0,"a":"longer than before"}{"_id":"s"})");
  CHECK(collection.bytes() == bytes);
  CHECK(collection.find(two) != nullptr);
  CHECK(collection.erase(two));
  CHECK_FALSE(collection.erase(two));
  CHECK(collection.find(two) == nullptr);
  CHECK(collection.size() == 2);
  for (const auto* id : {R"({"_id":"s"})", R"({"_id":1.5})"}) {
    CHECK(collection.erase(bson::order_key(*bson::from_json(id)->view().find("_id"))));
  }
  CHECK(collection.bytes() == 0);
}

TEST_CASE("a database opens, finds and erases collections by name") {
  db::Database database;
  CHECK(database.find("a") == nullptr);
  const db::Collection& a = database.open("a");
  CHECK(&a == database.find("a"));
  database.put("a", "k", {});
  CHECK(database.find("a")->size() == 1);
  CHECK(database.erase_document("a", "k"));
  CHECK_FALSE(database.erase_document("a", "k"));
  CHECK_FALSE(database.erase_document("none", "k"));
  CHECK(database.find("a")->size() == 0);
  database.open("b");
  CHECK(database.collections().size() == 2);
  CHECK(database.erase("a"));
  CHECK_FALSE(database.erase("a"));
  CHECK(database.find("a") == nullptr);
}

TEST_CASE("The memory of a collection is what its documents, revisions and indexes take, and goes with them") {
  db::Database database;
  const auto put = [&](int id, std::string_view rest, db::Revision revision = {}) {
    auto document = bson::from_json(fmt::format(R"({{"_id":{}{}}})", id, rest));
    REQUIRE(document.has_value());
    const Bytes key = bson::order_key(*document->view().find("_id"));
    database.put("c", key, {*std::move(document), std::move(revision)});
    return key;
  };
  const db::Collection& collection = database.open("c");
  CHECK(collection.memory_bytes() == 0);
  const Bytes first = put(1, R"(,"text":"0123456789")");
  const std::size_t one = collection.memory_bytes();
  CHECK(one > collection.bytes() + sizeof(db::Record));
  put(2, R"(,"text":"0123456789")");
  CHECK(collection.memory_bytes() == 2 * one);
  // A longer text, and fields with registers and counters of their own.
  put(2, fmt::format(R"(,"text":"{}")", std::string(1000, 'x')));
  const std::size_t longer = collection.memory_bytes();
  CHECK(longer >= 2 * one + 960);
  db::Revision revision;
  revision.mutable_fields().push_back({std::string(100, 'f'), {}, {}});
  put(2, fmt::format(R"(,"text":"{}")", std::string(1000, 'x')), revision);
  const std::size_t revised = collection.memory_bytes();
  CHECK(revised >= longer + sizeof(db::FieldRevision) + 100);
  revision.mutable_fields()[0].counter = std::make_shared<const db::Counter>(db::Counter{{}, {10, db::CounterPart{}}});
  put(2, fmt::format(R"(,"text":"{}")", std::string(1000, 'x')), revision);
  CHECK(collection.memory_bytes() >= revised + 10 * sizeof(db::CounterPart));
  CHECK(database.erase_document("c", put(2, "")));
  CHECK(collection.memory_bytes() == one);
  CHECK(database.erase_document("c", first));
  CHECK(collection.memory_bytes() == 0);
}
