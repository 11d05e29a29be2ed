// Any bytes, in any pieces, into a session of either side. Properties: no crash; the events, the output and the end do
// not depend on how the bytes were cut; a failed session has said why and delivers nothing more; memory stays within
// the announced limits.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "distri/wire/session.hpp"

namespace {

using namespace distri;
using namespace distri::wire;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr Limits kLimits{.frame_bytes_max = 2048,
                         .node_frame_bytes_max = 4096,
                         .stream_window_bytes = 64,
                         .streams_max = 4,
                         .params_bytes_max = 128,
                         .inline_body_bytes_max = 128};

// Does a little of everything a real handler does, as a function of what it is told, and writes it all down.
class Handler : public SessionHandler {
 public:
  Session* session = nullptr;
  std::string log;

  void on_hello(const Hello& theirs) override { note("hello ", theirs.software); }
  void on_request(std::uint32_t stream, const RequestHead& head, BytesView body, bool end) override {
    require(body.size() <= kLimits.inline_body_bytes_max && head.params.size() <= kLimits.params_bytes_max);
    note("request ", head.service);
    switch (head.attempt % 4) {
      case 0: {
        ReplyHead reply;
        reply.message = head.params;
        session->send_reply(stream, reply, body, end);
        break;
      }
      case 1:
        session->reset(stream, Error{Code::kInternal, std::string(head.service)});
        break;
      case 2:
        session->send_reply(stream, {}, {}, false);
        session->send_data(stream, head.params, false);
        break;
      default:
        break;
    }
  }
  void on_reply(std::uint32_t stream, const ReplyHead& head, BytesView body, bool end) override {
    require(body.size() <= kLimits.inline_body_bytes_max);
    note(end ? "reply end " : "reply ", head.message);
    if (!end && head.status == Code::kCancelled) session->reset(stream, Error{Code::kCancelled, ""});
  }
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    require(chunk.size() <= kLimits.stream_window_bytes);
    note(end ? "data end " : "data ", chunk);
    if (chunk.size() % 2 == 0) session->consume(stream, static_cast<std::uint32_t>(chunk.size()));
  }
  void on_writable(std::uint32_t stream) override {
    note("writable ", std::to_string(stream));
    session->send_data(stream, "more", false);
  }
  void on_reset(std::uint32_t, const Error& error) override { note("reset ", error.message); }
  void on_message(std::uint16_t kind, BytesView payload) override {
    note("message ", payload);
    if (kind == 7) session->stop();
  }
  void on_goodbye(const Error& error) override {
    note("goodbye ", error.message);
    if (error.code == Code::kBusy) session->goodbye(error);
  }
  void on_pong(std::uint64_t token) override { note("pong ", std::to_string(token)); }

 private:
  void note(std::string_view what, std::string_view text) {
    require(!session->failed());
    log.append(what).append(text).push_back('\n');
  }
};

struct Outcome {
  std::string log;
  std::string output;
  std::string error;
  bool mid_frame = false;
  std::size_t streams = 0;
  std::uint64_t frames = 0;
  bool operator==(const Outcome&) const = default;
};

// `seed` 0: all at once; otherwise pieces whose sizes follow from it.
Outcome run(Side side, bool greeted, BytesView bytes, std::uint32_t seed) {
  Handler handler;
  Hello hello;
  hello.role = Role::kNode;
  hello.software = "fuzz";
  Session session(side, hello, kLimits, handler);
  handler.session = &session;
  session.start();
  Outcome outcome;
  if (greeted) {
    Hello theirs = hello;
    theirs.frame_bytes_max = kFrameBytesMin;
    theirs.stream_window_bytes = 32;
    theirs.streams_max = 3;
    theirs.params_bytes_max = 64;
    theirs.inline_body_bytes_max = 16;
    Bytes frame;
    encode_hello(frame, theirs);
    require(session.receive(frame).has_value());
    if (side == Side::kDialled) {
      std::size_t taken = 0;
      RequestHead head;
      head.service = "S";
      for (int i = 0; i < 3; ++i) {
        require(session.open_request(head, "a body of more than sixteen bytes", i == 2, taken).has_value());
        session.send_data(static_cast<std::uint32_t>(i + 1), std::string(40, 'd'), false);
      }
      require(!session.open_request(head, {}, true, taken).has_value());
    }
  }
  const std::size_t output_before = session.output().size();
  std::size_t at = 0;
  while (at < bytes.size() && !session.failed()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t piece = seed == 1013904223 ? bytes.size() : 1 + ((seed >> 24) % 40);
    const auto result = session.receive(bytes.substr(at, piece));
    at += std::min(piece, bytes.size() - at);
    if (!result) {
      require(session.failed());
      outcome.error = to_string(result.error());
    }
  }
  require(session.output().size() - output_before <= bytes.size() * 12 + 8192);
  require(session.open_streams() <= kLimits.streams_max);
  if (session.failed()) require(session.open_streams() == 0 && !session.mid_frame() && !session.ready());
  outcome.log = handler.log;
  outcome.output = session.output();
  outcome.mid_frame = session.mid_frame();
  outcome.streams = session.open_streams();
  outcome.frames = session.frames_received();
  return outcome;
}

}  // namespace

// First byte: which side, greeted or not, and the seed of the pieces. The rest is received.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Side side = (data[0] & 1) != 0 ? Side::kDialled : Side::kAccepted;
  const bool greeted = (data[0] & 2) != 0;
  const BytesView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = run(side, greeted, bytes, 0);
  require(whole == run(side, greeted, bytes, 1 + data[0] / 4u));
  return 0;
}
