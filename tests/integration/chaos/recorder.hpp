// recorder.hpp: every call of the load as it ended, counted, written down, and checked for having ended in time.
//
// A write has one of three outcomes. Acknowledged: it must never be missing again. Failed, with a code that says that
// nothing was executed: it must never show. Indeterminate, with any other code: it may show, as a whole or not at all.
// Threads: any; a mutex guards all of it. Errors: what is wrong with the cluster becomes a Finding.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/result.hpp"

namespace chaos {

inline constexpr std::int64_t kLateMs = 1'000;  // a call may end so long after its deadline

enum class Concern { kOne, kTwo, kMajority, kAll };
inline constexpr std::array kConcerns{Concern::kOne, Concern::kTwo, Concern::kMajority, Concern::kAll};
std::string_view name_of(Concern w);

enum class Outcome { kAcknowledged, kFailed, kIndeterminate };
Outcome outcome_of(const std::optional<distri::Error>& error);

struct Call {
  int session = 0;
  std::string_view what;  // "add", "set", "increment", "delete", "read"
  std::string key;        // "own/k3.17"
  std::int64_t value = 0;
  Concern w = Concern::kOne;
  bool read = false;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t timeout_ms = 0;
  std::optional<distri::Error> error;
  std::string node;  // who answered, where that is known

  Outcome outcome() const { return outcome_of(error); }
};

// Something that must not be.
struct Finding {
  std::string what;
  std::string key;
  std::string expected;
  std::string found;
  std::string node;
};
std::string to_string(const Finding& finding);

struct Tally {
  std::array<std::uint64_t, kConcerns.size()> acknowledged{};
  std::uint64_t indeterminate = 0;
  std::map<std::string, std::uint64_t> failed;  // writes, by code
  std::uint64_t reads = 0;
  std::map<std::string, std::uint64_t> failed_reads;
  std::int64_t slowest_past_deadline_ms = 0;
  std::uint64_t findings = 0;

  std::uint64_t acknowledged_sum() const;
};

class Recorder {
 public:
  // `history` may be null; it is not closed here. `say` hears of the first findings as they are made.
  explicit Recorder(std::FILE* history = nullptr, std::function<void(const std::string&)> say = {});

  void ended(const Call& call);
  void found(Finding finding);
  // A line of the history that is no call: a disaster.
  void note(std::int64_t at_ms, std::string_view text);

  Tally tally() const;
  // The first kFindingsMax of them.
  std::vector<Finding> findings() const;

 private:
  mutable std::mutex mutex_;
  std::FILE* history_;
  std::function<void(const std::string&)> say_;
  Tally tally_;
  std::vector<Finding> findings_;
};

inline constexpr std::size_t kFindingsMax = 200;
inline constexpr std::size_t kFindingsSaid = 10;

}  // namespace chaos
