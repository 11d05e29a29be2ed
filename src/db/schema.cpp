#include "distri/db/schema.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/bson/document.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/number.hpp"
#include "distri/db/schema_node.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

void append_sorted(bson::Builder& builder, std::string_view key, const Value& value) {
  if (value.type() == Type::kArray) {
    builder.begin_array(key);
    for (const Element& item : value.as_object()) append_sorted(builder, item.key, item.value);
    builder.end();
  } else if (value.type() == Type::kObject) {
    std::vector<Element> fields;
    for (const Element& field : value.as_object()) fields.push_back(field);
    std::stable_sort(fields.begin(), fields.end(), [](const Element& a, const Element& b) { return a.key < b.key; });
    builder.begin_object(key);
    for (const Element& field : fields) append_sorted(builder, field.key, field.value);
    builder.end();
  } else {
    builder.append_value(key, value);
  }
}

std::uint64_t code_points(std::string_view text) {
  return static_cast<std::uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Which keyword refused a value, and where in it. Made while the refusal travels back to the top, so a value that is
// accepted costs nothing more.
struct Complaint {
  std::string path;
  std::string_view keyword;
};

class Checker {
 public:
  explicit Checker(std::optional<Error>& error, Complaint* complaint = nullptr)
      : error_(error), complaint_(complaint) {}

  bool accepts(const SchemaNode& node, const Value& value) {
    if (error_) return false;
    if (node.types && !node.types->contains(value.type())) return refused("type");
    if (node.enumerated && !std::binary_search(node.enumerated->begin(), node.enumerated->end(), schema_key(value))) {
      return refused("enum");
    }
    if (value.is_number() && !number(node, value)) return false;
    if (value.type() == Type::kString && !text(node, value.as_string())) return false;
    if (value.type() == Type::kArray && !array(node, value)) return false;
    if (value.type() == Type::kObject && !object(node, value.as_object())) return false;
    return combined(node, value);
  }

 private:
  bool refused(std::string_view keyword) {
    if (complaint_ != nullptr) *complaint_ = {"", keyword};
    return false;
  }
  bool refused(std::string_view keyword, std::string_view field) {
    if (complaint_ != nullptr) *complaint_ = {std::string(field), keyword};
    return false;
  }
  // Puts the field in front of what was refused inside of it.
  bool refused_in(std::string_view field) {
    if (complaint_ == nullptr) return false;
    complaint_->path = complaint_->path.empty() ? std::string(field) : fmt::format("{}.{}", field, complaint_->path);
    return false;
  }
  // What one of several schemas says is no answer.
  bool accepts_quietly(const SchemaNode& node, const Value& value) { return Checker(error_).accepts(node, value); }

  bool number(const SchemaNode& node, const Value& value) {
    const auto inside_bound = [&](const Value& bound, bool exclusive, int wanted) {
      if (is_nan(value) != is_nan(bound)) return false;
      const int order = bson::compare(value, bound);
      return order == 0 ? !exclusive : (order > 0 ? 1 : -1) == wanted;
    };
    if (node.minimum && !inside_bound(*node.minimum, node.exclusive_minimum, 1)) return refused("minimum");
    if (node.maximum && !inside_bound(*node.maximum, node.exclusive_maximum, -1)) return refused("maximum");
    return !node.multiple_of || is_multiple_of(value, *node.multiple_of) || refused("multipleOf");
  }

  bool finds(const Regex& regex, std::string_view text) {
    const auto outcome = regex.search(text);
    if (outcome == Regex::Outcome::kLimit) {
      error_ = refuse(51156, "filter: '$jsonSchema': {}", Regex::limit_text()).error();
    }
    return outcome == Regex::Outcome::kYes;
  }

  bool inside(std::uint64_t count, const std::optional<std::uint64_t>& min, const std::optional<std::uint64_t>& max,
              std::string_view min_keyword, std::string_view max_keyword) {
    if (min && count < *min) return refused(min_keyword);
    return !max || count <= *max || refused(max_keyword);
  }

  bool text(const SchemaNode& node, std::string_view text) {
    if ((node.length_min || node.length_max) &&
        !inside(code_points(text), node.length_min, node.length_max, "minLength", "maxLength")) {
      return false;
    }
    return !node.pattern || finds(*node.pattern, text) || refused("pattern");
  }

  bool array(const SchemaNode& node, const Value& value) {
    std::size_t index = 0;
    std::vector<Bytes> keys;
    for (const Element& item : value.as_object()) {
      if (!array_item(node, item.value, index++)) return refused_in(item.key);
      if (node.unique_items) keys.push_back(schema_key(item.value));
    }
    if (!inside(index, node.items_min, node.items_max, "minItems", "maxItems")) return false;
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) == keys.end() || refused("uniqueItems");
  }

  bool array_item(const SchemaNode& node, const Value& item, std::size_t index) {
    if (node.items) return accepts(*node.items, item);
    if (!node.has_items_by_place) return true;
    if (index < node.items_by_place.size()) return accepts(*node.items_by_place[index], item);
    if (node.additional_items) return accepts(*node.additional_items, item);
    return node.additional_items_allowed || refused("additionalItems");
  }

  bool object(const SchemaNode& node, View object) {
    const auto has = [&](std::string_view name) { return object.find(name).has_value(); };
    const auto missing = std::find_if_not(node.required.begin(), node.required.end(), has);
    if (missing != node.required.end()) return refused("required", *missing);
    if ((node.properties_min || node.properties_max) &&
        !inside(object.count(), node.properties_min, node.properties_max, "minProperties", "maxProperties")) {
      return false;
    }
    const bool fields_matter = !node.properties.empty() || !node.pattern_properties.empty() ||
                               !node.additional_properties_allowed || node.additional_properties;
    for (auto at = object.begin(); fields_matter && !at.at_end(); ++at) {
      const Element element = *at;
      if (!field(node, element)) return refused_in(element.key);
    }
    return std::all_of(node.dependencies.begin(), node.dependencies.end(), [&](const SchemaDependency& dependency) {
      if (!has(dependency.name)) return true;
      const bool holds = dependency.schema ? accepts_quietly(*dependency.schema, Value(Type::kObject, object.bytes()))
                                           : std::all_of(dependency.required.begin(), dependency.required.end(), has);
      return holds || refused("dependencies", dependency.name);
    });
  }

  bool field(const SchemaNode& node, const Element& element) {
    bool additional = true;
    for (const auto& [name, schema] : node.properties) {
      if (name != element.key) continue;
      additional = false;
      if (!accepts(*schema, element.value)) return false;
    }
    for (const auto& [regex, schema] : node.pattern_properties) {
      if (!finds(regex, element.key)) continue;
      additional = false;
      if (!accepts(*schema, element.value)) return false;
    }
    if (!additional) return true;
    if (node.additional_properties) return accepts(*node.additional_properties, element.value);
    return node.additional_properties_allowed || refused("additionalProperties");
  }

  bool combined(const SchemaNode& node, const Value& value) {
    const auto ok = [&](const std::unique_ptr<SchemaNode>& schema) { return accepts_quietly(*schema, value); };
    for (const auto& schema : node.all_of) {
      if (!accepts(*schema, value)) return false;
    }
    if (node.has_any_of && std::none_of(node.any_of.begin(), node.any_of.end(), ok)) return refused("anyOf");
    if (node.has_one_of && std::count_if(node.one_of.begin(), node.one_of.end(), ok) != 1) return refused("oneOf");
    return !node.negated || !ok(node.negated) || refused("not");
  }

  std::optional<Error>& error_;
  Complaint* complaint_;
};

}  // namespace

