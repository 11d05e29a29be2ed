// join_messages.hpp: what a machine that joins and its sponsor say to each other. Decoders are total and bounded.
//
// A request is bound to the connection that it is sent on: the invitation's key and the node's key sign `binding`,
// bytes that both ends of one TLS connection and nobody else derive (RFC 9266: tls-exporter). So a request that was
// recorded is refused on any other connection, and who listens learns no secret: it is never sent.
#pragma once

#include <variant>

#include "distri/membership/statements.hpp"

namespace distri::membership {

struct JoinRequest {
  ClusterId cluster;
  NodeId sponsor;
  PublicKey invitation;
  NodeId node;
  std::string name;
  Signature by_joiner;      // accept_invitation(): goes into the admission
  Signature by_invitation;  // over the binding and all above: the secret is known on this connection
  Signature by_node;        // the same by the node's own key
  bool operator==(const JoinRequest&) const = default;
};
// Preconditions: check_name(name); 1 to kJoinBindingBytesMax bytes of binding.
JoinRequest sign_join_request(const ClusterId& cluster, const NodeId& sponsor, const SigningKey& invitation,
                              const SigningKey& node, std::string name, BytesView binding);
// All three signatures. Error kUnauthenticated.
Result<> verify(const JoinRequest& request, BytesView binding);
Bytes encode(const JoinRequest& request);
Result<JoinRequest> decode_join_request(BytesView bytes);

// The sponsor's member table, with the new node's admission in it.
struct JoinAccepted {
  Bytes table;
  bool operator==(const JoinAccepted&) const = default;
};
using JoinReply = std::variant<JoinAccepted, Error>;
Bytes encode(const JoinReply& reply);
Result<JoinReply> decode_join_reply(BytesView bytes);

}  // namespace distri::membership
