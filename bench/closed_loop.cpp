#include "closed_loop.hpp"

#include <algorithm>

#include "node_process.hpp"

namespace bench {
namespace {

using distri::Result;

constexpr std::int64_t kWarmup_ns = 1'000'000'000;

class Run {
 public:
  Run(const ClosedLoop& loop, const std::vector<std::unique_ptr<LoadLane>>& lanes)
      : loop_(loop), lanes_(lanes), started_ns_(loop.clients) {}

  Result<ClosedLoopResult> run() {
    for (std::size_t client = 0; client < loop_.clients; ++client) DISTRI_TRY_VOID(ask(client));
    for (const auto& lane : lanes_) DISTRI_TRY_VOID(lane->send_queued());
    clock_start_ns_ = monotonic_ns() + kWarmup_ns;
    std::vector<pollfd> waits(lanes_.size());
    while (!over_) {
      std::transform(lanes_.begin(), lanes_.end(), waits.begin(), [](const auto& lane) { return lane->waits_for(); });
      if (poll(waits.data(), waits.size(), kStallMax_ms) == 0)
        return distri::fail(distri::Code::kDeadlineExceeded, "no reply for {} ms", kStallMax_ms);
      for (std::size_t i = 0; i < waits.size() && !over_; ++i) {
        if ((waits[i].revents & POLLOUT) != 0) DISTRI_TRY_VOID(lanes_[i]->send_queued());
        if ((waits[i].revents & ~POLLOUT) != 0) DISTRI_TRY_VOID(take_replies(*lanes_[i]));
      }
    }
    return std::move(result_);
  }

 private:
  Result<> ask(std::size_t client) {
    started_ns_[client] = monotonic_ns();
    return lanes_[client % lanes_.size()]->ask(client);
  }

  Result<> take_replies(LoadLane& lane) {
    done_.clear();
    DISTRI_TRY_VOID(lane.take_replies(done_));
    for (const std::size_t client : done_) {
      const std::int64_t now = monotonic_ns();
      ++result_.answered;
      if (now >= clock_start_ns_) measured(now, started_ns_[client]);
      if (over_) return {};
      DISTRI_TRY_VOID(ask(client));
    }
    return lane.send_queued();
  }

  void measured(std::int64_t now, std::int64_t started) {
    Figures& figures = result_.figures;
    if (figures.samples_us.empty()) cpu_start_ = cpu_seconds();
    figures.samples_us.push_back(static_cast<std::uint32_t>((now - started) / 1000));
    if (now - clock_start_ns_ < static_cast<std::int64_t>(loop_.seconds * 1'000'000'000)) return;
    over_ = true;
    figures.seconds = static_cast<double>(now - clock_start_ns_) / 1e9;
    figures.client_cpu_share = (cpu_seconds() - cpu_start_) / figures.seconds;
  }

  const ClosedLoop& loop_;
  const std::vector<std::unique_ptr<LoadLane>>& lanes_;
  std::vector<std::int64_t> started_ns_;  // per client
  std::vector<std::size_t> done_;
  ClosedLoopResult result_;
  std::int64_t clock_start_ns_ = 0;
  double cpu_start_ = 0;
  bool over_ = false;
};

}  // namespace

Result<ClosedLoopResult> run_closed_loop(const ClosedLoop& loop, const std::vector<std::unique_ptr<LoadLane>>& lanes) {
  return Run(loop, lanes).run();
}

}  // namespace bench
