// peer_impl.hpp: what a Peer consists of. Private to the module.
//
//   peer.cpp            opening, starting, stopping
//   peer_calls.cpp      calls that change a book and tell others
//   peer_lists.cpp      what the books say, for users; and what follows from a change of them
//   peer_outbox.cpp     what is to be told: to the other peer directly, and to the cloud
//   peer_escrow.cpp     view keys on their way into the cloud and out of it
//   peer_cloud.cpp      the keeper: knows what others write in the cloud, and goes on with what is to be told
//   peer_reconcile.cpp  what the cloud lacks of the books
//   peer_services.cpp   what other peers may ask
//   peer_pictures.cpp   grants that come, and their pictures
//   peer_views.cpp      views
//   peer_publish.cpp    the published directory and the catalog
//
//   peer_saving.cpp     books on their way to the disk
//
// How every change goes: with the mutex held the book changes in memory, and what follows goes into the Outbox
// (settle_locked(), settle_holding_locked()). Then keep() waits until its entry is on the disk, with the mutex given
// free; all that changes meanwhile goes there with the next sync. What is said then is read from the book again, after
// keep(): so nothing is said that is not on the disk. Names end with _locked where the mutex is held.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "distri/peer/blob_directory.hpp"
#include "distri/peer/cloud_records.hpp"
#include "distri/peer/cloud_watch.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/peer.hpp"
#include "distri/peer/peer_books.hpp"
#include "distri/peer/peer_events.hpp"
#include "distri/peer/published_directory.hpp"
#include "distri/utils/clock.hpp"

namespace distri::peer {

// What other peers ask (peer_services.cpp).
inline constexpr std::string_view kRequestService = "PeerRequest";
inline constexpr std::string_view kGrantService = "PeerGrant";
inline constexpr std::string_view kViewService = "PeerView";
inline constexpr std::string_view kFetchService = "PeerFetch";

// What is to be told and was not yet, of this life. After a restart the keeper finds it again, by comparing the books
// with the cloud, and by Ledger::unfinished().
struct Outbox {
  // Which version the other peer was told directly; 0: none. An entry goes when the cloud has the newest.
  std::map<GrantId, std::uint64_t> requests;
  std::map<GrantId, std::uint64_t> grants;
  std::set<std::string> offers;  // names in the catalog of this user
  bool user = false;             // his record
  std::map<std::pair<GrantId, std::uint32_t>, ViewKey> place;
  std::set<std::pair<GrantId, std::uint32_t>> take_out;
  std::vector<Receipt> unwritten;  // receipts to be removed: somebody else had the key
};

// A view key, by its grant and serial.
using KeyPlace = std::pair<GrantId, std::uint32_t>;

// One at a time for each grant.
class GrantTurns {
 public:
  class Turn {
   public:
    Turn(GrantTurns& turns, const GrantId& id) : turns_(&turns), id_(id) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), id_(other.id_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    GrantTurns* turns_;
    GrantId id_;
  };
  // kDeadlineExceeded.
  Result<Turn> wait(const GrantId& id, std::int64_t timeout_ms);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<GrantId> taken_;
};

// Growing pauses for what has failed.
struct Pause {
  std::int64_t until_ms = 0;
  std::int64_t length_ms = 0;
  void grow(std::int64_t now_ms, std::int64_t first_ms, std::int64_t max_ms) {
    length_ms = std::min(length_ms == 0 ? first_ms : 2 * length_ms, max_ms);
    until_ms = now_ms + length_ms;
  }
};

// Whether an error is what the other peer has answered, and not that he could not be asked.
bool is_answer(const Error& error);
// That nodes cannot be reached, or cannot serve now.
bool is_away(const Error& error);

struct Peer::Impl {
  Impl(PeerOptions its_options, SigningKey its_key, BookStore its_store, PeerBooks its_books, BlobDirectory its_given,
       BlobDirectory its_received);

  // ---- peer.cpp, peer_calls.cpp, peer_lists.cpp
  // Removes the pictures of grants that have ended.
  Result<> sweep();
  Result<> start();
  void stop();
  // Every public call that may wait holds one of these; stop() waits for them.
  class Call {
   public:
    explicit Call(Impl& impl);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    explicit operator bool() const { return admitted_; }

