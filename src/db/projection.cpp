#include "distri/db/projection.hpp"

#include <algorithm>

#include "distri/db/array_writer.hpp"
#include "distri/db/projection_program.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;
using Kind = ProjectionNode::Kind;

const ProjectionNode* find(const ProjectionNode& node, std::string_view name) {
  constexpr std::size_t kWalkedMax = 8;
  const auto& children = node.children;
  if (children.size() <= kWalkedMax) {
    for (const ProjectionNode& child : children) {
      if (child.name == name) return &child;
    }
    return nullptr;
  }
  const auto at =
      std::lower_bound(children.begin(), children.end(), name,
                       [](const ProjectionNode& child, std::string_view wanted) { return child.name < wanted; });
  return at != children.end() && at->name == name ? &*at : nullptr;
}

// One application.
class Projector {
 public:
  Projector(const ProjectionProgram& program, const ProjectionContext& context, bson::Builder& out)
      : program_(program), context_(context), out_(out) {}

  Result<> document(View document) {
    if (!program_.root.computed.empty()) begin_evaluation(document);
    for (const Element& element : document) {
      const ProjectionNode* node = find(program_.root, element.key);
      if (element.key == "_id" && node == nullptr) {
        if (program_.id) out_.append_element(element);
      } else if (node == nullptr) {
        if (!program_.including) out_.append_element(element);
      } else if (node->kind != Kind::kElemMatch) {
        DISTRI_TRY_VOID(append_field(*node, element));
      }
    }
    for (const std::string& name : program_.elem_matches) {
      if (const auto value = document.find(name)) append_match(*find(program_.root, name), *value);
    }
    return append_computed_fields(program_.root, &document);
  }

 private:
  Result<> fields(const ProjectionNode& node, View object) {
    for (const Element& element : object) {
      if (const ProjectionNode* child = find(node, element.key)) {
        DISTRI_TRY_VOID(append_field(*child, element));
      } else if (!program_.including) {
        out_.append_element(element);
      }
    }
    return append_computed_fields(node, &object);
  }

  void begin_evaluation(View document) {
    if (context_.evaluation == nullptr) own_.emplace();
    state_ = context_.evaluation == nullptr ? &own_->state() : &context_.evaluation->state();
    state_->arena.clear();
    state_->begin(document, program_.slots);
  }

  Result<> append_computed(std::string_view name, const ProjectionNode& node) {
    DISTRI_TRY(const Value value, evaluate_node(node.expression, *state_));
    if (is_missing(value)) return {};
    DISTRI_TRY_VOID(check_value(value.type(), value.raw(), bson::kDepthMax - depth_));
    computed_bytes_ += value.raw().size();
    if (computed_bytes_ > bson::kDocumentBytesMax) {
      return refuse(mongo::kObjectTooLarge, "projection: the computed fields take more than {} bytes",
                    bson::kDocumentBytesMax);
    }
    out_.append_value(name, value);
    return {};
  }

  // A computed field that replaces what the object has, or goes on in it, is not appended after the others.
  bool has_place(const ProjectionNode& child, View object) const {
    const auto value = object.find(child.name);
    if (!value || !program_.including) return value.has_value();
    if (child.kind == Kind::kComputed) return false;
    return value->type() == Type::kObject || value->type() == Type::kArray;
  }

  // `object` nullptr: it is a new one, for what is computed below its path.
  Result<> append_computed_fields(const ProjectionNode& node, const View* object) {
    for (const ProjectionNode* child : node.computed) {
      if (object != nullptr && has_place(*child, *object)) continue;
      DISTRI_TRY_VOID(child->kind == Kind::kComputed ? append_computed(child->name, *child)
                                                     : append_new_object(child->name, *child));
    }
    return {};
  }

  Result<> append_new_object(std::string_view name, const ProjectionNode& node) {
    if (++depth_ > bson::kDepthMax) {
      return refuse(mongo::kOverflow, "projection: the document nests deeper than {}", bson::kDepthMax);
    }
    out_.begin_object(name);
    DISTRI_TRY_VOID(append_computed_fields(node, nullptr));
    out_.end();
    --depth_;
    return {};
  }

  Result<> append_field(const ProjectionNode& node, const Element& element) {
    switch (node.kind) {
      case Kind::kInclude:
        out_.append_element(element);
        return {};
      case Kind::kExclude:
      case Kind::kElemMatch:  // of a top-level field only; see document()
        return {};
      case Kind::kSlice:
        append_slice(node, element);
        return {};
      case Kind::kPositional:
        return append_matched(element);
      case Kind::kComputed:
        return program_.including ? Result<>() : append_computed(element.key, node);
      case Kind::kInner:
        break;
    }
    if (element.value.type() == Type::kObject || element.value.type() == Type::kArray) {
      return inner(node, element.key, element.value);
    }
    if (program_.including) return {};
    if (!node.computed.empty()) return append_new_object(element.key, node);
    out_.append_element(element);
    return {};
  }

