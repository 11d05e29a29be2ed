// catch_up_bench: a node returns after others have written and deleted more than their logs keep. Does anything come
// back that was deleted, and what do the clients of the others notice? --help says the rest.
#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "flags.hpp"
#include "generator.hpp"
#include "node_process.hpp"
#include "prepare.hpp"

namespace {

using distri::Address;
using distri::Code;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr const char* kHelp =
    R"(usage: catch_up_bench [options]
Three nodes have --base documents. The third goes; the first deletes those documents, adds --documents others and deletes all of them
but every hundredth, with a log of --log-budget bytes, which does not reach back. Then the third returns: empty (memory), or with its
old data directory (disk). At the end all must have the same documents, and exactly those that were not deleted.
Meanwhile clients add and get on the first two at a steady rate, latency counted from when a request was due: first while the third is
away and nothing else happens, then while it catches up.
  --mode M           memory, disk (sync) or both (both)
  --documents N      written and deleted while the third is away (200000)
  --base N           there before, deleted while it is away (50000)
  --log-budget B     bytes of a node's log (1048576)
  --rate R           requests a second of the steady load (1000)
  --load-s S         how long it lasts, with and without catching up (15)
  --data DIR         for data directories; removed afterwards (here)
  --json FILE        write the figures
)";

constexpr std::int64_t kReady_ms = 60'000;
constexpr std::int64_t kCatchUp_ms = 300'000;
constexpr std::uint64_t kKeptOf = 100;
constexpr const char* kCollection = "catch_up";
constexpr std::uint32_t kLoadConnections = 32;

struct Settings {
  std::uint64_t documents = 0, base = 0, log_budget = 0, rate = 0, load_s = 0;
  std::string data;
};

json by_id(std::uint64_t number) {
  return {{"filter", {{"_id", fmt::format("k{:010}", number)}}}};
}

bench::Options load_options(const Settings& settings, const std::vector<Address>& nodes) {
  bench::Options options;
  options.nodes = {nodes[0], nodes[1]};
  options.workload = bench::Workload::kMixed;
  options.workload_name = "mixed";
  options.clients = kLoadConnections;
  options.seconds = static_cast<std::uint32_t>(settings.load_s);
  options.rate_per_s = static_cast<std::uint32_t>(settings.rate);
  options.warmup = kLoadConnections;
  options.documents = 1'000;
  return options;
}

// The steady load; its collection goes afterwards.
Result<json> run_load(const bench::Options& options, const std::string& collection) {
  DISTRI_TRY_VOID(bench::prepare(options, collection));
  bench::Requests requests(options, collection);
  DISTRI_TRY(bench::Figures figures, bench::Generator(options, requests).run());
  if (figures.errors > 0) return distri::fail(Code::kInternal, "the steady load failed: {}", figures.first_error);
  bench::clean_up(options, collection);
  return bench::to_json(options, figures);
}

class CatchUp {
 public:
  CatchUp(const Settings& settings, bool disk)
      : settings_(settings), folder_(settings.data), addresses_(bench::free_addresses(3)) {
    for (std::size_t i = 0; i < addresses_.size(); ++i) {
      const std::string name = folder_.path() + "/node" + std::to_string(i);
      std::vector<std::string> arguments{"--log-budget", std::to_string(settings.log_budget)};
      if (disk) arguments.insert(arguments.end(), {"--data-dir", name, "--durability", "sync"});
      nodes_.push_back(std::make_unique<bench::NodeProcess>(addresses_[i], addresses_, arguments, name + ".log"));
    }
    distri::client::ClientOptions options;
    options.discover = false;
    client_ = std::make_unique<Client>(addresses_, options);
  }

  Result<json> run() {
    for (const auto& node : nodes_) DISTRI_TRY_VOID(node->start());
    for (const Address& node : addresses_) DISTRI_TRY_VOID(bench::wait_serving(*client_, node, 2, kReady_ms));
    DISTRI_TRY_VOID(bulk("AddDocument", 0, settings_.base, bench::document_text, nullptr));
    DISTRI_TRY_VOID(bench::wait_equal(*client_, addresses_, kReady_ms));
    DISTRI_TRY_VOID(nodes_[2]->stop());
    DISTRI_TRY_VOID(write_and_delete());
    json figures;
    const bench::Options load = load_options(settings_, addresses_);
    DISTRI_TRY(figures["load_alone"], run_load(load, "load_alone"));
    DISTRI_TRY_VOID(come_back(load, figures));
    DISTRI_TRY_VOID(bench::wait_equal(*client_, addresses_, kCatchUp_ms));
    DISTRI_TRY_VOID(check_documents());
    DISTRI_TRY(const json stats, bench::stats_of(*client_, addresses_[2]));
    figures["replication_of_returned"] = stats["replication"];
    for (const Address& other : {addresses_[0], addresses_[1]}) {
      DISTRI_TRY(const json theirs, bench::stats_of(*client_, other));
      figures["loops_of_others"].push_back(theirs["loop"]);
    }
    return figures;
  }

