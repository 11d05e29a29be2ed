// Nodes with keys, seen from the wire: who is spoken to and who is not, joining, replication, removal, local programs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cluster_rig.hpp"
#include "member_node.hpp"
#include "raw_client.hpp"

using namespace distri;
using namespace distri::test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

// The owner opens an invitation at the node; the line for who may come.
std::string invite(const Cloud& cloud, const Address& sponsor, std::uint16_t uses = 1) {
  SigningKey invitation = SigningKey::generate();
  Caller owner(sponsor, cloud.root);
  const auto opened = owner.call("OpenInvitation", "", encoded(cloud.invite(invitation, cloud.founded.node, uses)));
  REQUIRE_MESSAGE(opened.status == Code::kOk, opened.message);
  return print(membership::JoinLine{cloud.table().cluster(), cloud.founded.node, {sponsor}, std::move(invitation)});
}

Result<cloud::Joined> join(const std::string& directory, std::string_view line, const std::string& name) {
  return cloud::join_cluster(directory, line, name, 10'000, {});
}

void wait_for_nodes(const Address& address, const SigningKey& key, std::size_t count) {
  Caller caller(address, key);
  eventually([&] { return json::parse(caller.call("Nodes").body)["nodes"].size() == count; });
}

std::int64_t count(Caller& caller, std::string_view collection) {
  const auto reply = caller.call(fmt::format("Count<{}>", collection));
  return reply.status == Code::kOk ? json::parse(reply.body)["count"].get<std::int64_t>() : -1;
}

}  // namespace

TEST_CASE("A machine joins by its line, connects over TLS, and has the documents of the founder") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string line = invite(cloud, first.address());
  const std::string directory = cloud.scratch.path("second");
  const auto joined = take(join(directory, line, "second"));
  CHECK(joined.cluster == cloud.founded.cluster);
  CHECK(!joined.before);
  CHECK(joined.node == take(read_key_file(directory + "/node_key")).public_key());
  CHECK(cloud.table().is_member(joined.node));
  const auto again = take(join(directory, line, "second"));
  CHECK(again.before);
  CHECK(again.node == joined.node);

  MemberNode second(directory);
  Caller at_first(first.address(), cloud.root);
  Caller at_second(second.address(), cloud.root);
  eventually([&] { return count(at_first, "c") == 0 && count(at_second, "c") == 0; });
  CHECK(at_first.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  CHECK(at_second.call("AddDocument<c>", R"({"w":"all"})", R"({"_id":2})").status == Code::kOk);
  eventually([&] { return count(at_first, "c") == 2 && count(at_second, "c") == 2; });
  wait_for_nodes(first.address(), cloud.root, 2);
  wait_for_nodes(second.address(), cloud.root, 2);

  // Each tells where it listens, and in the end both know the same.
  eventually([&] {
    const auto one = json::parse(at_first.call("Members").body);
    const auto other = json::parse(at_second.call("Members").body);
    return one["digest"] == other["digest"] &&
           std::ranges::all_of(one["members"], [](const json& member) { return member["addresses"].size() == 1; });
  });
  const auto table = take(membership::MemberTable::load(at_first.call("Members<table>").body));
  CHECK(table.members().size() == 2);
  CHECK(take(table.find("second")) == joined.node);
  CHECK(table.member(joined.node)->addresses == std::vector<Address>{second.address()});
}

