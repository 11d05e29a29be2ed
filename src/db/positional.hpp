// positional.hpp: which element of an array a filter matched: what `$` in an update or projection stands for.
//
// The element is found by asking the filter about the document with the array cut down to one element after the other;
// the first for which it still matches is the one. That holds for every operator, costs nothing to updates without `$`,
// and needs nothing from the filter but matches().
//
// Threads: pure. Errors: kTooLarge when the array is so long that asking would take too much time.
#pragma once

#include <optional>

#include "distri/db/filter.hpp"

namespace distri::db {

inline constexpr std::size_t kPositionalBytesMax = 256u << 20;  // built while asking

// `source` is what `filter` was compiled from, and `document` matches it. `path` is where the array is ("a.b" for
// "a.b.$.c"). nullopt: there is no array, the filter does not name it, or none of its elements alone matches.
Result<std::optional<std::size_t>> positional_match(bson::View source, const Filter& filter, bson::View document,
                                                    std::string_view path);

}  // namespace distri::db
