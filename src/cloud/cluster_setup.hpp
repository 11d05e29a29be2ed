// cluster_setup.hpp: how a data directory comes to belong to a cluster with keys: it founds one, or joins one.
//
// Both leave the node's key and the table of members in the directory; a CloudNode with this data_dir is then a member.
// What was in the directory before stays: a node that had no key becomes a new one that has its documents. Threads:
// any, one at a time per directory, and while no node uses it. Errors: of the directory (cloud_node.hpp), and below.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "distri/membership/member_table.hpp"
#include "distri/utils/ids.hpp"
#include "distri/utils/log.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

// The node's key, and its table of members with the invitations that it has open.
inline constexpr std::string_view kNodeKeyFile = "node_key";
inline constexpr std::string_view kMembershipFile = "membership";
// Files that founding makes beside those of a node.
inline constexpr std::string_view kRootKeyFile = "root_key";
inline constexpr std::string_view kNextRootKeyFile = "next_root_key";

struct Founded {
  std::string cluster;  // its id, in hexadecimal
  NodeId node;
};
// A cluster of this one node, called `name`, with two keys that the owner should move to safer places: the root key,
// which invites and removes, and the next root key, which replaces it when it is lost or stolen. kAlreadyExists: the
// directory belongs to a cluster; kInvalidArgument: the name.
Result<Founded> found_cluster(const std::string& data_dir, const std::string& name);

// The table of members that a directory holds, which a running node may be ahead of by what it is saving. nullopt: the
// directory belongs to no cluster.
Result<std::optional<membership::MemberTable>> read_member_table(const std::string& data_dir);

struct Joined {
  std::string cluster;
  NodeId node;
  bool before = false;  // it was a member of this cluster already; nothing was done
};
// Asks the sponsor that `line` (from 'distri invite') names to admit this node, called `name`, at each of its addresses
// in turn, until one answers or `timeout_ms` has passed. May be repeated after any interruption, with the same line.
// kInvalidArgument: the line or the name; kUnavailable: nobody answered, and why; what the sponsor says when it refuses
// (membership/sponsor.hpp); kAlreadyExists: the directory belongs to another cluster.
Result<Joined> join_cluster(const std::string& data_dir, std::string_view line, const std::string& name,
                            std::int64_t timeout_ms, const Log& log);

}  // namespace distri::cloud
