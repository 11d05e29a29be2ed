// Commands about a cluster with keys: founding, inviting, removing, its members.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "distri/cli/command_groups.hpp"
#include "distri/cli/machine_name.hpp"
#include "distri/cli/member_files.hpp"
#include "distri/cli/remote.hpp"
#include "distri/cli/units.hpp"
#include "distri/cloud/cluster_setup.hpp"
#include "distri/membership/join_line.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/key_file.hpp"

namespace distri::cli {
namespace {

using membership::MemberTable;

// ---- keygen, cluster init

Result<> keygen(const Arguments& arguments) {
  const SigningKey key = SigningKey::generate();
  DISTRI_TRY_VOID(write_key_file(*arguments.positional(0), key));
  print_line(arguments.flag("json") ? Json{{"public_key", key.public_key().hex()}}.dump() : key.public_key().hex());
  return {};
}

Result<> cluster_init(const Arguments& arguments) {
  const std::string directory = *arguments.positional(0);
  const std::string name = arguments.text("name").value_or(machine_name());
  DISTRI_TRY(const auto founded, cloud::found_cluster(directory, name));
  if (arguments.flag("json")) {
    print_line(Json{{"cluster", founded.cluster}, {"node", founded.node.hex()}, {"name", name}}.dump());
    return {};
  }
  print_line(fmt::format("cluster {} with the node {} ({})", founded.cluster, name, founded.node.short_hex()));
  print_line(fmt::format("its root key: {}/{} (invites and removes; keep it secret)", directory, cloud::kRootKeyFile));
  print_line(fmt::format(
      "the next one: {}/{} (replaces the root key when that is lost or stolen: move it to another place now)",
      directory, cloud::kNextRootKeyFile));
  print_line(fmt::format("start the node: distri serve --data-dir {}", directory));
  return {};
}

// ---- What the root key signs.

// The root key, and the table of members as a node knows it now.
struct Root {
  Remote remote;
  SigningKey key;
  MemberTable table;
};

Result<std::string> data_dir_of(const Arguments& arguments) {
  if (const auto directory = arguments.text("data-dir")) return *directory;
  if (const char* variable = std::getenv("DISTRI_DATA_DIR")) return std::string(variable);
  return fail(Code::kInvalidArgument, "--data-dir is missing: the directory of a node of the cluster, on this machine");
}

Result<MemberTable> fetch_table(Remote& remote, const membership::ClusterId& cluster) {
  client::CallOptions options = remote.options();
  options.idempotent = true;
  DISTRI_TRY(const client::Reply reply, remote.client().call_encoded({}, "Members<table>", {}, options));
  DISTRI_TRY(MemberTable table, MemberTable::load(reply.body));
  if (table.cluster() != cluster) {
    return fail(Code::kUnauthenticated, "the node there is of cluster {}, this directory of cluster {}",
                table.cluster().short_hex(), cluster.short_hex());
  }
  return table;
}

Result<Root> open_root(const Arguments& arguments) {
  DISTRI_TRY(const std::string directory, data_dir_of(arguments));
  DISTRI_TRY(const auto member, read_member(directory));
  if (!member) {
    return fail(Code::kInvalidArgument, "{} belongs to no cluster; found one with 'distri cluster init {}'", directory,
                directory);
  }
  DISTRI_TRY(SigningKey key,
             read_key_file(arguments.text("root-key").value_or(fmt::format("{}/{}", directory, cloud::kRootKeyFile))));
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(MemberTable table, fetch_table(remote, member->table->cluster()));
  if (table.authority().root != key.public_key()) {
    return fail(Code::kUnauthenticated, "this is not the root key of cluster {}, which is {}; name it with --root-key",
                table.cluster().short_hex(), table.authority().root.hex());
  }
  return Root{std::move(remote), std::move(key), std::move(table)};
}

Result<> send(Root& root, std::string_view service, BytesView body) {
  DISTRI_TRY_VOID(root.remote.client().call_encoded(body, service, {}, root.remote.options()));
  return {};
}

Result<> invite(const Arguments& arguments) {
  auto expires = parse_duration_ms(arguments.text("expires").value_or("10m"));
  if (!expires || *expires < 1'000) {
    return fail(Code::kInvalidArgument, "--expires: {}", expires ? "must be at least 1s" : expires.error().message);
  }
  DISTRI_TRY(const std::uint64_t uses, arguments.number("uses", 1, 1, membership::kUsesMax));
  DISTRI_TRY(Root root, open_root(arguments));
  // The sponsor is the node of this directory unless another one is named.
  DISTRI_TRY(const std::string directory, data_dir_of(arguments));
  DISTRI_TRY(const auto member, read_member(directory));
  NodeId sponsor = member->key.public_key();
  if (const auto name = arguments.text("sponsor")) {
    DISTRI_TRY(sponsor, root.table.find(*name));
  }
  const auto* entry = root.table.member(sponsor);
  if (entry == nullptr) return fail(Code::kNotFound, "{} is no member of the cluster", sponsor.short_hex());
  std::vector<Address> addresses = entry->addresses;
  if (const auto given = arguments.text("address")) {
    auto parsed = parse_addresses(*given);
    if (!parsed) return fail(Code::kInvalidArgument, "--address: {}", parsed.error().message);
    addresses = *std::move(parsed);
  }
  if (auto checked = membership::check_addresses(addresses); !checked) {
    return fail(Code::kInvalidArgument, "the address of {} is not known; say it with --address", entry->name);
  }
  membership::JoinLine line{root.table.cluster(), sponsor, addresses, SigningKey::generate()};
  const auto invitation = membership::invite(root.table.authority(), root.key, line.invitation.public_key(), sponsor,
                                             SystemClock().wall_ms() + *expires, static_cast<std::uint16_t>(uses));
  Bytes body;
  wire::Writer out(body);
  membership::encode(out, invitation);
  // Only the sponsor can open it.
  client::CallOptions options = root.remote.options();
  options.only_node = addresses.front();
  if (sponsor == member->key.public_key()) options.only_node = root.remote.nodes().front();
  DISTRI_TRY_VOID(root.remote.client().call_encoded(body, "OpenInvitation", {}, options));
  const std::string printed = membership::print(line);
  print_line(arguments.flag("json")
                 ? Json{{"line", printed}, {"expires_ms", invitation.expires_ms}, {"uses", uses}}.dump()
                 : printed);
  return {};
}

Result<> revoke_one(const Arguments& arguments, membership::Reason reason) {
  DISTRI_TRY(Root root, open_root(arguments));
  DISTRI_TRY(const NodeId node, root.table.find(*arguments.positional(0)));
  NodeId by;
  if (const auto name = arguments.text("by")) {
    DISTRI_TRY(by, root.table.find(*name));
  }
  const std::string name = root.table.member(node)->name;
  if (root.table.members().size() == 1) {
    return fail(Code::kInvalidArgument, "{} is the last member of the cluster", name);
  }
  const Bytes before = root.table.summary();
  DISTRI_TRY_VOID(root.table.add(membership::revoke(root.table.authority(), root.key, node, reason, by,
                                                    SystemClock().wall_ms(), root.table.sponsored_by(node))));
  DISTRI_TRY(const Bytes statements, root.table.missing(before));
  DISTRI_TRY_VOID(send(root, "ChangeMembers", statements));
  print_line(arguments.flag("json") ? Json{{"node", node.hex()}, {"name", name}}.dump()
                                    : fmt::format("{} ({}) is removed", name, node.short_hex()));
  return {};
}

Result<> remove(const Arguments& arguments) {
  return revoke_one(arguments, membership::Reason::kRemoved);
}

Result<> replace(const Arguments& arguments) {
  return revoke_one(arguments, membership::Reason::kReplaced);
}

// What each member of the table knows, into the table. The names of those that did not say.
Result<std::vector<std::string>> ask_members(Remote& remote, MemberTable& table) {
  constexpr std::int64_t kAskMs = 5'000;
  std::vector<std::string> silent;
  const std::vector<MemberTable::Member> members = table.members();
  for (const MemberTable::Member& member : members) {
    bool told = false;
    for (const Address& address : member.addresses) {
      client::CallOptions options = remote.options();
      options.idempotent = true;
      options.only_node = address;
      options.timeout_ms = options.timeout_ms == 0 ? kAskMs : std::min(options.timeout_ms, kAskMs);
      const auto reply = remote.client().call_encoded({}, "Members<table>", {}, options);
      if (!reply) continue;
      DISTRI_TRY_VOID(table.merge(reply->body));
      told = true;
      break;
    }
    if (!told) silent.push_back(member.name);
  }
  return silent;
}

// Of statements of the old root only what the change lists counts from then on: an admission or removal that it does
// not know of is undone. So everybody is asked first.
Result<> rotate(const Arguments& arguments) {
  DISTRI_TRY(const std::string directory, data_dir_of(arguments));
  DISTRI_TRY(const auto member, read_member(directory));
  if (!member) return fail(Code::kInvalidArgument, "{} belongs to no cluster", directory);
  DISTRI_TRY(const SigningKey next, read_key_file(*arguments.positional(0)));
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(MemberTable table, fetch_table(remote, member->table->cluster()));
  if (membership::digest_of(next.public_key()) != table.next_root()) {
    return fail(Code::kUnauthenticated, "{} is not the next root key that was promised", *arguments.positional(0));
  }
  const Bytes before = table.summary();
  DISTRI_TRY(const auto silent, ask_members(remote, table));
  if (!silent.empty() && !arguments.flag("force")) {
    return fail(
        Code::kUnavailable,
        "{} did not say whom they know as members: removals and admissions that only they have heard of would be "
        "undone; try again when they answer, or with --force if they are lost",
        fmt::join(silent, ", "));
  }
  const std::string after_path = *arguments.positional(1);
  const SigningKey after = SigningKey::generate();
  DISTRI_TRY_VOID(write_key_file(after_path, after));
  DISTRI_TRY(const auto change, table.change_root(next, membership::digest_of(after.public_key()), table.roll()));
  DISTRI_TRY_VOID(table.add(change));
  DISTRI_TRY(const Bytes statements, table.missing(before));
  DISTRI_TRY_VOID(remote.client().call_encoded(statements, "ChangeMembers", {}, remote.options()));
  print_line(arguments.flag("json")
                 ? Json{{"root", next.public_key().hex()}, {"epoch", table.epoch()}}.dump()
                 : fmt::format("{} is the root key now (epoch {}); the next one is {}: move it to another place now",
                               *arguments.positional(0), table.epoch(), after_path));
  return {};
}

std::string shown_time(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm time{};
  std::array<char, 32> text{};
  if (::gmtime_r(&seconds, &time) == nullptr) return "-";
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &time)};
}

