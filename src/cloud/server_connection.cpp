#include "distri/cloud/server_connection.hpp"

#include <tuple>
#include <utility>
#include <vector>

#include "distri/cloud/cluster.hpp"
#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/peers.hpp"

namespace distri::cloud {
namespace {

// A streamed reply drops what it has sent from its buffer in steps of this.
constexpr std::size_t kCompactBytes = 256u << 10;

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<net::Connection> connection, Dispatcher& dispatcher, Peers& peers,
                                   const Cluster* cluster, Access* access, bool local,
                                   std::function<void(ServerConnection*)> closed)
    : connection_(std::move(connection)),
      dispatcher_(dispatcher),
      peers_(peers),
      cluster_(cluster),
      access_(access),
      local_(local),
      closed_(std::move(closed)) {}

ServerConnection::~ServerConnection() = default;

void ServerConnection::add(const std::shared_ptr<Request>& request) {
  requests_[request->stream] = request;
}

void ServerConnection::remove(Request& request) {
  unsent_reply_bytes_ -= request.reply.size() - request.reply_offset;
  set_reading_bytes(request, 0);
  request.reply.clear();
  request.reply_offset = 0;
  request.connection = nullptr;
  requests_.erase(request.stream);
}

void ServerConnection::set_reading_bytes(Request& request, std::size_t bytes) {
  reading_bytes_ = reading_bytes_ - request.reading_bytes + bytes;
  request.reading_bytes = bytes;
}

std::shared_ptr<Request> ServerConnection::reply(std::uint32_t stream, std::shared_ptr<Request> request,
                                                 const wire::ReplyHead& head, Bytes body) {
  auto& session = connection_->session();
  std::size_t sent = session.send_reply(stream, head, body, true);
  // What is over the inline limit goes on at once as far as the window allows.
  if (sent < body.size()) sent += session.send_data(stream, BytesView(body).substr(sent), true);
  if (sent == body.size()) return nullptr;
  if (!request) {
    request = std::make_shared<Request>();
    request->connection = this;
    request->stream = stream;
    add(request);
  }
  request->stage = Request::Stage::kReplying;
  request->reply = std::move(body);
  request->reply_offset = sent;
  request->reply_complete = true;
  unsent_reply_bytes_ += request->reply.size() - sent;
  return request;
}

std::size_t ServerConnection::send_more(Request& request, BytesView more) {
  auto& session = connection_->session();
  if (request.reply.empty()) {
    // The usual case copies nothing.
    const std::size_t sent = session.send_data(request.stream, more, request.reply_complete);
    request.reply = more.substr(sent);
    unsent_reply_bytes_ += request.reply.size();
    return sent;
  }
  request.reply.append(more);
  unsent_reply_bytes_ += more.size();
  const BytesView rest = BytesView(request.reply).substr(request.reply_offset);
  const std::size_t sent = session.send_data(request.stream, rest, request.reply_complete);
  request.reply_offset += sent;
  unsent_reply_bytes_ -= sent;
  if (request.reply_offset == request.reply.size()) {
    request.reply.clear();
    request.reply_offset = 0;
  } else if (request.reply_offset > kCompactBytes && !request.reply_complete) {
    request.reply.erase(0, request.reply_offset);
    request.reply_offset = 0;
  }
  return sent;
}

void ServerConnection::on_hello(const wire::Hello& theirs) {
  if (theirs.role != wire::Role::kNode) {
    if (cluster_ == nullptr || cluster_->trusts_client(connection_->peer_key())) return become_trusted();
    if (access_ != nullptr && connection_->peer_key()) {
      if (auto credential = access_->of_key(*connection_->peer_key())) let_in(std::move(credential));
    }
    return;
  }
  if (!local_ && peers_.question(*connection_, connection_->peer_key())) {
    questioned_ = theirs;
    return;
  }
  admit(theirs);
}

void ServerConnection::admit(const wire::Hello& theirs) {
  const auto admitted = [&]() -> Result<> {
    if (local_) return fail(Code::kPermissionDenied, "this address is for programs of this machine, not for nodes");
    if (cluster_ != nullptr) DISTRI_TRY_VOID(cluster_->admit_node(connection_->peer_key()));
    return peers_.link_up(theirs, connection_, false);
  }();
  if (!admitted) return peers_.refuse(*connection_, connection_->peer_key(), admitted.error());
  from_node_ = true;
  become_trusted();
  node_ = theirs.node;
}

void ServerConnection::become_trusted() {
  trusted_ = true;
  end_being_stranger();
}

void ServerConnection::end_being_stranger() {
  stranger_timer_.cancel();
  connection_->trust();
  visit_.trusted();
}

void ServerConnection::expect_key_within(net::Loop& loop, std::int64_t ms) {
  stranger_timer_ = loop.after(ms, [this, ms] {
    if (rights() != nullptr) return;
    // It has not answered the question who let it in.
    if (questioned_) return admit(*std::exchange(questioned_, std::nullopt));
    visit_.timed_out();
    turn_out({Code::kUnauthenticated, fmt::format("neither a key with rights nor a token within {} ms", ms)});
  });
}

const std::shared_ptr<const Rights>& ServerConnection::rights() const {
  static const std::shared_ptr<const Rights> none;
  if (trusted_) return Rights::everything();
  return credential_ ? credential_->rights : none;
}

void ServerConnection::let_in(Access::CredentialPtr credential) {
  credential_ = std::move(credential);
  end_being_stranger();
}

void ServerConnection::turn_out(const Error& reason) {
  connection_->session().goodbye(reason);
  connection_->close(reason);
}

Error ServerConnection::distrust() const {
  const auto& key = connection_->peer_key();
  if (!key) {
    return {Code::kUnauthenticated,
            "this node speaks to holders of a token or key only; show a token ('distri token create' makes one)"};
  }
  return {Code::kPermissionDenied,
          fmt::format("key {} is neither a member's of this cluster nor the root's nor a user's; it may only ask to "
                      "join, or show a token",
                      key->short_hex())};
}

void ServerConnection::on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) {
  dispatcher_.begin(*this, stream, head, body, end);
}

