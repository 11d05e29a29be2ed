// cloud_watch.hpp: what others write in the cloud for a user, told as it happens. Private to the module.
//
// One change stream for each collection that a user hears from: users, catalog, requests, grants, receipts. (One for
// all collections takes rights on all.) A stream goes on by itself at another node when its node goes, and gives every
// change once. Where it begins anew, for the first time or because no node has its history any more, on_begin() is
// called: what was written before is to be read, by a look that begins after that. So whoever looks then, and again
// while telling() is false, misses nothing.
//
// Threads: one for each stream, on which the functions are called; the methods from any. Errors: the streams' own are
// tried again, with growing pauses; on_trouble() hears of those that say more than that no node can be reached.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "distri/bson/document.hpp"
#include "distri/client/client.hpp"
#include "distri/utils/ids.hpp"

namespace distri::peer {

class CloudWatch {
 public:
  struct Listener {
    std::function<void()> on_begin;
    // A record as it is in the cloud now, not checked.
    std::function<void(std::string_view collection, bson::View record)> on_record;
    std::function<void(const Error& error)> on_trouble;
  };
  struct Times {
    std::int64_t begin_ms;      // for a node to begin to tell; after so long without one a stream begins anew
    std::int64_t pause_ms;      // the first one after what has failed
    std::int64_t pause_ms_max;  // the longest
  };

  // `client` must outlive it. `user`: whose requests, grants and receipts are told.
  CloudWatch(client::Client& client, const NodeId& user, Times times, Listener listener);
  ~CloudWatch() { stop(); }
  CloudWatch(const CloudWatch&) = delete;
  CloudWatch& operator=(const CloudWatch&) = delete;

  void start();
  // Returns when no function is called any more.
  void stop();
  // All of them do, as far as is known.
  bool telling() const;

 private:
  struct Stream {
    std::string collection;
    bool to_user_only = false;
    std::atomic<bool> telling = false;
    std::thread thread;
  };
  void run(Stream& stream);
  // From a new beginning until that ends, or stop(). Why.
  Result<> tell(Stream& stream);
  client::WatchOptions options_for(const Stream& stream) const;

  client::Client& client_;
  const std::string user_;
  const Times times_;
  const Listener listener_;
  std::array<Stream, 5> streams_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace distri::peer
