// change_stream.hpp: the changes of a collection or of all, one by one, whichever node tells them.
//
//   auto changes = client.collection("photos").watch();            // Result<ChangeStream>
//   while (auto change = changes->next(60'000)) {                    // Result<std::optional<json>>
//     if (*change) show((**change)["operationType"], (**change)["documentKey"]);
//   }
//
// Events are documents in the form of MongoDB's change events (docs/documents.md). The stream is renewed by itself when
// it ends, and goes on at another node with its token when its node goes: every change is given once. What ends it is
// an error of next(): kInvalidArgument with "ChangeStreamHistoryLost (286)" means that no node has all changes after
// the token any more, so the caller reads the documents again and begins anew.
//
// Memory: one flow-control window and one page of events. Who does not call next() costs the node no more.
// Threads: one at a time, never the runtime's. A stream must not outlive its Client.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "distri/utils/result.hpp"

namespace distri::client {

class Client;

struct WatchOptions {
  nlohmann::json filter = nullptr;    // MongoDB's query language, on the event; like every parameter at most 64 KiB
  bool update_lookup = false;         // updates come with "fullDocument": the document as the node holds it then
  std::string resume_after;           // a token; empty: from now on
  std::uint64_t page_events = 1'000;  // 1 to 10000; with 1 there is a token behind every event
  std::int64_t timeout_ms = 30'000;   // for watch(): until a node has begun to tell
  std::int64_t stream_ms = 600'000;   // of one request; it is renewed then
};

class ChangeStream {
 public:
  ~ChangeStream();
  ChangeStream(ChangeStream&&) noexcept;
  ChangeStream& operator=(ChangeStream&&) noexcept;

  // The next change; nullopt: none came within timeout_ms (also while no node can be reached: trouble() tells).
  // An error ends it, but for kDeadlineExceeded: no node has begun to tell for stream_ms; call again to go on trying.
  Result<std::optional<nlohmann::json>> next(std::int64_t timeout_ms);
  // For WatchOptions::resume_after, here or in another process. It covers all pages that next() has given to the end:
  // inside a page it is the one before, and events of that page come again.
  const std::string& token() const;
  // Why nothing comes; empty: a node is telling.
  const std::string& trouble() const;

 private:
  friend class Client;  // whose Impl makes it
  struct Impl;
  explicit ChangeStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::client
