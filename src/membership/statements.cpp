#include "distri/membership/statements.hpp"

#include <algorithm>

#include "distri/utils/check.hpp"

namespace distri::membership {

namespace {

constexpr std::string_view kInvitationContext = "distri membership invitation";
constexpr std::string_view kAcceptanceContext = "distri membership acceptance";
constexpr std::string_view kSponsoredContext = "distri membership admission by sponsor";
constexpr std::string_view kAdmissionContext = "distri membership admission by root";
constexpr std::string_view kRevocationContext = "distri membership revocation";
constexpr std::string_view kAddressContext = "distri membership addresses";

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// ---- What is signed, without the cluster's id; and what is encoded, without the signature.

void put(wire::Writer& out, const Invitation& invitation) {
  out.u32(invitation.epoch);
  out.raw(invitation.key.view());
  out.raw(invitation.sponsor.view());
  out.u64(static_cast<std::uint64_t>(invitation.expires_ms));
  out.u16(invitation.uses);
}

void put(wire::Writer& out, const Admission& admission) {
  out.u8(admission.sponsored ? 1 : 0);
  out.u32(admission.epoch);
  out.raw(admission.node.view());
  out.bytes8(admission.name);
  out.u64(static_cast<std::uint64_t>(admission.admitted_ms));
  if (!admission.sponsored) return;
  encode(out, admission.sponsored->invitation);
  out.u16(admission.sponsored->use);
  out.raw(admission.sponsored->by_joiner.view());
}

void put(wire::Writer& out, const Revocation& revocation) {
  out.u32(revocation.epoch);
  out.raw(revocation.node.view());
  out.u8(static_cast<std::uint8_t>(revocation.reason));
  out.raw(revocation.replaced_by.view());
  out.u64(static_cast<std::uint64_t>(revocation.at_ms));
  out.u16(static_cast<std::uint16_t>(revocation.keeps.size()));
  for (const NodeId& node : revocation.keeps) out.raw(node.view());
}

void put(wire::Writer& out, const AddressRecord& record) {
  out.raw(record.node.view());
  out.u64(record.sequence);
  out.u8(static_cast<std::uint8_t>(record.addresses.size()));
  for (const Address& address : record.addresses) {
    out.bytes8(address.host);
    out.u16(address.port);
  }
}

template <class Statement>
Bytes signed_part(const ClusterId& cluster, const Statement& statement) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.raw(cluster.view());
  put(out, statement);
  return bytes;
}

Bytes acceptance(const ClusterId& cluster, const PublicKey& invitation, const NodeId& sponsor, const NodeId& node,
                 std::string_view name) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.raw(cluster.view());
  out.raw(invitation.view());
  out.raw(sponsor.view());
  out.raw(node.view());
  out.bytes8(name);
  return bytes;
}

std::string describe(const Admission& admission) {
  return fmt::format("admission of '{}' ({})", admission.name, admission.node.short_hex());
}

Result<> check_epoch(std::string_view what, std::uint32_t epoch, const Authority& authority) {
  if (epoch == authority.epoch) return {};
  return fail(Code::kUnauthenticated, "{}: it names root epoch {}, the cluster is at {}", what, epoch, authority.epoch);
}

}  // namespace

Result<> check_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return fail(Code::kInvalidArgument, "name: it has {} bytes, 1 to {} are allowed", name.size(), kNameBytesMax);
  }
  const bool good = is_letter_or_digit(name.front()) && std::ranges::all_of(name, [](char c) {
                      return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
                    });
  if (good) return {};
  return fail(Code::kInvalidArgument, "name: letters, digits, '-', '_' and '.' are allowed, a letter or digit first");
}

// ---- Invitations

Invitation invite(const Authority& authority, const SigningKey& root, const PublicKey& key, const NodeId& sponsor,
                  std::int64_t expires_ms, std::uint16_t uses) {
  DISTRI_CHECK(uses >= 1 && uses <= kUsesMax);
  Invitation invitation{.epoch = authority.epoch,
                        .key = key,
                        .sponsor = sponsor,
                        .expires_ms = expires_ms,
                        .uses = uses,
                        .signature = {}};
  invitation.signature = root.sign(kInvitationContext, signed_part(authority.cluster, invitation));
  return invitation;
}

Result<> verify(const Invitation& invitation, const Authority& authority) {
  const std::string what = fmt::format("invitation {}", invitation.key.short_hex());
  DISTRI_TRY_VOID(check_epoch(what, invitation.epoch, authority));
  if (verify(authority.root, kInvitationContext, signed_part(authority.cluster, invitation), invitation.signature)) {
    return {};
  }
  return fail(Code::kUnauthenticated, "{}: the signature is not that of the cluster's root key", what);
}

void encode(wire::Writer& out, const Invitation& invitation) {
  put(out, invitation);
  out.raw(invitation.signature.view());
}

