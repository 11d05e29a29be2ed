// $lookup and $facet: stages that run pipelines of their own.
#include <algorithm>

#include "distri/db/array_writer.hpp"
#include "distri/db/database.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/foreign_table.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

// An array of documents under construction, on the stage's charge.
class DocumentList {
 public:
  explicit DocumentList(PipelineContext& context) : charge_(context) { begin(); }

  Result<> append(View document) {
    if (builder_->size_bytes() + document.bytes().size() > bson::kDocumentBytesMax) {
      return refuse(4568, "the documents of one result take more than {} bytes", bson::kDocumentBytesMax);
    }
    DISTRI_TRY_VOID(charge_.grow(document.bytes().size()));
    bytes_ += document.bytes().size();
    writer_->append(Value(Type::kObject, document.bytes()));
    return {};
  }

  // {"": [documents]}; the next list begins.
  bson::Document take() {
    builder_->end();
    bson::Document list = std::move(*builder_).finish();
    begin();
    return list;
  }

 private:
  void begin() {
    charge_.shrink(bytes_);
    bytes_ = 0;
    writer_.reset();
    builder_.emplace();
    builder_->begin_array("");
    writer_.emplace(*builder_);
  }

  MemoryCharge charge_;
  std::size_t bytes_ = 0;
  std::optional<bson::Builder> builder_;
  std::optional<ArrayWriter> writer_;
};

// What is visible in a pipeline is so in those inside of it.
void hand_down_variables(const std::vector<Value>& outer, std::size_t count, Evaluation& inner) {
  for (std::size_t i = 0; i < count && i < outer.size(); ++i) inner.set_variable(i, outer[i]);
}

struct LookupSpec {
  std::string from;
  std::string as_source;
  std::vector<std::string_view> as;
  std::string foreign;              // the foreign field; empty: only the pipeline decides
  std::optional<Expression> local;  // the local field
  std::vector<std::string> names;   // of 'let'
  std::vector<Expression> values;
  std::size_t outer_variables = 0;
  std::unique_ptr<PipelineProgram> pipeline;  // without stages when none was given
};

class LookupRun final : public StageRun {
 public:
  LookupRun(const StageParts& parts, const LookupSpec& spec)
      : StageRun(parts), spec_(spec), found_(parts.context), charge_(parts.context) {}

 private:
  Result<Pull> pull() override {
    if (!inner_) {
      if (!waiting_) {
        DISTRI_TRY(const Pull pulled, input_->next());
        if (pulled != Pull::kDocument) return pulled;
        DISTRI_TRY_VOID(take(input_->document()));
      }
      DISTRI_TRY(const bool ready, prepare_table());
      if (!ready) return Pull::kPaused;
      DISTRI_TRY_VOID(begin());
    }
    for (;;) {
      DISTRI_TRY(const Pull pulled, next_of(*inner_));
      if (pulled == Pull::kPaused) return pulled;
      if (pulled == Pull::kEnd) break;
      DISTRI_TRY_VOID(found_.append(inner_->document()));
    }
    inner_.reset();
    const bson::Document list = found_.take();
    const Value value = list.view().begin()->value;
    return keep(with_field(outer_, spec_.as, &value));
  }

  Result<> take(View document) {
    DISTRI_TRY_VOID(context_.spend_on(document));
    DISTRI_TRY_VOID(charge_.set(document.bytes().size()));
    outer_ = bson::Document(document);
    waiting_ = true;
    return {};
  }

  // Where the foreign field has no index, a hash table says which documents may match: from the second time on, since
  // making it costs about as much as asking once. False: it needs more turns.
  Result<bool> prepare_table() {
    if (table_complete_ || !table_fits_ || !spec_.local) return true;
    const Collection* from = context_.database->find(spec_.from);
    if (!table_) {
      if (from == nullptr || spec_.foreign == "_id" || has_equality_index(*from, spec_.foreign)) return true;
      if (!std::exchange(asked_, true)) return true;
      table_.emplace(context_, spec_.foreign);
    }
    DISTRI_TRY(const auto state, table_->build(from, context_));
    table_complete_ = state == ForeignTable::State::kComplete;
    table_fits_ = state != ForeignTable::State::kTooLarge;
    if (!table_fits_) table_.reset();
    return state != ForeignTable::State::kBuilding;
  }

