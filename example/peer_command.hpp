// peer_command.hpp: what a user of the terminal program wants done, and what came of it.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "distri/peer/peer.hpp"
#include "distri/services/picture.hpp"

namespace example {

struct OpenPicture;

// "1 view", "3 views"
inline std::string views_in_words(std::uint32_t views) {
  return std::to_string(views) + (views == 1 ? " view" : " views");
}

struct PeerCommand {
  enum class Kind {
    kRefresh,
    kRequest,   // peer, image, views
    kGrant,     // id, views; 0 refuses
    kUpdate,    // id, views
    kRevoke,    // id
    kWithdraw,  // id
    kForget,    // id
    kView,      // id, image, peer_name; costs a view
    kOwn,       // image: one of the user's own, as it lies in his directory
    kDesktop,   // the picture
    kSave,      // the same, into the new file `path`
    kQuit,
  };
  Kind kind = Kind::kRefresh;
  distri::peer::GrantId id{};
  std::string peer{};       // a key
  std::string peer_name{};  // what is shown of him
  std::string image{};
  std::string path{};
  std::uint32_t views = 0;
  std::shared_ptr<const OpenPicture> picture{};  // of kDesktop and kSave
  bool in_desktop = false;                       // of kView: shown by the desktop's viewer as well
  std::uint64_t number = 0;                      // given by PeerScreen; none twice

  // Both would do the same.
  bool same_as(const PeerCommand& other) const {
    return kind == other.kind && id == other.id && peer == other.peer && image == other.image && path == other.path &&
           views == other.views;
  }
};

// An image that the user looks at.
struct OpenPicture {
  std::string name;                                  // of the image
  std::string caption;                               // whose it is, what it has cost
  distri::Bytes bytes;                               // of the file
  distri::Result<distri::services::Picture> pixels;  // scaled down
  bool own = false;
};

struct PeerOutcome {
  PeerCommand command;
  bool ok = false;
  std::string text;  // a sentence
  std::shared_ptr<const OpenPicture> picture;
};

}  // namespace example
