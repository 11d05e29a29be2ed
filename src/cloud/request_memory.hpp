// request_memory.hpp: which request ids this node has executed, and what came out, so that a retry is answered instead
// of repeated.
//
// An id is begun when its execution starts and finished with the result. A second request of the same id waits for the
// first, or gets its result. Memory is bounded by entries and bytes of kept replies; the oldest finished entries go
// first. A reply too large to keep (over an eighth of the byte budget) is not kept: its retry is answered
// kIndeterminate, which is the truth. Results may also be forgotten by their age. Threads: the main thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "distri/utils/ids.hpp"
#include "distri/utils/recent_map.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

struct Request;

class RequestMemory {
 public:
  struct Entry {
    bool finished = false;
    Result<Bytes> result;
    std::uint64_t written = 0;  // newest own write when it was done; a retry waits for that one, too
    std::int64_t finished_ms = 0;
    std::vector<std::shared_ptr<Request>> waiters;  // while not finished
  };

  RequestMemory(std::size_t entries_max, std::size_t bytes_max) : entries_max_(entries_max), bytes_max_(bytes_max) {}

  // nullptr: never seen, or forgotten. Valid until the next call.
  Entry* find(const RequestId& id);
  // Precondition: not known yet.
  void begin(const RequestId& id);
  // Keeps the result and hands out those who waited for it. kBusy, kUnavailable, kCancelled, kDeadlineExceeded and
  // those of the disk are not results of an execution: the id is forgotten, so that a retry may execute.
  std::vector<std::shared_ptr<Request>> finish(const RequestId& id, const Result<Bytes>& result,
                                               std::uint64_t written = 0, std::int64_t now_ms = 0);
  // Those that were finished before that time.
  void forget_older(std::int64_t before_ms);

  std::size_t size() const { return running_.size() + finished_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  void drop_oldest();

  const std::size_t entries_max_;
  const std::size_t bytes_max_;
  absl::flat_hash_map<RequestId, Entry> running_;
  RecentMap<RequestId, Entry> finished_;
  std::size_t bytes_ = 0;
};

}  // namespace distri::cloud
