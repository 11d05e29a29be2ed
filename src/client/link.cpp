#include "distri/client/link.hpp"

#include <algorithm>

#include "distri/client/exchange.hpp"
#include "distri/client/runtime_core.hpp"

namespace distri::client {
namespace {

constexpr int kPingSweeps = 3;        // seconds of silence after which the node is asked whether it lives
constexpr int kSilentSweepsMax = 13;  // seconds of silence after which the connection is given up
constexpr std::int64_t kHelloSpareMs = 1'000;

}  // namespace

std::shared_ptr<Link> Link::dial(RuntimeCore& runtime, NodePtr node, const LinkOptions& link_options) {
  auto link = std::make_shared<Link>(runtime, std::move(node));
  if (link_options.identity) link->login_.emplace(link_options.identity);
  runtime.adopt(link);
  net::ConnectionOptions options;
  options.dial_ms = link_options.dial_ms;
  options.tls = link_options.tls;
  options.expected_key = link_options.expected_key;
  if (link_options.trust) {
    // A node always shows a key.
    options.admit = [trust = link_options.trust](const std::optional<NodeId>& key) {
      return trust(key.value_or(NodeId{}));
    };
  }
  // A node with thousands of new clients is slow to greet, yet alive.
  link->greeting_ms_ = 2 * link_options.dial_ms + kHelloSpareMs;
  options.hello_ms = link->greeting_ms_;
  wire::Hello hello;
  hello.role = wire::Role::kClient;
  hello.software = "distri-client";
  link->connection_ = net::Connection::dial(runtime.loop(), link->node_->address, std::move(hello), options, *link);
  return link;
}

void Link::enqueue(std::shared_ptr<Exchange> exchange) {
  waiting_.push_back(std::move(exchange));
  if (ready_ || ended_) pump_later();
}

void Link::pump_later() {
  if (pump_asked_) return;
  pump_asked_ = true;
  runtime_.at_turn_end([self = shared_from_this()] {
    self->pump_asked_ = false;
    self->pump();
  });
}

void Link::pump() {
  while (!waiting_.empty()) {
    const auto exchange = waiting_.front();
    if (!exchange->waits_for(*this)) {
      waiting_.pop_front();
      continue;
    }
    if (!usable()) {
      waiting_.pop_front();
      exchange->on_link_ended(Error{Code::kUnavailable, "the node takes no new requests on this connection"}, false);
      continue;
    }
    auto stream = exchange->transmit(connection_->session());
    if (!stream && stream.error().code == Code::kBusy) return;  // streams_max: goes on when one of them ends
    waiting_.pop_front();
    if (stream) {
      streams_.emplace(*stream, exchange);
      exchange->on_transmitted(*stream);
    } else if (stream.error().code == Code::kUnavailable) {
      exchange->on_link_ended(stream.error(), false);
    } else {
      exchange->cancel(stream.error());
    }
  }
}

void Link::forget(std::uint32_t stream, const Error& reason) {
  if (streams_.erase(stream) == 0) return;
  if (connection_ != nullptr && connection_->session().has_stream(stream)) connection_->session().reset(stream, reason);
  if (!waiting_.empty()) pump_later();
}

void Link::close_if_removed(const Identity& identity) {
  if (!usable() || !connection_ || !connection_->peer_key() || !identity.refuses(*connection_->peer_key())) return;
  const Error reason{Code::kUnauthenticated,
                     fmt::format("the node there, {}, was removed from the cluster, another node says",
                                 connection_->peer_key()->short_hex())};
  end(reason);
  connection_->close(reason);
}

void Link::close() {
  if (ended_) return;
  ended_ = true;
  runtime_.timers().cancel(login_timeout_);
  waiting_.clear();
  streams_.clear();
  if (connection_ != nullptr) connection_->close(Error{Code::kCancelled, "the client is gone"});
}

std::shared_ptr<Exchange> Link::exchange_on(std::uint32_t stream) {
  silent_sweeps_ = 0;
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second;
}

void Link::on_hello(const wire::Hello&) {
  if (login_) return log_in();
  ready_ = true;
  if (!waiting_.empty()) pump_later();
}

void Link::log_in() {
  runtime_.timers().cancel(login_timeout_);
  auto stream = login_->next(connection_->session(), connection_->peer_key().value_or(NodeId()), runtime_.now_ms());
  if (!stream) return on_login(fail(std::move(stream).error()));
  login_stream_ = *stream;
  if (login_stream_ != 0) {
    login_timeout_ = runtime_.timers().add(runtime_.now_ms() + greeting_ms_, [weak = weak_from_this()] {
      if (const auto link = weak.lock()) link->login_late();
    });
    return;
  }
  login_.reset();
  ready_ = true;
  if (!waiting_.empty()) pump_later();
}

// Nothing has been sent that could have been executed, so the calls go elsewhere. That the node may still answer pings
// is no reason to wait: each of these requests is the work of a moment, and another node may be less busy.
void Link::login_late() {
  const Error reason{
      Code::kUnavailable,
      fmt::format("the node said hello and has not answered {} within {} ms (twice dial_ms and a second)",
                  login_->service(), greeting_ms_)};
  end(reason);
  connection_->close(reason);
}

void Link::on_login(Result<bool> answered) {
  if (answered) {
    if (*answered) log_in();
    return;
  }
  // What is wrong with the token is wrong at every node; a node that is too busy to look at it, or is not the one that
  // was meant, is one of several.
  const Error error = answered.error();
  if (login_->shows_token() && error.code == Code::kUnauthenticated) {
    for (const auto& exchange : std::exchange(waiting_, {})) {
      if (exchange->waits_for(*this)) exchange->cancel(error);
    }
  }
  end(error);
  connection_->close(error);
}

void Link::on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) {
  if (login_ && stream == login_stream_) return on_login(login_->on_reply(head, body, end));
  if (const auto exchange = exchange_on(stream)) exchange->on_reply(head, body, end);
}

