// What an attacker may try, one row each, and what he is told.
#include <functional>

#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using namespace distri::membership::test;

struct Row {
  std::string_view attack;
  std::function<Error()> run;  // the error that it ends with
  std::string told;
};

template <class T>
Error error_of(const Result<T>& result) {
  return result ? Error{Code::kOk, "it was let through"} : result.error();
}

// What a cluster of node 0 and 1 says to this statement. A refusal has changed nothing.
template <class Statement>
Error said_to(const Statement& statement) {
  MemberTable table = table_of(2);
  const Bytes before = table.encode();
  const Error error = error_of(table.add(statement));
  CHECK(table.encode() == before);
  return error;
}

template <class Statement, class Change>
Error changed(Statement statement, const Change& change) {
  change(statement);
  return said_to(statement);
}

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Error error = row.run();
    CHECK_MESSAGE(to_string(error) == row.told, row.attack);
  }
}

std::string hex(std::size_t number) {
  return node_id(number).short_hex();
}

MemberTable changed_root(MemberTable table) {
  REQUIRE(table.add(table.change_root(root_key(1), digest_of(root_key(2).public_key()), table.roll()).value()).value());
  return table;
}

TEST_CASE("a statement with a forged signature is refused with a sentence that names it") {
  const SigningKey thief = key("thief");
  const Authority forged{.cluster = cluster_id(), .epoch = 0, .root = thief.public_key()};
  const std::string admission = fmt::format("unauthenticated: admission of 'node-5' ({}): ", hex(5));
  check({
      {"admission by a key that is not the root",
       [&] { return said_to(admit_by_root(forged, thief, node_id(5), "node-5", kNow)); },
       admission + "the signature is not that of the cluster's root key"},
      {"admission with an invitation that the root has not signed",
       [&] {
         return said_to(admit_by_sponsor(
             cluster_id(), node_key(0),
             membership::invite(forged, thief, key("invitation", 9).public_key(), node_id(0), kNow + 1, 1), 1,
             node_id(5), "node-5", kNow,
             accept_invitation(cluster_id(), key("invitation", 9), node_id(0), node_id(5), "node-5")));
       },
       admission + fmt::format("invitation {}: the signature is not that of the cluster's root key",
                               key("invitation", 9).public_key().short_hex())},
      {"admission of a node that does not hold the invitation",
       [&] {
         return said_to(admit_by_sponsor(cluster_id(), node_key(0), invite(9, 0), 1, node_id(5), "node-5", kNow,
                                         accept_invitation(cluster_id(), thief, node_id(0), node_id(5), "node-5")));
       },
       admission + "the signature of the invitation's key is wrong"},
      {"admission by a node that is not the sponsor",
       [&] {
         return said_to(
             admit_by_sponsor(cluster_id(), node_key(1), invite(9, 0), 1, node_id(5), "node-5", kNow,
                              accept_invitation(cluster_id(), key("invitation", 9), node_id(0), node_id(5), "node-5")));
       },
       admission + fmt::format("the signature is not that of its sponsor {}", hex(0))},
      {"revocation by a member",
       [&] { return said_to(membership::revoke(forged, node_key(1), node_id(0), Reason::kRemoved, {}, kNow, {})); },
       fmt::format("unauthenticated: revocation of {}: the signature is not that of the cluster's root key", hex(0))},
      {"address of another node",
       [&] {
         AddressRecord record = announce(1, 1, 7000);
         record.node = node_id(0);
         return said_to(record);
       },
       fmt::format("unauthenticated: address record of {}: the signature is not that of the node", hex(0))},
      {"root change by a thief of the root key",
       [&] {
         const RootLink link = sign_root_link(cluster_id(), 1, digest_of(founding()), root_key(0),
                                              digest_of(thief.public_key()), digest_of(Roll{}));
         return said_to(RootChange{link, {}});
       },
       fmt::format("unauthenticated: root change 1: its key {} is not the one that was promised before",
                   root_key(0).public_key().short_hex())},
      {"root change with the promised key, signed by another",
       [&] {
         RootLink link = sign_root_link(cluster_id(), 1, digest_of(founding()), thief, digest_of(thief.public_key()),
                                        digest_of(Roll{}));
         link.root = root_key(1).public_key();
         return said_to(RootChange{link, {}});
       },
       "unauthenticated: root change 1: the signature is not that of its root key"},
      {"root change with another roll",
       [&] {
         const MemberTable table = table_of(2);
         RootChange change = table.change_root(root_key(1), digest_of(root_key(2).public_key()), table.roll()).value();
         change.roll.members.pop_back();
         return said_to(change);
       },
       "unauthenticated: roll: it is not the one that root change 1 was signed with"},
  });
}

