// ledger.hpp: an owner's book: who asked for what, what was answered, and which views were given. Sans-IO.
//
// The ledger decides, and everything else follows: how many views remain of a grant is what the book says, never what a
// viewer or the cloud says. A call changes the book in memory and returns Effects: what the caller (1) makes durable,
// (2) then says to others. In this order a crash at any moment gives no view twice: what was said is in the book, and
// what is in the book but was not said is said again by the same call, or found by unfinished().
//
//   a request      waits -> granted (views raised or lowered any number of times) -> revoked
//                        -> refused
//                  and is withdrawn by who made it, at any time; which also revokes what was granted
//   a view online  is asked for under a view id; the same id again gets the same serial and costs nothing
//   a view key in  is counted as given out from the moment it is to be put there. It comes back only when a
//   escrow         compare-and-delete has found it there; when it was not there, the viewer has it. A viewer writes a
//                  receipt before he takes one, and withdraws it when he came too late. In a partition both may
//                  succeed, or two of the viewer's devices: the receipts tell, and it is reported as an event.
//
// Views that are lowered below what is given out take keys in escrow back and touch no used ones; nothing underflows.
// Answers are final: who was refused or revoked asks anew, under another id.
//
// One book per key: two that do not know of each other (a copy that was restored) give views twice.
//
// Threads: none; the owner serialises calls. Time and randomness: none but inside of sealed boxes. Errors: kNotFound
// unknown request; kPermissionDenied somebody else's, refused, or all views are used up; kCancelled revoked or
// withdrawn; kAlreadyExists answered already; kUnavailable not answered yet; kTooLarge and kBusy a limit that is named,
// kBusy also views that are left, but not here now (give_view()); kInvalidArgument; and those of records. An error
// changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "distri/peer/ledger_entry.hpp"

namespace distri::peer {

class Ledger {
 public:
  struct Event {
    enum class Kind : std::uint8_t {
      kRequested,           // a new request waits
      kRequestChanged,      // the number of views asked for did
      kWithdrawn,           // by who made it
      kViewed,              // a view was given online
      kEscrowUsed,          // a receipt came for a key in escrow
      kDoubleUse,           // a second device of the viewer says to have used the same key
      kUsedAfterTakenBack,  // a key that was taken out of the cloud was used all the same, in a partition
      kNotUsed,             // one of the last three is taken back: the device has not got the key after all
    };
    Kind kind;
    GrantId grant;
    std::uint32_t serial = 0;  // of the last five
    DeviceId device;           // of the last four
    bool operator==(const Event&) const = default;
  };
  struct KeyInCloud {
    GrantId grant;
    std::uint32_t serial = 0;
    bool operator==(const KeyInCloud&) const = default;
  };
  struct Effects {
    bool changed = false;              // the entry is to be durable before anything of the following is done
    std::vector<Grant> publish;        // replace in the cloud where that has a lower version
    std::vector<ViewKey> place;        // insert where there is none, then on_placed()
    std::vector<KeyInCloud> take_out;  // compare-and-delete, then on_taken_back()
    std::vector<Event> events;         // for the user
  };
  // What a granted image was encrypted with, and what came out.
  struct SealedImage {
    FileFacts file;
    SecretBytes key;  // kImageKeyBytes
  };

  explicit Ledger(SigningKey key) : key_(std::move(key)), self_(key_.public_key()) {}
  const PublicKey& owner() const { return self_; }

  // ---- Requests and answers
  // One that came, from the cloud or directly. Once is enough: what is known already or older changes nothing, and an
  // answered one publishes its answer again. What supersedes() it may withdraw it or, while it waits, ask for another
  // number of views; one that comes withdrawn is not taken down at all. Refused is what differs otherwise:
  // kPermissionDenied.
  Result<Effects> on_request(const Request& request);
  // 1 to kViewsMax views, fewer or more than asked for.
  Result<Effects> approve(const GrantId& id, std::uint32_t views, SealedImage image);
  Result<Effects> refuse(const GrantId& id);
  // 0 to kViewsMax views in all, those included that were given.
  Result<Effects> change_views(const GrantId& id, std::uint32_t views);
  Result<Effects> revoke(const GrantId& id);
  // Puts an entry away: refused, revoked or withdrawn, and no key of it in the cloud. The id stays known, so that the
  // request does not come again. kUnavailable: not yet.
  Result<Effects> forget(const GrantId& id);

  // ---- Views
  struct GivenView {
    ViewKey key;
    Effects effects;
  };
  // `asker`: who asks, as the link has proved.
  Result<GivenView> give_view(const GrantId& id, const PublicKey& asker, const ViewId& view);
  // `count` more keys into escrow; at most kEscrowMax lie there.
  Result<Effects> put_in_escrow(const GrantId& id, std::uint32_t count);
  // Up to `count` unused keys out of it, the newest first.
  Result<Effects> take_back(const GrantId& id, std::uint32_t count);
  // Whether the key is in the cloud now. False only when it certainly is not, and nobody but this owner has taken it:
  // then the view is free again.
  Result<Effects> on_placed(const GrantId& id, std::uint32_t serial, bool placed);
  // Whether compare-and-delete found it there. False never gives a view too many, but costs one where the key was never
  // put there: of one that is being called off, on_placed() may be told instead.
  Result<Effects> on_taken_back(const GrantId& id, std::uint32_t serial, bool was_there);
  // A key that was put into the cloud is not there any more, and no receipt says who has it: it is taken out, and
  // counts as used unless it is found all the same. Nothing for a key of which something else is known.
  Result<Effects> on_missing(const GrantId& id, std::uint32_t serial);
  // A key lies in the cloud. One that was given up, and has come back with a node that was away, is taken out again:
  // its view is free then, unless it was used. Nothing for a key that is expected there.
  Result<Effects> on_found(const GrantId& id, std::uint32_t serial);
  // A device says to have used a key, or to have come too late: that counts, in whichever order the two arrive. A key
  // that nobody else has used is taken out then, or free again where that has been done.
  Result<Effects> on_receipt(const Receipt& receipt);

  // Everything that was to be said to others and may not have been: after a restart.
  Effects unfinished() const;

  // ---- The book
  const Entry* find(const GrantId& id) const;
  const std::map<GrantId, Entry>& entries() const { return entries_; }
  bool is_forgotten(const GrantId& id) const { return forgotten_.contains(id); }

  // One entry, or the note that it was forgotten, and adding it to a new book; so that a change costs the writing of
  // one entry. Holds secrets. Precondition: the id is in the book.
  Bytes encode_one(const GrantId& id) const;
  Result<> load_one(BytesView bytes);
  // All of them.
  Bytes encode() const;
  static Result<Ledger> load(SigningKey key, BytesView bytes);

 private:
  Result<Entry*> granted(const GrantId& id);
  Result<Effects> first_seen(const Request& request);
  Result<Effects> newer_request(Entry& entry, const Request& request);
  Result<Effects> answer(Entry& entry, Grant::State state, std::uint32_t views, const FileFacts& file);
  Result<ViewKey> make_key(const Entry& entry, std::uint32_t serial, const ViewId& view) const;
  static void take_out(Entry& entry, std::uint32_t count, Effects& effects);
  static void take_excess(Entry& entry, Effects& effects);
  static void report_taken_back(const GrantId& id, std::uint32_t serial, const Issue& issue, Effects& effects);

  SigningKey key_;
  PublicKey self_;
  std::map<GrantId, Entry> entries_;
  std::set<GrantId> forgotten_;
};

}  // namespace distri::peer
