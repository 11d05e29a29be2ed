// db_micro.cpp: the database without a node: matching, updates, indexes, sorting, grouping. Each beside a yardstick:
// what the same work costs by hand on the same data, or copying the bytes. What a benchmark computes is checked once,
// before it is measured.
//
// The documents are random but always the same. A benchmark processes all of kDocuments in one iteration, or as many
// items as its name says; bytes are those of the BSON that was gone over.
#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/aggregate.hpp"
#include "distri/db/find.hpp"
#include "distri/db/index.hpp"
#include "distri/db/update.hpp"
#include "distri/utils/random.hpp"

namespace {

using distri::Bytes;
using distri::BytesView;
namespace bson = distri::bson;
namespace db = distri::db;

constexpr std::uint64_t kDocuments = 100'000;
constexpr std::uint64_t kGroups = 100;
constexpr std::uint64_t kRange = 100;
constexpr std::string_view kCollection = "c";

bson::Document json(std::string_view text) {
  return bson::from_json(text).value();
}

// What the benchmarks work on: documents one behind the other in memory, and as a collection with and without an index.
struct Data {
  Bytes bytes;
  std::vector<bson::View> documents;
  std::vector<db::Record> records;  // the same
  std::vector<std::int32_t> n;      // of each: a permutation of 0 .. kDocuments-1
  std::vector<std::string> id_keys;
  db::Database database;
  db::Collection indexed;

  Data() : n(kDocuments) {
    std::iota(n.begin(), n.end(), 0);
    distri::Random random(1);
    for (std::size_t i = n.size() - 1; i > 0; --i) std::swap(n[i], n[random.below(i + 1)]);
    std::vector<std::size_t> ends;
    for (std::uint64_t i = 0; i < kDocuments; ++i) {
      bytes += json(fmt::format(R"({{"_id":"k{:010}","n":{},"name":"picture {}","tags":["sand","sky"],)"
                                R"("camera":{{"model":"x{}","iso":{}}},"group":"g{}","stars":{}}})",
                                i, n[i], random.below(1'000'000), random.below(100), 100 * random.below(32),
                                random.below(kGroups), random.below(6)))
                   .bytes();
      ends.push_back(bytes.size());
    }
    indexed.create_index(db::parse_index(json(R"({"key":{"n":1}})")).value());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      documents.push_back(bson::View::trusted(BytesView(bytes).substr(begin, end - begin)));
      begin = end;
      id_keys.push_back(bson::order_key(*documents.back().find("_id")));
      records.push_back({documents.back(), {}});
      database.put(kCollection, id_keys.back(), records.back());
      indexed.put(id_keys.back(), records.back());
    }
  }
};

const Data& data() {
  static const Data all;
  return all;
}

void set_documents(benchmark::State& state, std::uint64_t documents = kDocuments) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(documents));
}
void set_bytes(benchmark::State& state) {
  set_documents(state);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data().bytes.size()));
}

// ---- Matching.

void copy_documents(benchmark::State& state) {
  const Bytes& from = data().bytes;
  Bytes to(from.size(), '\0');
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::ClobberMemory();
  }
  set_bytes(state);
}
BENCHMARK(copy_documents);

// Every byte is read, none is written.
void sum_bytes(benchmark::State& state) {
  const Bytes& from = data().bytes;
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at + sizeof sum <= from.size(); at += sizeof sum) {
      std::uint64_t word = 0;
      std::memcpy(&word, from.data() + at, sizeof word);
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  }
  set_bytes(state);
}
BENCHMARK(sum_bytes);

// `matching`: how many must.
void match(benchmark::State& state, const char* text, std::uint64_t matching) {
  const auto query = json(text);
  const auto filter = db::Filter::compile(query).value();
  const auto count = [&] {
    return static_cast<std::uint64_t>(std::count_if(data().documents.begin(), data().documents.end(),
                                                    [&](bson::View document) { return filter.matches(document); }));
  };
  if (count() != matching) return state.SkipWithError(fmt::format("{} match", count()).c_str());
  for (auto _ : state) benchmark::DoNotOptimize(count());
  set_bytes(state);
}
constexpr const char* kSecondField = R"({"n":{"$gte":1000,"$lt":1010}})";
BENCHMARK_CAPTURE(match, second_field, kSecondField, 10);
BENCHMARK_CAPTURE(match, last_field, R"({"stars":{"$gt":5}})", 0);
BENCHMARK_CAPTURE(match, nested_field, R"({"camera.iso":50})", 0);
BENCHMARK_CAPTURE(match, string, R"({"group":"g100"})", 0);
BENCHMARK_CAPTURE(match, in_array, R"({"tags":"sea"})", 0);
BENCHMARK_CAPTURE(match, two_of_or, R"({"$or":[{"stars":9},{"n":7}]})", 1);
BENCHMARK_CAPTURE(match, regex, R"({"name":{"$regex":"^photo"}})", 0);

