#include "distri/db/aggregate.hpp"

#include "distri/db/expression_state.hpp"
#include "distri/db/find.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Type;
using bson::Value;
using bson::View;

// Documents that lie one after another.
std::optional<View> document_at(const Bytes& documents, std::size_t at) {
  if (at >= documents.size()) return std::nullopt;
  return View::trusted(BytesView(documents).substr(at, bson::detail::load_u32(documents.data() + at)));
}

class BufferSource final : public StageRun {
 public:
  BufferSource(const StageParts& parts, const Bytes& documents) : StageRun(parts), documents_(documents) {}

 private:
  Result<Pull> pull() override {
    if (context_.turn_over()) return Pull::kPaused;
    const auto next = document_at(documents_, at_);
    if (!next) return Pull::kEnd;
    DISTRI_TRY_VOID(context_.spend_on(*next));
    at_ += next->bytes().size();
    return pass(*next);
  }

  const Bytes& documents_;
  std::size_t at_ = 0;
};

// Copies documents as it comes to them, as the collection may change before the next one is asked for.
class CollectionSource final : public StageRun {
 public:
  // `filter` is what the collection is read with, and of what it gives `check` must match, too.
  CollectionSource(const StageParts& parts, std::string_view collection, const Filter* filter, const Filter* check,
                   std::optional<Filter> owned)
      : StageRun(parts), collection_(collection), owned_(std::move(owned)), check_(check), charge_(parts.context) {
    constexpr std::size_t kPageDocumentsMax = 256;
    constexpr std::size_t kPageBytesMax = 256u << 10;
    query_.filter = owned_ ? &*owned_ : filter;
    query_.page_documents_max = kPageDocumentsMax;
    query_.page_bytes_max = kPageBytesMax;
  }

 private:
  Result<Pull> pull() override {
    for (;;) {
      if (context_.turn_over()) return Pull::kPaused;
      const auto next = document_at(page_, at_);
      if (!next) {
        if (complete_) return Pull::kEnd;
        DISTRI_TRY_VOID(load());
        continue;
      }
      DISTRI_TRY_VOID(context_.spend_on(*next));
      at_ += next->bytes().size();
      if (check_ == nullptr) return pass(*next);
      DISTRI_TRY(const bool matches, check_->check(*next));
      if (matches) return pass(*next);
    }
  }

  // A page, or as much of one as the turn allows.
  Result<> load() {
    page_.clear();
    at_ = 0;
    if (!page_run_) page_run_.emplace(query_);
    std::uint64_t left = context_.turn_steps_left;
    const std::uint64_t before = left;
    DISTRI_TRY(const bool page_complete,
               page_run_->step(context_.database->find(collection_), left, [this](const Record& record) -> Result<> {
                 page_ += record.document.bytes();
                 return {};
               }));
    DISTRI_TRY_VOID(context_.spend(1 + before - left));
    DISTRI_TRY_VOID(charge_.set(page_.capacity() + page_run_->bytes()));
    if (!page_complete) return {};
    query_.cursor = page_run_->cursor();
    complete_ = query_.cursor.empty();
    page_run_.reset();
    return {};
  }

  std::string_view collection_;
  std::optional<Filter> owned_;
  FindQuery query_;
  std::optional<FindRun> page_run_;
  const Filter* check_;
  Bytes page_;
  std::size_t at_ = 0;
  bool complete_ = false;
  MemoryCharge charge_;
};

}  // namespace

Result<> PipelineContext::spend(std::uint64_t steps) {
  turn_steps_left -= std::min(steps, turn_steps_left);
  if (steps > run_steps_left) {
    run_steps_left = 0;
    return refuse(mongo::kExceededTimeLimit, "the pipeline takes more steps than it may");
  }
  run_steps_left -= steps;
  return {};
}

Result<> MemoryCharge::grow(std::size_t bytes) {
  if (bytes > kPipelineBytesMax - std::min(context_.bytes, kPipelineBytesMax)) {
    return refuse(mongo::kExceededMemoryLimit, "the stages of the pipeline hold more than {} MiB together",
                  kPipelineBytesMax >> 20);
  }
  context_.bytes += bytes;
  held_ += bytes;
  return {};
}

void MemoryCharge::shrink(std::size_t bytes) {
  context_.bytes -= bytes;
  held_ -= bytes;
}