void ServerConnection::on_data(std::uint32_t stream, BytesView chunk, bool end) {
  const auto it = requests_.find(stream);
  if (it == requests_.end()) {
    // The stream was answered before its body ended: the rest is read and dropped.
    connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    return;
  }
  const auto request = it->second;
  dispatcher_.more(request, chunk, end);
}

void ServerConnection::on_writable(std::uint32_t stream) {
  if (const auto it = requests_.find(stream); it != requests_.end()) {
    const auto request = it->second;
    dispatcher_.writable(request);
  }
}

void ServerConnection::on_reset(std::uint32_t stream, const Error& error) {
  if (const auto it = requests_.find(stream); it != requests_.end()) {
    const auto request = it->second;
    dispatcher_.abandon(request, Error{Code::kCancelled, error.message}, true);
  }
}

void ServerConnection::on_message(std::uint16_t kind, BytesView payload) {
  if (questioned_) {
    // What it says before it has answered, it says to a node that does not know it: lost, as on a link that breaks.
    if (kind != static_cast<std::uint16_t>(Cluster::Message::kStatements)) return;
    const wire::Hello theirs = *std::exchange(questioned_, std::nullopt);
    if (auto heard = peers_.hear_stranger(*connection_, kind, payload); !heard) {
      return peers_.refuse(*connection_, connection_->peer_key(), heard.error());
    }
    return admit(theirs);
  }
  if (auto result = peers_.receive(node_, kind, payload); !result) {
    connection_->session().goodbye(result.error());
    connection_->close(result.error());
  }
}

void ServerConnection::on_closed(const Error& reason) {
  std::vector<std::shared_ptr<Request>> open;
  open.reserve(requests_.size());
  for (const auto& [stream, request] : requests_) open.push_back(request);
  for (const auto& request : open) dispatcher_.abandon(request, reason, false);
  visit_.closed(reason, connection_->too_many_frames());
  if (from_node_) peers_.link_down(node_, connection_.get());
  closed_(this);
}

}  // namespace distri::cloud
