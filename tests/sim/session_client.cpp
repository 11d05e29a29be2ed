#include "session_client.hpp"

#include <algorithm>
#include <utility>

namespace distri::sim {

bool SessionClient::served_by(const replication::Replica& replica) const {
  return std::all_of(token_.entries().begin(), token_.entries().end(), [&](const auto& entry) {
    const std::uint64_t here = replica.vector().get(entry.first);
    return here >= entry.second ||
           here >= replica.newest_before_lost({entry.first, entry.second}).value_or(entry.second);
  });
}

// As a reply's token tells the client, and the same of the truth.
void SessionClient::give_up(const replication::Replica& replica, std::vector<db::Dot>& lost) {
  wire::SessionToken lowered;
  for (const auto& [actor, counter] : token_.entries()) {
    const auto left = replica.newest_before_lost({actor, counter});
    if (!left) continue;
    lowered.lower(actor, *left);
    lost.push_back({actor, *left + 1});
  }
  if (lowered.empty()) return;
  token_.merge(*wire::SessionToken::decode(lowered.encode()));
  const replication::VersionVector before = std::exchange(seen_, {});
  for (const auto& [actor, counter] : before.entries()) {
    seen_.advance(actor, replica.newest_before_lost({actor, counter}).value_or(counter));
  }
}

std::optional<std::string> SessionClient::read(const replication::Replica& replica, std::vector<db::Dot>& lost) {
  give_up(replica, lost);
  if (!replica.vector().covers(seen_)) {
    return fmt::format("a session that had seen {} was served from {}", seen_.to_string(),
                       replica.vector().to_string());
  }
  const replication::VersionVector& vector = replica.durable();
  std::size_t added = 0;
  const auto known = token_.entries();
  for (const auto& [actor, counter] : vector.entries()) {
    const bool covered = std::any_of(known.begin(), known.end(), [&, a = actor, c = counter](const auto& entry) {
      return entry.first == a && entry.second >= c;
    });
    if (!covered && added++ < kTokenEntriesMax) token_.see(actor, counter);
  }
  if (vector.entries().size() <= kTokenEntriesMax) {
    seen_.merge(vector.unfolded());
  } else {
    seen_ = {};
  }
  return std::nullopt;
}

void SessionClient::wrote(const db::Dot& dot) {
  token_.see(dot.actor, dot.counter);
  seen_.advance(dot.actor, dot.counter);
}

void SessionClient::forget() {
  token_.clear();
  seen_ = {};
}

}  // namespace distri::sim
