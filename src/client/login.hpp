// login.hpp: what a client says to a node with keys before its first request: it lets the node prove that it belongs to
// the cluster that is meant (service Identify, for which nobody needs rights), and shows its token (Authenticate).
//
// The proof is the part of the signed table of members that admits the key with which the node has encrypted the
// connection, with all removals; it is checked against nothing but the cluster's id (membership/member_table.hpp). The
// node's own words do not show that it was not removed since, but those of the others do: the client keeps what it was
// shown, and a node whose removal or root change it has heard of from one proves nothing any more. What a node has
// proved is asked for again after kProvedMs.
//
// Threads: the runtime's thread. Errors: kUnauthenticated: the node is of another cluster or of none; what the node
// says against the token.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "distri/membership/member_table.hpp"
#include "distri/wire/session.hpp"

namespace distri::client {

inline constexpr std::int64_t kProvedMs = 60'000;

// Shared by the links of a client.
struct Identity {
  std::optional<membership::ClusterId> cluster;  // none: whoever answers
  std::string token;                             // its line; empty: none
  std::map<NodeId, std::int64_t> proved_until;   // nodes of the cluster; monotonic milliseconds
  std::optional<membership::MemberTable> shown;  // by all of them together

  // It was a member, and is none any more.
  bool refuses(const NodeId& node) const { return shown && shown->is_revoked(node); }
};

class Login {
 public:
  explicit Login(std::shared_ptr<Identity> identity) : identity_(std::move(identity)) {}

  // Opens the next request to the node that holds that key; 0: there is nothing (more) to say.
  Result<std::uint32_t> next(wire::Session& session, const NodeId& node, std::int64_t now_ms);
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
  std::int64_t now_ms_ = 0;
  Asked asked_ = Asked::kNothing;
  Bytes reply_;
};

}  // namespace distri::client
