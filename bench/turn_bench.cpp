// turn_bench: how long the turns of a node's main thread take while long work goes on beside short requests, by what
// the node itself says in Stats, and what the short requests notice. --help says the rest.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "distri/client/collection.hpp"
#include "flags.hpp"
#include "generator.hpp"
#include "node_process.hpp"

namespace {

using distri::Address;
using distri::Code;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr const char* kHelp =
    R"(usage: turn_bench [options]
Fills one node, and starts it anew from its data directory for each phase, so that what it says of its turns is of that phase alone. In
each, gets and adds come at a fixed rate (latency counts from when one was due); meanwhile, in the background, one client for each kind
of long work does it again and again. First without a background, then with all kinds at once, then with each alone.
  --documents N      so many (1000000)
  --bytes B          of each (100)
  --rate R           gets and adds a second (2000)
  --clients N        connections for them (20)
  --seconds S        of each phase (20)
  --background LIST  some of scan,count,distinct,sort,aggregate,index (all)
                     scan: a filter without an index that 10 documents match; count: half of them; distinct: of a thousandth of them;
                     sort: the first 1000 by a field without an index; aggregate: $group over all; index: built and dropped
  --alone yes|no     each kind alone, too (yes)
  --durability D     batched or sync (batched)
  --data DIR         where the data directory is made; removed afterwards (here)
  --json FILE        write the figures
)";

constexpr const char* kCollection = "turns";
constexpr std::int64_t kServing_ms = 600'000;
constexpr std::int64_t kLongWork_ms = 120'000;
constexpr std::uint64_t kScanned = 10;  // documents that the scan's filter matches
constexpr std::uint64_t kSorted = 1'000;
constexpr std::uint64_t kGroups = 100;

struct Settings {
  std::uint64_t documents = 0, bytes = 0, rate = 0, clients = 0, seconds = 0;
};

Client make_client(const Address& node) {
  distri::client::ClientOptions options;
  options.discover = false;
  options.timeout_ms = kLongWork_ms;
  return Client({node}, options);
}

Result<> wrong(std::string_view what) {
  return distri::fail(Code::kInternal, "wrong reply to {}", what);
}

// ---- Long work: each is one round of it, and checks what comes. The documents with n below settings.documents stay as
// they are; adds come behind.

using Work = Result<> (*)(const distri::client::Collection&, const Settings&);

Result<> scan(const distri::client::Collection& collection, const Settings& settings) {
  const std::uint64_t first = settings.documents / 2;
  DISTRI_TRY(const auto found, collection.find({{"n", {{"$gte", first}, {"$lt", first + kScanned}}}}).all());
  return found.size() == kScanned && found.front()["n"] == first ? Result<>() : wrong("scan");
}

Result<> count(const distri::client::Collection& collection, const Settings& settings) {
  const std::uint64_t half = settings.documents / 2;
  DISTRI_TRY(const std::uint64_t counted, collection.find({{"n", {{"$lt", half}}}}).count());
  return counted == half ? Result<>() : wrong("count");
}

Result<> distinct(const distri::client::Collection& collection, const Settings& settings) {
  const std::uint64_t few = settings.documents / 1'000 + 1;
  DISTRI_TRY(const auto values, collection.distinct("v", {{"n", {{"$lt", few}}}}));
  return values.size() == few ? Result<>() : wrong("distinct");
}

Result<> sort(const distri::client::Collection& collection, const Settings& settings) {
  const std::uint64_t wanted = std::min(kSorted, settings.documents);
  DISTRI_TRY(const auto found, collection.find().sort({{"v", 1}}).limit(wanted).all());
  const bool sorted = std::is_sorted(found.begin(), found.end(), [](const json& a, const json& b) {
    return a["v"].get_ref<const std::string&>() < b["v"].get_ref<const std::string&>();
  });
  return found.size() == wanted && sorted ? Result<>() : wrong("sort");
}

Result<> aggregate(const distri::client::Collection& collection, const Settings& settings) {
  const json groups = {{"$group", {{"_id", {{"$mod", {"$n", kGroups}}}}, {"documents", {{"$sum", 1}}}}}};
  DISTRI_TRY(const auto found, collection.aggregate({{{"$match", {{"n", {{"$lt", settings.documents}}}}}}, groups}));
  std::uint64_t documents = 0;
  for (const json& group : found) documents += group["documents"].get<std::uint64_t>();
  return documents == settings.documents && found.size() == std::min(kGroups, documents) ? Result<>()
                                                                                         : wrong("aggregate");
}

