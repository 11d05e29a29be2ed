#include "raw_client.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "distri/utils/clock.hpp"

namespace distri::test {

RunningNode::RunningNode(cloud::NodeConfig config, const std::function<void(cloud::CloudNode&)>& prepare) {
  config.listen = {"127.0.0.1", 0};
  config.handle_signals = false;
  node_ = std::make_unique<cloud::CloudNode>(config);
  if (prepare) prepare(*node_);
  REQUIRE(node_->listen());
  thread_ = std::thread([this] { std::ignore = node_->run(); });
}

RunningNode::~RunningNode() {
  stop();
}

void RunningNode::stop() {
  if (!thread_.joinable()) return;
  node_->stop();
  thread_.join();
}

RawClient::RawClient(const Address& address, bool hello, wire::Role role) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(socket_ >= 0);
  const timeval limit{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int one = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  REQUIRE(::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr) == 1);
  REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  if (!hello) return;
  wire::Hello ours;
  ours.role = role;
  if (role == wire::Role::kNode) ours.node.bytes[0] = 0x77;
  ours.frame_bytes_max = 1u << 20;
  ours.stream_window_bytes = 256u << 10;
  ours.streams_max = 1024;
  ours.params_bytes_max = 64u << 10;
  ours.inline_body_bytes_max = 64u << 10;
  ours.software = "raw test client";
  Bytes out;
  wire::encode_hello(out, ours);
  send(out);
  const auto frame = receive();
  REQUIRE(frame);
  REQUIRE(frame->header.type == wire::FrameType::kHello);
  const auto theirs = wire::decode_hello(frame->payload);
  REQUIRE(theirs);
  peer_ = *theirs;
}

RawClient::~RawClient() {
  ::close(socket_);
}

void RawClient::send(BytesView bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;  // the node has closed: the test sees it when it reads
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::optional<RawFrame> RawClient::receive() {
  for (;;) {
    if (input_.size() >= wire::kFrameHeaderBytes) {
      const auto header = wire::decode_frame_header(input_);
      REQUIRE(header);
      if (input_.size() >= wire::kFrameHeaderBytes + header->payload_bytes) {
        RawFrame frame{*header, input_.substr(wire::kFrameHeaderBytes, header->payload_bytes)};
        input_.erase(0, wire::kFrameHeaderBytes + header->payload_bytes);
        return frame;
      }
    }
    char buffer[64 << 10];
    const auto n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) FAIL("the node neither answered nor closed within 20 s");
    if (n <= 0) return std::nullopt;
    input_.append(buffer, static_cast<std::size_t>(n));
  }
}

std::optional<Error> RawClient::wait_closed() {
  std::optional<Error> reason;
  while (const auto frame = receive()) {
    if (frame->header.type != wire::FrameType::kGoodbye) continue;
    const auto error = wire::decode_error(frame->payload);
    REQUIRE(error);
    reason = *error;
  }
  return reason;
}

RawReply RawClient::call(std::string_view service, std::string_view params, BytesView body, const RequestId& id,
                         std::uint8_t attempt, BytesView token, std::uint32_t deadline_ms) {
  wire::RequestHead head;
  head.id = id;
  head.deadline_ms = deadline_ms;
  head.attempt = attempt;
  head.service = service;
  head.params = params;
  head.token = token;
  const auto stream = next_stream();
  Bytes out;
  const std::size_t first = std::min<std::size_t>(body.size(), 32u << 10);
  wire::encode_request(out, stream, head, body.substr(0, first), first == body.size());
  send(out);
  BytesView rest = body.substr(first);
  std::size_t window = peer_.stream_window_bytes;
  while (!rest.empty()) {
    if (window == 0) {
      const auto frame = receive();
      REQUIRE(frame);
      if (frame->header.type == wire::FrameType::kReply) {  // answered early
        RawReply reply;
        BytesView reply_body;
        const auto reply_head = wire::decode_reply(frame->payload, {}, reply_body);
        REQUIRE(reply_head);
        return {
            reply_head->status, std::string(reply_head->message), std::string(reply_head->hint), {}, Bytes(reply_body)};
      }
      if (frame->header.type == wire::FrameType::kWindow) window += *wire::decode_window(frame->payload);
      continue;
    }
    const auto size = std::min({rest.size(), window, std::size_t{32u << 10}});
    out.clear();
    wire::encode_data(out, stream, rest.substr(0, size), size == rest.size());
    send(out);
    rest.remove_prefix(size);
    window -= size;
  }
  return collect(stream);
}

RawReply RawClient::collect(std::uint32_t stream) {
  RawReply reply;
  for (;;) {
    const auto frame = receive();
    if (!frame) {
      reply.status = Code::kConnectionLost;
      return reply;
    }
    if (frame->header.stream != stream) continue;
    if (frame->header.type == wire::FrameType::kReply) {
      BytesView body;
      const auto head = wire::decode_reply(frame->payload, {}, body);
      REQUIRE(head);
      reply = {head->status, std::string(head->message), std::string(head->hint), Bytes(head->token), Bytes(body)};
    } else if (frame->header.type == wire::FrameType::kData) {
      reply.body += frame->payload;
      if (frame->payload.empty()) {
        if ((frame->header.flags & wire::kFlagEnd) != 0) return reply;
        continue;
      }
      Bytes credit;
      wire::encode_window(credit, stream, static_cast<std::uint32_t>(frame->payload.size()));
      send(credit);
    } else if (frame->header.type == wire::FrameType::kReset) {
      const auto error = wire::decode_error(frame->payload);
      REQUIRE(error);
      reply.status = error->code;
      reply.message = error->message;
      return reply;
    } else {
      continue;
    }
    if ((frame->header.flags & wire::kFlagEnd) != 0) return reply;
  }
}

RequestId request_id(unsigned char n) {
  RequestId id;
  id.bytes.fill(n);
  return id;
}

nlohmann::json stats(const Address& address) {
  RawClient client(address);
  return nlohmann::json::parse(client.call("Stats").body);
}

void eventually(const std::function<bool()>& condition) {
  const SystemClock clock;
  const auto limit = clock.monotonic_ms() + 30'000;
  while (!condition()) {
    REQUIRE(clock.monotonic_ms() < limit);
    std::this_thread::yield();
  }
}

void wait_until_serving(const Address& address) {
  eventually([&] { return stats(address)["state"] == "serving"; });
}

}  // namespace distri::test
