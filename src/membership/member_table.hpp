// member_table.hpp: who belongs to the cluster, who does not any more, and where everybody listens: the signed
// statements that a node knows, and what follows from them.
//
// Every node holds one, gossips it, and answers "is this key a member?" from it alone. It is a join-semilattice: a set
// of registers, each of which takes the greatest statement that was ever seen for it, so that merging is commutative,
// associative and idempotent, and an old copy of a table changes nothing. In words:
//   (1) The longer chain of root changes counts. Statements of an earlier epoch are forgotten, whoever brings them:
//   what
//       stays of them is in the roll of the change. Two chains that differ are refused: somebody has both keys.
//   (2) One admission for each use of an invitation: the earlier one, then the one with the smaller digest. One
//       admission by the root for each node: the later one.
//   (3) One revocation for each node: the later one, then the one with the greater digest. A revoked key is no member
//       again, whatever else is known of it. Only the roll of a root change could say otherwise.
//   (4) An admission through a sponsor that is revoked counts if the revocation keeps that node.
//   (5) One address record for each node: the highest sequence, then the greater digest. Those of nodes that are not
//       members are not kept: where a root change makes a member of a node that was none, its address may be missing
//       until the node announces itself. (The one thing that depends on the order.)
// Nothing in it expires, and no clock is asked: what a node that was away for a year holds is checked like all else.
//
// Bounds: limits.hpp. A statement or table that would pass one is refused (kTooLarge) and changes nothing; so is one
// with a single signature that does not hold (kUnauthenticated), and the message says which. Threads: a value; the
// owner serialises calls. Persisting: encode() after every change, load() at start.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distri/membership/statements.hpp"

namespace distri::membership {

class MemberTable {
 public:
  struct Member {
    NodeId node;
    std::string name;
    std::int64_t admitted_ms = 0;
    std::vector<Address> addresses;  // empty: not known yet
    std::uint64_t sequence = 0;      // of the address record
    bool operator==(const Member&) const = default;
  };

  // Knows nobody yet.
  explicit MemberTable(const Founding& founding);
  // What encode() wrote, checked like a stranger's. The caller compares cluster() with the cluster that he expects.
  static Result<MemberTable> load(BytesView bytes);
  // The same statements, the same bytes.
  Bytes encode() const { return encode_missing({}); }

  const Founding& founding() const { return founding_; }
  const ClusterId& cluster() const { return cluster_; }
  std::uint32_t epoch() const { return static_cast<std::uint32_t>(links_.size()); }
  // The cluster, its epoch and its root key now.
  Authority authority() const;
  // The digest of the root key that comes next.
  const KeyDigest& next_root() const { return links_.empty() ? founding_.next : links_.back().next; }

  // ---- Questions

  const std::vector<Member>& members() const { return members_; }  // by node
  const Member* member(const NodeId& node) const;                  // null: no member
  bool is_member(const NodeId& node) const { return member(node) != nullptr; }
  bool is_revoked(const NodeId& node) const { return revoked_.contains(node); }
  const std::map<NodeId, Roll::Revoked>& revoked() const { return revoked_; }
  // False: a removal keeps somebody of whose admission nothing is known here yet. There are more members than
  // members().
  bool knows_all_kept() const { return knows_all_kept_; }
  // An admission or the roll names it, whether that counts or not.
  bool was_admitted(const NodeId& node) const;
  // A member by its name, else by an address as "host:port", else by the first digits (at least kHexDigitsMin) of its
  // key. Errors: kNotFound; kInvalidArgument when it fits several.
  Result<NodeId> find(std::string_view text) const;
  static constexpr std::size_t kHexDigitsMin = 4;
  // Whom this node has admitted as a sponsor in this epoch and who is a member: what its revocation may keep. Sorted.
  std::vector<NodeId> sponsored_by(const NodeId& sponsor) const;
  // Who has taken this use of the invitation with this key; null: nobody known.
  const Admission* admission(const PublicKey& invitation, std::uint16_t use) const;

