// peer_screen.hpp: the terminal program of a peer, without the terminal: keys, lists and news go in; a screen and
// commands come out.
//
//   screen.key(Key::of(L'v'));                          // asks whether to use a view
//   screen.key(Key::of(L'y'));
//   while (auto command = screen.take_command()) ...    // somebody does it, and tells outcome()
//   show(screen.draw());
//
// Five lists: what others offer, what this user has asked for, what he is asked for, what he has granted, what he
// offers. The selected row stays the same one when its list changes around it. A question is asked below the lists
// until it is answered or given up (peer_prompt.hpp), while the lists go on changing. When what was asked for fails and
// nothing else is asked or shown, the question comes again, with the answer and what was wrong. Sans-IO; threads: none.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "peer_command.hpp"
#include "peer_prompt.hpp"
#include "terminal_grid.hpp"
#include "terminal_key.hpp"

namespace example {

inline constexpr std::size_t kNewsKept = 100;            // sentences of what happened
inline constexpr std::size_t kCommandsUnderWayMax = 64;  // that were not done yet

struct PeerLists {
  std::vector<distri::peer::InboxEntry> inbox;
  std::vector<distri::peer::AvailableResource> available;
  std::vector<distri::peer::PendingApproval> pending;
  std::vector<distri::peer::SharedResource> shared;
  std::vector<distri::peer::CatalogEntry> offered;  // by this user
  distri::peer::Standing standing;
};

// Where a picture goes; the cells below it are blank.
struct PictureBox {
  int row = 0, column = 0, rows = 0, columns = 0;
};

class PeerScreen {
 public:
  struct Self {
    std::string name;
    std::string key;
    std::string address;
    bool offers = false;   // it has a directory of images
    bool desktop = false;  // there is a viewer to open pictures in
  };
  explicit PeerScreen(Self self) : self_(std::move(self)) {}

  void resize(int rows, int columns);
  void key(const Key& key);
  void lists(PeerLists lists);
  void catalog(distri::peer::Catalog catalog);
  // One sentence of what happened.
  void news(std::string sentence);
  // How far a command has come.
  void progress(std::string sentence) { message_ = {std::move(sentence), false}; }
  void outcome(const PeerOutcome& outcome);

  std::optional<PeerCommand> take_command();

  // The picture that is looked at; nothing: none.
  const std::shared_ptr<const OpenPicture>& picture() const { return picture_; }
  Grid draw();
  // Of the last draw(), where there is a picture.
  const PictureBox& picture_box() const { return box_; }

 private:
  enum List : std::size_t { kOffers, kInbox, kPending, kShared, kYours, kLists };
  struct Row {
    std::string key;  // which one it is, for as long as it exists
    std::vector<std::string> cells;
    // What commands about it are made of.
    PeerCommand about;
    std::uint32_t views = 0;  // asked for (inbox, pending) or granted (shared)
    std::uint32_t left = 0;   // inbox: of those granted, not used here
    bool granted = false;     // inbox
    std::string state;        // inbox
  };
  struct Table {
    std::vector<std::string> headings;
    std::vector<Row> rows;
    std::size_t selected = 0;
    std::size_t top = 0;
  };
  struct Message {
    std::string text;
    bool wrong = false;
  };

  // peer_screen_lists.cpp
  void set_rows(List list, std::vector<Row> rows);
  void fill_offers();
  void fill_inbox();
  void fill_pending();
  void fill_shared();
  void fill_yours();

  // peer_screen.cpp
  bool move_key(const Key& key);
  void list_key(const Key& key);
  void picture_key(const Key& key);
  void prompt_key(const Key& key);
  void no_such_key(const Key& key);
  void ask(PeerPrompt prompt);
  void ask_to_quit();
  // False, with a message: it is under way already, or too many are.
  bool send(PeerCommand command);
  std::string keys_of_list() const;

  // peer_screen_keys.cpp
  void offer_key(const Key& key, const Row& row);
  void inbox_key(const Key& key, const Row& row);
  void pending_key(const Key& key, const Row& row);
  void shared_key(const Key& key, const Row& row);
  void own_picture(const Row& row);
  void ask_views_of(const Row& row);

  // peer_screen_draw.cpp
  void draw_title(Grid& grid) const;
  void draw_tabs(Grid& grid, int row) const;
  void draw_table(Grid& grid, int row, int rows);
  void draw_news(Grid& grid, int row, int rows) const;
  int draw_foot(Grid& grid) const;
  void draw_picture(Grid& grid, int rows);
  void draw_help(Grid& grid, int rows) const;

  const Self self_;
  int rows_ = 24, columns_ = 80;
  List list_ = kOffers;
  std::array<Table, kLists> tables_;
  PeerLists now_;
  // The newest request of this user for each image, by its owner's key and its name.
  std::map<std::pair<std::string, std::string>, std::string> asked_for_;
  std::optional<distri::peer::Catalog> catalog_;
  int page_ = 10;  // rows of a list that are shown
  std::deque<std::string> news_;
  Message message_;
  std::optional<PeerPrompt> prompt_;
  std::shared_ptr<const OpenPicture> picture_;
  PictureBox box_;
  bool help_ = false;
  std::uint64_t next_number_ = 1;
  std::deque<PeerCommand> commands_;
  std::map<std::uint64_t, PeerCommand> under_way_;
  std::map<std::uint64_t, PeerPrompt> asked_;  // what the commands under way were asked for by
};

}  // namespace example