Result<Invitation> decode_invitation(wire::Reader& in) {
  Invitation invitation;
  invitation.epoch = in.u32();
  invitation.key = in.id<PublicKey>();
  invitation.sponsor = in.id<NodeId>();
  invitation.expires_ms = static_cast<std::int64_t>(in.u64());
  invitation.uses = in.u16();
  invitation.signature = in.id<Signature>();
  if (!in.ok()) return fail(Code::kProtocolError, "invitation: it ends early");
  if (invitation.uses < 1 || invitation.uses > kUsesMax) {
    return fail(Code::kProtocolError, "invitation: {} uses, 1 to {} are allowed", invitation.uses, kUsesMax);
  }
  return invitation;
}

// ---- Admissions

Admission admit_by_root(const Authority& authority, const SigningKey& root, const NodeId& node, std::string name,
                        std::int64_t admitted_ms) {
  DISTRI_CHECK(check_name(name));
  Admission admission{.epoch = authority.epoch,
                      .node = node,
                      .name = std::move(name),
                      .admitted_ms = admitted_ms,
                      .sponsored = {},
                      .signature = {}};
  admission.signature = root.sign(kAdmissionContext, signed_part(authority.cluster, admission));
  return admission;
}

Signature accept_invitation(const ClusterId& cluster, const SigningKey& invitation, const NodeId& sponsor,
                            const NodeId& node, std::string_view name) {
  DISTRI_CHECK(check_name(name));
  return invitation.sign(kAcceptanceContext, acceptance(cluster, invitation.public_key(), sponsor, node, name));
}

bool verify_acceptance(const ClusterId& cluster, const PublicKey& invitation, const NodeId& sponsor, const NodeId& node,
                       std::string_view name, const Signature& by_joiner) {
  return verify(invitation, kAcceptanceContext, acceptance(cluster, invitation, sponsor, node, name), by_joiner);
}

Admission admit_by_sponsor(const ClusterId& cluster, const SigningKey& sponsor, const Invitation& invitation,
                           std::uint16_t use, const NodeId& node, std::string name, std::int64_t admitted_ms,
                           const Signature& by_joiner) {
  DISTRI_CHECK(check_name(name));
  Admission admission{.epoch = invitation.epoch,
                      .node = node,
                      .name = std::move(name),
                      .admitted_ms = admitted_ms,
                      .sponsored = Sponsorship{invitation, use, by_joiner},
                      .signature = {}};
  admission.signature = sponsor.sign(kSponsoredContext, signed_part(cluster, admission));
  return admission;
}

Result<> verify(const Admission& admission, const Authority& authority) {
  const std::string what = describe(admission);
  DISTRI_TRY_VOID(check_epoch(what, admission.epoch, authority));
  const Bytes message = signed_part(authority.cluster, admission);
  if (!admission.sponsored) {
    if (verify(authority.root, kAdmissionContext, message, admission.signature)) return {};
    return fail(Code::kUnauthenticated, "{}: the signature is not that of the cluster's root key", what);
  }
  const auto& [invitation, use, by_joiner] = *admission.sponsored;
  if (auto good = verify(invitation, authority); !good) {
    return fail(good.error().code, "{}: {}", what, good.error().message);
  }
  if (use < 1 || use > invitation.uses) {
    return fail(Code::kUnauthenticated, "{}: it is use {} of an invitation for {}", what, use, invitation.uses);
  }
  if (admission.admitted_ms > invitation.expires_ms) {
    return fail(Code::kUnauthenticated, "{}: its invitation had expired", what);
  }
  if (!verify_acceptance(authority.cluster, invitation.key, invitation.sponsor, admission.node, admission.name,
                         by_joiner)) {
    return fail(Code::kUnauthenticated, "{}: the signature of the invitation's key is wrong", what);
  }
  if (!verify(invitation.sponsor, kSponsoredContext, message, admission.signature)) {
    return fail(Code::kUnauthenticated, "{}: the signature is not that of its sponsor {}", what,
                invitation.sponsor.short_hex());
  }
  return {};
}

void encode(wire::Writer& out, const Admission& admission) {
  put(out, admission);
  out.raw(admission.signature.view());
}

Result<Admission> decode_admission(wire::Reader& in) {
  Admission admission;
  const std::uint8_t kind = in.u8();
  admission.epoch = in.u32();
  admission.node = in.id<NodeId>();
  admission.name = in.bytes8();
  admission.admitted_ms = static_cast<std::int64_t>(in.u64());
  if (!in.ok()) return fail(Code::kProtocolError, "admission: it ends early");
  if (kind > 1) return fail(Code::kProtocolError, "admission: unknown kind {}", kind);
  if (auto checked = check_name(admission.name); !checked) {
    return fail(Code::kProtocolError, "admission: {}", checked.error().message);
  }
  if (kind == 1) {
    Sponsorship& sponsored = admission.sponsored.emplace();
    DISTRI_TRY(sponsored.invitation, decode_invitation(in));
    sponsored.use = in.u16();
    sponsored.by_joiner = in.id<Signature>();
    if (admission.epoch != sponsored.invitation.epoch) {
      return fail(Code::kProtocolError, "admission: it and its invitation are of two epochs");
    }
  }
  admission.signature = in.id<Signature>();
  if (!in.ok()) return fail(Code::kProtocolError, "admission: it ends early");
  return admission;
}

