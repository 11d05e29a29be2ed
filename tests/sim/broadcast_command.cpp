#include <cstdio>
#include <memory>

#include "broadcast.hpp"
#include "percentiles.hpp"

namespace distri::sim {

namespace {

constexpr std::size_t kCrashes = 5;
struct Kind {
  std::string_view name;
  std::size_t crashes;
  bool tree;
};
constexpr std::array kKinds{Kind{"tree", 0, true}, Kind{"tree, 5 crashes", kCrashes, true}, Kind{"direct", 0, false}};

double share(std::uint64_t bytes, const BroadcastFigures& figures) {
  return static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(1, figures.minimum_bytes));
}

// Of the node that pushed most: how many times every batch.
double busiest(const BroadcastFigures& figures) {
  return static_cast<double>(figures.busiest_bytes) /
         static_cast<double>(std::max<std::uint64_t>(1, figures.batch_bytes));
}

double gossip_kbit_per_s(const BroadcastFigures& figures) {
  return static_cast<double>(figures.gossip_bytes) * 8 /
         (static_cast<double>(figures.duration_ms) * static_cast<double>(figures.nodes));
}

void print_head(const BroadcastCommand& command) {
  const BroadcastOptions& options = command.options;
  fmt::print(
      "{} memory-only replicas, all linked to all, links of {} to {} ms that lose {:g}% of all messages for good; {} "
      "writers, {} batches a seed of a document of {} bytes, 1 to {} ms apart; seeds {}..{}; simulated time.\n"
      "Bytes as encoded, with {} bytes of framing a message, in multiples of the minimum (every other node receives "
      "the batch once); control: Have, Graft, Prune. Busiest: how often the node that pushes most pushes each batch. "
      "Times over all pairs of batch and node.\n",
      options.nodes, options.latency_ms, options.latency_ms + Broadcast::kJitterMs, options.loss * 100,
      Broadcast::kWriters, options.batches, Broadcast::kDocumentBytes, options.gap_ms_max, command.first_seed,
      command.last_seed, Broadcast::kFrameBytes);
  fmt::print("{:>16} |{:>8}{:>8}{:>9}{:>7} |{:>9} |{:>6}{:>6}{:>6} |{:>7}{:>11}{:>6} |{:>15}\n", "", "all", "pushes",
             "control", "pulls", "busiest", "p50", "p99", "max", "eager", "neighbours", "died", "gossip kbit/s");
}

void print(const Kind& kind, const BroadcastFigures& figures, const Percentiles& times) {
  fmt::print("{:>16} |{:>8.3f}{:>8.3f}{:>9.3f}{:>7.3f} |{:>9.1f} |{:>6}{:>6}{:>6} |{:>7}{:>11}{:>6} |{:>15.0f}\n",
             kind.name, figures.ratio(), share(figures.push_bytes, figures), share(figures.control_bytes, figures),
             share(figures.pull_bytes, figures), busiest(figures), times.p50, times.p99, times.max, figures.eager_max,
             figures.neighbours_max, figures.died, gossip_kbit_per_s(figures));
  std::fflush(stdout);
}

std::string json(const Kind& kind, const BroadcastFigures& figures, const Percentiles& times) {
  return fmt::format(
      "{{\"kind\":\"{}\",\"batches\":{},\"ratio\":{:.4f},\"pushes\":{:.4f},\"control\":{:.4f},\"pulls\":{:.4f},"
      "\"busiest\":{:.2f},\"ms\":{},\"died\":{},\"gossip_kbit_per_s\":{:.1f}}}",
      kind.name, figures.batches, figures.ratio(), share(figures.push_bytes, figures),
      share(figures.control_bytes, figures), share(figures.pull_bytes, figures), busiest(figures), times.json(),
      figures.died, gossip_kbit_per_s(figures));
}

}  // namespace

Result<int> run_broadcast(const BroadcastCommand& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> json_file(
      command.json_file.empty() ? nullptr : std::fopen(command.json_file.c_str(), "w"), &std::fclose);
  if (!command.json_file.empty() && !json_file)
    return distri::fail(Code::kInvalidArgument, "cannot write to '{}'", command.json_file);
  print_head(command);
  EventLog log(nullptr);
  bool met = true;
  std::string kinds;
  for (const Kind& kind : kKinds) {
    BroadcastFigures all;
    for (std::uint64_t seed = command.first_seed; seed <= command.last_seed; ++seed) {
      BroadcastOptions options = command.options;
      options.crashes = kind.crashes;
      options.tree = kind.tree;
      options.seed = seed;
      DISTRI_TRY(const BroadcastFigures figures, Broadcast(options, log).run());
      all.add(figures);
    }
    const Percentiles times(all.times);
    print(kind, all, times);
    kinds += (kinds.empty() ? "" : ",") + json(kind, all, times);
    const auto missed = kind.tree ? all.missed() : std::nullopt;
    if (missed) fmt::print("{}: {}\n", kind.name, *missed);
    met = met && !missed;
  }
  if (json_file) fmt::print(json_file.get(), "{{\"nodes\":{},\"kinds\":[{}]}}\n", command.options.nodes, kinds);
  return met ? 0 : 1;
}

}  // namespace distri::sim
