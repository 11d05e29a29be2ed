// session.hpp: one side of a connection, without the connection.
//
// A Session turns received bytes into events and calls into bytes to send. It knows no socket, thread, clock or timer:
// whoever owns it (net::Connection, a test, a fuzzer) moves the bytes and decides when something took too long. Both
// sides use the same class; the side that dialled opens streams for its requests (stream numbers 1, 2, 3, ... rising),
// the side that accepted answers them.
//
// Life of a stream:  REQUEST -> DATA* (END)   from the dialling side, and   REPLY -> DATA* (END)   from the other;
// RESET by either ends it at once. A stream is gone when the reply has ended (what may be missing of the request's body
// is then unwanted) or at the reset. Frames for a stream that is already gone are ignored (they crossed our reset or
// our reply); frames for one that never was are a protocol error.
//
// Flow control: bytes in DATA frames count against the receiver's window of that stream; the receiver gives credit back
// by consume(). send_data() takes what the window allows and no more; on_writable() tells when there is room again. A
// sender that oversteps the window breaks the protocol and loses the connection.
//
// Invariants:
//   (1) memory held for the other side: one incomplete frame (at most limits.frame_bytes_max) and streams_max small
//       stream records. Bodies are handed on at once; the handler holds at most stream_window_bytes +
//       inline_body_bytes_max per stream unconsumed.
//   (2) what the session queues by itself in answer to received bytes (PONG, refusals) is at most a small multiple of
//       them; pongs stop while more than kPongBacklogBytes wait in output().
//   (3) after the session has failed (an error from receive(), abort() or stop()) no further event is delivered, also
//       not for the rest of the bytes that receive() is working on.
// Threads: none; the owner serialises calls. Handler methods are called from inside receive() and may call back into
// the session.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "distri/wire/messages.hpp"

namespace distri::wire {

inline constexpr std::size_t kPongBacklogBytes = 1u << 20;

// Receives what arrives. Views are valid during the call only.
class SessionHandler {
 public:
  virtual ~SessionHandler() = default;
  // The other side's hello is accepted; requests may be sent from now on.
  virtual void on_hello(const Hello& /*theirs*/) {}
  // A request begins. `end`: the body is complete.
  virtual void on_request(std::uint32_t /*stream*/, const RequestHead& /*head*/, BytesView /*body*/, bool /*end*/) {}
  // The answer to our request begins.
  virtual void on_reply(std::uint32_t /*stream*/, const ReplyHead& /*head*/, BytesView /*body*/, bool /*end*/) {}
  // More of a body. The bytes occupy the window until consume().
  virtual void on_data(std::uint32_t /*stream*/, BytesView /*chunk*/, bool /*end*/) {}
  // The window of a stream on which send_data() came back short has opened.
  virtual void on_writable(std::uint32_t /*stream*/) {}
  // The other side ended the stream early (cancellation, or an error after the reply began).
  virtual void on_reset(std::uint32_t /*stream*/, const Error& /*error*/) {}
  // A message from another node. Only after a hello with Role::kNode.
  virtual void on_message(std::uint16_t /*kind*/, BytesView /*payload*/) {}
  // The other side takes no new requests; those in flight go on. Also called when this connection's stream numbers are
  // nearly used up.
  virtual void on_goodbye(const Error& /*error*/) {}
  virtual void on_pong(std::uint64_t /*token*/) {}
};

enum class Side { kDialled, kAccepted };

class Session {
 public:
  // `hello` announces `limits`: the constructor copies them into it. `handler` outlives the session.
  Session(Side side, Hello hello, Limits limits, SessionHandler& handler);

  // The dialling side queues its hello. (The accepting side answers with its own once it has seen a valid one, so that
  // strangers learn nothing.)
  void start();

  // Feeds received bytes, in pieces of any size. On an error the session has failed: a goodbye with the reason is
  // queued in output(), which should be sent before closing. A goodbye before the other side's hello (a refusal) is
  // such an error too, with its reason. Not to be called from inside a handler method.
  Result<> receive(BytesView bytes);
  // The owner gives up, with a goodbye that tells the reason (once; nothing when the session has failed before).
  void abort(const Error& reason);
  // The owner gives up without a word: only what is in output() already should still be sent.
  void stop();

