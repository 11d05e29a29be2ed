// The checks of distri-chaos can fail: forged histories, each with one thing wrong, and one with nothing wrong.
#include <doctest/doctest.h>

#include "expectations.hpp"
#include "recorder.hpp"
#include "verdict.hpp"

using namespace chaos;
using distri::Code;
using distri::Error;
using nlohmann::json;

namespace {

Call write(std::string key, std::int64_t value, std::optional<Error> error = {}) {
  Call call;
  call.session = 1;
  call.what = "set";
  call.key = std::move(key);
  call.value = value;
  call.start_ms = 1'000;
  call.end_ms = 1'010;
  call.timeout_ms = 500;
  call.error = std::move(error);
  return call;
}

Call read(std::string key, std::string node = "n0") {
  Call call = write(std::move(key), 0);
  call.what = "read";
  call.read = true;
  call.node = std::move(node);
  return call;
}

const Error kTimeout{Code::kDeadlineExceeded, "no reply within 500 ms"};
const Error kFull{Code::kStorageFull, "no room"};

Fields fields(std::int64_t v) {
  return {.v = v};
}

// One session, one node, and everything that the checks look at.
struct Forged {
  Recorder recorder;
  Expectations session{1, recorder};
  FinalState state;

  std::vector<Finding> check() {
    Checker checker(state, recorder);
    checker.check_nodes();
    checker.check_session(session);
    checker.check_counters({&session});
    kept = checker.verdict().kept_as_conflict;
    return recorder.findings();
  }
  std::uint64_t kept = 0;
};

void check_one(const std::vector<Finding>& findings, std::string_view what) {
  REQUIRE(findings.size() == 1);
  INFO(to_string(findings[0]));
  CHECK(findings[0].what.contains(what));
}

}  // namespace

TEST_CASE("a history in which everything is as it must be gives no finding") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  f.session.read(read("own/k1"), fields(1));
  f.session.wrote(write("own/k1", 2, kFull), fields(2));  // refused: nothing was executed
  f.session.read(read("own/k1"), fields(1));
  f.session.wrote(write("own/k1", 3), State{});
  f.session.read(read("own/k1"), State{});
  f.session.wrote(write("own/k2", 4), fields(4));
  f.session.wrote(write("own/k2", 5, kTimeout), fields(5));
  f.session.read(read("own/k2"), fields(4));
  f.session.read(read("own/k2"), fields(5));
  f.session.wrote(write("own/k2", 6), fields(6));
  f.session.added_entry(write("entries/e1.0", 1));
  f.session.added_entry(write("entries/e1.1", 2, kTimeout));
  f.session.added_entry(write("entries/e1.2", 3, kFull));
  f.session.incremented(write("counters/c", 0), 2);
  f.session.incremented(write("counters/c", 0, kTimeout), 3);
  f.session.read_counter(read("counters/c"), 5);
  f.session.wrote(write("shared/d0#s1", 7), fields(7));
  f.state.documents = {{"own/k2", {{"v", 6}}},
                       {"entries/e1.0", {{"v", 1}}},
                       {"counters/c", {{"n", 5}}},
                       {"shared/d0", {{"s1", 7}, {"s2", 9}}}};
  f.state.nodes = {
      {.name = "n0", .error = {}, .digest = "d", .vector = "v", .documents = 4, .sum = 1, .conflicts = {}},
      {.name = "n1", .error = {}, .digest = "d", .vector = "v", .documents = 4, .sum = 1, .conflicts = {}}};
  CHECK(f.check().empty());
}

TEST_CASE("an acknowledged write that is gone is found") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  SUBCASE("the document is missing") {}
  SUBCASE("the document holds an earlier state") {
    f.session.wrote(write("own/k1", 2), Fields{.v = 2, .a = 2});
    f.state.documents["own/k1"] = {{"v", 1}};
  }
  SUBCASE("half of a write is missing") {
    f.session.wrote(write("own/k1", 2), Fields{.v = 2, .a = 2});
    f.state.documents["own/k1"] = {{"v", 2}};
  }
  SUBCASE("an indeterminate write came after it, and shows neither state") {
    f.session.wrote(write("own/k1", 2, kTimeout), fields(2));
  }
  check_one(f.check(), "is missing");
}

TEST_CASE("an acknowledged delete that did not last is found") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  f.session.wrote(write("own/k1", 2), State{});
  f.state.documents["own/k1"] = {{"v", 1}};
  check_one(f.check(), "is missing");
}

