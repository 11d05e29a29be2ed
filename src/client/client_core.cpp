#include "distri/client/client_core.hpp"

#include <algorithm>
#include <future>

#include "distri/client/buffered_call.hpp"
#include "distri/client/runtime_core.hpp"
#include "distri/membership/token_line.hpp"

namespace distri::client {
namespace {

constexpr std::int64_t kRefreshTimeoutMs = 5'000;
constexpr std::size_t kNodesReplyBytesMax = 4u << 20;

}  // namespace

ClientCore::ClientCore(RuntimeCore& runtime, std::vector<Address> nodes, const ClientOptions& options)
    : runtime_(runtime),
      seeds_(std::move(nodes)),
      refresh_ms_(std::max<std::int64_t>(options.refresh_ms, 1)),
      discover_(options.discover),
      keep_session_(options.keep_session),
      pool_(runtime, std::max<std::size_t>(options.connections_per_node, 1), link_options(options)) {}

LinkOptions ClientCore::link_options(const ClientOptions& options) {
  LinkOptions links{std::max<std::int64_t>(options.dial_ms, 1), options.tls, options.trust, nullptr,
                    options.expected_key};
  if (options.token.empty() && options.cluster.empty()) return links;
  const auto prepared = [&]() -> Result<> {
    links.identity = std::make_shared<Identity>();
    if (!options.cluster.empty()) {
      const auto bytes = from_hex(options.cluster);
      if (!bytes || bytes->size() != membership::ClusterId::kSize) {
        return fail(Code::kInvalidArgument, "cluster: the id of a cluster is {} hexadecimal digits",
                    2 * membership::ClusterId::kSize);
      }
      links.identity->cluster = membership::ClusterId::from_view(*bytes);
    }
    if (!options.token.empty()) {
      DISTRI_TRY(const auto token, membership::parse_token_line(options.token));
      if (links.identity->cluster && *links.identity->cluster != token.cluster) {
        return fail(Code::kInvalidArgument, "cluster: the token is for another one, {}", token.cluster.hex());
      }
      links.identity->cluster = token.cluster;
      links.identity->token = options.token;
    }
    if (!links.tls) {
      DISTRI_TRY(links.tls, net::Tls::without_key());
    }
    return {};
  }();
  if (!prepared) refused_ = prepared.error();
  return links;
}

void ClientCore::submit(std::shared_ptr<Exchange> exchange) {
  if (runtime_.on_loop_thread()) return start(exchange);
  runtime_.loop().post([self = shared_from_this(), exchange = std::move(exchange)] { self->start(exchange); });
}

void ClientCore::start(const std::shared_ptr<Exchange>& exchange) {
  active_.insert(exchange);
  exchange->start(*this);
  refresh_if_old();
}

NodeTable& ClientCore::table() {
  if (table_ == nullptr) table_ = runtime_.table_for(seeds_, discover_);
  return *table_;
}

NodePtr ClientCore::node_at(const Address& address) {
  if (auto node = table().find(address)) return node;
  auto node = std::make_shared<Node>();
  node->address = address;
  node->name = to_string(address);
  return node;
}

void ClientCore::refresh_if_old() {
  if (closed_ || seeds_.empty() || !table().begin_refresh(runtime_.now_ms(), refresh_ms_)) return;
  refresh([self = shared_from_this()](const Result<>&) { self->table().end_refresh(self->runtime_.now_ms()); });
}

void ClientCore::refresh(std::function<void(Result<>)> done) {
  CallSpec spec;
  spec.service = "Nodes";
  spec.timeout_ms = kRefreshTimeoutMs;
  spec.deadline_ms = runtime_.now_ms() + kRefreshTimeoutMs;
  spec.reply_bytes_max = kNodesReplyBytesMax;
  spec.idempotent = true;
  auto call = std::make_shared<BufferedCall>(
      std::move(spec), Bytes(), [self = shared_from_this(), done = std::move(done)](const Result<Reply>& reply) {
        done(reply ? self->learn(*reply) : fail(reply.error()));
      });
  active_.insert(call);
  call->start(*this);
}

Result<> ClientCore::learn(const Reply& reply) {
  const auto wrong = [&] {
    return fail(Code::kProtocolError, "{} answered Nodes with something else than a list of nodes",
                to_string(reply.node));
  };
  const auto json = nlohmann::json::parse(reply.body, nullptr, false);
  if (!json.is_object() || !json.contains("nodes") || !json["nodes"].is_array()) return wrong();
  std::vector<NodeReport> reports;
  for (const auto& entry : json["nodes"]) {
    if (!entry.is_object()) return wrong();
    const auto text = entry.find("address");
    if (text == entry.end() || !text->is_string()) return wrong();
    const auto address = parse_address(text->get_ref<const std::string&>());
    if (!address || address->port == 0) continue;
    NodeReport report;
    report.address = *address;
    if (const auto load = entry.find("load"); load != entry.end() && load->is_number())
      report.load = load->get<double>();
    if (const auto self = entry.find("self"); self != entry.end() && self->is_boolean())
      report.self = self->get<bool>();
    reports.push_back(std::move(report));
  }
  table().merge(reply.node, reports, runtime_.now_ms());
  return {};
}

void ClientCore::complete(std::function<void()> completion) {
  completions_.push_back(std::move(completion));
  if (std::exchange(completion_asked_, true)) return;
  runtime_.at_turn_end([self = shared_from_this()] {
    self->completion_asked_ = false;
    self->run_completions();
  });
}

void ClientCore::run_completions() {
  // A callback may add completions, or destroy the client, which runs the rest from inside.
  for (std::size_t count = completions_.size(); count > 0 && !completions_.empty(); --count) {
    const auto completion = std::move(completions_.front());
    completions_.pop_front();
    completion();
  }
  if (!completions_.empty() && !std::exchange(completion_asked_, true)) {
    runtime_.at_turn_end([self = shared_from_this()] {
      self->completion_asked_ = false;
      self->run_completions();
    });
  }
}

void ClientCore::end_all() {
  closed_ = true;
  const std::vector<std::shared_ptr<Exchange>> active(active_.begin(), active_.end());
  for (const auto& exchange : active)
    exchange->cancel(Error{Code::kCancelled, "the client was destroyed before the reply came"});
  while (!completions_.empty()) run_completions();
  pool_.close_all();
}

void ClientCore::shutdown() {
  if (runtime_.on_loop_thread()) return end_all();
  const auto ended = std::make_shared<std::promise<void>>();
  runtime_.loop().post([self = shared_from_this(), ended] {
    self->end_all();
    ended->set_value();
  });
  ended->get_future().wait();
}

}  // namespace distri::client