  // ---- Sending. Before the hello is done, and after failure, calls are errors with kUnavailable; those that return no
  // error do nothing. Opens a stream (dialling side only). `body`: what fits inline_body_bytes_max of both sides goes
  // into the frame; the rest must go through send_data(): the number of bytes taken is put into `taken`, and the stream
  // is left open for more unless end was asked and all was taken. Errors: kTooLarge (params, service name),
  // kInvalidArgument (no service name, accepting side), kBusy (the other side's streams_max reached), kUnavailable
  // (goodbye received).
  Result<std::uint32_t> open_request(const RequestHead& head, BytesView body, bool end, std::size_t& taken);
  // Begins the answer, likewise; returns the bytes of body taken. A stream that is gone swallows everything (its caller
  // cancelled). Once per stream. A message longer than kMessageTextBytesMax is cut; a hint longer than 255 bytes and a
  // token longer than kTokenBytesMax, or than half a frame of the other side, are left out.
  std::size_t send_reply(std::uint32_t stream, const ReplyHead& head, BytesView body, bool end);
  // More body; returns the bytes taken, which is less than asked when the window is full (then on_writable() follows).
  // `end` takes effect only when all was taken. A stream that is gone swallows everything. After send_reply() on the
  // accepting side, never after an end that took effect.
  std::size_t send_data(std::uint32_t stream, BytesView chunk, bool end);
  // The application has taken `bytes` of a body that arrived by on_data(): credit goes back to the sender (in steps of
  // half a window). Bytes beyond those that arrived are not counted, so that bytes of on_request() and on_reply() may
  // be reported as well.
  void consume(std::uint32_t stream, std::uint32_t bytes);
  // Ends a stream early in both directions.
  void reset(std::uint32_t stream, const Error& error);
  // To another node; kTooLarge beyond its frame_bytes_max.
  Result<> send_message(std::uint16_t kind, BytesView payload);
  void ping(std::uint64_t token);
  // Announces that no new requests are taken. Requests that arrive later are answered kUnavailable by the session
  // itself.
  void goodbye(const Error& error);

  // ---- State.
  // Bytes to send. The owner takes from the front or swaps the whole string away.
  Bytes& output() { return output_; }
  const Bytes& output() const { return output_; }
  // Called when output() goes from empty to not empty.
  void set_output_ready(std::function<void()> callback) { output_ready_ = std::move(callback); }
  bool ready() const { return ready_; }  // hello done, not failed
  bool failed() const { return failed_; }
  bool mid_frame() const { return !input_.empty(); }  // part of a frame is waiting for its rest
  std::size_t open_streams() const { return streams_.size(); }
  bool has_stream(std::uint32_t stream) const { return streams_.contains(stream); }
  // What the other side said of itself; meaningful once ready().
  const Hello& peer() const { return peer_; }
  // The latest goodbye of the other side: explains a connection that ends afterwards.
  const std::optional<Error>& peer_goodbye() const { return peer_goodbye_; }
  // Complete frames received so far.
  std::uint64_t frames_received() const { return frames_received_; }
  // Bytes send_data() would take on this stream now.
  std::uint32_t window(std::uint32_t stream) const;

 private:
  struct Stream {
    std::uint32_t send_window = 0;
    std::uint32_t receive_window = 0;
    std::uint32_t unreturned_credit = 0;
    bool send_ended = false;
    bool receive_ended = false;
    bool reply_begun = false;
    bool wants_writable = false;
  };

  // receive(): framing
  Result<> receive_bytes(BytesView bytes);
  Result<BytesView> complete_frame(BytesView bytes);
  Result<FrameHeader> check_header(BytesView bytes) const;
  // One complete frame.
  Result<> receive_frame(const FrameHeader& header, BytesView payload);
  Result<> receive_hello(BytesView payload);
  Result<> receive_goodbye(BytesView payload);
  Result<> receive_request(const FrameHeader& header, BytesView payload);
  Result<> receive_reply(const FrameHeader& header, BytesView payload);
  Result<> receive_data(const FrameHeader& header, BytesView payload);
  Result<> receive_window(const FrameHeader& header, BytesView payload);
  Result<> receive_reset(const FrameHeader& header, BytesView payload);
  Result<> receive_message(BytesView payload);
  void receive_ping(std::uint64_t token);
  // The stream, or nullptr when it is gone; an error when it never was.
  Result<Stream*> find_stream(std::uint32_t stream, std::string_view frame);
  void refuse(std::uint32_t stream, Code code, std::string_view message);
  void retire_stream_numbers();

  // Sending.
  std::size_t inline_bytes(std::size_t head_bytes, std::size_t body_bytes) const;
  std::size_t text_bytes_max() const;
  std::size_t reply_token_bytes_max() const;
  std::unexpected<Error> not_ready() const;
  Error shortened(const Error& error) const;
  template <class Encode>
  void queue(Encode encode) {
    const bool was_empty = output_.empty();
    encode(output_);
    if (was_empty && output_ready_) output_ready_();
  }

  Side side_;
  Hello hello_;
  Limits limits_;
  SessionHandler& handler_;
  Hello peer_;
  Bytes input_;
  Bytes output_;
  std::function<void()> output_ready_;
  absl::flat_hash_map<std::uint32_t, Stream> streams_;
  std::uint32_t next_stream_ = 1;       // dialling side
  std::uint32_t last_stream_seen_ = 0;  // accepting side
  bool ready_ = false;
  bool failed_ = false;
  bool goodbye_sent_ = false;
  bool goodbye_received_ = false;
  bool receiving_ = false;
  std::optional<Error> peer_goodbye_;
  std::uint64_t frames_received_ = 0;
};

}  // namespace distri::wire
