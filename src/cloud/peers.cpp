#include "distri/cloud/peers.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace distri::cloud {
namespace {

constexpr std::int64_t kRedialFirstMs = 50;
constexpr std::int64_t kRedialMaxMs = 2'000;
// An address that was learned, not configured, and has not answered for so many tries is forgotten.
constexpr int kLearnedTriesMax = 60;

// A second node with our identity is not asked again soon.
constexpr int kCopyFailures = 7;

}  // namespace

// Keeps one address dialled.
class Peers::Dialler final : public net::ConnectionHandler {
 public:
  Dialler(Peers& peers, Address address, bool configured)
      : peers_(peers), address_(std::move(address)), configured_(configured) {}

  void dial() {
    if (peers_.leaving_ || own_) return;
    connection_ = net::Connection::dial(peers_.loop_, address_, peers_.hello_, peers_.options_, *this);
  }

  void close() {
    redial_.cancel();
    if (connection_) connection_->close(Error{Code::kCancelled, "this node is stopping"});
  }

  bool tried() const { return own_ || up_ || failures_ > 0 || ever_up_; }
  bool configured() const { return configured_; }
  bool forgotten() const { return !configured_ && !connection_ && failures_ > kLearnedTriesMax; }

  void on_hello(const wire::Hello& theirs) override {
    if (theirs.node == peers_.hello_.node && theirs.incarnation == peers_.hello_.incarnation) {
      own_ = true;
      connection_->close(Error{Code::kCancelled, "this address is this node itself"});
      return;
    }
    if (theirs.role != wire::Role::kNode) {
      connection_->close(Error{Code::kProtocolError, "the other side is not a node"});
      return;
    }
    up_ = ever_up_ = true;
    failures_ = 0;
    node_ = theirs.node;
    if (auto result = peers_.link_up(theirs, connection_, true); !result) {
      up_ = false;
      failures_ = kCopyFailures;
      connection_->session().goodbye(result.error());
      connection_->close(result.error());
    }
  }

  void on_message(std::uint16_t kind, BytesView payload) override {
    if (auto result = peers_.receive(node_, kind, payload); !result) {
      connection_->session().goodbye(result.error());
      connection_->close(result.error());
    }
  }

  void on_goodbye(const Error& error) override {
    peers_.log_.info("{} says goodbye: {}", to_string(address_), error.message);
  }

  void on_closed(const Error& reason) override {
    if (up_) {
      peers_.log_.info("link to {} ended: {}", to_string(address_), to_string(reason));
      peers_.link_down(node_, connection_.get());
    } else if (failures_ == 0 && !own_) {
      peers_.log_.info("cannot reach {} ({}); trying on", to_string(address_), to_string(reason));
    }
    up_ = false;
    ++failures_;
    // `this` is the handler of the connection until this call returns: release it later.
    peers_.loop_.post([connection = std::move(connection_)] {});
    connection_ = nullptr;
    if (peers_.leaving_ || own_) return;
    const std::int64_t pause = std::min(kRedialMaxMs, kRedialFirstMs << std::min(failures_ - 1, 6));
    const auto jitter = static_cast<std::int64_t>(peers_.random_.below(static_cast<std::uint64_t>(pause / 2 + 1)));
    redial_ = peers_.loop_.after(pause + jitter, [this] { dial(); });
  }

 private:
  Peers& peers_;
  const Address address_;
  const bool configured_;
  std::shared_ptr<net::Connection> connection_;
  net::Timer redial_;
  NodeId node_;
  int failures_ = 0;
  bool up_ = false;
  bool ever_up_ = false;
  bool own_ = false;
};

Peers::Peers(net::Loop& loop, replication::Replica& replica, const Clock& clock, Random& random, Log log,
             Cluster* cluster)
    : loop_(loop), replica_(replica), clock_(clock), random_(random), log_(std::move(log)), cluster_(cluster) {}

Peers::~Peers() = default;

void Peers::start(const std::vector<Address>& configured, const Address& own, wire::Hello hello,
                  net::ConnectionOptions options) {
  own_address_ = to_string(own);
  hello_ = std::move(hello);
  options_ = options;
  // A node link carries whole batches both ways; stopping to read because the other side is slow to read could stop
  // both for good.
  options_.outbound_bytes_high = SIZE_MAX;
  if (cluster_ != nullptr) {
    options_.tls = cluster_->tls();
    options_.admit = [this](const std::optional<NodeId>& key) { return cluster_->admit_node(key); };
  }
  for (const auto& address : configured) {
    const std::string text = to_string(address);
    if (text == own_address_ || diallers_.contains(text)) continue;
    diallers_[text] = std::make_unique<Dialler>(*this, address, true);
    diallers_[text]->dial();
  }
}

