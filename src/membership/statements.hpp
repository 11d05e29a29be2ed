// statements.hpp: the signed sentences that membership is made of. Each can be checked offline by everybody who knows
// the cluster's founding.
//
// A cluster is founded by a *root key* and the digest of the root key that comes after it. Both make the cluster's id,
// so that whoever knows the id knows who may speak for the cluster, and who may speak next. The secret of the next key
// is kept elsewhere than the root key. A **root change** reveals it: it is signed by the new key alone, names the
// digest of the one after, and carries the **roll**: everybody who is a member or revoked from then on. So a thief of
// the root key can neither change the root (he has not the key that was promised) nor keep what he signed: statements
// of an earlier epoch count for nothing once the change is known, whenever they come. And a root key that was lost is
// replaced in the same way. The number of root changes before is the *epoch*; all statements of the root name theirs.
//
//   Invitation     the root lets one node, the sponsor, admit up to `uses` nodes that hold the invitation's secret
//   Admission      a node is a member: said by the root, or by sponsor and invitation together
//   Revocation     a node is not, for ever: said by the root
//   AddressRecord  where a node listens: said by itself
//
// An admission brings its invitation along and names which of its uses it is. Two admissions for one use exclude each
// other (member_table.hpp), so that a sponsor that lies admits no more nodes than the root allowed. Every signature
// names its purpose (utils/signing.hpp) and covers the cluster's id: no field can be moved to a statement of another
// kind or cluster. Integers are little-endian.
//
// Threads: values and functions without state. Errors: decoders are total and answer kProtocolError (kTooLarge over a
// limit); verify() answers kUnauthenticated. Messages name the statement and the reason.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "distri/membership/limits.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/hash.hpp"
#include "distri/utils/signing.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::membership {

// Which cluster: BLAKE2b-256 of its founding.
using ClusterId = Id<struct ClusterIdTag, 32>;
// Which key will come, without saying it: BLAKE2b-256 of the public key.
using KeyDigest = Id<struct KeyDigestTag, 32>;

KeyDigest digest_of(const PublicKey& key);

struct Founding {
  PublicKey root;
  KeyDigest next;  // of the root key after it
  bool operator==(const Founding&) const = default;
  ClusterId cluster() const;
};

// What root statements are signed and checked against.
struct Authority {
  ClusterId cluster;
  std::uint32_t epoch = 0;
  PublicKey root;  // of that epoch
};

// 1 to kNameBytesMax letters, digits, '-', '_' and '.', the first a letter or digit. Error kInvalidArgument.
Result<> check_name(std::string_view name);

// ---- Root changes

enum class Reason : std::uint8_t { kRemoved = 1, kReplaced = 2 };

// What a root change carries over. Sorted by node; nobody is in it twice.
struct Roll {
  struct Member {
    NodeId node;
    std::string name;
    std::int64_t admitted_ms = 0;  // wall time
    bool operator==(const Member&) const = default;
  };
  struct Revoked {
    NodeId node;
    Reason reason = Reason::kRemoved;
    NodeId replaced_by;  // empty: nobody yet
    std::int64_t at_ms = 0;
    bool operator==(const Revoked&) const = default;
  };
  std::vector<Member> members;
  std::vector<Revoked> revoked;
  bool operator==(const Roll&) const = default;
};
void encode(wire::Writer& out, const Roll& roll);
Result<Roll> decode_roll(wire::Reader& in);
Hash256 digest_of(const Roll& roll);

// A root change without its roll: stays in the table for ever, the roll only until the next one.
struct RootLink {
  PublicKey root;
  KeyDigest next;
  Hash256 roll{};
  Signature signature;  // by `root`
  bool operator==(const RootLink&) const = default;
};
struct RootChange {
  RootLink link;
  Roll roll;
};
// `before`: the digest of the link before (of the founding for the first); `epoch`: of the new root.
RootLink sign_root_link(const ClusterId& cluster, std::uint32_t epoch, const Hash256& before, const SigningKey& root,
                        const KeyDigest& next, const Hash256& roll);
// Whether this is the key that was promised, and its signature.
Result<> verify(const RootLink& link, const ClusterId& cluster, std::uint32_t epoch, const Hash256& before,
                const KeyDigest& promised);
Hash256 digest_of(const Founding& founding);
Hash256 digest_of(const RootLink& link);
void encode(wire::Writer& out, const RootLink& link);
RootLink decode_root_link(wire::Reader& in);

