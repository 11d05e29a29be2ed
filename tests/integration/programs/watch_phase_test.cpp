// The checks of watch_bench: a watcher that is told wrongly, or not of everything, is found out.
#include "watch_phase.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using bench::NumberScanner;
using bench::WatchLoad;
using bench::WatchPhase;
using distri::Result;

// Answers at once, and tells in the next turn; the first wrong thing at document kWrong.
class FakeServer final : public bench::WatchServer {
 public:
  enum class Defect { kNone, kSkips, kRepeats, kAnswersTwice };
  static constexpr std::uint64_t kWrong = 3;

  explicit FakeServer(Defect defect) : defect_(defect) {}

  Result<> open(WatchPhase& phase, std::uint64_t watchers) override {
    phase_ = &phase;
    watchers_ = watchers;
    return {};
  }
  Result<> add(std::uint64_t number) override {
    added_.push_back(number);
    return {};
  }
  Result<> turn() override {
    std::vector<std::uint64_t> added;
    added.swap(added_);
    for (const std::uint64_t number : added) {
      if (number == kWrong && defect_ == Defect::kAnswersTwice) phase_->answered();
      phase_->answered();
      for (std::uint64_t watcher = 0; watcher < watchers_; ++watcher) {
        if (number == kWrong && watcher == 1 && defect_ == Defect::kSkips) continue;
        phase_->told(watcher, number);
        if (number == kWrong && watcher == 1 && defect_ == Defect::kRepeats) phase_->told(watcher, number);
      }
    }
    return {};
  }

 private:
  Defect defect_;
  WatchPhase* phase_ = nullptr;
  std::uint64_t watchers_ = 0;
  std::vector<std::uint64_t> added_;
};

Result<nlohmann::json> run(FakeServer::Defect defect) {
  FakeServer server(defect);
  return WatchPhase({.watchers = 2, .in_flight = 1, .rate_per_s = 2'000, .seconds = 1}, server).run();
}

std::vector<std::uint64_t> scan(const std::vector<std::string>& pieces) {
  NumberScanner scanner;
  std::vector<std::uint64_t> found;
  for (const std::string& piece : pieces) {
    scanner.take(piece, [&found](std::uint64_t number) { found.push_back(number); });
  }
  return found;
}

}  // namespace

TEST_CASE("numbers are found wherever the text is cut") {
  const std::string text = R"({"ns":{"coll":"c"},"n":12,"v":"n"},{"_id":"k","n":345})";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(scan({text.substr(0, cut), text.substr(cut)}) == std::vector<std::uint64_t>{12, 345});
  std::vector<std::string> bytes;
  for (const char byte : text) bytes.emplace_back(1, byte);
  CHECK(scan(bytes) == std::vector<std::uint64_t>{12, 345});
}

TEST_CASE("a phase counts what all watchers were told of") {
  const auto figures = run(FakeServer::Defect::kNone);
  REQUIRE(figures.has_value());
  CHECK((*figures)["adds_per_s"] > 0);
  CHECK((*figures)["events_per_s"] == 2 * (*figures)["adds_per_s"].get<double>());
  CHECK((*figures)["watcher_events_per_s"] == (*figures)["adds_per_s"]);
}

TEST_CASE("a phase fails when a watcher misses a document, is told of one twice, or an answer has no question") {
  CHECK(run(FakeServer::Defect::kSkips).error().message == "watcher 1 is told of document 4 instead of 3");
  CHECK(run(FakeServer::Defect::kRepeats).error().message == "watcher 1 is told of document 3 instead of 4");
  CHECK(run(FakeServer::Defect::kAnswersTwice).error().message == "an answer came that nobody waits for");
}
