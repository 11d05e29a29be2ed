// $group, and the stages that are made of it: $bucket, $sortByCount.
#include <unordered_map>

#include "distri/bson/compare.hpp"
#include "distri/db/accumulator.hpp"
#include "distri/db/array_writer.hpp"
#include "distri/db/expression_node.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

struct GroupField {
  std::string name;
  AccumulatorKind kind;
  std::optional<Expression> argument;  // none: of $count
};

struct GroupSpec {
  std::optional<Expression> id;
  std::vector<GroupField> fields;
};

class GroupRun final : public StageRun {
 public:
  GroupRun(const StageParts& parts, const GroupSpec& spec) : StageRun(parts), spec_(spec), charge_(parts.context) {}

 private:
  struct Group {
    Type id_type;
    Bytes id;
    std::vector<Accumulator> accumulators;
  };

  Result<Pull> pull() override {
    while (!complete_) {
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled == Pull::kPaused) return pulled;
      complete_ = pulled == Pull::kEnd;
      if (!complete_) DISTRI_TRY_VOID(take(input_->document()));
    }
    if (given_ == groups_.size()) return Pull::kEnd;
    if (context_.turn_over()) return Pull::kPaused;
    return give(groups_[given_++]);
  }

  Result<> take(View document) {
    DISTRI_TRY_VOID(context_.spend_on(document));
    evaluation_.clear();
    DISTRI_TRY(Value id, evaluate(*spec_.id, document));
    if (is_missing(id)) id = Value();
    DISTRI_TRY(Group * group, group_of(id));
    std::size_t before = 0;
    std::size_t after = 0;
    for (std::size_t i = 0; i < spec_.fields.size(); ++i) {
      Accumulator& accumulator = group->accumulators[i];
      Value value;
      if (spec_.fields[i].argument) {
        DISTRI_TRY(value, evaluate(*spec_.fields[i].argument, document));
      }
      before += accumulator.bytes();
      DISTRI_TRY_VOID(context_.spend((value.raw().size() + accumulator.effort()) / 64));
      DISTRI_TRY_VOID(accumulator.add(value));
      after += accumulator.bytes();
    }
    if (after >= before) return charge_.grow(after - before);
    charge_.shrink(before - after);
    return {};
  }

  Result<Group*> group_of(const Value& id) {
    constexpr std::size_t kNodeBytes = 64;  // about what an entry of a hash table takes beside its key
    key_.clear();
    bson::append_order_key(key_, id);
    const auto at = places_.find(key_);
    if (at != places_.end()) return &groups_[at->second];
    DISTRI_TRY_VOID(charge_.grow(key_.size() + id.raw().size() + sizeof(Group) + kNodeBytes +
                                 spec_.fields.size() * sizeof(Accumulator)));
    places_.emplace(key_, groups_.size());
    Group& group = groups_.emplace_back(Group{id.type(), Bytes(id.raw()), {}});
    group.accumulators.reserve(spec_.fields.size());
    std::size_t bytes = 0;
    for (const GroupField& field : spec_.fields) bytes += group.accumulators.emplace_back(field.kind).bytes();
    DISTRI_TRY_VOID(charge_.grow(bytes));
    return &group;
  }

  Result<Pull> give(const Group& group) {
    evaluation_.clear();
    bson::Builder result;
    result.append_value("_id", Value(group.id_type, group.id));
    for (std::size_t i = 0; i < spec_.fields.size(); ++i) {
      const Value value = group.accumulators[i].result(evaluation_.state().arena);
      if (result.size_bytes() + value.raw().size() > bson::kDocumentBytesMax) {
        return refuse(mongo::kObjectTooLarge, "the document of a group takes more than {} bytes",
                      bson::kDocumentBytesMax);
      }
      result.append_value(spec_.fields[i].name, value);
    }
    bson::Document document = std::move(result).finish();
    DISTRI_TRY_VOID(context_.spend_on(document));
    return keep(std::move(document));
  }

  const GroupSpec& spec_;
  std::unordered_map<Bytes, std::size_t> places_;  // by the order key of the id
  std::vector<Group> groups_;                      // in the order of their first documents
  Bytes key_;
  bool complete_ = false;
  std::size_t given_ = 0;
  MemoryCharge charge_;
};

class GroupStage final : public Stage {
 public:
  explicit GroupStage(GroupSpec spec) : spec_(std::move(spec)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<GroupRun>(parts, spec_);
  }

