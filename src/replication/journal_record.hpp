// journal_record.hpp: how a replica's records look in a journal.
//
// The first byte of a key says what the record is; the order of these bytes is the order in which a load meets them:
//
//   c  name                    head of a collection: its stamps, number of documents and digest
//   d  u8 length, name, key    state of one document or tombstone
//   f  actor                   a folded actor: counters and the ops that folded it
//   h                          head: format, version vector, floor and positions of the log, counts of the other
//                              records, and what the change feed cannot tell (Replica::Impl::feed_floor)
//   l  u64 position (big end)  one entry of the op log
//   x  u8 length, name, id     a conflict
//
// Every value ends in a checksum of key and value.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/hash.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

inline constexpr char kCollectionRecord = 'c';
inline constexpr char kStateRecord = 'd';
inline constexpr char kFoldRecord = 'f';
inline constexpr char kHeadRecord = 'h';
inline constexpr char kLogRecord = 'l';
inline constexpr char kConflictRecord = 'x';
inline constexpr std::size_t kChecksumBytes = 8;

using JournalChanges = std::vector<std::pair<Bytes, std::optional<Bytes>>>;

// Key of something inside a collection.
inline Bytes record_key(char kind, BytesView collection, BytesView rest) {
  Bytes key;
  key.reserve(2 + collection.size() + rest.size());
  wire::Writer out(key);
  out.u8(static_cast<std::uint8_t>(kind));
  out.bytes8(collection);
  out.raw(rest);
  return key;
}

inline std::uint64_t record_checksum(BytesView key, BytesView body) {
  return checksum_64(key) * 31 + checksum_64(body);
}

// The body with its checksum behind it.
inline Bytes sealed(BytesView key, Bytes body) {
  const std::uint64_t checksum = record_checksum(key, body);
  wire::Writer(body).u64(checksum);
  return body;
}

// The body; nullopt: the checksum does not fit.
inline std::optional<BytesView> unsealed(BytesView key, BytesView value) {
  if (value.size() < kChecksumBytes) return std::nullopt;
  const BytesView body = value.substr(0, value.size() - kChecksumBytes);
  wire::Reader tail(value.substr(body.size()));
  if (tail.u64() != record_checksum(key, body)) return std::nullopt;
  return body;
}

}  // namespace distri::replication
