// A node's membership without the node: founding, what is on the disk, requests that promise to be saved, gossip.
#include <sys/stat.h>

#include "cluster_rig.hpp"
#include "distri/utils/hash.hpp"

using namespace distri;
using namespace distri::test;
using cloud::Cluster;
using membership::MemberTable;

namespace fs = std::filesystem;

namespace {

constexpr BytesView kBinding = "the connection";

unsigned mode_of(const std::string& path) {
  struct stat found{};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 0777u;
}

// A request to join by this invitation.
Bytes join_request(const MemberTable& table, const NodeId& sponsor, const SigningKey& invitation,
                   const SigningKey& node, const std::string& name) {
  return encode(membership::sign_join_request(table.cluster(), sponsor, invitation, node, name, kBinding));
}

membership::JoinReply reply_of(const Answer& answer) {
  REQUIRE_MESSAGE(answer.get().has_value(), answer.message());
  return take(membership::decode_join_reply(*answer.get()));
}

MemberTable accepted(const Answer& answer) {
  const auto reply = reply_of(answer);
  REQUIRE(std::holds_alternative<membership::JoinAccepted>(reply));
  return take(MemberTable::load(std::get<membership::JoinAccepted>(reply).table));
}

Error refused(const Answer& answer) {
  const auto reply = reply_of(answer);
  REQUIRE(std::holds_alternative<Error>(reply));
  return std::get<Error>(reply);
}

// The first member with an invitation that is open and on the disk.
struct Door : Cloud {
  explicit Door(std::uint16_t uses = 1) {
    Answer opened;
    member->open_invitation(encoded(invite(invitation, founded.node, uses)), now_ms(), opened.done());
    CHECK(!opened.given());
    member.run_all();
    REQUIRE(opened.code() == Code::kOk);
  }
  void ask(const SigningKey& node, const std::string& name, Answer& answer) {
    member->join(join_request(member->table(), founded.node, invitation, node, name), kBinding, now_ms(),
                 answer.done());
  }

  SigningKey invitation = SigningKey::generate();
  Member member{first};
};

// Says the digest of `from` to `to`, and carries what they answer until neither has more to say. The number of
// messages after the digest.
int carry_digest(Member& from, Member& to) {
  int messages = 0;
  std::optional<Cluster::Outgoing> message = from->digest();
  Member* receiver = &to;
  Member* sender = &from;
  while (message) {
    REQUIRE(++messages < 10);
    message = take(receiver->operator->()->receive(message->kind, message->payload)).answer;
    std::swap(receiver, sender);
  }
  from.run_all();
  to.run_all();
  return messages - 1;
}

}  // namespace

TEST_CASE("Founding makes three keys and a table of one member, for the owner's eyes only") {
  const Cloud cloud;
  for (const auto* name : {"node_key", "root_key", "next_root_key", "membership"}) {
    CAPTURE(name);
    CHECK(mode_of(cloud.first + "/" + name) == 0600);
  }
  const auto table = cloud.table();
  CHECK(table.cluster().hex() == cloud.founded.cluster);
  CHECK(table.epoch() == 0);
  REQUIRE(table.members().size() == 1);
  CHECK(table.members()[0].node == cloud.founded.node);
  CHECK(table.members()[0].name == "first");
  CHECK(take(read_key_file(cloud.first + "/node_key")).public_key() == cloud.founded.node);
  CHECK(table.authority().root == cloud.root.public_key());
  const auto next = take(read_key_file(cloud.first + "/next_root_key")).public_key();
  CHECK(table.next_root() == membership::digest_of(next));
  CHECK(next != cloud.root.public_key());
  CHECK(next != cloud.founded.node);

  const auto cluster = take(Cluster::open(cloud.first));
  REQUIRE(cluster != nullptr);
  CHECK(cluster->node() == cloud.founded.node);
  CHECK(cluster->tls()->key() == cloud.founded.node);
}