Result<> members(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.read("Members", {}));
  if (arguments.flag("json")) {
    print_line(reply.dump());
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "NODE", "STATE", "HEALTH", "SINCE", "ADDRESSES"}};
  for (const Json& each : reply["members"]) {
    std::vector<std::string> addresses = each["addresses"].get<std::vector<std::string>>();
    rows.push_back({each["name"].get<std::string>(), each["node"].get<std::string>().substr(0, 8), "member",
                    each["health"].get<std::string>(), shown_time(each["admitted_ms"].get<std::int64_t>()),
                    fmt::format("{}", fmt::join(addresses, ","))});
  }
  for (const Json& each : reply["revoked"]) {
    rows.push_back({"-", each["node"].get<std::string>().substr(0, 8), each["reason"].get<std::string>(), "-",
                    shown_time(each["at_ms"].get<std::int64_t>()), ""});
  }
  print_table(rows);
  print_line(fmt::format("cluster {}", reply["cluster"].get<std::string>()));
  return {};
}

}  // namespace

std::string machine_name() {
  std::array<char, 256> host{};
  std::string name = ::gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "";
  name.resize(std::min({name.find('.'), name.size(), membership::kNameBytesMax}));
  std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '_'; });
  name.erase(0, std::min(name.find_first_not_of("-_"), name.size()));
  return name.empty() ? "node" : name;
}

