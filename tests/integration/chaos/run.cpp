#include "run.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "cluster_state.hpp"
#include "disasters.hpp"
#include "load.hpp"
#include "nodes.hpp"
#include "probes.hpp"
#include "sandbox.hpp"

namespace chaos {

using distri::Address;
using distri::Code;
using distri::Result;

std::atomic<int> interrupts{0};

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kReadyMs = 30'000;
constexpr std::int64_t kConvergeMs = 90'000;
constexpr std::int64_t kLastWriteMs = 20'000;
constexpr std::int64_t kProgressMs = 10'000;
constexpr std::int64_t kQuietMs = 1'000;  // load without disasters at the end
constexpr auto kTick = std::chrono::milliseconds(20);
constexpr std::size_t kProbesPerMinute = 15;

void say(const std::string& text) {
  fmt::print("{:>7.1f} s  {}\n", static_cast<double>(now_ms()) / 1000, text);
  std::fflush(stdout);
}

std::string counted(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text.empty() ? "none" : text;
}

// The run's own folder: data directories, logs, the history.
class Folder {
 public:
  static Result<Folder> make(const std::string& below) {
    std::string path = below + "/distri-chaos-XXXXXX";
    if (mkdtemp(path.data()) == nullptr)
      return distri::fail(Code::kUnavailable, "cannot make a folder below {}; name another with --directory", below);
    return Folder(path);
  }
  Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, {})), kept_(other.kept_) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty() && !kept_) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  void keep() { kept_ = true; }

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  std::string path_;
  bool kept_ = false;
};

class Run {
 public:
  Run(const Options& options, Folder& folder)
      : options_(options),
        folder_(folder),
        history_(std::fopen((folder.path() + "/history.log").c_str(), "w"), &std::fclose),
        recorder_(history_.get(), say) {}

  Result<> set_up();
  Result<> endure();
  Result<> judge();
  void report() const;
  bool violated() const { return recorder_.tally().findings > 0; }

 private:
  void set_up_world();
  Result<> start_nodes();
  Result<> tend();
  void announce(const std::string& text);
  void progress() const;

  const Options& options_;
  Folder& folder_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> history_;
  Recorder recorder_;
  std::optional<Network> network_;
  std::optional<SmallDisk> disk_;
  std::optional<Nodes> nodes_;
  std::shared_ptr<distri::client::Runtime> runtime_;
  std::optional<Load> load_;
  std::optional<Prober> prober_;
  std::optional<Disasters> disasters_;
  std::optional<ClusterState> cluster_;
  std::int64_t load_begin_ms_ = 0;
  std::int64_t load_end_ms_ = 0;
  std::int64_t converged_ms_ = -1;
  std::uint64_t deaths_when_full_ = 0;
  Verdict verdict_;
};

// What is not allowed here is said, and gone without.
void Run::set_up_world() {
  bool mounts = true;
  if (options_.namespaces) {
    if (auto entered = enter_sandbox(true); !entered) {
      say(fmt::format("no network namespaces, so no partitions: {}", entered.error().message));
      mounts = enter_sandbox(false).has_value();
    } else if (auto network = Network::create(options_.nodes); !network) {
      say(fmt::format("no networks between the nodes, so no partitions: {}", network.error().message));
    } else {
      network_.emplace(std::move(*network));
      say(fmt::format("{} nodes in network namespaces of their own", options_.nodes));
    }
  } else {
    mounts = enter_sandbox(false).has_value();
  }
  if (!network_) say(fmt::format("{} nodes on loopback", options_.nodes));
  if (options_.durability == "memory") {
    say("nodes in memory mode: they would forget, so none is killed and no disk is full");
    return;
  }
  const std::string directory = fmt::format("{}/n{}", folder_.path(), options_.nodes - 1);
  fs::create_directory(directory);
  auto disk = mounts ? SmallDisk::mount(directory, options_.disk_megabytes)
                     : Result<SmallDisk>(distri::fail(Code::kUnavailable, "private mounts are not allowed here"));
  if (disk) {
    disk_.emplace(std::move(*disk));
  } else {
    say(fmt::format("no small disk, so none is full: {}", disk.error().message));
  }
}