Result<Pull> StageRun::next() {
  auto pulled = pull();
  if (!pulled) {
    // Stages further on only hand it on.
    if (!context_.error) context_.error = place_.empty() ? pulled.error() : inside(pulled.error(), place_);
    return fail(*context_.error);
  }
  return pulled;
}

Result<Pull> StageRun::next_of(PipelineChain& chain) {
  auto pulled = chain.next();
  if (!pulled) context_.error.reset();  // next() will set it again
  return pulled;
}

Result<Value> StageRun::evaluate(const Expression& expression, View document) {
  const std::uint64_t before = evaluation_.state().steps();
  auto value = expression.evaluate(document, evaluation_);
  DISTRI_TRY_VOID(context_.spend(evaluation_.state().steps() - before));
  return value;
}

Result<Pull> StageRun::keep(bson::Document document) {
  if (document.bytes().size() > bson::kDocumentBytesMax) {
    return refuse(mongo::kObjectTooLarge, "a document of {} bytes is larger than {}", document.bytes().size(),
                  bson::kDocumentBytesMax);
  }
  DISTRI_TRY_VOID(check_value(Type::kObject, document.bytes(), bson::kDepthMax));
  DISTRI_TRY_VOID(kept_charge_.set(document.bytes().size()));
  kept_ = std::move(document);
  return pass(kept_);
}

PipelineChain::PipelineChain(const PipelineProgram& program, PipelineContext& context)
    : program_(program), context_(context) {
  if (context.now_ms) evaluation_.set_now(*context.now_ms);
}

void PipelineChain::read_collection(std::string_view collection, std::optional<Filter> narrowed) {
  const Filter* own = program_.read ? &*program_.read : nullptr;
  const Filter* check = narrowed ? own : nullptr;
  open_stages(std::make_unique<CollectionSource>(StageParts{context_, evaluation_}, collection, own, check,
                                                 std::move(narrowed)));
}

void PipelineChain::read_buffer(const Bytes& documents) {
  open_stages(std::make_unique<BufferSource>(StageParts{context_, evaluation_}, documents));
}

void PipelineChain::open_stages(std::unique_ptr<StageRun> source) {
  stages_.push_back(std::move(source));
  for (const auto& stage : program_.stages) {
    stages_.push_back(stage->open({context_, evaluation_, stages_.back().get(), stage->place}));
  }
}

Pipeline::Pipeline(std::unique_ptr<const PipelineProgram> program) : program_(std::move(program)) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

Result<Pipeline> Pipeline::compile(View stages, std::optional<std::int64_t> now_ms) {
  PipelineCompiler compiler(now_ms);
  DISTRI_TRY(auto program, compiler.compile(stages, PipelinePlace::kTop, {}, 1));
  return Pipeline(std::move(program));
}

const std::optional<PipelineWrite>& Pipeline::write() const {
  return program_->write;
}

const std::vector<std::string>& Pipeline::lookups() const {
  return program_->lookups;
}

PipelineRun::PipelineRun(const Pipeline& pipeline, std::string_view collection, Random& random, std::uint64_t steps_max)
    : context_(std::make_unique<PipelineContext>()) {
  context_->collection = collection;
  context_->random = &random;
  context_->now_ms = pipeline.program_->now_ms;
  context_->run_steps_left = steps_max;
  chain_ = std::make_unique<PipelineChain>(*pipeline.program_, *context_);
  chain_->read_collection(context_->collection);
}
PipelineRun::PipelineRun(PipelineRun&&) noexcept = default;
PipelineRun& PipelineRun::operator=(PipelineRun&& other) noexcept {
  chain_ = std::move(other.chain_);  // before the context that it refers to
  context_ = std::move(other.context_);
  return *this;
}
PipelineRun::~PipelineRun() = default;

Result<Pull> PipelineRun::next(const Database& database, std::uint64_t& budget) {
  if (context_->error) return fail(*context_->error);
  context_->database = &database;
  context_->turn_steps_left = budget;
  auto pulled = chain_->next();
  budget = context_->turn_steps_left;
  context_->database = nullptr;
  return pulled;
}

std::size_t PipelineRun::memory_bytes() const {
  return context_->bytes;
}

View PipelineRun::document() const {
  return chain_->document();
}

}  // namespace distri::db