TEST_CASE("a field that is changed or taken from another statement is noticed") {
  const std::string root = ": the signature is not that of the cluster's root key";
  const std::string sponsored = fmt::format("unauthenticated: admission of 'node-5' ({}): ", hex(5));
  const Admission good = admit_through(0, 5, 9, 1, 2);
  const std::string invitation = sponsored + "invitation " + good.sponsored->invitation.key.short_hex() + root;
  check({
      {"another name", [&] { return changed(admit(5), [](Admission& a) { a.name = "node-6"; }); },
       fmt::format("unauthenticated: admission of 'node-6' ({})", hex(5)) + root},
      {"another node", [&] { return changed(admit(5), [](Admission& a) { a.node = node_id(6); }); },
       fmt::format("unauthenticated: admission of 'node-5' ({})", hex(6)) + root},
      {"another time", [&] { return changed(admit(5), [](Admission& a) { a.admitted_ms += 1; }); },
       fmt::format("unauthenticated: admission of 'node-5' ({})", hex(5)) + root},
      {"another epoch", [&] { return changed(admit(5), [](Admission& a) { a.epoch = 1; }); },
       sponsored + "it names root epoch 1, the cluster is at 0"},
      {"a revocation's signature under an admission",
       [&] { return changed(admit(5), [](Admission& a) { a.signature = revocation_of(5).signature; }); },
       fmt::format("unauthenticated: admission of 'node-5' ({})", hex(5)) + root},
      {"a sponsor who calls himself the root", [&] { return changed(good, [](Admission& a) { a.sponsored.reset(); }); },
       fmt::format("unauthenticated: admission of 'node-5' ({})", hex(5)) + root},
      {"another use", [&] { return changed(good, [](Admission& a) { a.sponsored->use = 2; }); },
       sponsored + fmt::format("the signature is not that of its sponsor {}", hex(0))},
      {"a use too many", [&] { return said_to(admit_through(0, 5, 9, 3, 2)); },
       sponsored + "it is use 3 of an invitation for 2"},
      {"more uses", [&] { return changed(good, [](Admission& a) { a.sponsored->invitation.uses = 9; }); }, invitation},
      {"a longer life", [&] { return changed(good, [](Admission& a) { a.sponsored->invitation.expires_ms += 1; }); },
       invitation},
      {"another sponsor",
       [&] { return changed(good, [](Admission& a) { a.sponsored->invitation.sponsor = node_id(1); }); }, invitation},
      {"the invitation of another admission",
       [&] { return changed(good, [](Admission& a) { a.sponsored->invitation = invite(8, 0); }); },
       sponsored + "the signature of the invitation's key is wrong"},
      {"admitted after the end", [&] { return said_to(admit_through(0, 5, 9, 1, 1, 0, kNow + 11 * kMinute)); },
       sponsored + "its invitation had expired"},
      {"another node is revoked", [&] { return changed(revocation_of(5), [](Revocation& r) { r.node = node_id(0); }); },
       fmt::format("unauthenticated: revocation of {}", hex(0)) + root},
      {"the sponsor's friends are kept",
       [&] { return changed(revocation_of(5), [](Revocation& r) { r.keeps.push_back(node_id(6)); }); },
       fmt::format("unauthenticated: revocation of {}", hex(5)) + root},
      {"a higher sequence", [&] { return changed(announce(1, 1, 7000), [](AddressRecord& r) { r.sequence = 9; }); },
       fmt::format("unauthenticated: address record of {}: the signature is not that of the node", hex(1))},
      {"another port", [&] { return changed(announce(1, 1, 7000), [](AddressRecord& r) { r.addresses[0].port = 1; }); },
       fmt::format("unauthenticated: address record of {}: the signature is not that of the node", hex(1))},
  });
}

