// index_model.hpp: a collection with indexes beside the same collection without: whatever is written and asked, both
// say the same. What happens is drawn from a source of choices: random numbers (index_model_test.cpp) or a fuzzer's
// bytes.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/explain.hpp"
#include "distri/db/find.hpp"
#include "distri/db/index.hpp"

namespace distri::test {

// Source: std::uint64_t below(std::uint64_t bound).
template <class Source>
class IndexModel {
 public:
  explicit IndexModel(Source& source) : source_(source), flat_(source.below(2) == 0) {}

  // One change, then one question. What differs, or empty.
  std::string step() {
    change();
    if (const auto broken = indexed_.check_indexes()) return *broken;
    return ask();
  }

  std::uint64_t questions() const { return questions_; }
  std::uint64_t by_index() const { return by_index_; }    // the planner chose an index
  std::uint64_t with_hint() const { return with_hint_; }  // a hint was followed
  std::uint64_t in_order() const { return in_order_; }    // without a sort stage
  std::uint64_t multikey() const { return multikey_; }
  std::uint64_t unions() const { return unions_; }  // of indexes, for an $or

 private:
  std::uint64_t below(std::uint64_t bound) { return source_.below(bound); }

  template <std::size_t kCount>
  std::string one_of(const char* const (&texts)[kCount]) {
    return texts[below(kCount)];
  }

  std::string scalar() {
    static constexpr const char* kScalars[] = {"null",
                                               "0",
                                               "1",
                                               "2",
                                               "3",
                                               "-1",
                                               "0.5",
                                               "-0.0",
                                               R"({"$numberLong":"9007199254740992"})",
                                               R"({"$numberLong":"9007199254740993"})",
                                               R"({"$numberLong":"-9007199254740993"})",
                                               R"({"$numberDouble":"9007199254740992.0"})",
                                               R"({"$numberDouble":"NaN"})",
                                               R"({"$numberDouble":"Infinity"})",
                                               R"({"$numberDouble":"-Infinity"})",
                                               R"({"$numberDouble":"0.1"})",
                                               R"({"$numberDecimal":"0.1"})",
                                               R"({"$numberDecimal":"9007199254740993"})",
                                               R"({"$numberDecimal":"NaN"})",
                                               R"({"$numberDecimal":"1"})",
                                               R"("")",
                                               R"("a")",
                                               R"("b")",
                                               R"("a\u0000b")",
                                               "true",
                                               "false",
                                               R"({"$date":"1970-01-01T00:00:00Z"})",
                                               R"({"$oid":"000000000000000000000001"})",
                                               R"({"$symbol":"a"})",
                                               R"({"$undefined":true})",
                                               R"({"$minKey":1})",
                                               R"({"$maxKey":1})",
                                               R"({"$timestamp":{"t":1,"i":2}})",
                                               R"({"$regularExpression":{"pattern":"a","options":""}})",
                                               R"({"$regularExpression":{"pattern":"^a","options":""}})"};
    // Small numbers often, so that documents share values.
    return below(2) == 0 ? std::to_string(below(4)) : one_of(kScalars);
  }

  std::string value(int depth) {
    const std::uint64_t kind = below(depth > 0 ? (flat_ ? 6 : 8) : 5);
    if (kind < 5) return scalar();
    if (kind == 5) return object(depth - 1);
    std::string text = "[";
    for (std::uint64_t left = below(4); left > 0; --left) {
      text += kind == 6 ? value(depth - 1) : object(depth - 1);
      if (left > 1) text += ",";
    }
    return text + "]";
  }

  std::string object(int depth) {
    static constexpr const char* kNames[] = {"a", "b", "0"};
    std::string text = "{";
    for (const char* name : kNames) {
      if (below(3) == 0) continue;
      if (text.size() > 1) text += ",";
      text += std::string("\"") + name + "\":" + value(depth);
    }
    return text + "}";
  }

  std::string document() {
    std::string text = "{\"_id\":" + std::to_string(below(40));
    for (const char* name : {"a", "b", "c"}) {
      if (below(4) != 0) text += std::string(",\"") + name + "\":" + value(2);
    }
    return text + "}";
  }