TEST_CASE("A directory is founded once, and a name that nobody could have founds nothing") {
  const Cloud cloud;
  const Bytes before = read_file(cloud.first + "/membership");
  const auto again = cloud::found_cluster(cloud.first, "second");
  REQUIRE(!again);
  CHECK(again.error().code == Code::kAlreadyExists);
  CHECK(contains(again.error().message, cloud.first));
  CHECK(read_file(cloud.first + "/membership") == before);

  for (const std::string name : {"", "two words", "-dash", "a/b"}) {
    CAPTURE(name);
    const auto bad = cloud::found_cluster(cloud.scratch.path("other"), name);
    REQUIRE(!bad);
    CHECK(bad.error().code == Code::kInvalidArgument);
    CHECK(!fs::exists(cloud.scratch.path("other")));
  }
  CHECK(
      cloud::found_cluster(cloud.scratch.path("long"), std::string(membership::kNameBytesMax + 1, 'n')).error().code ==
      Code::kInvalidArgument);
}

TEST_CASE("A founding that was interrupted goes on with the keys that it had made") {
  const Cloud cloud;
  const auto key_of = [&](std::string_view name) { return read_file(cloud.first + "/" + std::string(name)); };
  const Bytes node = key_of("node_key");
  const Bytes root = key_of("root_key");
  const Bytes next = key_of("next_root_key");
  fs::remove(cloud.first + "/membership");
  CHECK(take(Cluster::open(cloud.first)) == nullptr);
  CHECK(!take(cloud::read_member_table(cloud.first)));

  const auto again = take(cloud::found_cluster(cloud.first, "first"));
  CHECK(again.cluster == cloud.founded.cluster);
  CHECK(again.node == cloud.founded.node);
  CHECK(key_of("node_key") == node);
  CHECK(key_of("root_key") == root);
  CHECK(key_of("next_root_key") == next);

  // Earlier still: the second key was not made yet.
  fs::remove(cloud.first + "/membership");
  fs::remove(cloud.first + "/next_root_key");
  const auto third = take(cloud::found_cluster(cloud.first, "first"));
  CHECK(third.node == cloud.founded.node);
  CHECK(third.cluster != cloud.founded.cluster);
  CHECK(key_of("root_key") == root);
}

TEST_CASE("A directory without a table belongs to a node without keys") {
  const ScratchDirectory scratch;
  CHECK(take(Cluster::open(scratch.path("nowhere"))) == nullptr);
  fs::create_directory(scratch.path("empty"));
  CHECK(take(Cluster::open(scratch.path("empty"))) == nullptr);
}

TEST_CASE("A table that was cut short or changed in one bit is never opened, and the error names the file") {
  Door door;
  REQUIRE(door.member->announce({{"127.0.0.1", 4711}}));
  door.member.run_all();
  const std::string path = door.first + "/membership";
  const Bytes whole = read_file(path);
  const auto state = take(cloud::decode_membership(whole, path));
  REQUIRE(!state.sponsor.empty());
  CHECK(state.sequence == 1);
  CHECK(state.table.digest() == door.member->table().digest());
  CHECK_FALSE(state.newcomer);
  CHECK(cloud::encode(state.table, state.sponsor, state.sequence) == whole);
  CHECK(take(cloud::decode_membership(cloud::encode(state.table, state.sponsor, 1, true), path)).newcomer);

  const auto check_damaged = [&](BytesView bytes) {
    const auto decoded = cloud::decode_membership(bytes, path);
    REQUIRE(!decoded);
    CHECK(decoded.error().code == Code::kDataLoss);
    CHECK(contains(decoded.error().message, path));
  };
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    check_damaged(BytesView(whole).substr(0, size));
  }
  check_damaged(whole + '\0');
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes damaged = whole;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ (1u << bit));
      check_damaged(damaged);
    }
  }

  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    CAPTURE(size);
    write_file(path, BytesView(whole).substr(0, size));
    const auto opened = Cluster::open(door.first);
    REQUIRE(!opened);
    CHECK(opened.error().code == Code::kDataLoss);
    CHECK(contains(opened.error().message, path));
    CHECK(!cloud::read_member_table(door.first));
    CHECK(!cloud::found_cluster(door.first, "first"));
  }
  // What was written so, and not damaged since.
  const auto with_checksum = [](Bytes bytes) {
    const std::uint64_t checksum = checksum_64(bytes);
    wire::Writer(bytes).u64(checksum);
    return bytes;
  };
  Bytes other_format = whole.substr(0, whole.size() - 8);
  REQUIRE(with_checksum(other_format) == whole);
  other_format[0] = 3;
  write_file(path, with_checksum(other_format));
  CHECK(contains(Cluster::open(door.first).error().message, "its format is 3, known are 1 and 2"));
  Bytes other_mark = whole.substr(0, whole.size() - 8);
  other_mark.back() = 2;
  check_damaged(with_checksum(other_mark));
  // What earlier versions wrote: no mark.
  Bytes first_format = whole.substr(0, whole.size() - 9);
  first_format[0] = 1;
  CHECK_FALSE(take(cloud::decode_membership(with_checksum(first_format), path)).newcomer);
  check_damaged(cloud::encode(state.table, state.sponsor, UINT64_MAX));
  write_file(path, cloud::encode(state.table, state.sponsor.substr(1), 1));
  const auto other_sponsor = Cluster::open(door.first);
  REQUIRE(!other_sponsor);
  CHECK(other_sponsor.error().code == Code::kDataLoss);
  CHECK(contains(other_sponsor.error().message, path));
  write_file(path, whole);
  CHECK(take(Cluster::open(door.first)) != nullptr);
}