Result<> index(const distri::client::Collection& collection, const Settings& settings) {
  DISTRI_TRY(const std::string name, collection.create_index({{"v", 1}}));
  while (true) {
    DISTRI_TRY(const auto indexes, collection.list_indexes());
    const auto ours =
        std::find_if(indexes.begin(), indexes.end(), [&](const json& one) { return one["name"] == name; });
    if (ours == indexes.end()) return wrong("index");
    if ((*ours)["ready"] == false) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    if ((*ours)["entries"].get<std::uint64_t>() < settings.documents) return wrong("index");
    return collection.drop_index(name);
  }
}

struct Kind {
  const char* name;
  Work work;
};
constexpr Kind kKinds[] = {{"scan", scan}, {"count", count},         {"distinct", distinct},
                           {"sort", sort}, {"aggregate", aggregate}, {"index", index}};

Result<std::vector<Kind>> parse_kinds(const std::string& list) {
  std::vector<Kind> kinds;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, end - at);
    const auto* known =
        std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return name == k.name; });
    if (known == std::end(kKinds))
      return distri::fail(Code::kInvalidArgument, "--background '{}' is unknown; --help shows the kinds", name);
    kinds.push_back(*known);
    at = end + 1;
  }
  return kinds;
}

// One kind of long work, again and again in a thread of its own until it is stopped or fails.
class Background {
 public:
  Background(const Kind& kind, const Address& node, const Settings& settings)
      : kind_(kind), settings_(settings), client_(make_client(node)), thread_([this] { work(); }) {}
  ~Background() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // {"rounds", "p50_ms", "max_ms"}; an error when a round failed.
  Result<json> stop() {
    stop_ = true;
    thread_.join();
    if (!outcome_) return distri::fail(outcome_.error().code, "{}: {}", kind_.name, outcome_.error().message);
    if (rounds_ms_.empty()) return json{{"rounds", 0}};
    std::sort(rounds_ms_.begin(), rounds_ms_.end());
    return json{
        {"rounds", rounds_ms_.size()}, {"p50_ms", rounds_ms_[rounds_ms_.size() / 2]}, {"max_ms", rounds_ms_.back()}};
  }

 private:
  void work() {
    const auto collection = client_.collection(kCollection);
    while (!stop_ && outcome_) {
      const std::int64_t start_ns = bench::monotonic_ns();
      outcome_ = kind_.work(collection, settings_);
      if (outcome_) rounds_ms_.push_back(bench::seconds_since(start_ns) * 1000);
    }
  }

  Kind kind_;
  const Settings& settings_;
  Client client_;
  std::atomic<bool> stop_ = false;
  Result<> outcome_;
  std::vector<double> rounds_ms_;
  std::thread thread_;  // the last: it uses the others
};

// ---- A phase.

json latencies(const json& figures) {
  json result = figures["latency_us"];
  result["per_s"] = figures["ops_per_s"];
  return result;
}

// `first_new`: the number of the first document to add.
Result<json> measure(bench::NodeProcess& node, const Settings& settings, const std::vector<Kind>& kinds,
                     std::uint64_t first_new) {
  DISTRI_TRY_VOID(node.start());
  Client client = make_client(node.address());
  DISTRI_TRY_VOID(bench::wait_serving(client, node.address(), 0, kServing_ms));
  bench::Options options;
  options.nodes = {node.address()};
  options.workload = bench::Workload::kMixed;
  options.workload_name = "mixed";
  options.clients = static_cast<std::uint32_t>(settings.clients);
  options.pipeline = 8;  // so many may be late on each connection before the next ones wait here
  options.seconds = static_cast<std::uint32_t>(settings.seconds);
  options.rate_per_s = static_cast<std::uint32_t>(settings.rate);
  options.doc_bytes = static_cast<std::uint32_t>(settings.bytes);
  options.documents = settings.documents;
  options.first_new = first_new;

  std::vector<std::unique_ptr<Background>> background;
  for (const Kind& kind : kinds) background.push_back(std::make_unique<Background>(kind, node.address(), settings));
  bench::Requests requests(options, kCollection);
  DISTRI_TRY(bench::Figures figures, bench::Generator(options, requests).run());
  DISTRI_TRY(const json stats, bench::stats_of(client, node.address()));
  if (figures.errors > 0)
    return distri::fail(Code::kInternal, "{} errors; the first: {}", figures.errors, figures.first_error);
  json result = {{"loop", stats["loop"]},
                 {"slices", stats["reads"]["slices"]},
                 {"requests", latencies(bench::to_json(options, figures))},
                 {"background", json::object()}};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    DISTRI_TRY(result["background"][kinds[i].name], background[i]->stop());
  }
  DISTRI_TRY_VOID(node.stop());
  return result;
}

