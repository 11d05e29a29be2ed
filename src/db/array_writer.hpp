// array_writer.hpp: the elements of an array that a builder has open. Private to the module.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

#include "distri/bson/document.hpp"

namespace distri::db {

// Gives each element its key: its index, in decimal.
class ArrayWriter {
 public:
  explicit ArrayWriter(bson::Builder& out) : out_(out) {}

  void append(const bson::Value& value) { out_.append_value(next_key(), value); }
  // The key of an element that the caller appends itself. Valid until the next call.
  std::string_view next_key() {
    const auto end = std::to_chars(key_, key_ + sizeof key_, next_++).ptr;
    return {key_, static_cast<std::size_t>(end - key_)};
  }
  std::uint64_t size() const { return next_; }

 private:
  bson::Builder& out_;
  std::uint64_t next_ = 0;
  char key_[24];
};

}  // namespace distri::db
