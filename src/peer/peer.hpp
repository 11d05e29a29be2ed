// peer.hpp: a user's agent: shares images with consent and a count of views. Read this header first.
//
//   auto ana = distri::peer::Peer::open(PeerOptions::of("ana", {"0.0.0.0", 4100}, {{"node1", 3000}}));
//   (*ana)->start();
//   (*ana)->publish("/home/ana/pictures");                            // ben sees what is in it, and asks
//   for (auto& each : (*ana)->pending_approvals()) (*ana)->grant_resource(each.request.id, 3);
//   ...
//   auto sent = (*ben)->request_resource("ana", "dune.png", 5);        // ben's side
//   auto seen = (*ben)->access_resource("ana", "dune.png");            // seen->image; costs one view
//
// It joins the user's books (ledger.hpp, holdings.hpp, contacts.hpp), kept in one directory, with the cloud
// (cloud_records.hpp) and with direct links to other peers. Whatever a call changes is in the book on the disk before
// anybody hears of it; so a crash at any moment gives no view twice and loses no request. Then it is told to the other
// peer directly, where he can be reached, and written to the cloud; what could not be told is tried again by the
// keeper, a thread of this object, for as long as the object lives, and after a restart. Delivery says how far it came.
//
//   cloud away       direct links work; keys in escrow cannot be taken; what is new waits here and is kept
//   other peer away  requests and answers wait in the cloud; views come from escrow, at most escrow_views of a grant
//   both away        requests, answers and withdrawals are kept here; nothing can be viewed
//
// Pictures are fetched as soon as a grant is known, so that a key from escrow opens something when the owner is away.
//
// Invariants:
//   (1) one Peer for one key and data directory: another one, of any process, gets kBusy from open().
//   (2) no call waits longer than its options say: direct_ms and cloud_ms once or a few times, fetch_ms for a picture.
// Threads: public methods from any thread; on that of events neither stop() nor the destructor, and what is not marked
// (*) holds up the events behind it. One mutex guards the books; it is not held while anything is
// read or written, or over the network. Events come one at a time, in order, on a thread of their own,
// with no lock held. Errors: those of the parts; kUnavailable after stop(). Every message says what to do.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/peer/contacts.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/peer/holdings.hpp"
#include "distri/peer/ledger.hpp"
#include "distri/peer/peer_news.hpp"
#include "distri/services/image_params.hpp"

namespace distri::peer {

struct PeerOptions {
  // What this user is called (check_user_name).
  std::string name;
  // Books, pictures and, where none is given, the key; made (mode 0700) where it is not there, in an existing
  // directory.
  std::string data_directory;
  // Who this user is. None: the key in <data_directory>/key, made there at the first time.
  std::optional<SigningKey> key;
  // Where direct links are taken; port 0: any free one. And what others are told: none: `listen` with its real port,
  // unless it is a wildcard, with which others cannot do anything: then only the cloud reaches this user.
  Address listen{"127.0.0.1", 0};
  std::vector<Address> advertised;
  // The cloud: any of its nodes. None: direct links only.
  std::vector<Address> nodes;
  // How nodes are trusted (cluster, token, trust, expected_key). With any of these, and without `tls`, the user's key
  // is shown to nodes.
  client::ClientOptions client;
  // Limits on callers; `listen` above takes the place of its own.
  DirectServerOptions server;
  // How many views of each grant are kept in the cloud for when this user is away, 0 to kEscrowMax. They are the last
  // ones to be had: who is online as well gives those that remain first.
  std::uint32_t escrow_views = 3;
  services::ImageParams::Style style = services::ImageParams::Style::kNoise;
  std::int64_t poll_ms = 1'000;        // between two looks at the cloud, while no node tells what changes there
  std::int64_t reconcile_ms = 60'000;  // between two comparisons of all that the cloud has with the books
  std::int64_t retry_ms_max = 30'000;  // the longest pause after what has failed; the first is poll_ms
  std::int64_t direct_ms = 3'000;      // for a call to another peer
  std::int64_t cloud_ms = 5'000;       // for a call to the cloud
  std::int64_t fetch_ms = 600'000;     // for a picture that access_resource() waits for
  std::function<void(const PeerEvent&)> on_event;
  Log log;

