#include "terminal.hpp"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <fmt/format.h>
#include <ncurses.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <cwctype>
#include <optional>

namespace example {
namespace {

using distri::Code;
using distri::Result;
using Kind = ::example::Key::Kind;

constexpr int kEscapeWait_ms = 50;  // after an Escape, for the rest of a key's sequence
constexpr std::size_t kKeysMax = 1024;
constexpr int kSizeMax = 1000;  // rows and columns that are used
constexpr std::size_t kReportMax = 64;
constexpr short kErrorPair = 1;
constexpr std::string_view kWhatAreYou = "\033[c";  // "primary device attributes"
constexpr std::string_view kDrawsSixels = "4";      // one of the numbers of the answer, "ESC [ ? 62 ; 4 c"

// What leave_at_once() needs, ready made, as it may allocate nothing.
struct Leaving {
  std::atomic<bool> due = false;
  termios settings{};
  char bytes[128] = {};
  std::size_t size = 0;
};
Leaving leaving;

void append_capability(const char* name) {
  const char* bytes = ::tigetstr(name);
  if (bytes == nullptr || bytes == reinterpret_cast<char*>(-1)) return;
  const std::size_t size = std::strlen(bytes);
  if (leaving.size + size > sizeof leaving.bytes) return;
  std::memcpy(leaving.bytes + leaving.size, bytes, size);
  leaving.size += size;
}

// The program ends all the same.
void on_abort(int) {
  Terminal::leave_at_once();
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

// A terminal that was closed takes nothing; that shows when keys are read.
void write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto wrote = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (wrote < 0 && errno != EINTR) return;
    if (wrote > 0) bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

Kind kind_of_code(wint_t code) {
  switch (code) {
    case KEY_UP:
      return Kind::kUp;
    case KEY_DOWN:
      return Kind::kDown;
    case KEY_LEFT:
      return Kind::kLeft;
    case KEY_RIGHT:
      return Kind::kRight;
    case KEY_PPAGE:
      return Kind::kPageUp;
    case KEY_NPAGE:
      return Kind::kPageDown;
    case KEY_HOME:
      return Kind::kHome;
    case KEY_END:
      return Kind::kEnd;
    case KEY_BACKSPACE:
      return Kind::kBackspace;
    case KEY_DC:
      return Kind::kDelete;
    case KEY_BTAB:
      return Kind::kBackTab;
    case KEY_ENTER:
      return Kind::kEnter;
    default:
      return Kind::kUnknown;
  }
}

example::Key key_of_character(wint_t c) {
  switch (c) {
    case '\r':
    case '\n':
      return {Kind::kEnter};
    case '\t':
      return {Kind::kTab};
    case 0x03:
      return {Kind::kStop};
    case 0x08:
    case 0x7f:
      return {Kind::kBackspace};
    case 0x0c:
      return {Kind::kRedraw};
    case 0x15:
      return {Kind::kClear};
    default:
      if (std::iswprint(c)) return example::Key::of(static_cast<wchar_t>(c));
      return {Kind::kUnknown};
  }
}

attr_t attributes(Style style) {
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kBold:
    case Style::kError:
      return A_BOLD;
    case Style::kDim:
      return A_DIM;
    case Style::kReverse:
      return A_REVERSE;
  }
  return A_NORMAL;
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::open() {
  std::unique_ptr<Terminal> terminal(new Terminal);
  if (::isatty(STDOUT_FILENO) == 0 || ::tcgetattr(STDIN_FILENO, &terminal->before_) != 0) {
    return distri::fail(Code::kInvalidArgument, "standard input and output are no terminal");
  }
  SCREEN* screen = ::newterm(nullptr, stdout, stdin);
  if (screen == nullptr) {
    const char* name = std::getenv("TERM");
    return distri::fail(
        Code::kInvalidArgument,
        "TERM is '{}', which is no terminal that is known here; set TERM to yours, e.g. TERM=xterm-256color",
        name == nullptr ? "" : name);
  }
  terminal->screen_ = screen;
  if (const char* can = ::tigetstr("cup"); can == nullptr || can == reinterpret_cast<char*>(-1)) {
    return distri::fail(Code::kInvalidArgument,
                        "the terminal (TERM) cannot place its cursor; use another one, or --do listen");
  }
  ::raw();
  ::noecho();
  ::nonl();
  ::keypad(stdscr, true);
  ::nodelay(stdscr, true);
  if (std::getenv("ESCDELAY") == nullptr) ::set_escdelay(kEscapeWait_ms);
  if (::has_colors() && ::start_color() == OK && ::use_default_colors() == OK) ::init_pair(kErrorPair, COLOR_RED, -1);
  leaving.settings = terminal->before_;
  leaving.size = 0;
  for (const char* each : {"sgr0", "cnorm", "rmkx", "rmcup"}) append_capability(each);
  leaving.due = true;
  std::signal(SIGABRT, on_abort);
  terminal->fit();
  ::wrefresh(stdscr);
  write_all(kWhatAreYou);
  return terminal;
}

Terminal::~Terminal() {
  if (screen_ == nullptr) return;
  ::curs_set(1);
  ::endwin();
  ::delscreen(static_cast<SCREEN*>(screen_));
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  leaving.due = false;
  std::signal(SIGABRT, SIG_DFL);
}

void Terminal::leave_at_once() {
  if (!leaving.due.exchange(false)) return;
  ::tcflush(STDOUT_FILENO, TCOFLUSH);
  pollfd event{STDOUT_FILENO, POLLOUT, 0};
  if (::poll(&event, 1, 0) == 1) (void)!::write(STDOUT_FILENO, leaving.bytes, leaving.size);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &leaving.settings);
}

void Terminal::fit() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
    size_ = {std::min<int>(size.ws_row, kSizeMax), std::min<int>(size.ws_col, kSizeMax), size.ws_xpixel / size.ws_col,
             size.ws_ypixel / size.ws_row};
  } else {
    size_ = {LINES, COLS, 0, 0};
  }
  if (::is_term_resized(size_.rows, size_.columns)) ::resizeterm(size_.rows, size_.columns);
  redraw();
}