// The same as match/second_field, for a field that is known to be there and a whole number.
void match_by_hand(benchmark::State& state) {
  const auto count = [&] {
    return std::count_if(data().documents.begin(), data().documents.end(), [](bson::View document) {
      const std::int32_t n = document.find("n")->as_int32();
      return n >= 1000 && n < 1010;
    });
  };
  if (count() != 10) return state.SkipWithError("the wrong ones match");
  for (auto _ : state) benchmark::DoNotOptimize(count());
  set_bytes(state);
}
BENCHMARK(match_by_hand);

// match/second_field where the documents are: in a collection, through the planner.
void scan_collection(benchmark::State& state) {
  const auto query_text = json(kSecondField);
  const auto filter = db::Filter::compile(query_text).value();
  const db::Collection& collection = *data().database.find(kCollection);
  if (db::count_matching(collection, &filter).value() != 10) return state.SkipWithError("the wrong ones match");
  for (auto _ : state) benchmark::DoNotOptimize(db::count_matching(collection, &filter));
  set_bytes(state);
}
BENCHMARK(scan_collection);

// ---- Updates.

void apply_update(benchmark::State& state, const char* text) {
  const auto source = json(text);
  const auto update = db::Update::compile(source).value();
  const db::UpdateContext context{.now_ms = 1'700'000'000'000};
  if (!update.apply(data().documents[0], context)->changed) return state.SkipWithError("the update must change");
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(update.apply(data().documents[at], context));
    at = (at + 1) % kDocuments;
  }
  set_documents(state, 1);
}
BENCHMARK_CAPTURE(apply_update, set_field, R"({"$set":{"n":1000000}})");
BENCHMARK_CAPTURE(apply_update, set_nested_field, R"({"$set":{"camera.iso":50}})");
BENCHMARK_CAPTURE(apply_update, increment, R"({"$inc":{"stars":1}})");
BENCHMARK_CAPTURE(apply_update, push, R"({"$push":{"tags":"sea"}})");
BENCHMARK_CAPTURE(apply_update, replacement, R"({"n":1,"name":"another"})");

// The same as apply_update/set_field: a copy of the document in which the number is another one.
void update_by_hand(benchmark::State& state) {
  std::size_t at = 0;
  for (auto _ : state) {
    bson::Builder out(data().documents[at].bytes().size());
    for (const bson::Element& element : data().documents[at]) {
      if (element.key == "n")
        out.append_int32("n", 1'000'000);
      else
        out.append_element(element);
    }
    benchmark::DoNotOptimize(std::move(out).finish());
    at = (at + 1) % kDocuments;
  }
  set_documents(state, 1);
}
BENCHMARK(update_by_hand);

// ---- Indexes. Documents come in the order of `_id`, and their keys in none.

void index_insert(benchmark::State& state) {
  const auto definition = db::parse_index(json(R"({"key":{"n":1}})")).value();
  for (auto _ : state) {
    db::Index index(definition, true);
    for (std::size_t i = 0; i < kDocuments; ++i) index.add(data().id_keys[i], data().records[i]);
    if (index.entries().size() != kDocuments) state.SkipWithError("entries are missing");
  }
  set_documents(state);
}
BENCHMARK(index_insert)->Unit(benchmark::kMillisecond);

// The keys that such an index holds, ready made.
std::vector<std::string> index_keys() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kDocuments; ++i) {
    keys.push_back(bson::order_key(*data().documents[i].find("n")) + data().id_keys[i]);
  }
  return keys;
}

template <class Set>
void set_insert(benchmark::State& state) {
  const auto keys = index_keys();
  for (auto _ : state) {
    Set set;
    for (const std::string& key : keys) set.insert(key);
    if (set.size() != kDocuments) state.SkipWithError("keys are missing");
  }
  set_documents(state);
}
BENCHMARK_TEMPLATE(set_insert, std::set<std::string>)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(set_insert, absl::btree_set<std::string>)->Unit(benchmark::kMillisecond);