 private:
  GroupSpec spec_;
};

Result<GroupField> group_field(const Element& element, const StageSource& source) {
  const std::string_view name = element.key;
  if (name.find('.') != std::string_view::npos) {
    return refuse(40235, "the field name '{}' must not contain '.'", shown(name));
  }
  if (name.starts_with('$')) return refuse(40236, "the field name '{}' must not begin with '$'", shown(name));
  if (element.value.type() != Type::kObject || element.value.as_object().empty()) {
    return refuse(40234, "the field '{}' must be an accumulator object", shown(name));
  }
  if (element.value.as_object().count() > 1) {
    return refuse(40238, "the field '{}' must specify one accumulator", shown(name));
  }
  const Element only = *element.value.as_object().begin();
  const auto kind = find_accumulator(only.key);
  if (!kind) return refuse(15952, "unknown group operator '{}' at '{}'", shown(only.key), shown(name));
  GroupField field{std::string(name), *kind, std::nullopt};
  if (*kind == AccumulatorKind::kCount) {
    if (only.value.type() == Type::kObject && only.value.as_object().empty()) return field;
    return refuse(mongo::kTypeMismatch, "$count at '{}' takes no arguments: it takes {{}}", shown(name));
  }
  if (only.value.type() == Type::kArray) {
    return refuse(40237, "the {} accumulator at '{}' is a unary operator", only.key, shown(name));
  }
  DISTRI_TRY(field.argument, Expression::compile(only.value, source.variables));
  return field;
}

// A constant of $bucket, or an error.
Result<Expression> constant_of(std::string_view what, int code, const Value& value) {
  DISTRI_TRY(auto expression, Expression::compile(value));
  if (expression.constant() != nullptr) return expression;
  return refuse(code, "{} must be a constant, not {}", what, shown_value(value));
}

bool is_expression(const Value& value) {
  if (value.type() == Type::kString) return value.as_string().starts_with('$');
  if (value.type() != Type::kObject || value.as_object().empty()) return false;
  return value.as_object().begin()->key.starts_with('$');
}

struct BucketSpec {
  Value group_by;
  std::vector<Expression> boundaries;
  std::optional<Expression> otherwise;
  std::optional<View> output;
};

Result<> check_boundaries(const BucketSpec& spec) {
  const auto& all = spec.boundaries;
  if (all.size() < 2) return refuse(40192, "'boundaries' must have at least 2 values, not {}", all.size());
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Value& low = *all[i - 1].constant();
    const Value& high = *all[i].constant();
    if (bson::type_bracket(low.type()) != bson::type_bracket(high.type())) {
      return refuse(40193, "all values of 'boundaries' must have the same type; found {} and {}", kind_of(low),
                    kind_of(high));
    }
    if (bson::compare(low, high) >= 0) {
      return refuse(40194, "'boundaries' must be in ascending order; {} is not below {}", shown_value(low),
                    shown_value(high));
    }
  }
  if (!spec.otherwise) return {};
  const Value& otherwise = *spec.otherwise->constant();
  if (bson::compare(otherwise, *all.front().constant()) >= 0 && bson::compare(otherwise, *all.back().constant()) < 0) {
    return refuse(40199, "'default' must be below the lowest boundary, or not below the highest");
  }
  return {};
}

Result<BucketSpec> bucket_spec(View fields) {
  BucketSpec spec;
  bool grouped = false;
  bool bounded = false;
  for (const Element& element : fields) {
    if (element.key == "groupBy") {
      if (!is_expression(element.value)) {
        return refuse(40202, "'groupBy' must be a '$' path or an expression, not {}", shown_value(element.value));
      }
      spec.group_by = element.value;
      grouped = true;
    } else if (element.key == "boundaries") {
      if (element.value.type() != Type::kArray) {
        return refuse(40200, "'boundaries' must be an array, not {}", kind_of(element.value));
      }
      bounded = true;
      for (const Element& boundary : element.value.as_object()) {
        DISTRI_TRY(auto constant, constant_of("a value of 'boundaries'", 40191, boundary.value));
        spec.boundaries.push_back(std::move(constant));
      }
    } else if (element.key == "default") {
      DISTRI_TRY(spec.otherwise, constant_of("'default'", 40195, element.value));
    } else if (element.key == "output") {
      if (element.value.type() != Type::kObject) {
        return refuse(40196, "'output' must be an object, not {}", kind_of(element.value));
      }
      spec.output = element.value.as_object();
    } else {
      return refuse(40197, "there is no option '{}'", shown(element.key));
    }
  }
  if (!grouped || !bounded) return refuse(40198, "'groupBy' and 'boundaries' must be given");
  DISTRI_TRY_VOID(check_boundaries(spec));
  return spec;
}

