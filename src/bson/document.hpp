// document.hpp: owning a document, and building one.
//
// Threads: values; one thread at a time. Errors: building trusts its caller (names without zero bytes); sizes are
// checked where documents enter the system (validate(), from_json(), db).
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "distri/bson/value.hpp"

namespace distri::bson {

// Owns the bytes of one valid object. Views of it end when it is changed, moved or destroyed.
class Document {
 public:
  Document();  // {}
  explicit Document(View view) : bytes_(view.bytes()) {}
  // Precondition: valid BSON.
  static Document trusted(Bytes bytes);
  // Checks.
  static Result<Document> parse(Bytes bytes);

  View view() const { return View::trusted(bytes_); }
  operator View() const { return view(); }  // NOLINT: a document is usable wherever a view is
  const Bytes& bytes() const { return bytes_; }
  Bytes release() && { return std::move(bytes_); }
  bool operator==(const Document&) const = default;

 private:
  Bytes bytes_;
};

// Owns the bytes of one valid object where many of them are kept: a pointer and one allocation of just the object's
// size. Views of it end when it is changed or destroyed, and stay valid when it is moved. Once moved from, it can only
// be assigned to and destroyed.
class StoredDocument {
 public:
  StoredDocument() : StoredDocument(View()) {}
  StoredDocument(View view);                                                     // NOLINT: as a Document is a view
  StoredDocument(const Document& document) : StoredDocument(document.view()) {}  // NOLINT
  StoredDocument(const StoredDocument& other) : StoredDocument(other.view()) {}
  StoredDocument(StoredDocument&&) noexcept = default;
  StoredDocument& operator=(const StoredDocument& other) { return *this = StoredDocument(other); }
  StoredDocument& operator=(StoredDocument&&) noexcept = default;

  View view() const { return View::trusted(bytes()); }
  operator View() const { return view(); }  // NOLINT
  BytesView bytes() const { return {bytes_.get(), detail::load_u32(bytes_.get())}; }
  // Where the bytes begin. Reads nothing of them, while bytes() reads how many they are.
  const char* data() const { return bytes_.get(); }
  bool operator==(const StoredDocument& other) const { return bytes() == other.bytes(); }
  bool operator==(const Document& other) const { return bytes() == other.bytes(); }

 private:
  std::unique_ptr<char[]> bytes_;
};

// Appends fields in order. Nested objects and arrays by begin_*/end. finish() may be called once, at depth zero.
class Builder {
 public:
  Builder();
  explicit Builder(std::size_t reserve_bytes);

  Builder& append_double(std::string_view key, double v);
  Builder& append_string(std::string_view key, std::string_view v);
  Builder& append_int32(std::string_view key, std::int32_t v);
  Builder& append_int64(std::string_view key, std::int64_t v);
  Builder& append_bool(std::string_view key, bool v);
  Builder& append_null(std::string_view key);
  Builder& append_date(std::string_view key, std::int64_t wall_ms);
  Builder& append_object_id(std::string_view key, BytesView twelve_bytes);
  Builder& append_binary(std::string_view key, BytesView bytes, std::uint8_t subtype = 0);
  Builder& append_object(std::string_view key, View object);
  Builder& append_array(std::string_view key, View array);
  Builder& append_value(std::string_view key, const Value& value);
  // A whole element as another document holds it.
  Builder& append_element(const Element& element);
  Builder& begin_object(std::string_view key);
  Builder& begin_array(std::string_view key);
  Builder& end();

  std::size_t size_bytes() const { return bytes_.size(); }
  Document finish() &&;

 private:
  void head(Type type, std::string_view key);
  Bytes bytes_;
  std::vector<std::size_t> open_;  // offsets of the lengths to fill in
};

// `base` with the top-level fields of `fields` set (those that exist keep their place, new ones are appended in their
// order).
Document merge_fields(View base, View fields);

}  // namespace distri::bson