  std::string path() {
    static constexpr const char* kPaths[] = {"a",   "a",   "b",   "b",     "c",     "a.b",
                                             "a.a", "b.a", "a.0", "a.0.b", "a.b.a", "_id"};
    return one_of(kPaths);
  }

  std::string keys(std::uint64_t count) {
    std::vector<std::string> paths;
    std::string text = "{";
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string next = path();
      if (std::find(paths.begin(), paths.end(), next) != paths.end()) continue;
      paths.push_back(next);
      text += (text.size() > 1 ? ",\"" : "\"") + next + "\":" + (below(2) == 0 ? "1" : "-1");
    }
    return text + "}";
  }

  std::string comparison() {
    static constexpr const char* kPatterns[] = {"^a", "^ab?", "^b", "^a|b", "^", "a", "^a[^b]", "^(a)", "^\\\\x61"};
    switch (below(11)) {
      case 9:
        return "{\"$regex\":\"" + one_of(kPatterns) + "\"}";
      case 10:
        return "{\"$regularExpression\":{\"pattern\":\"" + one_of(kPatterns) + "\",\"options\":\"\"}}";
      case 0:
      case 1:
        return "{\"$eq\":" + value(1) + "}";
      case 2:
        return "{\"$in\":[" + value(1) + "," + value(1) + "," + scalar() + "]}";
      case 3:
        return "{\"$gte\":" + value(1) + ",\"$lt\":" + value(1) + "}";
      case 4:
        return "{\"$gt\":" + value(1) + "}";
      case 5:
        return "{\"$lte\":" + value(1) + "}";
      case 6:
        return std::string("{\"$exists\":") + (below(2) == 0 ? "true}" : "false}");
      case 7:
        return "{\"$gte\":" + scalar() + ",\"$lte\":" + scalar() + "}";
      default:
        return R"({"$type":"number"})";
    }
  }

  std::string condition(int depth) {
    switch (below(depth > 0 ? 10 : 6)) {
      case 6:
        return "{\"$or\":[" + condition(depth - 1) + "," + condition(depth - 1) + "]}";
      case 7:
        return "{\"$and\":[" + condition(depth - 1) + "," + condition(depth - 1) + "]}";
      case 8:
        return "{\"" + path() + "\":{\"$elemMatch\":" + (below(2) == 0 ? comparison() : condition(depth - 1)) + "}}";
      case 9:
        return "{\"" + path() + "\":{\"$not\":" + comparison() + "}}";
      default:
        return "{\"" + path() + "\":" + comparison() + "}";
    }
  }

  // Mostly one for which some index has bounds.
  std::string bounded() {
    if (indexed_.indexes().empty()) return condition(0);
    const auto& index = indexed_.indexes()[below(indexed_.indexes().size())];
    return "{\"" + index->definition().fields.front().path + "\":" + comparison() + "}";
  }

  std::string filter() {
    switch (below(6)) {
      case 0:
        return "{}";
      case 1:
        return condition(2);
      case 4:
        return "{\"$or\":[" + bounded() + "," + bounded() + "]}";
      case 5:
        return "{\"$or\":[" + bounded() + "," + condition(1) + "," + bounded() + "],\"$and\":[" + condition(0) + "]}";
      default:
        return "{\"$and\":[" + condition(1) + "," + condition(2) + "]}";
    }
  }

  void put() {
    const auto document = bson::from_json(this->document());
    if (!document) return;
    const Bytes key = bson::order_key(*document->view().find("_id"));
    indexed_.put(key, {*document, {}});
    plain_.put(key, {*document, {}});
  }

  void create_index() {
    std::string text = "{\"key\":" + keys(1 + below(3)) + ",\"name\":\"i" + std::to_string(next_name_++) + "\"";
    const std::uint64_t kind = below(6);
    if (kind == 0) text += ",\"sparse\":true";
    if (kind == 1) text += ",\"unique\":true";
    if (kind == 2) text += ",\"partialFilterExpression\":" + condition(1);
    const auto specification = bson::from_json(text + "}");
    if (!specification) return;
    auto index = db::parse_index(*specification);
    if (index && indexed_.indexes().size() < 6) indexed_.create_index(*std::move(index));
  }