// ---- Revocations

Revocation revoke(const Authority& authority, const SigningKey& root, const NodeId& node, Reason reason,
                  const NodeId& replaced_by, std::int64_t at_ms, std::vector<NodeId> keeps) {
  DISTRI_CHECK(keeps.size() <= kKeptMax && std::ranges::is_sorted(keeps));
  Revocation revocation{.epoch = authority.epoch,
                        .node = node,
                        .reason = reason,
                        .replaced_by = replaced_by,
                        .at_ms = at_ms,
                        .keeps = std::move(keeps),
                        .signature = {}};
  revocation.signature = root.sign(kRevocationContext, signed_part(authority.cluster, revocation));
  return revocation;
}

Result<> verify(const Revocation& revocation, const Authority& authority) {
  const std::string what = fmt::format("revocation of {}", revocation.node.short_hex());
  DISTRI_TRY_VOID(check_epoch(what, revocation.epoch, authority));
  if (verify(authority.root, kRevocationContext, signed_part(authority.cluster, revocation), revocation.signature)) {
    return {};
  }
  return fail(Code::kUnauthenticated, "{}: the signature is not that of the cluster's root key", what);
}

void encode(wire::Writer& out, const Revocation& revocation) {
  put(out, revocation);
  out.raw(revocation.signature.view());
}

Result<Revocation> decode_revocation(wire::Reader& in) {
  Revocation revocation;
  revocation.epoch = in.u32();
  revocation.node = in.id<NodeId>();
  const std::uint8_t reason = in.u8();
  revocation.replaced_by = in.id<NodeId>();
  revocation.at_ms = static_cast<std::int64_t>(in.u64());
  const std::size_t kept = in.u16();
  if (!in.ok()) return fail(Code::kProtocolError, "revocation: it ends early");
  if (reason != 1 && reason != 2) return fail(Code::kProtocolError, "revocation: unknown reason {}", reason);
  if (kept > kKeptMax) {
    return fail(Code::kTooLarge, "revocation: it keeps {} nodes, at most {} are allowed", kept, kKeptMax);
  }
  revocation.reason = static_cast<Reason>(reason);
  for (std::size_t i = 0; i < kept && in.ok(); ++i) revocation.keeps.push_back(in.id<NodeId>());
  revocation.signature = in.id<Signature>();
  if (!in.ok()) return fail(Code::kProtocolError, "revocation: it ends early");
  if (std::ranges::adjacent_find(revocation.keeps, std::greater_equal<>()) != revocation.keeps.end()) {
    return fail(Code::kProtocolError, "revocation: the nodes that it keeps are not in order");
  }
  return revocation;
}

// ---- Addresses

Result<> check_addresses(const std::vector<Address>& addresses) {
  if (addresses.empty() || addresses.size() > kAddressesMax) {
    return fail(Code::kInvalidArgument, "addresses: {} were given, 1 to {} are allowed", addresses.size(),
                kAddressesMax);
  }
  for (const Address& address : addresses) {
    const bool good = !address.host.empty() && address.host.size() <= kHostBytesMax && address.port != 0 &&
                      std::ranges::all_of(address.host, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!good) {
      return fail(Code::kInvalidArgument, "addresses: a host has 1 to {} visible ASCII characters, a port is not 0",
                  kHostBytesMax);
    }
  }
  return {};
}

AddressRecord announce(const ClusterId& cluster, const SigningKey& node, std::uint64_t sequence,
                       std::vector<Address> addresses) {
  DISTRI_CHECK(check_addresses(addresses) && sequence > 0);
  AddressRecord record{
      .node = node.public_key(), .sequence = sequence, .addresses = std::move(addresses), .signature = {}};
  record.signature = node.sign(kAddressContext, signed_part(cluster, record));
  return record;
}

Result<> verify(const AddressRecord& record, const ClusterId& cluster) {
  if (verify(record.node, kAddressContext, signed_part(cluster, record), record.signature)) return {};
  return fail(Code::kUnauthenticated, "address record of {}: the signature is not that of the node",
              record.node.short_hex());
}

void encode(wire::Writer& out, const AddressRecord& record) {
  put(out, record);
  out.raw(record.signature.view());
}

Result<AddressRecord> decode_address_record(wire::Reader& in) {
  AddressRecord record;
  record.node = in.id<NodeId>();
  record.sequence = in.u64();
  const std::size_t count = in.u8();
  if (count > kAddressesMax) {
    return fail(Code::kTooLarge, "address record: {} addresses, at most {} are allowed", count, kAddressesMax);
  }
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    Address& address = record.addresses.emplace_back();
    address.host = in.bytes8();
    address.port = in.u16();
  }
  record.signature = in.id<Signature>();
  if (!in.ok()) return fail(Code::kProtocolError, "address record: it ends early");
  if (record.sequence == 0) return fail(Code::kProtocolError, "address record: its sequence is 0");
  if (auto checked = check_addresses(record.addresses); !checked) {
    return fail(Code::kProtocolError, "address record: {}", checked.error().message);
  }
  return record;
}

}  // namespace distri::membership
