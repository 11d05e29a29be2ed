// generator.hpp: the closed loop: N connections, each with P requests in flight; a reply sends the next request.
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

  void lane_ready();
  void lane_lost(const distri::Error& reason);
  void completed(std::uint64_t started_ns, const std::string& error);
  void start_clock(std::uint64_t at_ns);
  void watch();

  const Options& options_;
  Requests& requests_;
  distri::net::Loop loop_;
  distri::net::Timer watchdog_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Figures figures_;
  distri::Result<> outcome_;
  std::uint32_t lanes_ready_ = 0;
  std::uint64_t completed_ = 0;  // with the warm-up
  std::uint64_t last_completed_ = 0;
  std::uint64_t clock_start_ns_ = 0;
  double cpu_start_ = 0;
  bool done_ = false;
};

}  // namespace bench