  void change() {
    const std::uint64_t kind = below(12);
    if (kind == 0) return create_index();
    if (kind == 1 && !indexed_.indexes().empty() && below(4) == 0) {
      indexed_.drop_index(indexed_.indexes()[below(indexed_.indexes().size())]->definition().name);
      return;
    }
    if (kind < 4) {
      const Bytes key =
          bson::order_key(*bson::from_json("{\"_id\":" + std::to_string(below(40)) + "}")->view().find("_id"));
      indexed_.erase(key);
      plain_.erase(key);
      return;
    }
    if (kind == 4) {
      indexed_.build_indexes(below(20));
      return;
    }
    put();
  }

  std::string ask() {
    filter_text_ = filter();
    sort_text_ = keys(below(4));
    const auto filter_source = bson::from_json(filter_text_);
    const auto sort_source = bson::from_json(sort_text_);
    if (!filter_source || !sort_source) return {};
    const auto filter = db::Filter::compile(*filter_source);
    if (!filter) return {};
    ++questions_;
    const auto expected = db::count_matching(plain_, &*filter);
    if (!expected) return {};
    db::FindQuery query;
    query.filter = &*filter;
    query.sort = *db::parse_sort(*sort_source);
    query.page_documents_max = 1 + below(6);
    query.skip = below(3) == 0 ? below(4) : 0;
    query.limit = below(3) == 0 ? 1 + below(9) : 0;
    if (db::count_matching(indexed_, &*filter) != expected) return wrong("count", "");
    if (auto difference = compare_pages(query, ""); !difference.empty()) return difference;
    for (const auto& index : indexed_.indexes()) {
      const std::string hint = index->definition().name;
      query.hint = hint;
      if (!db::find(indexed_, query)) continue;  // not complete, or not built
      ++with_hint_;
      multikey_ += index->multikey() ? 1 : 0;
      if (auto difference = compare_pages(query, hint); !difference.empty()) return difference;
    }
    if (auto difference = compare_walk(*filter); !difference.empty()) return difference;
    return compare_disturbed(query);
  }

  std::string compare_pages(db::FindQuery query, const std::string& hint) {
    db::FindQuery naive = query;
    naive.hint = "$natural";
    if (const auto explained = db::explain(indexed_, query)) {
      const std::string text = bson::to_json(*explained);
      unions_ += text.find("\"stage\":\"OR\"") != std::string::npos ? 1 : 0;
      by_index_ += hint.empty() && text.find("IXSCAN\",\"keyPattern") != std::string::npos ? 1 : 0;
      in_order_ +=
          text.find("IXSCAN\",\"keyPattern") != std::string::npos && text.find("SORT") == std::string::npos ? 1 : 0;
    }
    for (;;) {
      const auto mine = db::find(indexed_, query);
      const auto theirs = db::find(plain_, naive);
      if (!theirs) return {};
      if (!mine) return wrong(mine.error().message, hint);
      if (mine->records.size() != theirs->records.size()) return wrong("another number of documents", hint);
      for (std::size_t i = 0; i < mine->records.size(); ++i) {
        if (!(mine->records[i]->document == theirs->records[i]->document)) return wrong("another document", hint);
      }
      if (mine->cursor != theirs->cursor) return wrong("another cursor", hint);
      std::vector<const db::Record*> sliced;
      const auto cursor = in_slices(query, [&](const db::Record& record) { sliced.push_back(&record); });
      if (!cursor || sliced != mine->records || *cursor != mine->cursor) return wrong("another page in slices", hint);
      if (mine->cursor.empty()) return {};
      query.cursor = naive.cursor = mine->cursor;
    }
  }

  std::string compare_walk(const db::Filter& filter) {
    std::vector<std::string> mine;
    std::vector<std::string> theirs;
    db::FindQuery query;
    query.filter = &filter;
    query.page_documents_max = indexed_.size() + 1;
    (void)in_slices(query, [&](const db::Record& record) { mine.push_back(id_key_of(record)); });
    for (const auto& [id, record] : plain_.records()) {
      if (filter.matches(record.document)) theirs.emplace_back(id);
    }
    return mine == theirs ? "" : wrong("read in slices", "");
  }

