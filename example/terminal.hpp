// terminal.hpp: the terminal that this program runs in: keys, size, and a screen of its own, by ncurses.
//
// What was on the screen is there again when the Terminal is gone, and when the program is aborted. Only one at a time.
// Threads: the one that opened it. Signals: SIGABRT is its own; whoever gets SIGWINCH calls fit().
#pragma once

#include <termios.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/result.hpp"
#include "terminal_grid.hpp"
#include "terminal_key.hpp"

namespace example {

struct TerminalSize {
  int rows = 24, columns = 80;
  int cell_width = 0, cell_height = 0;  // pixels; 0: the terminal does not say
};

class Terminal {
 public:
  // On standard input and output. Errors: kInvalidArgument: they are no terminal, or TERM names none that can do this.
  static distri::Result<std::unique_ptr<Terminal>> open();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // The same as its end does, without waiting for anything, for a program that is about to end; the terminal may have
  // stopped taking what is written. From any thread, and from a handler of signals.
  static void leave_at_once();

  // Takes on the size that the terminal has now.
  void fit();
  const TerminalSize& size() const { return size_; }
  // Whether it has said by now that it draws sixel pictures (asked when it is opened; nobody waits for the answer).
  bool draws_sixels() const { return draws_sixels_; }

  // What was pressed since. Waits a few hundredths of a second at most, for the rest of a key.
  std::vector<Key> keys();

  // `picture`: bytes that draw one on top, and that leave the rest as it is. Writes nothing when both are as before.
  void show(const Grid& grid, std::string_view picture = {});
  // With the next show() everything is drawn anew.
  void redraw() { draw_all_ = true; }

 private:
  Terminal() = default;
  bool take_sequence();
  void take_report(std::string_view report);

  termios before_{};
  void* screen_ = nullptr;
  TerminalSize size_;
  bool draws_sixels_ = false;
  bool draw_all_ = false;
  Grid shown_{1, 1};
  std::string shown_picture_;
};

}  // namespace example
