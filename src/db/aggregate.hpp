// aggregate.hpp: aggregation pipelines: documents of a collection go through stages ($match, $group, $sort, ...).
//
// A pipeline is compiled once and run any number of times. Language and semantics are MongoDB's (the table of stages is
// in docs/documents.md). A leading $match is what the collection is read with, so that conditions on `_id` decide what
// is looked at; $sort with a $limit behind it keeps only as many documents as that needs. Groups come in the order of
// their first documents, equal sort values in the order of arrival; so the result depends on the data alone.
//
// A run is sans-IO: it is asked for one result after the other, with a budget of steps, and pauses when that is used
// up. Between two calls it holds no reference into the database, which may change; documents are read when the run gets
// to them. What $out and $merge say is to be written by the caller, who gets the documents as results.
//
// Bounds: stages, nesting, the steps of a run (ExceededTimeLimit), the memory of all its stages together
// (ExceededMemoryLimit); a result is a valid document of at most bson::kDocumentBytesMax. Threads: a compiled pipeline
// is constant; a run belongs to one thread. Errors: kInvalidArgument with MongoDB's code, the stage and what is wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/db/database.hpp"
#include "distri/utils/random.hpp"

namespace distri::db {

inline constexpr std::size_t kPipelineStagesMax = 1'000;  // with those of nested pipelines
inline constexpr int kPipelineDepthMax = 20;              // of pipelines in $lookup and $facet
inline constexpr std::size_t kPipelineBytesMax = 100u << 20;
inline constexpr std::size_t kGroupFieldsMax = 1'000;  // accumulators of one $group
// Of one run: one for each document that is looked at, for every 64 bytes of it and for each operator of an expression.
inline constexpr std::uint64_t kPipelineStepsMax = 1'000'000'000;

// What the last stage, $out or $merge, wants to be done with the results.
struct PipelineWrite {
  enum class WhenMatched : std::uint8_t { kReplace, kKeepExisting, kMerge, kFail };
  enum class WhenNotMatched : std::uint8_t { kInsert, kDiscard, kFail };

  std::string collection;
  bool replace_collection = false;  // $out: the results are all that it holds afterwards
  // $merge: the fields by which results and documents are the same; others than `_id` need a unique index on them.
  std::vector<std::string> on{"_id"};
  // Of a result whose document is there, or not.
  WhenMatched when_matched = WhenMatched::kMerge;
  WhenNotMatched when_not_matched = WhenNotMatched::kInsert;
};

struct PipelineProgram;
struct PipelineContext;
class PipelineChain;

class Pipeline {
 public:
  // `stages`: an array. `now_ms`: what $$NOW is; without it, $$NOW is an error.
  static Result<Pipeline> compile(bson::View stages, std::optional<std::int64_t> now_ms = std::nullopt);

  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;
  ~Pipeline();

  const std::optional<PipelineWrite>& write() const;
  // Collections that $lookup reads; sorted, each once.
  const std::vector<std::string>& lookups() const;

 private:
  friend class PipelineRun;
  explicit Pipeline(std::unique_ptr<const PipelineProgram> program);
  std::unique_ptr<const PipelineProgram> program_;
};

enum class Pull : std::uint8_t { kDocument, kPaused, kEnd };

class PipelineRun {
 public:
  // `pipeline` and `random` (for $sample) must outlive the run.
  PipelineRun(const Pipeline& pipeline, std::string_view collection, Random& random,
              std::uint64_t steps_max = kPipelineStepsMax);
  PipelineRun(PipelineRun&&) noexcept;
  PipelineRun& operator=(PipelineRun&&) noexcept;
  ~PipelineRun();

  // kDocument: document() is the next result. kPaused: `budget` is used up; go on with a new one. Spends from `budget`
  // what it does; one document may overdraw it. After an error the run is over, and says the
  // same again.
  Result<Pull> next(const Database& database, std::uint64_t& budget);
  // Valid until the next call of next().
  bson::View document() const;
  // What its stages hold.
  std::size_t memory_bytes() const;

 private:
  std::unique_ptr<PipelineContext> context_;
  std::unique_ptr<PipelineChain> chain_;
};

}  // namespace distri::db
