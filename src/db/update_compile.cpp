// From an update document to the tree of its paths.
#include <algorithm>
#include <charconv>

#include "distri/db/update_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using Kind = UpdateNode::Kind;

int depth_of(bson::View object) {
  int deepest = 0;
  for (const Element& element : object) {
    const Type type = element.value.type();
    if (type == Type::kObject || type == Type::kArray) deepest = std::max(deepest, depth_of(element.value.as_object()));
    if (type == Type::kCodeWithScope) deepest = std::max(deepest, depth_of(element.value.code_scope()));
  }
  return deepest + 1;
}

bool is_identifier(std::string_view text) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto alphanumeric = [&](char c) { return lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && lower(text.front()) && std::all_of(text.begin(), text.end(), alphanumeric);
}

// What a part of a path is. `position`: its number among the parts.
Result<UpdateNode> parse_part(std::string_view part, std::size_t position, const UpdateAction& action) {
  UpdateNode node;
  node.field.name = part;
  if (part.empty()) {
    return refuse(mongo::kEmptyFieldName, "{}: the path '{}' contains an empty field name", action.name,
                  shown(action.path));
  }
  if (part.front() != '$') {
    node.field.index = array_index_of(part);
    return node;
  }
  if (part == "$") {
    node.kind = Kind::kPositional;
  } else if (part == "$[]") {
    node.kind = Kind::kAll;
  } else if (part.starts_with("$[") && part.ends_with(']')) {
    node.kind = Kind::kFiltered;
    node.field.name = part.substr(2, part.size() - 3);
  } else if (position > 0 && (part == "$id" || part == "$ref" || part == "$db")) {
    return node;  // the fields of a reference
  } else {
    return refuse(mongo::kDollarPrefixedFieldName,
                  "{}: '{}' in the path '{}' begins with '$' and is no positional part", action.name, shown(part),
                  shown(action.path));
  }
  if (position == 0) {
    return refuse(mongo::kBadValue, "{}: the path '{}' cannot begin with a positional part", action.name,
                  shown(action.path));
  }
  return node;
}

Result<std::vector<UpdateNode>> parse_path(const UpdateAction& action) {
  std::vector<UpdateNode> parts;
  std::string_view rest = action.path;
  for (;;) {
    if (parts.size() == kUpdatePathPartsMax) {
      return refuse(mongo::kBadValue, "{}: the path '{}' has more than {} parts", action.name, shown(action.path),
                    kUpdatePathPartsMax);
    }
    const std::size_t dot = rest.find('.');
    DISTRI_TRY(auto part, parse_part(rest.substr(0, dot), parts.size(), action));
    parts.push_back(std::move(part));
    if (dot == std::string_view::npos) return parts;
    rest.remove_prefix(dot + 1);
  }
}

std::unexpected<Error> conflict(const UpdateAction& action, std::string_view at) {
  return refuse(mongo::kConflictingUpdateOperators, "{}: Updating the path '{}' would create a conflict at '{}'",
                action.name, shown(action.path), shown(at));
}

// The child that the part names, made when it is missing.
UpdateNode& child_of(UpdateNode& parent, UpdateNode&& part) {
  if (part.kind == Kind::kField || part.kind == Kind::kPositional) {
    const auto at =
        std::lower_bound(parent.fields.begin(), parent.fields.end(), part.field,
                         [](const auto& child, const FieldName& name) { return comes_before(child->field, name); });
    if (at != parent.fields.end() && (*at)->field.name == part.field.name) return **at;
    return **parent.fields.insert(at, std::make_unique<UpdateNode>(std::move(part)));
  }
  for (const auto& child : parent.elements) {
    if (child->kind == part.kind && child->field.name == part.field.name) return *child;
  }
  parent.elements.push_back(std::make_unique<UpdateNode>(std::move(part)));
  return *parent.elements.back();
}

// Top-level names of an array filter, inside $and, $or and $nor too.
Result<> collect_identifiers(bson::View filter, std::vector<std::string_view>& names) {
  for (const Element& element : filter) {
    if (element.key == "$and" || element.key == "$or" || element.key == "$nor") {
      if (element.value.type() != Type::kArray) continue;  // Filter::compile() says what is wrong
      for (const Element& branch : element.value.as_object()) {
        if (branch.value.type() == Type::kObject) DISTRI_TRY_VOID(collect_identifiers(branch.value.as_object(), names));
      }
      continue;
    }
    if (element.key.starts_with('$')) continue;
    const std::string_view name = element.key.substr(0, element.key.find('.'));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    if (names.size() > 1) {
      return refuse(mongo::kFailedToParse, "arrayFilters: expected a single top-level field name, found '{}' and '{}'",
                    shown(names[0]), shown(names[1]));
    }
  }
  return {};
}

