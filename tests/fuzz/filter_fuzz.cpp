// A filter and documents, as two lines of JSON (or BSON documents one after another): whatever compiles must match
// without crashing, always say the same, agree with its negation, and be usable for a paged, sorted read. The rest of
// the input is tried as a cursor.
#include <cstdint>
#include <string_view>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/find.hpp"
#include "distri/utils/check.hpp"

namespace {

using namespace distri;

bson::Document negation_of(bson::View filter) {
  bson::Builder builder;
  builder.begin_array("$nor").append_object("0", filter).end();
  return std::move(builder).finish();
}

// Every document of `collection` that matches, by pages of `page`.
std::vector<const db::Record*> read_all(const db::Collection& collection, db::FindQuery query, std::size_t page) {
  std::vector<const db::Record*> all;
  query.page_documents_max = page;
  for (;;) {
    const auto found = db::find(collection, query);
    if (!found) {
      // A cursor that would be too large, or a condition that failed on a document (a search over its limits).
      DISTRI_CHECK(found.error().code == Code::kTooLarge || !db::count_matching(collection, query.filter));
      return {};
    }
    all.insert(all.end(), found->records.begin(), found->records.end());
    DISTRI_CHECK(found->records.size() <= page);
    if (found->cursor.empty()) return all;
    DISTRI_CHECK(!found->records.empty());
    query.cursor = found->cursor;
  }
}

void check_paging(const db::Filter& filter, const std::vector<db::SortKey>& sort, bson::View fields) {
  db::Collection collection;
  for (std::int32_t i = 0; i < 5; ++i) {
    // The same document five times, with some fields left out in some of them.
    bson::Builder builder;
    builder.append_int32("_id", i);
    std::int32_t index = 0;
    for (const bson::Element& element : fields) {
      if (element.key != "_id" && (i >> (index++ % 3)) % 2 == 0) builder.append_element(element);
    }
    db::Record record{std::move(builder).finish(), {}};
    const Bytes key = bson::order_key(*record.document.view().find("_id"));
    collection.put(key, std::move(record));
  }
  db::FindQuery query;
  query.filter = &filter;
  query.sort = sort;
  const auto whole = read_all(collection, query, 100);
  DISTRI_CHECK(whole.size() == db::count(collection, &filter));
  const auto paged = read_all(collection, query, 2);
  DISTRI_CHECK(paged.empty() || paged == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const BytesView first = input.substr(0, line);
  const BytesView second = line == BytesView::npos ? BytesView() : input.substr(line + 1);

  const auto filter_source = bson::from_json(first);
  const auto document = bson::from_json(second.substr(0, second.find('\n')));

  db::FindQuery with_cursor;
  with_cursor.cursor = first;
  db::Collection none;
  (void)db::find(none, with_cursor);

  if (!filter_source) return 0;
  const bson::View target = document ? document->view() : bson::View();
  if (const auto sort = db::parse_sort(*filter_source)) {
    const auto all = db::Filter::compile(bson::View());
    check_paging(*all, *sort, target);
  }
  auto filter = db::Filter::compile(*filter_source);
  if (!filter) {
    DISTRI_CHECK(filter.error().code == Code::kInvalidArgument && filter.error().message.size() < 1000);
    return 0;
  }
  const auto checked = filter->check(target);
  const bool matched = filter->matches(target);
  DISTRI_CHECK(checked ? *checked == matched : !matched);
  if (matched) (void)filter->matched_array_index(target);
  const db::Filter moved = std::move(*filter);
  DISTRI_CHECK(moved.matches(target) == matched);
  const bson::Document negated = negation_of(*filter_source);
  if (const auto opposite = db::Filter::compile(negated); opposite && checked) {
    const auto other = opposite->check(target);
    DISTRI_CHECK(other && *other != matched);
  }
  check_paging(moved, {}, target);
  return 0;
}