Result<> Run::start_nodes() {
  std::vector<Address> addresses;
  if (network_) {
    for (std::size_t i = 0; i < options_.nodes; ++i) addresses.push_back(network_->address(i));
  } else {
    DISTRI_TRY(addresses, free_loopback_addresses(options_.nodes));
  }
  std::vector<NodeSetup> setups;
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    NodeSetup setup;
    setup.name = fmt::format("n{}", i);
    setup.address = addresses[i];
    setup.network = network_ ? network_->descriptor(i) : -1;
    setup.log_file = fmt::format("{}/{}.log", folder_.path(), setup.name);
    std::string ips = to_string(addresses[i]);
    for (std::size_t j = 0; j < options_.nodes; ++j) {
      if (j != i) ips += "," + to_string(addresses[j]);
    }
    setup.command = {options_.program,
                     "--mode",
                     "server",
                     "--ips",
                     ips,
                     "--workers",
                     "1",
                     "--log-level",
                     "info",
                     "--members",
                     std::to_string(options_.nodes)};
    if (network_) setup.command.emplace_back("--insecure");
    if (options_.durability != "memory") {
      for (const std::string text : {"--data-dir", "", "--durability", ""}) setup.command.push_back(text);
      setup.command[setup.command.size() - 3] = fmt::format("{}/{}/data", folder_.path(), setup.name);
      setup.command.back() = options_.durability;
      fs::create_directory(fmt::format("{}/{}", folder_.path(), setup.name));
    }
    setups.push_back(std::move(setup));
  }
  nodes_.emplace(std::move(setups), [this](std::size_t node, const std::string& how) {
    const std::string& name = nodes_->setup(node).name;
    if (disk_ && node + 1 == options_.nodes && disasters_ && disasters_->disk_full() && !how.contains("signal")) {
      ++deaths_when_full_;
      return announce(fmt::format("{} {} while its disk is full; starting it again", name, how));
    }
    recorder_.found({"a node ended by itself", {}, {}, how, name});
  });
  for (std::size_t i = 0; i < options_.nodes; ++i) DISTRI_TRY_VOID(nodes_->start(i));
  return {};
}

Result<> Run::set_up() {
  set_up_world();
  DISTRI_TRY_VOID(start_nodes());
  runtime_ = distri::client::Runtime::create();
  cluster_.emplace(nodes_->addresses(), runtime_);
  const auto ready = cluster_->converge(kReadyMs, [&] { return tend().has_value() && !violated() && interrupts == 0; });
  if (!ready) return distri::fail(Code::kUnavailable, "the nodes are not ready: {}", ready.error().message);

  LoadOptions load;
  load.addresses = nodes_->addresses();
  load.runtime = runtime_;
  load.sessions = options_.sessions;
  load.seed = options_.seed;
  load.increments = options_.increments;
  load_.emplace(std::move(load), recorder_);
  const auto probes = network_ ? 5 + static_cast<std::size_t>(options_.minutes * kProbesPerMinute) : 0;
  DISTRI_TRY_VOID(load_->prepare(probes));
  prober_.emplace(runtime_, recorder_, probes);
  World world{.nodes = *nodes_, .prober = *prober_};
  world.network = network_ ? &*network_ : nullptr;
  world.disk = disk_ ? &*disk_ : nullptr;
  world.disk_node = options_.nodes - 1;
  world.kills = options_.durability != "memory";
  disasters_.emplace(world, options_.seed, [this](const std::string& text) { announce(text); });
  return {};
}

void Run::announce(const std::string& text) {
  say(text);
  recorder_.note(now_ms(), text);
}

Result<> Run::tend() {
  if (disk_) disk_->tend();
  return nodes_->tend(now_ms());
}

void Run::progress() const {
  const Tally tally = recorder_.tally();
  std::uint64_t failed = 0;
  for (const auto& [name, count] : tally.failed) failed += count;
  say(fmt::format("-- {} writes acknowledged, {} indeterminate, {} refused, {} reads; {} found",
                  tally.acknowledged_sum(), tally.indeterminate, failed, tally.reads, tally.findings));
}

