// Which way a read takes, and that its answer does not depend on it.
#include "index_support.hpp"

namespace distri::db::test {

TEST_CASE("an index with bounds looks only at what they let through") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"a":1}})");
  create(collection, R"({"key":{"b":-1,"a":1},"name":"ba"})");
  create(collection, R"({"key":{"c":1}})");

  Answer answer = ask(collection, R"({"a":7})");
  CHECK(answer.ids == "7");
  CHECK(answer.stages == "FETCH IXSCAN a_1");
  CHECK(answer.bounds == R"({"a":["[7, 7]"]})");
  CHECK(answer.keys == 1);
  CHECK(answer.documents == 1);

  answer = ask(collection, R"({"a":{"$gt":5,"$lte":8}})");
  CHECK(answer.ids == "6 7 8");
  CHECK(answer.stages == "SORT FETCH IXSCAN a_1");
  CHECK(answer.bounds == R"({"a":["(5, 8]"]})");
  CHECK(answer.keys == 3);

  answer = ask(collection, R"({"a":{"$in":[9,1,500]}})");
  CHECK(answer.ids == "1 9");
  CHECK(answer.keys == 2);

  answer = ask(collection, R"({"b":3,"a":{"$lt":20}})");
  CHECK(answer.ids == "3 13");
  CHECK(answer.stages == "SORT FETCH IXSCAN ba");
  CHECK(answer.bounds == R"x({"b":["[3, 3]"],"a":["[-inf, 20)"]})x");
  CHECK(answer.keys == 2);

  answer = ask(collection, R"({"c":{"$gte":"x98"}})");
  CHECK(answer.ids == "98 99");
  CHECK(answer.bounds == R"x({"c":["[\"x98\", {})"]})x");

  // Half of the collection: reading it from end to end is cheaper.
  CHECK(ask(collection, R"({"a":{"$gte":50}})").stages == "COLLSCAN");
  // _id wins.
  CHECK(ask(collection, R"({"a":7,"_id":7})").stages == "IDHACK");
  CHECK(ask(collection, R"({"a":{"$lt":30},"_id":{"$lt":3}})").stages == "CLUSTERED_IXSCAN");
  CHECK(ask(collection, R"({"a":{"$lt":3},"_id":{"$lt":30}})").stages == "SORT FETCH IXSCAN a_1");
}

TEST_CASE("an index gives the order of a sort, forward and backward, and stops when the page is full") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"b":-1,"a":1},"name":"ba"})");

  Answer answer = ask(collection, "{}", R"({"b":-1,"a":1})", 3);
  CHECK(answer.ids == "9 19 29");
  CHECK(answer.stages == "FETCH IXSCAN ba");
  CHECK(answer.documents <= 5);

  answer = ask(collection, "{}", R"({"b":1,"a":-1})", 3);
  CHECK(answer.ids == "90 80 70");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");
  CHECK(answer.documents <= 5);

  // Equal ones by _id ascending, also when the index is read backward.
  answer = ask(collection, "{}", R"({"b":1})", 3);
  CHECK(answer.ids == "0 10 20");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");
  CHECK(answer.documents <= 11);

  answer = ask(collection, R"({"b":4})", R"({"a":-1})", 2);
  CHECK(answer.ids == "94 84");
  CHECK(answer.stages == "FETCH IXSCAN ba backward");

  answer = ask(collection, R"({"b":4})", R"({"b":1,"a":1})", 2);
  CHECK(answer.ids == "4 14");
  CHECK(answer.stages == "FETCH IXSCAN ba");

  CHECK(ask(collection, "{}", R"({"b":1,"a":1})", 2).stages == "SORT COLLSCAN");
  CHECK(ask(collection, "{}", R"({"a":1})", 2).stages == "SORT COLLSCAN");
}

