// probes.hpp: writes on both sides of a partition that touch the same document, made while neither side can know of the
// other. So it is known exactly what must be left of each (verdict.hpp).
//
// Threads: begin() and end() from one; the probes run on a thread of their own in between.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "distri/client/client.hpp"
#include "verdict.hpp"

namespace chaos {

// Kinds whose document exists beforehand.
inline constexpr std::array kPreparedProbes{Probe::Kind::kSameField, Probe::Kind::kTwoFields,
                                            Probe::Kind::kTwoIncrements, Probe::Kind::kUpdateAndDelete};
std::string probe_id(Probe::Kind kind, std::size_t number);

class Prober {
 public:
  Prober(std::shared_ptr<distri::client::Runtime> runtime, Recorder& recorder, std::size_t prepared);
  ~Prober() { end(); }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // The two nodes are cut off from each other, and so is whoever is connected to one from the other. Does nothing when
  // a round is under way, or none is left.
  void begin(std::array<distri::Address, 2> sides, std::string where);
  // Before the partition is lifted: what has not been answered by now does not count. Blocks until the thread is done.
  void end();
  const std::vector<Probe>& probes() const { return probes_; }

 private:
  void run(std::array<distri::Address, 2> sides, const std::string& where, std::size_t number);

  std::shared_ptr<distri::client::Runtime> runtime_;
  Recorder& recorder_;
  std::size_t prepared_;
  std::size_t rounds_ = 0;
  std::atomic<bool> cut_{false};
  std::vector<Probe> probes_;
  std::thread thread_;
};

}  // namespace chaos
