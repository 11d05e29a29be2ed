// errand.hpp: what an Agent (agent.hpp) has to tell, to other peers and to the cloud. Values; no threads, no errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "distri/peer/peer_books.hpp"
#include "distri/peer/records.hpp"

namespace distri::peer {

// A view key, by its grant and serial.
using KeyPlace = std::pair<GrantId, std::uint32_t>;

// A view key is to be taken out of the cloud. `request` is the same for each try: a node that has the deletion of one
// whose answer was lost says again that the key was there.
struct TakeOut {
  KeyPlace place;
  RequestId request;
};
// The id of a request that is the same for each try, also after a restart. From a signature, so that nobody else can
// use it before.
RequestId repeatable(std::string_view what, std::string_view of, const SigningKey& key);

enum class Patience : std::uint8_t {
  kUser,    // tries whoever may not be there; does not write to the cloud what was told directly
  kKeeper,  // leaves alone who was not there a moment ago
};

// Something that is to be told: what it is now, errand() says.
struct Todo {
  enum class Kind : std::uint8_t { kRequest, kGrant, kUser, kOffer, kPlaceKey, kTakeOutKey, kWithdrawReceipt };
  Kind kind;
  GrantId id;                // of all but the next
  std::string name;          // of kOffer
  std::uint32_t serial = 0;  // of the last three
  // What is to be saved before.
  std::optional<Page> page() const;
};

// One call, to another peer or to the cloud.
struct Errand {
  // Records are written to the cloud. With `at`, a Request or Grant goes to its `to` instead.
  std::variant<User, CatalogEntry, Request, Grant, ViewKey, TakeOut, Receipt> what;
  std::vector<Address> at;
  Patience patience = Patience::kKeeper;
  bool directly() const { return !at.empty(); }
};

}  // namespace distri::peer
