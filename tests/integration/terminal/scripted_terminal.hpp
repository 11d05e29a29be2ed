// scripted_terminal.hpp: a program in a terminal that this test is: it presses keys, reads the screen, changes the
// size.
//
// The program has a pseudo-terminal as its controlling one; libvterm makes a screen of what it writes. Whoever waits
// for something on one screen reads what all of them get, so that no program is held up by a full terminal. Threads:
// one for all of them. What does not come in time ends the test, with the screens.
#pragma once

#include <sys/types.h>
#include <termios.h>
#include <vterm.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

class ScriptedTerminal {
 public:
  struct Options {
    std::vector<std::string> command;
    std::vector<std::string> environment;  // beside PATH and HOME; "NAME=value"
    int rows = 24, columns = 100;
    bool draws_sixels = false;  // as it says when it is asked what it is
  };
  explicit ScriptedTerminal(Options options);
  ~ScriptedTerminal();  // kills what still runs
  ScriptedTerminal(const ScriptedTerminal&) = delete;
  ScriptedTerminal& operator=(const ScriptedTerminal&) = delete;

  void type(std::string_view text);  // '\r' is Enter
  void press(VTermKey key);
  void resize(int rows, int columns);
  void signal(int number);
  // From now on it takes nothing any more, as after Ctrl-S: who writes is held up.
  void stop_output();

  // Until the screen shows all of these texts, each within one row; until it does not show one any more.
  void wait_for(std::initializer_list<std::string> texts);
  void wait_for(const std::string& text) { wait_for({text}); }
  void wait_gone(const std::string& text);
  void wait_until(const std::string& what, const std::function<bool()>& condition);
  // Its exit code; a signal that ended it: minus its number.
  int wait_end();

  bool shows(std::string_view text) const;
  std::string screen() const;  // rows end with a newline
  VTermScreenCell cell(int row, int column) const;
  bool on_own_screen() const { return own_screen_; }
  bool cursor_visible() const { return cursor_visible_; }
  // Whether it takes lines and shows what is typed, as a shell has it.
  bool is_cooked() const;
  const std::string& written() const { return written_; }  // every byte

 private:
  static void pump(int wait_ms);
  bool read_some();
  void answer(std::string_view bytes);

  const Options options_;
  pid_t pid_ = -1;
  int status_ = 0;
  int master_ = -1;
  int slave_ = -1;  // open, so that its settings can be looked at when the program has ended
  VTerm* vterm_ = nullptr;
  VTermScreen* screen_ = nullptr;
  VTermScreenCallbacks callbacks_{};
  bool own_screen_ = false;
  bool cursor_visible_ = true;
  std::string written_;
};