Bytes schema_key(const Value& value) {
  if (value.type() != Type::kObject && value.type() != Type::kArray) return bson::order_key(value);
  bson::Builder builder;
  append_sorted(builder, "v", value);
  const bson::Document sorted = std::move(builder).finish();
  return bson::order_key(*sorted.view().find("v"));
}

Schema::Schema(std::unique_ptr<SchemaNode> root) : root_(std::move(root)) {}
Schema::Schema(Schema&&) noexcept = default;
Schema& Schema::operator=(Schema&&) noexcept = default;
Schema::~Schema() = default;

bool Schema::accepts(const Value& value, std::optional<Error>& error) const {
  return Checker(error).accepts(*root_, value);
}

std::string Schema::complaint(const Value& value) const {
  std::optional<Error> error;
  Complaint complaint;
  if (Checker(error, &complaint).accepts(*root_, value)) return {};
  if (error) return std::move(error->message);
  if (complaint.keyword == "required") return fmt::format("'{}' is missing (required)", shown(complaint.path));
  if (complaint.keyword == "additionalProperties")
    return fmt::format("'{}' is not allowed (additionalProperties)", shown(complaint.path));
  const std::string_view where = complaint.path.empty() ? std::string_view("the document") : shown(complaint.path);
  return fmt::format("'{}' does not satisfy '{}'", where, complaint.keyword);
}

}  // namespace distri::db
