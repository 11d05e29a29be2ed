// server_connection.hpp: an accepted connection: a client's requests, or another node's messages.
//
// Turns session events into Requests for the Dispatcher and sends replies of any length under flow control.
// Invariant: every stream that the caller opened ends with a reply, a reset, or the connection.
// Threads: the main thread. Life: owned by the CloudNode from accept to on_closed().
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>

#include "distri/cloud/access.hpp"
#include "distri/net/connection_census.hpp"
#include "distri/cloud/request.hpp"
#include "distri/net/connection.hpp"

namespace distri::cloud {

class Cluster;

class Dispatcher;
class Peers;

class ServerConnection final : public net::ConnectionHandler {
 public:
  // Unread replies that one connection may pile up before its requests are answered busy.
  static constexpr std::size_t kUnsentReplyBytesMax = 32u << 20;

  // `cluster`: whose keys count, `access`: whose keys and tokens; nullptr: everybody may do everything. `local`: for
  // clients of this machine only.
  ServerConnection(std::shared_ptr<net::Connection> connection, Dispatcher& dispatcher, Peers& peers,
                   const Cluster* cluster, Access* access, bool local, std::function<void(ServerConnection*)> closed);
  ~ServerConnection() override;

  net::Connection& connection() { return *connection_; }
  bool from_node() const { return from_node_; }
  // Counted until it is gone; a stranger until it has rights.
  void enter(net::ConnectionCensus::Visit visit) { visit_ = std::move(visit); }
  // Closes the connection unless it has rights by then.
  void expect_key_within(net::Loop& loop, std::int64_t ms);
  // Whoever has no rights asks once more for what everybody may (to know the node, to show a token, to join); false:
  // too often for one connection.
  bool may_ask_as_stranger() { return rights() != nullptr || visit_.may_ask(); }
  // It is a node or a client with the key of a member or the root, or there are no keys: it may do everything.
  bool trusted() const { return trusted_; }
  // What it may do; nullptr: nothing yet.
  const std::shared_ptr<const Rights>& rights() const;
  // What it was let in by, when it is not trusted; nullptr: nothing.
  const Access::CredentialPtr& credential() const { return credential_; }
  void let_in(Access::CredentialPtr credential);
  // Ends it, with a goodbye.
  void turn_out(const Error& reason);
  // Why it has no rights. Precondition: it has none.
  Error distrust() const;
  std::size_t unsent_reply_bytes() const { return unsent_reply_bytes_; }
  // Of replies that long reads are making.
  std::size_t reading_bytes() const { return reading_bytes_; }
  std::size_t requests_in_flight() const { return requests_.size(); }

  // ---- For the dispatcher.
  // Answers a stream that has no Request (or whose Request is `request`): sends what fits, keeps the rest in the
  // Request, which is created when needed. Returns it when the reply is not complete yet, else nullptr.
  std::shared_ptr<Request> reply(std::uint32_t stream, std::shared_ptr<Request> request, const wire::ReplyHead& head,
                                 Bytes body);
  // Goes on with a reply that has begun: first what request->reply still holds, then `more`; what the window does not
  // allow stays in request->reply. Returns the bytes sent. With request->reply_complete the last byte ends the stream.
  std::size_t send_more(Request& request, BytesView more);
  void add(const std::shared_ptr<Request>& request);
  // What a long read of this connection holds now: request.reading_bytes.
  void set_reading_bytes(Request& request, std::size_t bytes);
  // Forgets the request; the stream is over.
  void remove(Request& request);

  // ---- net::ConnectionHandler
  void on_hello(const wire::Hello& theirs) override;
  void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) override;
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override;
  void on_writable(std::uint32_t stream) override;
  void on_reset(std::uint32_t stream, const Error& error) override;
  void on_message(std::uint16_t kind, BytesView payload) override;
  void on_closed(const Error& reason) override;

 private:
  // A node is let in, or refused.
  void admit(const wire::Hello& theirs);
  // It has shown that it may be here: the limits for strangers end.
  void become_trusted();
  void end_being_stranger();

  std::shared_ptr<net::Connection> connection_;
  Dispatcher& dispatcher_;
  Peers& peers_;
  const Cluster* cluster_;
  Access* access_;
  const bool local_;
  std::function<void(ServerConnection*)> closed_;
  absl::flat_hash_map<std::uint32_t, std::shared_ptr<Request>> requests_;
  std::size_t unsent_reply_bytes_ = 0;
  std::size_t reading_bytes_ = 0;
  NodeId node_;
  std::optional<wire::Hello> questioned_;  // of a node that is no member by our table, until it has answered
  bool from_node_ = false;
  bool trusted_ = false;
  Access::CredentialPtr credential_;
  net::Timer stranger_timer_;
  net::ConnectionCensus::Visit visit_;
};

}  // namespace distri::cloud