   private:
    Impl& impl_;
    bool admitted_;
  };
  static Error stopped();
  // What an owner's call does to the ledger, and then tells.
  template <class Change>
  Result<Delivery> answer(const GrantId& id, Change change);
  // What follows from a change of an entry. Its events are posted when it is on the disk.
  void settle_locked(const GrantId& id, const Ledger::Effects& effects);
  // An error is reported, with what it means.
  void settle_locked(const GrantId& id, const Result<Ledger::Effects>& effects, std::string_view meaning = "");
  PeerEvent event_locked(const Ledger::Event& event) const;
  void trouble(const std::string& text);
  std::string name_of_locked(const PublicKey& user) const;
  Result<PublicKey> resolve(std::string_view peer) const;
  void wake_keeper();
  void look_after_locked(const Contacts::Seen& seen);

  // ---- peer_saving.cpp
  using Lock = std::unique_lock<std::mutex>;
  // Until the page is on the disk as the book has it then. The lock is held again when it returns, also with an error
  // (kStorageFull, kStorageFailed; kUnavailable after stop()): the page stays unsaved, and is tried again by whoever
  // wants to say something of it.
  Result<> keep(Lock& lock, const Page& page);
  // All that is unsaved now. An error is reported, not returned.
  void keep_all(Lock& lock);
  Result<> save_books(Lock& lock);

  // ---- peer_outbox.cpp
  enum class Patience : std::uint8_t {
    kUser,    // tries whoever may not be there; does not write to the cloud what was told directly
    kKeeper,  // leaves alone who was not there a moment ago
  };
  Delivery send_request(const GrantId& id, Patience patience);
  Delivery send_grant(const GrantId& id, Patience patience);
  template <class Record>
  Delivery send(const GrantId& id, Patience patience);
  void send_all(bool receipts_read);
  void send_offers();
  // A call to another peer, at the addresses that contacts know.
  Result<PeerAt> where(const PublicKey& user) const;
  Result<Bytes> ask_peer(const PublicKey& user, std::string_view service, const nlohmann::json& params, BytesView body);
  // He has called, or answered: he is there.
  void heard_from(const PublicKey& user);
  bool is_paused(const PublicKey& user) const;

  // ---- peer_escrow.cpp
  // Keeps options.escrow_views of each grant in the cloud.
  void top_up_escrow_locked();
  void place_view_keys();
  void take_out_view_keys();
  void remove_receipts();
  // What differs between the escrow of the book and that of the cloud. `in_escrow`: by the book, before `there` was
  // read.
  std::set<KeyPlace> keys_in_escrow() const;
  void compare_escrow(const std::set<KeyPlace>& in_escrow, const std::set<KeyPlace>& there);

  // ---- peer_cloud.cpp, peer_reconcile.cpp
  CloudRecords cloud();
  bool has_cloud() const { return client.has_value(); }
  // Remembers whether nodes could be reached, and tells when that changes.
  template <class T>
  Result<T> noted(Result<T> result) {
    note_cloud(result ? Error{Code::kOk, ""} : result.error());
    return result;
  }
  void note_cloud(const Error& error);
  void keep();
  bool look_at_cloud();
  bool is_look_due_locked() const;
  CloudWatch::Listener cloud_listener();
  // One record that a change stream tells of.
  void take_change(std::string_view collection, bson::View record);
  Result<> prepare_cloud();
  Result<> read_cloud();
  Result<> reconcile();
  void reconcile_offers_locked(const std::vector<CatalogEntry>& there);
  void take_users(const Found<User>& found);
  void take_own_record_locked(const User& there);
  void take_catalog(Found<CatalogEntry> found);
  // Another user's. True when it is news.
  bool take_offer_locked(CatalogEntry entry);
  void post_catalog_changed();
  void take_requests(const Found<Request>& found);
  void take_receipts(const Found<Receipt>& found);
  void take_grants(const Found<Grant>& found);
  void make_user_record_locked();

  // ---- peer_services.cpp
  Result<> serve();
  Result<Bytes> on_request(const DirectRequest& ask);
  Result<Bytes> on_grant(const DirectRequest& ask);
  Result<Bytes> on_view(const DirectRequest& ask);
  Result<Producer> on_fetch(const DirectRequest& ask);

