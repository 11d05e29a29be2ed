// probe_transport: would probes of the failure detector fare better over UDP? Answers to probes over UDP, over a TLS
// link as nodes have it, which carries other data as well, and over a second such link for nothing but probes: at the
// same time, on one line, for each loss and each load of it.
//
// A probe counts as unanswered when no answer has come within the timeout of the detector (membership/swim.hpp). The
// percentiles are of all probes; one that was never answered is longer than any other.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "emulated_line.hpp"
#include "flags.hpp"
#include "probe_ends.hpp"

namespace {

using namespace distri;
using bench::Probes;
using bench::ProbeSettings;

constexpr const char* kHelp = R"(usage: probe_transport [options]
Two network namespaces with an emulated line between them. Without the right to make them it says so and ends.
  --loss P,Q          percent of packets that are lost, each way (0,1,5)
  --backlog KIB,KIB   loads: what of other data waits in the process for each link at any time; 0: none (0,1024,16384)
  --seconds S         of each measurement (20)
  --delay MS          of the line, each way (5)
  --mbit N            of the line, each way (100)
  --queue KIB         of the line, each way (256)
  --links N           without other data (100)
  --busy-links N      with other data (2); they share the line
  --interval MS       between two probes of a link without other data (500); with, it is a tenth
  --timeout MS        of a probe (400)
  --json FILE         all figures
)";

// ---- Measuring.

