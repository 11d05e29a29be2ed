// limits.hpp: the bounds of everything that membership keeps, sends and accepts.
//
// A cluster has 1 to 100 nodes; the room above that is for machines that were replaced in its life. What is full says
// so with an error; a root change (statements.hpp) makes room, because only what it carries over stays.
#pragma once

#include <cstddef>
#include <cstdint>

namespace distri::membership {

inline constexpr std::size_t kNameBytesMax = 63;            // a node's name
inline constexpr std::size_t kAddressesMax = 8;             // of one node
inline constexpr std::size_t kHostBytesMax = 253;           // of one address
inline constexpr std::size_t kAdmissionsMax = 1024;         // under one root key, those of revoked nodes as well
inline constexpr std::size_t kRevocationsMax = 1024;        // under one root key
inline constexpr std::size_t kKeptMax = kAdmissionsMax;     // nodes that stay when their sponsor goes
inline constexpr std::size_t kRootChangesMax = 64;          // in a cluster's life
inline constexpr std::uint16_t kUsesMax = 256;              // of one invitation
inline constexpr std::size_t kInvitationsMax = 64;          // that one sponsor keeps open
inline constexpr std::size_t kTableBytesMax = 4u << 20;     // a whole member table, encoded
inline constexpr std::size_t kSponsorBytesMax = 16u << 20;  // a sponsor's open invitations, encoded
inline constexpr std::size_t kJoinRequestBytesMax = 1024;   // and whatever a stranger may send
inline constexpr std::size_t kJoinBindingBytesMax = 64;     // what names the connection of a join
inline constexpr std::size_t kJoinLineBytesMax = 4096;      // the line that an invitation is printed as
inline constexpr std::size_t kRefusalTextBytesMax = 1024;   // why a join was refused

}  // namespace distri::membership
