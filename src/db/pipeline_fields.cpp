// Stages that make one document of one: $project, $addFields, $set, $unset, $replaceRoot, $replaceWith.
#include "distri/db/expression_node.hpp"
#include "distri/db/pipeline_stage.hpp"
#include "distri/db/projection.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

class ProjectStage final : public Stage {
 public:
  explicit ProjectStage(Projection projection) : projection_(std::move(projection)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<Run>(parts, projection_);
  }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, const Projection& projection) : StageRun(parts), projection_(projection) {}

   private:
    Result<Pull> pull() override {
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled != Pull::kDocument) return pulled;
      DISTRI_TRY_VOID(context_.spend_on(input_->document()));
      const std::uint64_t before = evaluation_.state().steps();
      ProjectionContext context;
      context.evaluation = &evaluation_;
      auto projected = projection_.apply(input_->document(), context);
      DISTRI_TRY_VOID(context_.spend(evaluation_.state().steps() - before));
      if (!projected) return fail(std::move(projected).error());
      return keep(*std::move(projected));
    }

    const Projection& projection_;
  };

  Projection projection_;
};

Result<> add_projection(View projection, ProjectionKind kind, const StageSource& source, StageList& out) {
  DISTRI_TRY(auto compiled, Projection::compile(projection, kind, source.variables));
  out.push_back(std::make_unique<ProjectStage>(std::move(compiled)));
  return {};
}

class ReplaceRootStage final : public Stage {
 public:
  explicit ReplaceRootStage(Expression root) : root_(std::move(root)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override { return std::make_unique<Run>(parts, root_); }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, const Expression& root) : StageRun(parts), root_(root) {}

   private:
    Result<Pull> pull() override {
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled != Pull::kDocument) return pulled;
      evaluation_.clear();
      DISTRI_TRY(const Value value, evaluate(root_, input_->document()));
      if (value.type() == Type::kObject) return keep(bson::Document(value.as_object()));
      return refuse(40228, "the new root must be an object, but is {} {}", kind_of(value),
                    is_missing(value) ? std::string() : shown_value(value));
    }

    const Expression& root_;
  };

  Expression root_;
};

Result<> append_unset(bson::Builder& out, const Value& field) {
  if (field.type() != Type::kString) return refuse(31120, "the fields must be strings, not {}", kind_of(field));
  if (field.as_string().find('\0') != std::string_view::npos) {
    return refuse(16411, "a field path holds a zero byte");
  }
  out.append_int32(field.as_string(), 0);
  return {};
}

}  // namespace

Result<> parse_project(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(15969, "the specification must be an object, not {}", kind_of(source.value));
  }
  if (source.value.as_object().empty()) return refuse(51272, "the specification must have at least one field");
  return add_projection(source.value.as_object(), ProjectionKind::kProject, source, out);
}

Result<> parse_add_fields(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(40272, "the specification must be an object, not {}", kind_of(source.value));
  }
  if (source.value.as_object().empty()) return refuse(40177, "the specification must have at least one field");
  return add_projection(source.value.as_object(), ProjectionKind::kAddFields, source, out);
}

Result<> parse_unset(const StageSource& source, StageList& out) {
  bson::Builder fields;
  if (source.value.type() == Type::kArray) {
    if (source.value.as_object().empty()) return refuse(31119, "the list of fields is empty");
    for (const Element& element : source.value.as_object()) DISTRI_TRY_VOID(append_unset(fields, element.value));
  } else if (source.value.type() == Type::kString) {
    DISTRI_TRY_VOID(append_unset(fields, source.value));
  } else {
    return refuse(31002, "it takes a string or an array of strings, not {}", kind_of(source.value));
  }
  return add_projection(std::move(fields).finish(), ProjectionKind::kProject, source, out);
}

Result<> parse_replace_root(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(40229, "it takes an object, not {}", kind_of(source.value));
  }
  const auto root = source.value.as_object().find("newRoot");
  if (!root) return refuse(40231, "the field 'newRoot' is missing");
  if (source.value.as_object().count() > 1) return refuse(40230, "it takes no field but 'newRoot'");
  DISTRI_TRY(auto expression, Expression::compile(*root, source.variables));
  out.push_back(std::make_unique<ReplaceRootStage>(std::move(expression)));
  return {};
}

Result<> parse_replace_with(const StageSource& source, StageList& out) {
  DISTRI_TRY(auto expression, Expression::compile(source.value, source.variables));
  out.push_back(std::make_unique<ReplaceRootStage>(std::move(expression)));
  return {};
}

}  // namespace distri::db