TEST_CASE("a write that lost to a concurrent one is found again among the conflicts, and only under its own key") {
  for (const std::string key : {"own/k1", "own/k2"}) {
    Forged f;
    f.session.wrote(write("own/k1", 1), fields(1));
    f.state.conflicts[key] = {{{"kind", "document"}, {"content", {{"v", 1}, {"u", mark_of(1, 1)}}}}};
    if (key == "own/k1") {
      CHECK(f.check().empty());
      CHECK(f.kept == 1);
    } else {
      check_one(f.check(), "is missing");
    }
  }
}

TEST_CASE("a lost field of a shared document is found") {
  Forged f;
  f.session.wrote(write("shared/d0#s1", 7), fields(7));
  f.session.wrote(write("shared/d0#s1", 8), fields(8));
  f.state.documents["shared/d0"] = {{"s1", 7}};
  check_one(f.check(), "is missing");
}

TEST_CASE("a lost add, a changed one and one that had been refused are found") {
  Forged f;
  f.session.added_entry(write("entries/e1.0", 1));
  f.session.added_entry(write("entries/e1.1", 2));
  f.session.added_entry(write("entries/e1.2", 3, kFull));
  f.state.documents = {{"entries/e1.1", {{"v", 7}}}, {"entries/e1.2", {{"v", 3}}}};
  const auto findings = f.check();
  REQUIRE(findings.size() == 3);
  CHECK(findings[0].what.contains("add is missing"));
  CHECK(findings[1].what.contains("something else"));
  CHECK(findings[2].what.contains("refused is there"));
}

TEST_CASE("a read that does not show the session's own write is found, with the node that gave it") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  f.session.wrote(write("own/k1", 2), fields(2));
  f.session.read(read("own/k1", "n2"), fields(1));
  check_one(f.recorder.findings(), "read something else");
  CHECK(f.recorder.findings()[0].node == "n2");
}

TEST_CASE("a read that goes back behind an earlier read is found") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  f.session.wrote(write("own/k1", 2, kTimeout), fields(2));
  f.session.read(read("own/k1"), fields(2));
  CHECK(f.recorder.findings().empty());
  f.session.read(read("own/k1"), fields(1));
  check_one(f.recorder.findings(), "read something else");
}

TEST_CASE("an add that meets a ghost of a deleted document is found") {
  Forged f;
  f.session.wrote(write("own/k1", 1), fields(1));
  f.session.wrote(write("own/k1", 2), State{});
  f.session.wrote(write("own/k1", 3, Error{Code::kAlreadyExists, "it is there"}), fields(3));
  check_one(f.recorder.findings(), "must not be there");
}

TEST_CASE("a counter that is short, too high, or falls is found") {
  Forged f;
  f.session.incremented(write("counters/c", 0), 2);
  f.session.incremented(write("counters/c", 0, kTimeout), 3);
  f.session.incremented(write("counters/c", 0, kFull), 100);
  SUBCASE("short") {
    f.state.documents["counters/c"] = {{"n", 1}};
    check_one(f.check(), "does not add up");
  }
  SUBCASE("counted twice") {
    f.state.documents["counters/c"] = {{"n", 6}};
    check_one(f.check(), "does not add up");
  }
  SUBCASE("a read without the own increment") {
    f.session.read_counter(read("counters/c"), 1);
    check_one(f.recorder.findings(), "below");
  }
  SUBCASE("a read below an earlier one") {
    f.session.read_counter(read("counters/c"), 5);
    CHECK(f.recorder.findings().empty());
    f.session.read_counter(read("counters/c"), 4);
    check_one(f.recorder.findings(), "below");
  }
}

TEST_CASE("a late answer is found, and one within the grace is not") {
  Recorder recorder;
  Call call = write("own/k1", 1);
  call.end_ms = call.start_ms + call.timeout_ms + kLateMs;
  recorder.ended(call);
  CHECK(recorder.findings().empty());
  ++call.end_ms;
  recorder.ended(call);
  check_one(recorder.findings(), "late");
  CHECK(recorder.tally().slowest_past_deadline_ms == kLateMs + 1);
}