TEST_CASE("a later page of a sorted read begins where the index has it") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"b":1,"a":1},"name":"ba"})");
  for (const std::string_view sort : {R"({"b":1,"a":1})", R"({"b":-1})", R"({"b":-1,"a":-1})"}) {
    db::FindQuery query;
    query.sort = *db::parse_sort(json(sort));
    query.page_documents_max = 4;
    for (int page = 0; page < 20; ++page) query.cursor = db::find(collection, query)->cursor;
    const bson::Document explained = *db::explain(collection, query);
    const bson::View stats = explained.view().find("executionStats")->as_object();
    CHECK(stats.find("nReturned")->as_int64() == 4);
    CHECK(stats.find("totalDocsExamined")->as_int64() <= 21);
  }
}

TEST_CASE(
    "A read in the order of an index shows the same when the index goes in its middle, by pages, skip and limit") {
  const auto source = json(R"({"a":{"$gte":2}})");
  const auto filter = db::Filter::compile(source);
  for (const std::string_view sort : {R"({"b":1})", R"({"b":-1})", R"({"b":1,"a":-1})"}) {
    for (int steps = 1; steps < 40; steps += 3) {
      CAPTURE(sort);
      CAPTURE(steps);
      db::Collection collection = hundred();
      const std::string index = fmt::format(R"({{"key":{},"name":"sorted"}})", sort);
      create(collection, index);
      db::FindQuery query;
      query.filter = &*filter;
      query.sort = *db::parse_sort(json(sort));
      query.page_documents_max = 9;
      query.skip = 5;
      query.limit = 30;
      db::FindQuery whole = query;
      whole.hint = "$natural";
      whole.page_documents_max = 100;
      const auto expected = db::find(collection, whole)->records;
      REQUIRE(expected.size() == 30);
      std::vector<const db::Record*> shown;
      int left = steps;
      do {
        db::FindRun run(query);
        for (bool complete = false; !complete;) {
          std::uint64_t budget = 3;
          complete = *run.step(&collection, budget, [&](const db::Record& record) -> Result<> {
            shown.push_back(&record);
            return {};
          });
          if (--left > 0) continue;
          if (left == 0) collection.drop_index("sorted");
          if (left == 0 && steps % 2 == 0) create(collection, index);
        }
        query.cursor = run.cursor();
      } while (!query.cursor.empty());
      CHECK(shown == expected);
    }
  }
}

TEST_CASE("conditions on an array bound an index one at a time, but for $elemMatch") {
  db::Collection collection;
  for (int i = 0; i < 40; ++i) put(collection, fmt::format(R"({{"_id":{},"a":[{},{}]}})", i, i, i + 50));
  create(collection, R"({"key":{"a":1}})");
  // 30 and 80 are two elements: neither lies between.
  Answer answer = ask(collection, R"({"a":{"$gt":85,"$lt":37}})");
  CHECK(answer.ids == "36");
  CHECK(answer.stages == "SORT FETCH IXSCAN a_1");
  answer = ask(collection, R"({"a":{"$elemMatch":{"$gt":20,"$lt":23}}})");
  CHECK(answer.ids == "21 22");
  CHECK(answer.bounds == R"x({"a":["(20, 23)"]})x");
  CHECK(answer.keys == 2);
  // Each document once, in the order of its smallest element, whatever the bounds.
  answer = ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2);
  CHECK(answer.ids == "36 37");
  put(collection, R"({"_id":99,"a":[-5,95]})");
  CHECK(ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2).ids == "99 36");
  CHECK(ask(collection, R"({"a":{"$gte":86}})", R"({"a":1})", 2, "a_1").ids == "99 36");
  CHECK_FALSE(collection.check_indexes());
}

TEST_CASE("fields of the same array are bounded together only by one element") {
  db::Collection collection;
  for (int i = 0; i < 30; ++i) {
    put(collection, fmt::format(R"({{"_id":{0},"a":[{{"b":{0},"c":1}},{{"b":100,"c":{0}}}]}})", i));
  }
  create(collection, R"({"key":{"a.b":1,"a.c":1},"name":"bc"})");
  // b is 5 in one element, c is 5 in the other.
  Answer answer = ask(collection, R"({"a.b":5,"a.c":5})");
  CHECK(answer.ids == "5");
  CHECK(answer.stages == "SORT FETCH IXSCAN bc");
  CHECK(answer.bounds == R"({"a.b":["[5, 5]"],"a.c":["[MinKey, MaxKey]"]})");
  CHECK(ask(collection, R"({"a":{"$elemMatch":{"b":5,"c":5}}})").ids.empty());
  CHECK(ask(collection, R"({"a":{"$elemMatch":{"b":5,"c":1}}})").ids == "5");
}

