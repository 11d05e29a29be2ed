// look.hpp: what an Agent (agent.hpp) reads in one look at the cloud, and in which order. Values; no threads, no
// errors.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "distri/peer/errand.hpp"

namespace distri::peer {

// What is read in one look at the cloud, one after the other.
enum class Reading : std::uint8_t {
  kUsers,
  // What this user has there, where the books are compared with it.
  kOwnRequests,
  kOwnGrants,
  kCatalog,
  kOwnKeys,
  // What others have written for him.
  kReceipts,
  kRequests,
  kGrants,
};
using CloudRecordList = std::variant<std::vector<User>, std::vector<CatalogEntry>, std::vector<Request>,
                                     std::vector<Grant>, std::vector<ViewKey>, std::vector<Receipt>>;

// A look at the cloud: next() is to be read, and given to Agent::take().
class Look {
 public:
  std::optional<Reading> next() const;
  // After the users were read: this one is not among them, and perhaps nothing else.
  bool is_unknown() const { return unknown_; }

 private:
  friend class Agent;
  explicit Look(bool compares) : compares_(compares) {}

  bool compares_;
  bool unknown_ = false;
  std::optional<Reading> done_;
  std::set<KeyPlace> in_escrow_, keys_there_;
  std::set<KeyPlace> absent_;  // when it began
};

}  // namespace distri::peer