void Peers::leave(const std::string& reason) {
  leaving_ = true;
  replica_.announce_leaving(reason);
  send_outgoing();
}

void Peers::close() {
  for (auto& [address, dialler] : diallers_) dialler->close();
}

void Peers::learn(const std::string& address) {
  if (leaving_ || address.empty() || address == own_address_ || diallers_.contains(address)) return;
  absl::erase_if(diallers_, [](const auto& entry) { return entry.second->forgotten(); });
  if (diallers_.size() >= kAddressesMax) return;
  const auto parsed = parse_address(address);
  if (!parsed || parsed->port == 0) return;
  log_.info("learned of node {}", address);
  auto& dialler = diallers_[address] = std::make_unique<Dialler>(*this, *parsed, false);
  dialler->dial();
}

std::unexpected<Error> Peers::refuse_copy(const wire::Hello& theirs) {
  ++identity_conflicts_;
  Error error{Code::kAlreadyExists,
              fmt::format("node {} runs twice (incarnations {} and another; {}): its data directory was copied; remove "
                          "the file node_id from the copy, which makes it a node of its own, and start it again",
                          theirs.node.short_hex(), theirs.incarnation,
                          theirs.address.empty() ? "address unknown" : theirs.address)};
  if (cluster_ != nullptr) {
    error.message = fmt::format(
        "node {} runs twice: its data directory was copied, with its key; stop the copy, and let that machine join "
        "with an "
        "empty directory",
        theirs.node.short_hex());
  }
  log_.error("{}", error.message);
  return fail(std::move(error));
}

Result<> Peers::link_up(const wire::Hello& theirs, const std::shared_ptr<net::Connection>& link, bool dialled) {
  if (theirs.node == hello_.node) {
    if (theirs.incarnation != hello_.incarnation) return refuse_copy(theirs);
    return {};  // ourselves, seen from the accepting side
  }
  if (const auto known = links_.find(theirs.node); known != links_.end()) {
    const std::uint64_t current = known->second.front().incarnation;
    if (theirs.incarnation < current) return refuse_copy(theirs);
    if (theirs.incarnation > current) {
      log_.info("node {} has started anew", theirs.node.short_hex());
      const std::vector<Link> old = std::move(known->second);
      links_.erase(known);
      replica_.peer_disconnected(theirs.node);
      for (const Link& each : old) each.connection->close(Error{Code::kConnectionLost, "the node has started anew"});
    }
  }
  auto& links = links_[theirs.node];
  links.push_back({link, dialled, theirs.incarnation});
  if (links.size() == 1) {
    log_.info("connected to node {} at {}", theirs.node.short_hex(), theirs.address);
    replica_.peer_connected(theirs.node, clock_.wall_ms(), theirs.version_max >= wire::kTreeVersion);
  }
  if (cluster_ != nullptr) send(*link, cluster_->digest());
  learn(theirs.address);
  return {};
}

void Peers::send(net::Connection& link, const Cluster::Outgoing& message) {
  if (auto sent = link.session().send_message(static_cast<std::uint16_t>(message.kind), message.payload); !sent) {
    log_.warning("cannot send to {}: {}", link.remote(), to_string(sent.error()));
  }
}

void Peers::send_probe(const NodeId& to, BytesView bytes) {
  net::Connection* link = best_link(to);
  // Behind so much it would come too late to say anything.
  if (link == nullptr || link->outbound_bytes() > kPushBacklogBytesMax) return;
  if (link->session().peer().version_max < wire::kProbeVersion) return;
  if (link->session().send_message(kProbeMessage, bytes)) link->flush();
}

void Peers::tell_all(const Cluster::Outgoing& message) {
  for (const auto& [node, links] : links_) {
    if (net::Connection* link = best_link(node)) send(*link, message);
  }
}

bool Peers::question(net::Connection& link, const std::optional<NodeId>& key) {
  if (cluster_ == nullptr || !key || leaving_) return false;
  const auto asked = cluster_->question(*key);
  if (asked) send(link, *asked);
  return asked.has_value();
}

Result<> Peers::hear_stranger(net::Connection& link, std::uint16_t kind, BytesView payload) {
  DISTRI_TRY_VOID(cluster_->receive(static_cast<Cluster::Message>(kind), payload));
  if (const auto farewell = cluster_->farewell_to_former(*link.peer_key(), payload)) send(link, *farewell);
  return {};
}

