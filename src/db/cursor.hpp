// cursor.hpp: where a page ended, as URL-safe text. Private to the module.
//
// Bytes before encoding: version 1; 8 bytes hash of the sort; 8 bytes remaining limit (0: none; both little-endian);
// the position (the last document's sort values and _id, as one order key); 8 bytes checksum (BLAKE2b of all before).
// The checksum finds accidents, not forgers: a position is only ever compared with keys, so any bytes do no harm.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "distri/db/find.hpp"

namespace distri::db {

struct Cursor {
  std::uint64_t sort_hash = 0;
  std::uint64_t remaining = 0;
  Bytes position;
};

std::uint64_t hash_sort(std::span<const SortKey> sort);
std::string encode_cursor(const Cursor& cursor);
// kInvalidArgument: not a cursor.
Result<Cursor> decode_cursor(std::string_view text);

}  // namespace distri::db
