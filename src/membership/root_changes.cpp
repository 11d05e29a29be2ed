#include <algorithm>

#include "distri/membership/statements.hpp"

namespace distri::membership {

namespace {

constexpr std::string_view kRootContext = "distri membership root";

BytesView view(const Hash256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

Bytes signed_part(const ClusterId& cluster, std::uint32_t epoch, const Hash256& before, const PublicKey& root,
                  const KeyDigest& next, const Hash256& roll) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.raw(cluster.view());
  out.u32(epoch);
  out.raw(view(before));
  out.raw(root.view());
  out.raw(next.view());
  out.raw(view(roll));
  return bytes;
}

template <class Entry>
bool ascend(const std::vector<Entry>& entries) {
  return std::ranges::adjacent_find(entries, [](const Entry& a, const Entry& b) { return a.node >= b.node; }) ==
         entries.end();
}

}  // namespace

KeyDigest digest_of(const PublicKey& key) {
  return KeyDigest::from_view(view(blake2b_256(key.view())));
}

ClusterId Founding::cluster() const {
  return ClusterId::from_view(view(digest_of(*this)));
}

Hash256 digest_of(const Founding& founding) {
  Bytes bytes("distri cluster founding");
  bytes += founding.root.view();
  bytes += founding.next.view();
  return blake2b_256(bytes);
}

Hash256 digest_of(const RootLink& link) {
  Bytes bytes("distri root link");
  bytes += link.root.view();
  bytes += link.next.view();
  bytes += view(link.roll);
  return blake2b_256(bytes);
}

Hash256 digest_of(const Roll& roll) {
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, roll);
  return blake2b_256(bytes);
}

RootLink sign_root_link(const ClusterId& cluster, std::uint32_t epoch, const Hash256& before, const SigningKey& root,
                        const KeyDigest& next, const Hash256& roll) {
  RootLink link{.root = root.public_key(), .next = next, .roll = roll, .signature = {}};
  link.signature = root.sign(kRootContext, signed_part(cluster, epoch, before, link.root, next, roll));
  return link;
}

Result<> verify(const RootLink& link, const ClusterId& cluster, std::uint32_t epoch, const Hash256& before,
                const KeyDigest& promised) {
  if (digest_of(link.root) != promised) {
    return fail(Code::kUnauthenticated, "root change {}: its key {} is not the one that was promised before", epoch,
                link.root.short_hex());
  }
  if (!verify(link.root, kRootContext, signed_part(cluster, epoch, before, link.root, link.next, link.roll),
              link.signature)) {
    return fail(Code::kUnauthenticated, "root change {}: the signature is not that of its root key", epoch);
  }
  return {};
}

void encode(wire::Writer& out, const RootLink& link) {
  out.raw(link.root.view());
  out.raw(link.next.view());
  out.raw(view(link.roll));
  out.raw(link.signature.view());
}

RootLink decode_root_link(wire::Reader& in) {
  RootLink link;
  link.root = in.id<PublicKey>();
  link.next = in.id<KeyDigest>();
  const BytesView roll = in.raw(link.roll.size());
  std::ranges::copy(roll, link.roll.begin());
  link.signature = in.id<Signature>();
  return link;
}

void encode(wire::Writer& out, const Roll& roll) {
  out.u16(static_cast<std::uint16_t>(roll.members.size()));
  for (const Roll::Member& member : roll.members) {
    out.raw(member.node.view());
    out.bytes8(member.name);
    out.u64(static_cast<std::uint64_t>(member.admitted_ms));
  }
  out.u16(static_cast<std::uint16_t>(roll.revoked.size()));
  for (const Roll::Revoked& revoked : roll.revoked) {
    out.raw(revoked.node.view());
    out.u8(static_cast<std::uint8_t>(revoked.reason));
    out.raw(revoked.replaced_by.view());
    out.u64(static_cast<std::uint64_t>(revoked.at_ms));
  }
}

Result<Roll> decode_roll(wire::Reader& in) {
  Roll roll;
  const std::size_t members = in.u16();
  if (members > kAdmissionsMax) {
    return fail(Code::kTooLarge, "roll: {} members, at most {} are allowed", members, kAdmissionsMax);
  }
  for (std::size_t i = 0; i < members && in.ok(); ++i) {
    Roll::Member& member = roll.members.emplace_back();
    member.node = in.id<NodeId>();
    member.name = in.bytes8();
    member.admitted_ms = static_cast<std::int64_t>(in.u64());
    if (!in.ok()) break;
    if (auto checked = check_name(member.name); !checked) {
      return fail(Code::kProtocolError, "roll: {}", checked.error().message);
    }
  }
  const std::size_t revoked = in.u16();
  if (revoked > kRevocationsMax) {
    return fail(Code::kTooLarge, "roll: {} revoked nodes, at most {} are allowed", revoked, kRevocationsMax);
  }
  for (std::size_t i = 0; i < revoked && in.ok(); ++i) {
    Roll::Revoked& entry = roll.revoked.emplace_back();
    entry.node = in.id<NodeId>();
    const std::uint8_t reason = in.u8();
    entry.replaced_by = in.id<NodeId>();
    entry.at_ms = static_cast<std::int64_t>(in.u64());
    if (in.ok() && reason != 1 && reason != 2) return fail(Code::kProtocolError, "roll: unknown reason {}", reason);
    entry.reason = static_cast<Reason>(reason);
  }
  if (!in.ok()) return fail(Code::kProtocolError, "roll: it ends early");
  if (!ascend(roll.members) || !ascend(roll.revoked)) {
    return fail(Code::kProtocolError, "roll: its nodes are not in order, or one is in it twice");
  }
  for (const Roll::Member& member : roll.members) {
    if (std::ranges::binary_search(roll.revoked, member.node, {}, &Roll::Revoked::node)) {
      return fail(Code::kProtocolError, "roll: node {} is a member and revoked", member.node.short_hex());
    }
  }
  return roll;
}

}  // namespace distri::membership
