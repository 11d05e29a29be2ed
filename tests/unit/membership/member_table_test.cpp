#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using namespace distri::membership::test;

TEST_CASE("members are found by name, address and the first digits of their key") {
  MemberTable table = table_of(3);
  REQUIRE(table.add(announce(1, 1, 7001)).value());
  CHECK(table.find("node-2").value() == node_id(2));
  CHECK(table.find("10.0.0.1:7001").value() == node_id(1));
  CHECK(table.find(node_id(1).hex()).value() == node_id(1));
  CHECK(table.find(node_id(1).hex().substr(0, 6)).value() == node_id(1));
  CHECK(table.find("node-9").error().code == Code::kNotFound);
  CHECK(table.find(node_id(1).hex().substr(0, 3)).error().code == Code::kNotFound);
  CHECK(table.find("").error().code == Code::kNotFound);
  // Two sponsors that cannot see each other may give one name twice.
  REQUIRE(table.add(admit_by_root(authority(), root_key(0), node_id(8), "node-2", kNow)).value());
  CHECK(table.find("node-2").error().code == Code::kInvalidArgument);
}

TEST_CASE("a node that returns under another address is the same node") {
  MemberTable table = table_of(2);
  REQUIRE(table.add(announce(1, 1, 7001)).value());
  MemberTable old = table;
  REQUIRE(table.add(announce(1, 2, 9001)).value());
  CHECK(table.members().size() == 2);
  CHECK(table.member(node_id(1))->addresses == std::vector<Address>{{"10.0.0.1", 9001}});
  CHECK(!table.add(announce(1, 1, 7001)).value());
  REQUIRE(old.merge(table.missing(old.summary()).value()).value() == 1);
  CHECK(old.encode() == table.encode());
}

TEST_CASE("gossip sends what the other lacks and nothing else") {
  MemberTable ours = table_of(20);
  MemberTable theirs = ours;
  CHECK(ours.missing(theirs.summary()).value().empty());
  CHECK(ours.digest() == theirs.digest());
  REQUIRE(ours.add(announce(3, 1, 7003)).value());
  CHECK(ours.digest() != theirs.digest());
  const Bytes delta = ours.missing(theirs.summary()).value();
  CHECK(delta.size() < 300);
  CHECK(theirs.missing(ours.summary()).value().empty());
  CHECK(theirs.merge(delta).value() == 1);
  CHECK(theirs.digest() == ours.digest());
  CHECK(ours.missing("nonsense").error().code == Code::kProtocolError);
}

TEST_CASE("a table is read back byte for byte, with root changes and all kinds of statements") {
  MemberTable table = table_of(5);
  REQUIRE(table.add(announce(3, 1, 7003)).value());
  REQUIRE(table.add(revocation_of(2)).value());
  CHECK(load(table.encode()).encode() == table.encode());
  for (std::size_t epoch = 1; epoch <= 3; ++epoch) {
    const auto change =
        table.change_root(root_key(epoch), digest_of(root_key(epoch + 1).public_key()), table.roll()).value();
    REQUIRE(table.add(change).value());
    CHECK(!table.add(change).value());
    CHECK(table.epoch() == epoch);
    CHECK(table.members().size() == 4);
    CHECK(table.is_revoked(node_id(2)));
    CHECK(table.member(node_id(3))->addresses.size() == 1);
    CHECK(load(table.encode()).encode() == table.encode());
  }
  REQUIRE(table.add(admit_through(0, 9, 90, 1, 1, 3)).value());
  MemberTable new_node(founding());
  REQUIRE(new_node.merge(table.encode()));
  CHECK(new_node.encode() == table.encode());
}

TEST_CASE("a root change that comes without its roll is refused") {
  MemberTable table = table_of(3);
  REQUIRE(table.add(table.change_root(root_key(1), digest_of(root_key(2).public_key()), table.roll()).value()).value());
  REQUIRE(table.add(announce(1, 1, 7001)).value());
  // What somebody gets who says that he knows the change.
  Bytes summary("\x01\x01\0\0\0", 5);
  MemberTable old = table_of(3);
  const Bytes before = old.encode();
  CHECK(old.merge(table.missing(summary).value()).error().message == "root change 1: its roll is missing");
  CHECK(old.encode() == before);
}

TEST_CASE("a root key that was lost is replaced by the one that was promised") {
  MemberTable table = table_of(2);  // root_key(0) is not used any more
  Roll roll = table.roll();
  CHECK(table.change_root(root_key(2), digest_of(root_key(3).public_key()), roll).error().message ==
        fmt::format("root change: {} is not the key that was promised to come next",
                    root_key(2).public_key().short_hex()));
  CHECK(table.change_root(root_key(1), digest_of(root_key(1).public_key()), roll).error().code ==
        Code::kInvalidArgument);
  std::swap(roll.members[0], roll.members[1]);
  CHECK(table.change_root(root_key(1), digest_of(root_key(2).public_key()), roll).error().message ==
        "roll: its nodes are not in order, or one is in it twice");
  REQUIRE(table.add(table.change_root(root_key(1), digest_of(root_key(2).public_key()), table.roll()).value()).value());
  REQUIRE(table.add(admit(5, 1)).value());
  CHECK(table.is_member(node_id(5)));
}

TEST_CASE("a table that is full says so and stays as it is") {
  MemberTable table = table_of(1);
  for (std::size_t i = 1; i <= 3; ++i) REQUIRE(table.add(revocation_of(i)).value());
  // Another node knows of as many as there may be, and of none of these.
  Bytes bytes = table_of(1).encode();
  Bytes revocations;
  wire::Writer out(revocations);
  out.u16(static_cast<std::uint16_t>(kRevocationsMax));
  for (std::size_t i = 0; i < kRevocationsMax; ++i) out.bytes16(encoded(revocation_of(100 + i)));
  out.u16(0);
  bytes.resize(bytes.size() - 4);  // neither revocations nor addresses
  MemberTable full = load(bytes + revocations);
  CHECK(full.revoked().size() == kRevocationsMax);
  const Bytes before = table.encode();
  CHECK(table.merge(full.encode()).error().code == Code::kTooLarge);
  CHECK(table.encode() == before);
  CHECK(full.add(revocation_of(1)).error().message ==
        "member table: more than 1024 admissions or 1024 revocations; change the root key to drop those that do not "
        "count any more");
}

TEST_CASE("bytes that are no table are refused") {
  const Bytes good = table_of(3).encode();
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK(!MemberTable::load(BytesView(good).substr(0, size)));
  }
  CHECK(MemberTable::load(good + "x").error().message == "member table: bytes behind its end");
  Bytes version = good;
  version[0] = 9;
  CHECK(MemberTable::load(version).error().message == "member table: its version is 9, this program knows 1");
  CHECK(MemberTable::load(Bytes(kTableBytesMax + 1, 'x')).error().code == Code::kTooLarge);
}

TEST_CASE("names and addresses are checked") {
  CHECK(check_name("a"));
  CHECK(check_name("Rack-7.left_2"));
  for (std::string_view bad : {"", "-a", "a b", "a/b", "\xc3\xa4"}) CHECK(!check_name(bad));
  CHECK(!check_name(std::string(64, 'a')));
  CHECK(!check_addresses({}));
  CHECK(!check_addresses({{"host", 0}}));
  CHECK(!check_addresses({{"", 1}}));
  CHECK(!check_addresses({{"a b", 1}}));
  CHECK(!check_addresses(std::vector<Address>(9, Address{"host", 1})));
  CHECK(check_addresses(std::vector<Address>(8, Address{"host", 1})));
}

}  // namespace
