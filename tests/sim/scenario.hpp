// scenario.hpp: scripts of what happens to a small cluster, and what must be seen (tests/scenario/README.md has the
// language).
//
// One command a line. A script ends with `converge`, the proof that nothing was lost; the runner refuses one that does
// not. Errors name file:line and say what was found.
// Threads: none. Errors: kInvalidArgument: the script is wrong; kDataLoss: the cluster is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "scenario_words.hpp"
#include "world.hpp"

namespace distri::sim {

class Scenario {
 public:
  // `name` is what errors begin with.
  static Result<> run(const std::string& name, const std::string& text, EventLog& log);

 private:
  struct Line {
    int number = 0;
    std::vector<std::string> words;
  };
  using Handler = Result<> (Scenario::*)(Words&);

  explicit Scenario(EventLog& log) : log_(log), random_(1) {}
  static Result<std::vector<Line>> split(const std::string& name, const std::string& text);
  Result<> run(const std::string& name, const std::vector<Line>& lines);
  static const std::map<std::string, Handler, std::less<>>& commands();
  Result<> execute(const Line& line);
  // Makes the machines at the first command that needs them.
  Result<> need_world();

  // ---- scenario.cpp
  // Before the first command that needs machines.
  Result<> nodes(Words& words);
  Result<> setting(Words& words);
  Result<> partition(Words& words);
  Result<> heal(Words& words);
  Result<> clock(Words& words);
  Result<> pause(Words& words);
  Result<> resume(Words& words);
  Result<> run_for(Words& words);
  Result<> settle(Words& words);
  Result<> converge(Words& words);
  // ---- scenario_machines.cpp
  Result<> crash(Words& words);
  Result<> restart(Words& words);
  Result<> replace_node(Words& words);
  Result<> join(Words& words);
  Result<> leave(Words& words);
  Result<> clone(Words& words);
  Result<> backup(Words& words);
  Result<> restore_backup(Words& words);
  Result<> lose_tail(Words& words);
  Result<> flip_bit(Words& words);
  Result<> disk(Words& words);
  // ---- scenario_writes.cpp
  Result<> simple_write(Words& words);
  Result<> awaited_write(Words& words);
  Result<> settle_conflict(Words& words);
  Result<World::Write> parse_write(const std::string& command, Words& words);
  Result<> expect(Words& words);
  Result<> expect_document(std::size_t machine, Words& words);
  Result<> expect_conflicts(Words& words);
  Result<> expect_notice(Words& words);
  Result<> expect_started(Words& words);

  Result<std::size_t> machine(Words& words) const;
  Result<std::size_t> running_machine(Words& words) const;
  Result<std::size_t> stopped_disk(Words& words) const;

  EventLog& log_;
  Random random_;
  WorldOptions options_;
  std::unique_ptr<World> world_;
  std::string command_;  // the one that runs
};

}  // namespace distri::sim