  Result<> begin() {
    waiting_ = false;
    evaluation_.clear();
    std::optional<Filter> equal;
    if (spec_.local) {
      DISTRI_TRY(const Value local, evaluate(*spec_.local, outer_));
      DISTRI_TRY(equal, equal_to(is_missing(local) ? Value() : local));
    }
    bson::Builder values;
    for (const Expression& each : spec_.values) {
      DISTRI_TRY(const Value value, evaluate(each, outer_));
      values.begin_object("");
      if (!is_missing(value)) values.append_value("", value);
      values.end();
    }
    values_ = std::move(values).finish();
    inner_.emplace(*spec_.pipeline, context_);
    hand_down_variables(evaluation_.state().variables, spec_.outer_variables, inner_->evaluation());
    std::size_t place = spec_.outer_variables;
    for (const Element& each : values_.view()) {
      const View held = each.value.as_object();
      inner_->evaluation().set_variable(place++, held.empty() ? missing_value() : held.begin()->value);
    }
    inner_->read_collection(spec_.from, std::move(equal));
    return {};
  }

  Result<Filter> equal_to(const Value& local) {
    bson::Document equal = equality(local);
    const auto candidates = table_ ? table_->candidates(local) : std::nullopt;
    if (!candidates) return Filter::compile(equal);
    bson::Builder both;
    both.begin_array("$and").append_object("0", *candidates).append_object("1", equal).end();
    return Filter::compile(std::move(both).finish());
  }

  // An array matches by its elements, and a regular expression is only equal to itself.
  bson::Document equality(const Value& local) const {
    bson::Builder filter;
    if (local.type() != Type::kArray) {
      filter.begin_object(spec_.foreign).append_value("$eq", local).end();
      return std::move(filter).finish();
    }
    bool listed = false;
    const auto is_regex = [](const Value& value) { return value.type() == Type::kRegex; };
    filter.begin_array("$or");
    ArrayWriter ways(filter);
    for (const Element& item : local.as_object()) {
      if (!is_regex(item.value)) {
        listed = true;
        continue;
      }
      filter.begin_object(ways.next_key()).begin_object(spec_.foreign);
      filter.append_value("$eq", item.value).end().end();
    }
    if (listed || ways.size() == 0) {
      bson::Builder list;
      list.begin_object(spec_.foreign).begin_array("$in");
      ArrayWriter items(list);
      for (const Element& item : local.as_object()) {
        if (!is_regex(item.value)) items.append(item.value);
      }
      list.end().end();
      const bson::Document among = std::move(list).finish();
      if (ways.size() == 0) return among;  // the form that `_id` and indexes are good for
      ways.append(Value(Type::kObject, among.bytes()));
    }
    filter.end();
    return std::move(filter).finish();
  }

  const LookupSpec& spec_;
  bson::Document outer_;
  bson::Document values_;  // of 'let': {"": {"": value}, ...}, {} for missing
  std::optional<PipelineChain> inner_;
  DocumentList found_;
  MemoryCharge charge_;
  bool waiting_ = false;  // outer_ has come and is not looked up yet
  std::optional<ForeignTable> table_;
  bool table_complete_ = false;
  bool table_fits_ = true;
  bool asked_ = false;  // before
};

class LookupStage final : public Stage {
 public:
  explicit LookupStage(std::unique_ptr<LookupSpec> spec) : spec_(std::move(spec)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<LookupRun>(parts, *spec_);
  }

 private:
  std::unique_ptr<LookupSpec> spec_;  // does not move: it has views into itself
};

struct Facet {
  std::string name;
  std::unique_ptr<PipelineProgram> pipeline;
};

