#include "fake_node.hpp"

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>

#include "distri/utils/check.hpp"

namespace distri::client::test {

struct FakeNode::Peer final : net::ConnectionHandler {
  struct Stream {
    Seen seen;
    bool echo = false;
    bool sink = false;
    Bytes pending;  // of an echo, not taken by the window yet
    bool ended = false;
    std::uint64_t left_bytes = 0;  // of a source
    std::uint64_t received_bytes = 0;
    net::Timer timer;
  };

  Peer(FakeNode& node, std::shared_ptr<net::Connection> connection) : node_(node), connection_(std::move(connection)) {}

  wire::Session& session() { return connection_->session(); }

  void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) override {
    Stream& record = streams_[stream];
    record.seen = Seen{head.id,
                       head.attempt,
                       head.deadline_ms,
                       std::string(head.service),
                       Bytes(head.params),
                       {},
                       head.format,
                       wire::SessionToken::decode(head.token).value()};
    if (head.service == "Source") {
      record.left_bytes = nlohmann::json::parse(head.params)["bytes"].get<std::uint64_t>();
      session().send_reply(stream, {}, {}, record.left_bytes == 0);
      send_source(stream, record);
      return;
    }
    record.echo = head.service == "Echo";
    record.sink = head.service == "Sink";
    if (record.echo) session().send_reply(stream, {}, {}, false);
    take(stream, body, end, false);
  }

  void on_data(std::uint32_t stream, BytesView chunk, bool end) override { take(stream, chunk, end, true); }

  void take(std::uint32_t stream, BytesView chunk, bool end, bool credited) {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    Stream& record = found->second;
    record.received_bytes += chunk.size();
    record.ended = end;
    if (record.echo) {
      record.pending.append(chunk);
      send_echo(stream, record);
      return;
    }
    if (credited) session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    if (record.sink) {
      if (end) session().send_reply(stream, {}, std::to_string(record.received_bytes), true);
      return;
    }
    record.seen.body.append(chunk);
    if (end) answer(stream, record);
  }

  void on_writable(std::uint32_t stream) override {
    const auto found = streams_.find(stream);
    if (found == streams_.end()) return;
    Stream& record = found->second;
    if (record.echo) {
      send_echo(stream, record);
    } else if (record.left_bytes > 0) {
      send_source(stream, record);
    } else {
      send_rest(stream, record);
    }
  }

  void send_echo(std::uint32_t stream, Stream& record) {
    if (record.pending.empty() && !record.ended) return;
    const std::size_t taken = session().send_data(stream, record.pending, record.ended);
    record.pending.erase(0, taken);
    if (taken > 0) session().consume(stream, static_cast<std::uint32_t>(taken));
    if (record.ended && record.pending.empty()) streams_.erase(stream);
  }

  void send_source(std::uint32_t stream, Stream& record) {
    static const Bytes block(64u << 10, 's');
    while (record.left_bytes > 0) {
      const BytesView piece = BytesView(block).substr(0, std::min<std::uint64_t>(block.size(), record.left_bytes));
      const std::size_t taken = session().send_data(stream, piece, piece.size() == record.left_bytes);
      record.left_bytes -= taken;
      if (taken < piece.size()) return;
    }
    streams_.erase(stream);
  }

  void send_rest(std::uint32_t stream, Stream& record) {
    const std::size_t taken = session().send_data(stream, record.pending, true);
    record.pending.erase(0, taken);
    if (record.pending.empty()) streams_.erase(stream);
  }

  void answer(std::uint32_t stream, Stream& record) {
    const Action action = node_.act(record.seen);
    if (action.delay_ms == 0) return perform(stream, action);
    record.timer = node_.loop_.after(action.delay_ms, [this, stream, action] { perform(stream, action); });
  }

