// peers.hpp: the links to the other nodes.
//
// Every known address is dialled, and dialled again with growing pauses when the link ends. Whichever side dialled, a
// link carries messages both ways; messages to a node go over the link that this node dialled, if there is one. A node
// is connected while at least one link to it is up. New addresses are learned from hellos and UpdateInfos.
//
// A node that connects with a greater incarnation has started anew: its older links are closed. One with a smaller
// incarnation than a link that is up, or with our own id and another incarnation, is a second node with the same data
// directory (a copy): it is refused, which both sides log as an error, and counted.
//
// A push to a node whose link has not drained kPushBacklogBytesMax is dropped: gossip tells that node what it lacks,
// and it pulls. Threads: the main thread.
#pragma once

#include <absl/container/btree_map.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "distri/cloud/cluster.hpp"
#include "distri/net/connection.hpp"
#include "distri/replication/replica.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/log.hpp"
#include "distri/utils/random.hpp"

namespace distri::cloud {

class Peers {
 public:
  static constexpr std::size_t kPushBacklogBytesMax = 64u << 20;
  static constexpr std::size_t kAddressesMax = 256;

  // `cluster`: nullptr where nodes have no keys. It outlives this.
  Peers(net::Loop& loop, replication::Replica& replica, const Clock& clock, Random& random, Log log, Cluster* cluster);
  ~Peers();

  // Begins to dial. `hello` is ours.
  void start(const std::vector<Address>& configured, const Address& own, wire::Hello hello,
             net::ConnectionOptions options);
  // Tells every connected node why we go, and stops dialling.
  void leave(const std::string& reason);
  // Closes all dialled links.
  void close();

  // kAlreadyExists: another node has that identity.
  Result<> link_up(const wire::Hello& theirs, const std::shared_ptr<net::Connection>& link, bool dialled);
  void link_down(const NodeId& node, const net::Connection* link);
  Result<> receive(const NodeId& from, std::uint16_t kind, BytesView payload);

  // An address where a node may be: dialled from now on.
  void learn(const std::string& address);
  // Messages of the failure detector (membership/swim.hpp), beside those of replication and of the table of members.
  static constexpr std::uint16_t kProbeMessage = 67;
  // What comes by them; an error closes the link. Before start().
  void on_probe(std::function<Result<>(const NodeId& from, BytesView bytes)> receive) { probe_ = std::move(receive); }
  // To a node that is connected; lost if it is not.
  void send_probe(const NodeId& to, BytesView bytes);
  // About membership, to every connected node.
  void tell_all(const Cluster::Outgoing& message);
  // A node that is no member by our table, on a link that is no node's yet: asks it for what our table lacks (false:
  // there is nothing to ask), and takes what it answers on that link.
  bool question(net::Connection& link, const std::optional<NodeId>& key);
  Result<> hear_stranger(net::Connection& link, std::uint16_t kind, BytesView payload);
  // Closes links with nodes that are no members any more.
  void close_refused();
  // Refuses a node with this reason. One that was a member gets the statements that say why it is none: it may not
  // know.
  void refuse(net::Connection& link, const std::optional<NodeId>& key, const Error& reason);

  // Sends what the replica has queued, and flushes those links.
  void send_outgoing();

  std::uint64_t identity_conflicts() const { return identity_conflicts_; }
  bool connected(const NodeId& node) const { return links_.contains(node); }
  std::size_t connected_count() const { return links_.size(); }
  // Every configured address has been reached, is our own, or has refused at least once.
  bool all_tried() const;
  // Every connected node has sent its UpdateInfo.
  bool heard_from_all() const;
  // Of the connected nodes one at least is no newcomer (UpdateInfo).
  bool hears_one_that_knows() const;
  // Addresses of connected nodes (not our own).
  std::vector<std::string> connected_addresses() const;

 private:
  class Dialler;
  struct Link {
    std::shared_ptr<net::Connection> connection;
    bool dialled;
    std::uint64_t incarnation;
  };

  std::unexpected<Error> refuse_copy(const wire::Hello& theirs);
  void send(net::Connection& link, const Cluster::Outgoing& message);
  net::Connection* best_link(const NodeId& node) const;

  net::Loop& loop_;
  replication::Replica& replica_;
  const Clock& clock_;
  Random& random_;
  Log log_;
  Cluster* cluster_;
  wire::Hello hello_;
  net::ConnectionOptions options_;
  absl::btree_map<std::string, std::unique_ptr<Dialler>> diallers_;  // by "host:port"
  absl::btree_map<NodeId, std::vector<Link>> links_;
  std::function<Result<>(const NodeId& from, BytesView bytes)> probe_;
  std::string own_address_;
  std::uint64_t identity_conflicts_ = 0;
  bool leaving_ = false;
};

}  // namespace distri::cloud