// ---- Invitations and admissions

struct Invitation {
  std::uint32_t epoch = 0;
  PublicKey key;  // names the invitation; whoever holds the secret half is invited
  NodeId sponsor;
  std::int64_t expires_ms = 0;  // wall time of the sponsor
  std::uint16_t uses = 1;       // 1 to kUsesMax
  Signature signature;          // by the root
  bool operator==(const Invitation&) const = default;
};
// Precondition: `uses` is in its range.
Invitation invite(const Authority& authority, const SigningKey& root, const PublicKey& key, const NodeId& sponsor,
                  std::int64_t expires_ms, std::uint16_t uses);
Result<> verify(const Invitation& invitation, const Authority& authority);
void encode(wire::Writer& out, const Invitation& invitation);
Result<Invitation> decode_invitation(wire::Reader& in);

// What makes an admission hold without the root.
struct Sponsorship {
  Invitation invitation;
  std::uint16_t use = 1;  // which of the invitation's uses, 1 to uses
  Signature by_joiner;    // by the invitation's key: "this node, under this name, through this sponsor"
  bool operator==(const Sponsorship&) const = default;
};

struct Admission {
  std::uint32_t epoch = 0;
  NodeId node;
  std::string name;
  std::int64_t admitted_ms = 0;  // wall time of who signed
  std::optional<Sponsorship> sponsored;
  Signature signature;  // by the sponsor; without one by the root
  bool operator==(const Admission&) const = default;
};
// Precondition of all three: check_name(name).
Admission admit_by_root(const Authority& authority, const SigningKey& root, const NodeId& node, std::string name,
                        std::int64_t admitted_ms);
Signature accept_invitation(const ClusterId& cluster, const SigningKey& invitation, const NodeId& sponsor,
                            const NodeId& node, std::string_view name);
Admission admit_by_sponsor(const ClusterId& cluster, const SigningKey& sponsor, const Invitation& invitation,
                           std::uint16_t use, const NodeId& node, std::string name, std::int64_t admitted_ms,
                           const Signature& by_joiner);
bool verify_acceptance(const ClusterId& cluster, const PublicKey& invitation, const NodeId& sponsor, const NodeId& node,
                       std::string_view name, const Signature& by_joiner);
// All three signatures of a sponsored one, the expiry against admitted_ms, the use against `uses`.
Result<> verify(const Admission& admission, const Authority& authority);
void encode(wire::Writer& out, const Admission& admission);
Result<Admission> decode_admission(wire::Reader& in);

// ---- Revocations

struct Revocation {
  std::uint32_t epoch = 0;
  NodeId node;
  Reason reason = Reason::kRemoved;
  NodeId replaced_by;  // empty: nobody yet
  std::int64_t at_ms = 0;
  // Nodes that this one had admitted as a sponsor and that stay. What else it says to have admitted is void, also when
  // that comes later and looks older. Sorted, without repetition.
  std::vector<NodeId> keeps;
  Signature signature;  // by the root
  bool operator==(const Revocation&) const = default;
};
// Precondition: `keeps` is sorted and holds at most kKeptMax.
Revocation revoke(const Authority& authority, const SigningKey& root, const NodeId& node, Reason reason,
                  const NodeId& replaced_by, std::int64_t at_ms, std::vector<NodeId> keeps);
Result<> verify(const Revocation& revocation, const Authority& authority);
void encode(wire::Writer& out, const Revocation& revocation);
Result<Revocation> decode_revocation(wire::Reader& in);

// ---- Addresses

struct AddressRecord {
  NodeId node;
  std::uint64_t sequence = 1;      // the highest counts
  std::vector<Address> addresses;  // 1 to kAddressesMax, each with a host of up to kHostBytesMax and a port
  Signature signature;             // by the node
  bool operator==(const AddressRecord&) const = default;
};
// Error kInvalidArgument: too few, too many, too long, without a port.
Result<> check_addresses(const std::vector<Address>& addresses);
// Precondition: check_addresses(addresses), sequence > 0.
AddressRecord announce(const ClusterId& cluster, const SigningKey& node, std::uint64_t sequence,
                       std::vector<Address> addresses);
Result<> verify(const AddressRecord& record, const ClusterId& cluster);
void encode(wire::Writer& out, const AddressRecord& record);
Result<AddressRecord> decode_address_record(wire::Reader& in);

}  // namespace distri::membership
