#include "scenario.hpp"

#include <algorithm>

#include "checkers.hpp"

namespace distri::sim {

namespace {

constexpr Millis kYearMs = 365LL * 86'400'000;
constexpr Millis kSettleMs = 60'000;
constexpr Millis kConvergeMs = 120'000;

Result<Millis> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  Millis factor = 0;
  for (const auto& [name, ms] : {std::pair<std::string_view, Millis>{"ms", 1},
                                 {"s", 1'000},
                                 {"m", 60'000},
                                 {"h", 3'600'000},
                                 {"d", 86'400'000}}) {
    if (unit == name) factor = ms;
  }
  if (digits == 0 || digits > 9 || factor == 0)
    return fail(Code::kInvalidArgument, "'{}' is no duration (500ms, 10s, 5m, 2h, 365d)", text);
  return factor * std::stoll(std::string(text.substr(0, digits)));
}

// Everybody who can hear each other has seen the same, and all of it is on disk.
bool quiet(const World& world, Network& network) {
  for (std::size_t a = 0; a < world.size(); ++a) {
    const Machine& one = world.machine(a);
    if (!world.running(a)) continue;
    if (one.replica->syncing_states() || !one.awaited.empty()) return false;
    if (!one.refusing && (!one.unwritten.empty() || !one.unsynced.empty())) return false;
    for (std::size_t b = a + 1; b < world.size(); ++b) {
      const Machine& other = world.machine(b);
      if (!world.running(b) || !network.up(a, b) || one.refusing || other.refusing) continue;
      if (!(one.replica->vector() == other.replica->vector())) return false;
    }
  }
  return true;
}

}  // namespace

const std::map<std::string, Scenario::Handler, std::less<>>& Scenario::commands() {
  static const std::map<std::string, Handler, std::less<>> table{
      {"nodes", &Scenario::nodes},
      {"members", &Scenario::setting},
      {"log-budget", &Scenario::setting},
      {"tombstones", &Scenario::setting},
      {"conflict-budget", &Scenario::setting},
      {"partition", &Scenario::partition},
      {"heal", &Scenario::heal},
      {"clock", &Scenario::clock},
      {"pause", &Scenario::pause},
      {"resume", &Scenario::resume},
      {"run", &Scenario::run_for},
      {"settle", &Scenario::settle},
      {"converge", &Scenario::converge},
      {"crash", &Scenario::crash},
      {"restart", &Scenario::restart},
      {"replace-node", &Scenario::replace_node},
      {"join", &Scenario::join},
      {"leave", &Scenario::leave},
      {"clone", &Scenario::clone},
      {"backup", &Scenario::backup},
      {"restore-backup", &Scenario::restore_backup},
      {"lose-tail", &Scenario::lose_tail},
      {"flip-bit", &Scenario::flip_bit},
      {"disk-full", &Scenario::disk},
      {"disk-room", &Scenario::disk},
      {"disk-lies", &Scenario::disk},
      {"add", &Scenario::simple_write},
      {"replace", &Scenario::simple_write},
      {"upsert", &Scenario::simple_write},
      {"set", &Scenario::simple_write},
      {"unset", &Scenario::simple_write},
      {"delete", &Scenario::simple_write},
      {"inc", &Scenario::simple_write},
      {"restore", &Scenario::settle_conflict},
      {"dismiss", &Scenario::settle_conflict},
      {"create", &Scenario::simple_write},
      {"index", &Scenario::simple_write},
      {"options", &Scenario::simple_write},
      {"drop", &Scenario::simple_write},
      {"write", &Scenario::awaited_write},
      {"expect", &Scenario::expect},
  };
  return table;
}

Result<> Scenario::run(const std::string& name, const std::string& text, EventLog& log) {
  DISTRI_TRY(const std::vector<Line> lines, split(name, text));
  return Scenario(log).run(name, lines);
}

Result<std::vector<Scenario::Line>> Scenario::split(const std::string& name, const std::string& text) {
  std::vector<Line> lines;
  int number = 0;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    ++number;
    auto words = split_words(std::string_view(text).substr(from, end - from));
    if (!words) return distri::fail(Code::kInvalidArgument, "{}:{}: {}", name, number, words.error().message);
    if (!words->empty()) lines.push_back({number, std::move(*words)});
    from = end + 1;
  }
  for (const Line& line : lines) {
    if (!commands().contains(line.words.front())) {
      return distri::fail(Code::kInvalidArgument, "{}:{}: unknown command '{}'", name, line.number, line.words.front());
    }
  }
  if (lines.empty() || lines.back().words != std::vector<std::string>{"converge"}) {
    return distri::fail(Code::kInvalidArgument, "{}:{}: a script must end with 'converge'", name, std::max(number, 1));
  }
  if (lines.front().words.front() != "nodes")
    return distri::fail(Code::kInvalidArgument, "{}:{}: a script must begin with 'nodes'", name, lines.front().number);
  return lines;
}

Result<> Scenario::run(const std::string& name, const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    log_.line("{}:{}: {}", name, line.number, fmt::join(line.words, " "));
    Result<> result = execute(line);
    // What a checker found comes before what the script expected.
    if (world_ && world_->failure()) result = distri::fail(Code::kDataLoss, "{}", *world_->failure());
    if (!result) return distri::fail(result.error().code, "{}:{}: {}", name, line.number, result.error().message);
  }
  return {};
}

