// How it looks.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "peer_screen.hpp"
#include "terminal_text.hpp"

namespace example {
namespace {

constexpr int kNewsRowsMax = 5;
constexpr std::size_t kMessageRowsMax = 3;
constexpr int kGap = 2;              // between columns
constexpr int kNarrowest = 4;        // of a column that was made smaller
constexpr int kRowsForHeadings = 6;  // of the whole screen, at least

constexpr std::string_view kHelp[] = {
    "Tab, 1 to 5       the next list; one of them",
    "Up, Down          the row; also PageUp, PageDown, Home, End",
    "r                 look at the cloud now",
    "Offers            Enter or a: ask for views",
    "Inbox             Enter or v: view (costs one)   o: view in the desktop's viewer",
    "                  a: ask anew   w: withdraw the request   f: put an ended one away",
    "Approvals         a: accept as asked   Enter or c: with another number of views",
    "                  x: refuse   p: look at your picture (free)",
    "Shared            Enter or u: another number of views   x: revoke   p: your picture",
    "Yours             Enter or p: look at it (free)",
    "a picture         o: in the desktop's viewer   s: save   Escape: back",
    "a question        Enter: answer   Escape, or an empty answer: change nothing",
    "q, Ctrl-C         quit",
    "",
    "Pictures of others are shown when a view was given; their catalog has none.",
};

// Widths that fit, by taking from the widest.
std::vector<int> fitting(std::vector<int> widths, int columns) {
  const auto total = [&] {
    return std::accumulate(widths.begin(), widths.end(), static_cast<int>(widths.size() - 1) * kGap);
  };
  for (int over = total() - columns; over > 0; --over) {
    const auto widest = std::ranges::max_element(widths);
    if (*widest <= kNarrowest) break;
    --*widest;
  }
  return widths;
}

void put_row(Grid& grid, int row, const std::vector<std::string>& cells, const std::vector<int>& widths, Style style) {
  int column = 2;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    grid.put(row, column, cells[i], style, widths[i]);
    column += widths[i] + kGap;
  }
}

}  // namespace

Grid PeerScreen::draw() {
  Grid grid(rows_, columns_);
  box_ = {};
  const int foot = draw_foot(grid);
  int rows = std::max(grid.rows() - foot, 0);  // of the rest
  if (rows > 0) draw_title(grid);
  if (help_ || picture_) {
    help_ ? draw_help(grid, rows) : draw_picture(grid, rows);
    return grid;
  }
  const bool roomy = grid.rows() >= kRowsForHeadings;
  const int news = std::min({kNewsRowsMax, rows / 4, static_cast<int>(news_.size())});
  draw_news(grid, rows - news, news);
  rows -= news;
  if (roomy && rows > 1) draw_tabs(grid, 1);
  const int top = roomy ? 2 : 1;
  if (rows > top) draw_table(grid, top, rows - top);
  return grid;
}

void PeerScreen::draw_title(Grid& grid) const {
  grid.fill(0, Style::kReverse);
  const auto& standing = now_.standing;
  std::string right;
  if (!under_way_.empty()) right += "working  ";
  if (standing.untold > 0) right += fmt::format("{} to be told  ", standing.untold);
  right += standing.cloud_away ? "nodes away " : standing.rounds == 0 ? "looking for nodes " : "nodes reached ";
  const int width = columns(right);
  const int left = std::max(grid.columns() - width - 1, 0);
  grid.put(0, 1, fmt::format("{}  at {}  key {}", self_.name, self_.address, self_.key), Style::kReverse, left - 1);
  grid.put(0, std::max(grid.columns() - width, 0), right, Style::kReverse);
}

void PeerScreen::draw_tabs(Grid& grid, int row) const {
  static constexpr std::string_view kNames[] = {"Offers", "Inbox", "Approvals", "Shared", "Yours"};
  std::vector<std::string> tabs;
  for (std::size_t i = 0; i < kLists; ++i) {
    tabs.push_back(fmt::format(" {} {} ({}) ", i + 1, kNames[i], tables_[i].rows.size()));
  }
  const int width = std::accumulate(tabs.begin(), tabs.end(), 1,
                                    [](int sum, const std::string& each) { return sum + columns(each) + 1; });
  int column = 1;
  for (std::size_t i = 0; i < kLists; ++i) {
    if (width > grid.columns() && i != list_) continue;
    column += grid.put(row, column, tabs[i], i == list_ ? Style::kReverse : Style::kPlain) + 1;
  }
  if (catalog_ && !catalog_->current && list_ == kOffers) {
    grid.put(row, column, "as last seen", Style::kDim);
  }
}

