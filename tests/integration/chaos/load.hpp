// load.hpp: client sessions that write and read all the time, and know what they must see.
//
// Each session is one thread with one Client; see expectations.hpp for what it may conclude. It adds, updates,
// increments, deletes and reads documents of its own, adds entries that nobody touches again, sets its own fields in
// documents that all share, and adds to shared counters; with random write concerns and deadlines.
//
// Threads: the Load's methods from one; the sessions run on their own.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/utils/random.hpp"
#include "expectations.hpp"
#include "recorder.hpp"

namespace chaos {

inline constexpr std::size_t kSharedDocuments = 8;
inline constexpr std::size_t kSharedCounters = 4;

struct LoadOptions {
  std::vector<distri::Address> addresses;
  std::shared_ptr<distri::client::Runtime> runtime;
  int sessions = 8;
  std::uint64_t seed = 1;
  bool increments = true;
  std::int64_t pace_ms = 4;  // of one session, from call to call at least
};

// Monotonic, from the start of the program.
std::int64_t now_ms();

class Session;

class Load {
 public:
  Load(LoadOptions options, Recorder& recorder);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // The documents that all share, and two for each of so many probes, on every node.
  distri::Result<> prepare(std::size_t probes);
  void start();
  // Returns when the last call has ended, within the longest deadline.
  void stop();
  // When all is healed and the sessions have stopped: each must get an answer that holds what it has seen.
  void read_once_more();
  std::vector<const Expectations*> expectations() const;

 private:
  LoadOptions options_;
  Recorder& recorder_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::thread> threads_;
};

// The client's name of a write concern.
distri::client::WriteConcern concern_of(Concern w);

}  // namespace chaos
