// A list of stages -> PipelineProgram; $match.
#include <algorithm>
#include <array>
#include <limits>

#include "distri/db/expression_node.hpp"
#include "distri/db/number.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

struct StageEntry {
  std::string_view name;
  StageParser parse;
};

constexpr std::array kStages = {
    StageEntry{"$match", parse_match},
    StageEntry{"$project", parse_project},
    StageEntry{"$addFields", parse_add_fields},
    StageEntry{"$set", parse_add_fields},
    StageEntry{"$unset", parse_unset},
    StageEntry{"$replaceRoot", parse_replace_root},
    StageEntry{"$replaceWith", parse_replace_with},
    StageEntry{"$group", parse_group},
    StageEntry{"$sort", parse_sort_stage},
    StageEntry{"$limit", parse_limit},
    StageEntry{"$skip", parse_skip},
    StageEntry{"$unwind", parse_unwind},
    StageEntry{"$lookup", parse_lookup},
    StageEntry{"$count", parse_count},
    StageEntry{"$facet", parse_facet},
    StageEntry{"$sample", parse_sample},
    StageEntry{"$sortByCount", parse_sort_by_count},
    StageEntry{"$bucket", parse_bucket},
};

std::string place_of(std::string_view index, std::string_view name) {
  return fmt::format("stage {} ({})", index, shown(name));
}

// Takes what may use `variables` out of a filter: $expr at its top and in $and there.
Result<> take_expressions(View filter, const std::vector<std::string>& variables, bson::Builder& rest,
                          std::vector<Expression>& out, int depth) {
  if (depth > kFilterDepthMax) {
    return refuse(mongo::kBadValue, "filter: conditions nest deeper than {}", kFilterDepthMax);
  }
  for (const Element& element : filter) {
    if (element.key == "$expr") {
      DISTRI_TRY(auto expression, Expression::compile(element.value, variables));
      out.push_back(std::move(expression));
      continue;
    }
    const bool list =
        element.key == "$and" && element.value.type() == Type::kArray && !element.value.as_object().empty();
    if (!list) {
      rest.append_element(element);
      continue;
    }
    rest.begin_array("$and");
    for (const Element& item : element.value.as_object()) {
      if (item.value.type() != Type::kObject) {
        rest.append_element(item);  // the filter will refuse it
        continue;
      }
      rest.begin_object(item.key);
      DISTRI_TRY_VOID(take_expressions(item.value.as_object(), variables, rest, out, depth + 1));
      rest.end();
    }
    rest.end();
  }
  return {};
}

class MatchStage final : public Stage {
 public:
  explicit MatchStage(MatchParts parts) : parts_(std::move(parts)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<Run>(parts, parts_);
  }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, const MatchParts& match) : StageRun(parts), match_(match) {}

   private:
    Result<Pull> pull() override {
      for (;;) {
        DISTRI_TRY(const Pull pulled, input_->next());
        if (pulled != Pull::kDocument) return pulled;
        DISTRI_TRY(const bool matches, check(input_->document()));
        if (matches) return pass(input_->document());
      }
    }

    Result<bool> check(View document) {
      DISTRI_TRY_VOID(context_.spend_on(document));
      if (match_.filter) {
        DISTRI_TRY(const bool matches, match_.filter->check(document));
        if (!matches) return false;
      }
      for (const Expression& condition : match_.conditions) {
        evaluation_.clear();
        DISTRI_TRY(const Value value, evaluate(condition, document));
        if (is_missing(value) || !is_truthy(value)) return false;
      }
      return true;
    }

    const MatchParts& match_;
  };

  MatchParts parts_;
};

// A $limit tells what comes before it how much will be asked for.
void push_limits_down(StageList& stages) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (!stages[i]->limit()) continue;
    std::uint64_t wanted = *stages[i]->limit();
    std::size_t before = i;
    while (before > 0 && stages[before - 1]->skip()) {
      const std::uint64_t skipped = *stages[--before]->skip();
      wanted = skipped > std::numeric_limits<std::uint64_t>::max() - wanted ? 0 : wanted + skipped;
      if (wanted == 0) break;
    }
    if (before > 0 && wanted > 0) stages[before - 1]->bound(wanted);
  }
}

}  // namespace

