#include <algorithm>
#include <cmath>
#include <limits>

#include "distri/db/language_error.hpp"
#include "distri/db/projection_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using Kind = ProjectionNode::Kind;

template <class... Args>
std::unexpected<Error> wrong(int code, fmt::format_string<Args...> format, Args&&... args) {
  return fail(Code::kInvalidArgument, "projection ({}): {}", code, fmt::format(format, std::forward<Args>(args)...));
}

// As MongoDB takes numbers here: any but zero is true, NaN too.
bool is_true(const Value& value) {
  if (value.type() == Type::kBool) return value.as_bool();
  if (value.type() == Type::kDouble) return value.as_double() != 0.0;
  return value.to_int64() != 0;
}

class Compiler {
 public:
  explicit Compiler(ProjectionProgram& program) : program_(program), expressions_(program.variables) {}

  Result<> compile() {
    for (const Element& element : program_.source.view()) {
      DISTRI_TRY_VOID(parse_field(std::string(element.key), element.value, 1));
    }
    // Without any field that says which, a lone `_id` does.
    if (!decided_) program_.including = elem_match_ || (id_named_ && program_.id);
    if (program_.kind == ProjectionKind::kAddFields) program_.including = false;
    program_.slots = expressions_.slots();
    link_computed(program_.root);
    return {};
  }

 private:
  Result<> parse_field(const std::string& path, const Value& value, int depth) {
    if (++paths_ > kProjectionPathsMax) return wrong(2, "more than {} paths", kProjectionPathsMax);
    if (path.empty()) return wrong(40352, "a field name is empty");
    if (path.starts_with('$')) return wrong(16410, "the field name '{}' begins with '$'", shown(path));
    const bool adding = program_.kind == ProjectionKind::kAddFields;
    const bool reading = program_.kind == ProjectionKind::kRead;
    const bool flag = !adding && (value.type() == Type::kBool || value.is_number());
    if (path == "_id" && flag) {
      id_named_ = true;
      program_.id = is_true(value);
      return named_once(path);
    }
    if (reading && path.ends_with(".$")) return positional(path.substr(0, path.size() - 2), value);
    if (flag) return is_true(value) ? include(path, Kind::kInclude) : exclude(path);
    if (value.type() != Type::kObject) return computed(path, value);
    if (!value.as_object().empty()) return nested(path, value.as_object(), depth);
    if (adding) return computed(path, value);
    return wrong(51270, "an empty object is not a projection; found one at '{}'", shown(path));
  }

  Result<> nested(const std::string& path, bson::View object, int depth) {
    const Element first = *object.begin();
    if (!first.key.starts_with('$')) {
      for (const Element& element : object) {
        if (element.key.starts_with('$')) return computed(path, Value(Type::kObject, object.bytes()));
        DISTRI_TRY_VOID(parse_field(path + "." + std::string(element.key), element.value, depth + 1));
      }
      return {};
    }
    const bool own = program_.kind == ProjectionKind::kRead && (first.key == "$slice" || first.key == "$elemMatch");
    if (!own) return computed(path, Value(Type::kObject, object.bytes()));
    if (object.count() > 1) return wrong(31271, "'{}': {} must be the only operator", shown(path), first.key);
    return first.key == "$slice" ? slice(path, first.value) : elem_match(path, first.value, depth);
  }

  Result<> computed(const std::string& path, const Value& value) {
    if (decided_ && !program_.including)
      return wrong(31252, "'{}': a computed field cannot be in an exclusion projection", shown(path));
    if (path == "_id") DISTRI_TRY_VOID(named_once(path));
    auto expression = expressions_.compile(value);
    if (!expression) return fail(inside(std::move(expression).error(), fmt::format("projection: '{}'", shown(path))));
    if (program_.kind != ProjectionKind::kAddFields) decided_ = program_.including = true;
    DISTRI_TRY(ProjectionNode * node, add(path, Kind::kComputed));
    node->expression = *std::move(expression);
    return {};
  }

  // After the tree is complete, as its nodes move until then. True: there are computed ones at or below `node`.
  static bool link_computed(ProjectionNode& node) {
    for (ProjectionNode& child : node.children) {
      if (link_computed(child)) node.computed.push_back(&child);
    }
    std::sort(node.computed.begin(), node.computed.end(),
              [](const ProjectionNode* a, const ProjectionNode* b) { return a->order < b->order; });
    return node.kind == Kind::kComputed || !node.computed.empty();
  }

  Result<> include(const std::string& path, Kind kind) {
    if (decided_ && !program_.including)
      return wrong(31253, "Cannot do inclusion on field {} in exclusion projection", shown(path));
    decided_ = program_.including = true;
    DISTRI_TRY_VOID(add(path, kind));
    return {};
  }

  Result<> exclude(const std::string& path) {
    if (decided_ && program_.including)
      return wrong(31254, "Cannot do exclusion on field {} in inclusion projection", shown(path));
    decided_ = true;
    DISTRI_TRY_VOID(add(path, Kind::kExclude));
    return {};
  }