TEST_CASE("A member's key must be there, secret, and the member's") {
  const Cloud cloud;
  const std::string path = cloud.first + "/node_key";
  const Bytes key = read_file(path);
  const auto error = [&] {
    const auto opened = Cluster::open(cloud.first);
    REQUIRE(!opened);
    return opened.error();
  };

  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  CHECK(error().code == Code::kPermissionDenied);
  CHECK(contains(error().message, path));
  fs::remove(path);
  CHECK(error().code == Code::kNotFound);
  CHECK(contains(error().message, path));
  CHECK(!contains(error().message, std::string(key.substr(14, 64))));

  REQUIRE(write_key_file(path, SigningKey::generate()));
  CHECK(error().code == Code::kPermissionDenied);
  CHECK(contains(error().message, "is no member of cluster " + cloud.table().cluster().short_hex()));
}

TEST_CASE("A node whose table says that it was removed does not open it") {
  const Cloud cloud;
  write_file(cloud.first + "/membership", cloud::encode(cloud.without(cloud.table(), cloud.founded.node), {}, 0));
  const auto opened = Cluster::open(cloud.first);
  REQUIRE(!opened);
  CHECK(opened.error().code == Code::kPermissionDenied);
  CHECK(contains(opened.error().message, "was removed from cluster"));
  CHECK(contains(opened.error().message, cloud.founded.node.short_hex()));
}

TEST_CASE("Who joins is answered when the table that holds him is on the disk") {
  Door door;
  const SigningKey node = SigningKey::generate();
  Answer answer;
  door.ask(node, "second", answer);
  CHECK(door.member->table().is_member(node.public_key()));
  CHECK(door.member.changes == 1);
  CHECK(!door.member.saved().is_member(node.public_key()));
  CHECK(!answer.given());
  REQUIRE(door.member.run_elsewhere());
  CHECK(door.member.saved().is_member(node.public_key()));
  CHECK(!answer.given());
  REQUIRE(door.member.run_posted());
  CHECK(accepted(answer).is_member(node.public_key()));
  CHECK(door.member.idle());

  // A use is a use after a restart, too; who lost the answer gets the same one.
  door.member.reopen();
  Answer again;
  door.ask(node, "second", again);
  door.member.run_all();
  CHECK(accepted(again).digest() == accepted(answer).digest());
  Answer late;
  door.ask(SigningKey::generate(), "third", late);
  CHECK(refused(late).code == Code::kCancelled);
  CHECK(contains(refused(late).message, "used up"));
  CHECK(door.member.idle());
}

TEST_CASE("A crash before the table is saved costs no use of the invitation") {
  Door door;
  Answer lost;
  door.ask(SigningKey::generate(), "second", lost);
  door.member.reopen();
  CHECK(!lost.given());
  CHECK(door.member->table().members().size() == 1);
  Answer answer;
  door.ask(SigningKey::generate(), "second", answer);
  door.member.run_all();
  CHECK(accepted(answer).members().size() == 2);
}

TEST_CASE("Refusals of a join need no saving") {
  Door door;
  const auto before = door.member->table().digest();
  const SigningKey node = SigningKey::generate();
  Answer garbage;
  door.member->join("garbage", kBinding, Door::now_ms(), garbage.done());
  CHECK(refused(garbage).code == Code::kProtocolError);
  Answer elsewhere;
  door.member->join(join_request(door.member->table(), door.founded.node, door.invitation, node, "second"),
                    "another connection", Door::now_ms(), elsewhere.done());
  CHECK(refused(elsewhere).code == Code::kUnauthenticated);
  Answer unknown;
  door.member->join(join_request(door.member->table(), door.founded.node, SigningKey::generate(), node, "second"),
                    kBinding, Door::now_ms(), unknown.done());
  CHECK(refused(unknown).code == Code::kNotFound);
  Answer taken;
  door.ask(node, "first", taken);
  CHECK(refused(taken).code == Code::kAlreadyExists);
  CHECK(door.member.idle());
  CHECK(door.member.changes == 0);
  CHECK(door.member->table().digest() == before);
}