void Link::on_data(std::uint32_t stream, BytesView chunk, bool end) {
  if (login_ && stream == login_stream_) {
    connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    return on_login(login_->on_data(chunk, end));
  }
  if (const auto exchange = exchange_on(stream)) exchange->on_data(chunk, end);
}

void Link::on_writable(std::uint32_t stream) {
  if (const auto exchange = exchange_on(stream)) exchange->on_writable();
}

void Link::on_reset(std::uint32_t stream, const Error& error) {
  if (login_ && stream == login_stream_) return on_login(fail(error));
  if (const auto exchange = exchange_on(stream)) exchange->on_reset(error);
}

void Link::on_goodbye(const Error& error) {
  draining_ = true;
  if (error.code == Code::kUnavailable || error.code == Code::kBusy) node_->failed(runtime_.now_ms());
  if (!waiting_.empty()) pump_later();
}

void Link::on_pong(std::uint64_t) {
  silent_sweeps_ = 0;
}

void Link::on_closed(const Error& reason) {
  end(reason);
  runtime_.release(*this);
}

void Link::end(const Error& reason) {
  if (ended_) return;
  ended_ = true;
  runtime_.timers().cancel(login_timeout_);
  if (!ready_ || !streams_.empty()) node_->failed(runtime_.now_ms());
  auto streams = std::move(streams_);
  auto waiting = std::move(waiting_);
  streams_.clear();
  waiting_.clear();
  for (const auto& [stream, exchange] : streams) exchange->on_link_ended(reason, true);
  for (const auto& exchange : waiting) {
    if (exchange->waits_for(*this)) exchange->on_link_ended(reason, false);
  }
}

void Link::sweep() {
  if (ended_ || !ready_ || streams_.empty()) {
    silent_sweeps_ = 0;
    return;
  }
  ++silent_sweeps_;
  if (silent_sweeps_ == kPingSweeps) connection_->session().ping(0);
  if (silent_sweeps_ < kSilentSweepsMax) return;
  const Error reason{Code::kConnectionLost, fmt::format("the node has been silent for {} s", kSilentSweepsMax)};
  end(reason);
  connection_->close(reason);
}

void LinkPool::drop_removed() {
  const Identity* identity = options_.identity.get();
  if (identity == nullptr || !identity->shown || identity->shown->revoked().size() == removed_) return;
  removed_ = identity->shown->revoked().size();
  // Whoever hears of it may ask for a link at once.
  std::vector<std::shared_ptr<Link>> all;
  for (const auto& [address, links] : links_) all.insert(all.end(), links.begin(), links.end());
  for (const auto& link : all) link->close_if_removed(*identity);
}

std::shared_ptr<Link> LinkPool::link_to(const NodePtr& node) {
  drop_removed();
  auto& links = links_[node->address];
  std::erase_if(links, [](const auto& link) { return !link->usable(); });
  const auto least = std::ranges::min_element(links, {}, [](const auto& link) { return link->exchanges(); });
  if (least != links.end() && ((*least)->exchanges() == 0 || links.size() >= links_max_)) return *least;
  links.push_back(Link::dial(runtime_, node, options_));
  return links.back();
}

void LinkPool::close_all() {
  for (const auto& [address, links] : links_) {
    for (const auto& link : links) link->close();
  }
  links_.clear();
}

}  // namespace distri::client
