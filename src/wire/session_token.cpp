#include "distri/wire/session_token.hpp"

#include <algorithm>

#include "distri/wire/primitives.hpp"

namespace distri::wire {
namespace {

constexpr std::size_t kEntryBytes = ActorId::kSize + 8;

}  // namespace

Result<SessionToken> SessionToken::decode(BytesView bytes) {
  if (bytes.size() % kEntryBytes != 0 || bytes.size() > kTokenBytesMax) {
    return fail(Code::kProtocolError, "the session token has {} bytes; it must be a multiple of {}, at most {}",
                bytes.size(), kEntryBytes, kTokenBytesMax);
  }
  SessionToken token;
  Reader in(bytes);
  while (!in.at_end()) {
    const auto actor = in.id<ActorId>();
    const std::uint64_t counter = in.u64();
    if ((counter & kLowers) != 0) {
      token.lowered_.emplace_back(actor, counter & ~kLowers);
    } else {
      token.see(actor, counter);
    }
  }
  return token;
}

Bytes SessionToken::encode() const {
  Bytes bytes;
  Writer out(bytes);
  const auto put = [&out](const ActorId& actor, std::uint64_t counter) {
    out.raw(actor.view());
    out.u64(counter);
  };
  for (const auto& [actor, counter] : lowered_) put(actor, counter | kLowers);
  for (const auto& [actor, counter] : entries_) put(actor, counter);
  return bytes;
}

void SessionToken::see(const ActorId& actor, std::uint64_t counter) {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.first == actor; });
  if (it == entries_.end()) {
    if (entries_.size() == kTokenBytesMax / kEntryBytes) entries_.erase(entries_.begin());
    entries_.emplace_back(actor, counter);
    return;
  }
  it->second = std::max(it->second, counter);
  std::rotate(it, it + 1, entries_.end());
}

void SessionToken::lower(const ActorId& actor, std::uint64_t counter) {
  lowered_.emplace_back(actor, counter);
}

void SessionToken::merge(const SessionToken& other) {
  for (const auto& [actor, counter] : other.lowered_) {
    const auto it =
        std::find_if(entries_.begin(), entries_.end(), [&, a = actor](const Entry& entry) { return entry.first == a; });
    if (it == entries_.end() || it->second <= counter) continue;
    it->second = counter;
    if (counter == 0) entries_.erase(it);
  }
  for (const auto& [actor, counter] : other.entries_) see(actor, counter);
}

}  // namespace distri::wire
