#include <doctest/doctest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "distri/bson/json.hpp"
#include "distri/cloud/aggregate_cursor.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/reading.hpp"
#include "service_rig.hpp"

using namespace distri;
using namespace distri::cloud;
using nlohmann::json;

namespace {

DocumentCall aggregate_call(std::string_view collection, std::string_view params, std::string_view body = "",
                            wire::Format format = wire::Format::kJson) {
  return {*find_document_service("Aggregate"), collection, params, body, format, 0};
}

struct Fixture : test::ServiceRig {
  Fixture() {
    for (int i = 0; i < 10; ++i) add("c", fmt::format(R"({{"_id":{},"k":{},"v":{}}})", i, i % 3, i));
  }

  void add(std::string_view collection, std::string_view document) {
    REQUIRE(call_on(collection, "AddDocument", "", document));
  }

  Result<json> aggregate(std::string_view params, std::string_view body = "", std::string_view collection = "c") {
    return call_on(collection, "Aggregate", params, body);
  }
  // Of a pipeline as the body.
  Result<json> run(std::string_view pipeline) { return aggregate("", R"({"pipeline":)" + std::string(pipeline) + "}"); }

  std::string documents(std::string_view collection) const {
    std::string text;
    const auto* found = replica.database().find(collection);
    if (found == nullptr) return "none";
    for (const auto& [key, record] : found->records()) text += bson::to_json(record.document);
    return text;
  }
  std::uint64_t writes() const { return replica.newest_own_dot().counter; }
};

}  // namespace

TEST_CASE("Aggregate runs a pipeline, given as a parameter or in the body") {
  Fixture f;
  const auto groups = json::parse(R"({"documents":[{"_id":0,"n":4},{"_id":1,"n":3},{"_id":2,"n":3}]})");
  constexpr std::string_view kPipeline = R"({"pipeline":[{"$group":{"_id":"$k","n":{"$sum":1}}}]})";
  CHECK(*f.aggregate(kPipeline) == groups);
  CHECK(*f.aggregate("", kPipeline) == groups);
  CHECK(*f.aggregate("", kPipeline, "missing") == json::parse(R"({"documents":[]})"));
  CHECK((*f.run(R"([{"$limit":1},{"$project":{"t":{"$type":"$$NOW"}}}])"))["documents"][0]["t"] == "date");
  const auto params = bson::from_json(kPipeline);
  const auto reply = f.services.execute(aggregate_call("c", params->bytes(), "", wire::Format::kBson));
  REQUIRE(reply);
  CHECK(bson::to_json(bson::View::trusted(*reply)) == groups.dump());
}

TEST_CASE("Aggregate goes on by cursor while the documents are the same") {
  Fixture f;
  for (const std::string_view pipeline :
       {R"([{"$sort":{"v":-1}},{"$project":{"v":1,"now":"$$NOW"}}])", R"([{"$sample":{"size":9}}])"}) {
    const std::string body = R"({"pipeline":)" + std::string(pipeline) + "}";
    std::set<int> seen;
    std::set<std::string> times;
    std::string cursor;
    int pages = 0;
    do {
      json params = {{"page_documents", 4}};
      if (!cursor.empty()) params["cursor"] = cursor;
      const auto page = f.aggregate(params.dump(), body);
      REQUIRE_MESSAGE(page.has_value(), page.error().message);
      for (const auto& document : (*page)["documents"]) {
        CHECK(seen.insert(document["_id"].get<int>()).second);
        if (document.contains("now")) times.insert(document["now"].dump());
      }
      cursor = page->value("cursor", "");
      ++pages;
    } while (!cursor.empty());
    CHECK(pages == 3);
    CHECK(seen.size() >= 9);
    CHECK(times.size() <= 1);
  }
}

