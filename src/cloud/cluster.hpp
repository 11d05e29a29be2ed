// cluster.hpp: a node's membership of a cluster with keys: its own key, the signed table of members, invitations.
//
// A data directory belongs to such a node when it holds
//
//   node_key     the node's key (utils/key_file.hpp); its public half is the node's id
//   membership   the table of members, the open invitations, the sequence of the node's address record, whether the
//                node still waits for its first copy of the database, a checksum
//
// which cluster_setup.hpp makes. Without them a node has no keys: it is for loopback and for networks that are trusted.
//
// What the node knows, says and answers as a member is membership::LocalMember; here are its files, and when they are
// written.
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
#include "distri/membership/local_member.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/log.hpp"

namespace distri::cloud {

// What the file `membership` holds.
struct MembershipState {
  membership::MemberTable table;
  Bytes sponsor;               // Sponsor::encode()
  std::uint64_t sequence = 0;  // of the newest address record of this node
  bool newcomer = false;       // it has joined, and has not caught up with anybody yet
};
Bytes encode(const membership::MemberTable& table, BytesView sponsor, std::uint64_t sequence, bool newcomer = false);
// kDataLoss names the file.
Result<MembershipState> decode_membership(BytesView bytes, const std::string& path);

class Cluster {
 public:
  using Message = membership::LocalMember::Message;
  using Outgoing = membership::LocalMember::Outgoing;
  using Heard = membership::LocalMember::Heard;
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
  static constexpr std::int64_t kGossipMs = membership::LocalMember::kGossipMs;

  // nullptr: the directory belongs to a node without keys. Errors: of the key file; kDataLoss;
  // kPermissionDenied: the table says that this node is no member (any more).
  static Result<std::unique_ptr<Cluster>> open(const std::string& directory);

  void start(Parts parts) { parts_ = std::move(parts); }
  // At the end, when nothing runs elsewhere any more: saves what is not saved.
  void stop();

  NodeId node() const { return member_.node(); }
  const std::shared_ptr<net::Tls>& tls() const { return tls_; }
  const membership::MemberTable& table() const { return member_.table(); }

  // ---- Who may what.
  Result<> admit_node(const std::optional<NodeId>& key) const { return member_.admit_node(key); }
  bool trusts_client(const std::optional<NodeId>& key) const { return member_.trusts_client(key); }
  std::optional<Outgoing> farewell(const NodeId& refused, bool linked) const {
    return member_.farewell(refused, linked);
  }
  std::optional<Outgoing> question(const NodeId& stranger) const { return member_.question(stranger); }
  std::optional<Outgoing> farewell_to_former(const NodeId& stranger, BytesView statements) const {
    return member_.farewell_to_former(stranger, statements);
  }

  // ---- Requests. `done` is called once, at once or later.
  void join(BytesView request, BytesView binding, std::int64_t now_ms, Done done);
  void open_invitation(BytesView invitation, std::int64_t now_ms, Done done);
  // Statements, as MemberTable::missing() gives them.
  void change(BytesView statements, Done done);
  // `health`: of a member, as it is shown.
  // {"cluster", "epoch", "node", "members": [{"node", "name", "health", "admitted_ms", "addresses"}], "revoked":
  // [{"node", "reason", "at_ms"}], "statements", "digest"}
  bson::Document describe(const std::function<std::string_view(const NodeId& node)>& health) const;

  // It has joined, and has not caught up with anybody yet: it does not know which deletes the others have forgotten, so
  // it must not write. Alone in the table, as others were removed, it waits for nobody.
  bool is_newcomer() const { return newcomer_ && table().members().size() > 1; }
  // It has, or need not. Saved soon; if not, the next life waits once more.
  void has_caught_up();

  // ---- Where this node listens, as others reach it.
  Result<> announce(const std::vector<Address>& addresses);

  // ---- Gossip.
  Outgoing digest() const { return member_.digest(); }
  // kProtocolError, kUnauthenticated, kTooLarge: the link is to be closed.
  Result<Heard> receive(Message kind, BytesView payload);
  static bool is_kind(std::uint16_t kind) { return membership::LocalMember::is_kind(kind); }
  // Saves what could not be saved before.
  void tick();

 private:
  Cluster(std::string directory, std::shared_ptr<net::Tls> tls, membership::LocalMember member, bool newcomer);
  Bytes encoded() const;
  // The state has changed; `done` (may be empty) hears when it is on the disk.
  void save(std::function<void(Result<>)> done);
  void begin_saving();
  void on_changed();

  const std::string directory_;
  std::shared_ptr<net::Tls> tls_;
  membership::LocalMember member_;
  bool newcomer_;
  Parts parts_;
  std::vector<std::function<void(Result<>)>> waiting_;  // for what is not being saved yet
  bool dirty_ = false;
  bool saving_ = false;
};

}  // namespace distri::cloud
