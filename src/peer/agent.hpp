// agent.hpp: what a peer knows, and what it has to tell. Sans-IO.
//
// A Peer decides here, and does elsewhere: whatever comes in (what the user does, what another peer asks, what was read
// in the cloud, how it went to tell something) is handed to a method; what is to be told comes out as an Errand, for
// whoever has threads, sockets and a disk: Peer::Impl, and the simulated world of the tests, with nothing in between.
//
//   const Change change = agent.withdraw(id)...;          the books change in memory
//   <change.pages of agent.books() go to the disk>
//   <change.events are posted, the caller gets his answer>
//   for (const Todo& each : agent.todo())
//     if (auto errand = agent.errand(each, ...))          nothing, while what it would say is not on the disk
//       <it is carried out>, and told() or written() hear how that went; told() may have another errand
//
// Invariants:
//   (1) an errand says what is on the disk. What could not be saved yet stays in the outbox, and is said later.
//   (2) what is to be told is in the outbox until the cloud has it, or finds out that it does; after a restart it is
//       there again: by Ledger::unfinished(), and by comparing the books with the cloud (Look).
//   (3) methods that fail have changed nothing, but where they say so.
// Threads: none; the owner serialises calls. Times: now_ms of a clock that only goes forward, wall_ms since 1970;
// randomness is passed in. Errors: those of Ledger, Holdings and Contacts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "distri/peer/errand.hpp"
#include "distri/peer/look.hpp"
#include "distri/peer/peer_books.hpp"
#include "distri/peer/peer_news.hpp"

namespace distri::peer {

// What an input has led to.
struct Change {
  std::set<Page> pages;               // to be on the disk before anything is said of them, changed by this input or not
  std::vector<PeerEvent> events;      // to be posted then
  std::vector<std::string> troubles;  // in any case
  std::vector<GrantId> ended;         // grants to this user whose pictures are to go: nothing opens them any more
  bool wake = false;                  // there is something to tell, or to look at, now
  bool fetch = false;                 // there is a picture to fetch
  void add(Change more);
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

struct AgentOptions {
  std::string name;
  bool has_cloud = true;
  std::uint32_t escrow_views = 0;
  std::int64_t poll_ms = 0, reconcile_ms = 0, retry_ms_max = 0;  // of PeerOptions
};

class Agent {
 public:
  Agent(SigningKey key, AgentOptions options, PeerBooks books);
  // From now on this user is to be found at these addresses.
  void start(std::vector<Address> addresses, std::int64_t wall_ms);

  // ---- What the user does
  struct Asked {
    GrantId id;
    Change change;
  };
  Result<Asked> request(std::uint64_t random, const PublicKey& owner, std::string resource, std::uint32_t views,
                        std::int64_t wall_ms);
  Result<Change> withdraw(const GrantId& id);
  Result<Change> approve(const GrantId& id, std::uint32_t views, Ledger::SealedImage image);
  Result<Change> refuse(const GrantId& id);
  Result<Change> change_views(const GrantId& id, std::uint32_t views);
  Result<Change> revoke(const GrantId& id);
  // kUnavailable also: what ended it is not told yet.
  Result<Change> forget(const GrantId& id);
  Result<Change> trust(std::string_view name, const PublicKey& key);
  // All pauses are over, and the cloud is to be compared.
  Change refresh();

  // ---- What he has (agent_offers.cpp)
  // Which image a request that waits is for, as it is offered. Errors: as approve(); kNotFound: it is not offered.
  Result<CatalogEntry> offered_for(const GrantId& id) const;
  struct Offered {
    Change change;
    std::vector<std::pair<std::string, Error>> left_out;  // what no record can say
  };
  // This is all there is, from now on; what was offered before, in another life as well, is gone. Without owner,
  // version and signature.
  Offered offer(const std::vector<CatalogEntry>& here, std::int64_t wall_ms);

  // ---- Other peers (agent_peers.cpp)
  struct Reply {
    Change change;
    Bytes body;
  };
  // He has called, or answered: he is there.
  Change heard_from(const PublicKey& user);
  // A request of its owner's. The grant that answers it; nothing: it waits.
  Result<Reply> on_request(const Request& request);
  // A grant, whoever has brought it.
  Result<Change> on_grant(const Grant& grant);
  // The view key.
  Result<Reply> on_view(const GrantId& id, const PublicKey& asker, const ViewId& view);
  Result<> may_fetch(const GrantId& id, const PublicKey& asker) const;
  // Where he may be; none are known.
  std::vector<Address> addresses_of(const PublicKey& user) const;