void print(const std::string& name, const json& phase) {
  const json &loop = phase["loop"], &requests = phase["requests"];
  fmt::print("{:<10} {:>9} {:>7} {:>7} {:>8} {:>8}   {:>7} {:>8} {:>8} {:>8}  ", name, loop["turns"].dump(),
             loop["turn_us_p50"].dump(), loop["turn_us_p99"].dump(), loop["turn_us_p999"].dump(),
             loop["turn_us_max"].dump(), requests["p50"].dump(), requests["p99"].dump(), requests["p999"].dump(),
             requests["max"].dump());
  for (const auto& [kind, rounds] : phase["background"].items()) {
    fmt::print(" {} {}", rounds["rounds"].dump(), kind);
    if (rounds.contains("p50_ms")) fmt::print(" ({:.0f} ms)", rounds["p50_ms"].get<double>());
  }
  fmt::print("\n");
  std::fflush(stdout);
}

Result<> fill(bench::NodeProcess& node, const Settings& settings) {
  DISTRI_TRY_VOID(node.start());
  {
    Client client = make_client(node.address());
    DISTRI_TRY_VOID(bench::wait_serving(client, node.address(), 0, kServing_ms));
    bench::Bulk bulk{.service = fmt::format("AddDocument<{}>", kCollection),
                     .node = node.address(),
                     .count = settings.documents,
                     .in_flight = 1'000};
    bulk.body = bench::document_text;
    bulk.doc_bytes = static_cast<std::uint32_t>(settings.bytes);
    DISTRI_TRY_VOID(bench::run_bulk(client, bulk));
  }
  return node.stop();
}

Result<> run(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(settings.documents, flags.number("--documents", 1'000'000, 100, 10'000'000));
  DISTRI_TRY(settings.bytes, flags.number("--bytes", 100, 60, 1u << 20));
  DISTRI_TRY(settings.rate, flags.number("--rate", 2'000, 1, 1'000'000));
  DISTRI_TRY(settings.clients, flags.number("--clients", 20, 1, 10'000));
  DISTRI_TRY(settings.seconds, flags.number("--seconds", 20, 1, 3'600));
  DISTRI_TRY(const auto kinds, parse_kinds(flags.text("--background", "scan,count,distinct,sort,aggregate,index")));
  const std::string durability = flags.text("--durability", "batched");
  const bench::TemporaryFolder folder(flags.text("--data", "."));
  bench::NodeProcess node(bench::free_addresses(1).front(), {},
                          {"--data-dir", folder.path() + "/node", "--durability", durability},
                          folder.path() + "/node.log");
  DISTRI_TRY_VOID(fill(node, settings));

  std::vector<std::pair<std::string, std::vector<Kind>>> phases = {{"none", {}}, {"all", kinds}};
  if (flags.text("--alone", "yes") == "yes") {
    for (const Kind& kind : kinds) phases.push_back({kind.name, {kind}});
  }
  fmt::print("{} documents of {} bytes, {} gets and adds a second, {} s each; microseconds\n", settings.documents,
             settings.bytes, settings.rate, settings.seconds);
  fmt::print("{:<10} {:<43}   {:<34}   rounds of long work (median)\n", "", "turns of the main thread",
             "gets and adds");
  fmt::print("{:<10} {:>9} {:>7} {:>7} {:>8} {:>8}   {:>7} {:>8} {:>8} {:>8}\n", "background", "turns", "p50", "p99",
             "p99.9", "max", "p50", "p99", "p99.9", "max");
  json figures = {{"documents", settings.documents}, {"bytes", settings.bytes},  {"rate", settings.rate},
                  {"seconds", settings.seconds},     {"durability", durability}, {"phases", json::object()}};
  std::uint64_t first_new = settings.documents;
  for (const auto& [name, background] : phases) {
    auto phase = measure(node, settings, background, first_new);
    if (!phase) return distri::fail(phase.error().code, "background {}: {}", name, phase.error().message);
    print(name, *phase);
    figures["phases"][name] = *std::move(phase);
    first_new += settings.rate * (settings.seconds + 60);  // more than it can have added
  }
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("turn_bench", kHelp, argc, argv,
                            {"--documents", "--bytes", "--rate", "--clients", "--seconds", "--background", "--alone",
                             "--durability", "--data", "--json"},
                            run);
}
