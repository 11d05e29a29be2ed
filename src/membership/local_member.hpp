// local_member.hpp: this node as a member: its key, the table that it holds, the invitations that it redeems, where it
// listens; and what it says to other nodes about all that. Sans-IO: the same code runs in cloud::Cluster and in the
// simulator.
//
// The owner persists table(), sponsor_state() and sequence() together after every call that says that something has
// changed, and gives an answer that promises a change only when that is on the disk. Gossip: on a new link, after every
// change and every kGossipMs each node says digest(); whoever hears of another digest asks with a summary and gets the
// statements that it lacks. Whatever comes is checked by signatures (member_table.hpp), so it does not matter who
// brings it.
//
// While this node is a member and has announced where it listens, its table says so. A newer record of its own from an
// earlier life (the data directory was put back from a copy, or a crash came before the record was saved) is answered
// with a record that is newer still; at most kInsistencesMax times for each announcement, as a copy of this node that
// runs elsewhere would answer as well.
//
// Threads: none; the owner serialises calls. Time: the wall time of this node is passed in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "distri/membership/member_table.hpp"
#include "distri/membership/plant.hpp"
#include "distri/membership/sponsor.hpp"

namespace distri::membership {

class LocalMember {
 public:
  // Kinds of messages between nodes, beside those of replication; the numbers travel.
  enum class Message : std::uint16_t { kDigest = 64, kSummary = 65, kStatements = 66 };
  struct Outgoing {
    Message kind;
    Bytes payload;
  };
  static constexpr std::int64_t kGossipMs = 5'000;
  static constexpr int kInsistencesMax = 8;

  // `sequence`: of the newest address record that this node has saved; 0: none.
  LocalMember(SigningKey key, MemberTable table, Sponsor sponsor, std::uint64_t sequence, Plant plant = Plant::kNone);

  NodeId node() const { return key_.public_key(); }
  const SigningKey& key() const { return key_; }
  const MemberTable& table() const { return table_; }
  Bytes sponsor_state() const { return sponsor_.encode(); }
  std::uint64_t sequence() const { return sequence_; }
  // False: it was removed, or what admitted it does not count any more. It stops.
  bool belongs() const { return table_.is_member(node()); }

  // ---- Who may what.
  // Another node speaks to us, or we to it. kUnauthenticated, kPermissionDenied (revoked).
  Result<> admit_node(const std::optional<NodeId>& key) const;
  // A client that holds the key of a member, or the root key, may do everything; others may ask to join.
  bool trusts_client(const std::optional<NodeId>& key) const;
  // What a node that is refused is told before its link is closed, so that it stops: it may not know. Only who has ever
  // been a member is told; `linked`: it was let in before. nullopt: it is a stranger.
  std::optional<Outgoing> farewell(const NodeId& refused, bool linked) const;

  // A node that shows a key which is no member's here may have been let in by somebody who has not told yet, or who is
  // gone: it is asked for the statements that are missing here, and let in if they say so. A summary, of digests only.
  // nullopt: it is a member, or was removed.
  std::optional<Outgoing> question(const NodeId& stranger) const;
  // A root change makes strangers of those whom its roll leaves out, and of what they were nothing is kept. So who
  // answers with a proof that it was a member of an earlier epoch is told, too, why it is refused; nullopt: it is let
  // in, or has shown no such thing.
  std::optional<Outgoing> farewell_to_former(const NodeId& stranger, BytesView statements) const;

  // ---- Requests.
  // Whom it lets in, others hear when that is saved: a sponsor that has forgotten an admission which others know would
  // give its use away once more, and one of the two would be put out again.
  Sponsor::Answer join(BytesView request, BytesView binding, std::int64_t now_ms);
  // The table is on the disk as it was at that version. True: there is more to say to others now.
  bool saved(std::uint64_t version);
  Result<> open_invitation(BytesView invitation, std::int64_t now_ms);
  // Statements, as MemberTable::missing() gives them. How many were new. Errors: of MemberTable::merge().
  Result<std::size_t> change(BytesView statements);
  // Where this node listens, as others reach it. True: the table has changed. Errors: of check_addresses().
  Result<bool> announce(std::vector<Address> addresses);

  // ---- Gossip.
  Outgoing digest() const;
  Outgoing everything() const { return {Message::kStatements, shown().encode()}; }
  struct Heard {
    std::optional<Outgoing> answer;  // to whom it came from
    bool changed = false;            // the table
    std::optional<bool> agrees;      // whether its table is ours; nullopt: the message did not say
  };
  // kProtocolError, kUnauthenticated, kTooLarge: the link is to be closed.
  Result<Heard> receive(Message kind, BytesView payload);
  static bool is_kind(std::uint16_t kind) {
    return kind >= static_cast<std::uint16_t>(Message::kDigest) &&
           kind <= static_cast<std::uint16_t>(Message::kStatements);
  }

 private:
  // The addresses that were announced, into the table, if it says something else.
  Result<bool> insist();
  const MemberTable& shown() const { return hoarded_ ? *hoarded_ : withheld_ ? withheld_->before : table_; }

  SigningKey key_;
  MemberTable table_;
  Sponsor sponsor_;
  std::uint64_t sequence_;
  std::vector<Address> announced_;  // empty: nothing yet
  int insistences_ = 0;
  // What others are shown until that version is saved.
  struct Withheld {
    MemberTable before;
    std::uint64_t until;
  };
  std::optional<Withheld> withheld_;
  Plant plant_;
  std::optional<MemberTable> hoarded_;  // Plant::kHoardRevocations: what others are shown instead
};

}  // namespace distri::membership