TEST_CASE("nodes that differ are found, whatever they differ in") {
  const NodeView good{
      .name = "n0", .error = {}, .digest = "d", .vector = "v", .documents = 3, .sum = 7, .conflicts = {}};
  std::vector<NodeView> bad(5, good);
  bad[0].digest = "other";
  bad[1].vector = "other";
  bad[2].sum = 8;
  bad[3].error = "no reply";
  bad[4].conflicts = {{"a-1-1", {{"collection", "probes"}, {"_id", "p1"}, {"content", {{"who", "left"}}}}}};
  for (const auto& other : bad) {
    Forged f;
    f.state.nodes = {good, other};
    CHECK(f.check().size() == 1);
  }
}

TEST_CASE("a conflict that one node lacks is found, unless the loser's own session has written there again") {
  NodeView good{.name = "n0", .error = {}, .digest = "d", .vector = "v", .documents = 1, .sum = 1, .conflicts = {}};
  NodeView other = good;
  other.conflicts = {{"a-1-1", {{"collection", "shared"}, {"_id", "d1"}, {"content", {{"s4_7", 5}}}}}};
  for (const bool found : {true, false}) {
    Forged f;
    f.state.nodes = {good, other};
    f.state.documents["shared/d1"] = {{"s4_7", found ? 5 : 9}};
    CHECK(f.check().size() == (found ? 1 : 0));
  }
}

TEST_CASE("the loser of two inserts on two sides must be among the conflicts") {
  Recorder recorder;
  FinalState state;
  Probe probe{Probe::Kind::kTwoInserts, "probes/p1", {"left", "right"}, {}, "n0 | n1"};
  state.documents["probes/p1"] = {{"who", "left"}};
  Checker(state, recorder).check_probe(probe);
  check_one(recorder.findings(), "two inserts");
  CHECK(recorder.findings()[0].expected.contains("right"));
  state.conflicts["probes/p1"] = {{{"content", {{"who", "right"}}}}};
  Checker checker(state, recorder);
  checker.check_probe(probe);
  CHECK(recorder.findings().size() == 1);
  CHECK(checker.verdict().kept_as_conflict == 1);
}

TEST_CASE("two fields must both be in the document; a conflict is no excuse") {
  Recorder recorder;
  FinalState state;
  state.documents["probes/p1"] = {{"left", "l"}};
  state.conflicts["probes/p1"] = {{{"content", {{"right", "r"}}}}};
  Checker(state, recorder).check_probe({Probe::Kind::kTwoFields, "probes/p1", {"l", "r"}, {}, {}});
  check_one(recorder.findings(), "two fields");
}

TEST_CASE("an update that lost to a delete must be among the conflicts, unless it was never acknowledged") {
  Recorder recorder;
  const FinalState state;
  Probe probe{Probe::Kind::kUpdateAndDelete, "probes/p1", {"l", ""}, {}, {}};
  probe.outcomes[0] = Outcome::kIndeterminate;
  Checker(state, recorder).check_probe(probe);
  CHECK(recorder.findings().empty());
  probe.outcomes[0] = Outcome::kAcknowledged;
  Checker(state, recorder).check_probe(probe);
  check_one(recorder.findings(), "update and delete");
}

TEST_CASE("increments on two sides must both count, once") {
  for (const int n : {3, 5, 13}) {
    Recorder recorder;
    FinalState state;
    state.documents["probes/p1"] = {{"n", n}};
    Checker(state, recorder).check_probe({Probe::Kind::kTwoIncrements, "probes/p1", {}, {}, {}});
    check_one(recorder.findings(), "two increments");
    state.documents["probes/p1"] = {{"n", 8}};
    Checker(state, recorder).check_probe({Probe::Kind::kTwoIncrements, "probes/p1", {}, {}, {}});
    CHECK(recorder.findings().size() == 1);
  }
}

TEST_CASE("calls are counted by outcome, write concern and code") {
  Recorder recorder;
  Call call = write("own/k1", 1);
  call.w = Concern::kMajority;
  recorder.ended(call);
  call.error = kTimeout;
  recorder.ended(call);
  call.error = kFull;
  recorder.ended(call);
  recorder.ended(read("own/k1"));
  const Tally tally = recorder.tally();
  CHECK(tally.acknowledged[static_cast<std::size_t>(Concern::kMajority)] == 1);
  CHECK(tally.acknowledged_sum() == 1);
  CHECK(tally.indeterminate == 1);
  CHECK(tally.failed.at("storage_full") == 1);
  CHECK(tally.reads == 1);
  CHECK(tally.findings == 0);
}
