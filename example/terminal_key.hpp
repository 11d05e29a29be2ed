// terminal_key.hpp: a key that was pressed.
#pragma once

namespace example {

struct Key {
  enum class Kind {
    kCharacter,
    kEnter,
    kEscape,
    kBackspace,
    kDelete,
    kTab,
    kBackTab,
    kUp,
    kDown,
    kLeft,
    kRight,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kRedraw,  // Ctrl-L
    kClear,   // Ctrl-U
    kStop,    // Ctrl-C
    kUnknown,
  };
  Kind kind = Kind::kUnknown;
  wchar_t character = 0;  // of kCharacter: one that can be shown

  static Key of(wchar_t character) { return {Kind::kCharacter, character}; }
  bool is(wchar_t other) const { return kind == Kind::kCharacter && character == other; }
};

}  // namespace example