  // ---- What is to be told (agent_errands.cpp)
  // In the order in which it is told.
  std::vector<Todo> todo() const;
  // Nothing: it is not to be told any more, or not now, or not saved.
  std::optional<Errand> errand(const Todo& todo, Patience patience, std::int64_t now_ms);
  struct Told {
    Change change;
    std::optional<Errand> next;
  };
  // What another peer has answered. Precondition: errand.directly().
  Told told(const Errand& errand, const Result<Bytes>& answer, std::int64_t now_ms);
  // What the cloud has: whether it was changed. Precondition: not errand.directly().
  Change written(const Errand& errand, const Result<bool>& outcome);
  // How a call to the cloud went; kOk.
  Change note_cloud(const Error& error);
  bool is_cloud_away() const { return cloud_away_; }
  Delivery delivery(const GrantId& id) const;
  std::size_t untold() const;

  // ---- The cloud (agent_cloud.cpp)
  enum class LookDue : std::uint8_t {
    kPaused,  // it could not be read a moment ago
    kNo,      // what it has is known
    kYes,
  };
  // `told_of_changes`: streams tell of what changes there.
  LookDue is_look_due(std::int64_t now_ms, bool told_of_changes) const;
  void want_look() { look_wanted_ = true; }
  Look begin_look(std::int64_t now_ms);
  // Precondition: the records are of look.next().
  Change take(Look& look, CloudRecordList found, std::int64_t now_ms);
  // All was read; or why not.
  Change end_look(const Result<>& read, std::int64_t now_ms);
  // Records for this user that were read, or that a change stream tells of. What is known changes nothing.
  Change take(CloudRecordList found, std::int64_t now_ms);
  // All of it.
  Change take_catalog(std::vector<CatalogEntry> found);
  // Fills the escrow of grants that have changed, up to escrow_views of each. After a look.
  Change top_up_escrow();

  // ---- Views (agent_views.cpp)
  struct OneView {
    SecretBytes image_key;
    std::uint32_t serial = 0;
    bool from_escrow = false;
  };
  struct Asking {
    Change change;
    PublicKey owner;
    ViewId view;
  };
  // What to ask the owner for; `fresh`: a random id.
  Result<Asking> ask_view(const GrantId& id, const ViewId& fresh);
  struct Answered {
    Change change;
    Result<OneView> view;  // only once the change is on the disk
  };
  Answered on_view_answer(const GrantId& id, const Asking& asking, const Result<Bytes>& answer, std::int64_t now_ms);
  // The key whose taking was begun, and not ended: to be taken first.
  std::optional<ViewKey> begun(const GrantId& id) const;
  // Of the keys that were found in the cloud those that were not used here.
  std::vector<ViewKey> unused(std::vector<ViewKey> found) const;
  struct Taking {
    Change change;
    Receipt receipt;    // to be written before the key is deleted
    RequestId request;  // of all tries to delete it
  };
  // Errors: of Holdings::take().
  Result<Taking> take_key(const ViewKey& key, std::int64_t wall_ms);
  struct Taken {
    Change change;
    std::optional<OneView> view;  // only once the change is on the disk; none: somebody else was faster
  };
  Result<Taken> taken(const Receipt& receipt, bool was_there, std::int64_t wall_ms);

  // ---- Pictures (agent_views.cpp)
  // Of those whose pause is over, the one that has waited longest; none of `but`.
  std::optional<GrantId> next_picture(std::int64_t now_ms, const std::set<GrantId>& but) const;
  // kCancelled: it is not granted any more.
  Result<Holding> to_fetch(const GrantId& id) const;
  Result<Change> picture_here(const GrantId& id, const FileFacts& file);
  void picture_failed(const GrantId& id, std::int64_t now_ms);
  const std::map<GrantId, Pause>& pictures_due() const { return pictures_due_; }

  // ---- What is known
  const PublicKey& self() const { return self_; }
  const PeerBooks& books() const { return books_; }
  PeerBooks& books() { return books_; }  // to save them
  const std::map<std::string, CatalogEntry>& offers() const { return offers_; }
  const std::map<std::pair<PublicKey, std::string>, CatalogEntry>& catalog() const { return catalog_; }
  const std::optional<User>& user() const { return user_; }
  std::string name_of(const PublicKey& user) const;

 private:
  // What is to be told and was not yet, of this life.
  struct Outbox {
    // Which version the other peer was told directly; 0: none. An entry goes when the cloud has the newest.
    std::map<GrantId, std::uint64_t> requests;
    std::map<GrantId, std::uint64_t> grants;
    std::set<std::string> offers;  // names in the catalog of this user
    bool user = false;             // his record
    std::map<KeyPlace, ViewKey> place;
    // Of these, keys that may be there already, and be used: after a restart, or when placing one has failed. To place
    // one again might give its view twice. So it is taken out.
    std::set<KeyPlace> doubtful;
    std::set<KeyPlace> take_out;
    // Keys that were to be taken out and were not there, and may never have been: the next look says whether there is a
    // receipt. If there is none, nobody has had it, and another key may take its place.
    std::set<KeyPlace> absent;
    std::set<KeyPlace> withdraw;  // of keys whose receipts are to be withdrawn
  };

