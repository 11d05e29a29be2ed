// direct_server_impl.hpp: what the connections of a DirectServer share. Private to this module.
//
// Threads: the loop's, but for what says otherwise.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "distri/net/connection_census.hpp"
#include "distri/net/listener.hpp"
#include "distri/net/loop.hpp"
#include "distri/peer/direct_server.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/worker_pool.hpp"

namespace distri::peer {

class DirectConnection;

// What outlives the server, for answers that come late. Any thread.
class DirectLoop {
 public:
  explicit DirectLoop(net::Loop& loop) : loop_(&loop) {}
  // Dropped when the server is gone.
  void post(std::function<void()> function) {
    const std::lock_guard lock(mutex_);
    if (loop_ != nullptr) loop_->post(std::move(function));
  }
  void close() {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

  std::atomic<std::size_t> body_bytes{0};
  std::atomic<std::size_t> waiting{0};  // handlers that wait for a worker

 private:
  std::mutex mutex_;
  net::Loop* loop_;
};

// One request under way.
struct DirectCall {
  enum class Stage {
    kReceiving,  // the body is not complete
    kRunning,    // its handler has not answered
    kSending,    // the answer, or what is there of it
  };

  DirectCall(std::shared_ptr<DirectLoop> the_loop, DirectConnection& its_connection, std::uint32_t its_stream)
      : loop(std::move(the_loop)), connection(&its_connection), stream(its_stream) {}
  ~DirectCall() { loop->body_bytes -= charged_bytes; }
  DirectCall(const DirectCall&) = delete;
  DirectCall& operator=(const DirectCall&) = delete;

  const std::shared_ptr<DirectLoop> loop;
  DirectConnection* connection;  // nullptr: it is over
  const std::uint32_t stream;
  Stage stage = Stage::kReceiving;
  DirectRequest request;  // the worker's while it is kRunning
  const DirectServer::Handler* handler = nullptr;
  std::atomic<bool> over{false};  // any thread
  std::size_t charged_bytes = 0;
  std::int64_t began_ms = 0;
  std::int64_t caller_ms = 0;  // how long the caller waits; 0: it has not said

  // kSending
  Producer producer;  // the worker's while `pulling`
  bool pulling = false;
  bool last = false;  // nothing comes after `piece`
  bool reply_begun = false;
  Bytes piece;  // what is before `sent` is gone
  std::size_t sent = 0;
  std::int64_t progress_ms = 0;
};

struct DirectServer::Impl {
  Impl(SigningKey its_key, DirectServerOptions its_options);

  Result<> listen();
  void begin_stop();
  void tick();
  void end_of_turn();
  net::ConnectionHandler* accept(const std::shared_ptr<net::Connection>& connection);
  void remove(DirectConnection& connection);

  const DirectServerOptions options;
  SigningKey key;
  SystemClock clock;
  net::Loop loop;
  std::shared_ptr<DirectLoop> shared;
  std::map<std::string, Handler, std::less<>> services;
  std::unique_ptr<WorkerPool> pool;
  net::ConnectionCensus census;
  std::unique_ptr<net::Listener> listener;
  Address address;
  std::unordered_map<DirectConnection*, std::unique_ptr<DirectConnection>> connections;
  absl::flat_hash_map<NodeId, std::size_t> callers;  // connections of each
  net::Timer tick_timer;
  net::Timer stop_timer;
  bool stopping = false;
  bool started = false;  // the owner's thread
  std::thread thread;
  // Written on the loop's thread, read on any.
  std::atomic<std::size_t> open_connections{0};
  std::atomic<std::size_t> open_requests{0};
  std::atomic<std::uint64_t> answered{0};
  std::atomic<std::uint64_t> refused{0};
};

}  // namespace distri::peer