// Collects its input, then runs one pipeline after the other on that.
class FacetRun final : public StageRun {
 public:
  FacetRun(const StageParts& parts, const std::vector<Facet>& facets, std::size_t variables)
      : StageRun(parts), facets_(facets), variables_(variables), list_(parts.context), charge_(parts.context) {}

 private:
  Result<Pull> pull() override {
    while (!complete_) {
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled == Pull::kPaused) return pulled;
      complete_ = pulled == Pull::kEnd;
      if (complete_) break;
      DISTRI_TRY_VOID(charge_.grow(input_->document().bytes().size()));
      documents_ += input_->document().bytes();
    }
    if (facet_ == facets_.size()) return Pull::kEnd;
    for (; facet_ < facets_.size(); ++facet_) {
      DISTRI_TRY(const Pull pulled, run(facets_[facet_]));
      if (pulled == Pull::kPaused) return pulled;
    }
    return keep(std::move(result_).finish());
  }

  Result<Pull> run(const Facet& facet) {
    if (!chain_) {
      chain_.emplace(*facet.pipeline, context_);
      hand_down_variables(evaluation_.state().variables, variables_, chain_->evaluation());
      chain_->read_buffer(documents_);
    }
    for (;;) {
      auto next = next_of(*chain_);
      if (!next) return fail(inside(std::move(next).error(), fmt::format("'{}'", shown(facet.name))));
      const Pull pulled = *next;
      if (pulled == Pull::kPaused) return pulled;
      if (pulled == Pull::kEnd) break;
      DISTRI_TRY_VOID(list_.append(chain_->document()));
    }
    chain_.reset();
    const bson::Document list = list_.take();
    if (result_.size_bytes() + list.bytes().size() > bson::kDocumentBytesMax) {
      return refuse(mongo::kObjectTooLarge, "the document of all facets takes more than {} bytes",
                    bson::kDocumentBytesMax);
    }
    result_.append_value(facet.name, list.view().begin()->value);
    return Pull::kEnd;
  }

  const std::vector<Facet>& facets_;
  std::size_t variables_;
  Bytes documents_;
  bool complete_ = false;
  std::size_t facet_ = 0;
  std::optional<PipelineChain> chain_;
  DocumentList list_;
  bson::Builder result_;
  MemoryCharge charge_;
};

class FacetStage final : public Stage {
 public:
  FacetStage(std::vector<Facet> facets, std::size_t variables) : facets_(std::move(facets)), variables_(variables) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<FacetRun>(parts, facets_, variables_);
  }

 private:
  std::vector<Facet> facets_;
  std::size_t variables_;
};

Result<std::string> text_of(const Element& element) {
  if (element.value.type() == Type::kString && !element.value.as_string().empty()) {
    return std::string(element.value.as_string());
  }
  return refuse(mongo::kFailedToParse, "'{}' must be a string that is not empty, not {}", element.key,
                shown_value(element.value));
}

Result<> parse_let(const Value& value, const StageSource& source, LookupSpec& spec) {
  if (value.type() != Type::kObject) {
    return refuse(mongo::kFailedToParse, "'let' must be an object, not {}", kind_of(value));
  }
  ExpressionCompiler names;
  for (const Element& element : value.as_object()) {
    DISTRI_TRY_VOID(names.bind(element.key));
    DISTRI_TRY(auto expression, Expression::compile(element.value, source.variables));
    spec.names.emplace_back(element.key);
    spec.values.push_back(std::move(expression));
  }
  return {};
}

