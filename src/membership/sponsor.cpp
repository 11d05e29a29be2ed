#include "distri/membership/sponsor.hpp"

#include <algorithm>

namespace distri::membership {

namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

Result<> Sponsor::open(const Invitation& invitation, const MemberTable& table, std::int64_t now_ms) {
  DISTRI_TRY_VOID(verify(invitation, table.authority()));
  if (invitation.sponsor != key_.public_key()) {
    return fail(Code::kInvalidArgument, "invitation: it names {} as its sponsor, this node is {}",
                invitation.sponsor.short_hex(), key_.public_key().short_hex());
  }
  if (invitation.expires_ms <= now_ms) return fail(Code::kDeadlineExceeded, "invitation: it has expired");
  std::erase_if(invitations_,
                [&](const auto& entry) { return entry.second.invitation.expires_ms < now_ms - kKeepExpiredMs; });
  if (invitations_.contains(invitation.key)) return {};
  if (invitations_.size() >= kInvitationsMax) {
    return fail(Code::kTooLarge, "invitation: {} are open at this node, wait until one of them has expired",
                invitations_.size());
  }
  invitations_.emplace(invitation.key, Open{invitation, {}});
  return {};
}

// 0: all are taken. The table is asked as well: a sponsor that was restored from a backup has forgotten some.
std::uint16_t Sponsor::next_use(const Open& open, const MemberTable& table) const {
  for (std::uint16_t use = 1; use <= open.invitation.uses; ++use) {
    const bool taken = table.admission(open.invitation.key, use) != nullptr ||
                       std::ranges::any_of(open.admitted, [&](const Admission& a) { return a.sponsored->use == use; });
    if (!taken) return use;
  }
  return 0;
}

Result<Admission> Sponsor::redeem(const JoinRequest& request, BytesView binding, std::int64_t now_ms,
                                  const MemberTable& table) {
  const NodeId self = key_.public_key();
  if (request.cluster != table.cluster()) {
    return fail(Code::kInvalidArgument, "join: the invitation is for cluster {}, this node belongs to {}",
                request.cluster.short_hex(), table.cluster().short_hex());
  }
  if (request.sponsor != self) {
    return fail(Code::kInvalidArgument, "join: only node {} can redeem this invitation, this is {}",
                request.sponsor.short_hex(), self.short_hex());
  }
  DISTRI_TRY_VOID(verify(request, binding));
  const auto found = invitations_.find(request.invitation);
  if (found == invitations_.end()) {
    return fail(Code::kNotFound, "join: this node has no such invitation, or it expired long ago; make a new one");
  }
  Open& open = found->second;
  if (!table.is_member(self)) {
    return fail(Code::kUnavailable, "join: this node is no member of the cluster any more, its invitations are void");
  }
  if (table.is_revoked(request.node)) {
    return fail(Code::kPermissionDenied, "join: node {} was removed for good; it can only come back with a new key",
                request.node.short_hex());
  }
  const auto again = std::ranges::find(open.admitted, request.node, &Admission::node);
  if (again != open.admitted.end() && table.is_member(request.node)) return *again;  // also from an earlier epoch
  if (open.invitation.epoch != table.epoch()) {
    return fail(Code::kUnavailable, "join: the root key has changed since the invitation was made; make a new one");
  }
  if (again != open.admitted.end()) return *again;
  for (std::uint16_t use = 1; use <= open.invitation.uses; ++use) {
    const Admission* known = table.admission(open.invitation.key, use);
    if (known != nullptr && known->node == request.node) return *known;
  }
  if (table.is_member(request.node)) {
    return fail(Code::kAlreadyExists, "join: node {} is a member already", request.node.short_hex());
  }
  if (now_ms >= open.invitation.expires_ms) return fail(Code::kDeadlineExceeded, "join: the invitation has expired");
  const std::uint16_t use = next_use(open, table);
  if (use == 0) {
    return fail(Code::kCancelled, "join: the invitation is used up, it was for {} node(s)", open.invitation.uses);
  }
  for (const MemberTable::Member& member : table.members()) {
    if (member.name != request.name) continue;
    return fail(Code::kAlreadyExists, "join: the name '{}' is taken by node {}; choose another one", request.name,
                member.node.short_hex());
  }
  Admission admission = admit_by_sponsor(table.cluster(), key_, open.invitation, use, request.node, request.name,
                                         now_ms, request.by_joiner);
  MemberTable with = table;
  DISTRI_TRY_VOID(with.add(admission));
  open.admitted.push_back(admission);
  return admission;
}

Sponsor::Answer Sponsor::answer(BytesView request, BytesView binding, std::int64_t now_ms, MemberTable& table) {
  const auto decoded = decode_join_request(request);
  if (!decoded) return {membership::encode(JoinReply(decoded.error())), false};
  const auto admitted = redeem(*decoded, binding, now_ms, table);
  if (!admitted) return {membership::encode(JoinReply(admitted.error())), false};
  if (!table.is_member(admitted->node)) {
    if (const auto added = table.add(*admitted); !added) return {membership::encode(JoinReply(added.error())), true};
  }
  if (!table.is_member(admitted->node)) {
    const Error error{Code::kUnavailable, "join: the admission does not count any more; make a new invitation"};
    return {membership::encode(JoinReply(error)), true};
  }
  return {membership::encode(JoinReply(JoinAccepted{table.encode()})), true};
}

Bytes Sponsor::encode() const {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  out.u16(static_cast<std::uint16_t>(invitations_.size()));
  for (const auto& [key, open] : invitations_) {
    membership::encode(out, open.invitation);
    out.u16(static_cast<std::uint16_t>(open.admitted.size()));
    for (const Admission& admission : open.admitted) membership::encode(out, admission);
  }
  return bytes;
}

Result<Sponsor> Sponsor::load(SigningKey key, BytesView bytes) {
  if (bytes.size() > kSponsorBytesMax) {
    return fail(Code::kTooLarge, "sponsor: {} bytes, at most {} are allowed", bytes.size(), kSponsorBytesMax);
  }
  wire::Reader in(bytes);
  Sponsor sponsor(std::move(key));
  const std::uint8_t version = in.u8();
  const std::size_t count = in.u16();
  if (!in.ok() || version != kVersion || count > kInvitationsMax) {
    return fail(Code::kProtocolError, "sponsor: unknown version, or more than {} invitations", kInvitationsMax);
  }
  for (std::size_t i = 0; i < count; ++i) {
    Open open;
    DISTRI_TRY(open.invitation, decode_invitation(in));
    const std::size_t admitted = in.u16();
    if (admitted > open.invitation.uses) {
      return fail(Code::kProtocolError, "sponsor: an invitation was used {} times, it is for {}", admitted,
                  open.invitation.uses);
    }
    for (std::size_t use = 0; use < admitted; ++use) {
      DISTRI_TRY(Admission admission, decode_admission(in));
      if (!admission.sponsored || admission.sponsored->invitation != open.invitation) {
        return fail(Code::kProtocolError, "sponsor: an admission belongs to another invitation");
      }
      open.admitted.push_back(std::move(admission));
    }
    const PublicKey invitation = open.invitation.key;
    sponsor.invitations_.emplace(invitation, std::move(open));
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "sponsor: wrong length");
  return sponsor;
}

}  // namespace distri::membership