TEST_CASE("Saving that cannot be done now is done by a later tick, and the answers come then") {
  Door door(2);
  door.member.refusing = true;
  const SigningKey second = SigningKey::generate();
  const SigningKey third = SigningKey::generate();
  Answer one;
  door.ask(second, "second", one);
  door.member->tick();
  Answer two;
  door.ask(third, "third", two);
  CHECK(door.member.idle());
  CHECK(!one.given());
  CHECK(!two.given());
  door.member.refusing = false;
  door.member->tick();
  REQUIRE(door.member.run_elsewhere());
  CHECK(door.member.saved().is_member(third.public_key()));
  REQUIRE(door.member.run_posted());
  CHECK(accepted(one).is_member(second.public_key()));
  CHECK(accepted(two).is_member(third.public_key()));
  CHECK(door.member.idle());
  door.member->tick();
  CHECK(door.member.idle());
}

TEST_CASE("What changes while the table is being saved is saved after it") {
  Door door(2);
  const SigningKey second = SigningKey::generate();
  const SigningKey third = SigningKey::generate();
  Answer one;
  door.ask(second, "second", one);
  Answer two;
  door.ask(third, "third", two);
  door.member->tick();
  REQUIRE(door.member.run_elsewhere());
  CHECK(!door.member.run_elsewhere());  // one at a time
  CHECK(!door.member.saved().is_member(third.public_key()));
  REQUIRE(door.member.run_posted());
  CHECK(one.given());
  CHECK(!two.given());
  REQUIRE(door.member.run_elsewhere());
  CHECK(door.member.saved().is_member(third.public_key()));
  REQUIRE(door.member.run_posted());
  CHECK(two.given());
  CHECK(door.member.idle());
}

TEST_CASE("A table that cannot be saved fails the request, and is saved when the disk is back") {
  Door door;
  const SigningKey node = SigningKey::generate();
  fs::rename(door.first, door.first + ".away");
  Answer answer;
  door.ask(node, "second", answer);
  door.member.run_all();
  CHECK(answer.code() == Code::kStorageFailed);
  CHECK(contains(answer.message(), door.first));
  CHECK(door.member.idle());
  // The same by a tick, with nobody waiting.
  door.member->tick();
  CHECK(!door.member.idle());
  door.member.run_all();

  fs::rename(door.first + ".away", door.first);
  door.member->tick();
  door.member.run_all();
  CHECK(door.member.saved().is_member(node.public_key()));
  Answer again;
  door.ask(node, "second", again);
  door.member.run_all();
  CHECK(accepted(again).is_member(node.public_key()));
}

TEST_CASE("The end of a node saves what is not saved") {
  Door door;
  const SigningKey node = SigningKey::generate();
  door.member.refusing = true;
  Answer answer;
  door.ask(node, "second", answer);
  door.member->stop();
  CHECK(door.member.saved().is_member(node.public_key()));
}

TEST_CASE("An address record has a higher sequence when the addresses differ, also after a restart") {
  const Cloud cloud;
  Member member(cloud.first);
  const auto announce = [&](std::vector<Address> addresses) {
    REQUIRE(member->announce(addresses));
    member.run_all();
    const auto* self = member->table().member(cloud.founded.node);
    REQUIRE(self != nullptr);
    CHECK(self->addresses == addresses);
    return self->sequence;
  };
  CHECK(announce({{"127.0.0.1", 1}}) == 1);
  CHECK(member.changes == 1);
  CHECK(announce({{"127.0.0.1", 1}}) == 1);
  CHECK(member.changes == 1);
  CHECK(announce({{"127.0.0.1", 2}}) == 2);
  member.reopen();
  CHECK(announce({{"127.0.0.1", 2}}) == 2);
  CHECK(announce({{"127.0.0.1", 1}, {"10.0.0.1", 2}}) == 3);
  CHECK(member.saved().digest() == member->table().digest());

  CHECK(member->announce({}).error().code == Code::kInvalidArgument);
  CHECK(member->announce({{"127.0.0.1", 0}}).error().code == Code::kInvalidArgument);
  CHECK(member->announce({{"two words", 1}}).error().code == Code::kInvalidArgument);
  CHECK(member.idle());
  CHECK(announce({{"127.0.0.1", 5}}) == 4);
}

