#include "terminal_grid.hpp"

#include <algorithm>

#include "terminal_text.hpp"

namespace example {

Grid::Grid(int rows, int columns) : rows_(std::max(rows, 1)), columns_(std::max(columns, 1)) {
  cells_.resize(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(columns_));
}

Grid::Cell& Grid::cell(int row, int column) {
  return cells_[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(column)];
}

const Grid::Cell& Grid::at(int row, int column) const {
  return const_cast<Grid&>(*this).cell(row, column);
}

int Grid::put(int row, int column, std::string_view text, Style style, int width) {
  if (row < 0 || row >= rows_ || column < 0 || column >= columns_) return 0;
  const int end = column + std::min(width, columns_ - column);
  int at = column;
  for (Glyph& each : glyphs(shortened(text, end - column))) {
    cell(row, at) = {std::move(each.text), style};
    if (each.width == 2) cell(row, at + 1) = {L"", style};
    at += each.width;
  }
  return at - column;
}

void Grid::fill(int row, Style style) {
  if (row < 0 || row >= rows_) return;
  for (int column = 0; column < columns_; ++column) cell(row, column) = {L" ", style};
}

std::string Grid::row(int row) const {
  std::vector<Glyph> glyphs;
  for (int column = 0; column < columns_; ++column) glyphs.push_back({at(row, column).text, 1});
  while (!glyphs.empty() && glyphs.back().text == L" ") glyphs.pop_back();
  return to_text(glyphs);
}

std::string Grid::text() const {
  std::string result;
  for (int i = 0; i < rows_; ++i) result += row(i) + "\n";
  return result;
}

}  // namespace example
