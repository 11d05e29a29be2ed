// link.hpp: one connection of one client to one node, and the exchanges on it; and the pool of a client's links.
//
// An exchange is enqueued, and transmitted in its turn once the node has said hello and has a stream to spare. A link
// ends when its connection does, when the node has been silent for kSilentSweepsMax seconds with requests in flight (a
// ping is tried first), or when it does not answer what comes before requests (login.hpp) as soon as it must say hello:
// then every exchange on it is told, whether or not it had been sent.
//
// After a goodbye the link takes nothing new; what is in flight goes on.
// Threads: the runtime's thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/client/login.hpp"
#include "distri/client/node_table.hpp"
#include "distri/client/timer_queue.hpp"
#include "distri/net/connection.hpp"

namespace distri::client {

class Exchange;
class RuntimeCore;

// Of every connection of a client; see ClientOptions.
struct LinkOptions {
  std::int64_t dial_ms = 0;
  std::shared_ptr<net::Tls> tls;
  std::function<Result<>(const NodeId& node)> trust;
  std::shared_ptr<Identity> identity;  // nullptr: nothing is said before the first request
  std::optional<NodeId> expected_key = {};
};

class Link final : public net::ConnectionHandler, public std::enable_shared_from_this<Link> {
 public:
  // Starts to connect. The runtime keeps the link until its connection has ended.
  static std::shared_ptr<Link> dial(RuntimeCore& runtime, NodePtr node, const LinkOptions& options);

  Link(RuntimeCore& runtime, NodePtr node) : runtime_(runtime), node_(std::move(node)) {}

  // False: closed, or the node said goodbye.
  bool usable() const { return !ended_ && !draining_; }
  // Exchanges waiting and in flight.
  std::size_t exchanges() const { return waiting_.size() + streams_.size(); }

  void enqueue(std::shared_ptr<Exchange> exchange);
  // The exchange wants nothing more from its stream; it is reset if it has not ended by itself.
  void forget(std::uint32_t stream, const Error& reason);
  // While an exchange has a stream here.
  wire::Session& session() { return connection_->session(); }
  // Closes; no exchange is told.
  void close();
  // Ends when the node is one that was a member, and is none any more.
  void close_if_removed(const Identity& identity);

  // Once a second: notices nodes that have gone silent.
  void sweep();
  // The loop is about to be destroyed.
  void drop_connection() { connection_.reset(); }

 private:
  void on_hello(const wire::Hello& theirs) override;
  void on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) override;
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override;
  void on_writable(std::uint32_t stream) override;
  void on_reset(std::uint32_t stream, const Error& error) override;
  void on_goodbye(const Error& error) override;
  void on_pong(std::uint64_t token) override;
  void on_closed(const Error& reason) override;

  std::shared_ptr<Exchange> exchange_on(std::uint32_t stream);
  // Says what comes before requests; these begin when nothing of it is left.
  void log_in();
  void on_login(Result<bool> answered);
  void login_late();
  void pump_later();
  void pump();
  void end(const Error& reason);

  RuntimeCore& runtime_;
  NodePtr node_;
  std::shared_ptr<net::Connection> connection_;
  std::optional<Login> login_;  // until the node has been told
  std::uint32_t login_stream_ = 0;
  std::int64_t greeting_ms_ = 0;  // how long the node may take for its hello, and then for each answer to the login
  TimerQueue::Ticket login_timeout_;
  std::deque<std::shared_ptr<Exchange>> waiting_;
  absl::flat_hash_map<std::uint32_t, std::shared_ptr<Exchange>> streams_;
  int silent_sweeps_ = 0;
  bool ready_ = false;
  bool draining_ = false;
  bool ended_ = false;
  bool pump_asked_ = false;
};

class LinkPool {
 public:
  // At most `links_max` links to each node.
  LinkPool(RuntimeCore& runtime, std::size_t links_max, LinkOptions options)
      : runtime_(runtime), links_max_(links_max), options_(std::move(options)) {}

  // The least used link to the node; a new one while all are in use and the pool has room.
  std::shared_ptr<Link> link_to(const NodePtr& node);
  void close_all();

 private:
  // Links to nodes of which others have said since that they were removed.
  void drop_removed();

  RuntimeCore& runtime_;
  std::size_t links_max_;
  LinkOptions options_;
  std::size_t removed_ = 0;  // nodes that had been removed, when it was looked last
  std::map<Address, std::vector<std::shared_ptr<Link>>> links_;
};

}  // namespace distri::client