  Result<> positional(const std::string& path, const Value& value) {
    if (!(value.type() == Type::kBool || value.is_number()) || !is_true(value))
      return wrong(31395, "'{}.$': the positional projection takes 1", shown(path));
    if (!program_.positional_path.empty())
      return wrong(31276, "Cannot specify more than one positional projection per query");
    program_.positional_path = path;
    return include(path, Kind::kPositional);
  }

  Result<> slice(const std::string& path, const Value& value) {
    DISTRI_TRY(ProjectionNode * node, add(path, Kind::kSlice));
    if (const auto number = as_integer(value)) {
      node->skip = std::min<std::int64_t>(*number, 0);
      node->count = *number < 0 ? std::numeric_limits<std::int64_t>::max() : *number;
      return {};
    }
    if (value.type() != Type::kArray || value.as_object().count() != 2)
      return wrong(28667, "'{}': $slice takes a number, or [skip, count]", shown(path));
    const auto skip = as_integer(value.as_object().begin()->value);
    const auto count = as_integer((++value.as_object().begin())->value);
    if (!skip || !count) return wrong(28667, "'{}': $slice takes a number, or [skip, count]", shown(path));
    if (*count <= 0) return wrong(28729, "'{}': the count of $slice must be positive", shown(path));
    node->skip = *skip;
    node->count = *count;
    return {};
  }

  // Fractions are cut off, and what is beyond 64 bits is as good as the largest.
  static std::optional<std::int64_t> as_integer(const Value& value) {
    if (value.type() != Type::kDouble) return value.to_int64();
    const double number = value.as_double();
    if (std::isnan(number)) return std::nullopt;
    if (number >= 0x1.0p62) return std::int64_t{1} << 62;
    if (number <= -0x1.0p62) return -(std::int64_t{1} << 62);
    return static_cast<std::int64_t>(number);
  }

  Result<> elem_match(const std::string& path, const Value& condition, int depth) {
    if (depth > 1 || path.find('.') != std::string::npos)
      return wrong(31275, "'{}': Cannot use $elemMatch projection on a nested field", shown(path));
    if (condition.type() != Type::kObject)
      return wrong(31274, "'{}': elemMatch: Invalid argument, object required, but got {}", shown(path),
                   bson::type_name(condition.type()));
    auto matcher = ElementMatcher::compile(condition);
    if (!matcher) return fail(inside(matcher.error(), fmt::format("projection: '{}': $elemMatch", shown(path))));
    DISTRI_TRY(ProjectionNode * node, add(path, Kind::kElemMatch));
    node->matcher = *std::move(matcher);
    program_.elem_matches.push_back(path);
    elem_match_ = true;
    return {};
  }

  Result<> named_once(const std::string& path) {
    if (id_seen_) return wrong(31250, "Path collision at {}", shown(path));
    id_seen_ = true;
    return {};
  }

  // Makes the leaf. Two paths must not be the same, nor one begin with the other.
  Result<ProjectionNode*> add(const std::string& path, Kind kind) {
    ProjectionNode* node = &program_.root;
    std::string_view rest = path;
    for (std::size_t parts = 1;; ++parts) {
      if (parts > kProjectionPathPartsMax)
        return wrong(2, "the path '{}' has more than {} parts", shown(path), kProjectionPathPartsMax);
      const std::size_t dot = rest.find('.');
      const std::string_view name = rest.substr(0, dot);
      if (name.empty()) return wrong(15998, "the path '{}' contains an empty field name", shown(path));
      if (name == "$")
        return wrong(31394, "'{}': the positional part '$' is only allowed at the end of a path", shown(path));
      const bool reference = name == "$id" || name == "$ref" || name == "$db";
      if (name.front() == '$' && !reference)
        return wrong(16410, "'{}' in the path '{}' begins with '$'", shown(name), shown(path));
      const bool last = dot == std::string_view::npos;
      auto at =
          std::lower_bound(node->children.begin(), node->children.end(), name,
                           [](const ProjectionNode& child, std::string_view wanted) { return child.name < wanted; });
      const bool there = at != node->children.end() && at->name == name;
      if (there && (last || at->kind != Kind::kInner)) {
        return wrong(last ? 31250 : 31249, "Path collision at {}", shown(path));
      }
      if (!there) {
        ProjectionNode child;
        child.name = name;
        child.order = paths_;
        at = node->children.insert(at, std::move(child));
      }
      node = &*at;
      if (last) break;
      rest.remove_prefix(dot + 1);
    }
    node->kind = kind;
    return node;
  }

  ProjectionProgram& program_;
  ExpressionCompiler expressions_;
  std::size_t paths_ = 0;
  bool decided_ = false;  // a field said whether this includes or excludes
  bool id_named_ = false;
  bool id_seen_ = false;
  bool elem_match_ = false;
};

}  // namespace

Result<> compile_projection(ProjectionProgram& program) {
  return Compiler(program).compile();
}

}  // namespace distri::db
