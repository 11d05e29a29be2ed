// generator.hpp: N connections, each with at most P requests in flight.
//
// Closed loop: a reply sends the next request. With a rate: requests are sent when they are due, over whichever
// connection is free, and when none is, they wait; latency counts from when a request was due, so that a pause of the
// node shows in every request that it held up, and not only in the P of each connection.
//
// One thread, straight on net::Connection and wire::Session: no retries, no choice of node, nothing that a client
// library would add. The clock starts when the warm-up's last reply has come and stops with the last measured one;
// requests then in flight are abandoned. Every run ends: kStallMax_ms without a reply ends it with an error. Threads:
// run() occupies one.
#pragma once

#include <memory>
#include <vector>

#include "distri/net/loop.hpp"
#include "figures.hpp"
#include "workload.hpp"

namespace bench {

class Generator {
 public:
  Generator(const Options& options, Requests& requests);
  ~Generator();

  // kUnavailable: a node does not accept a connection. kConnectionLost, kDeadlineExceeded: in the middle of the run.
  distri::Result<Figures> run();

 private:
  struct Slot;
  class Lane;
  struct Idle {
    Lane* lane;
    std::size_t slot;
  };

  void lane_ready();
  void lane_lost(const distri::Error& reason);
  void completed(std::uint64_t started_ns, const std::string& error);
  void start_clock(std::uint64_t at_ns);
  // What a connection does next with a free slot.
  void slot_free(Lane& lane, std::size_t slot);
  void send_due();
  void pace();
  bool enough(std::uint64_t now_ns) const;
  void finish(std::uint64_t now_ns);
  void watch();

  const Options& options_;
  Requests& requests_;
  distri::net::Loop loop_;
  distri::net::Timer watchdog_;
  distri::net::Timer pacer_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Figures figures_;
  distri::Result<> outcome_;
  std::uint32_t lanes_ready_ = 0;
  std::uint64_t completed_ = 0;  // with the warm-up
  std::uint64_t last_completed_ = 0;
  std::vector<Idle> idle_;      // with a rate
  std::uint64_t due_sent_ = 0;  // how many of the due requests have been sent
  std::uint64_t pace_start_ns_ = 0;
  std::uint64_t clock_start_ns_ = 0;
  double cpu_start_ = 0;
  bool done_ = false;
};

}  // namespace bench
