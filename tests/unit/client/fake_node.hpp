// fake_node.hpp: a node that does what a test tells it to: answer, be busy, drop connections, keep silent, talk
// rubbish.
//
// It runs a net::Listener on a thread of its own. A behaviour is a function from a request (with its whole body) to an
// Action; it is called on that thread. Three services stream and need no behaviour: Echo (the bytes come back), Source
// (params {"bytes": n}: so many bytes), Sink (the number of bytes received, as text).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "distri/net/listener.hpp"
#include "distri/net/loop.hpp"
#include "distri/wire/session_token.hpp"

namespace distri::client::test {

struct Seen {
  RequestId id;
  int attempt = 0;
  std::uint32_t deadline_ms = 0;
  std::string service;
  Bytes params;
  Bytes body;
  wire::Format format = wire::Format::kJson;
  wire::SessionToken token = {};
};

struct Action {
  enum class Kind { kReply, kSilence, kDrop, kGarbage, kReset };
  Kind kind = Kind::kReply;
  Code status = Code::kOk;
  Bytes body;  // of the reply, or the message when status is not kOk
  std::string hint;
  std::int64_t delay_ms = 0;
  wire::SessionToken token = {};
};

inline Action reply(Bytes body) {
  return {.kind = Action::Kind::kReply, .status = Code::kOk, .body = std::move(body), .hint = {}};
}
inline Action status(Code code, std::string message, std::string hint = {}) {
  return {.kind = Action::Kind::kReply, .status = code, .body = std::move(message), .hint = std::move(hint)};
}
inline Action of_kind(Action::Kind kind) {
  return {.kind = kind, .status = Code::kOk, .body = {}, .hint = {}};
}

class FakeNode {
 public:
  using Behaviour = std::function<Action(const Seen&)>;

  // Port 0: any. `behaviour` answers everything but the streaming services and, unless `nodes` is empty, Nodes. `tls`:
  // encrypts, with its key.
  explicit FakeNode(Behaviour behaviour, std::uint16_t port = 0, std::shared_ptr<net::Tls> tls = nullptr);
  ~FakeNode();
  FakeNode(const FakeNode&) = delete;
  FakeNode& operator=(const FakeNode&) = delete;

  Address address() const { return address_; }
  // Closes the listener and all connections, and ends the thread.
  void stop();
  // All connections hear a goodbye; requests under way go on.
  void say_goodbye();
  // What it says to `Nodes`: itself and these.
  void set_nodes(std::vector<Address> others);
  // Requests seen, without `Nodes`.
  std::vector<Seen> seen() const;
  std::size_t count() const;
  int connections() const { return connections_; }
  // Streams that the client took back.
  int resets() const { return resets_; }

 private:
  struct Peer;
  Action act(const Seen& request);

  Behaviour behaviour_;
  Address address_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::vector<Address> others_;
  std::atomic<int> connections_{0};
  std::atomic<int> resets_{0};
  net::Loop loop_;
  std::unique_ptr<net::Listener> listener_;
  std::map<Peer*, std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Peer>> gone_;
  std::thread thread_;
};

// A port on which nobody listens now.
std::uint16_t free_port();

}  // namespace distri::client::test
