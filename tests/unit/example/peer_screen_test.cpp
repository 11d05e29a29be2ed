#include "peer_screen.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <clocale>

using namespace example;
using namespace distri::peer;
using distri::PublicKey;
using Kind = PeerCommand::Kind;

namespace {

PublicKey key_of(char letter) {
  return PublicKey::from_view(distri::Bytes(PublicKey::kSize, letter));
}

GrantId id_of(char letter) {
  return GrantId::from_view(distri::Bytes(GrantId::kSize, letter));
}

Request request(char id, const std::string& image, std::uint32_t views = 5) {
  Request made;
  made.id = id_of(id);
  made.owner = key_of('b');
  made.to = key_of('a');
  made.resource = image;
  made.views = views;
  return made;
}

Grant grant(char id, const std::string& image, std::uint32_t views) {
  Grant made;
  made.id = id_of(id);
  made.owner = key_of('a');
  made.to = key_of('b');
  made.resource = image;
  made.views = views;
  return made;
}

Offer offer(const std::string& image, const std::string& owner_name = "ana") {
  Offer made;
  made.entry.owner = key_of('a');
  made.entry.name = image;
  made.entry.kind = "png";
  made.entry.width = made.entry.height = 9;
  made.owner_name = owner_name;
  return made;
}

// A screen of 24 rows and 80 columns, with what a test puts into its lists.
struct Rig {
  PeerScreen screen{{"ben", "0123456789abcdef", "127.0.0.1:4101", true, false}};
  PeerLists lists;
  Catalog catalog;

  Rig() {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    screen.resize(24, 80);
    lists.standing.rounds = 1;
    catalog.current = true;
  }
  ~Rig() { std::setlocale(LC_CTYPE, "C"); }
  void update() {
    screen.lists(lists);
    screen.catalog(catalog);
  }
  void type(std::string_view text) {
    for (const char c : text) {
      screen.key(c == '\r'     ? Key{Key::Kind::kEnter}
                 : c == '\033' ? Key{Key::Kind::kEscape}
                               : Key::of(static_cast<wchar_t>(c)));
    }
  }
  void press(Key::Kind kind) { screen.key({kind}); }
  std::string text() { return screen.draw().text(); }
  bool shows(std::string_view part) { return text().find(part) != std::string::npos; }
  PeerCommand command() {
    auto command = screen.take_command();
    REQUIRE_MESSAGE(command.has_value(), text());
    return *command;
  }
  bool idle() { return !screen.take_command().has_value(); }
};

std::shared_ptr<const OpenPicture> seen(const std::string& name) {
  return std::make_shared<OpenPicture>(name, "of ana; view 1", "bytes",
                                       distri::services::Picture{2, 2, distri::Bytes(12, '\x7f')}, false);
}

}  // namespace

