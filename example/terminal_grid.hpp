// terminal_grid.hpp: a screen full of characters, in memory.
//
// All that a program shows goes through put(), which lets only text through (terminal_text.hpp). Threads: plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace example {

enum class Style { kPlain, kBold, kDim, kReverse, kError };

class Grid {
 public:
  struct Cell {
    std::wstring text = L" ";  // empty: the right half of the character before it
    Style style = Style::kPlain;
    bool operator==(const Cell&) const = default;
  };

  // At least one row and column.
  Grid(int rows, int columns);
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  const Cell& at(int row, int column) const;

  // Writes into at most `width` columns and not beyond the row; what does not fit is cut. Returns how many it took.
  // Outside of the screen it writes nothing.
  int put(int row, int column, std::string_view text, Style style = Style::kPlain, int width = 1 << 16);
  // Blanks, in a style.
  void fill(int row, Style style);

  // Rows as text, without blanks at their ends.
  std::string row(int row) const;
  std::string text() const;  // each row ends with a newline

  bool operator==(const Grid&) const = default;

  int cursor_row = -1;  // none where it is not to be seen
  int cursor_column = 0;

 private:
  Cell& cell(int row, int column);
  int rows_, columns_;
  std::vector<Cell> cells_;
};

}  // namespace example
