// pipeline_stage.hpp: how stages of a pipeline are compiled, and how they run. Private to the module.
//
// A Stage is compiled and constant; it opens a StageRun, which pulls documents from the StageRun before it. A document
// is valid until its stage is asked for the next one; a stage that pauses, or gives several documents for one, copies
// what it needs afterwards.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "distri/db/aggregate.hpp"
#include "distri/db/expression.hpp"
#include "distri/db/filter.hpp"
#include "distri/db/language_error.hpp"

namespace distri::db {

// What all stages of a run share.
struct PipelineContext {
  std::string collection;              // that the pipeline reads
  const Database* database = nullptr;  // set in next() only
  Random* random = nullptr;
  std::optional<std::int64_t> now_ms;
  std::uint64_t run_steps_left = 0;
  std::uint64_t turn_steps_left = 0;
  std::size_t bytes = 0;
  std::optional<Error> error;  // with the stages that it happened in

  // ExceededTimeLimit (50).
  Result<> spend(std::uint64_t steps);
  // The same for looking at a document.
  Result<> spend_on(bson::View document) { return spend(1 + document.bytes().size() / 64); }
  bool turn_over() const { return turn_steps_left == 0; }
};

// The memory that a stage holds; given back at the end.
class MemoryCharge {
 public:
  explicit MemoryCharge(PipelineContext& context) : context_(context) {}
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;
  ~MemoryCharge() { shrink(held_); }

  // ExceededMemoryLimit (146).
  Result<> grow(std::size_t bytes);
  void shrink(std::size_t bytes);
  Result<> set(std::size_t bytes) { return bytes >= held_ ? grow(bytes - held_) : (shrink(held_ - bytes), Result<>()); }

 private:
  PipelineContext& context_;
  std::size_t held_ = 0;
};

class StageRun;

// What a stage is opened with.
struct StageParts {
  PipelineContext& context;
  Evaluation& evaluation;     // of the pipeline it stands in: variables are set
  StageRun* input = nullptr;  // nullptr: the source itself
  std::string place{};        // for errors: "stage 2 ($group)"
};

class StageRun {
 public:
  explicit StageRun(const StageParts& parts)
      : context_(parts.context),
        evaluation_(parts.evaluation),
        input_(parts.input),
        place_(parts.place),
        kept_charge_(parts.context) {}
  virtual ~StageRun() = default;
  StageRun(const StageRun&) = delete;
  StageRun& operator=(const StageRun&) = delete;

  Result<Pull> next();
  bson::View document() const { return document_; }

 protected:
  virtual Result<Pull> pull() = 0;

  // Evaluates, and pays for it. What the evaluation held before stays.
  Result<bson::Value> evaluate(const Expression& expression, bson::View document);
  // Of a pipeline inside of this stage: an error names both places.
  Result<Pull> next_of(PipelineChain& chain);
  // Gives a document that another one owns.
  Pull pass(bson::View document) {
    document_ = document;
    return Pull::kDocument;
  }
  // Gives a document of its own. BSONObjectTooLarge (10334), Overflow (15).
  Result<Pull> keep(bson::Document document);

  PipelineContext& context_;
  Evaluation& evaluation_;
  StageRun* input_;

 private:
  std::string place_;
  bson::View document_;
  bson::Document kept_;
  MemoryCharge kept_charge_;
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::unique_ptr<StageRun> open(const StageParts& parts) const = 0;

  // For those that leave out documents by their number alone.
  virtual std::optional<std::uint64_t> limit() const { return std::nullopt; }
  virtual std::optional<std::uint64_t> skip() const { return std::nullopt; }
  // No more than so many of its documents will be asked for.
  virtual void bound(std::uint64_t) {}

