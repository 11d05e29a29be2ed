#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using namespace distri::membership::test;

Joiner joiner(std::size_t number) {
  return Joiner::start(Door::line(), node_key(number), node_name(number)).value();
}

TEST_CASE("a machine joins with one line and both sides hold the same table") {
  Door door;
  const std::string line = print(Door::line());
  Joiner machine = Joiner::start(parse_join_line(line).value(), node_key(7), "seven").value();
  const auto answer = door.sponsor.answer(machine.request("channel"), "channel", kNow, door.table);
  CHECK(answer.persist);
  CHECK(machine.on_reply(answer.reply).value() == Joiner::State::kMember);
  CHECK(machine.table().encode() == door.table.encode());
  CHECK(door.table.member(node_id(7))->name == "seven");
}

TEST_CASE("a refusal reaches the machine with its code and text") {
  Door door;
  Joiner machine = joiner(7);
  const auto answer = door.sponsor.answer(machine.request("channel"), "channel", kNow + 10 * kMinute, door.table);
  CHECK(!answer.persist);
  CHECK(machine.on_reply(answer.reply).value() == Joiner::State::kRefused);
  CHECK(machine.refusal() == Error{Code::kDeadlineExceeded, "join: the invitation has expired"});
}

TEST_CASE("a crash of either side costs no second use, and every repetition gets the same admission") {
  Door door;
  // The answer is lost; the machine starts again and asks on another connection, after the invitation's end.
  const auto lost = door.sponsor.answer(joiner(7).request("one"), "one", kNow, door.table);
  const Bytes table = door.table.encode();
  const Bytes uses = door.sponsor.encode();
  Joiner machine = joiner(7);
  const auto second = door.sponsor.answer(machine.request("two"), "two", kNow + 20 * kMinute, door.table);
  CHECK(second.reply == lost.reply);
  CHECK(machine.on_reply(second.reply).value() == Joiner::State::kMember);
  // The sponsor crashes after both were on disk, and before.
  Sponsor again = Sponsor::load(node_key(0), uses).value();
  MemberTable loaded = load(table);
  CHECK(again.answer(joiner(7).request("three"), "three", kNow, loaded).reply == lost.reply);
  CHECK(loaded.encode() == table);
  const auto other = decode_join_reply(again.answer(joiner(8).request("four"), "four", kNow, loaded).reply).value();
  CHECK(std::get<Error>(other).code == Code::kCancelled);
  Door before;
  CHECK(before.sponsor.answer(joiner(8).request("five"), "five", kNow, before.table).persist);
}

TEST_CASE("a sponsor restored from a backup counts the uses that its table knows") {
  Door door;
  const Bytes backup = door.sponsor.encode();
  const auto first = door.sponsor.answer(joiner(7).request("one"), "one", kNow, door.table);
  Sponsor restored = Sponsor::load(node_key(0), backup).value();
  CHECK(restored.answer(joiner(7).request("two"), "two", kNow, door.table).reply == first.reply);
  CHECK(restored.redeem(Door::request(8), "channel", kNow, door.table).error().code == Code::kCancelled);
}

TEST_CASE("a node whose answer was lost gets it after a root change, too, if the roll names it") {
  for (const bool named : {true, false}) {
    Door door;
    REQUIRE(door.sponsor.answer(joiner(7).request("one"), "one", kNow, door.table).persist);
    Roll roll = door.table.roll();
    if (!named) std::erase_if(roll.members, [](const Roll::Member& member) { return member.node == node_id(7); });
    REQUIRE(door.table.add(door.table.change_root(root_key(1), digest_of(root_key(2).public_key()), roll).value()));
    Joiner machine = joiner(7);
    const auto answer = door.sponsor.answer(machine.request("two"), "two", kNow, door.table);
    CHECK(machine.on_reply(answer.reply).value() == (named ? Joiner::State::kMember : Joiner::State::kRefused));
    if (named) CHECK(machine.table().encode() == door.table.encode());
    if (!named) CHECK(machine.refusal().code == Code::kUnavailable);
  }
}

