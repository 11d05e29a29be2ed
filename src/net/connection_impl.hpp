// connection_impl.hpp: Connection on a Transport. Private to this module.
//
// States:  kDialling -> kSecuring (encrypted links only: the handshake) -> kOpen -> kClosing (what is queued is still
// being sent) -> kLingering (we have said all; what arrives is thrown away until the other side closes too, because
// closing with unread bytes would reset the connection and could destroy our last words on their way) -> kGone.
// on_closed() is posted on leaving kDialling, kSecuring, kOpen or kClosing for the last two.
#pragma once

#include <asio/ip/tcp.hpp>

#include <memory>
#include <optional>
#include <string>

#include "distri/net/connection.hpp"
#include "distri/net/loop_impl.hpp"
#include "distri/net/tls_stream.hpp"
#include "distri/net/transport.hpp"

namespace distri::net {

class ConnectionImpl final : public Connection, public LoopMember, private wire::SessionHandler {
 public:
  ConnectionImpl(LoopImpl& loop, wire::Side side, wire::Hello hello, const ConnectionOptions& options,
                 asio::ip::tcp::socket socket, std::string remote);
  ~ConnectionImpl() override;

  // Exactly one of these, directly after construction.
  void dial(const Address& to, ConnectionHandler& handler);
  // Before begin(), so that the handler can be found first.
  void accepted();
  void begin(ConnectionHandler& handler);
  // Closes at once and without on_closed(): nobody wanted the connection.
  void refuse();

  wire::Session& session() override { return session_; }
  void flush() override;
  void trust() override { trusted_ = true; }
  std::size_t outbound_bytes() const override;
  void close(Error reason) override;
  bool closed() const override { return state_ > State::kOpen; }
  const std::string& remote() const override { return remote_; }
  const std::optional<NodeId>& peer_key() const override { return peer_key_; }
  Bytes channel_binding() const override;
  bool encrypted() const override { return options_.tls != nullptr; }
  bool resumed() const override { return resumed_; }
  bool too_many_frames() const override { return too_many_frames_; }

 private:
  enum class State { kDialling, kSecuring, kOpen, kClosing, kLingering, kGone };

  // LoopMember
  void on_tick(std::int64_t now_ms) override;
  void on_end_of_turn() override;
  void on_loop_destroyed() override;

  // SessionHandler: hands on to handler_ unless the connection is closing.
  void on_hello(const wire::Hello& theirs) override;
  void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) override;
  void on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) override;
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override;
  void on_writable(std::uint32_t stream) override;
  void on_reset(std::uint32_t stream, const Error& error) override;
  void on_message(std::uint16_t kind, BytesView payload) override;
  void on_goodbye(const Error& error) override;
  void on_pong(std::uint64_t token) override;

  std::shared_ptr<ConnectionImpl> self() { return std::static_pointer_cast<ConnectionImpl>(shared_from_this()); }
  void connect(const asio::ip::tcp::resolver::results_type& endpoints);
  void on_connected();
  void secure();
  void on_secured();
  // True when the handshake is done, just now; otherwise there is nothing more to do with what was read.
  bool secured(const asio::error_code& error);
  void on_plaintext_peer();
  // On a link that is not encrypted: true when the other side speaks TLS, and the connection is closing for it.
  bool refuse_tls(BytesView bytes);
  void wait_readable();
  void on_readable();
  void read_next_turn();
  void receive(BytesView bytes);
  // What of `bytes` comes behind the point at which the other side was trusted; nothing when the connection ended.
  BytesView receive_from_stranger(BytesView bytes);
  // False: the connection has ended.
  bool hand_on(BytesView bytes);
  bool is_stranger() const { return !trusted_ && options_.stranger.bytes_max > 0; }
  void discard();
  void write();
  void on_drained();
  void resume_reading();
  bool must_pause() const;
  bool hello_overdue(std::int64_t now_ms);
  void check_open_limits(std::int64_t now_ms);
  void give_up(Error reason);
  void lost(std::string_view what);
  void lost_link(const asio::error_code& error);
  void ended_by_tls(const Error& failure);
  // Leaves kDialling, kSecuring, kOpen or kClosing: posts on_closed(), and lingers or not.
  void end(Error reason, bool linger);
  void drop();

  LoopImpl* loop_;  // nullptr when the loop is destroyed
  ConnectionOptions options_;
  ConnectionHandler* handler_ = nullptr;
  std::optional<Transport> transport_;
  std::unique_ptr<asio::ip::tcp::resolver> resolver_;  // while dialling by name
  std::string remote_;
  wire::Side side_;
  wire::Session session_;
  State state_ = State::kDialling;
  std::optional<NodeId> peer_key_;
  TlsDetector detector_;  // links that are not encrypted
  bool resumed_ = false;
  Error reason_;   // from kClosing on
  Bytes sending_;  // taken from the session; bytes before sent_ are gone
  std::size_t sent_ = 0;
  bool dirty_ = false;    // in the loop's list for the end of the turn
  bool reading_ = false;  // a wait is under way
  bool writing_ = false;
  bool paused_ = false;  // must_pause() was true when it was time to read
  std::uint64_t frames_seen_ = 0;
  bool trusted_ = false;
  std::size_t stranger_bytes_ = 0;
  bool too_many_frames_ = false;
  // Times in ms of the loop; 0: not running.
  std::int64_t began_ms_ = 0;  // the state, or waiting for the hello
  std::int64_t received_ms_ = 0;
  std::int64_t busy_ms_ = 0;  // last seen with a stream open (looked at only with idle_ms) or with reading paused
  std::int64_t frame_began_ms_ = 0;
  std::int64_t write_stalled_ms_ = 0;
};

}  // namespace distri::net
