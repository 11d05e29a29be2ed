// login.hpp: what a client says to a node with keys before its first request: it lets the node prove that it belongs to
// the cluster that is meant (service Identify, for which nobody needs rights), and shows its token (Authenticate).
//
// The proof is the part of the signed table of members that admits the key with which the node has encrypted the
// connection, and is checked against nothing but the cluster's id (membership/member_table.hpp). It does not show that
// the node was not removed since. What was proved once is remembered for as long as the client lives.
//
// Threads: the runtime's thread. Errors: kUnauthenticated: the node is of another cluster or of none; what the node
// says against the token.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "distri/membership/member_table.hpp"
#include "distri/wire/session.hpp"

namespace distri::client {

// Shared by the links of a client.
struct Identity {
  std::optional<membership::ClusterId> cluster;  // none: whoever answers
  std::string token;                             // its line; empty: none
  std::set<NodeId> proved;                       // nodes of the cluster
};

class Login {
 public:
  explicit Login(std::shared_ptr<Identity> identity) : identity_(std::move(identity)) {}

  // Opens the next request to the node that holds that key; 0: there is nothing (more) to say.
  Result<std::uint32_t> next(wire::Session& session, const NodeId& node);
  // The token is what the node is being shown: its answer is about the client, and not about the node.
  bool shows_token() const { return asked_ == Asked::kAuthenticate; }
  // What next() has asked for.
  std::string_view service() const { return shows_token() ? "Authenticate" : "Identify"; }
  // Of the stream that next() opened. True: the answer is complete and good.
  Result<bool> on_reply(const wire::ReplyHead& head, BytesView body, bool end);
  Result<bool> on_data(BytesView chunk, bool end);

 private:
  enum class Asked { kNothing, kIdentify, kAuthenticate };
  Result<bool> finished();

  std::shared_ptr<Identity> identity_;
  NodeId node_;
  Asked asked_ = Asked::kNothing;
  Bytes reply_;
};

}  // namespace distri::client
