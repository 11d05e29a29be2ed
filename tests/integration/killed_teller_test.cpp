// A change stream whose node is killed in the middle, with real processes: it goes on at another node, and every
// acknowledged write is given once, those of one writer in the order in which they were made.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "distri/client/client.hpp"
#include "node_process.hpp"

using namespace distri;
using nlohmann::json;

namespace {

constexpr std::int64_t kServingMs = 60'000;
constexpr std::int64_t kEventMs = 60'000;
constexpr std::int64_t kWriteMs = 60'000;
constexpr std::size_t kWriters = 3;
constexpr int kAhead = 120;  // adds of all writers before the node is killed
constexpr int kBefore = 40;  // events that are read of these
constexpr int kAfter = 40;   // adds of each writer that begin after that

template <class T>
T good(Result<T> result) {
  INFO((result ? "" : to_string(result.error())));
  REQUIRE(result.has_value());
  return *std::move(result);
}

void good(const Result<>& result) {
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : to_string(result.error())));
}

enum class Phase { kAlive, kDying, kDead };

class Cluster {
 public:
  Cluster() : addresses_(bench::free_addresses(3)) {
    for (const Address& address : addresses_) {
      nodes_.push_back(std::make_unique<bench::NodeProcess>(address, addresses_, std::vector<std::string>(),
                                                            folder_.path() + "/" + std::to_string(address.port)));
      good(nodes_.back()->start());
    }
    wait();
  }
  // All know each other and have the same.
  void wait() {
    client::Client client(addresses_);
    for (const Address& address : addresses_) good(bench::wait_serving(client, address, 2, kServingMs));
    good(bench::wait_equal(client, addresses_, kServingMs));
  }
  // Of the only stream: it is between two nodes for moments only.
  bench::NodeProcess& teller() {
    client::Client client(addresses_);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kServingMs);
    for (;;) {
      std::vector<bench::NodeProcess*> tellers;
      for (const auto& node : nodes_) {
        if (node->pid() != 0 && good(bench::stats_of(client, node->address()))["watch"]["watchers"] == 1)
          tellers.push_back(node.get());
      }
      if (tellers.size() == 1) return *tellers.front();
      REQUIRE(std::chrono::steady_clock::now() < end);
    }
  }
  const std::vector<Address>& addresses() const { return addresses_; }

 private:
  bench::TemporaryFolder folder_{"."};
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<bench::NodeProcess>> nodes_;
};

// Adds {_id: "<name>:<number>"}, one after another, each held by a majority when it is acknowledged.
class Writer {
 public:
  Writer(const std::vector<Address>& nodes, std::string name) : name_(std::move(name)), client_(nodes) {}

  // Until kAfter have begun when the node was dead.
  void write(const std::atomic<Phase>& phase) {
    for (int after = 0; after < kAfter; ++next_) {
      const Phase begun = phase;
      after += begun == Phase::kDead ? 1 : 0;
      client::WriteOptions majority;
      majority.timeout_ms = kWriteMs;
      majority.w = client::WriteConcern::majority();
      const auto added = client_.add_document("letters", {{"_id", name_ + ":" + std::to_string(next_)}}, majority);
      // Of a call that was on its way when the node died nobody may know whether it was done there, too.
      if (begun != Phase::kDead && phase != Phase::kAlive) {
        unsure_.insert(next_);
      } else if (!added) {
        error_ = to_string(added.error());
        return;
      }
    }
  }
  const std::string& name() const { return name_; }
  const std::string& error() const { return error_; }
  int count() const { return next_; }
  bool sure(int number) const { return !unsure_.contains(number); }

 private:
  std::string name_;
  client::Client client_;
  std::atomic<int> next_{0};
  std::set<int> unsure_;
  std::string error_;
};

// What the stream has given, by writer.
class Seen {
 public:
  explicit Seen(client::ChangeStream& stream) : stream_(stream) {}

  void read_one() {
    const auto event = stream_.next(kEventMs);
    REQUIRE_MESSAGE(event.has_value(), (event ? "" : to_string(event.error())));
    REQUIRE_MESSAGE(event->has_value(), stream_.trouble());
    const auto id = (**event)["documentKey"]["_id"].get<std::string>();
    const std::size_t colon = id.find(':');
    numbers_[id.substr(0, colon)].push_back(std::stoi(id.substr(colon + 1)));
    ++total_;
  }
  int total() const { return total_; }
  bool has(const std::string& writer, int number) {
    const auto& numbers = numbers_[writer];
    return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
  }
  void check(const Writer& writer) {
    std::map<int, int> times;
    int last = -1;
    for (const int number : numbers_[writer.name()]) {
      ++times[number];
      if (!writer.sure(number)) continue;
      CHECK_MESSAGE(number > last, writer.name(), ": ", number, " comes after ", last);
      last = number;
    }
    for (int number = 0; number < writer.count(); ++number) {
      if (writer.sure(number)) CHECK_MESSAGE(times[number] == 1, writer.name(), ":", number);
    }
  }

 private:
  client::ChangeStream& stream_;
  std::map<std::string, std::vector<int>> numbers_;
  int total_ = 0;
};

int count(const std::vector<std::unique_ptr<Writer>>& writers) {
  int all = 0;
  for (const auto& writer : writers) all += writer->count();
  return all;
}

// The node that tells is killed while all write and the stream is read.
void kill_the_teller(Cluster& cluster, std::vector<std::unique_ptr<Writer>>& writers, Seen& seen) {
  std::atomic<Phase> phase{Phase::kAlive};
  std::vector<std::jthread> threads;
  // Whatever fails here, the writers come to their end.
  struct Release {
    std::atomic<Phase>& phase;
    ~Release() { phase = Phase::kDead; }
  } release{phase};
  const int until = seen.total() + kBefore;
  const int written = count(writers);
  for (auto& writer : writers) threads.emplace_back([&phase, &writer] { writer->write(phase); });
  // The reader lags, so that pages have come, and are given in part, when the node dies.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWriteMs);
  while (count(writers) < written + kAhead) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  while (seen.total() < until) seen.read_one();
  bench::NodeProcess& teller = cluster.teller();
  phase = Phase::kDying;
  teller.kill();
  phase = Phase::kDead;
  while (seen.total() < until + kBefore) seen.read_one();
  threads.clear();
  for (const auto& writer : writers) {
    REQUIRE_MESSAGE(writer->error().empty(), writer->name(), ": ", writer->error());
    while (!seen.has(writer->name(), writer->count() - 1)) seen.read_one();
  }
  CHECK(cluster.teller().address() != teller.address());
  good(teller.start());
  cluster.wait();
}

}  // namespace

TEST_CASE("A change stream goes on when its node is killed, twice, and gives every acknowledged write once") {
  Cluster cluster;
  client::Client reader(cluster.addresses());
  client::WatchOptions options;
  options.filter = {{"operationType", {{"$in", {"insert", "replace"}}}}};
  options.page_events = 7;
  auto stream = good(reader.collection("letters").watch(options));
  Seen seen(stream);
  std::vector<std::unique_ptr<Writer>> writers;
  for (std::size_t i = 0; i < kWriters; ++i)
    writers.push_back(std::make_unique<Writer>(cluster.addresses(), "w" + std::to_string(i)));
  for (int round = 0; round < 2; ++round) kill_the_teller(cluster, writers, seen);
  // Written where all others are known, so it comes after them.
  good(reader.add_document("letters", {{"_id", "end:0"}}));
  while (!seen.has("end", 0)) seen.read_one();
  for (const auto& writer : writers) seen.check(*writer);
}
