// write_concern.hpp: how many members must hold a write before it is acknowledged, and who waits for that.
//
// The parameter "w" of every write service: 1 (this node), a number of members, "majority", "all". Members are those
// configured, not those connected. A member holds a write when it is durable there, as its own mode says.
// Threads: the main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

struct Request;

struct WriteConcern {
  std::uint32_t needed = 1;
  bool by_name = false;  // "majority" or "all"
  bool all = false;

  // "w=2", "w=majority", "w=all".
  std::string text() const;
};

// kInvalidArgument: not one of the four, or more than there are members.
Result<WriteConcern> write_concern_of(bson::View params, std::uint32_t members);

// Requests that wait, for each number of holders in the order of their dots (counters of this node's actor). Who holds
// a dot holds all earlier ones of the same actor, so that only the front of each queue has to be looked at.
class HeldReplies {
 public:
  void add(std::uint32_t needed, std::uint64_t counter, std::shared_ptr<Request> request);
  void remove(std::uint32_t needed, std::uint64_t counter, const Request& request);
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // Takes out, oldest first, those of which `held(needed, counter)` is true.
  template <class Held>
  std::vector<std::shared_ptr<Request>> take(Held held) {
    std::vector<std::shared_ptr<Request>> ready;
    for (auto& [needed, queue] : queues_) {
      while (!queue.empty() && held(needed, queue.begin()->first)) {
        ready.push_back(std::move(queue.begin()->second));
        queue.erase(queue.begin());
        --size_;
      }
    }
    return ready;
  }

 private:
  std::map<std::uint32_t, std::multimap<std::uint64_t, std::shared_ptr<Request>>> queues_;
  std::size_t size_ = 0;
};

}  // namespace distri::cloud