Result<> Scenario::execute(const Line& line) {
  command_ = line.words.front();
  Words words(line.words);
  DISTRI_TRY_VOID(words.take("the command"));
  const Handler handler = commands().find(command_)->second;
  if (handler != &Scenario::nodes && handler != &Scenario::setting) DISTRI_TRY_VOID(need_world());
  DISTRI_TRY_VOID((this->*handler)(words));
  return words.end();
}

Result<> Scenario::nodes(Words& words) {
  if (options_.config.gossip_ms == 200)
    return distri::fail(Code::kInvalidArgument, "'nodes' stands once, at the start");
  DISTRI_TRY(const std::int64_t count, words.number("the number of nodes", 1, 20));
  options_.nodes = static_cast<std::size_t>(count);
  options_.nodes_max = 26;
  options_.durability = Durability::kSync;
  if (words.take_if("memory"))
    options_.durability = Durability::kMemory;
  else if (words.take_if("batched"))
    options_.durability = Durability::kBatched;
  else
    words.take_if("sync");
  options_.config.gossip_ms = 200;
  options_.config.pull_timeout_ms = 1'000;
  options_.config.members = static_cast<std::uint32_t>(count);
  return {};
}

Result<> Scenario::setting(Words& words) {
  if (world_) return distri::fail(Code::kInvalidArgument, "'{}' must stand before the nodes do anything", command_);
  DISTRI_TRY(const std::int64_t value, words.number(command_, 0, 1 << 30));
  if (command_ == "members") options_.config.members = static_cast<std::uint32_t>(value);
  if (command_ == "log-budget") options_.config.log_bytes_max = static_cast<std::size_t>(value);
  if (command_ == "tombstones") options_.config.tombstones_max = static_cast<std::size_t>(value);
  if (command_ == "conflict-budget") options_.config.conflicts_max = static_cast<std::size_t>(value);
  return {};
}

Result<> Scenario::need_world() {
  if (world_) return {};
  world_ = std::make_unique<World>(options_, FaultSet(), random_, log_);
  world_->met = [this](std::size_t from, std::size_t to) {
    check_meeting(*world_, from, to);
    check_step(*world_, to);
  };
  for (std::size_t i = 0; i < world_->size(); ++i) world_->start(i);
  world_->connect_all();
  return {};
}

