// demo.cpp: what distri does, shown on real photographs, in under a minute: three nodes, encrypted pictures, replicated
// documents, and a node that is killed in the middle of it.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "cluster.hpp"
#include "distri/utils/hash.hpp"
#include "figures.hpp"
#include "modes.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "round_trips.hpp"

namespace example {
namespace {

using distri::Address;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr const char* kDefaultImages = "/usr/share/backgrounds/mate/nature";
constexpr std::size_t kNodes = 3;
constexpr std::size_t kVictim = 1;  // node 2
constexpr std::size_t kSenders = 4;
constexpr std::size_t kOutageTripsMin = 24;
constexpr std::uint64_t kOutageWritesMin = 300;
constexpr std::int64_t kCall_ms = 30'000;
constexpr std::int64_t kReady_ms = 20'000;
constexpr std::int64_t kVisible_ms = 10'000;
constexpr std::int64_t kSettle_ms = 20'000;
constexpr auto kTick = std::chrono::milliseconds(2);

class Demo {
 public:
  Demo(const Options& options, std::vector<Picture> pictures)
      : out_(options.out.empty() ? "demo-out" : options.out), options_(options), pictures_(std::move(pictures)) {}

  Result<int> run();

 private:
  Result<> start_nodes();
  Result<> encrypt_photographs();
  Result<> write_and_read_documents();
  Result<> kill_a_node();
  Result<> compare_nodes();
  Result<> leave_results();

  RoundTrips::Plan plan(std::size_t rounds) const;
  Result<> tend_until_ended(RoundTrips& run, const std::function<Result<>()>& each_tick);
  void title(std::string_view text) {
    fmt::print("\n{}. {}\n", ++step_, text);
    std::fflush(stdout);
  }
  void add_failures(std::uint64_t count, const std::vector<std::string>& errors) {
    failed_ += count;
    for (const std::string& error : errors) fmt::print("   failure: {}\n", error);
  }
  std::string name(std::size_t node) const { return distri::to_string(cluster_.addresses[node]); }

  std::string out_;
  Options options_;
  std::vector<Picture> pictures_;
  Cluster cluster_;
  std::unique_ptr<Client> client_;
  std::vector<SheetRow> rows_;
  json latency_;
  json outage_;
  std::vector<json> stats_;
  Moment start_ = now();
  int step_ = 0;
  std::uint64_t round_trips_ = 0;
  std::uint64_t journal_entries_ = 0;
  std::uint64_t failed_ = 0;
  bool digests_equal_ = false;
};

// Documents about what goes on, written one after the other by a client of its own while nodes come and go.
class JournalWriter {
 public:
  explicit JournalWriter(const std::vector<Address>& nodes) : thread_([this, nodes] { write(nodes); }) {}
  ~JournalWriter() { stop(); }

  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::uint64_t written() const { return written_; }
  std::uint64_t failed() const { return failed_; }
  std::vector<std::string> errors;  // after stop()

