// update_check.hpp: what must hold of any update of any document, asked of a replica.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/db/update.hpp"
#include "distri/replication/replica.hpp"
#include "distri/utils/check.hpp"

namespace distri::replication::test {

// The top-level elements of a document, by name: documents that differ in the order of fields only have the same.
inline std::vector<Bytes> fields_by_name(bson::View document) {
  std::vector<Bytes> fields;
  for (const bson::Element& element : document) fields.emplace_back(element.raw);
  std::sort(fields.begin(), fields.end());
  return fields;
}

// What a replica that holds `document` makes of the result.
inline bson::Document replicated(bson::View document, const db::UpdateResult& result) {
  ReplicaConfig config;
  config.node.bytes[0] = 1;
  Replica replica(config);
  DISTRI_CHECK(replica.insert("c", bson::Document(document), 1).has_value());
  const Bytes key = bson::order_key(*document.find("_id"));
  const auto written = result.whole
                           ? replica.replace("c", result.document, 2)
                           : replica.update_and_increment("c", key, result.set, result.unset, result.deltas, 2);
  DISTRI_CHECK(written.has_value() || written.error().code == Code::kTooLarge);
  if (!written) return result.document;
  return bson::Document(replica.database().find("c")->find(key)->document.view());
}

// Fails the process when an invariant of db/update.hpp does not hold. nullopt: the update was refused.
inline std::optional<db::UpdateResult> check_update(const db::Update& update, bson::View document,
                                                    const db::UpdateContext& context) {
  auto result = update.apply(document, context);
  if (!result) {
    DISTRI_CHECK(result.error().code == Code::kInvalidArgument || result.error().code == Code::kTooLarge);
    DISTRI_CHECK(!result.error().message.empty() && result.error().message.size() < 2000);
    return std::nullopt;
  }
  const bson::View after = result->document;
  DISTRI_CHECK(bson::validate(after.bytes()).has_value());
  if (!result->changed) {
    DISTRI_CHECK(after == document);
    DISTRI_CHECK(result->set.view().empty() && result->unset.empty() && result->deltas.view().empty());
    return std::move(*result);
  }
  DISTRI_CHECK(db::check_document(after).has_value());
  for (const bson::Element& element : after) DISTRI_CHECK(!element.key.starts_with('$'));
  DISTRI_CHECK(fields_by_name(replicated(document, *result)) == fields_by_name(after));
  return std::move(*result);
}

}  // namespace distri::replication::test
