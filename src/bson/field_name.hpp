// field_name.hpp: the name of a field, ready to be looked for in many documents.
//
// A walk over the fields of a document waits, at each, for the end of its name and for the size of its value. Names are
// looked at by their first eight bytes, as one number: most are shorter, and then the number says both how long the
// name is and whether it is this one.
//
// Threads: values; any. Errors: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "distri/bson/value.hpp"

namespace distri::bson {

class FieldName {
 public:
  FieldName() : FieldName(std::string_view()) {}
  // The text must outlive the name.
  explicit FieldName(std::string_view text);

  std::string_view text() const { return text_; }
  // The first field of that name.
  std::optional<Value> find_in(View object) const;

 private:
  std::string_view text_;
  std::uint64_t first_word_;  // its first eight bytes; zeros behind a shorter one
  std::uint64_t mask_;        // which bytes of a field's first word must be the same: these, and the zero at the end
  bool possible_;             // no field has a zero byte in its name
};

}  // namespace distri::bson
