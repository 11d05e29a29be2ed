// json_reader.hpp: JSON text -> BSON in one pass by simdjson's on-demand parser. Private to the module.
//
// A value is written where it will stay; only its type byte and, for objects and arrays, its length are filled in
// afterwards. An object that turns out to be a wrapper ({"$oid": ...}) is overwritten by the value it stands for.
//
// Invariant: between two calls of read() only memory is kept, up to kKeptBytesMax a buffer. Threads: one reader each.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/bson/json_wrappers.hpp"

namespace distri::bson {

namespace od = simdjson::ondemand;

class JsonReader {
 public:
  Result<Document> read(std::string_view text);

 private:
  // All return false after they have filled error_ (once: the innermost reason stays).
  template <class... Args>
  bool fault(fmt::format_string<Args...> format, Args&&... args) {
    return refuse(Code::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...));
  }
  bool refuse(Code code, std::string reason);
  bool broken(simdjson::error_code error);

  bool parse(std::string_view text);
  bool object(od::object object, std::size_t type_at, int depth);
  bool array(od::array array, int depth);
  bool value(od::value value, std::size_t type_at, int depth);
  bool number(od::value value, std::size_t type_at);
  bool unique_keys(std::size_t first_key);
  bool element_head(std::string_view key, int depth, std::size_t& type_at);
  void close(std::size_t start);
  bool size_ok();
  // A JSON string, checked to be UTF-8 after unescaping.
  bool string(od::value value, std::string_view& out);
  bool checked_key(std::string_view key);

  // Wrappers: each writes its value at the end of out_.
  bool wrapped(Wrapper wrapper, od::value value, std::size_t type_at, int depth);
  bool wrapped_text(std::string_view name, od::value value, std::string_view& out);
  bool wrapped_date(od::value value);
  bool wrapped_binary(od::value value);
  bool wrapped_uuid(od::value value);
  bool wrapped_timestamp(od::value value);
  bool wrapped_regex(od::value value);
  bool wrapped_db_pointer(od::value value);
  bool wrapped_code_with_scope(std::size_t start, std::string_view code, bool code_seen);
  bool object_id_text(std::string_view hex);
  bool object_field(std::string_view wrapper, od::value value, std::array<std::string_view, 2> names,
                    std::array<std::string_view, 2>& texts);
  template <class T>
  bool integer_text(std::string_view name, od::value value, T& out);

  void append_u32(std::size_t v) {
    const auto narrow = static_cast<std::uint32_t>(v);
    out_.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  }
  template <class T>
  void append_raw(T v) {
    out_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  void append_text(std::string_view text) {
    append_u32(text.size() + 1);
    out_.append(text).push_back('\0');
  }
  void set_type(std::size_t type_at, Type type) { out_[type_at] = static_cast<char>(type); }

  od::parser parser_;
  std::string padded_;  // the text and simdjson's padding behind it
  std::size_t text_size_ = 0;
  bool unicode_escapes_ = false;  // only then can a string become something else than UTF-8
  od::document* document_ = nullptr;
  Bytes out_;
  std::vector<std::size_t> keys_;  // offsets in out_ of the keys of all open objects
  std::vector<std::string_view> sorted_;
  std::array<std::size_t, kDepthMax + 2> path_{};  // offset in out_ of the current key at each depth
  int path_depth_ = 0;
  Error error_;
};

}  // namespace distri::bson