 private:
  void write(const std::vector<Address>& nodes) {
    distri::client::ClientOptions options;
    options.timeout_ms = kCall_ms;
    Client client(nodes, std::move(options));
    for (std::uint64_t i = 0; !stop_; ++i) {
      const auto id =
          client.add_document("journal", {{"entry", i}, {"text", fmt::format("entry {} of the journal", i)}});
      if (id) {
        ++written_;
      } else {
        ++failed_;
        if (errors.size() < 3) errors.push_back(distri::to_string(id.error()));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::thread thread_;  // last: it uses all of the above
};

RoundTrips::Plan Demo::plan(std::size_t rounds) const {
  RoundTrips::Plan plan;
  plan.nodes = cluster_.addresses;
  plan.pictures = &pictures_;
  plan.timeout_ms = kCall_ms;
  plan.work.resize(kSenders);
  for (std::size_t i = 0; i < rounds * pictures_.size(); ++i) plan.work[i % kSenders].push_back(i % pictures_.size());
  return plan;
}

Result<> Demo::tend_until_ended(RoundTrips& run, const std::function<Result<>()>& each_tick) {
  run.start();
  Progress progress(" photographs encrypted and decrypted", run.total());
  while (!run.ended()) {
    progress.update(run.done());
    DISTRI_TRY_VOID(cluster_.tend());
    DISTRI_TRY_VOID(each_tick());
    std::this_thread::sleep_for(kTick);
  }
  progress.update(run.done());
  round_trips_ += run.total();
  return {};
}

Result<> Demo::start_nodes() {
  title("Starting three nodes, each a process of its own, none of them special");
  const Moment start = now();
  DISTRI_TRY(cluster_.addresses, free_local_addresses(kNodes));
  SupervisorOptions options = supervise_like(options_, cluster_.addresses);
  options.log_file = out_ + "/nodes.log";
  options.say = [](const std::string& text) { fmt::print("   {}\n", text); };
  cluster_.own = std::make_unique<Supervisor>(std::move(options));
  DISTRI_TRY_VOID(cluster_.own->start());
  DISTRI_TRY_VOID(cluster_.own->wait_ready(kReady_ms));
  for (std::size_t i = 0; i < kNodes; ++i) fmt::print("   node {}: {}, pid {}\n", i + 1, name(i), cluster_.own->pid(i));
  fmt::print("   all connected to each other after {}\n", human_duration(us_since(start)));
  client_ = std::make_unique<Client>(direct_client(cluster_.addresses, kCall_ms));
  return check_image_service(*client_, make_pictures(1).front());
}

Result<> Demo::encrypt_photographs() {
  std::uint64_t bytes = 0;
  for (const Picture& picture : pictures_) bytes += picture.bytes.size();
  title(fmt::format("Encrypting and decrypting {} photographs ({}), {} at a time", pictures_.size(), human_bytes(bytes),
                    kSenders));
  rows_.resize(pictures_.size());
  RoundTrips::Plan work = plan(1);
  work.on_result = [this](RoundTrip& trip) {
    const Picture& picture = pictures_[trip.picture];
    rows_[trip.picture] = {picture.name, picture.bytes, std::move(trip.encrypted), std::move(trip.decrypted)};
  };
  RoundTrips run(std::move(work));
  const Moment start = now();
  DISTRI_TRY_VOID(tend_until_ended(run, [] { return Result<>{}; }));
  const double seconds = seconds_since(start);
  add_failures(run.failed(), run.first_errors());
  for (const SheetRow& row : rows_) {
    if (!row.encrypted.empty())
      DISTRI_TRY_VOID(write_file(fmt::format("{}/encrypted/{}.png", out_, row.name), row.encrypted));
  }
  latency_ = {{"encrypt", run.encrypt_latency()}, {"decrypt", run.decrypt_latency()}};
  fmt::print("   {} of {} came back bit-exact, in {:.2f} s ({:.1f} MB/s); Encrypt p50 {}, Decrypt p50 {}\n",
             run.total() - run.failed(), run.total(), seconds, static_cast<double>(bytes) / 1e6 / seconds,
             human_duration(latency_["encrypt"]["p50"]), human_duration(latency_["decrypt"]["p50"]));
  for (const auto& [node, count] : run.exact_per_node()) fmt::print("   {} decrypted {}\n", node, count);
  return {};
}

Result<> Demo::write_and_read_documents() {
  title("Writing a document about each photograph at node 1, reading them at node 3");
  distri::client::CallOptions at_first;
  at_first.only_node = cluster_.addresses.front();
  distri::client::CallOptions at_last;
  at_last.only_node = cluster_.addresses.back();
  const Moment start = now();
  for (const SheetRow& row : rows_) {
    const auto hash = distri::blake2b_256(row.original);
    const auto id =
        client_->add_document("photos",
                              {{"name", row.name},
                               {"bytes", row.original.size()},
                               {"encrypted_bytes", row.encrypted.size()},
                               {"blake2b", distri::to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()})}},
                              at_first);
    if (!id) add_failures(1, {distri::to_string(id.error())});
  }
  const std::int64_t written_us = us_since(start);
  std::uint64_t seen = 0;
  while (seen < rows_.size() && us_since(start) < kVisible_ms * 1000) {
    DISTRI_TRY(seen, client_->count("photos", nullptr, at_last));
  }
  const std::int64_t seen_us = us_since(start) - written_us;
  if (seen != rows_.size()) add_failures(1, {fmt::format("node 3 sees {} of {} documents", seen, rows_.size())});
  fmt::print("   {} documents written at {} in {}; all there at {} {} later\n", rows_.size(), name(0),
             human_duration(written_us), name(2), human_duration(seen_us));
  const json filter = {{"bytes", {{"$gte", 500'000}}}};
  DISTRI_TRY(const auto large, client_->read_collection("photos", filter, {{"bytes", -1}}, 3, at_last));
  fmt::print("   asked there for {}, largest first: {}\n", filter.dump(), large.empty() ? "none" : "");
  for (const json& document : large) {
    fmt::print("     {:<18} {:>9}, encrypted {:>9}\n", document.value("name", "?"),
               human_bytes(document.value("bytes", 0U)), human_bytes(document.value("encrypted_bytes", 0U)));
  }
  return {};
}

Result<> Demo::kill_a_node() {
  title("Killing node 2 with SIGKILL in the middle of work, and starting it again");
  JournalWriter journal(cluster_.addresses);
  RoundTrips run(plan((kOutageTripsMin + pictures_.size() - 1) / pictures_.size()));
  std::uint64_t killed_at = 0;
  std::uint64_t revived_at = 0;
  Moment killed{};
  const auto events = [&]() -> Result<> {
    if (killed_at == 0 && run.done() >= run.total() / 4) {
      cluster_.own->kill_node(kVictim);
      killed = now();
      killed_at = std::max<std::uint64_t>(1, run.done());
      return {};
    }
    if (killed_at == 0 || revived_at != 0 || run.done() < run.total() * 2 / 3) return {};
    revived_at = run.done();
    return cluster_.own->revive(kVictim);
  };
  DISTRI_TRY_VOID(tend_until_ended(run, events));
  // Small pictures may all be done before the node was killed or back: do the rest now, under the journal's writes.
  if (killed_at == 0) {
    cluster_.own->kill_node(kVictim);
    killed = now();
  }
  if (revived_at == 0) DISTRI_TRY_VOID(cluster_.own->revive(kVictim));
  const double away = seconds_since(killed);
  DISTRI_TRY_VOID(cluster_.own->wait_ready(kReady_ms));
  const Moment wait_start = now();
  while (journal.written() < kOutageWritesMin && us_since(wait_start) < kSettle_ms * 1000)
    std::this_thread::sleep_for(kTick);
  journal.stop();
  journal_entries_ = journal.written();
  add_failures(run.failed(), run.first_errors());
  add_failures(journal.failed(), journal.errors);
  outage_ = {
      {"node", name(kVictim)},      {"round_trips", run.total()},        {"failed_round_trips", run.failed()},
      {"writes", journal_entries_}, {"failed_writes", journal.failed()}, {"longest_call_us", run.latency()["max"]}};
  fmt::print("   killed after {} of {} round trips, started again, pid {}; work ended {:.2f} s later\n", killed_at,
             run.total(), cluster_.own->pid(kVictim), away);
  fmt::print("   meanwhile: {} photographs, {} failed; {} documents written, {} failed; slowest call {}\n", run.total(),
             run.failed(), journal_entries_, journal.failed(), human_duration(run.latency()["max"]));
  return {};
}

Result<> Demo::compare_nodes() {
  title("Comparing the nodes: the one that lost its memory must hold everything again");
  const Moment start = now();
  stats_ = wait_for_equal_digests(*client_, cluster_, kSettle_ms);
  digests_equal_ = digests_equal(stats_);
  fmt::print("   digests {} after {}\n\n{}\n", digests_equal_ ? "equal" : "NOT EQUAL", human_duration(us_since(start)),
             render_report(stats_));
  for (const Address& node : cluster_.addresses) {
    distri::client::CallOptions there;
    there.only_node = node;
    DISTRI_TRY(const std::uint64_t photos, client_->count("photos", nullptr, there));
    DISTRI_TRY(const std::uint64_t entries, client_->count("journal", nullptr, there));
    if (photos == pictures_.size() && entries == journal_entries_) continue;
    add_failures(1, {fmt::format("{} holds {} of {} photograph documents and {} of {} journal entries",
                                 distri::to_string(node), photos, pictures_.size(), entries, journal_entries_)});
  }
  return {};
}

Result<> Demo::leave_results() {
  title("Leaving the results");
  DISTRI_TRY_VOID(write_contact_sheet(out_ + "/contact_sheet.png", rows_));
  const json report = {{"images", pictures_.size()},
                       {"round_trips", round_trips_},
                       {"failed", failed_},
                       {"digests_equal", digests_equal_},
                       {"documents", pictures_.size() + journal_entries_},
                       {"outage", outage_},
                       {"latency_us", latency_},
                       {"seconds", seconds_since(start_)},
                       {"nodes", stats_}};
  DISTRI_TRY_VOID(write_file(out_ + "/report.json", report.dump(2) + "\n"));
  DISTRI_TRY_VOID(write_json(options_, report));
  fmt::print(
      "   {0}/contact_sheet.png  original, encrypted, decrypted side by side\n   {0}/encrypted/         the encrypted "
      "pictures\n"
      "   {0}/report.json        the figures\n",
      out_);
  return {};
}

Result<int> Demo::run() {
  DISTRI_TRY_VOID(start_nodes());
  DISTRI_TRY_VOID(encrypt_photographs());
  DISTRI_TRY_VOID(write_and_read_documents());
  DISTRI_TRY_VOID(kill_a_node());
  DISTRI_TRY_VOID(compare_nodes());
  DISTRI_TRY_VOID(leave_results());
  if (!cluster_.own->stop(15'000))
    add_failures(1, {fmt::format("a node did not stop cleanly; see {}/nodes.log", out_)});
  const bool well = failed_ == 0 && digests_equal_;
  fmt::print(
      "\n{} {} photographs in {} round trips, {} documents, one node killed and restarted: {} failures, digests {}. "
      "{:.1f} s.\n",
      well ? "Done." : "FAILED.", pictures_.size(), round_trips_, pictures_.size() + journal_entries_, failed_,
      digests_equal_ ? "equal" : "NOT equal", seconds_since(start_));
  return well ? kExitOk : kExitFailed;
}

}  // namespace

Result<int> run_demo(const Options& options) {
  if (!images_available()) {
    return distri::fail(distri::Code::kUnavailable,
                        "the demonstration needs images: run scripts/setup without --minimal and build again");
  }
  std::vector<std::string> images = options.images;
  if (images.empty()) {
    if (!std::filesystem::is_directory(kDefaultImages)) {
      return distri::fail(distri::Code::kInvalidArgument,
                          "there are no photographs in {}; install the package mate-backgrounds, or use --images DIR",
                          kDefaultImages);
    }
    images.emplace_back(kDefaultImages);
  }
  DISTRI_TRY(std::vector<Picture> pictures, load_pictures(images));
  Demo demo(options, std::move(pictures));
  return demo.run();
}

}  // namespace example
