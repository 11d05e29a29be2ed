// verdict.hpp: what must hold when everything is healed and quiet: nothing acknowledged is missing, nothing refused is
// there, counters add up, concurrent writes on two sides of a partition are both kept, all nodes hold the same.
//
// Threads: none. What does not hold goes to the Recorder.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "expectations.hpp"
#include "recorder.hpp"

namespace chaos {

inline constexpr std::string_view kOwn = "own";            // documents of one session each
inline constexpr std::string_view kEntries = "entries";    // added once, never touched again
inline constexpr std::string_view kShared = "shared";      // documents of all, a field of each session
inline constexpr std::string_view kCounters = "counters";  // documents of all, field n
inline constexpr std::string_view kProbes = "probes";      // written on both sides of a partition

struct NodeView {
  std::string name;
  std::string error;  // empty: it answers
  std::string digest;
  std::string vector;
  std::uint64_t documents = 0;
  std::uint64_t sum = 0;                            // of hashes of all documents as read from it
  std::map<std::string, nlohmann::json> conflicts;  // by id
};

struct FinalState {
  std::vector<NodeView> nodes;
  std::unordered_map<std::string, nlohmann::json> documents;               // "collection/_id"
  std::unordered_map<std::string, std::vector<nlohmann::json>> conflicts;  // the same; "collection/?" without _id

  const nlohmann::json* find(const std::string& key) const;
  // The session that owns the loser's key has written there again: it knew of its earlier write. A node that had the
  // newer one first need not list the older one (docs/replication.md), a write executed twice by a retry among them.
  bool written_over(const nlohmann::json& conflict) const;
  // Some conflict of this key, or one that names none, contains this text as a value.
  bool in_conflict(const std::string& key, const std::string& mark) const;
};

State state_of(const nlohmann::json* document);
// What a write leaves in its document so that it can be found again among the conflicts.
std::string mark_of(int session, std::int64_t value);
std::string entry_key(int session, std::size_t number);

// Two writes that could not know of each other: one on each side of a partition.
struct Probe {
  enum class Kind { kTwoInserts, kSameField, kTwoFields, kTwoIncrements, kUpdateAndDelete };
  Kind kind = Kind::kTwoInserts;
  std::string key;
  std::array<std::string, 2> marks;  // of kUpdateAndDelete the first alone
  std::array<Outcome, 2> outcomes{};
  std::string where;  // "n0 | n1"
};
std::string_view name_of(Probe::Kind kind);

struct Verdict {
  std::uint64_t keys = 0;
  std::uint64_t entries = 0;
  std::uint64_t kept_as_conflict = 0;  // acknowledged writes that are not visible, but in the conflict store
  std::uint64_t probes = 0;
  std::uint64_t conflicts = 0;
};

class Checker {
 public:
  Checker(const FinalState& state, Recorder& recorder) : state_(state), recorder_(recorder) {}

  void check_nodes();
  void check_session(const Expectations& session);
  void check_counters(const std::vector<const Expectations*>& sessions);
  void check_probe(const Probe& probe);
  const Verdict& verdict() const { return verdict_; }

 private:
  void check_conflicts(const NodeView& node, const NodeView& other);
  void check_key(int session, const std::string& key, const Expected& expected);
  void check_entry(int session, std::size_t number, Outcome outcome);

  const FinalState& state_;
  Recorder& recorder_;
  Verdict verdict_;
};

}  // namespace chaos