TEST_CASE("removing a node that joined does not give its use back") {
  Door door;
  REQUIRE(door.sponsor.answer(joiner(7).request("one"), "one", kNow, door.table).persist);
  REQUIRE(door.table.add(revocation_of(7)).value());
  CHECK(door.redeem(Door::request(8)).error().code == Code::kCancelled);
}

TEST_CASE("answers that come twice, late, or from somebody else change nothing") {
  Door door(2);
  Joiner machine = joiner(7);
  const Bytes good = door.sponsor.answer(machine.request("channel"), "channel", kNow, door.table).reply;
  Joiner other = joiner(8);
  CHECK(other.on_reply(good).error().message == "join: the table of the answer does not hold this node's admission");
  CHECK(other.state() == Joiner::State::kAsking);
  MemberTable foreign(founding("another"));
  CHECK(other.on_reply(encode(JoinReply(JoinAccepted{foreign.encode()}))).error().code == Code::kUnauthenticated);
  CHECK(other.on_reply("nonsense").error().code == Code::kProtocolError);
  CHECK(machine.on_reply(good).value() == Joiner::State::kMember);
  CHECK(machine.on_reply(good).value() == Joiner::State::kMember);
  CHECK(machine.on_reply(encode(JoinReply(Error{Code::kBusy, "late"}))).value() == Joiner::State::kMember);
}

TEST_CASE("open invitations are bounded and go a day after their end") {
  MemberTable table = table_of(1);
  Sponsor sponsor(node_key(0));
  for (std::size_t i = 0; i < kInvitationsMax; ++i) REQUIRE(sponsor.open(invite(i, 0), table, kNow));
  REQUIRE(sponsor.open(invite(3, 0), table, kNow));
  CHECK(sponsor.open(invite(kInvitationsMax, 0), table, kNow).error().code == Code::kTooLarge);
  CHECK(sponsor.open(invite(kInvitationsMax, 0), table, kNow + 10 * kMinute).error().code == Code::kDeadlineExceeded);
  const Invitation later = membership::invite(authority(), root_key(0), key("invitation", 99).public_key(), node_id(0),
                                              kNow + 2 * Sponsor::kKeepExpiredMs, 1);
  REQUIRE(sponsor.open(later, table, kNow + 11 * kMinute + Sponsor::kKeepExpiredMs));
  CHECK(sponsor.open_invitations() == 1);
}

TEST_CASE("a join line that is mistyped, cut or of another kind is called that") {
  const std::string line = print(Door::line());
  CHECK(line.find_first_of(" \t\n'\"") == std::string::npos);
  const JoinLine parsed = parse_join_line("  " + line + "\n").value();
  CHECK(parsed.cluster == cluster_id());
  CHECK(parsed.sponsor == node_id(0));
  CHECK(parsed.addresses == Door::line().addresses);
  CHECK(parsed.invitation.seed() == key("invitation", 50).seed());
  const std::string mistyped =
      "invalid_argument: join line: its checksum is wrong: a character is mistyped, missing or too much";
  const auto told = [](std::string_view text) { return to_string(parse_join_line(text).error()); };
  for (std::size_t at = 12; at < line.size(); ++at) {
    std::string wrong = line;
    wrong[at] = wrong[at] == 'a' ? 'b' : 'a';
    CHECK(told(wrong) == mistyped);
    CHECK(told(line.substr(0, at)) == mistyped);
    if (at + 1 < line.size() && line[at] != line[at + 1]) {
      wrong = line;
      std::swap(wrong[at], wrong[at + 1]);
      CHECK(told(wrong) == mistyped);
    }
  }
  CHECK(told(line + "a") == mistyped);
  CHECK(told(line.substr(0, 20) + " " + line.substr(20)) ==
        "invalid_argument: join line: character 21 cannot be in it");
  CHECK(told("10.0.0.1:7400") ==
        "invalid_argument: join line: it does not begin with 'distri-join-'; copy the whole line that 'distri invite' "
        "printed");
  CHECK(told("") == told("10.0.0.1:7400"));
  CHECK(told("distri-join-" + std::string(5000, 'a')) ==
        "invalid_argument: join line: it has 5012 characters, at most 4096 are allowed");
}

}  // namespace
