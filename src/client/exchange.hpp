// exchange.hpp: the life of one request: which node gets it, what happens when that fails, and when to give up.
//
//   start -> try a node -> transmitted -> reply begins -> ... -> finished
//              ^   |            |
//              |   +------------+--- busy, unavailable, refused, connection ended
//              +--- at once while there are nodes not tried in this round (a hinted one first), else after a pause
//
// Pauses grow from kPauseFirstMs to kPauseMaxMs and are shortened at random by up to half. Answers other than busy,
// unavailable, behind and those of a disk that is full or fails are final; when every node's disk is full or fails,
// that is the answer. A request whose connection ended after it was sent, or whose node's disk failed, may have been
// executed: it goes out again with the same request id and a higher attempt number, and when it then fails for lack of
// room its outcome is indeterminate.
//
// Invariants: finished() is called exactly once, at the latest at the deadline. After it the exchange touches nothing
// of its client. Threads: the runtime's thread, except construction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/client/node_table.hpp"
#include "distri/client/timer_queue.hpp"
#include "distri/utils/ids.hpp"
#include "distri/wire/session.hpp"

namespace distri::client {

class ClientCore;
class Link;

inline constexpr std::int64_t kPauseFirstMs = 8;
inline constexpr std::int64_t kPauseMaxMs = 500;

struct CallSpec {
  std::string service;
  Bytes params;
  wire::Format format = wire::Format::kJson;
  std::int64_t timeout_ms = 0;   // for the error's text
  std::int64_t deadline_ms = 0;  // monotonic
  std::size_t reply_bytes_max = 0;
  bool idempotent = false;
  bool long_lived = false;  // its reply goes on for long and is no load: not counted among the requests in flight
  std::optional<RequestId> request_id;  // none: a fresh one, unless idempotent
  std::optional<Address> only_node;
  std::optional<Address> preferred;  // gets the first try if nothing speaks against it
  int attempts_max = 0;              // 0: until the deadline
  std::optional<Error> refused;      // found wrong before it began: this is its outcome
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(CallSpec spec) : spec_(std::move(spec)) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void start(ClientCore& client);
  // Ends it with this error, if it has not ended.
  void cancel(const Error& error) { finish(fail(error)); }
  bool done() const { return done_; }

  // ---- From the link.
  bool waits_for(const Link& link) const { return !done_ && link_.get() == &link && stream_ == 0; }
  // Opens the stream.
  Result<std::uint32_t> transmit(wire::Session& session);
  void on_transmitted(std::uint32_t stream);
  void on_reply(const wire::ReplyHead& head, BytesView body, bool end);
  void on_data(BytesView chunk, bool end);
  void on_writable();
  void on_reset(const Error& error);
  void on_link_ended(const Error& reason, bool was_sent);

 protected:
  // ---- What the kinds of calls do differently.
  virtual Result<std::uint32_t> open(wire::Session& session, const wire::RequestHead& head) = 0;
  // More of the request may be sent. Called after open() and when the window has opened.
  virtual void send_more(wire::Session& session, std::uint32_t stream) = 0;
  // A piece of the body of a good reply. `credited`: it occupies the window until consume().
  virtual void received(BytesView piece, bool credited) = 0;
  // A try has failed: drops what was received of the reply. False: the request cannot be repeated.
  virtual bool rewind() = 0;
  virtual void finished(Result<> result) = 0;

  void finish(Result<> result);
  ClientCore& client() { return *client_; }
  // nullptr while no stream is open.
  wire::Session* session();
  std::uint32_t stream() const { return stream_; }
  const Node* node() const { return node_.get(); }
  int attempts() const { return attempts_; }
  std::int64_t rtt_us() const { return rtt_us_; }
  const CallSpec& spec() const { return spec_; }

 private:
  NodePtr choose();
  void next_try();
  void pause();
  void try_failed(const Error& error, bool maybe_executed);
  void on_no_room(const wire::ReplyHead& head);
  Result<> refused_by_all() const;
  void leave_link(const Error& reason);
  void reply_ended();
  void expire();
  void end_lost_session();

  CallSpec spec_;
  ClientCore* client_ = nullptr;
  bool done_ = false;
  RequestId id_;

  // The current try.
  NodePtr node_;
  std::shared_ptr<Link> link_;
  std::uint32_t stream_ = 0;
  bool reply_begun_ = false;
  bool counted_ = false;  // among the node's requests in flight
  std::int64_t sent_ns_ = 0;
  std::int64_t rtt_us_ = 0;

  // All tries.
  int attempts_ = 0;
  int unknown_outcomes_ = 0;    // tries that may have been executed
  std::vector<NodePtr> tried_;  // in this round
  std::size_t refusals_ = 0;    // of those, nodes whose disk or memory is full, or whose disk fails
  Code last_refusal_ = Code::kStorageFull;
  NodePtr hinted_;
  NodePtr only_;
  std::int64_t pause_ms_ = kPauseFirstMs;
  std::string last_trouble_;
  bool last_was_behind_ = false;  // the last node had not seen what this client has seen
  TimerQueue::Ticket deadline_;
  TimerQueue::Ticket pause_;
};

}  // namespace distri::client
