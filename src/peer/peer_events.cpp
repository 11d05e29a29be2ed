#include "distri/peer/peer_events.hpp"

namespace distri::peer {

void PeerEvents::start() {
  if (function_) thread_ = std::thread([this] { run(); });
}

bool PeerEvents::post(PeerEvent event) {
  const std::lock_guard lock(mutex_);
  if (event.kind == PeerEvent::Kind::kTrouble) {
    if (troubles_.size() >= kTroublesMax) troubles_.clear();
    if (!troubles_.insert(event.text).second) return false;
  }
  if (!function_) return true;
  if (waiting_.size() >= kEventsWaitingMax) {
    ++left_out_;
    return true;
  }
  waiting_.push_back(std::move(event));
  changed_.notify_one();
  return true;
}

void PeerEvents::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void PeerEvents::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    PeerEvent event = std::move(waiting_.front());
    waiting_.pop_front();
    if (waiting_.empty() && left_out_ > 0) {
      PeerEvent lost;
      lost.kind = PeerEvent::Kind::kTrouble;
      lost.text =
          fmt::format("{} events were left out, {} waited already; read the lists again", left_out_, kEventsWaitingMax);
      left_out_ = 0;
      waiting_.push_back(std::move(lost));
    }
    lock.unlock();
    function_(event);
    lock.lock();
  }
}

}  // namespace distri::peer