std::vector<Command> cluster_commands() {
  const Option root_key{"root-key", "FILE", "the cluster's root key (default: root_key in --data-dir)", Expects::kFile};
  const Positional node{"NODE", "its name, an address, or the first digits of its key"};
  return {
      {"keygen",
       "make a key in a file that only its owner can read, and print its public half",
       {{"FILE", "its name; nothing is overwritten", false, false, Expects::kFile}},
       {},
       "",
       "distri keygen admin_key",
       keygen},
      {"cluster init",
       "found a cluster with keys, of which this node is the first member",
       {{"DATA_DIR", "the node's data directory, new or used before", false, false, Expects::kDirectory}},
       {{"name", "NAME", "what the node is called (default: the machine's name)"}},
       "From then on the node encrypts all its links and speaks to members only. Two more keys are made: the root key, "
       "which "
       "invites and removes, and the next root key, which takes its place when it is lost or stolen.",
       "distri cluster init /var/lib/distri --name hall-1",
       cluster_init},
      {"cluster rotate",
       "put the next root key in the place of the root key, and make the one after it",
       {{"KEY", "the next root key, from 'cluster init' or the last rotation", false, false, Expects::kFile},
        {"NEXT", "a file for the one after it; it is made", false, false, Expects::kFile}},
       with_remote({{"force", "", "also when some members do not answer, whose news are lost then"}}),
       "Invitations that the old root key has signed are void. All members stay; remove those whom a thief may have "
       "admitted. All members are asked first for what they know.",
       "distri cluster rotate next_root_key third_root_key --data-dir /var/lib/distri",
       rotate},
      {"invite",
       "print a line with which a new machine joins: distri serve --join LINE",
       {},
       with_remote({{"expires", "TIME", "how long it is good for (default: 10m)"},
                    {"uses", "N", "how many machines may use it (default: 1)"},
                    {"sponsor", "NODE", "the member that lets them in (default: the node of --data-dir)"},
                    {"address", "A,B", "where the new machine reaches it (default: what it announces)"},
                    root_key}),
       "Whoever reads the line may join until it is used up or has expired: it is as secret as a password.",
       "distri invite --data-dir /var/lib/distri\n"
       "distri invite --data-dir /var/lib/distri --expires 1h --uses 5",
       invite},
      {"members",
       "list the members of the cluster, and who was removed",
       {},
       with_remote({}),
       "",
       "distri members --data-dir /var/lib/distri",
       members},
      {"remove",
       "remove a node from the cluster for ever: nobody speaks to it any more",
       {node},
       with_remote({root_key}),
       "The machine can join again with an empty data directory and a new invitation.",
       "distri remove hall-2 --data-dir /var/lib/distri",
       remove},
      {"replace",
       "remove a node that is lost for good, and say which member has taken its place",
       {node},
       with_remote({{"by", "NODE", "the new member"}, root_key}),
       "",
       "distri replace hall-2 --by hall-2b --data-dir /var/lib/distri",
       replace},
  };
}

}  // namespace distri::cli
