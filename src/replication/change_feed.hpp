// change_feed.hpp: what has changed in a replica, for whoever wants to follow it: the op log, read as change events.
//
// A Reader is a place in the log and a version vector of what it has seen; nothing is kept for it, so a slow one costs
// no memory. When the log has dropped what a Reader still needs, or documents have changed in a way that no log tells
// (states taken over from a peer), it is told so and ends: it never skips anything in silence.
//
// The vector as text is the resume token (resume_token.hpp). It names what was seen and no place, so another node
// understands it, although its log has another order: there the reader is shown what its vector does not cover, in that
// node's order, which is causal. That log may hold a write that is older than, and lost to, one that the reader has
// seen already elsewhere. Shown as a change it would turn a copy of the documents back. So in the stretch of the log up
// to the last write that the reader has seen (the mixed stretch), every write is compared with what took its place: if
// the reader has seen that, it is left out, and shown as a conflict if it is one. So is what ended by a delete or a
// drop of that stretch which the reader has seen, even if another one, which it has not seen, has ended it once more
// since: that one may have found nothing to end where the reader goes next, and is not shown there.
//
//   ChangeFeed feed(replica);
//   if (feed.ready(token)) {
//     auto reader = feed.open({.collection = "photos"}, token);
//     auto page = feed.next(*reader, 1u << 20);   // again when the replica's log or durable() has advanced, or
//     page.more deliver(page->events, feed.token(*reader));
//   }
//
// Only durable changes are shown: nobody is told what a crash would take back. Documents that are looked up are as they
// are now; page.commit says which commit must be durable before such a page is given away.
//
// Invariants: (1) Reader::seen() never shrinks, and covers an event's write when its page has been made. (2) of one
// reader no write is shown twice.
// Threads: none; the replica's. Errors: open() and next().
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/db/filter.hpp"
#include "distri/replication/effect.hpp"
#include "distri/replication/op.hpp"
#include "distri/replication/replica.hpp"

namespace distri::replication {

// What every error of a reader that has missed something begins with.
inline constexpr std::string_view kHistoryLost = "ChangeStreamHistoryLost (286)";

class ChangeFeed {
 public:
  struct Query {
    std::string collection;              // empty: all, but not distri's own
    std::optional<db::Filter> filter;    // on the event
    bool lookup = false;                 // updates come with the whole document, as it is when they are read
    std::size_t events_max = 1'000;      // of a page
    std::size_t bytes_max = 256u << 10;  // of a page, about; one event may be larger
  };

  class Reader {
   public:
    const VersionVector& seen() const { return seen_; }

   private:
    friend class ChangeFeed;
    // What deletes and drops of the mixed stretch have ended that the reader has seen: generations up to these stamps.
    struct Ends {
      absl::flat_hash_map<std::string, Stamp> drops;                                // by collection
      absl::flat_hash_map<std::string, absl::flat_hash_map<Bytes, Stamp>> deletes;  // and by key
      std::uint64_t position = 0;                                                   // gathered up to here

      bool cover(const Op& op, const Stamp& generation) const;
    };
    Query query_;
    VersionVector seen_;
    // In the mixed stretch: where it started from.
    std::optional<VersionVector> start_;
    Ends ends_;
    // It has had a mixed stretch. What was shown in it was judged by the documents as they are, so it may have ended
    // by a write behind the stretch, which this node had nothing to end with.
    bool mixed_ = false;
    std::uint64_t mixed_end_ = 0;  // position
    std::uint64_t position_ = 0;
    std::uint64_t epoch_ = 0;
  };

  struct Page {
    std::vector<bson::Document> events;
    std::uint64_t commit = 0;  // to be durable first; 0: none
    bool more = false;         // it ended at a limit
    bool moved = false;        // the token is another one than before
    std::size_t work = 0;      // bytes of the log that were looked at
  };

  explicit ChangeFeed(const Replica& replica) : replica_(replica) {}

  // This node has everything that the token names (or knows that what it lacks is lost for good, which open() says), so
  // open() makes sense. nullopt: from now on.
  bool ready(const std::optional<VersionVector>& after) const;
  // Precondition: ready(after). kInvalidArgument: kHistoryLost, or a token that names writes which this very node never
  // made.
  Result<Reader> open(Query query, const std::optional<VersionVector>& after) const;
  // What comes next, after looking at about `work_bytes` of the log. kInvalidArgument: kHistoryLost; or the filter
  // failed on an event. The reader has ended then.
  Result<Page> next(Reader& reader, std::size_t work_bytes);
  std::string token(const Reader& reader) const;
  // Grows when there is more to read, once it is durable.
  std::uint64_t end() const;

 private:
  struct Decoded {
    Batch batch;
    std::vector<Effect> effects;
  };
  struct Slot {
    std::uint64_t position = 0;
    std::shared_ptr<const Decoded> decoded;
  };
  struct Hidden {
    bool all = false;
    std::vector<std::string_view> fields;
  };

  Result<> check_history(Reader& reader) const;
  Result<> gather_ends(Reader& reader, std::size_t work_bytes, Page& page);
  Result<std::shared_ptr<const Decoded>> decoded(std::uint64_t position);
  Result<> show(const Reader& reader, const Decoded& from, std::size_t index, Page& page) const;
  Result<> show_conflict(const Reader& reader, const std::string& collection, const Effect::Lost& lost,
                         Page& page) const;
  Result<> add(const Reader& reader, bson::Document event, Page& page) const;
  Hidden hidden_from(const Reader& reader, const Op& op, const Dot& dot) const;
  bool wanted(const Query& query, const Op& op) const;

  const Replica& replica_;
  // The newest small batches that were read: many readers read the same ones.
  static constexpr std::size_t kSlots = 16;
  std::array<Slot, kSlots> slots_;
};

}  // namespace distri::replication
