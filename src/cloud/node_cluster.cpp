// The part of CloudNode that is a member of a cluster with keys.
#include <algorithm>
#include <utility>

#include "distri/cloud/node_impl.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {
namespace {

// Everybody can tell these apart from an address: nobody can dial them.
bool is_wildcard(const Address& address) {
  return address.host == "0.0.0.0" || address.host == "::";
}

}  // namespace

void CloudNode::Impl::start_cluster() {
  cluster->start({[this](std::function<void()> task) { return pool->submit(std::move(task)); },
                  [this](std::function<void()> function) { loop.post(std::move(function)); },
                  [this] { members_changed(); }, config.log});
  if (is_wildcard(own_address)) {
    config.log.warning("others cannot be told where to reach this node, as it listens at {}; say it with --advertise",
                       to_string(own_address));
  } else if (auto announced = cluster->announce({own_address}); !announced) {
    config.log.error("this node's address is not announced: {}", to_string(announced.error()));
  }
  members_changed();
  config.log.info("member of cluster {} of {} nodes", cluster->table().cluster().short_hex(),
                  cluster->table().members().size());
}

void CloudNode::Impl::members_changed() {
  const auto& table = cluster->table();
  members = static_cast<std::uint32_t>(table.members().size());
  std::vector<NodeId> nodes;
  for (const auto& member : table.members()) nodes.push_back(member.node);
  replica->set_members(nodes, table.knows_all_kept());
  for (const auto& member : table.members()) {
    if (member.node == node_id) continue;
    for (const Address& address : member.addresses) peers->learn(to_string(address));
  }
  detector->set_members(nodes);
  peers->tell_all(cluster->digest());
  if (!table.is_member(node_id) && !stop_error) {
    stop_error = Error{Code::kPermissionDenied, fmt::format("node {} was removed from cluster {}", node_id.short_hex(),
                                                            table.cluster().short_hex())};
    loop.post([this] { begin_stop(stop_error->message); });
  }
  // Closing changes the list; it happens in a later turn, and closes with the reason.
  std::vector<std::pair<std::shared_ptr<net::Connection>, Error>> refused;
  for (const auto& [raw, connection] : connections) {
    auto& link = connection->connection();
    if (!link.peer_key()) continue;
    const auto admitted = cluster->admit_node(link.peer_key());
    const bool loses =
        connection->from_node() ? !admitted : connection->trusted() && !cluster->trusts_client(link.peer_key());
    if (loses) refused.emplace_back(link.shared_from_this(), admitted ? Error{} : admitted.error());
  }
  for (const auto& [link, reason] : refused) peers->refuse(*link, link->peer_key(), reason);
  peers->close_refused();
}

void CloudNode::Impl::probe() {
  const std::int64_t now_ms = clock.monotonic_ns() / 1'000'000;
  if (now_ms < detector->next_ms()) return;
  detector->on_time(now_ms);
  send_probes();
}

Result<> CloudNode::Impl::receive_probe(const NodeId& from, BytesView bytes) {
  auto heard = detector->receive(clock.monotonic_ns() / 1'000'000, from, bytes);
  // Whoever is no member (any more) loses the link for that, and not for what crossed it.
  if (!heard && heard.error().code == Code::kPermissionDenied) return {};
  send_probes();
  return heard;
}

void CloudNode::Impl::send_probes() {
  for (const auto& message : detector->take_messages()) peers->send_probe(message.to, message.bytes);
  for (const auto& change : detector->take_changes()) {
    const std::string_view source = change.own ? "found out here" : "said by another node";
    if (change.health == membership::Health::kDead) {
      config.log.warning("node {} does not answer ({})", change.node.short_hex(), source);
    } else {
      config.log.info("node {} is {} ({})", change.node.short_hex(), health_name(change.health), source);
    }
  }
}

// Where there are no keys, whoever is connected counts as answering.
bool CloudNode::Impl::answers(const NodeId& node) const {
  return peers->connected(node) && (!detector || detector->health(node) != membership::Health::kDead);
}

void CloudNode::Impl::check_access() {
  constexpr std::int64_t kExpiryNs = 1'000'000'000;
  const std::int64_t now_ns = clock.monotonic_ns();
  const bool changed = access->changed();
  if (!changed && now_ns - access_checked_ns < kExpiryNs) return;
  access_checked_ns = now_ns;
  const std::int64_t now_ms = clock.wall_ms();
  for (const auto& [raw, connection] : connections) {
    const auto& credential = connection->credential();
    if (!credential || connection->connection().closed()) continue;
    if (!changed && !(credential->expires_ms && *credential->expires_ms <= now_ms)) continue;
    if (const auto good = access->still_good(*credential); !good) connection->turn_out(good.error());
  }
}

void CloudNode::Impl::run_membership(MembershipCall call) {
  if (!cluster) {
    return call.done(
        fail(Code::kUnavailable, "this node has no key and is member of no cluster; 'distri cluster init' founds one"));
  }
  const std::int64_t now_ms = clock.wall_ms();
  if (call.service == "Join") {
    if (call.binding.empty()) {
      return call.done(fail(Code::kUnauthenticated, "Join needs an encrypted connection, to the node's own address"));
    }
    return cluster->join(call.body, call.binding, now_ms, std::move(call.done));
  }
  if (call.service == "Identify") return call.done(cluster->table().proof_of(node_id));
  if (call.service == "OpenInvitation") return cluster->open_invitation(call.body, now_ms, std::move(call.done));
  if (call.service == "ChangeMembers") return cluster->change(call.body, std::move(call.done));
  // Members: for people, or as it is kept.
  if (call.target == "table") return call.done(cluster->table().encode());
  const auto health = [this](const NodeId& node) {
    return health_name(node == node_id ? membership::Health::kAlive : detector->health(node));
  };
  call.done(render_document(cluster->describe(health), call.format));
}

}  // namespace distri::cloud
