// peer_impl.hpp: what a Peer consists of. Private to the module.
//
//   agent.hpp           what it knows, and what it has to tell: every decision
//   peer.cpp            opening, starting, stopping
//   peer_calls.cpp      calls that change a book and tell others
//   peer_lists.cpp      what the books say, for users; and what follows from a change of them
//   peer_saving.cpp     books on their way to the disk
//   peer_outbox.cpp     errands: telling the other peer directly, and the cloud
//   peer_cloud.cpp      the keeper: reads what others write in the cloud, and goes on with what is to be told
//   peer_services.cpp   what other peers may ask
//   peer_pictures.cpp   the pictures of grants
//   peer_views.cpp      views
//   peer_publish.cpp    the published directory, and answers that take a file out of it
//
// How every change goes: with the mutex held the agent takes what came in, settle() waits until what that changed is on
// the disk, and then events are posted and answers given. What is to be told is an errand of the agent's, which has
// none of what is not saved.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "distri/peer/agent.hpp"
#include "distri/peer/blob_directory.hpp"
#include "distri/peer/cloud_records.hpp"
#include "distri/peer/cloud_watch.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/peer.hpp"
#include "distri/peer/peer_events.hpp"
#include "distri/peer/published_directory.hpp"
#include "distri/utils/clock.hpp"

namespace distri::peer {

// What other peers ask (peer_services.cpp).
inline constexpr std::string_view kRequestService = "PeerRequest";
inline constexpr std::string_view kGrantService = "PeerGrant";
inline constexpr std::string_view kViewService = "PeerView";
inline constexpr std::string_view kFetchService = "PeerFetch";

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

struct Peer::Impl {
  Impl(PeerOptions its_options, SigningKey its_key, BookStore its_store, PeerBooks its_books, BlobDirectory its_given,
       BlobDirectory its_received);

  using Lock = std::unique_lock<std::mutex>;

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
  std::vector<Address> addresses_to_tell() const;
  // What an owner decides, which is then told. `decide`: gives a Result<Change>; with the mutex held.
  template <class Decide>
  Result<Delivery> answer(const GrantId& id, Decide decide);
  // What follows from a change; its events are posted when it is on the disk.
  void note(Change change);
  // The same, and until it is there: keep(), of each of its pages.
  Result<> settle(Lock& lock, Change change);
  // An error is reported.
  void settle_or_trouble(Lock& lock, Change change);
  void trouble(const std::string& text);
  Result<PublicKey> resolve(std::string_view peer) const;
  void wake_keeper();

  // ---- peer_saving.cpp
  // Until the page is on the disk as the book has it then. The lock is held again when it returns, also with an error
  // (kStorageFull, kStorageFailed; kUnavailable after stop()): the page stays unsaved, and is tried again by whoever
  // wants to say something of it.
  Result<> keep(Lock& lock, const Page& page);
  // All that is unsaved now. An error is reported, not returned.
  void keep_all(Lock& lock);
  Result<> save_books(Lock& lock);

  // ---- peer_outbox.cpp
  Delivery send_request(const GrantId& id);
  Delivery send_grant(const GrantId& id);
  Delivery carry_out(const Todo& todo, Patience patience);
  void send_all();
  Result<Bytes> ask_peer(const PublicKey& user, const std::vector<Address>& at, std::string_view service,
                         const nlohmann::json& params, BytesView body);
  Result<Bytes> tell(const Errand& errand);
  CloudRecords cloud();
  Result<bool> write(const Errand& errand);
  bool has_cloud() const { return client.has_value(); }
  bool is_cloud_away() const;
  // Remembers whether nodes could be reached, and tells when that changes.
  template <class T>
  Result<T> noted(Result<T> result) {
    note_cloud(result ? Error{Code::kOk, ""} : result.error());
    return result;
  }
  void note_cloud(const Error& error);

  // ---- peer_cloud.cpp
  void keep();
  bool look_at_cloud();
  Result<> prepare_cloud();
  Result<> read_cloud(Look& look);
  Result<CloudRecordList> read_records(Reading reading);
  CloudWatch::Listener cloud_listener();
  // One record that a change stream tells of.
  void take_change(std::string_view collection, bson::View record);
  void take_records(CloudRecordList records);

  // ---- peer_services.cpp
  Result<> serve();
  void heard_from(const PublicKey& caller);
  Result<Bytes> on_request(const DirectRequest& ask);
  Result<Bytes> on_grant(const DirectRequest& ask);
  Result<Bytes> on_view(const DirectRequest& ask);
  Result<Producer> on_fetch(const DirectRequest& ask);

  // ---- peer_views.cpp, peer_pictures.cpp
  std::expected<Viewed, NotViewed> access(const GrantId& id, const Progress& progress);
  std::expected<Viewed, NotViewed> access_any(const PublicKey& owner, std::string_view resource,
                                              const Progress& progress);
  Result<std::vector<Address>> where(const PublicKey& user) const;
  Result<Agent::OneView> view_online(const GrantId& id);
  // No key and no error: nothing is there.
  Result<std::optional<Agent::OneView>> view_from_escrow(const GrantId& id);
  Result<std::optional<Agent::OneView>> take_key(const ViewKey& key);
  std::expected<Agent::OneView, NotViewed> view_key(const GrantId& id);
  std::expected<Agent::OneView, NotViewed> look_for_view_key(const GrantId& id);
  Result<> fetch_picture(const GrantId& id, std::int64_t timeout_ms, const Progress& progress);
  void fetch_pictures();
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
  Agent agent;
  std::optional<BookStore> store;  // used without the mutex by whoever has set `saving`; none after stop()
  bool saving = false;
  std::condition_variable saved;    // not saving
  std::vector<PeerEvent> unposted;  // of changes that are unsaved
  std::vector<std::pair<std::string, Error>> left_out;
  std::shared_ptr<PublishedDirectory> published;
  std::set<GrantId> being_fetched;  // pictures, by a fetcher
  bool awake = false;               // the keeper is to go on at once
  std::condition_variable changed;  // awake, pictures_due, calls, stopping
  std::size_t calls = 0;
  bool started = false;
  std::atomic<bool> stopping = false;
  bool prepared = false;
  bool cloud_read = false;   // in the last of the keeper's rounds
  std::uint64_t rounds = 0;  // of the keeper
  std::mutex publish_mutex;  // of publish(), stop()
  std::atomic<bool> watching = false;
  std::thread keeper, watcher;
  // While the disk syncs what one has fetched, the others go on.
  static constexpr std::size_t kFetchers = 4;
  std::array<std::thread, kFetchers> fetchers;
};

}  // namespace distri::peer