  std::string place;  // for errors
};

using StageList = std::vector<std::unique_ptr<Stage>>;

struct PipelineProgram {
  std::optional<std::int64_t> now_ms;
  std::optional<Filter> read;  // from a leading $match
  StageList stages;
  std::size_t variables = 0;  // that are visible in it
  std::optional<PipelineWrite> write;
  std::vector<std::string> lookups;
};

// A program at work on the documents of a source.
class PipelineChain {
 public:
  PipelineChain(const PipelineProgram& program, PipelineContext& context);
  // Before the first next(), exactly one of these. `narrowed`: a filter more, which is read with instead of the
  // program's own.
  void read_collection(std::string_view collection, std::optional<Filter> narrowed = std::nullopt);
  void read_buffer(const Bytes& documents);  // one after another; must outlive the chain

  Evaluation& evaluation() { return evaluation_; }
  Result<Pull> next() { return stages_.back()->next(); }
  bson::View document() const { return stages_.back()->document(); }

 private:
  void open_stages(std::unique_ptr<StageRun> source);

  const PipelineProgram& program_;
  PipelineContext& context_;
  Evaluation evaluation_;
  std::vector<std::unique_ptr<StageRun>> stages_;  // the source first
};

enum class PipelinePlace : std::uint8_t { kTop, kLookup, kFacet };

class PipelineCompiler {
 public:
  explicit PipelineCompiler(std::optional<std::int64_t> now_ms) : now_ms_(now_ms) {}

  // `variables`: those of the $lookups around it.
  Result<std::unique_ptr<PipelineProgram>> compile(bson::View stages, PipelinePlace place,
                                                   const std::vector<std::string>& variables, int depth);
  std::optional<std::int64_t> now_ms() const { return now_ms_; }
  void add_lookup(std::string_view collection) { lookups_.emplace_back(collection); }

 private:
  Result<> stage(const bson::Element& element, bool last, PipelineProgram& program, PipelinePlace place,
                 const std::vector<std::string>& variables, int depth);

  std::optional<std::int64_t> now_ms_;
  std::size_t stages_ = 0;
  std::vector<std::string> lookups_;
};

// One stage to be compiled.
struct StageSource {
  PipelineCompiler& compiler;
  std::string_view name;
  bson::Value value;
  const std::vector<std::string>& variables;
  int depth;
};

// Each appends what the stage becomes.
using StageParser = Result<> (*)(const StageSource& source, StageList& out);
Result<> parse_match(const StageSource& source, StageList& out);
Result<> parse_project(const StageSource& source, StageList& out);
Result<> parse_add_fields(const StageSource& source, StageList& out);
Result<> parse_unset(const StageSource& source, StageList& out);
Result<> parse_replace_root(const StageSource& source, StageList& out);
Result<> parse_replace_with(const StageSource& source, StageList& out);
Result<> parse_limit(const StageSource& source, StageList& out);
Result<> parse_skip(const StageSource& source, StageList& out);
Result<> parse_count(const StageSource& source, StageList& out);
Result<> parse_unwind(const StageSource& source, StageList& out);
Result<> parse_group(const StageSource& source, StageList& out);
Result<> parse_bucket(const StageSource& source, StageList& out);
Result<> parse_sort_by_count(const StageSource& source, StageList& out);
Result<> parse_sort_stage(const StageSource& source, StageList& out);
Result<> parse_sample(const StageSource& source, StageList& out);
Result<> parse_lookup(const StageSource& source, StageList& out);
Result<> parse_facet(const StageSource& source, StageList& out);
Result<PipelineWrite> parse_out(const bson::Value& value);
Result<PipelineWrite> parse_merge(const bson::Value& value);

// The filter of a $match; conditions by $expr at its top, or in $and there, are taken out of it where `variables` may
// occur in them.
struct MatchParts {
  std::optional<Filter> filter;
  std::vector<Expression> conditions;
};
Result<MatchParts> split_match(const StageSource& source);
std::unique_ptr<Stage> match_stage(MatchParts parts);

// `document` with `value` at the path, or without it (nullptr). Objects on the way are made, also where something else
// stands.
bson::Document with_field(bson::View document, std::span<const std::string_view> path, const bson::Value* value);
// The value at a path of objects.
std::optional<bson::Value> field_at(bson::View document, std::span<const std::string_view> path);

}  // namespace distri::db
