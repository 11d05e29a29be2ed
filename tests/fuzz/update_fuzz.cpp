// An update, a document and array filters, as lines of JSON; a fourth line's length is the matched index. Whatever
// compiles must keep the invariants of db/update.hpp, also when it makes the document of an upsert (the second line is
// the filter then) and when its result is updated once more. The first line is tried as a projection, too.
#include <cstdint>
#include <string_view>

#include "../unit/replication/update_check.hpp"
#include "distri/bson/json.hpp"
#include "distri/bson/object_id.hpp"
#include "distri/db/filter.hpp"
#include "distri/db/projection.hpp"

namespace {

using namespace distri;

BytesView take_line(BytesView& input) {
  const std::size_t end = input.find('\n');
  const BytesView line = input.substr(0, end);
  input.remove_prefix(end == BytesView::npos ? input.size() : end + 1);
  return line;
}

// The document with an `_id`, if it can be stored at all.
std::optional<bson::Document> storable(bson::View document) {
  bson::Document with_id = bson::with_id_first(bson::Document(document), {});
  if (!db::check_document(with_id)) return std::nullopt;
  return with_id;
}

void check_upsert(bson::View filter, const db::Update& update, const db::UpdateContext& context) {
  if (!db::Filter::compile(filter)) return;
  const auto document = db::upsert_document(filter, update, context);
  if (!document) return;
  DISTRI_CHECK(bson::validate(document->bytes()).has_value());
  if (document->view().find("_id")) DISTRI_CHECK(db::check_document(*document).has_value());
}

void check_projection(bson::View source, bson::View document, const db::UpdateContext& context) {
  const auto projection = db::Projection::compile(source);
  if (!projection) {
    DISTRI_CHECK(projection.error().code == Code::kInvalidArgument && projection.error().message.size() < 2000);
    return;
  }
  const auto result = projection->apply(document, {.matched_index = context.matched_index});
  if (!result) return;
  DISTRI_CHECK(bson::validate(result->bytes()).has_value());
  // Computed fields come on top.
  DISTRI_CHECK(result->bytes().size() <= document.bytes().size() + bson::kDocumentBytesMax + 4096);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BytesView input(reinterpret_cast<const char*>(data), size);
  const auto source = bson::from_json(take_line(input));
  const auto target = bson::from_json(take_line(input));
  const auto filters = bson::from_json(take_line(input));
  if (!source || !target) return 0;
  db::UpdateContext context{.now_ms = 1'700'000'000'000};
  if (!input.empty()) context.matched_index = input.size() - 1;
  check_projection(*source, *target, context);
  auto update = db::Update::compile(*source, {filters ? filters->view() : bson::View()});
  if (!update) {
    DISTRI_CHECK(update.error().code == Code::kInvalidArgument && update.error().message.size() < 2000);
    return 0;
  }
  check_upsert(*target, *update, context);
  const auto document = storable(*target);
  if (!document) return 0;
  if (const auto once = replication::test::check_update(*update, *document, context))
    (void)replication::test::check_update(*update, once->document, context);
  return 0;
}
