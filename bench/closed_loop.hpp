// closed_loop.hpp: load on another server than a node, as distri-bench makes it: N clients, and a reply sends a
// client's next request. One thread on poll(2) for all connections.
//
// What is asked, and whether it was answered rightly, is the lane's matter: a wrong reply is an error that ends the
// run. The clock starts after a second of warm-up. Threads: the caller's. Errors: those of the lanes; kDeadlineExceeded
// after kStallMax_ms without a reply.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "distri/utils/result.hpp"
#include "figures.hpp"

namespace bench {

inline constexpr int kStallMax_ms = 30'000;

// One connection.
class LoadLane {
 public:
  virtual ~LoadLane() = default;
  virtual pollfd waits_for() const = 0;
  // Queues the next request of that client.
  virtual distri::Result<> ask(std::size_t client) = 0;
  virtual distri::Result<> send_queued() = 0;
  // Takes what has come. Clients that have been answered, and rightly, go into `done`.
  virtual distri::Result<> take_replies(std::vector<std::size_t>& done) = 0;
};

struct ClosedLoop {
  std::uint64_t clients = 50;  // dealt out to the lanes in turn
  std::uint64_t seconds = 5;
};
struct ClosedLoopResult {
  Figures figures;
  std::uint64_t answered = 0;  // with the warm-up
};
distri::Result<ClosedLoopResult> run_closed_loop(const ClosedLoop& loop,
                                                 const std::vector<std::unique_ptr<LoadLane>>& lanes);

}  // namespace bench
