#include "distri/db/cursor.hpp"

#include <algorithm>
#include <cstring>

#include "distri/utils/hash.hpp"

namespace distri::db {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeadBytes = 17;
constexpr std::size_t kChecksumBytes = 8;

void append_u64(Bytes& out, std::uint64_t v) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t load_u64(BytesView bytes, std::size_t at) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < 8; ++i)
    v |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return v;
}

std::uint64_t hash64(BytesView bytes) {
  const Hash256 hash = blake2b_256(bytes);
  return load_u64({reinterpret_cast<const char*>(hash.data()), hash.size()}, 0);
}

}  // namespace

std::uint64_t hash_sort(std::span<const SortKey> sort) {
  Bytes text = "distri sort";
  for (const SortKey& key : sort) text.append(1, '\0').append(1, key.descending ? '-' : '+').append(key.path);
  return hash64(text);
}

std::string encode_cursor(const Cursor& cursor) {
  Bytes bytes(1, kVersion);
  append_u64(bytes, cursor.sort_hash);
  append_u64(bytes, cursor.remaining);
  bytes += cursor.position;
  append_u64(bytes, hash64(bytes));
  std::string text = to_base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Result<Cursor> decode_cursor(std::string_view text) {
  const auto bad = [] { return fail(Code::kInvalidArgument, "cursor: this is not a cursor that a page came with"); };
  constexpr std::size_t kTextMax = (kCursorPositionBytesMax + kHeadBytes + kChecksumBytes + 2) / 3 * 4;
  if (text.size() > kTextMax || text.find_first_of("+/=") != std::string_view::npos) return bad();
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  const auto bytes = from_base64(standard);
  if (!bytes || bytes->size() < kHeadBytes + kChecksumBytes || bytes->front() != kVersion) return bad();
  const std::size_t end = bytes->size() - kChecksumBytes;
  if (hash64(BytesView(*bytes).substr(0, end)) != load_u64(*bytes, end)) return bad();
  return Cursor{load_u64(*bytes, 1), load_u64(*bytes, 9), bytes->substr(kHeadBytes, end - kHeadBytes)};
}

}  // namespace distri::db
