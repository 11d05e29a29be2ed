// expectations.hpp: what a session must read, given how its own writes ended.
//
// Each session is the only writer of its keys and makes one call after another, so what each key holds is known: after
// an acknowledged write exactly that; after an indeterminate one either the state before it or the state after it, and
// once one read shows it, it must stay. A key with an open outcome is not written again (it is retired), so that there
// are never more than two possibilities.
//
// Counters are shared: a session knows only that a counter never falls below what it saw last plus what it has added
// since; the sum is checked at the end (verdict.hpp).
//
// Threads: none; each session has its own Expectations. Broken ones go to the Recorder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "recorder.hpp"

namespace chaos {

// The checked fields of a document, 0 where missing. `v` is the number of the write, the others the number of the write
// that set them; `n` is a counter.
struct Fields {
  std::int64_t v = 0;
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t n = 0;

  bool operator==(const Fields&) const = default;
};
using State = std::optional<Fields>;  // none: there is no such document
std::string to_string(const State& state);

struct Expected {
  State certain;
  std::optional<State> maybe;  // the effect of an indeterminate write

  bool settled() const { return !maybe; }
  std::string text() const;
};

struct CounterShare {
  std::int64_t acknowledged = 0;
  std::int64_t indeterminate = 0;
  std::int64_t floor = 0;
};

class Expectations {
 public:
  Expectations(int session, Recorder& recorder) : session_(session), recorder_(recorder) {}

  // ---- Keys of this session.
  const Expected& of(const std::string& key) { return keys_[key]; }
  void wrote(const Call& call, const State& after);
  void read(const Call& call, const State& observed);

  // ---- Documents that are added once and never touched again; numbered from 0.
  std::size_t next_entry() const { return entries_.size(); }
  void added_entry(const Call& call) { entries_.push_back(call.outcome()); }

  // ---- Counters that all sessions share.
  void incremented(const Call& call, std::int64_t amount);
  void read_counter(const Call& call, std::int64_t value);

  int session() const { return session_; }
  const std::map<std::string, Expected>& keys() const { return keys_; }
  const std::vector<Outcome>& entries() const { return entries_; }
  const std::map<std::string, CounterShare>& counters() const { return counters_; }

 private:
  int session_;
  Recorder& recorder_;
  std::map<std::string, Expected> keys_;
  std::vector<Outcome> entries_;
  std::map<std::string, CounterShare> counters_;
};

}  // namespace chaos
