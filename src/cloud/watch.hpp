// watch.hpp: one request of the service Watch: what it asks for, and where its stream of changes stands.
//
// The reply is a stream of pages, each a document {"events": [...], "token": "..."}: in JSON one a line, in BSON one
// behind the other. The last one has "end", and says why. A watcher that does not read holds one page and its place in
// the op log (replication/change_feed.hpp), nothing else.
// Threads: the main thread. Errors: kInvalidArgument names the parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "distri/replication/change_feed.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

struct Watch {
  replication::ChangeFeed::Query query;
  std::optional<replication::VersionVector> after;  // none: from now on

  // ---- Once it has begun.
  std::optional<replication::ChangeFeed::Reader> reader;
  bool moved = false;             // the token is newer than the last one that was sent
  std::int64_t looked_ns = 0;     // when its last page was made, or looked for in vain
  Bytes page;                     // waits until what it shows is durable
  std::uint64_t page_commit = 0;  // by this commit
  std::uint64_t page_events = 0;
};

// For Stats.
struct WatchCounters {
  std::uint64_t events = 0;
  std::uint64_t pages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t history_lost = 0;
};

// `target`: the collection; empty: the whole node. `now_ms`: what $$NOW is.
Result<Watch> parse_watch(std::string_view target, BytesView params, wire::Format format, std::int64_t now_ms);

// `end`: why there will be no more; empty: there will.
Bytes render_watch_page(const std::vector<bson::Document>& events, std::string_view token, std::string_view end,
                        wire::Format format);

}  // namespace distri::cloud
