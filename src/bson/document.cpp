#include "distri/bson/document.hpp"

#include <algorithm>
#include <functional>

#include "distri/utils/check.hpp"

namespace distri::bson {
namespace {

void append_u32(Bytes& out, std::uint32_t v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

void store_u32(Bytes& out, std::size_t at, std::size_t v) {
  const auto narrow = static_cast<std::uint32_t>(v);
  std::memcpy(out.data() + at, &narrow, sizeof narrow);
}

template <class T>
void append_raw(Bytes& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

}  // namespace

Document::Document() : bytes_(detail::kEmptyObject, sizeof detail::kEmptyObject) {}

Document Document::trusted(Bytes bytes) {
  Document document;
  document.bytes_ = std::move(bytes);
  return document;
}

Result<Document> Document::parse(Bytes bytes) {
  if (auto valid = validate(bytes); !valid) return fail(std::move(valid).error());
  return trusted(std::move(bytes));
}

StoredDocument::StoredDocument(View view) : bytes_(new char[view.bytes().size()]) {
  std::memcpy(bytes_.get(), view.bytes().data(), view.bytes().size());
}

Builder::Builder() : bytes_(4, '\0') {}

Builder::Builder(std::size_t reserve_bytes) {
  bytes_.reserve(std::max<std::size_t>(reserve_bytes, 5));
  bytes_.resize(4);
}

void Builder::head(Type type, std::string_view key) {
  bytes_.push_back(static_cast<char>(type));
  bytes_.append(key);
  bytes_.push_back('\0');
}

Builder& Builder::append_double(std::string_view key, double v) {
  head(Type::kDouble, key);
  append_raw(bytes_, v);
  return *this;
}

Builder& Builder::append_string(std::string_view key, std::string_view v) {
  head(Type::kString, key);
  append_u32(bytes_, static_cast<std::uint32_t>(v.size() + 1));
  bytes_.append(v);
  bytes_.push_back('\0');
  return *this;
}

Builder& Builder::append_int32(std::string_view key, std::int32_t v) {
  head(Type::kInt32, key);
  append_raw(bytes_, v);
  return *this;
}

Builder& Builder::append_int64(std::string_view key, std::int64_t v) {
  head(Type::kInt64, key);
  append_raw(bytes_, v);
  return *this;
}

Builder& Builder::append_bool(std::string_view key, bool v) {
  head(Type::kBool, key);
  bytes_.push_back(v ? 1 : 0);
  return *this;
}

Builder& Builder::append_null(std::string_view key) {
  head(Type::kNull, key);
  return *this;
}

Builder& Builder::append_date(std::string_view key, std::int64_t wall_ms) {
  head(Type::kDate, key);
  append_raw(bytes_, wall_ms);
  return *this;
}

Builder& Builder::append_object_id(std::string_view key, BytesView twelve_bytes) {
  DISTRI_CHECK(twelve_bytes.size() == 12);
  head(Type::kObjectId, key);
  bytes_.append(twelve_bytes);
  return *this;
}

Builder& Builder::append_binary(std::string_view key, BytesView bytes, std::uint8_t subtype) {
  head(Type::kBinary, key);
  const bool old = subtype == 2;  // the old form repeats the length inside
  append_u32(bytes_, static_cast<std::uint32_t>(bytes.size() + (old ? 4 : 0)));
  bytes_.push_back(static_cast<char>(subtype));
  if (old) append_u32(bytes_, static_cast<std::uint32_t>(bytes.size()));
  bytes_.append(bytes);
  return *this;
}

Builder& Builder::append_object(std::string_view key, View object) {
  head(Type::kObject, key);
  bytes_.append(object.bytes());
  return *this;
}

Builder& Builder::append_array(std::string_view key, View array) {
  head(Type::kArray, key);
  bytes_.append(array.bytes());
  return *this;
}

Builder& Builder::append_value(std::string_view key, const Value& value) {
  head(value.type(), key);
  bytes_.append(value.raw());
  return *this;
}

Builder& Builder::append_element(const Element& element) {
  bytes_.append(element.raw);
  return *this;
}

Builder& Builder::begin_object(std::string_view key) {
  head(Type::kObject, key);
  open_.push_back(bytes_.size());
  append_u32(bytes_, 0);
  return *this;
}

Builder& Builder::begin_array(std::string_view key) {
  head(Type::kArray, key);
  open_.push_back(bytes_.size());
  append_u32(bytes_, 0);
  return *this;
}

Builder& Builder::end() {
  DISTRI_CHECK(!open_.empty());
  bytes_.push_back('\0');
  store_u32(bytes_, open_.back(), bytes_.size() - open_.back());
  open_.pop_back();
  return *this;
}

Document Builder::finish() && {
  DISTRI_CHECK(open_.empty() && bytes_.size() >= 4);
  bytes_.push_back('\0');
  store_u32(bytes_, 0, bytes_.size());
  Document document = Document::trusted(std::move(bytes_));
  bytes_.clear();  // so that a second finish() is caught above
  return document;
}

namespace {

// Finds fields by name in an object of any size without being quadratic: a small one is walked, a large one is sorted
// first.
class FieldIndex {
 public:
  explicit FieldIndex(View object) : object_(object) {
    constexpr std::size_t kWalkedBytesMax = 1024;
    if (object.bytes().size() <= kWalkedBytesMax) return;
    for (const Element& element : object) sorted_.push_back(element);
    // Of two fields of one name the first counts, as in View::find.
    std::sort(sorted_.begin(), sorted_.end(), [](const Element& a, const Element& b) {
      return a.key != b.key ? a.key < b.key : std::less<>()(a.raw.data(), b.raw.data());
    });
  }

  std::optional<Element> find(std::string_view key) const {
    if (sorted_.empty()) return object_.find_element(key);
    const auto at = std::lower_bound(sorted_.begin(), sorted_.end(), key,
                                     [](const Element& element, std::string_view name) { return element.key < name; });
    return at != sorted_.end() && at->key == key ? std::optional(*at) : std::nullopt;
  }

 private:
  View object_;
  std::vector<Element> sorted_;
};

}  // namespace

Document merge_fields(View base, View fields) {
  const FieldIndex old_fields(base);
  const FieldIndex new_fields(fields);
  Builder merged(base.bytes().size() + fields.bytes().size());
  for (const Element& element : base) merged.append_element(new_fields.find(element.key).value_or(element));
  for (const Element& element : fields) {
    if (!old_fields.find(element.key)) merged.append_element(element);
  }
  return std::move(merged).finish();
}

}  // namespace distri::bson
