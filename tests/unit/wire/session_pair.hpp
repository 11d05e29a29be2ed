// session_pair.hpp: two sessions with a wire between them that tests can cut into pieces, and handlers that write down
// what they see.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "distri/wire/session.hpp"

namespace distri::wire {

// Every event as one line; bodies are written as they are, so keep them short or read `bytes`.
class Recorder : public SessionHandler {
 public:
  std::vector<std::string> events;
  std::size_t body_bytes = 0;
  std::function<void(const std::string&)> after;  // runs inside the event

  void on_hello(const Hello& theirs) override { note(fmt::format("hello {}", theirs.software)); }
  void on_request(std::uint32_t stream, const RequestHead& head, BytesView body, bool end) override {
    body_bytes += body.size();
    note(fmt::format("request {} {} [{}] [{}]{}", stream, head.service, head.params, body, end ? " end" : ""));
  }
  void on_reply(std::uint32_t stream, const ReplyHead& head, BytesView body, bool end) override {
    body_bytes += body.size();
    note(fmt::format("reply {} {} [{}] [{}]{}", stream, code_name(head.status), head.message, body, end ? " end" : ""));
  }
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    body_bytes += chunk.size();
    note(fmt::format("data {} [{}]{}", stream,
                     chunk.size() > 64 ? fmt::format("{} bytes", chunk.size()) : std::string(chunk),
                     end ? " end" : ""));
  }
  void on_writable(std::uint32_t stream) override { note(fmt::format("writable {}", stream)); }
  void on_reset(std::uint32_t stream, const Error& error) override {
    note(fmt::format("reset {} {}", stream, to_string(error)));
  }
  void on_message(std::uint16_t kind, BytesView payload) override {
    note(fmt::format("message {} [{}]", kind, payload));
  }
  void on_goodbye(const Error& error) override { note(fmt::format("goodbye {}", to_string(error))); }
  void on_pong(std::uint64_t token) override { note(fmt::format("pong {}", token)); }

  std::vector<std::string> take() { return std::exchange(events, {}); }

 private:
  void note(std::string event) {
    events.push_back(event);
    if (after) after(event);
  }
};

using Events = std::vector<std::string>;

inline Hello hello_of(Role role, std::string software) {
  Hello hello;
  hello.role = role;
  hello.software = std::move(software);
  return hello;
}

struct SessionPair {
  explicit SessionPair(Limits client_limits = {}, Limits node_limits = {}, Role client_role = Role::kClient)
      : client(Side::kDialled, hello_of(client_role, "C"), client_limits, client_events),
        node(Side::kAccepted, hello_of(Role::kNode, "N"), node_limits, node_events) {}

  // Moves bytes in pieces until both are silent; a session that has failed hears nothing.
  void move(std::size_t piece_bytes = 1u << 20) {
    while (!client.output().empty() || !node.output().empty()) {
      feed(client, node, node_error, piece_bytes);
      feed(node, client, client_error, piece_bytes);
    }
  }

  void hello() {
    client.start();
    move();
    REQUIRE(client.ready());
    REQUIRE(node.ready());
    client_events.take();
    node_events.take();
  }

  std::uint32_t request(std::string_view service, std::string_view body = {}, bool end = true) {
    std::size_t taken = 0;
    RequestHead head;
    head.service = service;
    const auto stream = client.open_request(head, body, end, taken);
    REQUIRE(stream.has_value());
    REQUIRE(taken == body.size());
    return *stream;
  }

  Recorder client_events;
  Recorder node_events;
  Session client;
  Session node;
  Error client_error{Code::kOk, {}};
  Error node_error{Code::kOk, {}};

 private:
  static void feed(Session& from, Session& to, Error& error, std::size_t piece_bytes) {
    const Bytes bytes = std::exchange(from.output(), {});
    for (std::size_t at = 0; at < bytes.size() && !to.failed(); at += piece_bytes) {
      if (auto result = to.receive(BytesView(bytes).substr(at, piece_bytes)); !result) error = result.error();
    }
  }
};

// The goodbye at the end of what a session has queued.
inline Error last_goodbye(const Session& session) {
  BytesView rest = session.output();
  Error error{Code::kOk, "no goodbye"};
  while (rest.size() >= kFrameHeaderBytes) {
    const auto header = decode_frame_header(rest);
    REQUIRE(header.has_value());
    const BytesView payload = rest.substr(kFrameHeaderBytes, header->payload_bytes);
    rest.remove_prefix(kFrameHeaderBytes + header->payload_bytes);
    error = Error{Code::kOk, "no goodbye"};
    if (header->type == FrameType::kGoodbye) error = *decode_error(payload);
  }
  REQUIRE(rest.empty());
  return error;
}

}  // namespace distri::wire
