#include "distri/services/contact_sheet.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "distri/services/image_header.hpp"
#include "distri/services/opencv_codec.hpp"

namespace distri::services {
namespace {

const cv::Scalar kPaper(250, 249, 248);
const cv::Scalar kCard(255, 255, 255);
const cv::Scalar kLine(222, 218, 214);
const cv::Scalar kInk(48, 40, 34);
const cv::Scalar kSoft(138, 128, 120);
const cv::Scalar kGood(84, 138, 32);
const cv::Scalar kBad(40, 40, 200);

constexpr int kMargin = 36;
constexpr int kGap = 14;
constexpr int kCardGap = 20;
constexpr int kCardPad = 14;
constexpr int kTitleHeight = 112;
constexpr int kCaptionHeight = 40;
constexpr int kThumbWidthMax = 264;
constexpr int kThumbWidthMin = 96;
constexpr std::size_t kRowsOfOneColumn = 4;
constexpr std::array<const char*, 3> kHeadings{"original", "encrypted", "decrypted"};

std::string size_text(std::size_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}

struct Font {
  int face = cv::FONT_HERSHEY_SIMPLEX;
  double scale = 0.42;
  int thickness = 1;
};

int text_width(const std::string& text, const Font& font) {
  int baseline = 0;
  return cv::getTextSize(text, font.face, font.scale, font.thickness, &baseline).width;
}

// Hershey fonts know ASCII only.
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::string fitted(std::string text, int width, const Font& font) {
  text = printable(std::move(text));
  if (text_width(text, font) <= width) return text;
  while (!text.empty() && text_width(text + "...", font) > width) text.pop_back();
  return text + "...";
}

void put_text(cv::Mat& sheet, const std::string& text, cv::Point at, const Font& font, const cv::Scalar& colour) {
  cv::putText(sheet, text, at, font.face, font.scale, colour, font.thickness, cv::LINE_AA);
}

// A decoded file no larger than any thumbnail will be; empty when it cannot be had within the limits.
cv::Mat preview(const Bytes& file) {
  const auto header = parse_image_header(file);
  if (!header || !check_limits(*header, ImageLimits{})) return {};
  const auto picture = decode_picture(file, *header);
  if (!picture) return {};
  const cv::Mat rgb(static_cast<int>(picture->height), static_cast<int>(picture->width), CV_8UC3,
                    const_cast<char*>(picture->rgb.data()));
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

// Fills the box: the middle of the picture in the box's proportions.
cv::Mat thumbnail(const cv::Mat& image, cv::Size box) {
  if (image.empty()) return cv::Mat(box, CV_8UC3, kLine);
  const double scale =
      std::min(static_cast<double>(image.cols) / box.width, static_cast<double>(image.rows) / box.height);
  const int width = std::clamp(static_cast<int>(box.width * scale), 1, image.cols);
  const int height = std::clamp(static_cast<int>(box.height * scale), 1, image.rows);
  const cv::Mat middle = image(cv::Rect((image.cols - width) / 2, (image.rows - height) / 2, width, height));
  cv::Mat small;
  cv::resize(middle, small, box, 0, 0, scale > 1 ? cv::INTER_AREA : cv::INTER_NEAREST);
  return small;
}

struct Entry {
  std::string name;
  std::array<std::size_t, 3> bytes{};
  std::array<cv::Mat, 3> previews;
  bool exact = false;
};

struct Layout {
  cv::Size thumb;
  int columns = 1;
  int lines = 1;

  int card_width() const { return 2 * kCardPad + 3 * thumb.width + 2 * kGap; }
  int card_height() const { return kCardPad + thumb.height + kCaptionHeight; }
  int width() const { return 2 * kMargin + columns * card_width() + (columns - 1) * kCardGap; }
  int height() const { return kTitleHeight + lines * (card_height() + kCardGap) - kCardGap + kMargin; }
};

void draw_tick(cv::Mat& sheet, cv::Point at, const cv::Scalar& colour) {
  const std::array<cv::Point, 3> points{at + cv::Point(0, -4), at + cv::Point(3, -1), at + cv::Point(9, -9)};
  for (std::size_t i = 1; i < points.size(); ++i) cv::line(sheet, points[i - 1], points[i], colour, 2, cv::LINE_AA);
}

void draw_captions(cv::Mat& sheet, const Entry& entry, const Layout& layout, cv::Point left, int baseline) {
  const Font font;
  const int step = layout.thumb.width + kGap;
  const std::string size = size_text(entry.bytes[0]);
  const std::string name = fitted(entry.name, layout.thumb.width - text_width("  " + size, font), font);
  put_text(sheet, name, {left.x, baseline}, font, kInk);
  put_text(sheet, size, {left.x + layout.thumb.width - text_width(size, font), baseline}, font, kSoft);
  put_text(sheet, fitted("PNG, " + size_text(entry.bytes[1]), layout.thumb.width, font), {left.x + step, baseline},
           font, kSoft);
  const cv::Point verdict(left.x + 2 * step, baseline);
  if (entry.exact) {
    draw_tick(sheet, verdict, kGood);
    put_text(sheet, "bit-exact", verdict + cv::Point(15, 0), font, kGood);
  } else {
    put_text(sheet, "DIFFERS", verdict, Font{cv::FONT_HERSHEY_SIMPLEX, 0.42, 2}, kBad);
  }
}

void draw_card(cv::Mat& sheet, const Entry& entry, const Layout& layout, cv::Point corner) {
  const cv::Rect card(corner, cv::Size(layout.card_width(), layout.card_height()));
  cv::rectangle(sheet, card, kCard, cv::FILLED);
  cv::rectangle(sheet, card, kLine, 1);
  for (int i = 0; i < 3; ++i) {
    const cv::Point at(corner.x + kCardPad + i * (layout.thumb.width + kGap), corner.y + kCardPad);
    thumbnail(entry.previews[static_cast<std::size_t>(i)], layout.thumb).copyTo(sheet(cv::Rect(at, layout.thumb)));
  }
  draw_captions(sheet, entry, layout, corner + cv::Point(kCardPad, 0), corner.y + kCardPad + layout.thumb.height + 25);
}

cv::Mat draw_sheet(const std::vector<Entry>& entries, const Layout& layout, const std::string& title,
                   const std::string& subtitle) {
  cv::Mat sheet(layout.height(), layout.width(), CV_8UC3, kPaper);
  const int room = layout.width() - 2 * kMargin;
  const Font title_font{cv::FONT_HERSHEY_DUPLEX, 0.85, 1};
  const Font subtitle_font{cv::FONT_HERSHEY_SIMPLEX, 0.46, 1};
  put_text(sheet, fitted(title, room, title_font), {kMargin - 1, 44}, title_font, kInk);
  put_text(sheet, fitted(subtitle, room, subtitle_font), {kMargin, 70}, subtitle_font, kSoft);
  for (int column = 0; column < layout.columns; ++column) {
    const int x = kMargin + column * (layout.card_width() + kCardGap) + kCardPad;
    for (int i = 0; i < 3; ++i) {
      put_text(sheet, kHeadings[static_cast<std::size_t>(i)], {x + i * (layout.thumb.width + kGap), kTitleHeight - 10},
               Font{}, kInk);
    }
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const int column = static_cast<int>(i) % layout.columns;
    const int line = static_cast<int>(i) / layout.columns;
    draw_card(
        sheet, entries[i], layout,
        {kMargin + column * (layout.card_width() + kCardGap), kTitleHeight + line * (layout.card_height() + kCardGap)});
  }
  return sheet;
}

std::string describe(const std::vector<ContactRow>& rows, std::size_t shown) {
  std::size_t original = 0, encrypted = 0, exact = 0;
  for (const auto& row : rows) {
    original += row.original.size();
    encrypted += row.encrypted.size();
    if (row.original == row.decrypted) ++exact;
  }
  std::string text =
      fmt::format("{} image{}, {} in, {} of PNG out; {} of {} decrypted bit-exact", rows.size(),
                  rows.size() == 1 ? "" : "s", size_text(original), size_text(encrypted), exact, rows.size());
  if (shown < rows.size()) text += fmt::format("; the first {} are shown", shown);
  return text;
}

Bytes render(const std::vector<Entry>& entries, const ContactSheetOptions& options, const std::string& subtitle) {
  Layout layout;
  layout.columns = entries.size() > kRowsOfOneColumn ? 2 : 1;
  layout.lines = (static_cast<int>(entries.size()) + layout.columns - 1) / layout.columns;
  for (int width = kThumbWidthMax; true; width = width * 9 / 10) {
    layout.thumb = cv::Size(width, width * 5 / 8);
    std::vector<unsigned char> png;
    const cv::Mat sheet = draw_sheet(entries, layout, options.title, subtitle);
    cv::imencode(".png", sheet, png,
                 {cv::IMWRITE_PNG_COMPRESSION, 6, cv::IMWRITE_PNG_STRATEGY, cv::IMWRITE_PNG_STRATEGY_DEFAULT});
    if (png.size() <= options.bytes_max || width <= kThumbWidthMin) return Bytes(png.begin(), png.end());
  }
}

}  // namespace

Result<Bytes> make_contact_sheet(const std::vector<ContactRow>& rows, const ContactSheetOptions& options) {
  if (rows.empty()) return fail(Code::kInvalidArgument, "a contact sheet needs at least one row");
  try {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < std::min(rows.size(), std::max<std::size_t>(options.rows_max, 1)); ++i) {
      const ContactRow& row = rows[i];
      Entry entry{row.name,
                  {row.original.size(), row.encrypted.size(), row.decrypted.size()},
                  {},
                  row.original == row.decrypted};
      const cv::Size largest(kThumbWidthMax, kThumbWidthMax * 5 / 8);
      const std::array<const Bytes*, 3> files{&row.original, &row.encrypted, &row.decrypted};
      for (std::size_t k = 0; k < files.size(); ++k) entry.previews[k] = thumbnail(preview(*files[k]), largest);
      entries.push_back(std::move(entry));
    }
    return render(entries, options, describe(rows, entries.size()));
  } catch (const std::exception& e) {
    return fail(Code::kInternal, "the contact sheet cannot be drawn: {}", e.what());
  }
}

}  // namespace distri::services