void Peers::close_refused() {
  std::vector<std::pair<std::shared_ptr<net::Connection>, Error>> refused;
  for (const auto& [node, links] : links_) {
    const auto admitted = cluster_->admit_node(node);
    if (admitted) continue;
    for (const Link& link : links) refused.emplace_back(link.connection, admitted.error());
  }
  for (const auto& [link, reason] : refused) refuse(*link, link->peer_key(), reason);
}

void Peers::refuse(net::Connection& link, const std::optional<NodeId>& key, const Error& reason) {
  const bool is_node = link.session().ready() && link.session().peer().role == wire::Role::kNode;
  if (is_node && cluster_ != nullptr && key) {
    if (const auto farewell = cluster_->farewell(*key, links_.contains(*key))) send(link, *farewell);
  }
  link.session().goodbye(reason);
  link.close(reason);
}

void Peers::link_down(const NodeId& node, const net::Connection* link) {
  const auto it = links_.find(node);
  if (it == links_.end()) return;
  std::erase_if(it->second, [&](const Link& entry) { return entry.connection.get() == link; });
  if (!it->second.empty()) return;
  links_.erase(it);
  log_.info("disconnected from node {}", node.short_hex());
  replica_.peer_disconnected(node);
}

Result<> Peers::receive(const NodeId& from, std::uint16_t kind, BytesView payload) {
  if (!links_.contains(from)) return {};
  if (cluster_ != nullptr && Cluster::is_kind(kind)) {
    DISTRI_TRY(const auto heard, cluster_->receive(static_cast<Cluster::Message>(kind), payload));
    if (heard.agrees) replica_.peer_agrees(from, *heard.agrees);
    if (heard.answer) {
      if (net::Connection* link = best_link(from)) send(*link, *heard.answer);
    }
    return {};
  }
  if (kind == kProbeMessage && probe_) return probe_(from, payload);
  DISTRI_TRY_VOID(replica_.receive(from, static_cast<replication::MessageKind>(kind), payload, clock_.wall_ms()));
  if (static_cast<replication::MessageKind>(kind) == replication::MessageKind::kUpdateInfo) {
    const auto& known = replica_.peers();
    if (const auto it = known.find(from); it != known.end()) {
      const std::vector<std::string> addresses = it->second.known_addresses;
      for (const auto& address : addresses) learn(address);
    }
  }
  return {};
}

net::Connection* Peers::best_link(const NodeId& node) const {
  const auto it = links_.find(node);
  if (it == links_.end()) return nullptr;
  net::Connection* best = nullptr;
  for (const auto& link : it->second) {
    if (link.connection->closed() || !link.connection->session().ready()) continue;
    if (best == nullptr || link.dialled) best = link.connection.get();
  }
  return best;
}

void Peers::send_outgoing() {
  auto outgoing = replica_.take_outgoing();
  if (outgoing.empty()) return;
  std::vector<net::Connection*> touched;
  for (const auto& message : outgoing) {
    auto* link = best_link(message.to);
    if (link == nullptr) continue;
    const bool push =
        message.kind == replication::MessageKind::kBatch || message.kind == replication::MessageKind::kTreeBatch;
    if (push && link->outbound_bytes() > kPushBacklogBytesMax) continue;
    if (auto sent = link->session().send_message(static_cast<std::uint16_t>(message.kind), *message.payload); !sent) {
      log_.warning("cannot send to node {}: {}", message.to.short_hex(), to_string(sent.error()));
      continue;
    }
    if (std::find(touched.begin(), touched.end(), link) == touched.end()) touched.push_back(link);
  }
  for (auto* link : touched) link->flush();
}

bool Peers::all_tried() const {
  return std::all_of(diallers_.begin(), diallers_.end(),
                     [](const auto& entry) { return !entry.second->configured() || entry.second->tried(); });
}

bool Peers::heard_from_all() const {
  return std::all_of(links_.begin(), links_.end(),
                     [&](const auto& entry) { return replica_.peers().contains(entry.first); });
}

bool Peers::hears_one_that_knows() const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& entry) {
    const auto info = replica_.peers().find(entry.first);
    return info != replica_.peers().end() && !info->second.newcomer;
  });
}

std::vector<std::string> Peers::connected_addresses() const {
  std::vector<std::string> result;
  for (const auto& [node, links] : links_) {
    const auto it = replica_.peers().find(node);
    if (it != replica_.peers().end()) result.push_back(it->second.address);
  }
  return result;
}

}  // namespace distri::cloud
