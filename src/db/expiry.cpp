#include "distri/db/expiry.hpp"

#include <limits>
#include <unordered_set>

#include "distri/db/index_bounds.hpp"
#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

// What is expired is what {field: {$lte: now - expireAfterSeconds}} matches: dates only, and of an array any element.
Filter expired_filter(const Index& index, std::int64_t now_ms) {
  const IndexDefinition& definition = index.definition();
  DISTRI_CHECK(definition.expire_after_s.has_value() && definition.fields.size() == 1);
  std::int64_t limit_ms = 0;
  if (__builtin_sub_overflow(now_ms, *definition.expire_after_s * 1000, &limit_ms))
    limit_ms = std::numeric_limits<std::int64_t>::min();
  bson::Builder out;
  out.begin_object(definition.fields.front().path).append_date("$lte", limit_ms).end();
  auto filter = Filter::compile(std::move(out).finish());
  DISTRI_CHECK(filter.has_value());  // parse_index() looked at the path
  return *std::move(filter);
}

}  // namespace

std::vector<std::string> expired_documents(const Index& index, std::int64_t now_ms, std::size_t keys_max) {
  std::vector<std::string> found;
  if (!index.ready()) return found;
  const Filter filter = expired_filter(index, now_ms);
  std::size_t fields_used = 0;
  std::unordered_set<std::string_view> seen;  // a document may have several keys
  for (const KeyRange& range : ranges_of(index, bounds_of(index, path_conditions(filter.root())), fields_used)) {
    auto at = index.entries().lower_bound(std::string_view(range.first));
    for (; at != index.entries().end() && (!range.end || at->bytes < *range.end); ++at) {
      if (keys_max-- == 0) return found;
      if (seen.insert(at->id_key()).second) found.emplace_back(at->id_key());
    }
  }
  return found;
}

bool is_expired(const Index& index, bson::View document, std::int64_t now_ms) {
  if (index.partial() != nullptr && !index.partial()->matches(document)) return false;
  return expired_filter(index, now_ms).matches(document);
}

}  // namespace distri::db
