#include "figures.hpp"

#include <fmt/format.h>

#include "pictures.hpp"

namespace example {

nlohmann::json to_json(const TestFigures& figures) {
  return {{"clients", figures.clients}, {"failed", figures.failed},
          {"saved", figures.saved},     {"digests_equal", figures.digests_equal},
          {"seconds", figures.seconds}, {"latency_us", figures.latency_us}};
}

void print_figures(const TestFigures& figures, std::string_view what) {
  const auto latency = [&](const char* name) {
    return human_duration(figures.latency_us.value(name, std::int64_t{0}));
  };
  fmt::print("  {} clients in {:.2f} s, {} failed operations\n", figures.clients, figures.seconds, figures.failed);
  fmt::print("  {}: p50 {}, p99 {}, p99.9 {}, longest {}\n", what, latency("p50"), latency("p99"), latency("p999"),
             latency("max"));
  for (const auto& [node, count] : figures.saved) fmt::print("  saved at {}: {}\n", node, count);
  fmt::print("  digests of all nodes: {}\n", figures.digests_equal ? "equal" : "NOT equal");
  for (const std::string& error : figures.first_errors) fmt::print("  failure: {}\n", error);
  std::fflush(stdout);
}

distri::Result<> write_json(const Options& options, const nlohmann::json& value) {
  if (options.json.empty()) return {};
  return write_file(options.json, value.dump(2) + "\n");
}

std::string human_duration(std::int64_t us) {
  if (us < 1'000) return fmt::format("{} us", us);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", static_cast<double>(us) / 1e3);
  return fmt::format("{:.2f} s", static_cast<double>(us) / 1e6);
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1'000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace example