Result<ArrayFilter> compile_array_filter(const Value& value) {
  if (value.type() != Type::kObject) {
    return refuse(mongo::kTypeMismatch, "arrayFilters: every entry must be an object, not a value of type {}",
                  bson::type_name(value.type()));
  }
  std::vector<std::string_view> names;
  DISTRI_TRY_VOID(collect_identifiers(value.as_object(), names));
  if (names.empty()) {
    return refuse(mongo::kFailedToParse,
                  "arrayFilters: an entry has no top-level field name; write {{identifier: condition}}");
  }
  if (!is_identifier(names[0])) {
    return refuse(
        mongo::kBadValue,
        "arrayFilters: the top-level field name must be alphanumeric and begin with a lowercase letter, found "
        "'{}'",
        shown(names[0]));
  }
  auto filter = Filter::compile(value.as_object());
  if (!filter) return fail(inside(filter.error(), fmt::format("arrayFilters: '{}'", names[0])));
  return ArrayFilter{std::string(names[0]), *std::move(filter)};
}

class Compiler {
 public:
  explicit Compiler(UpdateProgram& program) : program_(program) {}

  Result<> array_filters() {
    for (const Element& element : program_.array_filter_source.view()) {
      if (program_.array_filters.size() == kArrayFiltersMax)
        return refuse(mongo::kBadValue, "arrayFilters: more than {} entries", kArrayFiltersMax);
      DISTRI_TRY(auto filter, compile_array_filter(element.value));
      for (const ArrayFilter& other : program_.array_filters) {
        if (other.identifier == filter.identifier) {
          return refuse(mongo::kFailedToParse,
                        "arrayFilters: found multiple array filters with the same top-level field name "
                        "'{}'",
                        filter.identifier);
        }
      }
      program_.array_filters.push_back(std::move(filter));
    }
    return {};
  }

  Result<> operators() {
    for (const Element& element : program_.source.view()) {
      const auto op = find_update_op(element.key);
      if (!op) {
        return refuse(mongo::kFailedToParse,
                      "Unknown modifier: '{}'; known are $set, $unset, $inc, $mul, $min, $max, $rename, $currentDate, "
                      "$setOnInsert, $push, $pull, $pullAll, $pop, $addToSet, $bit",
                      shown(element.key));
      }
      if (element.value.type() != Type::kObject) {
        return refuse(mongo::kFailedToParse,
                      "{0}: Modifiers operate on fields but the argument is of type {1}; write {{{0}: {{field: ...}}}}",
                      element.key, bson::type_name(element.value.type()));
      }
      for (const Element& field : element.value.as_object()) {
        DISTRI_TRY_VOID(*op == UpdateOp::kRenameTo ? rename(field) : operation(*op, element.key, field));
      }
    }
    for (const ArrayFilter& filter : program_.array_filters) {
      if (!filter.used) {
        return refuse(mongo::kFailedToParse,
                      "arrayFilters: The array filter for identifier '{}' was not used in the update",
                      filter.identifier);
      }
    }
    return {};
  }

 private:
  Result<> operation(UpdateOp op, std::string_view name, const Element& field) {
    auto action = std::make_unique<UpdateAction>();
    action->op = op;
    action->name = name;
    action->path = field.key;
    DISTRI_TRY_VOID(parse_action(*action, field.value));
    return add_action(program_, std::move(action));
  }

  Result<> rename(const Element& field) {
    constexpr std::string_view kName = "$rename";
    if (field.value.type() != Type::kString) {
      return refuse(mongo::kBadValue, "$rename: the 'to' field for '{}' must be a string, not a value of type {}",
                    shown(field.key), bson::type_name(field.value.type()));
    }
    const std::string_view to = field.value.as_string();
    if (to.find('\0') != std::string_view::npos)
      return refuse(mongo::kBadValue, "$rename: the 'to' field for '{}' cannot contain a zero byte", shown(field.key));
    if (to == field.key)
      return refuse(mongo::kBadValue, "$rename: the source and target field must differ: '{}'", shown(to));
    for (const std::string_view path : {std::string_view(field.key), to}) {
      for (std::string_view rest = path; !rest.empty();) {
        const std::string_view part = rest.substr(0, rest.find('.'));
        if (part == "$" || part.starts_with("$["))
          return refuse(mongo::kBadValue, "$rename: the path '{}' may not be dynamic ('{}')", shown(path), shown(part));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      }
    }
    for (const auto op : {UpdateOp::kRenameFrom, UpdateOp::kRenameTo}) {
      auto action = std::make_unique<UpdateAction>();
      action->op = op;
      action->name = kName;
      action->path = op == UpdateOp::kRenameFrom ? field.key : to;
      action->rename = program_.renames.size();
      DISTRI_TRY_VOID(add_action(program_, std::move(action)));
    }
    program_.renames.push_back({field.key, to});
    program_.may_be_too_deep = true;
    return {};
  }

