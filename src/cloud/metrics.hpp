// metrics.hpp: what a node counts about the requests of one service, and of all.
//
// Threads: the main thread.
#pragma once

#include <cstdint>

#include "distri/bson/document.hpp"
#include "distri/utils/histogram.hpp"

namespace distri::cloud {

// received = accepted + busy + requests refused before they began; accepted = completed + failed + in_flight.
struct RequestMetrics {
  std::uint64_t received = 0;
  std::uint64_t accepted = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t busy = 0;
  Histogram duration_us;

  std::uint64_t in_flight() const { return accepted - completed - failed; }

  // Appends the fields of docs/services.md to an open object.
  void append_to(bson::Builder& out) const {
    const auto number = [&](std::string_view key, std::uint64_t v) {
      out.append_int64(key, static_cast<std::int64_t>(v));
    };
    number("received", received);
    number("accepted", accepted);
    number("completed", completed);
    number("failed", failed);
    number("busy", busy);
    number("in_flight", in_flight());
    number("average_us", duration_us.average());
    number("p50_us", duration_us.percentile(0.50));
    number("p99_us", duration_us.percentile(0.99));
  }
};

}  // namespace distri::cloud
