#include "distri/cloud/aggregate_cursor.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "distri/utils/hash.hpp"

namespace distri::cloud {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNumbers = 5;
constexpr std::size_t kBytes = 1 + 8 * (kNumbers + 1);  // with a checksum at the end

void append_u64(Bytes& out, std::uint64_t v) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t load_u64(BytesView bytes, std::size_t at) {
  std::uint64_t v = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    v |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return v;
}

}  // namespace

std::uint64_t aggregate_hash(BytesView bytes) {
  const Hash256 hash = blake2b_256(bytes);
  return load_u64({reinterpret_cast<const char*>(hash.data()), hash.size()}, 0);
}

std::string encode_aggregate_cursor(const AggregateCursor& cursor) {
  Bytes bytes(1, kVersion);
  for (const std::uint64_t v : {cursor.pipeline_hash, cursor.documents_hash, cursor.seed,
                                static_cast<std::uint64_t>(cursor.now_ms), cursor.given}) {
    append_u64(bytes, v);
  }
  append_u64(bytes, aggregate_hash(bytes));
  std::string text = to_base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Result<AggregateCursor> decode_aggregate_cursor(std::string_view text) {
  const auto bad = [] { return fail(Code::kInvalidArgument, "cursor: this is not a cursor that a page came with"); };
  if (text.size() > kBytes * 2 || text.find_first_of("+/=") != std::string_view::npos) return bad();
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  const auto bytes = from_base64(standard);
  if (!bytes || bytes->size() != kBytes || bytes->front() != kVersion) return bad();
  const std::size_t checksum_at = kBytes - 8;
  if (load_u64(*bytes, checksum_at) != aggregate_hash(BytesView(*bytes).substr(0, checksum_at))) return bad();
  std::array<std::uint64_t, kNumbers> v{};
  for (std::size_t i = 0; i < kNumbers; ++i) v[i] = load_u64(*bytes, 1 + 8 * i);
  return AggregateCursor{v[0], v[1], v[2], static_cast<std::int64_t>(v[3]), v[4]};
}

}  // namespace distri::cloud
