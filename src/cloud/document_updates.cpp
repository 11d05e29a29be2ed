#include "distri/cloud/document_updates.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/cloud/document_services.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {
namespace {

Result<bson::View> fields_of(const bson::Element& element) {
  if (element.value.type() != bson::Type::kObject) {
    return fail(Code::kInvalidArgument, "body: {} must be an object of fields, not {}", element.key,
                bson::type_name(element.value.type()));
  }
  for (const bson::Element& field : element.value.as_object()) {
    if (field.key.find('.') != std::string_view::npos) {
      return fail(Code::kInvalidArgument,
                  "body: {}: '{}' is a path; only top-level fields can be updated, so set '{}' whole", element.key,
                  field.key.substr(0, 80), field.key.substr(0, std::min(field.key.find('.'), std::size_t{80})));
    }
  }
  return element.value.as_object();
}

Result<> check_distinct(const UpdateOperators& operators) {
  std::vector<std::string_view> names(operators.unset.begin(), operators.unset.end());
  for (const bson::Element& element : operators.set.view()) names.push_back(element.key);
  for (const bson::Element& element : operators.increments.view()) {
    const bson::Type type = element.value.type();
    if (type != bson::Type::kInt32 && type != bson::Type::kInt64 && type != bson::Type::kDouble) {
      return fail(Code::kInvalidArgument, "body: $inc: '{}' must be a 32-bit or 64-bit integer or a double, not {}",
                  element.key.substr(0, 80), bson::type_name(type));
    }
    names.push_back(element.key);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return fail(Code::kInvalidArgument, "body: '{}' is updated twice; name each field once", twice->substr(0, 80));
  }
  if (std::binary_search(names.begin(), names.end(), std::string_view("_id"))) {
    return fail(Code::kInvalidArgument, "body: _id cannot be changed");
  }
  return {};
}

}  // namespace

bool has_operators(bson::View body) {
  for (const bson::Element& element : body) {
    if (element.key.starts_with('$')) return true;
  }
  return false;
}

Result<UpdateOperators> parse_update_operators(bson::View body) {
  UpdateOperators result;
  for (const bson::Element& element : body) {
    if (element.key == "_id") continue;
    if (element.key == "$set") {
      DISTRI_TRY(const bson::View fields, fields_of(element));
      result.set = bson::Document(fields);
    } else if (element.key == "$unset") {
      DISTRI_TRY(const bson::View fields, fields_of(element));
      for (const bson::Element& field : fields) result.unset.emplace_back(field.key);
    } else if (element.key == "$inc") {
      DISTRI_TRY(const bson::View fields, fields_of(element));
      result.increments = bson::Document(fields);
    } else if (element.key.starts_with('$')) {
      return fail(Code::kInvalidArgument, "body: UpdateDocument has no operator '{}'; it has $set, $unset and $inc",
                  element.key.substr(0, 80));
    } else {
      return fail(Code::kInvalidArgument,
                  "body: '{}' stands beside operators; give either fields to set or operators, not both",
                  element.key.substr(0, 80));
    }
  }
  DISTRI_TRY_VOID(check_distinct(result));
  return result;
}

Result<Bytes> DocumentServices::update_by_operators(const DocumentCall& call, bson::View body) {
  DISTRI_TRY(const UpdateOperators operators, parse_update_operators(body));
  const bson::Value id = *body.find("_id");
  const Bytes key = bson::order_key(id);
  const auto now_ms = clock_.wall_ms();
  const db::Collection* collection = replica_.database().find(call.collection);
  const bool inserted = collection == nullptr || collection->find(key) == nullptr;
  if (inserted) {
    // As MongoDB's upsert: $set and $inc make the new document, $unset has nothing to do.
    bson::Builder builder;
    builder.append_value("_id", id);
    for (const bson::Document* part : {&operators.set, &operators.increments}) {
      for (const bson::Element& element : part->view()) builder.append_element(element);
    }
    const bson::Document document = std::move(builder).finish();
    DISTRI_TRY_VOID(replica_.insert(call.collection, document, now_ms));
  } else if (!operators.set.view().empty() || !operators.unset.empty() || !operators.increments.view().empty()) {
    DISTRI_TRY_VOID(replica_.update_and_increment(call.collection, key, operators.set, operators.unset,
                                                  operators.increments, now_ms));
  }
  bson::Builder reply;
  reply.append_value("_id", id);
  reply.append_bool("inserted", inserted);
  return render_document(std::move(reply).finish(), call.format);
}

}  // namespace distri::cloud