  // A page, a few steps at a time; the cursor.
  Result<std::string> in_slices(
      const db::FindQuery& query, const std::function<void(const db::Record&)>& show,
      const std::function<void()>& between = [] {}) {
    db::FindRun run(query);
    for (;;) {
      std::uint64_t budget = 1 + below(12);
      DISTRI_TRY(const bool complete, run.step(&indexed_, budget, [&](const db::Record& record) -> Result<> {
        show(record);
        return {};
      }));
      if (complete) return run.cursor();
      between();
    }
  }

  // All pages, while other documents come, change and go, and indexes too: the untouched are shown once and in order.
  std::string compare_disturbed(db::FindQuery query) {
    query.hint = query.cursor = {};
    query.skip = query.limit = 0;
    db::FindQuery all = query;
    all.page_documents_max = plain_.size() + 1;
    const auto expected = db::find(plain_, all);
    if (!expected) return {};
    std::vector<std::string> untouched;
    for (const db::Record* record : expected->records) untouched.push_back(id_key_of(*record));
    std::vector<std::string> shown;
    std::string problem;
    for (int page = 0; page == 0 || !query.cursor.empty(); ++page) {
      const auto cursor = in_slices(
          query,
          [&](const db::Record& record) {
            const std::string id = id_key_of(record);
            if (plain_.find(id) != nullptr) shown.push_back(id);
            if (!query.filter->matches(record.document)) problem = "a document that does not match";
          },
          [&] { disturb(); });
      // A document in the way may be one on which a condition fails.
      if (!cursor || page > 1'000) break;
      query.cursor = *cursor;
      if (query.cursor.empty() && shown != untouched) problem = "another reading of what nobody touched";
    }
    for (std::uint64_t other = 0; other < kOthers; ++other) indexed_.erase(key_of_other(other));
    return problem.empty() ? "" : wrong(problem + " beside changes", "");
  }

  // Changes nothing that is in plain_.
  void disturb() {
    const std::uint64_t kind = below(16);
    if (kind == 0) return create_index();
    if (kind == 1 && !indexed_.indexes().empty()) {
      indexed_.drop_index(indexed_.indexes()[below(indexed_.indexes().size())]->definition().name);
      return;
    }
    if (kind == 2) {
      indexed_.build_indexes(below(20));
      return;
    }
    const std::uint64_t other = below(kOthers);
    if (kind < 7) {
      indexed_.erase(key_of_other(other));
      return;
    }
    const auto model = bson::from_json(document());
    if (!model) return;
    bson::Builder named;
    named.append_double("_id", id_of_other(other));
    for (const bson::Element& element : model->view()) {
      if (element.key != "_id") named.append_element(element);
    }
    indexed_.put(key_of_other(other), {std::move(named).finish(), {}});
  }

  static std::string id_key_of(const db::Record& record) {
    return bson::order_key(record.document.view().begin()->value);
  }
  // Between the model's, which are whole numbers.
  static constexpr std::uint64_t kOthers = 5;
  static double id_of_other(std::uint64_t other) { return 0.5 + 8.0 * static_cast<double>(other); }
  static Bytes key_of_other(std::uint64_t other) {
    bson::Builder id;
    id.append_double("_id", id_of_other(other));
    const bson::Document document = std::move(id).finish();
    return bson::order_key(document.view().begin()->value);
  }

  std::string wrong(const std::string& what, const std::string& hint) {
    std::string text = what + ": filter " + filter_text_ + " sort " + sort_text_ + " hint '" + hint + "'; indexes:";
    for (const auto& index : indexed_.indexes()) {
      bson::Builder out;
      append_index(out, index->definition());
      text += " " + bson::to_json(std::move(out).finish());
    }
    for (const auto& [id, record] : plain_.records()) text += "\n" + bson::to_json(record.document);
    return text;
  }

  Source& source_;
  bool flat_;  // no arrays, so that indexes keep the order of sorts
  db::Collection indexed_;
  db::Collection plain_;
  std::string filter_text_;
  std::string sort_text_;
  std::uint64_t next_name_ = 0;
  std::uint64_t questions_ = 0;
  std::uint64_t by_index_ = 0;
  std::uint64_t with_hint_ = 0;
  std::uint64_t in_order_ = 0;
  std::uint64_t multikey_ = 0;
  std::uint64_t unions_ = 0;
};

}  // namespace distri::test
