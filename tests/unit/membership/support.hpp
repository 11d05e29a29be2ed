// support.hpp: a cluster on paper: its root keys, its nodes' keys, and the tables that follow.
#pragma once

#include <doctest/doctest.h>

#include "distri/membership/joiner.hpp"
#include "distri/membership/sponsor.hpp"

namespace distri::membership::test {

// Always the same for the same words.
inline SigningKey key(std::string_view what, std::size_t number = 0) {
  const Hash256 seed = blake2b_256(fmt::format("{} {}", what, number));
  return SigningKey::from_seed({reinterpret_cast<const char*>(seed.data()), seed.size()});
}
inline SigningKey root_key(std::size_t epoch) {
  return key("root", epoch);
}
inline SigningKey node_key(std::size_t number) {
  return key("node", number);
}
inline NodeId node_id(std::size_t number) {
  return node_key(number).public_key();
}
inline std::string node_name(std::size_t number) {
  return fmt::format("node-{}", number);
}
inline Founding founding(std::string_view cluster = "root") {
  return {.root = key(cluster, 0).public_key(), .next = digest_of(key(cluster, 1).public_key())};
}
inline ClusterId cluster_id() {
  return founding().cluster();
}
inline Authority authority(std::size_t epoch = 0) {
  return {.cluster = cluster_id(), .epoch = static_cast<std::uint32_t>(epoch), .root = root_key(epoch).public_key()};
}

inline constexpr std::int64_t kNow = 1'800'000'000'000;
inline constexpr std::int64_t kMinute = 60'000;

inline Admission admit(std::size_t number, std::size_t epoch = 0) {
  return admit_by_root(authority(epoch), root_key(epoch), node_id(number), node_name(number), kNow);
}
// Invitation number `invitation` of node `sponsor`.
inline Invitation invite(std::size_t invitation, std::size_t sponsor, std::uint16_t uses = 1, std::size_t epoch = 0) {
  return membership::invite(authority(epoch), root_key(epoch), key("invitation", invitation).public_key(),
                            node_id(sponsor), kNow + 10 * kMinute, uses);
}
inline Admission admit_through(std::size_t sponsor, std::size_t number, std::size_t invitation, std::uint16_t use = 1,
                               std::uint16_t uses = 1, std::size_t epoch = 0, std::int64_t admitted_ms = kNow) {
  return admit_by_sponsor(cluster_id(), node_key(sponsor), invite(invitation, sponsor, uses, epoch), use,
                          node_id(number), node_name(number), admitted_ms,
                          accept_invitation(cluster_id(), key("invitation", invitation), node_id(sponsor),
                                            node_id(number), node_name(number)));
}
inline Revocation revocation_of(std::size_t number, std::vector<NodeId> keeps = {}, std::size_t epoch = 0,
                                std::int64_t at_ms = kNow) {
  return membership::revoke(authority(epoch), root_key(epoch), node_id(number), Reason::kRemoved, {}, at_ms,
                            std::move(keeps));
}
inline AddressRecord announce(std::size_t number, std::uint64_t sequence, std::uint16_t port) {
  return membership::announce(cluster_id(), node_key(number), sequence, {{"10.0.0.1", port}});
}

// Nodes 0 to count-1, the first admitted by the root, the others through it.
inline MemberTable table_of(std::size_t count) {
  MemberTable table(founding());
  if (count > 0) REQUIRE(table.add(admit(0)).value());
  for (std::size_t number = 1; number < count; ++number) REQUIRE(table.add(admit_through(0, number, number)).value());
  return table;
}

inline MemberTable load(BytesView bytes) {
  auto table = MemberTable::load(bytes);
  REQUIRE_MESSAGE(table.has_value(), table.error().message);
  return *std::move(table);
}

template <class Statement>
Bytes encoded(const Statement& statement) {
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, statement);
  return bytes;
}

// A sponsor, node 0, with one invitation, and the line of it.
struct Door {
  MemberTable table = table_of(1);
  Sponsor sponsor{node_key(0)};
  explicit Door(std::uint16_t uses = 1) { REQUIRE(sponsor.open(invite(50, 0, uses), table, kNow)); }
  static JoinLine line() { return {cluster_id(), node_id(0), {{"10.0.0.1", 7400}}, key("invitation", 50)}; }
  static JoinRequest request(std::size_t number, BytesView binding = "channel") {
    return sign_join_request(cluster_id(), node_id(0), key("invitation", 50), node_key(number), node_name(number),
                             binding);
  }
  Result<Admission> redeem(const JoinRequest& request, BytesView binding = "channel", std::int64_t now_ms = kNow) {
    return sponsor.redeem(request, binding, now_ms, table);
  }
};

}  // namespace distri::membership::test
