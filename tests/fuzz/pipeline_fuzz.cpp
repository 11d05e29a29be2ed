// A pipeline ({"pipeline": [...]}) and documents, as lines of JSON: whatever compiles must run without crashing to
// an end, within its bounds, give valid documents, and give the same when it is run step by step.
#include <cstdint>
#include <string_view>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/aggregate.hpp"
#include "distri/utils/check.hpp"

namespace {

using namespace distri;

BytesView take_line(BytesView& input) {
  const std::size_t end = input.find('\n');
  const BytesView line = input.substr(0, end);
  input.remove_prefix(end == BytesView::npos ? input.size() : end + 1);
  return line;
}

void put(db::Database& database, std::string_view collection, std::int32_t id, bson::View fields) {
  bson::Builder document;
  document.append_int32("_id", id);
  for (const bson::Element& element : fields) {
    if (element.key != "_id") document.append_element(element);
  }
  db::Record record{std::move(document).finish(), {}};
  if (!db::check_document(record.document)) return;
  const Bytes key = bson::order_key(*record.document.view().find("_id"));
  database.put(collection, key, std::move(record));
}

struct Outcome {
  std::vector<Bytes> results;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

Outcome run(const db::Pipeline& pipeline, const db::Database& database, std::uint64_t budget) {
  constexpr std::uint64_t kStepsMax = 200'000;
  constexpr std::size_t kResultsMax = 2'000;
  Random random(1);
  db::PipelineRun running(pipeline, "c", random, kStepsMax);
  Outcome outcome;
  while (outcome.results.size() < kResultsMax) {
    std::uint64_t left = budget;
    const auto pulled = running.next(database, left);
    if (!pulled) {
      DISTRI_CHECK(pulled.error().code == Code::kInvalidArgument && pulled.error().message.size() < 3000);
      outcome.error = pulled.error().message;
      break;
    }
    DISTRI_CHECK(left <= budget);
    if (*pulled == db::Pull::kEnd) break;
    if (*pulled == db::Pull::kPaused) {
      DISTRI_CHECK(left == 0);
      continue;
    }
    DISTRI_CHECK(bson::validate(running.document().bytes()).has_value());
    outcome.results.emplace_back(running.document().bytes());
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BytesView input(reinterpret_cast<const char*>(data), size);
  const auto source = bson::from_json(take_line(input));
  if (!source) return 0;
  const auto stages = source->view().find("pipeline");
  if (!stages || stages->type() != bson::Type::kArray) return 0;
  const auto pipeline = db::Pipeline::compile(stages->as_object(), 1'700'000'000'000);
  if (!pipeline) {
    DISTRI_CHECK((pipeline.error().code == Code::kInvalidArgument || pipeline.error().code == Code::kTooLarge) &&
                 pipeline.error().message.size() < 3000);
    return 0;
  }
  db::Database database;
  constexpr std::int32_t kDocumentsMax = 8;
  for (std::int32_t id = 0; id < kDocumentsMax && !input.empty(); ++id) {
    const auto document = bson::from_json(take_line(input));
    if (!document) continue;
    // Most of them in the collection, some in the one to look up in.
    put(database, id % 3 == 2 ? "o" : "c", id, *document);
  }
  const Outcome whole = run(*pipeline, database, 1'000'000);
  DISTRI_CHECK(run(*pipeline, database, 1) == whole);
  DISTRI_CHECK(run(*pipeline, database, 50) == whole);
  return 0;
}