  // Precondition: an object or array.
  Result<> inner(const ProjectionNode& node, std::string_view key, const Value& value) {
    const bool object = value.type() == Type::kObject;
    object ? out_.begin_object(key) : out_.begin_array(key);
    ++depth_;
    DISTRI_TRY_VOID(object ? fields(node, value.as_object()) : elements(node, value.as_object()));
    --depth_;
    out_.end();
    return {};
  }

  // The objects of an array, and of arrays inside it, each projected; other elements belong to no path.
  Result<> elements(const ProjectionNode& node, View array) {
    ArrayWriter writer(out_);
    for (const Element& element : array) {
      if (element.value.type() == Type::kObject || element.value.type() == Type::kArray) {
        DISTRI_TRY_VOID(inner(node, writer.next_key(), element.value));
      } else if (!program_.including && !node.computed.empty()) {
        DISTRI_TRY_VOID(append_new_object(writer.next_key(), node));
      } else if (!program_.including) {
        writer.append(element.value);
      }
    }
    return {};
  }

  void append_slice(const ProjectionNode& node, const Element& element) {
    if (element.value.type() != Type::kArray) return void(out_.append_element(element));
    const View array = element.value.as_object();
    const auto size = static_cast<std::int64_t>(array.count());
    const std::int64_t begin = node.skip >= 0 ? std::min(node.skip, size) : std::max(node.skip + size, std::int64_t{0});
    const std::int64_t end = begin + std::min(node.count, size - begin);
    out_.begin_array(element.key);
    ArrayWriter writer(out_);
    std::int64_t index = 0;
    for (const Element& item : array) {
      if (index == end) break;
      if (index++ >= begin) writer.append(item.value);
    }
    out_.end();
  }

  Result<> append_matched(const Element& element) {
    if (element.value.type() != Type::kArray) {
      out_.append_element(element);
      return {};
    }
    std::size_t index = 0;
    for (const Element& item : element.value.as_object()) {
      if (index++ != context_.matched_index) continue;
      out_.begin_array(element.key);
      ArrayWriter(out_).append(item.value);
      out_.end();
      return {};
    }
    return fail(Code::kInvalidArgument,
                "projection (51246): positional operator '.$' couldn't find a matching element in the array '{}'; the "
                "filter must match an element of it",
                program_.positional_path.substr(0, 100));
  }

  void append_match(const ProjectionNode& node, const Value& value) {
    if (value.type() != Type::kArray) return;
    for (const Element& item : value.as_object()) {
      if (!node.matcher->matches(item.value, scratch_)) continue;
      out_.begin_array(node.name);
      ArrayWriter(out_).append(item.value);
      out_.end();
      return;
    }
  }

  const ProjectionProgram& program_;
  const ProjectionContext& context_;
  bson::Builder& out_;
  Bytes scratch_;
  // For computed fields.
  std::optional<Evaluation> own_;
  EvaluationState* state_ = nullptr;
  int depth_ = 1;  // of what `out_` has open, in the document
  std::size_t computed_bytes_ = 0;
};

}  // namespace

Projection::Projection(std::unique_ptr<const ProjectionProgram> program) : program_(std::move(program)) {}
Projection::Projection(Projection&&) noexcept = default;
Projection& Projection::operator=(Projection&&) noexcept = default;
Projection::~Projection() = default;

Result<Projection> Projection::compile(View projection, ProjectionKind kind,
                                       const std::vector<std::string>& variables) {
  auto program = std::make_unique<ProjectionProgram>();
  program->source = bson::Document(projection);
  program->kind = kind;
  program->variables = variables;
  DISTRI_TRY_VOID(compile_projection(*program));
  return Projection(std::move(program));
}

Result<> Projection::append(View document, bson::Builder& out, const ProjectionContext& context) const {
  return Projector(*program_, context, out).document(document);
}

Result<bson::Document> Projection::apply(View document, const ProjectionContext& context) const {
  bson::Builder out(document.bytes().size());
  DISTRI_TRY_VOID(append(document, out, context));
  return std::move(out).finish();
}

bool Projection::empty() const {
  return program_->source.view().empty();
}

std::string_view Projection::positional_path() const {
  return program_->positional_path;
}

}  // namespace distri::db