TEST_CASE("A long Aggregate in slices gives what one in a piece gives, and its cursor notices what changed between") {
  Fixture f;
  for (int i = 10; i < 3'000; ++i) f.add("c", fmt::format(R"({{"_id":{},"k":{},"v":{}}})", i, i % 3, i));
  constexpr std::string_view kBody = R"({"pipeline":[{"$sort":{"k":1,"v":-1}}]})";
  constexpr std::string_view kParams = R"({"page_documents":2000})";
  const auto whole = f.services.execute(aggregate_call("c", kParams, kBody));
  REQUIRE(whole);
  const auto in_slices = [&](bool change) {
    auto begun = f.services.begin(aggregate_call("c", kParams, kBody));
    REQUIRE(begun);
    for (int slices = 1;; ++slices) {
      std::uint64_t budget = 500;
      const auto reply = begun->reading->step(budget);
      REQUIRE(reply);
      if (*reply) {
        CHECK(slices > 10);
        return **reply;
      }
      CHECK(budget == 0);
      // Behind what has been read.
      if (change && slices == 3) f.add("c", R"({"_id":5000,"k":0,"v":-1})");
    }
  };
  const auto documents = [](BytesView page) { return json::parse(page)["documents"]; };
  CHECK(documents(in_slices(false)) == documents(*whole));
  const Bytes changed = in_slices(true);
  CHECK(documents(changed).size() == 2'000);
  CHECK(documents(changed)[1'000]["_id"] == 5'000);
  const std::string next = json{{"cursor", json::parse(changed)["cursor"]}}.dump();
  CHECK(f.aggregate(next, kBody).error().message.starts_with("CursorNotFound (43): "));
}

TEST_CASE("A cursor of Aggregate is refused when the documents have changed, and for another pipeline") {
  Fixture f;
  f.add("other", R"({"_id":1})");
  constexpr std::string_view kBody =
      R"({"pipeline":[{"$lookup":{"from":"o","localField":"k","foreignField":"_id","as":"f"}}]})";
  const auto page = f.aggregate(R"({"page_documents":4})", kBody);
  REQUIRE(page);
  const std::string next = json{{"cursor", (*page)["cursor"]}}.dump();
  CHECK((*f.aggregate(next, kBody))["documents"].size() == 6);
  CHECK(f.aggregate(next, R"({"pipeline":[]})").error().message ==
        "cursor: it belongs to another pipeline or collection");
  CHECK(f.aggregate(next, kBody, "other").error().message == "cursor: it belongs to another pipeline or collection");
  f.add("other", R"({"_id":2})");
  CHECK(f.aggregate(next, kBody).has_value());
  f.add("o", R"({"_id":2})");
  CHECK(f.aggregate(next, kBody).error().message.starts_with("CursorNotFound (43): "));
  for (const std::string_view cursor : {"", "x", "AAAA", "A+AA"}) {
    CHECK(f.aggregate(json{{"cursor", cursor}}.dump(), kBody).error().message ==
          "cursor: this is not a cursor that a page came with");
  }
}

TEST_CASE("A cursor of Aggregate survives its text, and no other text is one") {
  const AggregateCursor cursor{1, ~std::uint64_t{0}, 3, -4, 5};
  std::string text = encode_aggregate_cursor(cursor);
  const auto again = decode_aggregate_cursor(text);
  REQUIRE(again);
  CHECK(again->pipeline_hash == 1);
  CHECK(again->documents_hash == ~std::uint64_t{0});
  CHECK(again->seed == 3);
  CHECK(again->now_ms == -4);
  CHECK(again->given == 5);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'B' ? 'C' : 'B';
    CHECK_FALSE(decode_aggregate_cursor(changed).has_value());
  }
  CHECK_FALSE(decode_aggregate_cursor(text + "A").has_value());
}

TEST_CASE("$out makes a collection hold the results alone") {
  Fixture f;
  f.add("t", R"({"_id":0,"old":1})");
  f.add("t", R"({"_id":7,"old":1})");
  CHECK(*f.run(R"([{"$group":{"_id":"$k","n":{"$sum":1}}},{"$out":"t"}])") == json{{"written", 3}});
  CHECK(f.documents("t") == R"({"_id":0,"n":4}{"_id":1,"n":3}{"_id":2,"n":3})");
  const auto before = f.writes();
  CHECK(*f.run(R"([{"$group":{"_id":"$k","n":{"$sum":1}}},{"$out":"t"}])") == json{{"written", 0}});
  CHECK(f.writes() == before);
  CHECK(*f.run(R"([{"$match":{"k":9}},{"$out":"t"}])") == json{{"written", 0}});
  CHECK(f.documents("t").empty());
  CHECK(*f.run(R"([{"$match":{"k":9}},{"$out":"new"}])") == json{{"written", 0}});
  CHECK(f.documents("new").empty());
  CHECK(*f.run(R"([{"$project":{"_id":0,"v":1}},{"$limit":2},{"$out":"c"}])") == json{{"written", 2}});
  CHECK(f.replica.database().find("c")->size() == 2);
}

TEST_CASE("$merge does with each result what it says") {
  const auto merged = [](std::string_view options, std::uint64_t written) {
    Fixture f;
    f.add("t", R"({"_id":0,"n":4,"old":1})");
    f.add("t", R"({"_id":9,"old":2})");
    const auto reply =
        f.run(R"([{"$group":{"_id":"$k","n":{"$sum":1}}},{"$match":{"_id":{"$lt":2}}},{"$merge":{"into":"t")" +
              std::string(options) + "}}]");
    REQUIRE_MESSAGE(reply.has_value(), reply.error().message);
    CHECK(*reply == json{{"written", written}});
    return f.documents("t");
  };
  CHECK(merged("", 1) == R"({"_id":0,"n":4,"old":1}{"_id":1,"n":3}{"_id":9,"old":2})");
  CHECK(merged(R"(,"whenMatched":"replace")", 2) == R"({"_id":0,"n":4}{"_id":1,"n":3}{"_id":9,"old":2})");
  CHECK(merged(R"(,"whenMatched":"keepExisting")", 1) == R"({"_id":0,"n":4,"old":1}{"_id":1,"n":3}{"_id":9,"old":2})");
  CHECK(merged(R"(,"whenMatched":"replace","whenNotMatched":"discard")", 1) == R"({"_id":0,"n":4}{"_id":9,"old":2})");
}

TEST_CASE("$out and $merge that cannot be done change nothing") {
  Fixture f;
  f.add("t", R"({"_id":1,"old":1})");
  const auto before = f.writes();
  const auto refused = [&](std::string_view pipeline, Code code, std::string_view text) {
    const auto reply = f.run(pipeline);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().code == code);
    CHECK_MESSAGE(reply.error().message.find(text) != std::string::npos, reply.error().message);
    CHECK(f.writes() == before);
  };
  refused(R"([{"$merge":{"into":"t","whenMatched":"fail"}}])", Code::kAlreadyExists,
          R"(DuplicateKey (11000): $merge: there is a document with the _id {"_id":1})");
  refused(R"([{"$merge":{"into":"t","whenNotMatched":"fail"}}])", Code::kNotFound,
          R"(MergeStageNoMatchingDocument (13113): $merge: there is no document with the _id {"_id":0})");
  refused(R"([{"$project":{"_id":{"$literal":5}}},{"$merge":{"into":"t","whenMatched":"fail"}}])", Code::kAlreadyExists,
          "DuplicateKey");
  refused(R"([{"$project":{"_id":{"$literal":5}}},{"$out":"t"}])", Code::kInvalidArgument,
          R"(DuplicateKey (11000): $out: two results have the _id {"_id":5})");
  refused(R"([{"$project":{"_id":["$v"]}},{"$out":"t"}])", Code::kInvalidArgument, "_id");
  refused(R"([{"$set":{"a":{"$divide":["$v","$k"]}}},{"$out":"t"}])", Code::kInvalidArgument, "stage 0 ($set)");
}

TEST_CASE("Wrong parameters of Aggregate are refused by name") {
  Fixture f;
  const auto refused = [&](std::string_view params, std::string_view body, std::string_view text) {
    const auto reply = f.aggregate(params, body);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(reply.error().message.find(text) != std::string::npos, reply.error().message);
  };
  refused("", "", "Aggregate needs 'pipeline'");
  refused(R"({"pipeline":5})", "", "parameter 'pipeline' must be an array, not int");
  refused(R"({"pipeline":[]})", R"({"pipeline":[]})", "the pipeline is given twice");
  refused("", R"({"pipeline":[],"x":1})", "the body of Aggregate has no parameter 'x'");
  refused(R"({"x":1})", R"({"pipeline":[]})", "Aggregate has no parameter 'x'");
  refused(R"({"page_documents":0})", R"({"pipeline":[]})", "'page_documents' must be 1 to 100000");
  refused(R"({"cursor":5})", R"({"pipeline":[]})", "'cursor' must be a string");
  refused(R"({"w":1})", R"({"pipeline":[]})", "parameter 'w' needs $out or $merge");
  refused("", R"({"pipeline":[{"$nope":1}]})", "Location40324 (40324): stage 0 ($nope)");
  CHECK(f.services.execute(aggregate_call("", "", R"({"pipeline":[]})")).error().message.find("needs a collection") !=
        std::string::npos);
}

TEST_CASE("Aggregate is a write only with $out and $merge, and never repeatable") {
  const auto writes = [](std::string_view body, std::string_view params = "") {
    return is_write(aggregate_call("c", params, body));
  };
  CHECK_FALSE(writes(R"({"pipeline":[{"$match":{"a":1}}]})"));
  CHECK_FALSE(writes(R"({"pipeline":[{"$set":{"a":{"$mergeObjects":["$b","$c"]}}}]})"));
  CHECK(writes(R"({"pipeline":[{"$out":"t"}]})"));
  CHECK(writes(R"({"pipeline":[{"$merge":"t"}]})"));
  CHECK(writes("", R"({"pipeline":[{"$out":"t"}]})"));
  CHECK(writes(R"({"pipeline":[{"\u0024out":"t"}]})"));
  const auto bson = bson::from_json(R"({"pipeline":[{"$merge":"t"}]})");
  CHECK(is_write(aggregate_call("c", "", bson->bytes(), wire::Format::kBson)));
  CHECK_FALSE(is_repeatable(aggregate_call("c", "", R"({"pipeline":[{"$out":"t"}]})")));
  CHECK(is_write({*find_document_service("AddDocument"), "c", "", "{}", wire::Format::kJson, 0}));
  CHECK_FALSE(is_write({*find_document_service("Count"), "c", "", "", wire::Format::kJson, 0}));
}

TEST_CASE("$merge by other fields than _id goes by a unique index on exactly these") {
  Fixture f;
  const auto merge = [&](std::string_view results, std::string_view options) {
    f.good("DeleteDocument", R"({"all":true})");
    for (const json& each : json::parse(results)) f.good("AddDocument", "", each.dump());
    return f.call("Aggregate",
                  fmt::format(R"({{"pipeline":[{{"$unset":"_id"}},{{"$merge":{{"into":"t",{}}}}}]}})", options));
  };
  const auto in_t = [&] {
    return (*f.call_on("t", "ReadCollection", R"({"projection":{"_id":0},"sort":{"a":1,"b":1}})"))["documents"];
  };
  const auto refused = [&](std::string_view results, std::string_view options, std::string_view message) {
    const json before = in_t();
    const auto done = merge(results, options);
    REQUIRE_FALSE(done.has_value());
    CHECK_MESSAGE(done.error().message.find(message) != std::string::npos, done.error().message);
    CHECK(in_t() == before);
  };
  f.good("AddDocument", "", "{}");
  REQUIRE(f.call_on("t", "AddDocument", "", R"({"_id":"one","a":1,"b":{"c":1},"n":1})"));
  REQUIRE(f.call_on("t", "CreateIndex", R"({"key":{"a":1}})"));
  REQUIRE(f.call_on("t", "CreateIndex", R"({"key":{"b.c":-1,"a":1},"unique":true})"));
  const std::string_view on = R"("on":["a","b.c"])";
  refused(R"([{"a":1}])", R"("on":"a")", "Location51183 (51183)");
  refused(R"([{"a":1,"b":{"c":1}}])", on, "Location51183 (51183)");  // not built yet
  while (f.replica.build_indexes(100)) {
  }
  refused(R"([{"a":1}])", on, "Location51132 (51132): $merge: a result has no value at 'b.c'");
  refused(R"([{"a":1,"b":{"d":1}}])", on, "has no value at 'b.c'");
  refused(R"([{"a":null,"b":{"c":1}}])", on, "Location51132 (51132)");
  refused(R"([{"a":[1],"b":{"c":1}}])", on, "Location51132 (51132)");
  // One that is there, a new one, and one more that belongs to that.
  CHECK((*merge(R"([{"a":1,"b":{"c":1},"m":5},{"a":2,"b":{"c":1},"m":6},{"a":2,"b":{"c":1},"k":7}])", on))["written"] ==
        3);
  CHECK(in_t() == json::parse(R"([{"a":1,"b":{"c":1},"n":1,"m":5},{"a":2,"b":{"c":1},"k":7,"m":6}])"));
  CHECK((*f.call_on("t", "Count", R"({"filter":{"_id":"one"}})"))["count"] == 1);
  CHECK((*merge(R"([{"a":1.0,"b":{"c":1}}])", R"("on":["b.c","a"],"whenMatched":"replace")"))["written"] == 1);
  CHECK(in_t()[0] == json::parse(R"({"a":1.0,"b":{"c":1}})"));
  refused(R"([{"a":1,"b":{"c":1}}])", R"("on":["a","b.c"],"whenMatched":"fail")", "DuplicateKey (11000)");
  refused(R"([{"a":9,"b":{"c":1}}])", R"("on":["a","b.c"],"whenNotMatched":"fail")",
          "MergeStageNoMatchingDocument (13113)");
  CHECK((*merge(R"([{"a":9,"b":{"c":1}}])", R"("on":["a","b.c"],"whenNotMatched":"discard")"))["written"] == 0);
  // With an _id of its own.
  f.good("DeleteDocument", R"({"all":true})");
  f.good("AddDocument", "", R"({"_id":"two","a":1,"b":{"c":1}})");
  const std::string pipeline = R"({"pipeline":[{"$merge":{"into":"t","on":["a","b.c"]}}]})";
  CHECK(f.bad("Aggregate", pipeline)
            .message.starts_with("ImmutableField (66): $merge: the result {\"_id\":\"two\"} belongs to"));
  f.good("DeleteDocument", R"({"all":true})");
  f.good("AddDocument", "", R"({"_id":"one","a":7,"b":{"c":1}})");
  CHECK(f.bad("Aggregate", pipeline).message.starts_with("DuplicateKey (11000): $merge: another document has the _id"));
}
