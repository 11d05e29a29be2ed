#include "distri/membership/join_messages.hpp"

#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr std::uint8_t kVersion = 1;
enum class Kind : std::uint8_t { kRequest = 1, kAccepted = 2, kRefused = 3 };

constexpr std::string_view kInvitationContext = "distri membership join by invitation";
constexpr std::string_view kNodeContext = "distri membership join by node";

void put(wire::Writer& out, const JoinRequest& request) {
  out.raw(request.cluster.view());
  out.raw(request.sponsor.view());
  out.raw(request.invitation.view());
  out.raw(request.node.view());
  out.bytes8(request.name);
  out.raw(request.by_joiner.view());
}

Bytes signed_part(const JoinRequest& request, BytesView binding) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.bytes8(binding);
  put(out, request);
  return bytes;
}

void put_head(wire::Writer& out, Kind kind) {
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(kind));
}

Result<std::uint8_t> read_head(wire::Reader& in) {
  const std::uint8_t version = in.u8();
  const std::uint8_t kind = in.u8();
  if (!in.ok()) return fail(Code::kProtocolError, "join message: it ends early");
  if (version != kVersion) {
    return fail(Code::kProtocolError, "join message: its version is {}, this program knows {}", version, kVersion);
  }
  return kind;
}

}  // namespace

JoinRequest sign_join_request(const ClusterId& cluster, const NodeId& sponsor, const SigningKey& invitation,
                              const SigningKey& node, std::string name, BytesView binding) {
  DISTRI_CHECK(!binding.empty() && binding.size() <= kJoinBindingBytesMax);
  JoinRequest request{.cluster = cluster,
                      .sponsor = sponsor,
                      .invitation = invitation.public_key(),
                      .node = node.public_key(),
                      .name = std::move(name),
                      .by_joiner = {},
                      .by_invitation = {},
                      .by_node = {}};
  request.by_joiner = accept_invitation(cluster, invitation, sponsor, request.node, request.name);
  const Bytes message = signed_part(request, binding);
  request.by_invitation = invitation.sign(kInvitationContext, message);
  request.by_node = node.sign(kNodeContext, message);
  return request;
}

Result<> verify(const JoinRequest& request, BytesView binding) {
  DISTRI_CHECK(!binding.empty() && binding.size() <= kJoinBindingBytesMax);
  const Bytes message = signed_part(request, binding);
  if (!verify(request.invitation, kInvitationContext, message, request.by_invitation)) {
    return fail(Code::kUnauthenticated,
                "join: the proof of the invitation's secret is not for this connection, or is wrong");
  }
  if (!verify(request.node, kNodeContext, message, request.by_node)) {
    return fail(Code::kUnauthenticated, "join: the signature of the node's own key is wrong");
  }
  if (!verify_acceptance(request.cluster, request.invitation, request.sponsor, request.node, request.name,
                         request.by_joiner)) {
    return fail(Code::kUnauthenticated, "join: the invitation's signature under the node's name is wrong");
  }
  return {};
}

Bytes encode(const JoinRequest& request) {
  Bytes bytes;
  wire::Writer out(bytes);
  put_head(out, Kind::kRequest);
  put(out, request);
  out.raw(request.by_invitation.view());
  out.raw(request.by_node.view());
  return bytes;
}

Result<JoinRequest> decode_join_request(BytesView bytes) {
  if (bytes.size() > kJoinRequestBytesMax) {
    return fail(Code::kTooLarge, "join request: it has {} bytes, at most {} are allowed", bytes.size(),
                kJoinRequestBytesMax);
  }
  wire::Reader in(bytes);
  DISTRI_TRY(const std::uint8_t kind, read_head(in));
  if (kind != static_cast<std::uint8_t>(Kind::kRequest)) {
    return fail(Code::kProtocolError, "join request: unknown kind {}", kind);
  }
  JoinRequest request;
  request.cluster = in.id<ClusterId>();
  request.sponsor = in.id<NodeId>();
  request.invitation = in.id<PublicKey>();
  request.node = in.id<NodeId>();
  request.name = in.bytes8();
  request.by_joiner = in.id<Signature>();
  request.by_invitation = in.id<Signature>();
  request.by_node = in.id<Signature>();
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "join request: wrong length");
  if (auto checked = check_name(request.name); !checked) {
    return fail(Code::kProtocolError, "join request: {}", checked.error().message);
  }
  return request;
}

Bytes encode(const JoinReply& reply) {
  Bytes bytes;
  wire::Writer out(bytes);
  if (const auto* accepted = std::get_if<JoinAccepted>(&reply)) {
    put_head(out, Kind::kAccepted);
    out.bytes32(accepted->table);
  } else {
    const Error& error = std::get<Error>(reply);
    put_head(out, Kind::kRefused);
    out.u16(static_cast<std::uint16_t>(error.code));
    out.bytes16(BytesView(error.message).substr(0, kRefusalTextBytesMax));
  }
  return bytes;
}

Result<JoinReply> decode_join_reply(BytesView bytes) {
  wire::Reader in(bytes);
  DISTRI_TRY(const std::uint8_t kind, read_head(in));
  JoinReply reply;
  if (kind == static_cast<std::uint8_t>(Kind::kAccepted)) {
    const BytesView table = in.bytes32();
    if (table.size() > kTableBytesMax) {
      return fail(Code::kTooLarge, "join reply: a table of {} bytes, at most {} are allowed", table.size(),
                  kTableBytesMax);
    }
    reply = JoinAccepted{Bytes(table)};
  } else if (kind == static_cast<std::uint8_t>(Kind::kRefused)) {
    Error error;
    error.code = code_from_number(in.u16());
    error.message = in.bytes16();
    if (error.code == Code::kOk || error.message.size() > kRefusalTextBytesMax) {
      return fail(Code::kProtocolError, "join reply: a refusal without a reason, or with one that is too long");
    }
    reply = std::move(error);
  } else {
    return fail(Code::kProtocolError, "join reply: unknown kind {}", kind);
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "join reply: wrong length");
  return reply;
}

}  // namespace distri::membership