TEST_CASE("null, missing and empty arrays are found through an index") {
  db::Collection collection;
  for (int i = 10; i < 40; ++i) put(collection, fmt::format(R"({{"_id":{},"a":{}}})", i, i));
  put(collection, R"({"_id":1})");
  put(collection, R"({"_id":2,"a":null})");
  put(collection, R"({"_id":3,"a":[]})");
  put(collection, R"({"_id":4,"a":{"$undefined":true}})");
  put(collection, R"({"_id":5,"a":[null,7]})");
  put(collection, R"({"_id":6,"a":{"$numberDouble":"NaN"}})");
  create(collection, R"({"key":{"a":1}})");
  for (const char* hint : {"a_1", ""}) {
    CHECK(ask(collection, R"({"a":null})", "{}", 0, hint).ids == "1 2 4 5");
    CHECK(ask(collection, R"({"a":{"$gte":null}})", "{}", 0, hint).ids == "1 2 4 5");
    CHECK(ask(collection, R"({"a":{"$in":[null,12]}})", "{}", 0, hint).ids == "1 2 4 5 12");
    CHECK(ask(collection, R"({"a":[]})", "{}", 0, hint).ids == "3");
    CHECK(ask(collection, R"({"a":{"$numberDouble":"NaN"}})", "{}", 0, hint).ids == "6");
    CHECK(ask(collection, R"({"a":{"$lt":12}})", "{}", 0, hint).ids == "5 10 11");
  }
}

TEST_CASE("64-bit numbers, doubles and decimals that differ by little are told apart") {
  db::Collection collection;
  put(collection, R"({"_id":1,"a":{"$numberLong":"9007199254740992"}})");
  put(collection, R"({"_id":2,"a":{"$numberLong":"9007199254740993"}})");
  put(collection, R"({"_id":3,"a":{"$numberDouble":"9007199254740992"}})");
  put(collection, R"({"_id":4,"a":{"$numberDecimal":"9007199254740993"}})");
  put(collection, R"({"_id":5,"a":{"$numberDecimal":"9007199254740992.5"}})");
  put(collection, R"({"_id":6,"a":{"$numberLong":"-9223372036854775808"}})");
  create(collection, R"({"key":{"a":1},"name":"up"})");
  create(collection, R"({"key":{"a":-1},"name":"down"})");
  for (const char* hint : {"up", "down"}) {
    CHECK(ask(collection, R"({"a":{"$numberLong":"9007199254740993"}})", "{}", 0, hint).ids == "2 4");
    CHECK(ask(collection, R"({"a":{"$gt":{"$numberLong":"9007199254740992"}}})", "{}", 0, hint).ids == "2 4 5");
    CHECK(ask(collection, R"({"a":{"$lt":{"$numberDecimal":"9007199254740992.5"}}})", "{}", 0, hint).ids == "1 3 6");
    CHECK(ask(collection, "{}", R"({"a":1})", 0, hint).ids == "6 1 3 5 2 4");
  }
}

