// What keys do, and what becomes of commands.
#include "peer_screen.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "terminal_text.hpp"

namespace example {
namespace {

using Kind = PeerCommand::Kind;

bool steps(Key::Kind kind, std::size_t page, std::size_t last, std::size_t& selected) {
  switch (kind) {
    case Key::Kind::kUp:
      selected -= selected > 0 ? 1 : 0;
      return true;
    case Key::Kind::kDown:
      selected += selected < last ? 1 : 0;
      return true;
    case Key::Kind::kPageUp:
      selected -= std::min(selected, page);
      return true;
    case Key::Kind::kPageDown:
      selected = std::min(last, selected + page);
      return true;
    case Key::Kind::kHome:
      selected = 0;
      return true;
    case Key::Kind::kEnd:
      selected = last;
      return true;
    default:
      return false;
  }
}

}  // namespace

void PeerScreen::resize(int rows, int columns) {
  rows_ = std::max(rows, 1);
  columns_ = std::max(columns, 1);
}

void PeerScreen::news(std::string sentence) {
  news_.push_back(std::move(sentence));
  if (news_.size() > kNewsKept) news_.pop_front();
}

// ---- Commands

std::optional<PeerCommand> PeerScreen::take_command() {
  if (commands_.empty()) return std::nullopt;
  PeerCommand command = std::move(commands_.front());
  commands_.pop_front();
  return command;
}

bool PeerScreen::send(PeerCommand command) {
  const auto same = [&](const auto& each) { return each.second.same_as(command); };
  if (std::ranges::any_of(under_way_, same)) {
    message_ = {"this is being done already", true};
    return false;
  }
  if (under_way_.size() >= kCommandsUnderWayMax) {
    message_ = {fmt::format("{} commands are being done; wait for one of them", kCommandsUnderWayMax), true};
    return false;
  }
  command.number = next_number_++;
  under_way_.emplace(command.number, command);
  commands_.push_back(std::move(command));
  return true;
}

void PeerScreen::outcome(const PeerOutcome& outcome) {
  under_way_.erase(outcome.command.number);
  auto asked = asked_.extract(outcome.command.number);
  message_ = {outcome.text, !outcome.ok};
  if (outcome.picture) {
    picture_ = outcome.picture;
    help_ = false;
  }
  const bool saves = outcome.command.kind == Kind::kSave;
  if (outcome.ok || asked.empty() || prompt_ || (picture_ && !saves)) return;
  prompt_ = std::move(asked.mapped());
  prompt_->ask_again(outcome.text);
  message_ = {};
}

void PeerScreen::ask(PeerPrompt prompt) {
  prompt_ = std::move(prompt);
  message_ = {};
}

// ---- Keys

void PeerScreen::key(const Key& key) {
  if (prompt_) return prompt_key(key);
  message_ = {};
  if (key.kind == Key::Kind::kStop) return ask_to_quit();
  if (std::exchange(help_, false)) return;
  if (picture_) return picture_key(key);
  if (!move_key(key)) list_key(key);
}

void PeerScreen::prompt_key(const Key& key) {
  const auto step = prompt_->key(key);
  if (step == PeerPrompt::Step::kGoesOn) return;
  PeerPrompt prompt = *std::move(prompt_);
  prompt_.reset();
  if (step == PeerPrompt::Step::kGivenUp) {
    message_ = {"nothing was changed", false};
    return;
  }
  if (!send(prompt.command())) return;
  if (prompt.takes_text()) asked_.emplace(next_number_ - 1, std::move(prompt));
}

bool PeerScreen::move_key(const Key& key) {
  Table& table = tables_[list_];
  const auto page = static_cast<std::size_t>(std::max(page_, 1));
  if (steps(key.kind, page, table.rows.empty() ? 0 : table.rows.size() - 1, table.selected)) return true;
  std::size_t list = list_;
  if (key.kind == Key::Kind::kTab || key.kind == Key::Kind::kRight) list = (list + 1) % kLists;
  if (key.kind == Key::Kind::kBackTab || key.kind == Key::Kind::kLeft) list = (list + kLists - 1) % kLists;
  if (key.kind == Key::Kind::kCharacter && key.character >= L'1' && key.character < L'1' + static_cast<int>(kLists)) {
    list = static_cast<std::size_t>(key.character - L'1');
    list_ = static_cast<List>(list);
    return true;
  }
  if (list == list_) return false;
  list_ = static_cast<List>(list);
  return true;
}

void PeerScreen::list_key(const Key& key) {
  if (key.is(L'q')) return ask_to_quit();
  if (key.is(L'?')) {
    help_ = true;
    return;
  }
  if (key.is(L'r')) {
    if (send({.kind = Kind::kRefresh})) message_ = {"looking at the cloud", false};
    return;
  }
  if (key.kind == Key::Kind::kEscape || key.kind == Key::Kind::kRedraw) return;
  const Table& table = tables_[list_];
  if (table.rows.empty()) {
    message_ = {"there is nothing in this list; Tab shows the next one, r looks again, ? shows the keys", true};
    return;
  }
  const Row& row = table.rows[table.selected];
  switch (list_) {
    case kOffers:
      return offer_key(key, row);
    case kInbox:
      return inbox_key(key, row);
    case kPending:
      return pending_key(key, row);
    case kShared:
      return shared_key(key, row);
    default:
      if (key.kind == Key::Kind::kEnter || key.is(L'p')) return own_picture(row);
      return no_such_key(key);
  }
}

void PeerScreen::no_such_key(const Key& key) {
  const std::string pressed =
      key.kind == Key::Kind::kCharacter ? "'" + to_text({{std::wstring(1, key.character), 1}}) + "'" : "this key";
  message_ = {pressed + " does nothing here; keys: " + keys_of_list() + ", r refresh, q quit, ? help", true};
}

void PeerScreen::picture_key(const Key& key) {
  if (key.kind == Key::Kind::kEscape || key.kind == Key::Kind::kEnter || key.is(L'q')) {
    picture_.reset();
  } else if (key.is(L'o') && self_.desktop) {
    send({.kind = Kind::kDesktop, .image = picture_->name, .picture = picture_});
  } else if (key.is(L'o')) {
    message_ = {"there is no viewer here: it needs a desktop and xdg-open; s saves the picture", true};
  } else if (key.is(L's')) {
    ask({"Save the picture as which new file?", "",
         [picture = picture_](const std::string& answer) -> distri::Result<PeerCommand> {
           return PeerCommand{.kind = Kind::kSave, .path = answer, .picture = picture};
         }});
  } else if (key.kind != Key::Kind::kRedraw) {
    message_ = {"this key does nothing here; keys: o desktop's viewer, s save, Escape back", true};
  }
}

void PeerScreen::ask_to_quit() {
  PeerCommand command{.kind = Kind::kQuit};
  const std::size_t untold = now_.standing.untold;
  if (untold == 0) {
    send(std::move(command));
    return;
  }
  ask(PeerPrompt::yes_or_no(
      fmt::format("Not all was told to the cloud yet ({} to go); it is kept, and told at the next start. Quit? y or n",
                  untold),
      std::move(command)));
}

std::string PeerScreen::keys_of_list() const {
  switch (list_) {
    case kOffers:
      return "a ask for views";
    case kInbox:
      return "v view, o in the desktop's viewer, a ask anew, w withdraw, f put away";
    case kPending:
      return "a accept, c change, x refuse, p picture";
    case kShared:
      return "u update views, x revoke, p picture";
    default:
      return "p picture";
  }
}

}  // namespace example
