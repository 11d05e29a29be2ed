// client_mode.cpp: images through the cluster, and a report of its nodes.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "cluster.hpp"
#include "figures.hpp"
#include "modes.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "round_trips.hpp"

namespace example {
namespace {

using distri::Result;
using nlohmann::json;

constexpr std::size_t kAtOnce = 4;
constexpr std::int64_t kStats_ms = 5'000;
constexpr auto kTick = std::chrono::milliseconds(5);

// Deals the work to a few clients.
RoundTrips::Plan make_plan(const Options& options, const std::vector<Picture>& pictures) {
  RoundTrips::Plan plan;
  plan.nodes = options.addresses;
  plan.pictures = &pictures;
  plan.timeout_ms = options.timeout_ms;
  const std::size_t rounds = options.n == 0 ? 1 : options.n;
  const std::size_t total = rounds * pictures.size();
  plan.work.resize(std::min(kAtOnce, total));
  for (std::size_t i = 0; i < total; ++i) plan.work[i % plan.work.size()].push_back(i % pictures.size());
  return plan;
}

Result<json> send_images(const Options& options, distri::client::Client& client) {
  DISTRI_TRY(const std::vector<Picture> pictures, load_pictures(options.images));
  DISTRI_TRY_VOID(check_image_service(client, make_pictures(1).front()));
  RoundTrips::Plan plan = make_plan(options, pictures);
  Result<> written;
  std::vector<bool> kept(pictures.size());
  plan.on_result = [&](RoundTrip& trip) {
    if (options.out.empty() || kept[trip.picture] || !written) return;
    kept[trip.picture] = true;
    const std::string& name = pictures[trip.picture].name;
    written = write_file(fmt::format("{}/encrypted/{}.png", options.out, name), trip.encrypted);
    if (written) written = write_file(fmt::format("{}/decrypted/{}", options.out, name), trip.decrypted);
  };
  RoundTrips run(std::move(plan));
  const Moment start = now();
  Progress progress("images encrypted and decrypted", run.total());
  run.start();
  while (!run.ended()) {
    progress.update(run.done());
    std::this_thread::sleep_for(kTick);
  }
  progress.update(run.done());
  progress.finish();
  const double seconds = seconds_since(start);
  DISTRI_TRY_VOID(written);
  for (const std::string& error : run.first_errors()) fmt::print("  failure: {}\n", error);
  const json encrypt = run.encrypt_latency();
  const json decrypt = run.decrypt_latency();
  const auto show = [](const json& latency, const char* name) {
    return human_duration(latency[name].get<std::int64_t>());
  };
  fmt::print("  {} round trips in {:.2f} s, {} failed; Encrypt p50 {} p99 {}, Decrypt p50 {} p99 {}\n", run.total(),
             seconds, run.failed(), show(encrypt, "p50"), show(encrypt, "p99"), show(decrypt, "p50"),
             show(decrypt, "p99"));
  if (!options.out.empty()) fmt::print("  written to {}/encrypted and {}/decrypted\n", options.out, options.out);
  return json{{"images", run.total()},
              {"failed", run.failed()},
              {"seconds", seconds},
              {"latency_us", {{"encrypt", encrypt}, {"decrypt", decrypt}}}};
}

}  // namespace

Result<int> run_client(const Options& options) {
  distri::client::ClientOptions client_options;
  client_options.timeout_ms = options.timeout_ms;
  distri::client::Client client(options.addresses, std::move(client_options));
  {
    const auto given = stats_of(client, options.addresses, kStats_ms);
    if (std::all_of(given.begin(), given.end(), [](const json& node) { return node.contains("error"); })) {
      return distri::fail(distri::Code::kUnavailable,
                          "no node answers at {}; start one with --mode server, or check --ips",
                          join_addresses(options.addresses));
    }
  }
  json figures = {{"images", 0}, {"failed", 0}};
  if (!options.images.empty()) {
    DISTRI_TRY(figures, send_images(options, client));
  }
  distri::client::CallOptions ask;
  ask.timeout_ms = kStats_ms;
  DISTRI_TRY(const std::vector<json> stats, client.collect_stats(ask));
  if (options.report) fmt::print("\n{}", render_report(stats));
  figures["digests_equal"] = digests_equal(stats);
  figures["nodes"] = stats;
  DISTRI_TRY_VOID(write_json(options, figures));
  return figures["failed"] == 0 ? kExitOk : kExitFailed;
}

}  // namespace example