Result<> Run::endure() {
  load_begin_ms_ = now_ms();
  const auto end_ms = load_begin_ms_ + static_cast<std::int64_t>(options_.minutes * 60'000);
  std::int64_t progress_ms = load_begin_ms_ + kProgressMs;
  load_->start();
  Result<> result;
  while (result && interrupts == 0 && now_ms() < end_ms) {
    result = disasters_->tick(now_ms());
    if (result) result = tend();
    if (now_ms() >= progress_ms) {
      progress();
      progress_ms += kProgressMs;
    }
    std::this_thread::sleep_for(kTick);
  }
  if (auto healed = disasters_->heal(); result) result = std::move(healed);
  prober_->end();
  announce(interrupts == 0 ? "healed" : "interrupted and healed; once more ends it without the checks");
  const std::int64_t quiet_until_ms = now_ms() + kQuietMs;
  while (result && now_ms() < quiet_until_ms) {
    result = tend();
    std::this_thread::sleep_for(kTick);
  }
  load_->stop();
  load_end_ms_ = now_ms();
  return result;
}

Result<> Run::judge() {
  const auto converged = cluster_->converge(kConvergeMs, [&] { return tend().has_value() && interrupts < 2; });
  if (interrupts >= 2) return {};
  if (converged) {
    converged_ms_ = *converged;
    say(fmt::format("all nodes agree, {} ms after the load", converged_ms_));
  } else {
    recorder_.found({fmt::format("the nodes did not agree within {} s", kConvergeMs / 1000),
                     {},
                     {},
                     converged.error().message,
                     {}});
  }
  load_->read_once_more();
  const FinalState state = cluster_->read_all(options_.conflicts);
  Checker checker(state, recorder_);
  checker.check_nodes();
  const auto sessions = load_->expectations();
  for (const auto* session : sessions) checker.check_session(*session);
  checker.check_counters(sessions);
  for (const Probe& probe : prober_->probes()) {
    const bool merges = probe.kind == Probe::Kind::kTwoFields || probe.kind == Probe::Kind::kTwoIncrements;
    if (probe.kind == Probe::Kind::kTwoIncrements ? options_.increments : merges || options_.conflicts) {
      checker.check_probe(probe);
    }
  }
  verdict_ = checker.verdict();
  for (const auto& [key, conflicts] : state.conflicts) verdict_.conflicts += conflicts.size();
  for (const NodeView& node : state.nodes) {
    for (const auto& [id, conflict] : node.conflicts) recorder_.note(now_ms(), node.name + " keeps " + id);
  }
  if (auto written = cluster_->write_everywhere(kLastWriteMs); !written) {
    recorder_.found({"a write with w=all through every node is not acknowledged after everything was healed",
                     {},
                     {},
                     distri::to_string(written.error()),
                     {}});
  }
  for (const std::string& how : nodes_->end_all()) {
    recorder_.found({"a node did not end in good order", {}, "exit code 0 after SIGTERM", how, {}});
  }
  return {};
}

void Run::report() const {
  const Tally tally = recorder_.tally();
  const auto& counts = disasters_->counts();
  const auto count = [&](Disaster what) { return counts[static_cast<std::size_t>(what)]; };
  const auto line = [](std::string_view name, const std::string& value) { fmt::print("  {:<24} {}\n", name, value); };
  fmt::print("\n");
  line("minutes", fmt::format("{:.2f}", static_cast<double>(load_end_ms_ - load_begin_ms_) / 60'000));
  line("seed", std::to_string(options_.seed));
  line("nodes",
       fmt::format("{}, {}, {}", options_.nodes, options_.durability, network_ ? "network namespaces" : "loopback"));
  line("sessions", std::to_string(options_.sessions));
  for (const Concern w : kConcerns) {
    line(fmt::format("acknowledged w={}", name_of(w)), std::to_string(tally.acknowledged[static_cast<std::size_t>(w)]));
  }
  line("acknowledged in all", std::to_string(tally.acknowledged_sum()));
  line("indeterminate", std::to_string(tally.indeterminate));
  line("refused", counted(tally.failed));
  line("reads", std::to_string(tally.reads));
  line("failed reads", counted(tally.failed_reads));
  line("longest past a deadline", fmt::format("{} ms", tally.slowest_past_deadline_ms));
  line("kill -9", fmt::format("{} processes ({} times all, {} times several)", disasters_->kills(),
                              count(Disaster::kKillAll), count(Disaster::kKillSeveral)));
  line("stops", std::to_string(count(Disaster::kStop)));
  line("partitions", fmt::format("{}, one-way {}, unplugged {}, cut off from clients {}", count(Disaster::kPartition),
                                 count(Disaster::kOneWay), count(Disaster::kUnplug), count(Disaster::kCutClients)));
  line("full disks",
       fmt::format("{} (the node ended {} times meanwhile)", count(Disaster::kFullDisk), deaths_when_full_));
  line("converged after", converged_ms_ < 0 ? "never" : fmt::format("{} ms", converged_ms_));
  line("checked", fmt::format("{} keys, {} entries, {} pairs of writes on two sides of a partition", verdict_.keys,
                              verdict_.entries, verdict_.probes));
  line("conflicts", fmt::format("{} in the store; {} acknowledged writes found only there", verdict_.conflicts,
                                verdict_.kept_as_conflict));
  line("found", tally.findings == 0 ? "nothing wrong" : fmt::format("{} VIOLATIONS", tally.findings));
  for (const Finding& finding : recorder_.findings()) fmt::print("VIOLATION: {}\n", to_string(finding));
  std::fflush(stdout);
}

}  // namespace

Result<Ending> run_chaos(const Options& options) {
  DISTRI_TRY(Folder folder, Folder::make(options.directory));
  if (options.keep) folder.keep();
  Run run(options, folder);
  auto result = run.set_up();
  if (result) result = run.endure();
  if (result) result = run.judge();
  if (!result || run.violated() || options.keep) {
    folder.keep();
    fmt::print("logs and history: {}\n", folder.path());
  }
  if (!result) return distri::fail(result.error());
  if (interrupts >= 2) return Ending::kInterrupted;
  run.report();
  return run.violated() ? Ending::kViolated : Ending::kGood;
}

}  // namespace chaos