 private:
  Result<> bulk(std::string_view service, std::uint64_t first, std::uint64_t count,
                distri::Bytes (*body)(std::uint64_t, std::uint32_t), json (*params)(std::uint64_t)) {
    return bench::run_bulk(*client_, {.service = fmt::format("{}<{}>", service, kCollection),
                                      .node = addresses_[0],
                                      .count = count,
                                      .body = body,
                                      .params = params,
                                      .first = first});
  }

  // The documents base .. base + documents - 1; what stays of them is every hundredth.
  Result<> write_and_delete() {
    DISTRI_TRY_VOID(bulk("DeleteDocument", 0, settings_.base, nullptr, by_id));
    DISTRI_TRY_VOID(bulk("AddDocument", settings_.base, settings_.documents, bench::document_text, nullptr));
    for (std::uint64_t i = 0; i < settings_.documents; i += kKeptOf) {
      const std::uint64_t deleted = std::min(kKeptOf, settings_.documents - i) - 1;
      if (deleted > 0) DISTRI_TRY_VOID(bulk("DeleteDocument", settings_.base + i + 1, deleted, nullptr, by_id));
    }
    return {};
  }
  std::uint64_t kept() const { return (settings_.documents + kKeptOf - 1) / kKeptOf; }

  Result<> come_back(const bench::Options& load, json& figures) {
    Result<json> measured;
    std::thread loading([&] { measured = run_load(load, "load_catching_up"); });
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const std::int64_t start_ns = bench::monotonic_ns();
    Result<> back = nodes_[2]->start();
    if (back) back = bench::wait_serving(*client_, addresses_[2], 2, kCatchUp_ms);
    figures["catch_up_s"] = bench::seconds_since(start_ns);
    loading.join();
    DISTRI_TRY_VOID(std::move(back));
    DISTRI_TRY(figures["load_catching_up"], std::move(measured));
    return {};
  }

  Result<> check_documents() {
    for (const Address& node : addresses_) {
      distri::client::CallOptions there;
      there.only_node = node;
      DISTRI_TRY(const std::uint64_t count, client_->count(kCollection, nullptr, there));
      if (count != kept())
        return distri::fail(Code::kInternal, "{} has {} documents instead of {}", distri::to_string(node), count,
                            kept());
    }
    return {};
  }

  const Settings& settings_;
  bench::TemporaryFolder folder_;
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<bench::NodeProcess>> nodes_;
  std::unique_ptr<Client> client_;
};

void print(const char* mode, const Settings& settings, const json& figures) {
  fmt::print("{}: serves {:.2f} s after its start; all nodes have the same documents, none came back\n", mode,
             figures["catch_up_s"].get<double>());
  if (figures["catch_up_s"] > settings.load_s) fmt::print("  (that is longer than the steady load lasted)\n");
  for (const auto& [name, text] :
       {std::pair{"load_alone", "nothing else"}, std::pair{"load_catching_up", "catching up"}}) {
    const json& us = figures[name]["latency_us"];
    fmt::print("  {}/s beside {}: p50 {} us, p99 {} us, p99.9 {} us, max {} us\n", settings.rate, text,
               us["p50"].dump(), us["p99"].dump(), us["p999"].dump(), us["max"].dump());
  }
  for (const json& loop : figures["loops_of_others"]) {
    fmt::print("  a node that stayed: turns of its loop p99.9 {} us, longest since its start {} us\n",
               loop["turn_us_p999"].dump(), loop["turn_us_max"].dump());
  }
  std::fflush(stdout);
}

Result<> run(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(settings.documents, flags.number("--documents", 200'000, 1, 10'000'000));
  DISTRI_TRY(settings.base, flags.number("--base", 50'000, 1, 10'000'000));
  DISTRI_TRY(settings.log_budget, flags.number("--log-budget", 1u << 20, 1, 1ULL << 40));
  DISTRI_TRY(settings.rate, flags.number("--rate", 1'000, 1, 1'000'000));
  DISTRI_TRY(settings.load_s, flags.number("--load-s", 15, 1, 3'600));
  settings.data = flags.text("--data", ".");
  const std::string mode = flags.text("--mode", "both");
  if (mode != "memory" && mode != "disk" && mode != "both")
    return distri::fail(Code::kInvalidArgument, "--mode '{}' is not memory, disk or both", mode);
  json figures = {{"documents", settings.documents}, {"base", settings.base}, {"log_budget", settings.log_budget}};
  for (const char* each : {"memory", "disk"}) {
    if (mode != "both" && mode != each) continue;
    DISTRI_TRY(figures[each], CatchUp(settings, std::string_view(each) == "disk").run());
    print(each, settings, figures[each]);
  }
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "catch_up_bench", kHelp, argc, argv,
      {"--mode", "--documents", "--base", "--log-budget", "--rate", "--load-s", "--data", "--json"}, run);
}
