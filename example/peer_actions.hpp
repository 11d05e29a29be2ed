// peer_actions.hpp: what a peer is told to do, checked: by the options of a command line, or by a line of words.
//
//   request --from ben --image "two words.png" --views 3
//
// Errors: kInvalidArgument with one sentence that names the action and the flag, and says what to do. Threads: plain
// functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace example {

struct PeerAction {
  enum class Kind {
    kCatalog,
    kRequest,
    kPending,
    kInbox,
    kAvailable,
    kShared,
    kGrant,
    kRefuse,
    kUpdate,
    kRevoke,
    kWithdraw,
    kForget,
    kView,
    kWhoami,
    kPublish,
    kListen,
  };
  Kind kind = Kind::kWhoami;
  std::string name;
  std::string from;         // a peer's name or key; empty: any (catalog only)
  std::string image;        // its name in the catalog
  std::string id;           // of a request or grant, or its beginning
  std::string id_flag;      // "request" or "grant": how it was given
  std::string out;          // a path
  std::uint32_t views = 0;  // 0 to distri::peer::kViewsMax
};

// By their names, without dashes.
using ActionFlags = std::map<std::string, std::string>;
distri::Result<PeerAction> make_action(std::string_view name, const ActionFlags& flags);

// Words as a shell reads them: quotes of both kinds, backslashes. Publishing and listening are none of a line's
// actions.
inline constexpr std::size_t kActionLineBytesMax = 16u << 10;
distri::Result<PeerAction> parse_action_line(std::string_view line);

// "catalog, request, ..."
std::string action_names();
// One line for each, with its flags, for --help.
std::string action_help();

}  // namespace example