TEST_CASE("sparse and partial indexes are used only for what they hold") {
  db::Collection collection = hundred();
  create(collection, R"({"key":{"d":1},"sparse":true})");
  create(collection, R"({"key":{"a":1},"partialFilterExpression":{"b":{"$gte":5}},"name":"half"})");
  put(collection, R"({"_id":200,"d":1,"a":7})");
  CHECK(collection.index("d_1")->entries().size() == 1);
  CHECK(collection.index("half")->entries().size() == 50);
  CHECK(ask(collection, R"({"d":1})").stages == "FETCH IXSCAN d_1");
  CHECK(ask(collection, R"({"d":null})").stages == "COLLSCAN");
  CHECK(ask(collection, "{}", R"({"d":1})", 2).stages == "SORT COLLSCAN");
  struct Row {
    const char* filter;
    bool used;
  };
  const Row rows[] = {
      {R"({"a":7})", false},
      {R"({"a":7,"b":7})", true},
      {R"({"a":7,"b":4})", false},
      {R"({"a":7,"b":{"$gt":5}})", true},
      {R"({"a":7,"b":{"$gte":5}})", true},
      {R"({"a":7,"b":{"$gt":4}})", false},
      {R"({"a":7,"b":{"$in":[6,7]}})", true},
      {R"({"a":7,"b":{"$in":[4,7]}})", false},
      {R"({"a":7,"b":"x"})", false},
      {R"({"a":7,"$or":[{"b":8},{"b":{"$gt":6}}]})", true},
      {R"({"a":7,"$or":[{"b":8},{"c":1}]})", false},
      {R"({"a":7,"b":{"$not":{"$lt":5}}})", false},
  };
  for (const Row& row : rows) {
    const std::string expected = row.used ? "FETCH IXSCAN half" : "COLLSCAN";
    CHECK_MESSAGE(ask(collection, row.filter).stages == expected, row.filter);
  }
  db::FindQuery query;
  query.hint = "half";
  CHECK(db::find(collection, query).error().message ==
        "BadValue (2): hint: the index 'half' does not hold all documents that can match");
  query.hint = "none";
  CHECK(db::find(collection, query).error().message ==
        "BadValue (2): hint: there is no index 'none', or it is not built yet");
}

TEST_CASE("A regular expression that begins with ^ and plain characters bounds an index of texts") {
  Collection collection = hundred();
  put(collection, R"({"_id":200,"c":{"$regularExpression":{"pattern":"^x1","options":""}}})");
  put(collection, R"({"_id":201,"c":["a","x15"]})");
  put(collection, R"({"_id":202,"c":{"$symbol":"x16"}})");
  create(collection, R"({"key":{"c":1}})");
  Answer answer = ask(collection, R"({"c":{"$regex":"^x1"}})");
  CHECK(answer.stages == "SORT FETCH IXSCAN c_1");
  CHECK(answer.bounds == R"x({"c":["[\"x1\", \"x1...\")"]})x");
  CHECK(answer.keys == 12);
  answer = ask(collection, R"({"c":{"$regularExpression":{"pattern":"^x1","options":""}}})");
  CHECK(answer.bounds == R"x({"c":["[\"x1\", \"x1...\")","[the regular expression itself]"]})x");
  CHECK(answer.keys == 13);
  CHECK(answer.ids.ends_with("200 201 202"));
  CHECK(ask(collection, R"({"c":{"$regex":"^x1","$lt":"x12"}})").stages == "SORT FETCH IXSCAN c_1");
  CHECK(ask(collection, R"({"c":{"$regex":"^x1","$options":"i"}})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"c":{"$regex":"x1"}})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"c":{"$not":{"$regex":"^x1"}}})").stages == "COLLSCAN");
  create(collection, R"({"key":{"c":-1},"name":"down"})");
  CHECK(ask(collection, R"({"c":{"$regularExpression":{"pattern":"^x1","options":""}}})", "{}", 0, "down").keys == 13);
}