// `partition a b | c`: who is not named can reach everybody.
Result<> Scenario::partition(Words& words) {
  std::vector<std::vector<std::size_t>> sides(1);
  while (!words.empty()) {
    if (words.take_if("|")) {
      sides.emplace_back();
      continue;
    }
    DISTRI_TRY(const std::size_t i, machine(words));
    sides.back().push_back(i);
  }
  if (sides.size() < 2) return distri::fail(Code::kInvalidArgument, "partition: write the sides with '|' between them");
  for (std::size_t one = 0; one < sides.size(); ++one) {
    for (std::size_t other = one + 1; other < sides.size(); ++other) {
      for (const std::size_t a : sides[one]) {
        for (const std::size_t b : sides[other]) {
          world_->network().block(a, b, true);
          world_->disconnect(a, b);
        }
      }
    }
  }
  return {};
}

Result<> Scenario::heal(Words&) {
  world_->network().heal();
  world_->connect_all();
  return {};
}

Result<> Scenario::clock(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  DISTRI_TRY(const std::string value, words.take("the time (+365d, -1h, 1970 or right)"));
  Machine& machine = world_->machine(i);
  if (value == "1970") {
    machine.clock_offset_ms = -(World::kEpochMs + world_->now());
  } else if (value == "right") {
    machine.clock_offset_ms = 0;
  } else if (value.front() == '+' || value.front() == '-') {
    DISTRI_TRY(const Millis offset, parse_duration(std::string_view(value).substr(1)));
    if (offset > 100 * kYearMs) return distri::fail(Code::kInvalidArgument, "clock: more than 100 years");
    machine.clock_offset_ms = value.front() == '+' ? offset : -offset;
  } else {
    return distri::fail(Code::kInvalidArgument, "clock: '{}' is none of +365d, -1h, 1970, right", value);
  }
  return {};
}

Result<> Scenario::pause(Words& words) {
  DISTRI_TRY(const std::size_t i, running_machine(words));
  world_->pause(i);
  return {};
}

Result<> Scenario::resume(Words& words) {
  DISTRI_TRY(const std::size_t i, machine(words));
  if (!world_->machine(i).paused)
    return distri::fail(Code::kInvalidArgument, "{} is not paused", world_->machine(i).name);
  world_->resume(i);
  return {};
}

Result<> Scenario::run_for(Words& words) {
  DISTRI_TRY(const std::string text, words.take("the duration"));
  DISTRI_TRY(const Millis duration, parse_duration(text));
  if (duration > 3'600'000) return distri::fail(Code::kInvalidArgument, "run: at most 1h");
  world_->run_for(duration);
  return {};
}

Result<> Scenario::settle(Words&) {
  // A moment first, so that what was just done is on its way.
  world_->run_for(100);
  if (world_->run_until(world_->now() + kSettleMs, [this] { return quiet(*world_, world_->network()); })) return {};
  return distri::fail(Code::kDataLoss, "settle: the nodes have not come to rest within {} s", kSettleMs / 1000);
}

Result<> Scenario::converge(Words&) {
  for (std::size_t i = 0; i < world_->size(); ++i) {
    const Machine& machine = world_->machine(i);
    if (machine.gone) continue;
    if (!machine.replica || machine.paused) {
      return distri::fail(Code::kInvalidArgument, "converge: {} is {}; bring it back first", machine.name,
                          machine.paused ? "paused" : "down");
    }
    if (machine.disk && machine.disk->full())
      return distri::fail(Code::kInvalidArgument, "converge: the disk of {} is full; make room first", machine.name);
  }
  Words none({});
  DISTRI_TRY_VOID(heal(none));
  world_->run_for(500);
  if (!world_->run_until(world_->now() + kConvergeMs, [this] { return agreed(*world_); })) {
    std::string vectors;
    for (std::size_t i = 0; i < world_->size(); ++i) {
      if (world_->machine(i).replica)
        vectors +=
            fmt::format("; {} has {}", world_->machine(i).name, world_->machine(i).replica->vector().to_string());
    }
    return distri::fail(Code::kDataLoss, "converge: the nodes do not agree after {} s{}", kConvergeMs / 1000, vectors);
  }
  check_end(*world_);
  return {};
}

}  // namespace distri::sim