template <class Statement, class Decode>
void flip_every_bit(const Statement& statement, const Decode& decode) {
  const Bytes bytes = encoded(statement);
  const MemberTable table = table_of(1);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes damaged = bytes;
    damaged[bit / 8] = static_cast<char>(static_cast<unsigned char>(damaged[bit / 8]) ^ (1u << (bit % 8)));
    wire::Reader in(damaged);
    const auto decoded = decode(in);
    if (!decoded || !in.at_end()) continue;
    MemberTable copy = table;
    CHECK_MESSAGE(!copy.add(*decoded).has_value(), "bit ", bit);
  }
}

TEST_CASE("no single bit of any statement can be changed") {
  flip_every_bit(admit(5), decode_admission);
  flip_every_bit(admit_through(0, 5, 9), decode_admission);
  flip_every_bit(revocation_of(0, {node_id(3)}), decode_revocation);
  flip_every_bit(announce(0, 1, 7000), decode_address_record);
}

TEST_CASE("a table with one forged statement is refused whole") {
  MemberTable theirs = table_of(4);
  REQUIRE(theirs.add(announce(1, 1, 7000)).value());
  Bytes bytes = theirs.encode();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);  // in the last signature
  MemberTable ours = table_of(1);
  const Bytes before = ours.encode();
  const auto merged = ours.merge(bytes);
  REQUIRE(!merged);
  CHECK(to_string(merged.error()) ==
        fmt::format("unauthenticated: address record of {}: the signature is not that of the node", hex(1)));
  CHECK(ours.encode() == before);
  CHECK(ours.version() == table_of(1).version());
}

TEST_CASE("the table of another cluster is refused") {
  MemberTable other(founding("another"));
  MemberTable table = table_of(1);
  CHECK(to_string(error_of(table.merge(other.encode()))) ==
        fmt::format("unauthenticated: member table: it is that of cluster {}, this node belongs to {}",
                    other.cluster().short_hex(), table.cluster().short_hex()));
}

TEST_CASE("an old copy of a table changes nothing") {
  MemberTable table = table_of(3);
  REQUIRE(table.add(announce(2, 1, 7000)).value());
  std::vector<Bytes> old{table.encode()};
  REQUIRE(table.add(announce(2, 2, 7001)).value());
  old.push_back(table.encode());
  REQUIRE(table.add(revocation_of(1)).value());
  old.push_back(table.encode());
  table = changed_root(std::move(table));
  const Bytes now = table.encode();
  for (const Bytes& bytes : old) CHECK(table.merge(bytes).value() == 0);
  CHECK(table.encode() == now);
  CHECK(table.is_revoked(node_id(1)));
  CHECK(table.member(node_id(2))->addresses[0].port == 7001);
}

TEST_CASE("a revoked node stays out, also with a table from before and after a month away") {
  MemberTable table = table_of(3);
  const Bytes before = table.encode();
  REQUIRE(table.add(revocation_of(2)).value());
  CHECK(!table.is_member(node_id(2)));
  // It comes back with what it knew; the root itself admitted it again by mistake; it announces itself.
  CHECK(table.merge(before).value() == 0);
  REQUIRE(table.add(admit_by_root(authority(), root_key(0), node_id(2), "node-2", kNow + 30LL * 24 * 60 * kMinute))
              .value());
  CHECK(!table.add(announce(2, 9, 7000)).value());
  CHECK(!table.is_member(node_id(2)));
  CHECK(table.is_revoked(node_id(2)));
  // A node that was away, too, hears of it with the first table that it gets.
  MemberTable away = load(before);
  CHECK(away.is_member(node_id(2)));
  CHECK(away.merge(table.missing(away.summary()).value()).value() > 0);
  CHECK(away.is_revoked(node_id(2)));
}

