// Any bytes, as a BSON document and as JSON text. Whatever is accepted must be walkable, orderable and writable, and
// must survive the way through text and back.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/collection.hpp"
#include "distri/utils/check.hpp"

namespace {

using namespace distri;
using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

int sign(int v) {
  return (v > 0) - (v < 0);
}

// Below the top level, such a field makes an object stand for another value.
bool may_be_wrapper(std::string_view key) {
  return key.starts_with('$');
}

// Text has no array keys, no duplicate fields, one NaN, and one form for each decimal.
bool representable(View object, bool array, int depth) {
  std::vector<std::string_view> names;
  std::size_t index = 0;
  for (const Element& element : object) {
    if (array && element.key != std::to_string(index++)) return false;
    if (depth > 1 && !array && may_be_wrapper(element.key)) return false;
    names.push_back(element.key);
    const Value& value = element.value;
    switch (value.type()) {
      case Type::kObject:
      case Type::kArray:
        if (!representable(value.as_object(), value.type() == Type::kArray, depth + 1)) return false;
        break;
      case Type::kCodeWithScope:
        if (!representable(value.code_scope(), false, depth + 1)) return false;
        break;
      case Type::kDouble:
        if (value.as_double() != value.as_double()) return false;
        break;
      case Type::kDecimal128:
        return false;
      default:
        break;
    }
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

std::size_t walk(View object) {
  std::size_t fields = 0;
  for (const Element& element : object) {
    ++fields;
    const Value& value = element.value;
    DISTRI_CHECK(object.find(element.key).has_value());
    if (value.type() == Type::kObject || value.type() == Type::kArray) fields += walk(value.as_object());
    if (value.type() == Type::kCodeWithScope) fields += walk(value.code_scope());
    (void)value.to_int64();
    (void)value.to_double();
    DISTRI_CHECK(bson::compare(value, value) == 0);
  }
  DISTRI_CHECK(object.empty() == (fields == 0));
  return fields;
}

void check_order(View object) {
  std::vector<Value> values;
  for (const Element& element : object) {
    if (values.size() < 8) values.push_back(element.value);
  }
  for (const Value& a : values) {
    const Bytes key_a = bson::order_key(a);
    for (const Value& b : values) {
      const Bytes key_b = bson::order_key(b);
      const int order = sign(bson::compare(a, b));
      DISTRI_CHECK(order == sign(key_a.compare(key_b)));
      DISTRI_CHECK(order == -sign(bson::compare(b, a)));
      DISTRI_CHECK(order == 0 || !key_b.starts_with(key_a));
    }
  }
}

void as_bson(BytesView bytes) {
  const auto document = bson::validate(bytes);
  if (!document) return;
  walk(*document);
  check_order(*document);
  DISTRI_CHECK(bson::compare(*document, *document) == 0);
  (void)db::check_document(*document);
  const std::string relaxed = bson::to_json(*document);
  const std::string canonical = bson::to_json(*document, bson::JsonMode::kCanonical);
  const auto back = bson::from_json(canonical);
  if (back) DISTRI_CHECK(bson::validate(back->bytes()).has_value());
  if (representable(*document, false, 1)) {
    DISTRI_CHECK(back.has_value());
    DISTRI_CHECK(back->bytes() == bytes);
    const auto from_relaxed = bson::from_json(relaxed);
    DISTRI_CHECK(from_relaxed.has_value());
    DISTRI_CHECK(bson::to_json(*from_relaxed) == relaxed);
  }
}

void as_json(std::string_view text) {
  const auto document = bson::from_json(text);
  if (!document) return;
  DISTRI_CHECK(bson::validate(document->bytes()).has_value());
  for (const auto mode : {bson::JsonMode::kRelaxed, bson::JsonMode::kCanonical}) {
    const std::string written = bson::to_json(*document, mode);
    const auto again = bson::from_json(written);
    DISTRI_CHECK(again.has_value());
    DISTRI_CHECK(bson::to_json(*again, mode) == written);
    if (mode == bson::JsonMode::kCanonical) DISTRI_CHECK(again->bytes() == document->bytes());
  }
  as_bson(document->bytes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView bytes(reinterpret_cast<const char*>(data), size);
  as_bson(bytes);
  as_json(bytes);
  return 0;
}
