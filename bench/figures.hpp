// figures.hpp: what a run measured, for people and for scripts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "options.hpp"

namespace bench {

struct Figures {
  std::uint64_t errors = 0;
  std::string first_error;
  double seconds = 0;
  double client_cpu_share = 0;              // of one core, while measuring
  std::vector<std::uint32_t> samples_us;    // one per measured request
  std::vector<distri::Bytes> last_replies;  // one per connection (encrypt: to be decrypted after the run)
};

// {"workload","ops","errors","seconds","ops_per_s","latency_us":{"p50","p99","p999","max"},"histogram_us","clients",
//  "pipeline","nodes","w","client_cpu_share"}. histogram_us: [from, samples] of every bucket that is not empty; buckets
// are 1/16 of a power of two wide.
nlohmann::json to_json(const Options& options, Figures& figures);
void print(const Options& options, const nlohmann::json& figures);

// User and system time of this process, in seconds.
double cpu_seconds();

}  // namespace bench
