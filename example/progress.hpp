// progress.hpp: how far a long run is: a bar that redraws itself on a terminal, a few plain lines elsewhere.
//
// Threads: one. finish() is called by the destructor when nobody else has.
#pragma once

#include <cstdint>
#include <string>

#include "latency.hpp"

namespace example {

class Progress {
 public:
  Progress(std::string label, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws only when there is something new to see.
  void update(std::uint64_t done);
  // Draws the last state and ends the line.
  void finish();

 private:
  void draw(std::uint64_t done);

  std::string label_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::uint64_t next_quarter_ = 1;  // plain lines: 1 to 4
  bool terminal_;
  bool finished_ = false;
  Moment start_ = now();
  Moment drawn_{};
};

}  // namespace example