TEST_CASE("what a revoked sponsor signs counts only for those whom its revocation keeps") {
  MemberTable table = table_of(2);
  REQUIRE(table.add(admit_through(1, 2, 20)).value());
  REQUIRE(table.add(admit_through(1, 3, 21)).value());
  const std::vector<NodeId> sponsored = table.sponsored_by(node_id(1));
  CHECK(sponsored.size() == 2);
  REQUIRE(table.add(revocation_of(1, {node_id(2)})).value());
  CHECK(table.is_member(node_id(2)));
  CHECK(!table.is_member(node_id(3)));
  CHECK(!table.is_revoked(node_id(3)));
  // Dated back, with an invitation that the root really signed.
  REQUIRE(table.add(admit_through(1, 4, 22, 1, 1, 0, kNow - 1000 * kMinute)).value());
  CHECK(!table.is_member(node_id(4)));
}

TEST_CASE("a removal that keeps somebody says that there is a member, also to who knows nothing else of it") {
  MemberTable told = table_of(2);
  REQUIRE(told.add(admit_through(1, 2, 20)).value());
  MemberTable away = table_of(2);
  CHECK(away.knows_all_kept());
  REQUIRE(away.add(revocation_of(1, {node_id(2)})).value());
  CHECK(!away.knows_all_kept());
  CHECK(!load(away.encode()).knows_all_kept());
  SUBCASE("until it is told of the admission") {
    REQUIRE(away.merge(told.encode()).value() > 0);
  }
  SUBCASE("or until that one is removed, too") {
    REQUIRE(away.add(revocation_of(2)).value());
  }
  CHECK(away.knows_all_kept());
}

TEST_CASE("a sponsor that lies admits no more nodes than the root allowed") {
  MemberTable one = table_of(2);
  MemberTable other = one;
  REQUIRE(one.add(admit_through(1, 5, 20)).value());
  REQUIRE(other.add(admit_through(1, 6, 20)).value());
  REQUIRE(one.merge(other.encode()));
  REQUIRE(other.merge(one.encode()));
  CHECK(one.encode() == other.encode());
  CHECK(one.is_member(node_id(5)) != one.is_member(node_id(6)));
}

TEST_CASE("what a stolen root key signs counts for nothing once the root has changed") {
  MemberTable table = table_of(2);
  MemberTable stale = table;  // has not heard of the change, so believes the thief
  REQUIRE(stale.add(admit(66)).value());
  REQUIRE(stale.add(revocation_of(1)).value());
  table = changed_root(std::move(table));
  CHECK(table.merge(stale.encode()).value() == 0);
  CHECK(!table.is_member(node_id(66)));
  CHECK(
      to_string(error_of(table.add(admit(66)))) ==
      fmt::format("unauthenticated: admission of 'node-66' ({}): it names root epoch 0, the cluster is at 1", hex(66)));
  REQUIRE(stale.merge(table.encode()).value() > 0);
  CHECK(!stale.is_member(node_id(66)));
  CHECK(stale.is_member(node_id(1)));
  CHECK(stale.encode() == table.encode());
}

TEST_CASE("two root changes of one epoch are refused, and both sides are told") {
  MemberTable one = table_of(2);
  MemberTable other = one;
  one = changed_root(std::move(one));
  REQUIRE(
      other.add(other.change_root(root_key(1), digest_of(key("thief").public_key()), other.roll()).value()).value());
  CHECK(to_string(error_of(one.merge(other.encode()))) ==
        "unauthenticated: root change 1: this node knows another one; its root key has signed two; find out who holds "
        "it");
}

