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
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

void RequestMemory::begin(const RequestId& id) {
  const bool fresh = entries_.try_emplace(id).second;
  DISTRI_CHECK(fresh);
}

std::vector<std::shared_ptr<Request>> RequestMemory::finish(const RequestId& id, const Result<Bytes>& result,
                                                            std::uint64_t written) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return {};
  DISTRI_CHECK(!it->second.finished);
  auto waiters = std::exchange(it->second.waiters, {});
  if (!is_execution(result)) {
    entries_.erase(it);
    return waiters;
  }
  it->second.finished = true;
  it->second.written = written;
  if (kept_bytes(result) > bytes_max_ / 8) {
    it->second.result =
        fail(Code::kIndeterminate, "this request was executed before; its reply of {} bytes was not kept",
             kept_bytes(result));
  } else {
    it->second.result = result;
  }
  bytes_ += kept_bytes(it->second.result);
  finished_order_.push_back(id);
  evict();
  return waiters;
}

void RequestMemory::evict() {
  while (finished_order_.size() > entries_max_ || bytes_ > bytes_max_) {
    const auto it = entries_.find(finished_order_.front());
    DISTRI_CHECK(it != entries_.end());
    bytes_ -= kept_bytes(it->second.result);
    entries_.erase(it);
    finished_order_.pop_front();
  }
}

}  // namespace distri::cloud
