// session_client.hpp: a client that moves between nodes and holds them to its session.
//
// It carries a token as the real client does and keeps beside it the whole truth: everything that the nodes had durably
// when they answered it (a node shows nothing else). A node that covers the token must cover the truth too: it shows
// the client's own writes (read-your-writes), and nothing older than what it was shown before (monotonic reads). What a
// node says to be lost for good it need not show. Threads: none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distri/replication/replica.hpp"
#include "distri/wire/session_token.hpp"

namespace distri::sim {

class SessionClient {
 public:
  // Entries of a token; in a larger history it cannot name everything any more, and only own writes are sure.
  static constexpr std::size_t kTokenEntriesMax = 40;

  // Would that node serve it?
  bool served_by(const replication::Replica& replica) const;
  // What is wrong with being served by that node; its answer is taken in. Precondition: served_by(). `lost`: the oldest
  // writes that the node says are lost are added.
  std::optional<std::string> read(const replication::Replica& replica, std::vector<db::Dot>& lost);
  // The node said that the client's write is done.
  void wrote(const db::Dot& dot);
  // A new session: what it had seen is lost for good with a node's memory.
  void forget();
  bool empty() const { return token_.empty(); }

 private:
  void give_up(const replication::Replica& replica, std::vector<db::Dot>& lost);

  wire::SessionToken token_;
  replication::VersionVector seen_;
};

}  // namespace distri::sim
