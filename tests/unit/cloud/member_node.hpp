// member_node.hpp: a node on a data directory, running in a thread, and a connection to it with a key of one's choice.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "cluster_rig.hpp"
#include "distri/net/connection.hpp"
#include "distri/net/loop.hpp"
#include "raw_client.hpp"

namespace distri::test {

inline std::shared_ptr<net::Tls> tls_of(const SigningKey& key) {
  return take(net::Tls::with_key(key));
}

// A node on a data directory, in a thread, on a free port of 127.0.0.1.
class MemberNode {
 public:
  explicit MemberNode(const std::string& directory, bool local = false) : MemberNode(config_of(directory, local)) {}
  explicit MemberNode(cloud::NodeConfig config) : node_(std::move(config)) {
    const auto listening = node_.listen();
    REQUIRE_MESSAGE(listening.has_value(), listening.error().message);
    thread_ = std::thread([this] {
      result_ = node_.run();
      ended_ = true;
    });
  }
  ~MemberNode() {
    node_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Address address() const { return node_.address(); }
  Address local_address() const { return node_.local_address().value(); }
  // Until it stops by itself.
  Result<> wait() {
    eventually([&] { return ended_.load(); });
    thread_.join();
    return result_;
  }

  static cloud::NodeConfig config_of(const std::string& directory, bool local = false) {
    cloud::NodeConfig config;
    config.listen = {"127.0.0.1", 0};
    config.handle_signals = false;
    config.workers = 1;
    config.data_dir = directory;
    if (local) config.local_listen = Address{"127.0.0.1", 0};
    return config;
  }

 private:
  cloud::CloudNode node_;
  Result<> result_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

// One connection of this thread. Every wait has a limit and fails the test.
class Caller final : public net::ConnectionHandler {
 public:
  Caller(const Address& to, std::shared_ptr<net::Tls> tls, wire::Role role = wire::Role::kClient) {
    wire::Hello hello;
    hello.role = role;
    if (role == wire::Role::kNode) hello.node = tls->key() ? *tls->key() : SigningKey::generate().public_key();
    hello.software = "test";
    net::ConnectionOptions options;
    options.tls = std::move(tls);
    loop_.at_end_of_turn([this] {
      if (until_ && until_()) loop_.stop();
    });
    connection_ = net::Connection::dial(loop_, to, hello, options, *this);
    run_until([this] { return ready_ || closed_; });
  }
  Caller(const Address& to, const SigningKey& key, wire::Role role = wire::Role::kClient)
      : Caller(to, tls_of(key), role) {}

  RawReply call(std::string_view service, std::string_view params = "", BytesView body = "", const RequestId& id = {},
                std::uint8_t attempt = 0) {
    return call_at_once(1, service, params, body, id, attempt).front();
  }
  // The same request so many times in one turn; replies in the order of the requests.
  std::vector<RawReply> call_at_once(std::size_t times, std::string_view service, std::string_view params,
                                     BytesView body, const RequestId& id, std::uint8_t attempt = 0) {
    std::vector<std::uint32_t> streams;
    answers_.clear();
    loop_.post([&, this] {
      for (std::size_t i = 0; i < times; ++i) streams.push_back(send(service, params, body, id, attempt));
    });
    run_until([&, this] {
      return closed_ || (streams.size() == times && std::ranges::all_of(streams, [this](std::uint32_t stream) {
                           return answers_[stream].complete;
                         }));
    });
    std::vector<RawReply> replies(times);
    for (std::size_t i = 0; i < times; ++i) {
      const auto& answer = i < streams.size() ? answers_[streams[i]] : Answered();
      replies[i] = answer.reply;
      if (!answer.complete) replies[i].status = Code::kConnectionLost;
    }
    return replies;
  }
  // Sends it and closes the connection without waiting for anything.
  void call_and_leave(std::string_view service, std::string_view params, const RequestId& id) {
    loop_.post([&, this] {
      send(service, params, "", id, 0);
      connection_->flush();
      connection_->close(Error{Code::kCancelled, "the test has left"});
    });
    run_until([this] { return closed_; });
  }
  // What the node said when it closed; else why the connection ended.
  Error wait_closed() {
    run_until([this] { return closed_; });
    return goodbye_ ? *goodbye_ : reason_;
  }
  bool closed() const { return closed_; }

  void on_hello(const wire::Hello&) override { ready_ = true; }
  void on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) override {
    answers_[stream].reply.status = head.status;
    answers_[stream].reply.message = head.message;
    on_data(stream, body, end);
  }
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    auto& answer = answers_[stream];
    answer.reply.body.append(chunk);
    connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    answer.complete = answer.complete || end;
  }
  void on_goodbye(const Error& error) override { goodbye_ = error; }
  void on_closed(const Error& reason) override {
    reason_ = reason;
    closed_ = true;
  }

 private:
  struct Answered {
    RawReply reply;
    bool complete = false;
  };

  std::uint32_t send(std::string_view service, std::string_view params, BytesView body, const RequestId& id,
                     std::uint8_t attempt) {
    wire::RequestHead head;
    head.service = service;
    head.params = params;
    head.id = id;
    head.attempt = attempt;
    head.deadline_ms = 20'000;
    std::size_t taken = 0;
    const auto stream = connection_->session().open_request(head, body, true, taken);
    REQUIRE(stream);
    REQUIRE(taken == body.size());
    return *stream;
  }
  void run_until(std::function<bool()> condition) {
    if (condition()) return;
    until_ = std::move(condition);
    const auto limit = loop_.after(20'000, [this] { loop_.stop(); });
    loop_.run();
    REQUIRE_MESSAGE(until_(), "the node neither answered nor closed within 20 s");
    until_ = nullptr;
  }

  net::Loop loop_;
  std::function<bool()> until_;
  std::shared_ptr<net::Connection> connection_;
  std::map<std::uint32_t, Answered> answers_;
  bool ready_ = false;
  bool closed_ = false;
  std::optional<Error> goodbye_;
  Error reason_;
};

}  // namespace distri::test
