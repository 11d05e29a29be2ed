// encrypt_test.cpp: many clients at once, ten images each through Encrypt and Decrypt, every one compared byte for
// byte.
#include <fmt/format.h>

#include <thread>

#include "cluster.hpp"
#include "figures.hpp"
#include "modes.hpp"
#include "progress.hpp"
#include "round_trips.hpp"

namespace example {
namespace {

constexpr std::size_t kImagesPerClient = 10;
constexpr std::int64_t kSettle_ms = 30'000;
constexpr std::uint64_t kDescriptorsSpare = 200;
constexpr auto kTick = std::chrono::milliseconds(5);

}  // namespace

distri::Result<int> run_test_client_encrypt(const Options& options) {
  const std::uint64_t count = options.n == 0 ? 100 : options.n;
  const std::uint64_t servers = options.addresses.empty() ? options.servers : options.addresses.size();
  if (!raise_descriptor_limit(count * servers + kDescriptorsSpare)) {
    fmt::print("Note: {} clients may need {} descriptors, more than the system allows (ulimit -Hn)\n", count,
               count * servers);
  }
  std::vector<Picture> pictures = make_pictures(kImagesPerClient);
  if (!options.images.empty()) {
    DISTRI_TRY(pictures, load_pictures(options.images));
  }
  DISTRI_TRY(Cluster cluster, find_or_start_cluster(options));
  distri::client::Client client = direct_client(cluster.addresses, kSettle_ms);
  DISTRI_TRY_VOID(check_image_service(client, pictures.front()));

  RoundTrips::Plan plan;
  plan.nodes = cluster.addresses;
  plan.pictures = &pictures;
  plan.timeout_ms = options.timeout_ms;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto& work = plan.work.emplace_back();
    for (std::size_t j = 0; j < kImagesPerClient; ++j) work.push_back((i + j) % pictures.size());
  }
  fmt::print("Encrypt test: {} clients at once; {} images each ({}), encrypted, decrypted, compared\n", count,
             kImagesPerClient,
             options.images.empty() ? "small ones made here" : fmt::format("{} files", pictures.size()));
  RoundTrips run(std::move(plan));
  TestFigures figures;
  {
    const Moment start = now();
    Progress progress("images", run.total());
    run.start();
    while (!run.ended()) {
      progress.update(run.done());
      DISTRI_TRY_VOID(cluster.tend());
      std::this_thread::sleep_for(kTick);
    }
    progress.update(run.done());
    figures.seconds = seconds_since(start);
  }
  figures.clients = count;
  figures.failed = run.failed();
  figures.saved = run.exact_per_node();
  for (const auto& node : cluster.addresses) figures.saved.try_emplace(distri::to_string(node), 0);
  figures.latency_us = run.latency();
  figures.first_errors = run.first_errors();
  figures.digests_equal = digests_equal(wait_for_equal_digests(client, cluster, kSettle_ms));
  print_figures(figures, "one call");
  fmt::print("  {:.1f} images/s; 'saved' counts the exact decryptions that a node made\n",
             static_cast<double>(run.total()) / std::max(1e-6, figures.seconds));
  DISTRI_TRY_VOID(write_json(options, to_json(figures)));
  const bool stopped = cluster.stop();
  const bool well = figures.failed == 0 && figures.digests_equal && stopped;
  fmt::print("{}\n", well ? "Passed." : "FAILED.");
  return well ? kExitOk : kExitFailed;
}

}  // namespace example