void PeerScreen::draw_table(Grid& grid, int row, int rows) {
  Table& table = tables_[list_];
  if (table.rows.empty()) {
    static constexpr std::string_view kEmpty[] = {"Nobody offers images.", "You have asked for nothing.",
                                                  "No request waits for your answer.", "You have granted no image.",
                                                  "You offer no image; --dir names a folder of them."};
    const bool looked = list_ != kOffers || catalog_;
    grid.put(row, 1, looked ? kEmpty[list_] : "Looking for what others offer.", Style::kDim);
    return;
  }
  const bool heading = rows > 1;
  page_ = heading ? rows - 1 : rows;
  const auto page = static_cast<std::size_t>(page_);
  table.top = std::min(table.top, table.selected);
  if (table.selected >= table.top + page) table.top = table.selected - page + 1;
  if (table.rows.size() <= page) table.top = 0;
  const std::size_t end = std::min(table.rows.size(), table.top + page);
  std::vector<int> widths;
  for (const auto& each : table.headings) widths.push_back(heading ? columns(each) : 0);
  for (std::size_t i = table.top; i < end; ++i) {
    for (std::size_t j = 0; j < widths.size(); ++j) widths[j] = std::max(widths[j], columns(table.rows[i].cells[j]));
  }
  widths = fitting(std::move(widths), grid.columns() - 3);
  if (heading) put_row(grid, row++, table.headings, widths, Style::kDim);
  for (std::size_t i = table.top; i < end; ++i, ++row) {
    const Style style = i == table.selected ? Style::kReverse : Style::kPlain;
    grid.fill(row, style);
    put_row(grid, row, table.rows[i].cells, widths, style);
    if (i == table.selected) grid.put(row, 0, ">", style);
  }
}

void PeerScreen::draw_news(Grid& grid, int row, int rows) const {
  for (int i = 0; i < rows; ++i) {
    grid.put(row + i, 0, news_[news_.size() - static_cast<std::size_t>(rows - i)], Style::kDim);
  }
}

// From the bottom up: keys or a question; what was wrong; messages. Returns how many rows it took.
int PeerScreen::draw_foot(Grid& grid) const {
  struct Line {
    std::string text;
    Style style;
  };
  std::vector<Line> lines;
  const auto add = [&](const std::string& text, Style style, std::size_t rows_max) {
    for (auto& each : wrapped(text, grid.columns(), rows_max)) lines.push_back({std::move(each), style});
  };
  add(message_.text, message_.wrong ? Style::kError : Style::kBold, kMessageRowsMax);
  if (prompt_) {
    add(prompt_->wrong(), Style::kError, kMessageRowsMax);
    add(prompt_->question(), Style::kBold, kMessageRowsMax);
    if (prompt_->takes_text()) lines.push_back({"> ", Style::kPlain});
  } else if (help_) {
    add("any key: back", Style::kDim, 1);
  } else if (picture_) {
    add(self_.desktop ? "o desktop's viewer  s save  Escape back" : "s save  Escape back", Style::kDim, 1);
  } else {
    add(keys_of_list() + ", ? help, q quit, Tab lists, r refresh", Style::kDim, 1);
  }
  // Of a screen that is too small, the end.
  const auto rows = std::min(lines.size(), static_cast<std::size_t>(grid.rows()));
  const int top = grid.rows() - static_cast<int>(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const Line& line = lines[lines.size() - rows + i];
    grid.put(top + static_cast<int>(i), 0, line.text, line.style);
  }
  if (!prompt_) return static_cast<int>(rows);
  const int last = grid.rows() - 1;
  grid.cursor_row = last;
  grid.cursor_column = std::min(columns(lines.back().text), grid.columns() - 1);
  if (!prompt_->takes_text()) return static_cast<int>(rows);
  // A long answer shows its end, up to the cursor.
  const int room = std::max(grid.columns() - 3, 1);
  auto before = glyphs(prompt_->answer_before_cursor());
  int width = columns(prompt_->answer_before_cursor());
  std::size_t cut = 0;
  while (width > room) width -= before[cut++].width;
  const std::string shown = to_text({before.begin() + static_cast<std::ptrdiff_t>(cut), before.end()}) +
                            prompt_->answer().substr(prompt_->answer_before_cursor().size());
  grid.put(last, 2, shown, prompt_->marked() ? Style::kReverse : Style::kPlain);
  grid.cursor_column = std::min(2 + width, grid.columns() - 1);
  return static_cast<int>(rows);
}

void PeerScreen::draw_picture(Grid& grid, int rows) {
  grid.put(1, 1, picture_->name, Style::kBold);
  grid.put(2, 1, picture_->caption, Style::kPlain);
  if (!picture_->pixels) {
    int row = 4;
    for (const auto& each :
         wrapped("it cannot be shown here: " + picture_->pixels.error().message, grid.columns() - 2, kMessageRowsMax)) {
      if (row < rows) grid.put(row++, 1, each, Style::kError);
    }
    return;
  }
  box_ = {3, 1, std::max(rows - 4, 0), std::max(grid.columns() - 2, 0)};
}

void PeerScreen::draw_help(Grid& grid, int rows) const {
  int row = 1;
  for (const auto& each : kHelp) {
    if (row < rows) grid.put(row++, 1, each);
  }
}

}  // namespace example