std::string in_ms(std::int64_t us) {
  return us == bench::kNeverUs ? "never" : fmt::format("{:.1f}", static_cast<double>(us) / 1'000);
}

nlohmann::json figures_of(const Probes& probes, const ProbeSettings& settings) {
  const auto percentile = [&](double share) -> nlohmann::json {
    const std::int64_t us = probes.percentile_us(share);
    return us == bench::kNeverUs ? nlohmann::json() : nlohmann::json(static_cast<double>(us) / 1'000);
  };
  return {{"probes", probes.count()},
          {"unanswered_share", probes.unanswered_share(settings.timeout_ms)},
          {"ms", {{"p50", percentile(0.5)}, {"p99", percentile(0.99)}, {"p999", percentile(0.999)}}}};
}

void print_row(const char* name, const Probes& probes, const ProbeSettings& settings) {
  fmt::print("  {:<28} {:>7} {:>12.3f} % {:>10} {:>10} {:>10}\n", name, probes.count(),
             100 * probes.unanswered_share(settings.timeout_ms), in_ms(probes.percentile_us(0.5)),
             in_ms(probes.percentile_us(0.99)), in_ms(probes.percentile_us(0.999)));
}

Result<nlohmann::json> measure(const bench::EmulatedLine::Options& line_options, const ProbeSettings& settings) {
  DISTRI_TRY(const auto line, bench::EmulatedLine::make(line_options));
  DISTRI_TRY(const auto responder, bench::Responder::start(*line));
  Probes udp;
  Probes shared;
  Probes separate;
  std::atomic<bool> measuring = false;
  std::atomic<bool> failed = false;
  Result<> ran;
  Result<> sent;
  std::thread links([&] {
    ran = line->enter(0);
    if (ran) {
      ran = bench::probe_by_links(settings, shared, separate, [&] {
        measuring = true;
        measuring.notify_all();
      });
    }
    failed = !ran.has_value();
    measuring = true;
    measuring.notify_all();
  });
  std::thread datagrams([&] {
    measuring.wait(false);
    if (failed) return;
    sent = line->enter(0);
    if (sent) sent = bench::probe_by_udp(settings, udp);
  });
  links.join();
  datagrams.join();
  if (!ran) return fail(std::move(ran).error());
  if (!sent) return fail(std::move(sent).error());
  const auto counters = line->counters();
  fmt::print(
      "loss {:g} %, {} KiB of other data waiting for each of {} links; {} packets, {} of them lost, {} dropped\n",
      100 * line_options.loss, settings.backlog_bytes >> 10, settings.links, counters.packets, counters.lost,
      counters.dropped);
  fmt::print("  {:<28} {:>7} {:>14} {:>10} {:>10} {:>10}\n", "probes over", "sent", "unanswered", "p50, ms", "p99",
             "p99.9");
  print_row("UDP", udp, settings);
  print_row("the link", shared, settings);
  print_row("a link for probes alone", separate, settings);
  std::fflush(stdout);
  return nlohmann::json{{"loss_percent", 100 * line_options.loss},
                        {"backlog_bytes", settings.backlog_bytes},
                        {"links", settings.links},
                        {"packets", counters.packets},
                        {"lost", counters.lost},
                        {"dropped", counters.dropped},
                        {"udp", figures_of(udp, settings)},
                        {"link", figures_of(shared, settings)},
                        {"link_for_probes", figures_of(separate, settings)}};
}

// "1,5": whole numbers up to `most`.
Result<std::vector<std::uint64_t>> numbers(const bench::Flags& flags, const std::string& name,
                                           const std::string& otherwise, std::uint64_t most) {
  const std::string text = flags.text(name, otherwise);
  std::vector<std::uint64_t> values;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string each = text.substr(at, end - at);
    const bool digits =
        !each.empty() && each.size() < 10 && std::ranges::all_of(each, [](char c) { return c >= '0' && c <= '9'; });
    const std::uint64_t value = digits ? std::stoull(each) : 0;
    if (!digits || value > most) {
      return fail(Code::kInvalidArgument, "{} must be whole numbers between 0 and {}, not '{}'", name, most, each);
    }
    values.push_back(value);
    at = end + 1;
  }
  return values;
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const auto losses, numbers(flags, "--loss", "0,1,5", 90));
  DISTRI_TRY(const auto backlogs, numbers(flags, "--backlog", "0,1024,16384", 1u << 20));
  DISTRI_TRY(const std::uint64_t seconds, flags.number("--seconds", 20, 1, 3'600));
  DISTRI_TRY(const std::uint64_t delay_ms, flags.number("--delay", 5, 0, 1'000));
  DISTRI_TRY(const std::uint64_t mbit, flags.number("--mbit", 100, 1, 10'000));
  DISTRI_TRY(const std::uint64_t queue_kib, flags.number("--queue", 256, 4, 1u << 20));
  DISTRI_TRY(const std::uint64_t links, flags.number("--links", 100, 1, 1'000));
  DISTRI_TRY(const std::uint64_t busy_links, flags.number("--busy-links", 2, 1, 1'000));
  DISTRI_TRY(const std::uint64_t interval_ms, flags.number("--interval", 500, 10, 60'000));
  DISTRI_TRY(const std::uint64_t timeout_ms, flags.number("--timeout", 400, 1, 60'000));
  DISTRI_TRY_VOID(bench::EmulatedLine::ask_for_permission());
  fmt::print("{} Mbit/s, {} ms each way, a queue of {} KiB; unanswered: not within {} ms\n", mbit, delay_ms, queue_kib,
             timeout_ms);
  auto figures = nlohmann::json::array();
  for (const std::uint64_t loss : losses) {
    for (const std::uint64_t backlog_kib : backlogs) {
      bench::EmulatedLine::Options line;
      line.loss = static_cast<double>(loss) / 100;
      line.delay_us = static_cast<std::int64_t>(delay_ms) * 1'000;
      line.bits_per_s = mbit * 1'000'000;
      line.queue_bytes = queue_kib << 10;
      ProbeSettings settings;
      settings.seconds = static_cast<std::int64_t>(seconds);
      settings.links = backlog_kib > 0 ? busy_links : links;
      settings.interval_ms = static_cast<std::int64_t>(backlog_kib > 0 ? interval_ms / 10 : interval_ms);
      settings.timeout_ms = static_cast<std::int64_t>(timeout_ms);
      settings.backlog_bytes = backlog_kib << 10;
      DISTRI_TRY(auto measured, measure(line, settings));
      figures.push_back(std::move(measured));
    }
  }
  return bench::write_json(flags.text("--json", ""),
                           {{"mbit", mbit}, {"delay_ms", delay_ms}, {"timeout_ms", timeout_ms}, {"measured", figures}});
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("probe_transport", kHelp, argc, argv,
                            {"--loss", "--backlog", "--seconds", "--delay", "--mbit", "--queue", "--links",
                             "--busy-links", "--interval", "--timeout", "--json"},
                            run);
}
