// watch_phase.hpp: one writer, and watchers that are told of what it writes: who was told of what, when, and whether in
// order; the same for whatever server tells.
//
// Documents are numbered from 0 (workload.hpp). The writer has at most WatchLoad::in_flight of them on their way, and
// sends them as fast as they are answered, or when they are due. A second of warm-up, then the clock runs, then nothing
// more is sent, and the phase ends when every watcher has been told of every document. A document that comes out of
// turn, twice, or not at all is an error.
//
// Threads: one, for the writer and all watchers: times of different connections can be compared, and nothing waits for
// a lock. Errors: those of the server; kInternal for what is told wrongly; kDeadlineExceeded when a watcher is not
// told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/histogram.hpp"
#include "distri/utils/result.hpp"

namespace bench {

class WatchPhase;

// The connections of a phase to a server.
class WatchServer {
 public:
  virtual ~WatchServer() = default;
  // Until all watchers will be told of what is written from now on.
  virtual distri::Result<> open(WatchPhase& phase, std::uint64_t watchers) = 0;
  // Queues the document of that number. Its answer is told by WatchPhase::answered(), in order.
  virtual distri::Result<> add(std::uint64_t number) = 0;
  // Sends and takes what there is, for about a millisecond.
  virtual distri::Result<> turn() = 0;
};

struct WatchLoad {
  std::uint64_t watchers = 0;
  std::uint64_t in_flight = 32;
  std::uint64_t rate_per_s = 0;  // 0: as many as are answered
  std::uint64_t seconds = 5;
};

class WatchPhase {
 public:
  WatchPhase(const WatchLoad& load, WatchServer& server);

  // {"adds_per_s", "events_per_s", "watcher_events_per_s", "from_answer_us": {"p50", "p99", "max"}, "from_request_us":
  // the same, "drained_ms", "client_cpu_share"}: events of all watchers together, and of one on average. drained_ms:
  // from the last answer until all were told of everything.
  distri::Result<nlohmann::json> run();

  // ---- For the server.
  // The next document has been acknowledged.
  void answered();
  void told(std::uint64_t watcher, std::uint64_t number);

 private:
  void send_due();
  bool measuring(std::uint64_t at_ns) const { return at_ns >= start_ns_ && at_ns < end_ns_; }
  bool all_told() const;
  nlohmann::json figures(double cpu_share) const;

  WatchLoad load_;
  WatchServer& server_;
  distri::Result<> outcome_;
  std::vector<std::uint64_t> asked_ns_;     // by document
  std::vector<std::uint64_t> answered_ns_;  // the same
  std::vector<std::uint64_t> next_;         // by watcher: the document that it has yet to be told of
  std::uint64_t begin_ns_ = 0;
  std::uint64_t start_ns_ = 0;
  std::uint64_t end_ns_ = 0;
  std::uint64_t adds_ = 0;    // answered while the clock ran
  std::uint64_t events_ = 0;  // told while it ran
  std::uint64_t drained_ns_ = 0;
  distri::Histogram from_answer_us_;
  distri::Histogram from_request_us_;
};

// Finds the numbers of documents in text that comes in pieces: what stands behind `"n":`, which is nowhere else in it.
class NumberScanner {
 public:
  // Calls found(number) for each.
  template <class Found>
  void take(distri::BytesView piece, const Found& found) {
    rest_.append(piece);
    std::size_t at = 0;
    while (true) {
      const std::size_t name = rest_.find(kName, at);
      if (name == distri::Bytes::npos) {
        at = std::max(at, rest_.size() - std::min(rest_.size(), kName.size() - 1));
        break;
      }
      std::size_t end = name + kName.size();
      std::uint64_t number = 0;
      while (end < rest_.size() && rest_[end] >= '0' && rest_[end] <= '9')
        number = number * 10 + static_cast<std::uint64_t>(rest_[end++] - '0');
      if (end == rest_.size()) {  // more digits may come
        at = name;
        break;
      }
      found(number);
      at = end;
    }
    rest_.erase(0, at);
  }

 private:
  static constexpr distri::BytesView kName = "\"n\":";
  distri::Bytes rest_;
};

}  // namespace bench
