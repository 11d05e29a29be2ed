#include "session_client.hpp"

#include <algorithm>

namespace distri::sim {

bool SessionClient::served_by(const replication::Replica& replica) const {
  return std::all_of(token_.entries().begin(), token_.entries().end(),
                     [&](const auto& entry) { return replica.vector().covers({entry.first, entry.second}); });
}

std::optional<std::string> SessionClient::read(const replication::Replica& replica) {
  const replication::VersionVector& vector = replica.vector();
  if (!vector.covers(seen_)) {
    return fmt::format("a session that had seen {} was served from {}", seen_.to_string(), vector.to_string());
  }
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
