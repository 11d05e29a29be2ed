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
    return {};
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
      case Kind::kInner:
        break;
    }
    if (element.value.type() == Type::kObject) {
      out_.begin_object(element.key);
      DISTRI_TRY_VOID(fields(node, element.value.as_object()));
      out_.end();
    } else if (element.value.type() == Type::kArray) {
      out_.begin_array(element.key);
      DISTRI_TRY_VOID(elements(node, element.value.as_object()));
      out_.end();
    } else if (!program_.including) {
      out_.append_element(element);
    }
    return {};
  }

  // The objects of an array, and of arrays inside it, each projected; other elements belong to no path.
  Result<> elements(const ProjectionNode& node, View array) {
    ArrayWriter writer(out_);
    for (const Element& element : array) {
      if (element.value.type() == Type::kObject) {
        out_.begin_object(writer.next_key());
        DISTRI_TRY_VOID(fields(node, element.value.as_object()));
        out_.end();
      } else if (element.value.type() == Type::kArray) {
        out_.begin_array(writer.next_key());
        DISTRI_TRY_VOID(elements(node, element.value.as_object()));
        out_.end();
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
};

}  // namespace

Projection::Projection(std::unique_ptr<const ProjectionProgram> program) : program_(std::move(program)) {}
Projection::Projection(Projection&&) noexcept = default;
Projection& Projection::operator=(Projection&&) noexcept = default;
Projection::~Projection() = default;

Result<Projection> Projection::compile(View projection) {
  auto program = std::make_unique<ProjectionProgram>();
  program->source = bson::Document(projection);
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