  // In a cluster without keys: data in ./distri-peer-NAME.
  static PeerOptions of(std::string identity, Address address, std::vector<Address> nodes);
};

struct Sent {
  GrantId id;  // of the request, and of its grant
  Delivery delivery = Delivery::kKeptHere;
};

struct CatalogFilter {
  std::optional<std::string> peer;  // a name or key; none: everybody but this user
  std::string name_prefix;
  std::string kind;  // "png"; empty: any
};
struct Offer {
  CatalogEntry entry;
  std::string owner_name;  // as contacts know him; his key's digits where they do not
};
struct Catalog {
  std::vector<Offer> offers;  // by owner and name
  bool current = false;       // false: the cloud cannot be reached, this is what was last seen
};

// A request to this user that waits for his answer.
struct PendingApproval {
  Request request;
  std::string from;
};
// A request of this user's and what came of it.
struct InboxEntry {
  Request request;
  Holding::State state = Holding::State::kWaiting;
  std::optional<Grant> grant;
  std::string to;
};
// An image that was granted to this user.
struct AvailableResource {
  Grant grant;
  std::string owner_name;
  std::uint32_t used = 0;  // views on this device; what remains, the owner's book says
  bool picture_here = false;
};
// An image that this user has granted.
struct SharedResource {
  Grant grant;
  std::string viewer_name;
  std::uint32_t used = 0;       // seen, as far as is known
  std::uint32_t in_escrow = 0;  // keys that lie in the cloud, as far as is known
  std::uint32_t remaining = 0;  // neither, nor on the way into the cloud or out of it
};

struct Viewed {
  Bytes image;  // the file's bytes, as its owner has them
  GrantId grant;
  std::uint32_t serial = 0;  // of the view key
  bool from_escrow = false;
};
// Why there is nothing to see.
struct NotViewed {
  enum class Why : std::uint8_t {
    kNotAsked,  // no request was made for it
    kWaiting,   // it was not answered yet
    kRefused,   // for good; so are the next two: ask anew
    kRevoked,
    kWithdrawn,  // by this user
    kUsedUp,     // all views; ask for more
    kTryAgain,   // views are left: in the cloud, on their way there or back, and none was found there now
    kAway,       // the owner cannot be reached, and nothing is in escrow, or the cloud cannot be reached either
    kFailed,     // anything else: `error`
  };
  Why why = Why::kFailed;
  Error error;
};

class Peer {
 public:
  // Reads the books. Errors: kInvalidArgument (an option), kBusy (somebody else uses the directory), kDataLoss and
  // those of BookStore, read_key_file() and net::Tls::with_key().
  static Result<std::unique_ptr<Peer>> open(PeerOptions options);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Listens, and begins to look at the cloud. Does not wait for it. Once. Errors: of DirectServer::start().
  Result<> start();
  // Ends transfers and waits for calls that are under way, within their times; lets go of the books. What was not told
  // is told after the next start. Any number of times; the destructor does it, too. Never from an event.
  void stop();

  PublicKey id() const;     // (*)
  Address address() const;  // (*) where it listens. Precondition: start() succeeded.

  // ---- Owners
  // Offers what is in a directory (published_directory.hpp), watched until stop() or another directory takes its place:
  // what appears, changes or goes is told to the cloud. Errors: of PublishedDirectory.
  Result<> publish(const std::string& directory);
  // What is there and not offered, by name, and why (*).
  std::vector<std::pair<std::string, Error>> left_out() const;
  // Answers a request with so many views, 1 to kViewsMax; 0 refuses it. The image is encrypted for it. Errors: of
  // Ledger::approve(), and of seal_image(); kNotFound: the image is not published (any more); kUnavailable: it has just
  // changed and is not in the catalog as it is now; try again.
  Result<Delivery> grant_resource(const GrantId& request, std::uint32_t views);
  // So many views in all, those included that were given; errors of Ledger::change_views().
  Result<Delivery> update_permission(const GrantId& grant, std::uint32_t views);
  Result<Delivery> revoke(const GrantId& grant);

  // ---- Viewers. `peer`: a name, a key, or the beginning of one (Contacts::find()); 64 digits need not be known.
  Result<Catalog> fetch_catalog(const CatalogFilter& filter = {});
  Result<Sent> request_resource(std::string_view peer, std::string resource, std::uint32_t views);
  // For good; also when it was granted.
  Result<Delivery> withdraw(const GrantId& request);
  // The image, for one view. Fetches its picture where it is not here, with its progress in bytes of so many, on this
  // thread. Of several grants for the image, the newest that gives a view.
  using Progress = std::function<void(std::uint64_t bytes, std::uint64_t of)>;
  std::expected<Viewed, NotViewed> access_resource(std::string_view peer, std::string_view resource,
                                                   const Progress& progress = nullptr);
  // The same of one grant.
  std::expected<Viewed, NotViewed> access_grant(const GrantId& grant, const Progress& progress = nullptr);

  // ---- Both: puts an ended request away, for good, in this book: one to this user (Ledger::forget()) or by him
  // (Holdings::forget()). kUnavailable also: what ended it is not told yet.
  Result<> forget(const GrantId& request);

  // ---- Lists, as they are now (*)
  std::vector<PendingApproval> pending_approvals() const;
  std::vector<InboxEntry> inbox() const;
  std::vector<AvailableResource> available() const;
  std::vector<SharedResource> shared() const;
  std::vector<CatalogEntry> offers() const;  // of this user, by name
  std::vector<Contact> contacts() const;
  // From now on the name stands for this key (Contacts::trust()).
  Result<> trust(std::string_view name, const PublicKey& key);

  Standing standing() const;  // (*)
  // How far the newest has come that this user says of a request, or answers to one (*).
  Delivery delivery(const GrantId& id) const;

  // Has the keeper look at the cloud and try all that waits now, whatever pauses it is in (*).
  void refresh();

 private:
  struct Impl;
  explicit Peer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::peer