TEST_CASE("The sequence goes on where others have seen it, also when the directory was put back from a copy") {
  const Cloud cloud;
  Member member(cloud.first);
  Member other(cloud.add_member("other"));
  const Bytes copy = read_file(cloud.first + "/membership");
  for (const std::uint16_t port : {1, 2, 3}) REQUIRE(member->announce({{"127.0.0.1", port}}));
  member.run_all();
  carry_digest(member, other);
  carry_digest(other, member);
  REQUIRE(other->table().member(cloud.founded.node)->sequence == 3);

  write_file(cloud.first + "/membership", copy);
  member.reopen();
  carry_digest(other, member);
  CHECK(member->table().member(cloud.founded.node)->sequence == 3);
  REQUIRE(member->announce({{"127.0.0.1", 9}}));
  CHECK(member->table().member(cloud.founded.node)->sequence == 4);
}

TEST_CASE("Changes are answered when they are on the disk; what is not true changes nothing") {
  Cloud cloud;
  Member member(cloud.first);
  const Bytes old = member->table().encode();
  const SigningKey node = SigningKey::generate();
  MemberTable with = member->table();
  const auto admission =
      membership::admit_by_root(with.authority(), cloud.root, node.public_key(), "second", Cloud::now_ms());
  CHECK(take(with.add(admission)));

  const auto check_refused = [&](BytesView statements, Code code) {
    const auto before = member->table().digest();
    Answer answer;
    member->change(statements, answer.done());
    CHECK(answer.code() == code);
    CHECK(!answer.message().empty());
    CHECK(member.idle());
    CHECK(member.changes == 0);
    CHECK(member->table().digest() == before);
  };
  check_refused("", Code::kProtocolError);
  check_refused("garbage", Code::kProtocolError);
  check_refused(with.encode().substr(0, with.encode().size() - 1), Code::kProtocolError);
  check_refused(with.encode() + '\0', Code::kProtocolError);
  check_refused(Bytes(membership::kTableBytesMax + 1, '\1'), Code::kTooLarge);
  const Cloud stranger;
  check_refused(stranger.table().encode(), Code::kUnauthenticated);
  Bytes forged = with.encode();
  const Bytes signature(admission.signature.view());
  const auto at = forged.find(signature);
  REQUIRE(at != Bytes::npos);
  forged[at] = static_cast<char>(forged[at] ^ 1);
  check_refused(forged, Code::kUnauthenticated);
  // Signed by who is not the root.
  Bytes by_stranger = with.encode();
  auto not_root = with.authority();
  by_stranger.replace(
      at, signature.size(),
      membership::admit_by_root(not_root, stranger.root, node.public_key(), "second", admission.admitted_ms)
          .signature.view());
  check_refused(by_stranger, Code::kUnauthenticated);

  Answer answer;
  member->change(with.encode(), answer.done());
  CHECK(member.changes == 1);
  CHECK(!answer.given());
  // It is known, and not yet on the disk.
  Answer again;
  member->change(with.encode(), again.done());
  CHECK(member.changes == 1);
  CHECK(!again.given());
  REQUIRE(member.run_elsewhere());
  CHECK(!answer.given());
  REQUIRE(member.run_posted());
  CHECK(answer.code() == Code::kOk);
  CHECK(!again.given());
  member.run_all();
  CHECK(again.code() == Code::kOk);
  CHECK(member.saved().is_member(node.public_key()));

  // An old table, and what is known already: nothing to do.
  for (const Bytes& known : {old, with.encode()}) {
    Answer nothing;
    member->change(known, nothing.done());
    CHECK(nothing.code() == Code::kOk);
    CHECK(member.idle());
    CHECK(member.changes == 1);
    CHECK(member->table().is_member(node.public_key()));
  }
}

