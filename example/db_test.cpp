// db_test.cpp: many clients at once, one entry each; afterwards every node must hold every entry, as last written.
#include <fmt/format.h>

#include <deque>
#include <set>
#include <thread>

#include "cluster.hpp"
#include "distri/utils/random.hpp"
#include "entry_client.hpp"
#include "figures.hpp"
#include "modes.hpp"
#include "progress.hpp"

namespace example {
namespace {

using distri::Address;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr std::int64_t kSettle_ms = 60'000;  // for the nodes to agree afterwards
constexpr auto kTick = std::chrono::milliseconds(2);
constexpr std::uint64_t kDescriptorsSpare = 200;

// Entries of this run that `node` holds exactly as they must be.
std::uint64_t count_saved(Client& client, const Address& node, const std::string& run, std::uint64_t clients) {
  distri::client::CallOptions options;
  options.only_node = node;
  options.idempotent = true;
  const auto documents = client.read_collection(kEntryCollection, {{"run", run}}, nullptr, 0, options);
  if (!documents) {
    fmt::print("  {} cannot be read: {}\n", distri::to_string(node), documents.error().message);
    return 0;
  }
  std::set<std::uint64_t> found;
  for (const json& document : *documents) {
    const auto index = document.value("client", clients);
    if (index < clients && document == entry_document(run, index, true)) found.insert(index);
  }
  return found.size();
}

Result<> run_clients(EntryRun& run, Cluster& cluster, std::uint64_t count) {
  std::vector<std::shared_ptr<distri::client::Runtime>> runtimes{distri::client::Runtime::create()};
  if (count >= 64) runtimes.push_back(distri::client::Runtime::create());
  std::deque<EntryClient> clients;  // destroyed first: no callback runs after that
  for (std::uint64_t i = 0; i < count; ++i) {
    distri::client::ClientOptions options;
    options.timeout_ms = run.timeout_ms;
    options.runtime = runtimes[i % runtimes.size()];
    clients.emplace_back(run, i, Client(cluster.addresses, std::move(options)));
  }
  Progress progress("operations", count * kEntryOperations);
  for (EntryClient& client : clients) client.start();
  Result<> tended;
  while (run.clients_ended < count && tended) {
    run.later.run_due();
    progress.update(run.operations);
    tended = cluster.tend();
    std::this_thread::sleep_for(kTick);
  }
  progress.update(run.operations);
  return tended;
}

}  // namespace

Result<int> run_test_client_db(const Options& options) {
  const std::uint64_t count = options.n == 0 ? 100 : options.n;
  const std::uint64_t servers = options.addresses.empty() ? options.servers : options.addresses.size();
  if (!raise_descriptor_limit(count * servers + kDescriptorsSpare)) {
    fmt::print("Note: {} clients may need {} descriptors, more than the system allows (ulimit -Hn)\n", count,
               count * servers);
  }
  DISTRI_TRY(Cluster cluster, find_or_start_cluster(options));
  fmt::print("Database test: {} clients at once; each: add, read with filter, update, read with filter\n", count);

  EntryRun run;
  run.id = fmt::format("{:016x}", distri::Random::from_system().next());
  run.timeout_ms = options.timeout_ms;
  const Moment start = now();
  DISTRI_TRY_VOID(run_clients(run, cluster, count));

  TestFigures figures;
  figures.seconds = seconds_since(start);
  figures.clients = count;
  figures.failed = run.failed;
  figures.latency_us = run.latency_summary();
  figures.first_errors = run.first_errors();
  Client client = direct_client(cluster.addresses, kSettle_ms);
  figures.digests_equal = digests_equal(wait_for_equal_digests(client, cluster, kSettle_ms));
  bool all_saved = true;
  for (const Address& node : cluster.addresses) {
    const std::uint64_t saved = count_saved(client, node, run.id, count);
    figures.saved[distri::to_string(node)] = saved;
    all_saved = all_saved && saved == count;
  }
  print_figures(figures, "one call");
  fmt::print(
      "  reads: {} of {} answered by another node than took the write; {} had to be repeated ({} times, longest {})\n",
      run.reads_elsewhere.load(), 2 * count, run.reads_repeated.load(), run.repetitions.load(),
      human_duration(run.longest_wait_us));
  DISTRI_TRY_VOID(write_json(options, to_json(figures)));
  const bool stopped = cluster.stop();
  const bool well = figures.failed == 0 && all_saved && figures.digests_equal && stopped;
  fmt::print("{}\n", well ? "Passed." : "FAILED.");
  return well ? kExitOk : kExitFailed;
}

}  // namespace example