TEST_CASE("each list leads to its commands, with what they are about") {
  Rig rig;
  rig.catalog.offers = {offer("dune.png"), offer("lake.png")};
  rig.lists.inbox = {{request('1', "dune.png"), Holding::State::kGranted, grant('1', "dune.png", 3), "ana"}};
  rig.lists.available = {{grant('1', "dune.png", 3), "ana", 1, true}};
  rig.lists.pending = {{request('2', "mine.png", 7), "cem"}};
  rig.lists.shared = {{grant('3', "mine.png", 4), "cem", 1, 2, 1}};
  rig.lists.offered = {offer("own.png").entry};
  rig.update();

  rig.press(Key::Kind::kDown);
  rig.type("a3\r");
  PeerCommand command = rig.command();
  CHECK(command.kind == Kind::kRequest);
  CHECK(command.peer == key_of('a').hex());
  CHECK(command.image == "lake.png");
  CHECK(command.views == 3);

  rig.type("2v");
  CHECK(rig.shows("View dune.png of ana? It costs a view; 2 of 3 are left. y or n"));
  CHECK(rig.idle());
  rig.type("y");
  command = rig.command();
  CHECK(command.kind == Kind::kView);
  CHECK(command.id == id_of('1'));
  CHECK(!command.in_desktop);
  rig.type("wy");
  command = rig.command();
  CHECK(command.kind == Kind::kWithdraw);
  CHECK(command.id == id_of('1'));

  rig.type("f");
  CHECK(rig.shows("the request is granted: f puts those away"));
  rig.lists.inbox[0].state = Holding::State::kRevoked;
  rig.lists.available.clear();
  rig.update();
  rig.type("fy");
  command = rig.command();
  CHECK(command.kind == Kind::kForget);
  CHECK(command.id == id_of('1'));

  rig.type("3a");
  command = rig.command();
  CHECK(command.kind == Kind::kGrant);
  CHECK(command.id == id_of('2'));
  CHECK(command.views == 7);
  rig.type("c2\r");
  CHECK(rig.command().views == 2);
  rig.type("xy");
  command = rig.command();
  CHECK(command.kind == Kind::kGrant);
  CHECK(command.views == 0);
  rig.type("p");
  command = rig.command();
  CHECK(command.kind == Kind::kOwn);
  CHECK(command.image == "mine.png");

  rig.type("4u9\r");
  command = rig.command();
  CHECK(command.kind == Kind::kUpdate);
  CHECK(command.id == id_of('3'));
  CHECK(command.views == 9);
  rig.type("xy");
  CHECK(rig.command().kind == Kind::kRevoke);

  rig.type("5p");
  command = rig.command();
  CHECK(command.kind == Kind::kOwn);
  CHECK(command.image == "own.png");

  rig.type("r");
  CHECK(rig.command().kind == Kind::kRefresh);
  rig.type("q");
  CHECK(rig.command().kind == Kind::kQuit);
  CHECK(rig.idle());
}

TEST_CASE("keys that do nothing say which do") {
  Rig rig;
  rig.catalog.offers = {offer("dune.png")};
  rig.lists.inbox = {{request('1', "dune.png"), Holding::State::kWaiting, std::nullopt, "ana"}};
  rig.update();
  rig.type("z");
  CHECK(rig.shows("'z' does nothing here; keys: a ask for views, r refresh"));
  rig.press(Key::Kind::kDelete);
  CHECK(rig.shows("this key does nothing here"));
  rig.type("v");
  CHECK(rig.shows("pictures of others can be seen when they were granted"));
  rig.type("2v");
  CHECK(rig.shows("there is nothing to view: the request is waiting"));
  rig.type("3x");
  CHECK(rig.shows("there is nothing in this list"));
  CHECK(rig.idle());
}

TEST_CASE("the selected row stays the same one while its list changes") {
  Rig rig;
  for (int i = 0; i < 100; ++i) rig.catalog.offers.push_back(offer(fmt::format("{:03}.png", i)));
  rig.update();
  rig.press(Key::Kind::kEnd);
  CHECK(rig.shows("> 099.png"));
  CHECK(!rig.shows("000.png"));
  rig.press(Key::Kind::kHome);
  for (int i = 0; i < 50; ++i) rig.press(Key::Kind::kDown);
  CHECK(rig.shows("> 050.png"));
  rig.catalog.offers.erase(rig.catalog.offers.begin(), rig.catalog.offers.begin() + 20);
  rig.update();
  CHECK(rig.shows("> 050.png"));
  rig.press(Key::Kind::kPageUp);
  CHECK(!rig.shows("> 050.png"));
  rig.press(Key::Kind::kPageDown);
  CHECK(rig.shows("> 050.png"));
  std::erase_if(rig.catalog.offers, [](const Offer& each) { return each.entry.name == "050.png"; });
  rig.update();
  CHECK(rig.shows("> 051.png"));
  rig.catalog.offers.clear();
  rig.update();
  CHECK(rig.shows("Nobody offers images."));
  rig.press(Key::Kind::kDown);
  rig.press(Key::Kind::kPageDown);
  rig.type("a");
  CHECK(rig.idle());
}