TEST_CASE("a join is refused with the reason") {
  const auto other_cluster = [] {
    return sign_join_request(founding("another").cluster(), node_id(0), key("invitation", 50), node_key(7), "node-7",
                             "channel");
  };
  check({
      {"wrong cluster", [&] { return error_of(Door().redeem(other_cluster())); },
       fmt::format("invalid_argument: join: the invitation is for cluster {}, this node belongs to {}",
                   founding("another").cluster().short_hex(), cluster_id().short_hex())},
      {"not the sponsor",
       [] {
         Door door;
         Sponsor other(node_key(1));
         return error_of(other.redeem(Door::request(7), "channel", kNow, door.table));
       },
       fmt::format("invalid_argument: join: only node {} can redeem this invitation, this is {}", hex(0), hex(1))},
      {"an invitation of his own making",
       [] {
         return error_of(Door().redeem(
             sign_join_request(cluster_id(), node_id(0), key("thief"), node_key(7), "node-7", "channel")));
       },
       "not_found: join: this node has no such invitation, or it expired long ago; make a new one"},
      {"expired", [] { return error_of(Door().redeem(Door::request(7), "channel", kNow + 10 * kMinute)); },
       "deadline_exceeded: join: the invitation has expired"},
      {"used up",
       [] {
         Door door(2);
         for (std::size_t number : {7, 8}) {
           REQUIRE(door.table.add(door.redeem(Door::request(number)).value()).value());
         }
         return error_of(door.redeem(Door::request(9)));
       },
       "cancelled: join: the invitation is used up, it was for 2 node(s)"},
      {"the sponsor was revoked",
       [] {
         Door door;
         REQUIRE(door.table.add(revocation_of(0)).value());
         return error_of(door.redeem(Door::request(7)));
       },
       "unavailable: join: this node is no member of the cluster any more, its invitations are void"},
      {"the node was revoked",
       [] {
         Door door;
         REQUIRE(door.table.add(revocation_of(7)).value());
         return error_of(door.redeem(Door::request(7)));
       },
       fmt::format("permission_denied: join: node {} was removed for good; it can only come back with a new key",
                   hex(7))},
      {"a recorded request on another connection", [] { return error_of(Door().redeem(Door::request(7), "other")); },
       "unauthenticated: join: the proof of the invitation's secret is not for this connection, or is wrong"},
      {"a node key that he does not hold",
       [] {
         JoinRequest request = Door::request(7);
         request.by_node = Door::request(8).by_node;
         return error_of(Door().redeem(request));
       },
       "unauthenticated: join: the signature of the node's own key is wrong"},
      {"an acceptance for another name",
       [] {
         JoinRequest request = Door::request(7);
         request.by_joiner = Door::request(8).by_joiner;
         return error_of(Door().redeem(request));
       },
       "unauthenticated: join: the proof of the invitation's secret is not for this connection, or is wrong"},
      {"a member's name",
       [] {
         return error_of(Door().redeem(
             sign_join_request(cluster_id(), node_id(0), key("invitation", 50), node_key(7), "node-0", "channel")));
       },
       fmt::format("already_exists: join: the name 'node-0' is taken by node {}; choose another one", hex(0))},
      {"a member again",
       [] {
         Door door;
         REQUIRE(door.table.add(admit(7)).value());
         return error_of(door.redeem(Door::request(7)));
       },
       fmt::format("already_exists: join: node {} is a member already", hex(7))},
      {"an invitation of the root before",
       [] {
         Door door;
         door.table = changed_root(std::move(door.table));
         return error_of(door.redeem(Door::request(7)));
       },
       "unavailable: join: the root key has changed since the invitation was made; make a new one"},
      {"an invitation for another sponsor",
       [] { return error_of(Door().sponsor.open(invite(51, 1), table_of(2), kNow)); },
       fmt::format("invalid_argument: invitation: it names {} as its sponsor, this node is {}", hex(1), hex(0))},
  });
}

}  // namespace
