// emulated_line.hpp: two machines and the line between them, all in this process: loss, delay, bandwidth and a queue.
//
// The machines are two network namespaces, each with a TUN device, so that TCP and UDP are the kernel's own; the line
// is a thread that takes packets from one device and gives them to the other, when it is time, or never. It needs
// neither netem nor any other part of the kernel than namespaces and TUN, and nothing of it is left when it goes, or
// when the process does: namespaces and devices belong to nobody else.
//
// Each direction is a wire that sends one packet after the other at its rate, from a queue of so many bytes whose
// newest packets are dropped when it is full; then a loss drawn for each packet, then the delay.
//
// Threads: make(), counters() and the destructor: one; enter(): each thread that wants to be at an end. Errors:
// kUnavailable when this process may not do that, with what it takes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "distri/utils/result.hpp"

namespace bench {

class EmulatedLine {
 public:
  struct Options {
    double loss = 0;  // of packets, each direction
    std::int64_t delay_us = 5'000;
    std::uint64_t bits_per_s = 100'000'000;
    std::uint64_t queue_bytes = 256u << 10;
    std::uint64_t seed = 1;
  };
  struct Counters {  // of both directions
    std::uint64_t packets = 0;
    std::uint64_t lost = 0;     // drawn
    std::uint64_t dropped = 0;  // the queue was full
  };

  // A process that is not root must ask once, before it has threads, to be allowed this.
  static distri::Result<> ask_for_permission();
  static distri::Result<std::unique_ptr<EmulatedLine>> make(const Options& options);
  ~EmulatedLine();
  EmulatedLine(const EmulatedLine&) = delete;
  EmulatedLine& operator=(const EmulatedLine&) = delete;

  // What sockets this thread makes from now on are of machine 0 or 1. For ever: the thread should end before the line.
  distri::Result<> enter(std::size_t end) const;
  // Of a machine, as the other one reaches it.
  static std::string host(std::size_t end);
  Counters counters() const;

 private:
  explicit EmulatedLine(const Options& options) : options_(options) {}
  distri::Result<> open_end(std::size_t end);
  void carry();

  Options options_;
  std::array<int, 2> namespaces_{-1, -1};
  std::array<int, 2> devices_{-1, -1};
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> packets_ = 0;
  std::atomic<std::uint64_t> lost_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::thread thread_;
};

}  // namespace bench
