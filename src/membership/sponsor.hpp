// sponsor.hpp: redeems invitations, each no more often than the root allowed.
//
// Only the node that an invitation names redeems it, so that its uses are counted in one place, also when the network
// is cut. What counts them is kept here beside the member table, and both must be on disk before the new node hears of
// it: then a crash at any moment costs no use. The same node that asks again, on any connection, however late, gets the
// same admission.
//
// Threads: none; the owner serialises calls. Time: the wall time of this node is passed in.
#pragma once

#include <map>
#include <vector>

#include "distri/membership/join_messages.hpp"
#include "distri/membership/member_table.hpp"

namespace distri::membership {

class Sponsor {
 public:
  // `key`: of this node.
  explicit Sponsor(SigningKey key) : key_(std::move(key)) {}
  // What encode() wrote. Errors kProtocolError, kTooLarge.
  static Result<Sponsor> load(SigningKey key, BytesView bytes);
  // Everything but the key.
  Bytes encode() const;

  // Takes an invitation that the root has signed for this node; then it can be printed. To be persisted first. Those
  // that have expired kKeepExpiredMs ago are forgotten. Errors: kUnauthenticated, kInvalidArgument (another sponsor),
  // kDeadlineExceeded, kTooLarge (kInvitationsMax are open). Taking one twice changes nothing.
  Result<> open(const Invitation& invitation, const MemberTable& table, std::int64_t now_ms);
  std::size_t open_invitations() const { return invitations_.size(); }
  // A day: so long an expired invitation is called expired, and a node that lost the answer can ask again.
  static constexpr std::int64_t kKeepExpiredMs = 24 * 3600 * 1000;

  struct Answer {
    Bytes reply;           // to be sent, after ...
    bool persist = false;  // ... this object's encode() and the table's are on disk together
  };
  // Answers the bytes of a stranger who has `binding` with this node; puts an admission into the table. `binding` is
  // what join_messages.hpp says, 1 to kJoinBindingBytesMax bytes.
  Answer answer(BytesView request, BytesView binding, std::int64_t now_ms, MemberTable& table);
  // The same without bytes. The codes: kInvalidArgument another cluster or sponsor; kNotFound unknown invitation;
  // kUnauthenticated a signature is wrong, or is for another connection; kUnavailable the sponsor or the root key is
  // not valid any more; kPermissionDenied the node was revoked; kDeadlineExceeded expired; kCancelled used up;
  // kAlreadyExists the node is a member or its name is taken; kTooLarge the table is full.
  Result<Admission> redeem(const JoinRequest& request, BytesView binding, std::int64_t now_ms,
                           const MemberTable& table);

 private:
  struct Open {
    Invitation invitation;
    std::vector<Admission> admitted;  // in the order of their uses
  };
  std::uint16_t next_use(const Open& open, const MemberTable& table) const;

  SigningKey key_;
  std::map<PublicKey, Open> invitations_;
};

}  // namespace distri::membership