TEST_CASE("what was asked for and fails is asked again with what was typed and what was wrong") {
  Rig rig;
  rig.catalog.offers = {offer("dune.png")};
  rig.update();
  rig.type("a77\r");
  const PeerCommand command = rig.command();
  CHECK(rig.shows("working"));
  rig.screen.outcome({command, false, "the book is full", nullptr});
  CHECK(rig.shows("the book is full"));
  CHECK(rig.shows("How many views of dune.png of ana?"));
  CHECK(rig.shows("> 77"));
  rig.type("5\r");  // typed in place of it
  CHECK(rig.command().views == 5);

  // Not into another question.
  rig.type("a6\r");
  const PeerCommand later = rig.command();
  rig.type("a");
  rig.screen.outcome({later, false, "the book is full", nullptr});
  CHECK(rig.shows("the book is full"));
  CHECK(!rig.shows("> 6"));
  rig.type("\033");
  CHECK(rig.shows("nothing was changed"));
}

TEST_CASE("the same thing is not done twice at a time") {
  Rig rig;
  rig.lists.inbox = {{request('1', "dune.png"), Holding::State::kGranted, grant('1', "dune.png", 3), "ana"}};
  rig.lists.available = {{grant('1', "dune.png", 3), "ana", 1, true}};
  rig.update();
  rig.type("2vy");
  const PeerCommand first = rig.command();
  rig.type("vy");
  CHECK(rig.shows("this is being done already"));
  CHECK(rig.idle());
  rig.screen.outcome({first, false, "he is away", nullptr});
  CHECK(rig.shows("he is away"));
  rig.type("vy");
  CHECK(rig.command().kind == Kind::kView);
}

TEST_CASE("commands under way have a limit") {
  Rig rig;
  rig.catalog.offers = {offer("dune.png")};
  rig.update();
  for (std::size_t i = 1; i <= kCommandsUnderWayMax + 1; ++i) rig.type(fmt::format("a{}\r", i));
  CHECK(rig.shows("64 commands are being done; wait for one of them"));
  std::size_t commands = 0;
  while (rig.screen.take_command()) ++commands;
  CHECK(commands == kCommandsUnderWayMax);
}

TEST_CASE("a picture that was viewed is shown, saved, and left again") {
  Rig rig;
  rig.lists.inbox = {{request('1', "dune.png"), Holding::State::kGranted, grant('1', "dune.png", 3), "ana"}};
  rig.lists.available = {{grant('1', "dune.png", 3), "ana", 1, true}};
  rig.update();
  rig.type("2vy");
  rig.screen.outcome({rig.command(), true, "view 1", seen("dune.png")});
  const Grid grid = rig.screen.draw();
  CHECK(grid.row(2) == " of ana; view 1");
  const PictureBox box = rig.screen.picture_box();
  CHECK(box.rows > 10);
  CHECK(box.row + box.rows < 24);
  for (int row = box.row; row < box.row + box.rows; ++row) CHECK(grid.row(row).empty());

  rig.type("o");
  CHECK(rig.shows("there is no viewer here"));
  rig.type("z");
  CHECK(rig.shows("this key does nothing here; keys: o desktop's viewer, s save, Escape back"));
  rig.type("sout.png\r");
  const PeerCommand save = rig.command();
  CHECK(save.kind == Kind::kSave);
  CHECK(save.path == "out.png");
  rig.screen.outcome({save, false, "'out.png' is there already", nullptr});
  CHECK(rig.shows("Save the picture as which new file?"));
  CHECK(rig.shows("> out.png"));
  CHECK(rig.shows("is there already"));
  rig.type("\033");
  CHECK(rig.screen.picture() != nullptr);
  rig.type("\033");
  CHECK(rig.screen.picture() == nullptr);
  CHECK(rig.shows("> dune.png"));
}

TEST_CASE("a picture that does not decode says why, and can be saved all the same") {
  Rig rig;
  auto broken = std::make_shared<OpenPicture>("dune.png", "of ana", "bytes",
                                              distri::fail(distri::Code::kInvalidArgument, "it is damaged"), false);
  rig.screen.outcome({{.kind = Kind::kView}, true, "view 1", broken});
  CHECK(rig.shows("it cannot be shown here: it is damaged"));
  CHECK(rig.screen.picture_box().rows == 0);
  rig.type("sout.png\r");
  CHECK(rig.command().kind == Kind::kSave);
}

