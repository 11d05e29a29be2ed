// round_trips.hpp: many clients at once, each sending pictures one after the other through Encrypt and Decrypt and
// comparing the result byte for byte with what it sent.
//
// Threads: start(), failed() and so on from one thread; `on_result` is called on the clients' runtime threads, one call
// at a time. Every round trip ends: each call has a deadline.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "latency.hpp"
#include "pictures.hpp"

namespace example {

struct RoundTrip {
  std::size_t picture = 0;  // index into the pictures
  distri::Bytes encrypted;
  distri::Bytes decrypted;
  distri::Address encrypted_by;
  distri::Address decrypted_by;
};

class RoundTrips {
 public:
  struct Plan {
    std::vector<distri::Address> nodes;
    const std::vector<Picture>* pictures = nullptr;  // outlives the run
    // What each client sends, in order: indexes into the pictures. One client per entry.
    std::vector<std::vector<std::size_t>> work;
    std::int64_t timeout_ms = 0;
    std::function<void(RoundTrip&)> on_result;  // of those that were exact; may take the bytes
  };

  explicit RoundTrips(Plan plan);
  ~RoundTrips();

  void start();
  bool ended() const { return clients_ended_ == plan_.work.size(); }
  std::uint64_t done() const { return done_; }
  std::uint64_t total() const { return total_; }
  // Round trips that failed: a call ended with an error, or what came back was not what had been sent.
  std::uint64_t failed() const { return failed_; }
  std::vector<std::string> first_errors();
  nlohmann::json encrypt_latency();
  nlohmann::json decrypt_latency();
  nlohmann::json latency();  // both
  // Exact decryptions per node that made them.
  std::map<std::string, std::uint64_t> exact_per_node();

 private:
  struct Sender;
  void note_error(std::string text);

  Plan plan_;
  std::uint64_t total_ = 0;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> clients_ended_{0};
  std::mutex mutex_;
  Latencies encrypt_;
  Latencies decrypt_;
  Latencies all_;
  std::map<std::string, std::uint64_t> exact_;
  std::vector<std::string> errors_;
  std::vector<std::shared_ptr<distri::client::Runtime>> runtimes_;
  std::deque<Sender> senders_;  // last member: destroyed first, after which no callback runs
};

}  // namespace example
