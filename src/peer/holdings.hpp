// holdings.hpp: a viewer's book: what I asked for, what was answered, and which view keys I have taken. Sans-IO.
//
// Nothing here counts down. What remains of a grant is what its owner's grant and answers say; the book remembers what
// a retry needs (so that a view whose answer was lost is not asked for twice) and what a replay would abuse (serials
// that were used). It holds no image key: a viewer's disk has the sealed picture only, and accepting a view key gives
// the image key once, after the book is durable.
//
//   online   ask_view() gives a view id, the same until it was answered; accept() checks the answer
//   escrow   take() checks a view key from the cloud and gives the receipt to write; then compare-and-delete, and
//            taken() with what that found
//
// After a call that says `changed` or gives something to send, the caller makes the book durable before he sends, shows
// or deletes anything. A crash between that and the showing costs the view; the other order would show it twice.
//
// Threads: none; the owner serialises calls. Errors: kNotFound unknown grant; kPermissionDenied forged, replayed or not
// what was asked for; kUnauthenticated a signature or box is not the owner's; kDataLoss a file is not the granted one;
// kUnavailable not answered yet; kCancelled revoked or withdrawn; kTooLarge a limit that is named; kInvalidArgument. An
// error changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "distri/peer/records.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::peer {

// A view that was asked for online and not answered yet.
struct ViewAsk {
  ViewId view;
  std::uint64_t version = 1;  // of the grant when it was first asked for
  bool operator==(const ViewAsk&) const = default;
};

// One request of mine and what came of it.
struct Holding {
  enum class State : std::uint8_t { kWaiting, kGranted, kRefused, kRevoked, kWithdrawn };

  Request request;
  std::optional<Grant> grant;     // the newest
  std::optional<ViewAsk> ask;     // of one view at a time
  std::optional<ViewKey> taking;  // a view key from escrow: its receipt is being written, or it is being deleted
  std::set<std::uint32_t> used;   // serials
  // Of these the ones that somebody else had, and when that was found out: their receipts are to be withdrawn.
  std::map<std::uint32_t, std::int64_t> to_withdraw;
  bool operator==(const Holding&) const = default;

  State state() const;
};
std::string_view state_name(Holding::State state);

// Errors: kProtocolError, kTooLarge, and those of the records in it. `viewer`: whose it is.
void encode_holding(wire::Writer& out, const Holding& holding);
Result<Holding> decode_holding(BytesView bytes, const PublicKey& viewer);

class Holdings {
 public:
  // `device`: which of the user's devices this is; kept with the book, never the same for two.
  Holdings(SigningKey key, DeviceId device) : key_(std::move(key)), self_(key_.public_key()), device_(device) {}
  const PublicKey& viewer() const { return self_; }
  const DeviceId& device() const { return device_; }

  // ---- Requests
  // A request to be sent. `random`: fresh, for its id.
  Result<Request> request(std::uint64_t random, const PublicKey& to, std::string resource, std::uint32_t views,
                          std::int64_t made_ms);
  // The same with other views, while it waits; and withdrawn, at any time. The next version, to be sent.
  Result<Request> change_views(const GrantId& id, std::uint32_t views);
  Result<Request> withdraw(const GrantId& id);
  // A request of mine that comes from the cloud: another of my devices has made, changed or withdrawn it. True when it
  // is news. Of two that do not know of each other the one that supersedes() counts, else the one that is known.
  Result<bool> on_request(const Request& request);
  // True when it is news. An older version, or the same again, is none.
  Result<bool> on_grant(const Grant& grant);
  // Puts a request away whose state is refused, revoked or withdrawn. The id stays known, so that neither the request
  // nor its answer comes again, from the cloud or another device. kUnavailable: it has not ended yet, or a receipt is
  // still to be withdrawn; kTooLarge.
  Result<> forget(const GrantId& id);

  // ---- The sealed picture
  // Whether a file is the one that was granted: before it is kept, and before it is opened.
  Result<> check_file(const GrantId& id, std::uint64_t bytes, const Hash256& digest) const;

  // ---- Views online
  // What to ask the owner for. `fresh`: 16 random bytes, used when no ask is open.
  Result<ViewId> ask_view(const GrantId& id, const ViewId& fresh);
  // The answer. The image key, for one view.
  Result<SecretBytes> accept(const ViewKey& key);
  // The owner has answered that he gives none for good (not: a lost connection, or a full queue): the ask is over.
  Result<> view_refused(const GrantId& id, const ViewId& view);

  // ---- Views from escrow
  // The receipt to write before the key is deleted.
  Result<Receipt> take(const ViewKey& key, std::int64_t now_ms);
  // Whether compare-and-delete found the key there. The image key if it did; empty: another device, or the owner, was
  // faster, and the receipt is to be withdrawn.
  Result<SecretBytes> taken(const GrantId& id, std::uint32_t serial, bool was_there, std::int64_t now_ms);
  // What takes the place of such a receipt, always the same. kNotFound: there is none to withdraw.
  Result<Receipt> withdrawal(const GrantId& id, std::uint32_t serial) const;
  // It is in the cloud. True: that is news.
  bool withdrawn(const GrantId& id, std::uint32_t serial);

  // ---- The book
  const Holding* find(const GrantId& id) const;
  const std::map<GrantId, Holding>& all() const { return holdings_; }
  // Which key in escrow is the next to take: none that was used here.
  bool is_used(const GrantId& id, std::uint32_t serial) const;
  bool is_forgotten(const GrantId& id) const { return forgotten_.contains(id); }

  // One of them, or the note that it was forgotten, and adding it to a new book. Precondition: the id is in the book.
  Bytes encode_one(const GrantId& id) const;
  Result<> load_one(BytesView bytes);
  Bytes encode() const;
  static Result<Holdings> load(SigningKey key, BytesView bytes);

 private:
  Result<Holding*> known(const GrantId& id);
  Result<Holding*> granted(const GrantId& id);
  Result<> check_room() const;
  Result<> load_forgotten(BytesView bytes);
  Result<> check_view_key(const ViewKey& key, const Holding& holding) const;
  Receipt receipt_of(const Holding& holding, std::uint32_t serial, std::int64_t at_ms) const;

  SigningKey key_;
  PublicKey self_;
  DeviceId device_;
  std::map<GrantId, Holding> holdings_;
  std::set<GrantId> forgotten_;
};

}  // namespace distri::peer
