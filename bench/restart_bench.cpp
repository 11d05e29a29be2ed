// restart_bench: how long a node with many documents takes to start from its data directory. --help says the rest.
#include <fmt/format.h>

#include <cstdio>

#include "flags.hpp"
#include "node_process.hpp"
#include "workload.hpp"

namespace {

using distri::Address;
using distri::Result;
using nlohmann::json;

constexpr const char* kHelp =
    R"(usage: restart_bench [options]
Fills one node through the client library, stops it, and starts it again from its data directory.
  --documents N      so many (1000000)
  --bytes B          of each (200)
  --durability D     while filling: sync or batched (sync)
  --in-flight N      adds under way while filling (1000)
  --restarts N       how often it is started again (3)
  --data DIR         where the data directory is made; removed afterwards (here)
  --json FILE        write the figures
)";

constexpr std::int64_t kServing_ms = 600'000;

distri::client::Client make_client(const Address& node) {
  distri::client::ClientOptions options;
  options.discover = false;
  return distri::client::Client({node}, options);
}

double per_document(std::uint64_t bytes, std::uint64_t documents) {
  return static_cast<double>(bytes) / static_cast<double>(documents);
}

Result<json> start_again(bench::NodeProcess& node, std::uint64_t documents) {
  const std::int64_t start_ns = bench::monotonic_ns();
  DISTRI_TRY_VOID(node.start());
  auto client = make_client(node.address());
  DISTRI_TRY_VOID(bench::wait_serving(client, node.address(), 0, kServing_ms));
  const double serving_s = bench::seconds_since(start_ns);
  DISTRI_TRY(const std::uint64_t count, client.count("restart"));
  if (count != documents)
    return distri::fail(distri::Code::kInternal, "{} of {} documents are there after the start", count, documents);
  DISTRI_TRY(const json stats, bench::stats_of(client, node.address()));
  return json{{"serving_s", serving_s}, {"rss_bytes", node.rss_bytes()}, {"digest", stats["digest"]}};
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const auto documents, flags.number("--documents", 1'000'000, 1, 100'000'000));
  DISTRI_TRY(const auto bytes, flags.number("--bytes", 200, 60, 1u << 20));
  DISTRI_TRY(const auto in_flight, flags.number("--in-flight", 1'000, 1, 100'000));
  DISTRI_TRY(const auto restarts, flags.number("--restarts", 3, 1, 100));
  const bench::TemporaryFolder folder(flags.text("--data", "."));
  const std::string data = folder.path() + "/node";
  const Address address = bench::free_addresses(1).front();
  bench::NodeProcess node(address, {}, {"--data-dir", data, "--durability", flags.text("--durability", "sync")},
                          folder.path() + "/node.log");
  DISTRI_TRY_VOID(node.start());
  json figures = {{"documents", documents}, {"document_bytes", bytes}};
  json digest;
  {
    auto client = make_client(address);
    DISTRI_TRY_VOID(bench::wait_serving(client, address, 0, kServing_ms));
    figures["rss_empty_bytes"] = node.rss_bytes();
    const std::int64_t start_ns = bench::monotonic_ns();
    bench::Bulk fill{.service = "AddDocument<restart>", .node = address, .count = documents, .in_flight = in_flight};
    fill.body = bench::document_text;
    fill.doc_bytes = static_cast<std::uint32_t>(bytes);
    DISTRI_TRY_VOID(bench::run_bulk(client, fill));
    figures["fill_s"] = bench::seconds_since(start_ns);
    DISTRI_TRY(const json stats, bench::stats_of(client, address));
    digest = stats["digest"];
    figures["rss_filled_bytes"] = node.rss_bytes();
  }
  const std::int64_t stop_ns = bench::monotonic_ns();
  DISTRI_TRY_VOID(node.stop());
  figures["stop_s"] = bench::seconds_since(stop_ns);
  figures["disk_bytes"] = bench::disk_bytes(data);
  fmt::print("{} documents of {} bytes: filled in {:.1f} s, stopped in {:.2f} s\n", documents, bytes,
             figures["fill_s"].get<double>(), figures["stop_s"].get<double>());
  fmt::print("on disk {:.0f} bytes a document; resident when filled {:.0f} a document ({} bytes with none)\n",
             per_document(figures["disk_bytes"], documents), per_document(figures["rss_filled_bytes"], documents),
             figures["rss_empty_bytes"].get<std::uint64_t>());
  for (std::uint64_t i = 0; i < restarts; ++i) {
    DISTRI_TRY(json again, start_again(node, documents));
    if (again["digest"] != digest)
      return distri::fail(distri::Code::kInternal, "the digest after the start is not the one before");
    fmt::print("start {}: serves after {:.2f} s, resident {:.0f} bytes a document\n", i + 1,
               again["serving_s"].get<double>(), per_document(again["rss_bytes"], documents));
    figures["starts"].push_back(std::move(again));
    std::fflush(stdout);
    DISTRI_TRY_VOID(node.stop());
  }
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("restart_bench", kHelp, argc, argv,
                            {"--documents", "--bytes", "--durability", "--in-flight", "--restarts", "--data", "--json"},
                            run);
}
