#include "progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace example {
namespace {
constexpr int kBarWidth = 32;
constexpr auto kRedraw = std::chrono::milliseconds(80);
}  // namespace

Progress::Progress(std::string label, std::uint64_t total)
    : label_(std::move(label)), total_(total), terminal_(isatty(STDOUT_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::update(std::uint64_t done) {
  if (finished_ || done == done_) return;
  done_ = done;
  if (terminal_) {
    if (now() - drawn_ >= kRedraw) draw(done);
    return;
  }
  while (next_quarter_ < 4 && total_ > 0 && done * 4 >= total_ * next_quarter_) {
    if (done * 4 < total_ * (next_quarter_ + 1)) draw(done);
    ++next_quarter_;
  }
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  draw(done_);
  if (terminal_) fmt::print("\n");
  std::fflush(stdout);
}

void Progress::draw(std::uint64_t done) {
  drawn_ = now();
  const double share = total_ == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total_);
  const std::string figures = fmt::format("{}/{} ({:.0f}%) {:.1f} s", done, total_, 100 * share, seconds_since(start_));
  if (!terminal_) {
    fmt::print("  {}: {}\n", label_, figures);
    std::fflush(stdout);
    return;
  }
  const int filled = std::min(kBarWidth, static_cast<int>(share * kBarWidth));
  fmt::print("\r  {} [{:#<{}}{:.<{}}] {}\x1b[K", label_, "", filled, "", kBarWidth - filled, figures);
  std::fflush(stdout);
}

}  // namespace example