Result<MatchParts> split_match(const StageSource& source) {
  if (source.value.type() != Type::kObject) {
    return refuse(15959, "the match filter must be an object, not {}", kind_of(source.value));
  }
  MatchParts parts;
  if (source.variables.empty()) {
    DISTRI_TRY(parts.filter, Filter::compile(source.value.as_object(), source.compiler.now_ms()));
    return parts;
  }
  bson::Builder rest;
  DISTRI_TRY_VOID(take_expressions(source.value.as_object(), source.variables, rest, parts.conditions, 1));
  DISTRI_TRY(parts.filter, Filter::compile(std::move(rest).finish(), source.compiler.now_ms()));
  if (parts.filter->empty()) parts.filter.reset();
  return parts;
}

std::unique_ptr<Stage> match_stage(MatchParts parts) {
  return std::make_unique<MatchStage>(std::move(parts));
}

Result<> parse_match(const StageSource& source, StageList& out) {
  DISTRI_TRY(auto parts, split_match(source));
  out.push_back(match_stage(std::move(parts)));
  return {};
}

Result<std::unique_ptr<PipelineProgram>> PipelineCompiler::compile(View stages, PipelinePlace place,
                                                                   const std::vector<std::string>& variables,
                                                                   int depth) {
  if (depth > kPipelineDepthMax) {
    return refuse(mongo::kOverflow, "pipelines nest deeper than {}", kPipelineDepthMax);
  }
  auto program = std::make_unique<PipelineProgram>();
  program->now_ms = now_ms_;
  program->variables = variables.size();
  for (auto at = stages.begin(); !at.at_end();) {
    const Element element = *at;
    ++at;
    if (++stages_ > kPipelineStagesMax) {
      return refuse(mongo::kFailedToParse, "a pipeline has more than {} stages", kPipelineStagesMax);
    }
    if (element.value.type() != Type::kObject) {
      return refuse(mongo::kTypeMismatch, "stage {}: a stage must be an object, not {}", shown(element.key),
                    kind_of(element.value));
    }
    if (element.value.as_object().count() != 1) {
      return refuse(40323, "stage {}: a stage must have exactly one field, its name", shown(element.key));
    }
    const std::size_t first = program->stages.size();
    const std::string where = place_of(element.key, element.value.as_object().begin()->key);
    if (auto made = stage(element, at.at_end(), *program, place, variables, depth); !made) {
      return fail(inside(std::move(made).error(), where));
    }
    for (std::size_t i = first; i < program->stages.size(); ++i) program->stages[i]->place = where;
  }
  push_limits_down(program->stages);
  if (place == PipelinePlace::kTop) {
    std::sort(lookups_.begin(), lookups_.end());
    lookups_.erase(std::unique(lookups_.begin(), lookups_.end()), lookups_.end());
    program->lookups = std::move(lookups_);
  }
  return program;
}

Result<> PipelineCompiler::stage(const Element& element, bool last, PipelineProgram& program, PipelinePlace place,
                                 const std::vector<std::string>& variables, int depth) {
  const Element only = *element.value.as_object().begin();
  const StageSource source{*this, only.key, only.value, variables, depth};
  if (only.key == "$out" || only.key == "$merge") {
    if (place != PipelinePlace::kTop) return refuse(51047, "it is not allowed within $lookup and $facet");
    if (!last) return refuse(40601, "it can only be the last stage of the pipeline");
    DISTRI_TRY(program.write, only.key == "$out" ? parse_out(only.value) : parse_merge(only.value));
    return {};
  }
  if (only.key == "$facet" && place == PipelinePlace::kFacet) {
    return refuse(40600, "$facet is not allowed within $facet");
  }
  const bool leads = program.stages.empty() && !program.read && place != PipelinePlace::kFacet;
  if (only.key == "$match" && leads) {
    DISTRI_TRY(auto parts, split_match(source));
    program.read = std::exchange(parts.filter, std::nullopt);
    if (!parts.conditions.empty()) program.stages.push_back(match_stage(std::move(parts)));
    return {};
  }
  const auto entry =
      std::find_if(kStages.begin(), kStages.end(), [&](const StageEntry& each) { return each.name == only.key; });
  if (entry == kStages.end()) return refuse(40324, "unrecognized pipeline stage name '{}'", shown(only.key));
  return entry->parse(source, program.stages);
}

}  // namespace distri::db