void append_literal(bson::Builder& out, std::string_view key, const Value& value) {
  out.begin_object(key).append_value("$literal", value).end();
}

// {$let: {vars: {value: groupBy}, in: {$switch: {branches: [{case: {$and: [{$gte: ["$$value", low]}, {$lt: ["$$value",
// high]}]}, then: low}, ...], default: ...}}}}
void append_bucket_id(bson::Builder& out, const BucketSpec& spec) {
  out.begin_object("_id").begin_object("$let");
  out.begin_object("vars").append_value("value", spec.group_by).end();
  out.begin_object("in").begin_object("$switch").begin_array("branches");
  ArrayWriter branches(out);
  for (std::size_t i = 0; i + 1 < spec.boundaries.size(); ++i) {
    const Value& low = *spec.boundaries[i].constant();
    out.begin_object(branches.next_key());
    out.begin_object("case").begin_array("$and");
    out.begin_object("0").begin_array("$gte").append_string("0", "$$value");
    append_literal(out, "1", low);
    out.end().end().begin_object("1").begin_array("$lt").append_string("0", "$$value");
    append_literal(out, "1", *spec.boundaries[i + 1].constant());
    out.end().end().end().end();
    append_literal(out, "then", low);
    out.end();
  }
  out.end();
  if (spec.otherwise) append_literal(out, "default", *spec.otherwise->constant());
  out.end().end().end().end();
}

// Compiles {group} {$sort: {field: direction}}.
Result<> add_sorted_groups(const bson::Document& group, std::string_view field, std::int32_t direction,
                           const StageSource& source, StageList& out) {
  DISTRI_TRY_VOID(parse_group(
      {source.compiler, "$group", Value(Type::kObject, group.bytes()), source.variables, source.depth}, out));
  bson::Builder sort;
  sort.append_int32(field, direction);
  const bson::Document keys = std::move(sort).finish();
  return parse_sort_stage(
      {source.compiler, "$sort", Value(Type::kObject, keys.bytes()), source.variables, source.depth}, out);
}

}  // namespace

Result<> parse_group(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(15947, "it takes an object of fields, not {}", kind_of(source.value));
  }
  GroupSpec spec;
  for (const Element& element : source.value.as_object()) {
    if (element.key == "_id") {
      if (spec.id) return refuse(15948, "the field '_id' is given twice");
      DISTRI_TRY(spec.id, Expression::compile(element.value, source.variables));
      continue;
    }
    DISTRI_TRY(auto field, group_field(element, source));
    for (const GroupField& other : spec.fields) {
      if (other.name == field.name) return refuse(16406, "the field '{}' is given twice", shown(field.name));
    }
    if (spec.fields.size() == kGroupFieldsMax) {
      return refuse(mongo::kBadValue, "more than {} fields", kGroupFieldsMax);
    }
    spec.fields.push_back(std::move(field));
  }
  if (!spec.id) return refuse(15955, "a group specification must include an _id");
  out.push_back(std::make_unique<GroupStage>(std::move(spec)));
  return {};
}

Result<> parse_bucket(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kObject) {
    return refuse(40201, "it takes an object, not {}", kind_of(source.value));
  }
  DISTRI_TRY(const BucketSpec spec, bucket_spec(source.value.as_object()));
  bson::Builder group;
  append_bucket_id(group, spec);
  if (spec.output) {
    for (const Element& element : *spec.output) group.append_element(element);
  } else {
    group.begin_object("count").append_int32("$sum", 1).end();
  }
  return add_sorted_groups(std::move(group).finish(), "_id", 1, source, out);
}

Result<> parse_sort_by_count(const StageSource& source, StageList& out) {
  if (!is_expression(source.value)) {
    return refuse(40149, "it takes a '$' path or an expression, not {}", shown_value(source.value));
  }
  bson::Builder group;
  group.append_value("_id", source.value);
  group.begin_object("count").append_int32("$sum", 1).end();
  return add_sorted_groups(std::move(group).finish(), "count", -1, source, out);
}

}  // namespace distri::db
