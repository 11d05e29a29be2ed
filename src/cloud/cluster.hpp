// cluster.hpp: a node's membership of a cluster with keys: its own key, the signed table of members, invitations.
//
// A data directory belongs to such a node when it holds
//
//   node_key     the node's key (utils/key_file.hpp); its public half is the node's id
//   membership   the table of members, the open invitations, the sequence of the node's address record, a checksum
//
// which cluster_setup.hpp makes. Without them a node has no keys: it is for loopback and for networks that are trusted.
//
// The table is gossiped between nodes: on a new link, after every change and every kGossipMs each says its digest; a
// node that hears of another one sends a summary and gets what it lacks. Whatever comes is checked by signatures
// (membership/member_table.hpp), so it does not matter who brings it.
//
// Changes are saved by a worker, not here; an answer that promises one is given when it is on the disk. Threads: the
// main thread; what is handed to `run_elsewhere` touches copies only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/cloud/cluster_setup.hpp"
#include "distri/membership/member_table.hpp"
#include "distri/membership/sponsor.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/log.hpp"

namespace distri::cloud {

// What the file `membership` holds.
struct MembershipState {
  membership::MemberTable table;
  Bytes sponsor;               // Sponsor::encode()
  std::uint64_t sequence = 0;  // of the newest address record of this node
};
Bytes encode(const membership::MemberTable& table, BytesView sponsor, std::uint64_t sequence);
// kDataLoss names the file.
Result<MembershipState> decode_membership(BytesView bytes, const std::string& path);

class Cluster {
 public:
  // Kinds of messages between nodes, beside those of replication.
  enum class Message : std::uint16_t { kDigest = 64, kSummary = 65, kStatements = 66 };
  struct Outgoing {
    Message kind;
    Bytes payload;
  };
  struct Parts {
    // Runs a function on another thread; false: not now.
    std::function<bool(std::function<void()>)> run_elsewhere;
    // Runs a function on the main thread, in a later turn.
    std::function<void(std::function<void()>)> post;
    // The table has changed.
    std::function<void()> changed;
    Log log;
  };
  using Done = std::function<void(Result<Bytes>)>;
  static constexpr std::int64_t kGossipMs = 5'000;

  // nullptr: the directory belongs to a node without keys. Errors: of the key file; kDataLoss;
  // kPermissionDenied: the table says that this node is no member (any more).
  static Result<std::unique_ptr<Cluster>> open(const std::string& directory);

  void start(Parts parts) { parts_ = std::move(parts); }
  // At the end, when nothing runs elsewhere any more: saves what is not saved.
  void stop();

  NodeId node() const { return key_.public_key(); }
  const std::shared_ptr<net::Tls>& tls() const { return tls_; }
  const membership::MemberTable& table() const { return table_; }

  // ---- Who may what.
  // Another node speaks to us, or we to it. kUnauthenticated, kPermissionDenied (revoked).
  Result<> admit_node(const std::optional<NodeId>& key) const;
  // A client that holds the key of a member, or the root key, may do everything; others may ask to join.
  bool trusts_client(const std::optional<NodeId>& key) const;

  // ---- Requests. `done` is called once, at once or later.
  void join(BytesView request, BytesView binding, std::int64_t now_ms, Done done);
  void open_invitation(BytesView invitation, std::int64_t now_ms, Done done);
  // Statements, as MemberTable::missing() gives them.
  void change(BytesView statements, Done done);
  // `health`: of a member, as it is shown.
  // {"cluster", "epoch", "node", "members": [{"node", "name", "health", "admitted_ms", "addresses"}], "revoked":
  // [{"node", "reason", "at_ms"}], "statements", "digest"}
  bson::Document describe(const std::function<std::string_view(const NodeId& node)>& health) const;

  // ---- Where this node listens, as others reach it.
  Result<> announce(const std::vector<Address>& addresses);

  // ---- Gossip.
  Outgoing digest() const;
  Outgoing everything() const { return {Message::kStatements, table_.encode()}; }
  // What is to be answered to whom it came from. kProtocolError, kUnauthenticated, kTooLarge: the link is to be closed.
  Result<std::optional<Outgoing>> receive(Message kind, BytesView payload);
  static bool is_kind(std::uint16_t kind) {
    return kind >= static_cast<std::uint16_t>(Message::kDigest) &&
           kind <= static_cast<std::uint16_t>(Message::kStatements);
  }
  // Saves what could not be saved before.
  void tick();

 private:
  Cluster(std::string directory, SigningKey key, std::shared_ptr<net::Tls> tls, MembershipState state,
          membership::Sponsor sponsor);
  Bytes encoded() const;
  // The state has changed; `done` (may be empty) hears when it is on the disk.
  void save(std::function<void(Result<>)> done);
  void begin_saving();
  void on_changed();

  const std::string directory_;
  SigningKey key_;
  std::shared_ptr<net::Tls> tls_;
  membership::MemberTable table_;
  membership::Sponsor sponsor_;
  std::uint64_t sequence_ = 0;
  Parts parts_;
  std::vector<std::function<void(Result<>)>> waiting_;  // for what is not being saved yet
  bool dirty_ = false;
  bool saving_ = false;
};

}  // namespace distri::cloud
