#include "distri/cloud/request_memory.hpp"

#include <utility>

#include "distri/utils/check.hpp"

namespace distri::cloud {
namespace {

std::size_t kept_bytes(const Result<Bytes>& result) {
  return result ? result->size() : result.error().message.size();
}

bool is_execution(const Result<Bytes>& result) {
  if (result) return true;
  switch (result.error().code) {
    case Code::kBusy:
    case Code::kUnavailable:
    case Code::kBehind:
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kStorageFull:
    case Code::kStorageFailed:
    case Code::kMemoryFull:
      return false;
    default:
      return true;
  }
}

}  // namespace

RequestMemory::Entry* RequestMemory::find(const RequestId& id) {
  if (const auto at = running_.find(id); at != running_.end()) return &at->second;
  return finished_.find(id);
}

void RequestMemory::begin(const RequestId& id) {
  const bool fresh = running_.try_emplace(id).second;
  DISTRI_CHECK(fresh);
}

std::vector<std::shared_ptr<Request>> RequestMemory::finish(const RequestId& id, const Result<Bytes>& result,
                                                            std::uint64_t written, std::int64_t now_ms) {
  const auto at = running_.find(id);
  if (at == running_.end()) {
    DISTRI_CHECK(finished_.find(id) == nullptr);
    return {};
  }
  auto waiters = std::exchange(at->second.waiters, {});
  running_.erase(at);
  if (!is_execution(result)) return waiters;
  Entry& entry = finished_[id];
  entry.finished = true;
  entry.written = written;
  entry.finished_ms = now_ms;
  if (kept_bytes(result) > bytes_max_ / 8) {
    entry.result = fail(Code::kIndeterminate, "this request was executed before; its reply of {} bytes was not kept",
                        kept_bytes(result));
  } else {
    entry.result = result;
  }
  bytes_ += kept_bytes(entry.result);
  while (finished_.size() > entries_max_ || bytes_ > bytes_max_) drop_oldest();
  return waiters;
}

void RequestMemory::forget_older(std::int64_t before_ms) {
  while (!finished_.empty() && finished_.oldest().finished_ms < before_ms) drop_oldest();
}

void RequestMemory::drop_oldest() {
  bytes_ -= kept_bytes(finished_.oldest().result);
  finished_.drop_oldest();
}

}  // namespace distri::cloud