// 100 documents in the order of `n`, from anywhere on: the query as a node has it, without compiling the filter.
void index_range(benchmark::State& state) {
  std::vector<db::Filter> filters;
  std::vector<std::int32_t> begins;
  distri::Random random(2);
  for (int i = 0; i < 1000; ++i) {
    begins.push_back(static_cast<std::int32_t>(random.below(kDocuments - kRange + 1)));
    const auto text = json(fmt::format(R"({{"n":{{"$gte":{},"$lt":{}}}}})", begins.back(),
                                       begins.back() + static_cast<std::int32_t>(kRange)));
    filters.push_back(db::Filter::compile(text).value());
  }
  db::FindQuery query;
  query.sort = db::parse_sort(json(R"({"n":1})")).value();
  query.limit = kRange;
  std::size_t at = 0;
  for (auto _ : state) {
    query.filter = &filters[at];
    const auto page = db::find(data().indexed, query);
    if (!page || page->records.size() != kRange ||
        page->records.back()->document.view().find("n")->as_int32() !=
            begins[at] + static_cast<std::int32_t>(kRange) - 1)
      state.SkipWithError("not the range");
    at = (at + 1) % filters.size();
  }
  set_documents(state, kRange);
}
BENCHMARK(index_range);

// The same by hand: an ordered map from `n` to the document, which is looked at.
template <class Map>
void map_range(benchmark::State& state) {
  Map map;
  for (std::size_t i = 0; i < kDocuments; ++i) map.emplace(data().n[i], data().documents[i]);
  distri::Random random(2);
  std::vector<bson::View> page;
  for (auto _ : state) {
    const auto begin = static_cast<std::int32_t>(random.below(kDocuments - kRange + 1));
    page.clear();
    std::int32_t expected = begin;
    for (auto at = map.lower_bound(begin); page.size() < kRange; ++at) {
      page.push_back(at->second);
      if (page.back().find("n")->as_int32() != expected++) state.SkipWithError("not the range");
    }
    benchmark::DoNotOptimize(page.data());
  }
  set_documents(state, kRange);
}
BENCHMARK_TEMPLATE(map_range, std::map<std::int32_t, bson::View>);
BENCHMARK_TEMPLATE(map_range, absl::btree_map<std::int32_t, bson::View>);

// ---- Sorting: all documents by a number, without an index.

void sort_documents(benchmark::State& state) {
  db::FindQuery query;
  query.sort = db::parse_sort(json(R"({"n":1})")).value();
  query.page_documents_max = kDocuments;
  query.page_bytes_max = data().bytes.size() + 1;
  const db::Collection& collection = *data().database.find(kCollection);
  for (auto _ : state) {
    const auto page = db::find(collection, query);
    if (!page || page->records.size() != kDocuments) return state.SkipWithError("documents are missing");
    if (page->records[7]->document.view().find("n")->as_int32() != 7) return state.SkipWithError("not sorted");
  }
  set_documents(state);
}
BENCHMARK(sort_documents)->Unit(benchmark::kMillisecond);

// The same by hand, with the number taken out first.
void sort_by_hand(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<std::pair<std::int32_t, std::size_t>> places;
    places.reserve(kDocuments);
    for (std::size_t i = 0; i < kDocuments; ++i) places.emplace_back(data().documents[i].find("n")->as_int32(), i);
    std::sort(places.begin(), places.end());
    if (places[7].first != 7) return state.SkipWithError("not sorted");
  }
  set_documents(state);
}
BENCHMARK(sort_by_hand)->Unit(benchmark::kMillisecond);

// ---- Grouping: number and sum of stars of each of kGroups groups.

void group(benchmark::State& state) {
  const auto source = json(R"({"v":[{"$group":{"_id":"$group","pictures":{"$sum":1},"stars":{"$sum":"$stars"}}}]})");
  const auto pipeline = db::Pipeline::compile(source.view().find("v")->as_object()).value();
  distri::Random random(1);
  for (auto _ : state) {
    db::PipelineRun run(pipeline, kCollection, random);
    std::uint64_t groups = 0, budget = db::kPipelineStepsMax;
    std::int64_t pictures = 0;
    while (run.next(data().database, budget).value() == db::Pull::kDocument) {
      ++groups;
      pictures += run.document().find("pictures")->to_int64().value();
    }
    if (groups != kGroups || pictures != static_cast<std::int64_t>(kDocuments))
      return state.SkipWithError("not the groups");
  }
  set_bytes(state);
}
BENCHMARK(group)->Unit(benchmark::kMillisecond);

void group_by_hand(benchmark::State& state) {
  for (auto _ : state) {
    absl::flat_hash_map<std::string_view, std::pair<std::int64_t, std::int64_t>> groups;
    for (const bson::View document : data().documents) {
      auto& [pictures, stars] = groups[document.find("group")->as_string()];
      ++pictures;
      stars += document.find("stars")->as_int32();
    }
    if (groups.size() != kGroups) return state.SkipWithError("not the groups");
  }
  set_bytes(state);
}
BENCHMARK(group_by_hand)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  data();  // before anything is measured
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
