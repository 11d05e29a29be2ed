// client_core.hpp: one Client on the runtime's thread: its links, its calls in flight, its share of the node table.
//
// Completions are queued and run at the end of the turn, so that a callback may do anything: start calls, destroy the
// client. shutdown() ends every call with kCancelled and returns when the last callback has run. Threads: submit() and
// shutdown() from any; everything else the runtime's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/client/exchange.hpp"
#include "distri/client/link.hpp"
#include "distri/client/node_table.hpp"
#include "distri/wire/session_token.hpp"

namespace distri::client {

class ClientCore : public std::enable_shared_from_this<ClientCore> {
 public:
  ClientCore(RuntimeCore& runtime, std::vector<Address> nodes, const ClientOptions& options);

  // Any thread.
  void submit(std::shared_ptr<Exchange> exchange);
  void shutdown();

  RuntimeCore& runtime() { return runtime_; }
  LinkPool& pool() { return pool_; }
  bool closed() const { return closed_; }
  // Why every call fails: the client's options are wrong.
  const std::optional<Error>& refused() const { return refused_; }
  // Any thread.
  const std::vector<Address>& seeds() const { return seeds_; }
  NodeTable& table();
  // The node of the table, or one that stands for this address alone.
  NodePtr node_at(const Address& address);
  // Asks a node for the nodes; `done` runs when the table has its answer, or there is none.
  void refresh(std::function<void(Result<>)> done);

  // What this client has seen, for its next requests.
  wire::SessionToken& session_token() { return session_token_; }
  bool keep_session() const { return keep_session_; }

  // ---- From exchanges.
  void remove(Exchange& exchange) { active_.erase(exchange.shared_from_this()); }
  void complete(std::function<void()> completion);

 private:
  // How its links are made; what is wrong with the options is refused_.
  LinkOptions link_options(const ClientOptions& options);
  void start(const std::shared_ptr<Exchange>& exchange);
  void refresh_if_old();
  Result<> learn(const Reply& reply);
  void run_completions();
  void end_all();

  RuntimeCore& runtime_;
  std::vector<Address> seeds_;
  std::int64_t refresh_ms_;
  bool discover_;
  bool keep_session_;
  std::optional<Error> refused_;  // why every call fails
  bool closed_ = false;
  bool completion_asked_ = false;
  LinkPool pool_;
  wire::SessionToken session_token_;
  std::shared_ptr<NodeTable> table_;
  std::unordered_set<std::shared_ptr<Exchange>> active_;
  std::deque<std::function<void()>> completions_;
};

}  // namespace distri::client