// Fills in what the fields say by themselves; the pipeline and the local field are given back.
struct LookupFields {
  std::optional<std::string> local;
  std::optional<View> pipeline;
};
Result<LookupFields> lookup_fields(const StageSource& source, LookupSpec& spec) {
  LookupFields fields;
  for (const Element& element : source.value.as_object()) {
    if (element.key == "from") {
      DISTRI_TRY(spec.from, text_of(element));
      DISTRI_TRY_VOID(check_collection_name(spec.from));
    } else if (element.key == "as") {
      DISTRI_TRY(spec.as_source, text_of(element));
    } else if (element.key == "localField") {
      DISTRI_TRY(fields.local, text_of(element));
    } else if (element.key == "foreignField") {
      DISTRI_TRY(spec.foreign, text_of(element));
      DISTRI_TRY_VOID(split_field_path("foreignField", spec.foreign));
    } else if (element.key == "let") {
      DISTRI_TRY_VOID(parse_let(element.value, source, spec));
    } else if (element.key == "pipeline") {
      if (element.value.type() != Type::kArray) {
        return refuse(mongo::kFailedToParse, "'pipeline' must be an array, not {}", kind_of(element.value));
      }
      fields.pipeline = element.value.as_object();
    } else {
      return refuse(mongo::kFailedToParse, "there is no field '{}'", shown(element.key));
    }
  }
  return fields;
}

}  // namespace

Result<> parse_lookup(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(mongo::kFailedToParse, "it takes an object, not {}", kind_of(source.value));
  }
  auto spec = std::make_unique<LookupSpec>();
  DISTRI_TRY(const LookupFields fields, lookup_fields(source, *spec));
  if (spec->from.empty()) return refuse(mongo::kFailedToParse, "the field 'from' is missing");
  if (spec->as_source.empty()) return refuse(mongo::kFailedToParse, "the field 'as' is missing");
  DISTRI_TRY(spec->as, split_field_path("as", spec->as_source));
  if (fields.local.has_value() == spec->foreign.empty()) {
    return refuse(mongo::kFailedToParse, "'localField' and 'foreignField' go together");
  }
  if (!fields.local && !fields.pipeline) {
    return refuse(mongo::kFailedToParse, "it needs 'pipeline', or both 'localField' and 'foreignField'");
  }
  if (!fields.pipeline && !spec->names.empty()) return refuse(mongo::kFailedToParse, "'let' needs a 'pipeline'");
  if (fields.local) {
    DISTRI_TRY_VOID(split_field_path("localField", *fields.local));
    const std::string path = "$" + *fields.local;
    bson::Builder expression;
    expression.append_string("", path);
    DISTRI_TRY(spec->local, Expression::compile(std::move(expression).finish().view().begin()->value));
  }
  spec->outer_variables = source.variables.size();
  std::vector<std::string> variables = source.variables;
  variables.insert(variables.end(), spec->names.begin(), spec->names.end());
  DISTRI_TRY(spec->pipeline, source.compiler.compile(fields.pipeline.value_or(View()), PipelinePlace::kLookup,
                                                     variables, source.depth + 1));
  source.compiler.add_lookup(spec->from);
  out.push_back(std::make_unique<LookupStage>(std::move(spec)));
  return {};
}

Result<> parse_facet(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject || source.value.as_object().empty()) {
    return refuse(40169, "it takes an object of pipelines that is not empty, not {}", shown_value(source.value));
  }
  std::vector<Facet> facets;
  for (const Element& element : source.value.as_object()) {
    if (element.key.empty() || element.key.starts_with('$') || element.key.find('.') != std::string_view::npos) {
      return refuse(mongo::kFailedToParse, "'{}' cannot be the name of a field", shown(element.key));
    }
    const bool twice = std::any_of(facets.begin(), facets.end(), [&](const Facet& f) { return f.name == element.key; });
    if (twice) return refuse(16406, "the field '{}' is given twice", shown(element.key));
    if (element.value.type() != Type::kArray) {
      return refuse(40170, "'{}' must be an array of stages, not {}", shown(element.key), kind_of(element.value));
    }
    auto pipeline =
        source.compiler.compile(element.value.as_object(), PipelinePlace::kFacet, source.variables, source.depth + 1);
    if (!pipeline) return fail(inside(std::move(pipeline).error(), fmt::format("'{}'", shown(element.key))));
    facets.push_back({std::string(element.key), *std::move(pipeline)});
  }
  out.push_back(std::make_unique<FacetStage>(std::move(facets), source.variables.size()));
  return {};
}

}  // namespace distri::db
