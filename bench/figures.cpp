#include "figures.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <bit>

namespace bench {
namespace {

constexpr int kBucketBits = 4;  // 16 buckets to a power of two

std::uint32_t bucket_begin(std::uint32_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - 1 - kBucketBits);
  return value >> shift << shift;
}

nlohmann::json histogram(const std::vector<std::uint32_t>& sorted) {
  nlohmann::json buckets = nlohmann::json::array();
  for (std::size_t i = 0; i < sorted.size();) {
    const std::uint32_t begin = bucket_begin(sorted[i]);
    const std::size_t first = i;
    while (i < sorted.size() && bucket_begin(sorted[i]) == begin) ++i;
    buckets.push_back({begin, i - first});
  }
  return buckets;
}

}  // namespace

nlohmann::json to_json(const Options& options, Figures& figures) {
  auto& samples = figures.samples_us;
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double share) {
    return samples.empty() ? 0U
                           : samples[std::min(samples.size() - 1,
                                              static_cast<std::size_t>(share * static_cast<double>(samples.size())))];
  };
  return {{"workload", options.workload_name},
          {"ops", samples.size()},
          {"errors", figures.errors},
          {"seconds", figures.seconds},
          {"ops_per_s", figures.seconds > 0 ? static_cast<double>(samples.size()) / figures.seconds : 0.0},
          {"latency_us",
           {{"p50", at(0.5)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"max", samples.empty() ? 0U : samples.back()}}},
          {"histogram_us", histogram(samples)},
          {"clients", options.clients},
          {"pipeline", options.pipeline},
          {"nodes", options.nodes.size()},
          {"w", options.w.empty() ? nlohmann::json() : nlohmann::json::parse(options.w)},
          {"client_cpu_share", figures.client_cpu_share}};
}

void print(const Options& options, const nlohmann::json& figures) {
  const auto& latency = figures["latency_us"];
  fmt::print("{}: {} requests in {:.2f} s = {:.0f}/s, {} errors ({} clients, {} in flight each)\n",
             options.workload_name, figures["ops"].get<std::uint64_t>(), figures["seconds"].get<double>(),
             figures["ops_per_s"].get<double>(), figures["errors"].get<std::uint64_t>(), options.clients,
             options.pipeline);
  fmt::print("latency: p50 {} us, p99 {} us, p99.9 {} us, max {} us; load generator used {:.0f}% of a core\n",
             latency["p50"].dump(), latency["p99"].dump(), latency["p999"].dump(), latency["max"].dump(),
             100 * figures["client_cpu_share"].get<double>());
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace bench
