// peer_events.hpp: tells a Peer's events, one at a time and in order, on a thread of its own. Private to the module.
//
// Threads: post() from any, with any lock held; it never waits for the function. Limit: kEventsWaitingMax that were not
// told yet; what comes on top of these is left out, and a kTrouble says how many were.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "distri/peer/peer.hpp"

namespace distri::peer {

inline constexpr std::size_t kEventsWaitingMax = 10'000;
inline constexpr std::size_t kTroublesMax = 1'000;

class PeerEvents {
 public:
  explicit PeerEvents(std::function<void(const PeerEvent&)> function) : function_(std::move(function)) {}
  ~PeerEvents() { stop(); }

  void start();
  // False: it was told before.
  bool post(PeerEvent event);
  // Tells what was posted before, and waits for it. Any number of times.
  void stop();

 private:
  void run();

  const std::function<void(const PeerEvent&)> function_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<PeerEvent> waiting_;
  std::set<std::string> troubles_;  // that were told
  std::size_t left_out_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace distri::peer