  UpdateProgram& program_;
};

// Resolves what a part needs from the rest of the update.
Result<> bind_part(UpdateProgram& program, UpdateNode& part, std::string_view before, const UpdateAction& action) {
  if (part.kind == Kind::kPositional) {
    if (!program.positional) program.positional_path = before;
    program.positional = true;
  }
  if (part.kind != Kind::kFiltered) return {};
  for (std::size_t i = 0; i < program.array_filters.size(); ++i) {
    if (program.array_filters[i].identifier != part.field.name) continue;
    program.array_filters[i].used = true;
    part.filter = i;
    return {};
  }
  return refuse(mongo::kBadValue, "{}: No array filter found for identifier '{}' in path '{}'", action.name,
                shown(part.field.name), shown(action.path));
}

}  // namespace

Result<> add_action(UpdateProgram& program, std::unique_ptr<UpdateAction> action) {
  if (program.actions++ == kUpdateActionsMax)
    return refuse(mongo::kBadValue, "the update names more than {} paths", kUpdateActionsMax);
  if (action->path.empty())
    return refuse(mongo::kEmptyFieldName, "{}: An empty update path is not valid", action->name);
  DISTRI_TRY(auto parts, parse_path(*action));
  if (std::count_if(parts.begin(), parts.end(), [](const auto& part) { return part.kind == Kind::kPositional; }) > 1) {
    return refuse(mongo::kBadValue, "{}: Too many positional (i.e. '$') elements found in path '{}'", action->name,
                  shown(action->path));
  }
  program.path_parts_max = std::max(program.path_parts_max, static_cast<int>(parts.size()));
  UpdateNode* node = &program.root;
  std::size_t end = 0;  // of the part in the path
  for (UpdateNode& part : parts) {
    const std::string_view before = action->path.substr(0, end);
    end = action->path.find('.', end == 0 ? 0 : end + 1);
    const bool to_elements = part.kind == Kind::kAll || part.kind == Kind::kFiltered;
    if (node->action || !(to_elements ? node->fields : node->elements).empty()) return conflict(*action, before);
    DISTRI_TRY_VOID(bind_part(program, part, before, *action));
    node = &child_of(*node, std::move(part));
  }
  if (node->action || !node->fields.empty() || !node->elements.empty()) return conflict(*action, action->path);
  node->action = std::move(action);
  return {};
}

bool comes_before(const FieldName& a, const FieldName& b) {
  if (a.index || b.index) return a.index && (!b.index || *a.index < *b.index);
  return a.name < b.name;
}

std::optional<std::uint64_t> array_index_of(std::string_view name) {
  constexpr std::size_t kDigitsMax = 18;  // what 64 bits always hold
  if (name.empty() || name.size() > kDigitsMax || (name.size() > 1 && name.front() == '0')) return std::nullopt;
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return index;
}

bool has_update_operators(bson::View update) {
  for (const Element& element : update) {
    if (element.key.starts_with('$')) return true;
  }
  return false;
}

Update::Update(std::unique_ptr<const UpdateProgram> program) : program_(std::move(program)) {}
Update::Update(Update&&) noexcept = default;
Update& Update::operator=(Update&&) noexcept = default;
Update::~Update() = default;

Result<Update> Update::compile(bson::View update, const UpdateOptions& options) {
  auto program = std::make_unique<UpdateProgram>();
  program->source = bson::Document(update);
  program->array_filter_source = bson::Document(options.array_filters);
  program->replacement = update.empty() || !update.begin()->key.starts_with('$');
  if (program->replacement) {
    if (!options.array_filters.empty())
      return refuse(mongo::kFailedToParse, "arrayFilters cannot be used with a replacement document");
    for (const Element& element : update) {
      if (element.key.starts_with('$')) {
        return refuse(mongo::kDollarPrefixedFieldName,
                      "the field '{}' begins with '$' in a replacement document; give either operators or fields",
                      shown(element.key));
      }
    }
    return Update(std::move(program));
  }
  Compiler compiler(*program);
  DISTRI_TRY_VOID(compiler.array_filters());
  DISTRI_TRY_VOID(compiler.operators());
  // Every operator's argument is already two levels inside.
  if (depth_of(update) + program->path_parts_max > bson::kDepthMax) program->may_be_too_deep = true;
  return Update(std::move(program));
}

bool Update::is_replacement() const {
  return program_->replacement;
}

bool Update::is_positional() const {
  return program_->positional;
}

std::string_view Update::positional_path() const {
  return program_->positional_path;
}

}  // namespace distri::db