  // What follows from a change of an entry, or of a holding.
  Change settle(const GrantId& id, const Ledger::Effects& effects);
  Change settle_holding(const GrantId& id, bool news);
  Result<Change> settled(const GrantId& id, const Result<Ledger::Effects>& effects);
  // The same where nobody waits for the answer: an error is a trouble.
  Change settled_or_trouble(const GrantId& id, const Result<Ledger::Effects>& effects, std::string_view meaning = "");
  PeerEvent event_of(const Ledger::Event& event) const;

  bool is_paused(const PublicKey& user, std::int64_t now_ms) const;
  Change on_call(const PublicKey& user, const Result<Bytes>& answer, std::int64_t now_ms);
  std::map<GrantId, std::uint64_t>& queue_of(const Request&) { return outbox_.requests; }
  std::map<GrantId, std::uint64_t>& queue_of(const Grant&) { return outbox_.grants; }
  const Request* current(const Request& of) const;
  const Grant* current(const Grant& of) const;
  template <class Record>
  std::optional<Errand> sending(const Record* record, const GrantId& id, Patience patience, std::int64_t now_ms);
  template <class Record>
  std::optional<Errand> writing(const Record& record, bool told, Patience patience) const;
  template <class Record>
  void finish(const Record& record);
  template <class Record>
  Told told_record(const Record& record, const Errand& errand, const Result<Bytes>& answer, std::int64_t now_ms);
  const Issue* issue_of(const KeyPlace& place) const;
  std::optional<Errand> placing(const KeyPlace& place);
  std::optional<Errand> taking_out(const KeyPlace& place) const;
  std::optional<Errand> withdrawing(const KeyPlace& place);
  Change note_absent(const KeyPlace& place);
  // It is not to be placed any more; `free`: nobody has had it.
  Change give_up_placing(const KeyPlace& place, bool free);
  Change settle_absent(const std::set<KeyPlace>& absent);
  Change written_one(const User& record, const Result<bool>& outcome);
  Change written_one(const CatalogEntry& record, const Result<bool>& outcome);
  Change written_one(const ViewKey& key, const Result<bool>& outcome);
  Change written_one(const TakeOut& key, const Result<bool>& was_there);
  Change written_one(const Receipt& receipt, const Result<bool>& outcome);
  template <class Record>  // a request or grant
  Change written_one(const Record& record, const Result<bool>& outcome);

  Change take_users(const std::vector<User>& found, std::int64_t now_ms);
  void take_own_record(const User& there, std::int64_t now_ms);
  Change take_requests(const std::vector<Request>& found);
  Change take_grants(const std::vector<Grant>& found);
  Change take_receipts(const std::vector<Receipt>& found);
  // Of others.
  Change take_offers(std::vector<CatalogEntry> found);
  Change reconcile_requests(const std::vector<Request>& there);
  Change reconcile_grants(const std::vector<Grant>& there);
  void reconcile_offers(const std::vector<CatalogEntry>& there);
  std::set<KeyPlace> keys_in_escrow() const;
  Change compare_escrow(const std::set<KeyPlace>& in_escrow, const std::set<KeyPlace>& there);

  const SigningKey key_;
  const PublicKey self_;
  const AgentOptions options_;
  PeerBooks books_;
  Outbox outbox_;
  std::uint64_t life_ = 1;  // a version higher than any in the life before, without a book that says what that was
  std::vector<Address> addresses_;                                     // of this device
  std::optional<User> user_;                                           // this user's record
  std::map<std::string, CatalogEntry> offers_;                         // what he has, by name; gone ones as well
  std::map<std::pair<PublicKey, std::string>, CatalogEntry> catalog_;  // what others have, as last seen
  bool offering_ = false;
  std::set<GrantId> escrow_due_;                  // grants whose escrow may have to be filled
  std::set<KeyPlace> missing_keys_, found_keys_;  // at the last comparison with the cloud
  std::map<GrantId, Pause> pictures_due_;         // to be fetched
  std::map<PublicKey, Pause> away_;               // who could not be reached
  bool cloud_away_ = false;
  bool look_wanted_ = true;         // whatever the streams tell
  std::int64_t reconciled_ms_ = 0;  // 0: not yet
  Pause look_pause_;
  Pause user_pause_;  // of corrections to this user's record
};

}  // namespace distri::peer