  // ---- peer_views.cpp, peer_pictures.cpp
  std::expected<Viewed, NotViewed> access(const GrantId& id, const Progress& progress);
  std::expected<Viewed, NotViewed> access_any(const PublicKey& owner, std::string_view resource,
                                              const Progress& progress);
  struct OneView {
    SecretBytes image_key;
    std::uint32_t serial = 0;
    bool from_escrow = false;
  };
  Result<OneView> view_online(const GrantId& id);
  // No key and no error: nothing is there.
  Result<std::optional<OneView>> view_from_escrow(const GrantId& id);
  Result<std::optional<OneView>> take_key(const ViewKey& key);
  std::expected<OneView, NotViewed> view_key(const GrantId& id);
  std::expected<OneView, NotViewed> look_for_view_key(const GrantId& id);
  Result<> fetch_picture(const GrantId& id, std::int64_t timeout_ms, const Progress& progress);
  // What came from a grant's owner, or the cloud. Errors: of Holdings::on_grant().
  Result<> take_grant(const Grant& grant);
  void fetch_pictures();
  std::optional<GrantId> next_picture_locked() const;
  Result<Bytes> picture_of(const GrantId& id, const FileFacts& file, const Progress& progress);

  // ---- peer_publish.cpp
  Result<> publish(const std::string& directory);
  void offer(const PublishedDirectory::Scan& scan);
  void watch_directory();
  void stop_watching();
  Result<Delivery> approve(const GrantId& id, std::uint32_t views);

  // ---- Set once
  const PeerOptions options;
  const SigningKey key;
  const PublicKey self;
  const BlobDirectory given;     // sealed pictures of my grants
  const BlobDirectory received;  // and of those to me
  const SystemClock clock;
  std::optional<client::Client> client;  // none: no nodes
  std::optional<CloudWatch> watch;       // the same
  std::unique_ptr<DirectClient> direct;
  std::unique_ptr<DirectServer> server;
  PeerEvents events;
  GrantTurns viewing, fetching, granting;

  // ---- Guarded by the mutex
  mutable std::mutex mutex;
  std::optional<BookStore> store;  // used without the mutex by whoever has set `saving`; none after stop()
  PeerBooks books;
  bool saving = false;
  std::condition_variable saved;    // not saving
  std::vector<PeerEvent> unposted;  // of changes that are unsaved
  Outbox outbox;
  std::optional<User> user;                                           // this user's record
  std::map<std::string, CatalogEntry> offers;                         // what this user has, by name; gone ones as well
  std::map<std::pair<PublicKey, std::string>, CatalogEntry> catalog;  // what others have, as last seen
  std::vector<std::pair<std::string, Error>> left_out;
  std::shared_ptr<PublishedDirectory> published;
  std::set<GrantId> escrow_due;                 // grants whose escrow may have to be filled
  std::set<KeyPlace> missing_keys, found_keys;  // at the last comparison with the cloud
  std::map<GrantId, Pause> pictures_due;        // to be fetched
  std::set<GrantId> being_fetched;              // of these, by a fetcher
  std::map<PublicKey, Pause> away;              // who could not be reached
  bool awake = false;                           // the keeper is to go on at once
  bool look_wanted = true;                      // and to look at the cloud, whatever the streams tell
  std::condition_variable changed;              // awake, pictures_due, calls, stopping
  std::size_t calls = 0;
  bool started = false;
  std::atomic<bool> stopping = false;
  std::atomic<bool> cloud_away = false;
  Pause cloud_pause;  // the keeper's
  Pause user_pause;   // of corrections to this user's record
  bool prepared = false;
  bool cloud_read = false;         // in the last of the keeper's rounds
  std::uint64_t rounds = 0;        // of the keeper
  std::int64_t reconciled_ms = 0;  // 0: not yet
  std::mutex publish_mutex;        // of publish(), stop()
  std::atomic<bool> watching = false;
  std::thread keeper, watcher;
  // While the disk syncs what one has fetched, the others go on.
  static constexpr std::size_t kFetchers = 4;
  std::array<std::thread, kFetchers> fetchers;
};

}  // namespace distri::peer
