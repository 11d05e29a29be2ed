// A node as a member: what it tells others, whom it refuses, and that its address stays right.
#include "distri/membership/local_member.hpp"

#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using namespace distri::membership::test;
using Message = LocalMember::Message;

LocalMember member(std::size_t number, MemberTable table, std::uint64_t sequence = 0) {
  return {node_key(number), std::move(table), Sponsor(node_key(number)), sequence};
}

LocalMember::Heard hear(LocalMember& node, const LocalMember::Outgoing& message) {
  auto heard = node.receive(message.kind, message.payload);
  REQUIRE_MESSAGE(heard.has_value(), heard.error().message);
  return *std::move(heard);
}

// One round: `from` says its digest, and the answers go to and fro. True: `to` has changed.
bool gossip(LocalMember& from, LocalMember& to) {
  const auto asked = hear(to, from.digest());
  if (!asked.answer) return false;
  CHECK(asked.answer->kind == Message::kSummary);
  const auto told = hear(from, *asked.answer);
  if (!told.answer) return false;
  CHECK(told.answer->kind == Message::kStatements);
  return hear(to, *told.answer).changed;
}

TEST_CASE("a node that lacks statements gets them by digest, summary and statements, and then no more is said") {
  LocalMember one = member(0, table_of(2));
  LocalMember other = member(1, table_of(2));
  REQUIRE(one.announce({{"10.0.0.1", 7400}}).value());
  CHECK(hear(other, one.digest()).agrees == false);
  CHECK(hear(one, {Message::kSummary, other.table().summary()}).agrees == std::nullopt);
  CHECK(gossip(one, other));
  CHECK(other.table().member(node_id(0))->addresses == std::vector<Address>{{"10.0.0.1", 7400}});
  CHECK(!hear(other, one.digest()).answer);
  CHECK(hear(other, one.digest()).agrees == true);
  CHECK(!gossip(other, one));
  CHECK(one.table().digest() == other.table().digest());
}

TEST_CASE("a damaged membership message is refused and changes nothing") {
  LocalMember node = member(0, table_of(2));
  const Hash256 before = node.table().digest();
  CHECK(node.receive(Message::kDigest, "short").error().code == Code::kProtocolError);
  CHECK(node.receive(Message::kSummary, "x").error().code == Code::kProtocolError);
  CHECK(node.receive(Message::kStatements, "x").error().code == Code::kProtocolError);
  CHECK(node.receive(static_cast<Message>(67), "").error().code == Code::kProtocolError);
  CHECK(node.table().digest() == before);
}

TEST_CASE("who was removed is told so, and who was let in by somebody who was removed; a stranger is told nothing") {
  MemberTable table = table_of(3);  // 1 and 2 through 0
  CHECK(table.add(admit(5)).value());
  CHECK(table.add(revocation_of(0, {node_id(1)})).value());
  const LocalMember node = member(5, table);
  CHECK(node.admit_node(node_id(1)));
  CHECK(node.admit_node(node_id(0)).error().code == Code::kPermissionDenied);
  CHECK(node.admit_node(node_id(2)).error().code == Code::kUnauthenticated);
  for (const std::size_t refused : {0u, 2u}) {
    const auto farewell = node.farewell(node_id(refused), false);
    REQUIRE(farewell.has_value());
    LocalMember gone = member(refused, table_of(3));
    CHECK(gone.belongs());
    CHECK(hear(gone, *farewell).changed);
    CHECK(!gone.belongs());
  }
  CHECK(!node.farewell(node_id(9), false));
  CHECK(node.farewell(node_id(9), true));
}

TEST_CASE("a member that was let in by somebody who is gone is asked for the proof, and then let in") {
  LocalMember node = member(1, table_of(2));
  LocalMember fresh = member(2, table_of(3));
  CHECK(!node.admit_node(fresh.node()));
  const auto question = node.question(fresh.node());
  REQUIRE(question.has_value());
  const auto proof = hear(fresh, *question).answer;
  REQUIRE(proof.has_value());
  CHECK(hear(node, *proof).changed);
  CHECK(node.admit_node(fresh.node()));
  CHECK(!node.question(fresh.node()));
  // Who was removed is not asked.
  CHECK(!member(1,
                [] {
                  MemberTable table = table_of(3);
                  CHECK(table.add(revocation_of(2)).value());
                  return table;
                }())
             .question(fresh.node()));
}

