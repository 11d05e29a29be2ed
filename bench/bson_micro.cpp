// bson_micro.cpp: documents in: JSON to BSON beside what simdjson and nlohmann_json need to parse the same text;
// finding a field; matching a filter.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "distri/bson/document.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/filter.hpp"

namespace {

constexpr std::string_view kText =
    R"({"_id":"k0000000123","name":"dune","stars":5,"width":2560,"height":1600,"tags":["sand","sky"],"camera":{"model":"x100","iso":200}})";

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * static_cast<std::int64_t>(kText.size()));
}

distri::bson::Document document() {
  return distri::bson::from_json(kText).value();
}

void json_to_bson(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(distri::bson::from_json(kText));
  set_bytes(state);
}
BENCHMARK(json_to_bson);

void simdjson_parse(benchmark::State& state) {
  simdjson::dom::parser parser;
  const simdjson::padded_string text(kText);
  for (auto _ : state) benchmark::DoNotOptimize(parser.parse(text).value_unsafe());
  set_bytes(state);
}
BENCHMARK(simdjson_parse);

void nlohmann_parse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(nlohmann::json::parse(kText));
  set_bytes(state);
}
BENCHMARK(nlohmann_parse);

void bson_to_json(benchmark::State& state) {
  const auto source = document();
  std::string out;
  for (auto _ : state) {
    out.clear();
    distri::bson::append_json(out, source);
    benchmark::DoNotOptimize(out.data());
  }
  set_bytes(state);
}
BENCHMARK(bson_to_json);

void bson_validate(benchmark::State& state) {
  const auto source = document();
  for (auto _ : state) benchmark::DoNotOptimize(distri::bson::validate(source.bytes()));
}
BENCHMARK(bson_validate);

void bson_find_last_field(benchmark::State& state) {
  const auto source = document();
  for (auto _ : state) benchmark::DoNotOptimize(source.view().find("camera"));
}
BENCHMARK(bson_find_last_field);

void filter_match_range(benchmark::State& state) {
  const auto source = document();
  const auto query = distri::bson::from_json(R"({"width":{"$gte":1000,"$lt":3000},"camera.iso":200})").value();
  const auto filter = distri::db::Filter::compile(query).value();
  if (!filter.matches(source)) state.SkipWithError("the filter must match");
  for (auto _ : state) benchmark::DoNotOptimize(filter.matches(source));
}
BENCHMARK(filter_match_range);

void filter_compile(benchmark::State& state) {
  const auto query = distri::bson::from_json(R"({"width":{"$gte":1000,"$lt":3000},"camera.iso":200})").value();
  for (auto _ : state) benchmark::DoNotOptimize(distri::db::Filter::compile(query));
}
BENCHMARK(filter_compile);

}  // namespace

BENCHMARK_MAIN();