TEST_CASE("How much of a regular expression bounds an index") {
  struct Row {
    const char* pattern;
    const char* options;
    const char* prefix;
  };
  Collection collection = hundred();
  create(collection, R"({"key":{"c":1}})");
  for (const Row& row : {
           Row{"^abc", "", "abc"},
           Row{"^abc", "su", "abc"},
           Row{"^abc", "i", ""},
           Row{"^abc", "m", ""},
           Row{"^abc", "x", ""},
           Row{"abc", "", ""},
           Row{"^", "", ""},
           Row{"", "", ""},
           Row{"^abc|d", "", ""},
           Row{"^abc*", "", "ab"},
           Row{"^abc?d", "", "ab"},
           Row{"^abc{0,1}", "", "ab"},
           Row{"^abc+d", "", "abc"},
           Row{"^a.c", "", "a"},
           Row{"^a[bc]", "", "a"},
           Row{"^(ab)c", "", ""},
           Row{"^ab$", "", "ab"},
           Row{"^a\\.b", "", "a.b"},
           Row{"^a\\.*b", "", "a"},
           Row{"^a\\d", "", "a"},
           Row{"^a\\b", "", "a"},
           Row{"^a b#c", "", "a b#c"},
           Row{"^\xc3\xa4\xc3\xb6?", "", "\xc3\xa4"},
           Row{"^\xc3\xa4*", "", ""},
           Row{"\\Aab", "", ""},
           Row{"(*UCP)^ab", "", ""},
           Row{"^a^b", "", "a"},
           Row{"^a\\Q.\\E", "", "a"},
           Row{"^ab-c/d", "", "ab-c/d"},
       }) {
    std::string pattern;
    for (const char* c = row.pattern; *c != 0; ++c) pattern += *c == '\\' ? "\\\\" : std::string(1, *c);
    const Answer answer =
        ask(collection, fmt::format(R"({{"c":{{"$regex":"{}","$options":"{}"}}}})", pattern, row.options));
    if (*row.prefix == 0) {
      CHECK_MESSAGE(answer.stages == "COLLSCAN", row.pattern);
    } else {
      CHECK_MESSAGE(answer.bounds == fmt::format(R"x({{"c":["[\"{0}\", \"{0}...\")"]}})x", row.prefix), row.pattern);
    }
  }
}

TEST_CASE("An $or is read by the indexes of its branches, each document once") {
  Collection collection = hundred();
  create(collection, R"({"key":{"a":1}})");
  create(collection, R"({"key":{"c":1}})");
  create(collection, R"({"key":{"b":1,"a":1}})");
  Answer answer = ask(collection, R"({"$or":[{"a":{"$lt":3}},{"c":{"$gte":"x98"}},{"a":2}]})");
  CHECK(answer.stages == "SORT FETCH OR");
  CHECK(answer.ids == "0 1 2 98 99");
  CHECK(answer.keys == 6);
  CHECK(answer.documents == 5);
  answer = ask(collection, R"({"$or":[{"a":{"$lt":3}},{"c":{"$gte":"x98"}}]})", R"({"c":-1})");
  CHECK(answer.stages == "SORT FETCH OR");
  CHECK(answer.ids == "99 98 2 1 0");
  // With what must hold beside it.
  answer = ask(collection, R"({"b":7,"$or":[{"a":{"$lt":30}},{"a":{"$gt":90}}]})");
  CHECK(answer.stages == "SORT FETCH OR");
  CHECK(answer.ids == "7 17 27 97");
  CHECK(answer.keys == 4);
  CHECK(ask(collection, R"({"$or":[{"a":1},{"c":{"$regex":"^x5"}}]})").stages == "SORT FETCH OR");
  CHECK(ask(collection, R"({"$or":[{"a":1},{"none":2}]})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"$or":[{"a":{"$gte":10}},{"c":"x01"}]})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"$nor":[{"a":1},{"c":"x01"}]})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"a":5,"$or":[{"a":1},{"a":{"$lt":50}}]})").stages == "FETCH IXSCAN a_1");
}

TEST_CASE("Partial and sparse indexes serve a branch that implies them") {
  Collection collection = hundred();
  create(collection, R"({"key":{"a":1},"partialFilterExpression":{"b":{"$lt":3}}})");
  create(collection, R"({"key":{"c":1},"sparse":true})");
  CHECK(ask(collection, R"({"$or":[{"a":1,"b":1},{"c":"x05"}]})").stages == "SORT FETCH OR");
  CHECK(ask(collection, R"({"b":1,"$or":[{"a":1},{"c":"x05"}]})").stages == "SORT FETCH OR");
  CHECK(ask(collection, R"({"$or":[{"a":1},{"c":"x05"}]})").stages == "COLLSCAN");
  CHECK(ask(collection, R"({"$or":[{"a":1,"b":1},{"c":null}]})").stages == "COLLSCAN");
}

}  // namespace distri::db::test
