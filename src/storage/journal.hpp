// journal.hpp: where a node's state outlives the process: an ordered map of bytes to bytes that changes in atomic
// batches.
//
// The owner writes batches, syncs now and then (many batches, one sync: group commit) and may tell others that
// something is durable only after sync() has returned:
//
//   for (const auto& batch : queued) journal.write(batch);
//   journal.sync();
//   report(everything queued);
//   journal.idle();
//
// Invariants:
//   (1) After a crash the journal holds a prefix of the batches written, each wholly or not at all, and at least those
//   that were synced. (2) A failed write() changes nothing; it may be tried again.
// Threads: one caller at a time, but backup(), which any thread may call beside it.
// Errors: kStorageFull: no room (later calls may work again); kDataLoss: what is stored fails its check;
// kStorageFailed: anything else the disk says.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri::storage {

// Key, which is not empty, and value; nullopt erases the key.
using Change = std::pair<Bytes, std::optional<Bytes>>;
using Visit = std::function<Result<>(BytesView key, BytesView value)>;

class Journal {
 public:
  virtual ~Journal() = default;

  // One atomic batch, ordered after all earlier ones. A key occurs at most once in it.
  virtual Result<> write(const std::vector<Change>& changes) = 0;
  // Everything written before is durable when this returns without error.
  virtual Result<> sync() = 0;
  // Nobody waits now: time for work that was put off. May be left out; what goes wrong in it shows in a later call.
  virtual void idle() {}
  // Visits all records in the order of their keys, as bytes compare. An error of `visit` ends it and is returned.
  virtual Result<> load(const Visit& visit) = 0;
  // A consistent copy of everything written so far, in a new directory, which open() of the same kind accepts.
  // kAlreadyExists when there is something at `directory`.
  virtual Result<> backup(const std::string& directory) = 0;
};

}  // namespace distri::storage
