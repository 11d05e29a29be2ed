// The terminal program of a peer, in terminals that this test is: three nodes, Ana who has pictures and Ben who asks
// for them, all as real processes. `peer_terminal_test --show` prints the screens that docs/peers.md shows.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "node_process.hpp"
#include "scripted_terminal.hpp"

using namespace distri;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kServing_ms = 60'000;

bool show_screens = false;  // --show

std::string program() {
  return (fs::read_symlink("/proc/self/exe").parent_path() / "distri-example").string();
}

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// A BMP of 24 bits, 64 by 48: its left half in one colour, its right half in another.
struct Colour {
  int red, green, blue;
};
std::string picture(Colour left, Colour right) {
  const auto number = [](std::uint32_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  constexpr std::uint32_t kWidth = 64, kHeight = 48, kHead = 54;
  std::string bytes = "BM" + number(kHead + kWidth * kHeight * 3, 4) + number(0, 4) + number(kHead, 4) + number(40, 4) +
                      number(kWidth, 4) + number(kHeight, 4) + number(1, 2) + number(24, 2) + std::string(24, '\0');
  for (std::uint32_t i = 0; i < kWidth * kHeight; ++i) {
    const Colour& each = i % kWidth < kWidth / 2 ? left : right;
    for (const int value : {each.blue, each.green, each.red}) bytes += static_cast<char>(value);
  }
  return bytes;
}

class Stage {
 public:
  Stage() : addresses_(bench::free_addresses(5)) {
    const std::vector<Address> cluster(addresses_.begin(), addresses_.begin() + 3);
    client::Client client(cluster);
    for (const Address& each : cluster) {
      nodes_.push_back(std::make_unique<bench::NodeProcess>(each, cluster, std::vector<std::string>(),
                                                            path(std::to_string(each.port))));
      REQUIRE(nodes_.back()->start().has_value());
    }
    for (const Address& each : cluster) REQUIRE(bench::wait_serving(client, each, 2, kServing_ms).has_value());
    fs::create_directory(path("pictures"));
    write("pictures/dune.bmp", picture({200, 40, 30}, {20, 60, 220}));
    write("pictures/lake.bmp", picture({10, 120, 90}, {240, 230, 10}));
    write("pictures/湖の写真.bmp", picture({0, 0, 0}, {255, 255, 255}));
    write("pictures/notes.png", "no picture");
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }

  void kill_nodes() { nodes_.clear(); }

  // Of "ana" or "ben".
  std::vector<std::string> command(const std::string& user, const std::vector<std::string>& more = {}) const {
    std::string ips = to_string(addresses_[user == "ana" ? 3 : 4]);
    for (int i = 0; i < 3; ++i) ips += "," + to_string(addresses_[static_cast<std::size_t>(i)]);
    std::vector<std::string> command{program(), "--mode", "peer",       "--identifier",      user,
                                     "--ips",   ips,      "--data-dir", path("data-" + user)};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

 private:
  bench::TemporaryFolder folder_{fs::temp_directory_path().string()};
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<bench::NodeProcess>> nodes_;
};

std::vector<std::string> environment(const std::vector<std::string>& more = {}) {
  std::vector<std::string> result{"TERM=xterm-256color", "LANG=C.UTF-8", "COLORTERM=truecolor"};
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

ScriptedTerminal::Options with(std::vector<std::string> command, std::vector<std::string> variables = environment(),
                               bool draws_sixels = false) {
  ScriptedTerminal::Options options;
  options.command = std::move(command);
  options.environment = std::move(variables);
  options.draws_sixels = draws_sixels;
  return options;
}

// Without all but one of empty rows that follow one another.
void show(const std::string& title, const ScriptedTerminal& terminal) {
  if (!show_screens) return;
  std::string text = terminal.screen();
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n")) text.erase(at, 1);
  fmt::print("---- {}\n{}", title, text);
}

// Types a wrong answer: it is named, and the question stays; then gives the right one.
void answer(ScriptedTerminal& terminal, const std::string& question, const std::string& wrong,
            const std::string& complaint, const std::string& right) {
  terminal.wait_for(question);
  terminal.type(wrong);
  terminal.wait_for({complaint, question});
  show("A wrong answer", terminal);
  terminal.type(right);
  terminal.wait_gone(question);
}

void ends_well(ScriptedTerminal& terminal) {
  CHECK(terminal.wait_end() == 0);
  CHECK(!terminal.on_own_screen());
  CHECK(terminal.cursor_visible());
  CHECK(terminal.is_cooked());
}

bool near(const VTermColor& colour, int red, int green, int blue) {
  return std::abs(colour.rgb.red - red) + std::abs(colour.rgb.green - green) + std::abs(colour.rgb.blue - blue) < 8;
}

// Half-blocks in the last row of its picture: red on the left, blue on the right, as dune.bmp is.
constexpr int kLastPictureRow = 20;
bool shows_dune(const ScriptedTerminal& terminal) {
  bool left = false, right = false;
  for (int column = 0; column < 100; ++column) {
    const VTermScreenCell cell = terminal.cell(kLastPictureRow, column);
    if (cell.chars[0] != 0x2580) continue;
    if (near(cell.fg, 200, 40, 30) && near(cell.bg, 200, 40, 30) && !right) left = true;
    if (near(cell.fg, 20, 60, 220) && near(cell.bg, 20, 60, 220) && left) right = true;
  }
  return left && right;
}

}  // namespace

TEST_CASE("a terminal that cannot do it, and no terminal, are refused with what to do") {
  const Stage stage;
  ScriptedTerminal unknown(with(stage.command("ben"), {"TERM=no-such-terminal"}));
  unknown.wait_for("TERM is 'no-such-terminal', which is no terminal that is known here");
  CHECK(unknown.wait_end() == 2);
  CHECK(unknown.is_cooked());
  ScriptedTerminal dumb(with(stage.command("ben"), {"TERM=dumb"}));
  dumb.wait_for("cannot place its cursor");
  CHECK(dumb.wait_end() == 2);
  CHECK(dumb.is_cooked());
  ScriptedTerminal wrong(with(stage.command("ben", {"--pictures", "nice"})));
  wrong.wait_for("--pictures: it must be auto, sixel, blocks or none, not 'nice'");
  CHECK(wrong.wait_end() == 2);
  ScriptedTerminal flags(with(stage.command("ben", {"--from", "ana"})));
  flags.wait_for("--from goes with --do");
  CHECK(flags.wait_end() == 2);
  ScriptedTerminal nowhere(with(stage.command("ben", {"--dir", stage.path("nowhere")})));
  nowhere.wait_for("--dir: ");
  CHECK(nowhere.wait_end() == 2);
  CHECK(nowhere.written().find("\033[?1049h") == std::string::npos);  // it was said on the terminal as it was
}

TEST_CASE("two users share pictures in terminals, with every answer wrong at first") {
  Stage stage;
  stage.write("xdg-open", "#!/bin/sh\nstat -c %a \"$1\" > '" + stage.path("mode") + "'\necho \"$1\" > '" +
                              stage.path("shown-path") + "'\ncp \"$1\" '" + stage.path("shown") + "'\n");
  fs::permissions(stage.path("xdg-open"), fs::perms::owner_all);
  const std::string path = std::string("PATH=") + stage.path("") + ":" + std::getenv("PATH");
  ScriptedTerminal ana(with(stage.command("ana", {"--dir", stage.path("pictures")}), environment(), true));
  ScriptedTerminal ben(with(stage.command("ben"), environment({path, "DISPLAY=:7"})));
  ana.wait_for(
      {"ana  at 127.0.0.1:", "nodes reached", "1 Offers (0)", "Nobody offers images.", "* notes.png is not offered"});
  CHECK(ana.on_own_screen());
  CHECK(!ana.is_cooked());

  // What Ana offers comes to Ben's screen by itself.
  ben.wait_for({"1 Offers (3)", "dune.bmp", "lake.bmp", "湖の写真.bmp", "64x48", "nodes reached"});
  show("What others offer", ben);
  ben.type("z");
  ben.wait_for("'z' does nothing here; keys: a ask for views");
  ben.type("p");
  ben.wait_for("pictures of others can be seen when they were granted");
  ben.type("2");
  ben.wait_for("You have asked for nothing.");
  ben.type("v");
  ben.wait_for("there is nothing in this list");
  ben.press(VTERM_KEY_TAB);
  ben.wait_for("No request waits for your answer.");
  ben.type("?");
  ben.wait_for({"look at the cloud now", "any key: back"});
  ben.type("x");
  ben.type("1");
  ben.wait_for("> dune.bmp");
  ben.press(VTERM_KEY_DOWN);
  ben.wait_for("> lake.bmp");
  ben.press(VTERM_KEY_UP);
  ben.wait_for("> dune.bmp");

  // Ben asks; Ana sees it at once, and gives fewer.
  ben.type("a");
  ben.wait_for("How many views of dune.bmp of ana?");
  ben.type("3\033");  // he gives it up
  ben.wait_for("nothing was changed");
  ben.type("a");
  answer(ben, "How many views of dune.bmp of ana?", "many\r",
         "'many' is no number of views: a whole number from 1 to 10000 is accepted", "5\r");
  ben.wait_for("asked ana for 5 views of dune.bmp: told directly");
  ana.wait_for({"* ben is there", " asks for dune.bmp", "3 Approvals (1)"});
  ana.type("5");
  ana.wait_for({"5 Yours (3)", "granted to", "> dune.bmp"});
  show("What Ana offers", ana);
  ana.type("3");
  ana.wait_for({"> dune.bmp", "ben"});
  ana.type("p");
  ana.wait_for({"your own; looking at it costs nothing", "Escape back"});
  ana.wait_until("a picture of sixels", [&] { return ana.written().find("\033P") != std::string::npos; });
  ana.type("\033");
  ana.wait_for("> dune.bmp");
  ana.type("c");
  answer(ana, "ben asks for 5 views of dune.bmp. How many does ben get? 0 refuses", "-1\r",
         "'-1' is no number of views: a whole number from 0 to 10000 is accepted", "2\r");
  ana.wait_for({"granted ben 2 views of dune.bmp", "3 Approvals (0)", "4 Shared (1)"});
  ben.wait_for({"* ana has answered the request for dune.bmp", "2 Inbox (1)"});

  // Two views, and no third.
  ben.type("2");
  ben.wait_for({"granted", "here"});
  ben.type("v");
  answer(ben, "View dune.bmp of ana? It costs a view; 2 of 2 are left. y or n", "k",
         "'k' is no answer: y does it; n, Enter or Escape leave everything as it is", "y");
  ben.wait_for({"dune.bmp", "of ana; view ", "1 of 2 were used on this device"});
  ben.wait_until("the picture in half-blocks", [&] { return shows_dune(ben); });
  show("A view, in half-block characters", ben);
  ben.resize(40, 100);
  ben.wait_until("a larger picture", [&] { return ben.cell(35, 50).chars[0] == 0x2580; });
  ben.resize(12, 30);
  ben.wait_until("a smaller picture", [&] {
    return ben.cell(5, 15).chars[0] == 0x2580 && ben.shows("dune.bmp") && ben.shows("s save");
  });
  ben.resize(24, 100);
  ben.wait_until("the picture as it was", [&] { return shows_dune(ben); });
  // It is saved; a file that is there is not written over. What fails is asked again, with what was typed.
  stage.write("taken", "mine");
  const std::string question = "Save the picture as which new file?";
  ben.type("s");
  ben.wait_for(question);
  ben.type(stage.path("taken") + "\r");
  ben.wait_for({"is there already and is not written over", question});
  ben.type(stage.path("saved") + "\r");
  ben.wait_for("saved as '");
  CHECK(read(stage.path("saved")) == read(stage.path("pictures/dune.bmp")));
  CHECK(read(stage.path("taken")) == "mine");
  ben.type("\033");
  ben.wait_for("> dune.bmp");
  CHECK(!shows_dune(ben));

  // The other one in the desktop's viewer, and once more in there without another view.
  ben.type("o");
  ben.wait_for("It costs a view; 1 of 2 are left");
  ben.type("y");
  ben.wait_for({"shown in the desktop's viewer", "2 of 2 were used on this device"});
  CHECK(read(stage.path("shown")) == read(stage.path("pictures/dune.bmp")));
  CHECK(read(stage.path("mode")) == "600\n");
  fs::remove(stage.path("shown"));
  ben.type("o");
  ben.wait_for("its file is removed at the end of this program");
  CHECK(read(stage.path("shown")) == read(stage.path("pictures/dune.bmp")));
  CHECK(read(stage.path("shown-path")) == stage.path("data-ben/viewing/picture-2.bmp\n"));
  ben.type("\033");
  ben.wait_for("> dune.bmp");
  ben.type("v");
  ben.wait_for("0 of 2 are left");
  ben.type("y");
  ben.wait_for("used up");

  // More of them, as Ana sees that they are used.
  ana.type("4");
  ana.wait_for({"> dune.bmp", "ben"});
  ana.type("u");
  answer(ana, "How many views of dune.bmp does ben get in all, those included that were given?", "1x\r",
         "'1x' is no number of views: a whole number from 0 to 10000 is accepted", "3\r");
  ana.wait_for("ben gets 3 views of dune.bmp in all");
  show("What Ana has granted", ana);
  ben.wait_for("granted  5      3        1 ");
  ben.type("v");
  ben.wait_for("1 of 3 are left");
  ben.type("y");
  ben.wait_for("3 of 3 were used on this device");
  ben.type("\033");

  // Sizes of all kinds; a question stays as it is meanwhile.
  ben.wait_for("> dune.bmp");
  ben.type("a");
  ben.wait_for("How many views of dune.bmp of ana?");
  ben.type("12");
  ben.resize(6, 30);
  ben.wait_for({"How many views of dune.bmp of", "> 12"});
  ben.resize(1, 4);
  ben.wait_until("the end of the answer", [&] { return ben.screen().starts_with("> 2"); });
  ben.resize(40, 120);
  ben.wait_for({"ben  at 127.0.0.1:", "> 12", "3 Approvals (0)"});
  ben.resize(24, 100);
  ben.wait_for({"ben  at 127.0.0.1:", "> 12"});
  ben.type("\033");
  ben.wait_for("nothing was changed");

  // Revoked, refused, withdrawn.
  ana.type("x");
  answer(ana, "Let ben view dune.bmp no more, for good? y or n", "q", "'q' is no answer", "y");
  ana.wait_for({"ben views dune.bmp no more", "4 Shared (0)"});
  ben.wait_for("revoked");
  ben.type("v");
  ben.wait_for("there is nothing to view: the request is revoked; a asks anew");
  ben.type("a");
  answer(ben, "How many views of dune.bmp of ana?", "0\r", "'0' is no number of views", "1\r");
  ana.wait_for("3 Approvals (1)");
  ana.type("3");
  ana.wait_for("> dune.bmp");
  ana.type("x");
  answer(ana, "Refuse dune.bmp to ben, for good? y or n", " ", "' ' is no answer", "y");
  ana.wait_for({"refused dune.bmp to ben", "3 Approvals (0)"});
  ben.wait_for("refused");
  ben.type("1");
  ben.press(VTERM_KEY_END);
  ben.wait_for("> 湖の写真.bmp");
  ben.type("a");
  ben.wait_for("How many views of 湖の写真.bmp of ana?");
  ben.type("4\r");
  ana.wait_for({"3 Approvals (1)", "> 湖の写真.bmp"});
  ben.type("2");
  ben.wait_for({"2 Inbox (3)", "waiting", "refused", "revoked"});
  ben.press(VTERM_KEY_HOME);
  ben.wait_for("> 湖の写真.bmp  ana  waiting");
  ben.type("w");
  answer(ben, "Take the request for 湖の写真.bmp of ana back", "j", "'j' is no answer", "y");
  ben.wait_for({"took the request for 湖の写真.bmp back", "withdrawn"});
  ana.wait_for("3 Approvals (0)");
  show("What Ben has asked for", ben);
  ben.wait_gone("to be told");
  ben.press(VTERM_KEY_END);
  ben.wait_for("> dune.bmp      ana  revoked");
  ben.type("f");
  answer(ben, "Put the request for dune.bmp of ana away, which is revoked? y or n", "1", "'1' is no answer", "y");
  ben.wait_for({"put the request for dune.bmp away", "2 Inbox (2)"});
  ben.press(VTERM_KEY_HOME);
  ben.wait_for("> 湖の写真.bmp");

  // However they end, the terminal is as it was, and no picture is left behind.
  CHECK(fs::exists(stage.path("data-ben/viewing")));
  stage.kill_nodes();
  ben.type("a1\r");
  ben.wait_for({"asked ana for 1 view of", "nodes away", "to be told"});
  ben.type("q");
  ben.wait_for(
      {"Not all was told to the cloud yet (", " to go); it is kept, and told at the next start. Quit? y or n"});
  ben.type("?");
  ben.wait_for({"'?' is no answer", "Quit? y or n"});
  ben.type("y");
  ends_well(ben);
  CHECK(!fs::exists(stage.path("data-ben/viewing")));
  ana.signal(SIGTERM);
  ends_well(ana);
}

TEST_CASE("a signal ends the program in the middle of whatever it does") {
  const Stage stage;
  for (const int each : {SIGTERM, SIGINT, SIGHUP}) {
    CAPTURE(each);
    ScriptedTerminal ana(with(stage.command("ana", {"--dir", stage.path("pictures")})));
    ana.wait_for("nodes reached");
    ana.type("?");
    ana.wait_for("any key: back");
    ana.signal(each);
    ends_well(ana);
  }
  ScriptedTerminal ana(with(stage.command("ana", {"--dir", stage.path("pictures")})));
  ana.wait_for("nodes reached");
  ana.wait_gone("to be told");
  ana.type("\003");  // Ctrl-C
  ends_well(ana);
}

TEST_CASE("a terminal that takes nothing more, and an abort, leave the terminal as it was") {
  const Stage stage;
  ScriptedTerminal stuck(with(stage.command("ana", {"--dir", stage.path("pictures")})));
  stuck.wait_for("nodes reached");
  stuck.stop_output();
  stuck.type("?");
  stuck.signal(SIGTERM);
  CHECK(stuck.wait_end() == 1);
  CHECK(stuck.is_cooked());
  ScriptedTerminal aborted(with(stage.command("ben")));
  aborted.wait_for("nodes reached");
  aborted.signal(SIGABRT);
  CHECK(aborted.wait_end() == -SIGABRT);
  CHECK(!aborted.on_own_screen());
  CHECK(aborted.cursor_visible());
  CHECK(aborted.is_cooked());
}

TEST_CASE("a terminal of few colours or none, another encoding, and keys that are not known") {
  const Stage stage;
  const std::vector<std::string> ana{"--dir", stage.path("pictures")};
  const auto look_at_dune = [](ScriptedTerminal& terminal) {
    terminal.wait_for({"nodes reached", "5 Yours (3)"});
    terminal.type("5");
    terminal.wait_for("> dune.bmp");
    terminal.type("p");
    terminal.wait_for("your own; looking at it costs nothing");
  };
  {
    ScriptedTerminal few(with(stage.command("ana", ana), {"TERM=xterm-256color", "LANG=C.UTF-8"}));
    look_at_dune(few);
    // 215 of red, or 204, as terminals differ.
    few.wait_until("half-blocks in the nearest of 256 colours", [&] {
      const VTermScreenCell cell = few.cell(kLastPictureRow, 30);
      return cell.chars[0] == 0x2580 && near(cell.fg, 210, 0, 0);
    });
    // It says only now what it is: the picture is drawn anew.
    CHECK(few.written().find("\033P") == std::string::npos);
    few.type("\033[?62;4c");
    few.wait_until("sixels", [&] { return few.written().find("\033P") != std::string::npos; });
    few.type("\033");
    few.wait_for("> dune.bmp");
    few.wait_gone("to be told");
    few.type("q");
    ends_well(few);
  }
  {
    ScriptedTerminal plain(with(stage.command("ana", ana), {"TERM=vt100", "LC_ALL=C"}));
    look_at_dune(plain);
    plain.wait_for("(this terminal draws no pictures; s saves it)");
    plain.type("\033");
    plain.wait_for({"dune.bmp", "????????????.bmp"});  // each byte of four characters
    plain.wait_gone("Escape back");
    // A key that ncurses does not know, and what other terminals report, are no Escape.
    plain.type("p");
    plain.wait_for("Escape back");
    plain.type("\033[1;5A\033[99~\033[?1;2c\033[I");
    plain.type("z");
    plain.wait_for("this key does nothing here; keys: o desktop's viewer");
    plain.signal(SIGTERM);
    ends_well(plain);
  }
  auto command = stage.command("ana", ana);
  command.insert(command.end(), {"--pictures", "none"});
  ScriptedTerminal none(with(command));
  look_at_dune(none);
  none.wait_for("(--pictures none: it is not drawn here)");
  none.signal(SIGTERM);
  ends_well(none);
}

int main(int argc, char** argv) {
  doctest::Context context;
  for (int i = 1; i < argc; ++i) show_screens = show_screens || std::strcmp(argv[i], "--show") == 0;
  context.applyCommandLine(argc, argv);
  return context.run();
}