TEST_CASE("who quits with things untold is told so") {
  Rig rig;
  rig.lists.standing.untold = 2;
  rig.update();
  CHECK(rig.shows("2 to be told"));
  rig.type("q");
  CHECK(rig.shows("Quit? y or n"));
  rig.type("n");
  CHECK(rig.idle());
  rig.press(Key::Kind::kStop);
  rig.type("y");
  CHECK(rig.command().kind == Kind::kQuit);
}

TEST_CASE("what others write reaches the screen as text only") {
  Rig rig;
  rig.catalog.offers = {offer("a\033[2Jb\n.png", "\033]0;title\a")};
  rig.lists.pending = {{request('2', "c\xe2\x80\xae.png"),
                        "d\xc2\x9b"
                        "31m"}};
  rig.update();
  rig.screen.news("* \033[31m is there\r\n");
  const auto only_text = [&] {
    const Grid grid = rig.screen.draw();
    for (int row = 0; row < grid.rows(); ++row) {
      for (int column = 0; column < grid.columns(); ++column) {
        for (const wchar_t c : grid.at(row, column).text) {
          if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x202e) return false;
        }
      }
    }
    return true;
  };
  CHECK(only_text());
  CHECK(rig.shows("a?[2Jb?.png"));
  rig.type("a");
  CHECK(only_text());
  rig.type("\0333c");
  CHECK(only_text());
  CHECK(rig.shows("d?31m"));
  rig.screen.outcome({{}, false, "he says \033[H", seen("e\033c.png")});
  CHECK(only_text());
}

TEST_CASE("screens of every size are drawn, with the question at the bottom") {
  Rig rig;
  for (int i = 0; i < 30; ++i) rig.catalog.offers.push_back(offer(fmt::format("湖{:03}.png", i)));
  rig.update();
  for (int i = 0; i < 9; ++i) rig.screen.news(fmt::format("* news {}", i));
  for (int rows = -1; rows < 30; ++rows) {
    for (int columns : {-1, 1, 2, 3, 5, 9, 20, 40, 79, 200}) {
      rig.screen.resize(rows, columns);
      const Grid lists = rig.screen.draw();
      REQUIRE(lists.rows() == std::max(rows, 1));
      REQUIRE(lists.columns() == std::max(columns, 1));
      rig.type("?");
      rig.screen.draw();
      rig.type("?a12");
      const Grid question = rig.screen.draw();
      CHECK(question.cursor_row == question.rows() - 1);
      CHECK(question.cursor_column < question.columns());
      if (columns >= 5) CHECK(question.row(question.rows() - 1) == "> 12");
      rig.type("\033");
      rig.screen.outcome({{}, true, "view", seen("dune.png")});
      rig.screen.draw();
      const PictureBox box = rig.screen.picture_box();
      CHECK(box.row + box.rows <= std::max(question.rows(), box.row));
      rig.type("\033");
    }
  }
}

TEST_CASE("a narrow screen names the list that is shown") {
  Rig rig;
  rig.update();
  rig.screen.resize(10, 20);
  for (const char* each : {"1 Offers (0)", "2 Inbox (0)", "3 Approvals (0)", "4 Shared (0)", "5 Yours (0)"}) {
    CHECK(rig.shows(each));
    rig.press(Key::Kind::kTab);
  }
  rig.press(Key::Kind::kBackTab);
  CHECK(rig.shows("5 Yours (0)"));
}

TEST_CASE("news are kept, the newest of them") {
  Rig rig;
  for (int i = 0; i < 500; ++i) rig.screen.news(fmt::format("* news {}.", i));
  CHECK(rig.shows("* news 499."));
  CHECK(rig.shows("* news 495."));
  CHECK(!rig.shows("* news 494."));
}

TEST_CASE("a long answer shows its end") {
  Rig rig;
  rig.screen.resize(10, 20);
  rig.screen.outcome({{}, true, "view", seen("dune.png")});
  rig.type("s" + std::string(50, 'a') + "bcd");
  const Grid grid = rig.screen.draw();
  CHECK(grid.row(9).ends_with("aaabcd"));
  CHECK(grid.cursor_column == 19);
  rig.press(Key::Kind::kHome);
  CHECK(rig.screen.draw().cursor_column == 2);
}
