#include "peer_prompt.hpp"

#include <fmt/format.h>

#include <charconv>

#include "distri/peer/limits.hpp"
#include "terminal_text.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using Kind = Key::Kind;

constexpr int kShownColumnsMax = 30;  // of a wrong answer

std::string narrow(const std::wstring& text) {
  std::vector<Glyph> glyphs;
  for (const wchar_t c : text) glyphs.push_back({std::wstring(1, c), 1});
  return to_text(glyphs);
}

Result<std::uint32_t> views_of(const std::string& answer, std::uint32_t least) {
  std::uint32_t value = 0;
  const auto first = answer.find_first_not_of(' ');
  const auto last = answer.find_last_not_of(' ');
  const char* const begin = answer.data() + (first == std::string::npos ? answer.size() : first);
  const char* const text_end = answer.data() + (last == std::string::npos ? answer.size() : last + 1);
  const auto [end, error] = std::from_chars(begin, text_end, value);
  if (error == std::errc{} && end == text_end && value >= least && value <= distri::peer::kViewsMax) return value;
  return distri::fail(Code::kInvalidArgument, "'{}' is no number of views: a whole number from {} to {} is accepted",
                      shortened(answer, kShownColumnsMax), least, distri::peer::kViewsMax);
}

}  // namespace

PeerPrompt::PeerPrompt(std::string question, std::string proposal, Read read)
    : question_(std::move(question)), read_(std::move(read)), marked_(!proposal.empty()) {
  for (const Glyph& each : glyphs(proposal)) answer_ += each.text;
  cursor_ = answer_.size();
}

PeerPrompt PeerPrompt::yes_or_no(std::string question, PeerCommand command) {
  return {std::move(question), std::move(command)};
}

PeerPrompt PeerPrompt::views(std::string question, std::string proposal, std::uint32_t least, PeerCommand command) {
  return {std::move(question), std::move(proposal),
          [least, command = std::move(command)](const std::string& answer) -> Result<PeerCommand> {
            PeerCommand filled = command;
            DISTRI_TRY(filled.views, views_of(answer, least));
            return filled;
          }};
}

std::string PeerPrompt::answer() const {
  return narrow(answer_);
}

std::string PeerPrompt::answer_before_cursor() const {
  return narrow(answer_.substr(0, cursor_));
}

void PeerPrompt::ask_again(std::string why) {
  wrong_ = std::move(why);
  marked_ = !answer_.empty();
  cursor_ = answer_.size();
}

PeerPrompt::Step PeerPrompt::key(const Key& key) {
  if (key.kind == Kind::kEscape || key.kind == Kind::kStop) return Step::kGivenUp;
  if (takes_text()) {
    if (key.kind == Kind::kEnter) return enter();
    if (key.kind == Kind::kCharacter) {
      put(key.character);
    } else {
      edit(key.kind);
    }
    return Step::kGoesOn;
  }
  if (key.is(L'y') || key.is(L'Y')) return Step::kDone;
  if (key.is(L'n') || key.is(L'N') || key.kind == Kind::kEnter) return Step::kGivenUp;
  const std::string pressed = key.kind == Kind::kCharacter ? "'" + narrow({key.character}) + "'" : "this key";
  wrong_ = pressed + " is no answer: y does it; n, Enter or Escape leave everything as it is";
  return Step::kGoesOn;
}

PeerPrompt::Step PeerPrompt::enter() {
  const std::string text = answer();
  if (text.find_first_not_of(' ') == std::string::npos) return Step::kGivenUp;
  auto command = read_(text);
  if (!command) {
    ask_again(command.error().message);
    return Step::kGoesOn;
  }
  command_ = *std::move(command);
  return Step::kDone;
}

void PeerPrompt::put(wchar_t character) {
  if (std::exchange(marked_, false)) {
    answer_.clear();
    cursor_ = 0;
  }
  if (answer_.size() >= kAnswerMax) {
    wrong_ = fmt::format("an answer has at most {} characters", kAnswerMax);
    return;
  }
  answer_.insert(cursor_++, 1, character);
}

void PeerPrompt::edit(Kind kind) {
  marked_ = false;
  switch (kind) {
    case Kind::kBackspace:
      if (cursor_ > 0) answer_.erase(--cursor_, 1);
      break;
    case Kind::kDelete:
      if (cursor_ < answer_.size()) answer_.erase(cursor_, 1);
      break;
    case Kind::kLeft:
      if (cursor_ > 0) --cursor_;
      break;
    case Kind::kRight:
      if (cursor_ < answer_.size()) ++cursor_;
      break;
    case Kind::kHome:
      cursor_ = 0;
      break;
    case Kind::kEnd:
      cursor_ = answer_.size();
      break;
    case Kind::kClear:
      answer_.clear();
      cursor_ = 0;
      break;
    default:
      break;
  }
}

}  // namespace example
