// What keys do to the selected row of each list.
#include <fmt/format.h>

#include "peer_screen.hpp"
#include "terminal_text.hpp"

namespace example {
namespace {

using Kind = PeerCommand::Kind;

constexpr int kNameColumnsMax = 40;  // of a name in a question

std::string named(const std::string& image) {
  return shortened(image, kNameColumnsMax);
}

}  // namespace

void PeerScreen::ask_views_of(const Row& row) {
  PeerCommand command = row.about;
  command.kind = Kind::kRequest;
  ask(PeerPrompt::views(fmt::format("How many views of {} of {}?", named(row.about.image), named(row.about.peer_name)),
                        "", 1, std::move(command)));
}

void PeerScreen::offer_key(const Key& key, const Row& row) {
  if (key.kind == Key::Kind::kEnter || key.is(L'a')) return ask_views_of(row);
  if (key.is(L'p') || key.is(L'v')) {
    message_ = {"pictures of others can be seen when they were granted: a asks for views of this one", true};
    return;
  }
  no_such_key(key);
}

void PeerScreen::inbox_key(const Key& key, const Row& row) {
  PeerCommand command = row.about;
  const std::string image = named(row.about.image), peer = named(row.about.peer_name);
  if (key.is(L'a')) return ask_views_of(row);
  if (key.is(L'w')) {
    command.kind = Kind::kWithdraw;
    return ask(PeerPrompt::yes_or_no(
        fmt::format("Take the request for {} of {} back, for good, also what was granted? y or n", image, peer),
        std::move(command)));
  }
  if (key.is(L'f') && (row.granted || row.state == "waiting")) {
    message_ = {fmt::format("the request is {}: f puts those away that were refused, revoked or withdrawn", row.state),
                true};
    return;
  }
  if (key.is(L'f')) {
    command.kind = Kind::kForget;
    return ask(PeerPrompt::yes_or_no(
        fmt::format("Put the request for {} of {} away, which is {}? y or n", image, peer, row.state),
        std::move(command)));
  }
  const bool in_desktop = key.is(L'o');
  if (key.kind != Key::Kind::kEnter && !key.is(L'v') && !in_desktop) return no_such_key(key);
  if (!row.granted) {
    message_ = {fmt::format("there is nothing to view: the request is {}{}", row.state,
                            row.state == "waiting" ? "" : "; a asks anew"),
                true};
    return;
  }
  if (in_desktop && !self_.desktop) {
    message_ = {"there is no viewer here: it needs a desktop and xdg-open; v shows the picture in the terminal", true};
    return;
  }
  command.kind = Kind::kView;
  command.in_desktop = in_desktop;
  ask(PeerPrompt::yes_or_no(
      fmt::format("View {} of {}? It costs a view; {} of {} are left. y or n", image, peer, row.left, row.views),
      std::move(command)));
}

void PeerScreen::own_picture(const Row& row) {
  if (!self_.offers) {
    message_ = {"your own pictures can be seen in a program that was started with --dir", true};
    return;
  }
  PeerCommand command = row.about;
  command.kind = Kind::kOwn;
  send(std::move(command));
}

void PeerScreen::pending_key(const Key& key, const Row& row) {
  PeerCommand command = row.about;
  command.kind = Kind::kGrant;
  const std::string image = named(row.about.image), peer = named(row.about.peer_name);
  if (key.kind == Key::Kind::kEnter || key.is(L'c')) {
    return ask(PeerPrompt::views(fmt::format("{} asks for {} of {}. How many does {} get? 0 refuses", peer,
                                             views_in_words(row.views), image, peer),
                                 std::to_string(row.views), 0, std::move(command)));
  }
  if (key.is(L'a')) {
    command.views = row.views;
    send(std::move(command));
    return;
  }
  if (key.is(L'x')) {
    return ask(
        PeerPrompt::yes_or_no(fmt::format("Refuse {} to {}, for good? y or n", image, peer), std::move(command)));
  }
  if (key.is(L'p')) return own_picture(row);
  no_such_key(key);
}

void PeerScreen::shared_key(const Key& key, const Row& row) {
  PeerCommand command = row.about;
  const std::string image = named(row.about.image), peer = named(row.about.peer_name);
  if (key.kind == Key::Kind::kEnter || key.is(L'u')) {
    command.kind = Kind::kUpdate;
    return ask(PeerPrompt::views(
        fmt::format("How many views of {} does {} get in all, those included that were given?", image, peer),
        std::to_string(row.views), 0, std::move(command)));
  }
  if (key.is(L'x')) {
    command.kind = Kind::kRevoke;
    return ask(PeerPrompt::yes_or_no(fmt::format("Let {} view {} no more, for good? y or n", peer, image),
                                     std::move(command)));
  }
  if (key.is(L'p')) return own_picture(row);
  no_such_key(key);
}

}  // namespace example
