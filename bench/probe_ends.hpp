// probe_ends.hpp: the two machines of probe_transport: one that probes over UDP and over links, and one that answers.
//
// Links are those of nodes: TLS, messages, no bound on what waits in the process. Threads: see each. Errors: of the
// connections; kUnavailable when the thread cannot be at its end of the line.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"
#include "emulated_line.hpp"

namespace bench {

struct ProbeSettings {
  std::int64_t seconds = 0;
  std::size_t links = 0;
  std::int64_t interval_ms = 0;  // between two probes of a link
  std::int64_t timeout_ms = 0;
  std::size_t backlog_bytes = 0;  // of other data that waits for each link at any time
};

inline constexpr std::int64_t kNeverUs = std::numeric_limits<std::int64_t>::max();

// What became of probes over one transport. Threads: one at a time.
class Probes {
 public:
  // The bytes of the next one.
  distri::Bytes begin();
  void answered(distri::BytesView bytes);
  bool complete() const { return answered_ == sent_us_.size(); }
  std::size_t count() const { return sent_us_.size(); }
  double unanswered_share(std::int64_t timeout_ms) const;
  // Of all of them; kNeverUs: one that was not answered.
  std::int64_t percentile_us(double share) const;

 private:
  std::vector<std::int64_t> sent_us_;
  std::vector<std::int64_t> took_us_;
  std::size_t answered_ = 0;
};

// Answers at machine 1, on threads of its own, until it goes.
class Responder {
 public:
  static distri::Result<std::unique_ptr<Responder>> start(const EmulatedLine& line);
  virtual ~Responder() = default;
};

// On a thread at machine 0: over links with other data (`shared`), and over as many more for probes alone
// (`separate`), until all are answered or it is late. `measuring`: called when all links are there and probes begin.
distri::Result<> probe_by_links(const ProbeSettings& settings, Probes& shared, Probes& separate,
                                const std::function<void()>& measuring);
// The same over UDP, for as long.
distri::Result<> probe_by_udp(const ProbeSettings& settings, Probes& probes);

}  // namespace bench
