// rights.hpp: what a client may do on a node with keys: roles, each for collections or services by name or prefix.
//
//   read   documents of its collections, their changes, conflicts and statistics
//   write  also changes documents, makes collections, restores and dismisses conflicts
//   admin  also changes what the collections are: options, indexes, dropping. With the pattern "*" everything on the
//          node: every service, backups, members, tokens and users.
//   call   its services
//
// A pattern is a name, or a prefix with '*' behind it: "robots.*" is robots.arm and not robots; "*" is everything.
// Collections that begin with "system." fit none.
// Threads: values; const members from any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/utils/ids.hpp"

namespace distri::cloud {

enum class Role : std::uint8_t { kRead = 1, kWrite = 2, kAdmin = 4, kCall = 8 };
std::string_view role_name(Role role);

inline constexpr std::size_t kGrantsMax = 32;
inline constexpr std::size_t kPatternsMax = 64;       // of one grant, each of collections and services
inline constexpr std::size_t kPatternBytesMax = 121;  // a collection's longest name, and '*'

class Rights {
 public:
  // Of members of the cluster, and of everybody where there are no keys.
  static const std::shared_ptr<const Rights>& everything();
  // `grants`: [{"roles": ["read"], "collections": ["robots.*"], "services": ["Encrypt"]}, ...]. Roles for collections
  // need "collections", the role "call" needs "services"; what no role uses is an error. `who` begins the errors of
  // require(). kInvalidArgument names the field and what it may be.
  // `user`: the key of the user whose rights these are; nullopt: a token's.
  static Result<Rights> parse(bson::View grants, std::string who, std::optional<NodeId> user = std::nullopt);

  // `name`: a collection; of the role "call", a service.
  bool may(Role role, std::string_view name) const;
  // All that there is.
  bool may_everything() const;
  // kPermissionDenied: who may not do what, and what he may do.
  Result<> require(Role role, std::string_view name) const;
  // `what`: "make a backup".
  Result<> require_everything(std::string_view what) const;
  // "read robots.*; call Encrypt"
  std::string text() const;
  // "user 'ana'"
  const std::string& who() const { return who_; }
  const std::optional<NodeId>& user() const { return user_; }

 private:
  struct Grant {
    std::uint8_t roles = 0;
    std::vector<std::string> collections;
    std::vector<std::string> services;
  };
  Error denied(std::string_view what) const;

  bool everything_ = false;
  std::string who_;
  std::optional<NodeId> user_;
  std::vector<Grant> grants_;
};

}  // namespace distri::cloud