TEST_CASE("A new member that reaches nobody serves when it has a copy of the database, not before") {
  const Cloud cloud;
  const std::string directory = cloud.scratch.path("second");
  auto first_config = MemberNode::config_of(cloud.first);
  {
    MemberNode first(first_config);
    first_config.listen = first.address();
    Caller at_first(first.address(), cloud.root);
    eventually([&] { return at_first.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk; });
    take(join(directory, invite(cloud, first.address()), "second"));
  }
  const auto state = [](Caller& caller) { return json::parse(caller.call("Stats").body)["state"]; };
  {
    MemberNode second(directory);
    Caller at_second(second.address(), cloud.root);
    // So long any other node waits.
    eventually([&] { return json::parse(at_second.call("Stats").body)["uptime_ms"] > 4'000; });
    CHECK(state(at_second) == "starting");
    CHECK(at_second.call("AddDocument<c>", "", R"({"_id":2})").status == Code::kUnavailable);
  }
  {
    MemberNode second(directory);
    Caller at_second(second.address(), cloud.root);
    MemberNode first(first_config);
    eventually([&] { return count(at_second, "c") == 1; });
    CHECK(state(at_second) == "serving");
  }
  // From then on it is a member like the others.
  MemberNode second(directory);
  Caller at_second(second.address(), cloud.root);
  eventually([&] { return count(at_second, "c") == 1; });
  CHECK(at_second.call("AddDocument<c>", "", R"({"_id":2})").status == Code::kOk);
}

TEST_CASE("New members that reach only each other wait for a member that is not new, if there is one") {
  const Cloud cloud;
  auto known = cloud.table();
  const std::string directories[] = {cloud.add_member(known, "second"), cloud.add_member(known, "third")};
  for (const auto& each : directories) write_file(each + "/membership", cloud::encode(known, {}, 0, true));
  write_file(cloud.first + "/membership", cloud::encode(known, {}, 0));
  auto first_config = MemberNode::config_of(cloud.first);
  {
    const MemberNode first(first_config);
    first_config.listen = first.address();
    Caller at_first(first.address(), cloud.root);
    eventually([&] { return at_first.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk; });
  }
  const MemberNode second(directories[0]);
  auto third_config = MemberNode::config_of(directories[1]);
  third_config.peers = {second.address()};
  const MemberNode third(third_config);
  Caller at_second(second.address(), cloud.root), at_third(third.address(), cloud.root);
  const auto stats = [](Caller& caller) { return json::parse(caller.call("Stats").body); };
  for (Caller* each : {&at_second, &at_third}) {
    // Connected, and longer than any other node waits.
    eventually([&] {
      const json now = stats(*each);
      return now["connections"]["nodes"] == 1 && now["uptime_ms"] > 4'000;
    });
    CHECK(stats(*each)["state"] == "starting");
  }
  SUBCASE("it comes") {
    first_config.peers = {second.address(), third.address()};
    const MemberNode first(first_config);
    eventually([&] { return count(at_second, "c") == 1 && count(at_third, "c") == 1; });
    CHECK(at_third.call("AddDocument<c>", "", R"({"_id":2})").status == Code::kOk);
  }
  SUBCASE("it is removed: nobody has more than they") {
    at_second.call("ChangeMembers", "", cloud.without(known, cloud.founded.node).encode());
    eventually([&] { return count(at_second, "c") == 0 && count(at_third, "c") == 0; });
    CHECK(at_second.call("AddDocument<c>", R"({"w":"all"})", R"({"_id":2})").status == Code::kOk);
  }
}

TEST_CASE("A machine that was interrupted before it kept the table joins again by the same line") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string line = invite(cloud, first.address());
  const std::string directory = cloud.scratch.path("second");
  const auto joined = take(join(directory, line, "second"));
  fs::remove(directory + "/membership");
  const auto again = take(join(directory, "  " + line + "\n", "second"));
  CHECK(!again.before);
  CHECK(again.node == joined.node);
  CHECK(again.cluster == joined.cluster);
  CHECK(cloud.table().members().size() == 2);
  CHECK(take(cloud::Cluster::open(directory)) != nullptr);
}

TEST_CASE("A node with keys refuses who does not speak TLS, and says so") {
  const Cloud cloud;
  MemberNode node(cloud.first);
  for (const auto role : {wire::Role::kClient, wire::Role::kNode}) {
    RawClient plain(node.address(), false);
    wire::Hello hello;
    hello.role = role;
    if (role == wire::Role::kNode) hello.node = cloud.founded.node;
    hello.software = "test";
    Bytes out;
    wire::encode_hello(out, hello);
    plain.send(out);
    const auto reason = plain.wait_closed();
    REQUIRE(reason);
    CHECK(reason->code == Code::kProtocolError);
    CHECK(contains(reason->message, "speaks TLS"));
  }
}

TEST_CASE("Clients without a key, or with one that nobody knows, may only ask to join") {
  const Cloud cloud;
  MemberNode node(cloud.first);
  const auto check_refused = [&](std::shared_ptr<net::Tls> tls, Code code, std::string_view text) {
    Caller caller(node.address(), std::move(tls));
    for (const auto* service :
         {"Stats", "Nodes", "Members", "AddDocument<c>", "Count<c>", "Echo", "Watch<c>", "Backup", "OpenInvitation",
          "ChangeMembers", "CreateToken", "CreateUser", "ListAccess", "RevokeAccess", "UpdateInfo", "NoSuchService"}) {
      CAPTURE(service);
      const auto reply = caller.call(service, "", R"({"_id":1})");
      CHECK(reply.status == code);
      CHECK(contains(reply.message, text));
      CHECK(reply.body.empty());
    }
    // A request to join is heard and answered.
    const auto asked = caller.call("Join", "", "garbage");
    CHECK(asked.status == Code::kOk);
    const auto reply = take(membership::decode_join_reply(asked.body));
    REQUIRE(std::holds_alternative<Error>(reply));
    CHECK(std::get<Error>(reply).code == Code::kProtocolError);
    for (int asked_before = 1; asked_before < 8; ++asked_before) {
      CHECK(caller.call("Join", "", "garbage").status == Code::kOk);
    }
    const auto too_often = caller.call("Join", "", "garbage");
    CHECK(too_often.status == Code::kPermissionDenied);
    CHECK(
        contains(too_often.message, "asked too often without having rights, more than 8 times (stranger_streams_max)"));
    CHECK(!caller.closed());
  };
  check_refused(tls_of(SigningKey::generate()), Code::kPermissionDenied, "neither a member's of this cluster nor");
  check_refused(take(net::Tls::without_key()), Code::kUnauthenticated, "show a token");
  Caller member(node.address(), take(read_key_file(cloud.first + "/node_key")));
  eventually([&] { return count(member, "c") == 0; });
  CHECK(member.call("Echo", "", "heard").body == "heard");
}

TEST_CASE("What strangers send too much is counted by what it was, and each limit can be set") {
  const Cloud cloud;
  auto config = MemberNode::config_of(cloud.first);
  config.stranger_bytes_max = 20'000;
  config.stranger_frames_max = 10;
  config.stranger_streams_max = 3;
  MemberNode node(config);
  Caller member(node.address(), take(read_key_file(cloud.first + "/node_key")));
  eventually([&] { return count(member, "c") == 0; });
  // Connections are counted when they have ended, which may be after the other side has heard why.
  const auto check_counted = [&](std::uint64_t bytes, std::uint64_t frames, std::uint64_t streams) {
    nlohmann::json counted;
    eventually([&] {
      counted = nlohmann::json::parse(member.call("Stats").body)["strangers"];
      return counted["over_bytes"] == bytes && counted["over_frames"] == frames;
    });
    CHECK(counted["over_streams"] == streams);
  };
  check_counted(0, 0, 0);
  Caller greedy(node.address(), take(net::Tls::without_key()));
  greedy.call_at_once(2, "Count<c>", "", Bytes(15'000, 'x'), {});
  CHECK(contains(greedy.wait_closed().message, "20000 bytes (stranger_bytes_max)"));
  check_counted(1, 0, 0);
  Caller chatty(node.address(), take(net::Tls::without_key()));
  chatty.call_at_once(11, "Count<c>", "", "", {});
  CHECK(contains(chatty.wait_closed().message, "10 frames (stranger_frames_max)"));
  check_counted(1, 1, 0);
  Caller curious(node.address(), take(net::Tls::without_key()));
  const auto replies = curious.call_at_once(5, "Identify", "", "", {});
  for (std::size_t i = 0; i < 5; ++i) CHECK(replies[i].status == (i < 3 ? Code::kOk : Code::kPermissionDenied));
  CHECK(contains(replies[3].message, "more than 3 times (stranger_streams_max)"));
  check_counted(1, 1, 2);
  // Who has rights has none of these limits.
  for (const auto& reply : member.call_at_once(20, "Identify", "", "", {})) CHECK(reply.status == Code::kOk);
  CHECK(member.call("Echo", "", Bytes(30'000, 'x')).status == Code::kOk);
  check_counted(1, 1, 2);
}

TEST_CASE("Connections without rights are closed after a while; others stay") {
  const Cloud cloud;
  auto config = MemberNode::config_of(cloud.first);
  config.stranger_ms = 100;
  MemberNode node(config);
  Caller member(node.address(), take(read_key_file(cloud.first + "/node_key")));
  Caller stranger(node.address(), tls_of(SigningKey::generate()));
  Caller keyless(node.address(), take(net::Tls::without_key()));
  for (Caller* each : {&stranger, &keyless}) {
    const Error reason = each->wait_closed();
    CHECK(reason.code == Code::kUnauthenticated);
    CHECK(reason.message == "neither a key with rights nor a token within 100 ms");
  }
  // Its time has passed as well.
  CHECK(member.call("Echo", "", "heard").body == "heard");
}

TEST_CASE("A node whose key is no member's is no peer") {
  const Cloud cloud;
  auto config = MemberNode::config_of(cloud.first);
  config.stranger_ms = 100;
  MemberNode node(config);
  Caller stranger(node.address(), SigningKey::generate(), wire::Role::kNode);
  const auto reason = stranger.wait_closed();
  CHECK(reason.code == Code::kUnauthenticated);
  CHECK(contains(reason.message, "is no member of cluster"));
  // The root key speaks for the owner, not for a node.
  Caller root(node.address(), cloud.root, wire::Role::kNode);
  CHECK(root.wait_closed().code == Code::kUnauthenticated);
  Caller keyless(node.address(), take(net::Tls::without_key()), wire::Role::kNode);
  const auto without = keyless.wait_closed();
  CHECK(without.code == Code::kUnauthenticated);
  CHECK(contains(without.message, "must show its key"));
}

TEST_CASE("Programs of the machine need no key at the local address; nodes are not served there") {
  const Cloud cloud;
  MemberNode node(cloud.first, true);
  CHECK(node.local_address().port != node.address().port);
  wait_until_serving(node.local_address());
  RawClient local(node.local_address());
  CHECK(local.call("AddDocument<c>", "", R"({"_id":1})").status == Code::kOk);
  CHECK(json::parse(local.call("Members").body)["members"].size() == 1);
  const auto joining = local.call("Join", "", "garbage");
  CHECK(joining.status == Code::kUnauthenticated);
  CHECK(contains(joining.message, "encrypted"));
  Caller remote(node.address(), cloud.root);
  CHECK(count(remote, "c") == 1);

  RawClient peer(node.local_address(), true, wire::Role::kNode);
  const auto reason = peer.wait_closed();
  REQUIRE(reason);
  CHECK(reason->code == Code::kPermissionDenied);
  CHECK(contains(reason->message, "not for nodes"));
}

TEST_CASE("A local address beyond loopback, or of a node without keys, is an error") {
  const Cloud cloud;
  auto beyond = MemberNode::config_of(cloud.first);
  beyond.local_listen = Address{"0.0.0.0", 0};
  const auto refused = cloud::CloudNode(beyond).listen();
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::kPermissionDenied);
  CHECK(contains(refused.error().message, "not a loopback address"));

  const auto keyless = cloud::CloudNode(MemberNode::config_of(cloud.scratch.path("keyless"), true)).listen();
  REQUIRE(!keyless);
  CHECK(keyless.error().code == Code::kInvalidArgument);
  CHECK(contains(keyless.error().message, "for nodes with keys"));

  auto open = MemberNode::config_of(cloud.scratch.path("open"));
  open.listen = {"0.0.0.0", 0};
  CHECK(cloud::CloudNode(open).listen().error().code == Code::kPermissionDenied);
}

TEST_CASE("A node without keys is member of nothing") {
  const ScratchDirectory scratch;
  const RunningNode node(MemberNode::config_of(scratch.path("n")));
  RawClient client(node.address());
  for (const auto* service : {"Members", "Join", "OpenInvitation", "ChangeMembers"}) {
    CAPTURE(service);
    CHECK(client.call(service, "", "x").status == Code::kUnavailable);
  }
}

TEST_CASE("A node that hears that it was removed stops and does not start again") {
  const Cloud cloud;
  const std::string directory = cloud.add_member("second");
  const NodeId removed = take(read_key_file(directory + "/node_key")).public_key();
  {
    MemberNode second(directory);
    Caller owner(second.address(), cloud.root);
    const auto known = take(membership::MemberTable::load(owner.call("Members<table>").body));
    owner.call("ChangeMembers", "", cloud.without(known, removed).encode());
    const auto ended = second.wait();
    REQUIRE(!ended);
    CHECK(ended.error().code == Code::kPermissionDenied);
    CHECK(contains(ended.error().message, "was removed from cluster"));
  }
  const auto again = cloud::CloudNode(MemberNode::config_of(directory)).listen();
  REQUIRE(!again);
  CHECK(again.error().code == Code::kPermissionDenied);
  CHECK(contains(again.error().message, "was removed from"));
}

TEST_CASE("A node that is connected when another one hears of its removal stops, too") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string directory = cloud.scratch.path("second");
  const auto joined = take(join(directory, invite(cloud, first.address()), "second"));
  MemberNode second(directory);
  wait_for_nodes(first.address(), cloud.root, 2);
  Caller owner(first.address(), cloud.root);
  CHECK(owner.call("ChangeMembers", "", cloud.without(cloud.table(), joined.node).encode()).status == Code::kOk);
  const auto ended = second.wait();
  REQUIRE(!ended);
  CHECK(ended.error().code == Code::kPermissionDenied);
  CHECK(contains(ended.error().message, "was removed from cluster"));
  CHECK(!cloud::Cluster::open(directory));
  CHECK(owner.call("Stats").status == Code::kOk);
}

TEST_CASE("A member that nobody has heard of shows who let it in") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string directory = cloud.add_member("second");
  const NodeId joined = take(read_key_file(directory + "/node_key")).public_key();
  auto config = MemberNode::config_of(directory);
  config.peers = {first.address()};
  MemberNode second(config);
  eventually([&] { return cloud.table().is_member(joined); });
  eventually([&] {
    const auto table = *take(cloud::read_member_table(directory));
    return table.digest() == cloud.table().digest();
  });
}

TEST_CASE("A node that was away when it was removed hears it when it comes back") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string directory = cloud.scratch.path("second");
  eventually([&] { return !cloud.table().members()[0].addresses.empty(); });
  const auto joined = take(join(directory, invite(cloud, first.address()), "second"));
  Caller owner(first.address(), cloud.root);
  CHECK(owner.call("ChangeMembers", "", cloud.without(cloud.table(), joined.node).encode()).status == Code::kOk);
  MemberNode second(directory);
  const auto ended = second.wait();
  REQUIRE(!ended);
  CHECK(ended.error().code == Code::kPermissionDenied);
  CHECK(take(cloud::read_member_table(directory))->is_revoked(joined.node));
}

TEST_CASE("Who was removed is no peer and no client any more") {
  const Cloud cloud;
  const std::string directory = cloud.add_member("second");
  const SigningKey key = take(read_key_file(directory + "/node_key"));
  MemberNode first(cloud.first);
  Caller owner(first.address(), cloud.root);
  const auto known = *take(cloud::read_member_table(directory));
  CHECK(owner.call("ChangeMembers", "", known.encode()).status == Code::kOk);
  Caller member(first.address(), key);
  CHECK(member.call("Stats").status == Code::kOk);

  CHECK(owner.call("ChangeMembers", "", cloud.without(known, key.public_key()).encode()).status == Code::kOk);
  member.wait_closed();
  CHECK(!cloud.table().is_member(key.public_key()));
  Caller again(first.address(), key);
  CHECK(again.call("Stats").status == Code::kPermissionDenied);
  Caller peer(first.address(), key, wire::Role::kNode);
  const auto reason = peer.wait_closed();
  CHECK(reason.code == Code::kPermissionDenied);
  CHECK(contains(reason.message, "was removed from cluster"));
  CHECK(owner.call("Stats").status == Code::kOk);
}

TEST_CASE("Joining fails with what is wrong: the line, the name, the directory") {
  const Cloud cloud;
  const auto line = print(
      membership::JoinLine{cloud.table().cluster(), cloud.founded.node, {{"127.0.0.1", 1}}, SigningKey::generate()});
  const std::string directory = cloud.scratch.path("second");
  const auto error = [&](const std::string& where, std::string_view text, const std::string& name) {
    const auto joined = join(where, text, name);
    REQUIRE(!joined);
    CHECK(!contains(joined.error().message, std::string(line)));
    return joined.error();
  };
  std::string mistyped = line;
  mistyped[40] = mistyped[40] == 'A' ? 'B' : 'A';
  CHECK(error(directory, "", "second").code == Code::kInvalidArgument);
  CHECK(error(directory, "distri-join-", "second").code == Code::kInvalidArgument);
  CHECK(error(directory, mistyped, "second").code == Code::kInvalidArgument);
  CHECK(error(directory, line.substr(0, line.size() - 3), "second").code == Code::kInvalidArgument);
  CHECK(error(directory, line, "two words").code == Code::kInvalidArgument);
  CHECK(!fs::exists(directory));

  // The directory of a member of another cluster, or one that a node uses.
  const Cloud other;
  CHECK(error(other.first, line, "second").code == Code::kAlreadyExists);
  const RunningNode running(MemberNode::config_of(directory));
  CHECK(error(directory, line, "second").code == Code::kStorageFailed);
}

TEST_CASE("A sponsor that does not answer, or a stranger at its address, is unavailable") {
  const Cloud cloud;
  const Cloud stranger;
  MemberNode other(stranger.first);
  const RunningNode keyless;
  const auto line_to = [&](std::vector<Address> addresses) {
    return print(membership::JoinLine{cloud.table().cluster(), cloud.founded.node, std::move(addresses),
                                      SigningKey::generate()});
  };
  const auto error = [&](const std::string& line) {
    const auto joined = cloud::join_cluster(cloud.scratch.path("second"), line, "second", 1'000, {});
    REQUIRE(!joined);
    CHECK(joined.error().code == Code::kUnavailable);
    CHECK(!fs::exists(cloud.scratch.path("second") + "/membership"));
    return joined.error().message;
  };
  Address gone;
  {
    const RunningNode node;
    gone = node.address();
  }
  CHECK(contains(error(line_to({gone})), to_string(gone)));
  CHECK(contains(error(line_to({other.address()})), cloud.founded.node.short_hex()));
  CHECK(contains(error(line_to({keyless.address()})), "TLS"));
  // The next address is asked.
  MemberNode first(cloud.first);
  auto parsed = take(membership::parse_join_line(invite(cloud, first.address())));
  parsed.addresses = {gone, other.address(), first.address()};
  CHECK(take(join(cloud.scratch.path("second"), print(parsed), "second")).cluster == cloud.founded.cluster);
}

TEST_CASE("An invitation admits as many as the root said; the next gets the refusal") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  const std::string line = invite(cloud, first.address(), 2);
  const std::string late = cloud.scratch.path("late");
  const auto error = [&](std::string_view text, const std::string& name) {
    const auto joined = join(late, text, name);
    REQUIRE(!joined);
    CHECK(!fs::exists(late + "/membership"));
    return joined.error();
  };
  CHECK(join(cloud.scratch.path("second"), line, "second"));
  CHECK(error(line, "second").code == Code::kAlreadyExists);  // the name is taken
  CHECK(join(cloud.scratch.path("third"), line, "third"));
  CHECK(error(line, "fourth").code == Code::kCancelled);
  CHECK(contains(error(line, "fourth").message, "used up"));
  const auto unknown = print(
      membership::JoinLine{cloud.table().cluster(), cloud.founded.node, {first.address()}, SigningKey::generate()});
  CHECK(error(unknown, "fourth").code == Code::kNotFound);
  CHECK(cloud.table().members().size() == 3);
  // A new line helps.
  CHECK(join(late, invite(cloud, first.address()), "fourth"));
  CHECK(cloud.table().members().size() == 4);
}

TEST_CASE("A copy of a member's directory, with its key, is noticed: one of the two is refused") {
  const Cloud cloud;
  MemberNode first(cloud.first);
  Caller owner(first.address(), cloud.root);
  eventually([&] { return count(owner, "c") == 0; });
  const std::string directory = cloud.scratch.path("second");
  take(join(directory, invite(cloud, first.address()), "second"));
  const std::string copy = cloud.scratch.path("copy");
  fs::copy(directory, copy, fs::copy_options::recursive);
  MemberNode second(directory);
  wait_for_nodes(first.address(), cloud.root, 2);
  MemberNode twin(copy);
  eventually([&] { return json::parse(owner.call("Stats").body)["replication"]["identity_conflicts"].get<int>() > 0; });
  // They are one member, and what one of the two writes under its name is taken from one of them only.
  CHECK(json::parse(owner.call("Members").body)["members"].size() == 2);
  CHECK(json::parse(owner.call("Nodes").body)["nodes"].size() <= 2);
}