TEST_CASE("An old table does not bring back who was removed") {
  const Cloud cloud;
  const std::string other = cloud.add_member("other");
  const NodeId removed = take(read_key_file(other + "/node_key")).public_key();
  const auto before = *take(cloud::read_member_table(other));
  Member member(cloud.first);
  Answer answer;
  member->change(cloud.without(before, removed).encode(), answer.done());
  member.run_all();
  REQUIRE(answer.code() == Code::kOk);
  CHECK(!member->table().is_member(removed));
  Answer again;
  member->change(before.encode(), again.done());
  member.run_all();
  CHECK(again.code() == Code::kOk);
  CHECK(!member->table().is_member(removed));
  CHECK(member->table().is_revoked(removed));
}

TEST_CASE("Invitations are taken from the root, for this sponsor, while they hold") {
  const Cloud cloud;
  Member member(cloud.first);
  const SigningKey invitation = SigningKey::generate();
  const auto check_refused = [&](BytesView bytes, Code code) {
    Answer answer;
    member->open_invitation(bytes, Cloud::now_ms(), answer.done());
    CHECK(answer.code() == code);
    CHECK(!answer.message().empty());
    CHECK(member.idle());
  };
  const auto authority = cloud.table().authority();
  check_refused("", Code::kProtocolError);
  check_refused("garbage", Code::kProtocolError);
  const Bytes good = encoded(cloud.invite(invitation, cloud.founded.node));
  check_refused(BytesView(good).substr(0, good.size() - 1), Code::kProtocolError);
  check_refused(encoded(cloud.invite(invitation, SigningKey::generate().public_key())), Code::kInvalidArgument);
  check_refused(encoded(membership::invite(authority, SigningKey::generate(), invitation.public_key(),
                                           cloud.founded.node, Cloud::now_ms() + 60'000, 1)),
                Code::kUnauthenticated);
  check_refused(encoded(membership::invite(authority, cloud.root, invitation.public_key(), cloud.founded.node,
                                           Cloud::now_ms() - 1, 1)),
                Code::kDeadlineExceeded);
  for (int i = 0; i < 2; ++i) {  // twice is once
    Answer answer;
    member->open_invitation(good, Cloud::now_ms(), answer.done());
    CHECK(!answer.given());
    member.run_all();
    CHECK(answer.code() == Code::kOk);
  }
  CHECK(member.changes == 0);
}

TEST_CASE("Two members say digest, summary and statements until they know the same") {
  const Cloud cloud;
  Member first(cloud.first);
  Member second(cloud.add_member("second"));
  REQUIRE(first->announce({{"127.0.0.1", 1}}));
  REQUIRE(second->announce({{"127.0.0.1", 2}}));
  first.run_all();
  second.run_all();
  CHECK(first->table().digest() != second->table().digest());

  CHECK(carry_digest(second, first) == 2);  // a summary, and what the first lacks
  CHECK(first->table().is_member(second->node()));
  CHECK(first->table().member(second->node())->addresses == std::vector<Address>{{"127.0.0.1", 2}});
  CHECK(first.saved().digest() == first->table().digest());
  CHECK(second->table().member(first->node())->addresses.empty());
  CHECK(carry_digest(first, second) == 2);
  CHECK(first->table().digest() == second->table().digest());
  CHECK(first->table().encode() == second->table().encode());
  CHECK(second.saved().digest() == second->table().digest());

  const int changes = first.changes + second.changes;
  CHECK(carry_digest(first, second) == 0);
  CHECK(carry_digest(second, first) == 0);
  CHECK(first.changes + second.changes == changes);
  // Statements that came before: nothing to do, nothing to say.
  CHECK(!take(first->receive(Cluster::Message::kStatements, second->table().encode())).answer);
  CHECK(first.idle());
  // A summary of who knows all.
  CHECK(!take(first->receive(Cluster::Message::kSummary, second->table().summary())).answer);
}

TEST_CASE("A change reaches the third member through the second") {
  const Cloud cloud;
  Member first(cloud.first);
  Member second(cloud.add_member("second"));
  Member third(cloud.add_member("third"));
  REQUIRE(third->announce({{"127.0.0.1", 3}}));
  carry_digest(third, second);
  carry_digest(second, first);
  CHECK(first->table().members().size() == 3);
  CHECK(first->table().member(third->node())->addresses == std::vector<Address>{{"127.0.0.1", 3}});
  carry_digest(first, third);
  CHECK(third->table().digest() == first->table().digest());

  Answer answer;
  first->change(cloud.without(first->table(), third->node()).encode(), answer.done());
  first.run_all();
  REQUIRE(answer.code() == Code::kOk);
  carry_digest(first, second);
  const auto gone = second->admit_node(third->node());
  REQUIRE(!gone);
  CHECK(gone.error().code == Code::kPermissionDenied);
  CHECK(contains(gone.error().message, "was removed"));
  CHECK(!second->trusts_client(third->node()));
  // Who was removed may hear it as well, and cannot take it back.
  carry_digest(third, second);
  CHECK(second->table().is_revoked(third->node()));
  carry_digest(second, third);
  CHECK(!third->table().is_member(third->node()));
  CHECK(third->table().digest() == second->table().digest());
  CHECK(!Cluster::open(third.directory()));
}

TEST_CASE("Messages of membership that are none are errors and change nothing") {
  const Cloud cloud;
  Member member(cloud.first);
  const auto digest = member->table().digest();
  const auto code = [&](Cluster::Message kind, BytesView payload) {
    const auto received = member->receive(kind, payload);
    REQUIRE(!received);
    CHECK(member.idle());
    CHECK(member->table().digest() == digest);
    return received.error().code;
  };
  const Bytes summary = member->table().summary();
  CHECK(code(Cluster::Message::kSummary, "") == Code::kProtocolError);
  CHECK(code(Cluster::Message::kSummary, "garbage") == Code::kProtocolError);
  CHECK(code(Cluster::Message::kSummary, BytesView(summary).substr(0, summary.size() - 1)) == Code::kProtocolError);
  CHECK(code(Cluster::Message::kStatements, "") == Code::kProtocolError);
  CHECK(code(Cluster::Message::kStatements, "garbage") == Code::kProtocolError);
  CHECK(code(Cluster::Message::kStatements, Bytes(membership::kTableBytesMax + 1, '\1')) == Code::kTooLarge);
  CHECK(code(Cluster::Message::kStatements, Cloud().table().encode()) == Code::kUnauthenticated);
  CHECK(code(static_cast<Cluster::Message>(67), "") == Code::kProtocolError);
  CHECK(!Cluster::is_kind(63));
  CHECK(Cluster::is_kind(64));
  CHECK(Cluster::is_kind(66));
  CHECK(!Cluster::is_kind(67));
}

TEST_CASE("Members and the root are trusted, nobody else is") {
  const Cloud cloud;
  Member member(cloud.add_member("second"));
  const NodeId stranger = SigningKey::generate().public_key();
  CHECK(member->trusts_client(cloud.founded.node));
  CHECK(member->trusts_client(member->node()));
  CHECK(member->trusts_client(cloud.root.public_key()));
  CHECK(!member->trusts_client(take(read_key_file(cloud.first + "/next_root_key")).public_key()));
  CHECK(!member->trusts_client(stranger));
  CHECK(!member->trusts_client(std::nullopt));

  CHECK(member->admit_node(cloud.founded.node));
  CHECK(member->admit_node(std::nullopt).error().code == Code::kUnauthenticated);
  CHECK(member->admit_node(stranger).error().code == Code::kUnauthenticated);
  CHECK(contains(member->admit_node(stranger).error().message, "is no member"));
  CHECK(member->admit_node(cloud.root.public_key()).error().code == Code::kUnauthenticated);
}

TEST_CASE("After a root change the new root is trusted, the old one is not, and the members stay") {
  const Cloud cloud;
  Member member(cloud.add_member("second"));
  const SigningKey next = take(read_key_file(cloud.first + "/next_root_key"));
  const SigningKey after = SigningKey::generate();
  MemberTable changed = member->table();
  CHECK(take(changed.add(take(changed.change_root(next, membership::digest_of(after.public_key()), changed.roll())))));
  Answer answer;
  member->change(changed.encode(), answer.done());
  member.run_all();
  REQUIRE(answer.code() == Code::kOk);
  member.reopen();
  CHECK(member->table().epoch() == 1);
  CHECK(member->trusts_client(next.public_key()));
  CHECK(!member->trusts_client(cloud.root.public_key()));
  CHECK(member->trusts_client(cloud.founded.node));
  CHECK(member->trusts_client(member->node()));
  // What the old root signs from now on counts for nothing.
  Answer invited;
  member->open_invitation(encoded(cloud.invite(SigningKey::generate(), member->node())), Cloud::now_ms(),
                          invited.done());
  CHECK(invited.code() == Code::kUnauthenticated);
}