std::vector<example::Key> Terminal::keys() {
  std::vector<Key> keys;
  wint_t c = 0;
  while (keys.size() < kKeysMax) {
    const int got = ::wget_wch(stdscr, &c);
    if (got == ERR) break;
    if (got == KEY_CODE_YES) {
      if (c != KEY_RESIZE) keys.push_back({kind_of_code(c)});
    } else if (c != 0x1b) {
      keys.push_back(key_of_character(c));
    } else if (!take_sequence()) {
      keys.push_back({Kind::kEscape});
    }
    if (!keys.empty() && keys.back().kind == Kind::kRedraw) redraw();
  }
  return keys;
}

// After an Escape: a report of the terminal, or a key that ncurses does not know, from "[" to its last letter. False:
// it was the key Escape.
bool Terminal::take_sequence() {
  wint_t c = 0;
  const int got = ::wget_wch(stdscr, &c);
  if (got == ERR) return false;
  if (got == KEY_CODE_YES || c != '[') {
    got == KEY_CODE_YES ? ::ungetch(static_cast<int>(c)) : ::unget_wch(static_cast<wchar_t>(c));
    return false;
  }
  std::string report;
  ::wtimeout(stdscr, kEscapeWait_ms);
  while (report.size() < kReportMax && ::wget_wch(stdscr, &c) == OK) {
    report += c < 0x80 ? static_cast<char>(c) : '?';
    if (c >= 0x40 && c < 0x7f) break;
  }
  ::nodelay(stdscr, true);
  take_report(report);
  return true;
}

void Terminal::take_report(std::string_view report) {
  if (!report.starts_with('?') || !report.ends_with('c')) return;
  report.remove_prefix(1);
  report.remove_suffix(1);
  while (!report.empty()) {
    const auto end = std::min(report.find(';'), report.size());
    if (report.substr(0, end) == kDrawsSixels) draws_sixels_ = true;
    report.remove_prefix(std::min(end + 1, report.size()));
  }
}

void Terminal::show(const Grid& grid, std::string_view picture) {
  if (!draw_all_ && grid == shown_ && picture == shown_picture_) return;
  // ncurses does not know what a picture has left on cells that are blank for it.
  if (picture != shown_picture_ && !shown_picture_.empty()) redraw();
  shown_ = grid;
  shown_picture_ = picture;
  ::werase(stdscr);
  for (int row = 0; row < std::min(grid.rows(), size_.rows); ++row) {
    for (int column = 0; column < std::min(grid.columns(), size_.columns); ++column) {
      const Grid::Cell& cell = grid.at(row, column);
      if (cell.text.empty()) continue;
      cchar_t shown{};
      ::setcchar(&shown, cell.text.c_str(), attributes(cell.style), cell.style == Style::kError ? kErrorPair : short{0},
                 nullptr);
      ::mvwadd_wch(stdscr, row, column, &shown);  // ERR in the last cell, which is shown all the same
    }
  }
  if (std::exchange(draw_all_, false)) ::clearok(stdscr, true);
  const bool cursor = grid.cursor_row >= 0 && grid.cursor_row < size_.rows;
  ::curs_set(cursor ? 1 : 0);
  const int row = cursor ? grid.cursor_row : 0;
  const int column = cursor ? std::min(grid.cursor_column, size_.columns - 1) : 0;
  ::wmove(stdscr, row, column);
  ::wrefresh(stdscr);
  // The cursor goes back to where ncurses has left it. Not by "save" and "restore": the saved one is what the terminal
  // has on its other screen.
  if (!picture.empty()) write_all(fmt::format("{}\033[{};{}H", picture, row + 1, column + 1));
}

}  // namespace example
