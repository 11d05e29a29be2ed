// membership_pile.hpp: a few signed statements of one cluster that compete with each other, for the fuzzer of
// membership and for the seeds of its corpus.
#pragma once

#include <variant>
#include <vector>

#include "distri/membership/joiner.hpp"
#include "distri/membership/sponsor.hpp"

namespace distri::membership::fuzz {

using Statement = std::variant<Admission, Revocation, AddressRecord, RootChange>;

inline SigningKey key(std::string_view what, std::size_t number = 0) {
  const Hash256 seed = blake2b_256(fmt::format("{} {}", what, number));
  return SigningKey::from_seed({reinterpret_cast<const char*>(seed.data()), seed.size()});
}

inline Founding founding() {
  return {.root = key("root", 0).public_key(), .next = digest_of(key("root", 1).public_key())};
}

inline Invitation invitation(std::size_t sponsor) {
  const MemberTable table(founding());
  return invite(table.authority(), key("root", 0), key("invitation", sponsor).public_key(),
                key("node", sponsor).public_key(), 1'000'000, 2);
}

inline Admission sponsored(std::size_t sponsor, std::size_t node, std::uint16_t use) {
  const ClusterId cluster = founding().cluster();
  const NodeId joiner = key("node", node).public_key();
  const std::string name = fmt::format("n{}", node);
  const NodeId by = key("node", sponsor).public_key();
  return admit_by_sponsor(cluster, key("node", sponsor), invitation(sponsor), use, joiner, name, 1000,
                          accept_invitation(cluster, key("invitation", sponsor), by, joiner, name));
}

// The last one is the root change; nobody in its roll is revoked by the others.
inline std::vector<Statement> make_pile() {
  const MemberTable empty(founding());
  const Authority root = empty.authority();
  const ClusterId cluster = empty.cluster();
  const auto id = [](std::size_t number) { return key("node", number).public_key(); };
  std::vector<Statement> pile{
      admit_by_root(root, key("root", 0), id(0), "first", 10),
      admit_by_root(root, key("root", 0), id(1), "n1", 11),
      admit_by_root(root, key("root", 0), id(1), "other", 12),
      sponsored(0, 2, 1),
      sponsored(0, 3, 1),
      sponsored(0, 3, 2),
      sponsored(1, 4, 1),
      revoke(root, key("root", 0), id(1), Reason::kRemoved, {}, 20, {}),
      revoke(root, key("root", 0), id(1), Reason::kReplaced, id(2), 21, {id(4)}),
      announce(cluster, key("node", 0), 1, {{"10.0.0.1", 7400}}),
      announce(cluster, key("node", 0), 1, {{"10.0.0.2", 7400}}),
      announce(cluster, key("node", 2), 5, {{"host", 1}, {"::1", 2}}),
  };
  Roll roll;
  roll.members.push_back({id(0), "first", 10});
  pile.emplace_back(empty.change_root(key("root", 1), digest_of(key("root", 2).public_key()), roll).value());
  return pile;
}

}  // namespace distri::membership::fuzz