  void perform(std::uint32_t stream, const Action& action) {
    switch (action.kind) {
      case Action::Kind::kSilence:
        return;
      case Action::Kind::kDrop:
        return connection_->close(Error{Code::kConnectionLost, "dropped by the test"});
      case Action::Kind::kGarbage:
        session().output().append(64, '\xff');
        return connection_->flush();
      case Action::Kind::kReset:
        session().reset(stream,
                        Error{action.status == Code::kOk ? Code::kInternal : action.status, "reset by the test"});
        streams_.erase(stream);
        return;
      case Action::Kind::kReply:
        break;
    }
    wire::ReplyHead head;
    head.status = action.status;
    head.hint = action.hint;
    const Bytes token = action.token.encode();
    head.token = token;
    if (action.status != Code::kOk) {
      head.message = action.body;
      session().send_reply(stream, head, {}, true);
      streams_.erase(stream);
      return;
    }
    const std::size_t taken = session().send_reply(stream, head, action.body, true);
    if (taken == action.body.size()) {
      streams_.erase(stream);
      return;
    }
    Stream& record = streams_[stream];
    record.pending = action.body.substr(taken);
    send_rest(stream, record);
  }

  void on_reset(std::uint32_t stream, const Error&) override {
    ++node_.resets_;
    streams_.erase(stream);
  }

  void on_closed(const Error&) override {
    streams_.clear();
    if (const auto found = node_.peers_.find(this); found != node_.peers_.end()) {
      node_.gone_.push_back(std::move(found->second));
      node_.peers_.erase(found);
    }
  }

  FakeNode& node_;
  std::shared_ptr<net::Connection> connection_;
  std::map<std::uint32_t, Stream> streams_;
};

FakeNode::FakeNode(Behaviour behaviour, std::uint16_t port, std::shared_ptr<net::Tls> tls)
    : behaviour_(std::move(behaviour)) {
  wire::Hello hello;
  hello.role = wire::Role::kNode;
  hello.software = "fake";
  net::ConnectionOptions options;
  if (tls != nullptr) hello.node = *tls->key();
  options.tls = std::move(tls);
  auto listener = net::Listener::listen(loop_, {"127.0.0.1", port}, hello, options, [this](const auto& connection) {
    ++connections_;
    auto peer = std::make_unique<Peer>(*this, connection);
    Peer* const raw = peer.get();
    peers_.emplace(raw, std::move(peer));
    return raw;
  });
  DISTRI_CHECK(listener.has_value());
  listener_ = std::move(*listener);
  address_ = listener_->address();
  thread_ = std::thread([this] { loop_.run(); });
}

FakeNode::~FakeNode() {
  stop();
}

void FakeNode::stop() {
  if (!thread_.joinable()) return;
  std::promise<void> closed;
  loop_.post([&] {
    listener_->close();
    for (auto& [raw, peer] : peers_) peer->connection_->close(Error{Code::kUnavailable, "the fake node stops"});
    // on_closed() follows in a later turn.
    loop_.post([&] { closed.set_value(); });
  });
  closed.get_future().wait();
  loop_.stop();
  thread_.join();
  listener_.reset();
}

void FakeNode::say_goodbye() {
  loop_.post([this] {
    for (auto& [raw, peer] : peers_) peer->session().goodbye(Error{Code::kUnavailable, "the fake node is stopping"});
  });
}

void FakeNode::set_nodes(std::vector<Address> others) {
  const std::lock_guard lock(mutex_);
  others_ = std::move(others);
}

std::vector<Seen> FakeNode::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

std::size_t FakeNode::count() const {
  const std::lock_guard lock(mutex_);
  return seen_.size();
}

Action FakeNode::act(const Seen& request) {
  if (request.service == "Nodes") {
    const std::lock_guard lock(mutex_);
    nlohmann::json nodes = nlohmann::json::array();
    nodes.push_back({{"address", to_string(address_)}, {"load", 0.0}, {"self", true}});
    for (const auto& other : others_) nodes.push_back({{"address", to_string(other)}, {"load", 0.0}, {"self", false}});
    return reply(nlohmann::json{{"nodes", nodes}}.dump());
  }
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
  }
  return behaviour_(request);
}

std::uint16_t free_port() {
  net::Loop loop;
  auto listener = net::Listener::listen(loop, Address{"127.0.0.1", 0}, {}, {}, [](const auto&) { return nullptr; });
  DISTRI_CHECK(listener.has_value());
  return (*listener)->address().port;
}

}  // namespace distri::client::test