  // ---- Changes. True or a number above 0: something was new, and the table is to be persisted and gossiped.

  Result<bool> add(const Admission& admission);
  Result<bool> add(const Revocation& revocation);
  Result<bool> add(const AddressRecord& record);  // false as well for a node that is no member
  Result<bool> add(const RootChange& change);     // the next one
  // encode() or missing() of another node's table. The number of statements that were new. An error changes nothing.
  Result<std::size_t> merge(BytesView bytes);

  // ---- Gossip. Nodes with equal digests hold the same statements. One that hears of another digest sends summary()
  // and gets missing(summary), which it merges.

  const Hash256& digest() const { return digest_; }
  // Counts the changes of this object; says nothing about another node's.
  std::uint64_t version() const { return version_; }
  std::size_t statements() const;
  Bytes summary() const;
  // The epoch of the table that a summary is of. Error kProtocolError.
  static Result<std::uint32_t> epoch_of_summary(BytesView summary);
  // What the sender of the summary lacks, as bytes for merge(); empty: nothing. Error kProtocolError.
  Result<Bytes> missing(BytesView summary) const;
  // As much of it as shows that this node was admitted, and who was removed: for whom knows the cluster's id and
  // nothing else. What it does not show is that the node was not removed since; but what another member has shown may
  // say so, when it is merged. load() reads it. Error kNotFound: it is no member.
  Result<Bytes> proof_of(const NodeId& node) const;

  // ---- For the holder of the root key

  // Everybody as of now.
  Roll roll() const;
  // The change to the root key that was promised, which promises `next`. The roll may be roll() without those whom the
  // old key should not have admitted. Errors: kInvalidArgument: another key was promised, or the roll is not in order;
  // kTooLarge.
  Result<RootChange> change_root(const SigningKey& root, const KeyDigest& next, Roll roll) const;

 private:
  // Which use of which invitation; (node, 0): admitted by the root.
  using Slot = std::pair<PublicKey, std::uint16_t>;
  template <class Statement>
  struct Held {
    Statement statement;
    Bytes bytes;  // encoded
    Hash256 digest{};
  };
  template <class Key, class Statement>
  using Registers = std::map<Key, Held<Statement>>;
  // Digests that somebody has, or shall not get, sorted; and his epoch.
  struct Known {
    std::uint32_t epoch = 0;
    std::vector<std::uint64_t> digests;
  };

  template <class Statement>
  static Held<Statement> hold(const Statement& statement);
  static Slot slot_of(const Admission& admission);
  static bool wins(const Held<Admission>& one, const Held<Admission>& other);
  static bool wins(const Held<Revocation>& one, const Held<Revocation>& other);
  static bool wins(const Held<AddressRecord>& one, const Held<AddressRecord>& other);
  template <class Key, class Statement, class Check>
  static Result<bool> put(Registers<Key, Statement>& registers, const Key& key, const Statement& statement,
                          const Check& check);

  template <class Key, class Statement>
  Result<bool> add_to(Registers<Key, Statement> MemberTable::* registers, const Key& key, const Statement& statement);

  bool counts(const Admission& admission) const;
  // Makes what follows from the statements. Error kTooLarge.
  Result<> refresh();
  // Takes the links that are new, with the roll of the last.
  Result<std::size_t> extend(const std::vector<RootLink>& links, const std::optional<Roll>& roll);
  Hash256 last_link() const { return links_.empty() ? digest_of(founding_) : digest_of(links_.back()); }
  Bytes encode_missing(const Known& known) const;

  Founding founding_;
  ClusterId cluster_;
  std::vector<RootLink> links_;
  Roll roll_;  // of the last link
  Registers<Slot, Admission> admissions_;
  Registers<NodeId, Revocation> revocations_;
  Registers<NodeId, AddressRecord> addresses_;
  // What follows from the above.
  std::map<NodeId, Roll::Revoked> revoked_;
  std::vector<Member> members_;
  bool knows_all_kept_ = true;
  Hash256 digest_{};
  std::uint64_t version_ = 0;
};

}  // namespace distri::membership