TEST_CASE("whom a root change left out is told so when it shows that it was a member before; a stranger is not") {
  for (const std::size_t epochs : {1, 2}) {
    LocalMember left_out = member(2, table_of(3));
    MemberTable table = table_of(3);
    for (std::size_t epoch = 1; epoch <= epochs; ++epoch) {
      Roll roll = table.roll();
      std::erase_if(roll.members, [](const Roll::Member& each) { return each.node == node_id(2); });
      const KeyDigest next = digest_of(root_key(epoch + 1).public_key());
      REQUIRE(table.add(table.change_root(root_key(epoch), next, roll).value()).value());
    }
    LocalMember node = member(1, table);
    const auto asked = node.question(left_out.node());
    REQUIRE(asked.has_value());
    const auto proof = hear(left_out, *asked).answer;
    REQUIRE(proof.has_value());
    CHECK(!hear(node, *proof).changed);
    CHECK(!node.admit_node(left_out.node()));
    CHECK(!node.farewell_to_former(node_id(7), proof->payload));
    CHECK(!node.farewell_to_former(left_out.node(), "x"));
    CHECK(!node.farewell_to_former(node_id(0), proof->payload));
    const auto farewell = node.farewell_to_former(left_out.node(), proof->payload);
    REQUIRE(farewell.has_value());
    CHECK(hear(left_out, *farewell).changed);
    CHECK(!left_out.belongs());
  }
}

TEST_CASE("whom a sponsor lets in, others hear when it is on the disk, and not before") {
  LocalMember sponsor = member(0, table_of(2));
  LocalMember other = member(1, table_of(2));
  const auto invitation = invite(7, 0, 2);
  REQUIRE(sponsor.open_invitation(encoded(invitation), kNow));
  const auto join = [&](std::size_t number) {
    JoinLine line{cluster_id(), node_id(0), {{"10.0.0.1", 1}}, key("invitation", 7)};
    auto joiner = Joiner::start(std::move(line), node_key(number), node_name(number));
    REQUIRE(joiner.has_value());
    const auto answer = sponsor.join(joiner->request("binding"), "binding", kNow);
    CHECK(answer.persist);
    CHECK(joiner->on_reply(answer.reply).value() == Joiner::State::kMember);
    return sponsor.table().version();
  };
  const std::uint64_t first = join(5);
  const std::uint64_t second = join(6);
  CHECK(sponsor.admit_node(node_id(5)));
  CHECK(!gossip(sponsor, other));
  // A table that says the same as what is shown is still not the one that is held.
  CHECK(hear(sponsor, other.digest()).agrees == false);
  CHECK(!sponsor.saved(first));
  CHECK(!gossip(sponsor, other));
  CHECK(sponsor.saved(second));
  CHECK(!sponsor.saved(second));
  CHECK(gossip(sponsor, other));
  CHECK(other.admit_node(node_id(5)));
  CHECK(other.admit_node(node_id(6)));
  CHECK(hear(sponsor, other.digest()).agrees == true);
}

TEST_CASE("an address record from an earlier life is answered with a newer one") {
  LocalMember earlier = member(0, table_of(2));
  LocalMember other = member(1, table_of(2));
  for (std::uint16_t port = 1; port < 4; ++port) REQUIRE(earlier.announce({{"10.0.0.1", port}}).value());
  REQUIRE(gossip(earlier, other));
  // Put back from a copy that is older than all that, at another address.
  LocalMember node = member(0, table_of(2));
  REQUIRE(node.announce({{"10.0.0.9", 9}}).value());
  CHECK(gossip(other, node));
  CHECK(node.table().member(node_id(0))->addresses == std::vector<Address>{{"10.0.0.9", 9}});
  CHECK(node.sequence() == 4);
  CHECK(gossip(node, other));
  CHECK(other.table().digest() == node.table().digest());
}

TEST_CASE("two nodes with one key do not outbid each other for ever") {
  LocalMember original = member(0, table_of(1));
  LocalMember copy = member(0, table_of(1));
  REQUIRE(original.announce({{"10.0.0.1", 1}}).value());
  REQUIRE(copy.announce({{"10.0.0.2", 2}}).value());
  int rounds = 0;
  while (gossip(original, copy) || gossip(copy, original)) REQUIRE(++rounds < 100);
  CHECK(original.table().digest() == copy.table().digest());
  // When the copy has stopped, the next start of the original puts it right.
  REQUIRE(original.announce({{"10.0.0.1", 1}}));
  CHECK(original.table().member(node_id(0))->addresses == std::vector<Address>{{"10.0.0.1", 1}});
}

}  // namespace
