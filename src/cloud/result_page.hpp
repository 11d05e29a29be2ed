// result_page.hpp: {"documents": [...], "cursor": "..."} in the caller's format, written while the documents come.
//
// Threads: values. Errors: none.
#pragma once

#include <array>
#include <charconv>
#include <string>

#include "distri/bson/document.hpp"
#include "distri/bson/json.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

class ResultPage {
 public:
  explicit ResultPage(wire::Format format) : json_(format == wire::Format::kJson) {
    json_ ? void(text_ = "{\"documents\":[") : void(builder_.begin_array("documents"));
  }

  // Room for documents of so many bytes.
  void expect(std::size_t bytes) {
    if (json_) text_.reserve(text_.size() + bytes + kJsonMore);
  }

  void append(bson::View document) {
    if (json_) {
      if (count_ > 0) text_.push_back(',');
      bson::append_json(text_, document);
    } else {
      std::array<char, 24> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), count_).ptr;
      builder_.append_object({digits.data(), static_cast<std::size_t>(end - digits.data())}, document);
    }
    ++count_;
    bytes_ += document.bytes().size();
  }

  std::size_t count() const { return count_; }
  // Of the documents.
  std::size_t bytes() const { return bytes_; }

  // `cursor`: URL-safe text; empty: none.
  Bytes finish(const std::string& cursor) && {
    if (!json_) {
      builder_.end();
      if (!cursor.empty()) builder_.append_string("cursor", cursor);
      return std::move(builder_).finish().release();
    }
    text_.push_back(']');
    if (!cursor.empty()) text_.append(",\"cursor\":\"").append(cursor).push_back('"');
    text_.push_back('}');
    return std::move(text_);
  }

 private:
  // JSON is a little longer than BSON, and there is what stands around it.
  static constexpr std::size_t kJsonMore = 64;

  bool json_;
  std::string text_;
  bson::Builder builder_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace distri::cloud
