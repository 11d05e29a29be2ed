// session_token.hpp: what a caller has seen, as it travels in the heads of requests and replies.
//
// For each actor (one life of a node) through which the caller has written, the highest counter it was told. A node
// that covers every entry has seen those writes and everything they depended on, because nodes apply writes in causal
// order. Encoding: 24 bytes an entry: the actor (16), the counter (u64). At most kTokenBytesMax bytes: the entry used
// longest ago goes.
//
// A reply's token may also lower an entry: the life of that actor has ended, and of its writes only those up to that
// counter are anywhere. Such an entry has kLowers set in its counter.
// Threads: values.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "distri/utils/ids.hpp"
#include "distri/wire/limits.hpp"

namespace distri::wire {

class SessionToken {
 public:
  using Entry = std::pair<ActorId, std::uint64_t>;
  static constexpr std::uint64_t kLowers = std::uint64_t{1} << 63;

  // kProtocolError for bytes that are not a token.
  static Result<SessionToken> decode(BytesView bytes);
  Bytes encode() const;

  // Raises the entry of this actor; never lowers it.
  void see(const ActorId& actor, std::uint64_t counter);
  // Tells whoever merges this token to lower the entry of that actor, or to remove it for 0.
  void lower(const ActorId& actor, std::uint64_t counter);
  // Takes in what a reply says: first what it lowers.
  void merge(const SessionToken& other);
  // Oldest first.
  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty() && lowered_.empty(); }
  void clear() {
    entries_.clear();
    lowered_.clear();
  }

 private:
  std::vector<Entry> entries_;
  std::vector<Entry> lowered_;
};

}  // namespace distri::wire
