// raw_client.hpp: a node running in a thread, and a client that speaks the protocol over a plain blocking socket, so
// that it can also speak it wrongly. Every wait has a limit and fails the test.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>

#include "distri/cloud/cloud_node.hpp"
#include "distri/wire/messages.hpp"

namespace distri::test {

// Starts the node on a free loopback port; stops and joins in the destructor.
class RunningNode {
 public:
  explicit RunningNode(cloud::NodeConfig config = {}, const std::function<void(cloud::CloudNode&)>& prepare = nullptr);
  ~RunningNode();
  Address address() const { return node_->address(); }
  cloud::CloudNode& node() { return *node_; }
  void stop();

 private:
  std::unique_ptr<cloud::CloudNode> node_;
  std::thread thread_;
};

struct RawFrame {
  wire::FrameHeader header;
  Bytes payload;
};

struct RawReply {
  Code status = Code::kInternal;
  std::string message;
  std::string hint;
  Bytes token;
  Bytes body;
};

class RawClient {
 public:
  // Connects; with `hello` also completes the hello.
  explicit RawClient(const Address& address, bool hello = true, wire::Role role = wire::Role::kClient);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(BytesView bytes);
  // The next frame, or nothing when the node closed the connection. Fails the test after 20 s.
  std::optional<RawFrame> receive();
  // Reads until the node closes; the last GOODBYE's error, if it sent one.
  std::optional<Error> wait_closed();
  // Sends a whole request (body by DATA frames within the window when long) and collects the whole reply.
  RawReply call(std::string_view service, std::string_view params = "", BytesView body = "", const RequestId& id = {},
                std::uint8_t attempt = 0, BytesView token = "", std::uint32_t deadline_ms = 0);
  std::uint32_t next_stream() { return stream_++; }
  // Collects the reply of one stream; frames of other streams are skipped.
  RawReply collect(std::uint32_t stream);
  const wire::Hello& peer() const { return peer_; }

 private:
  int socket_ = -1;
  std::uint32_t stream_ = 1;
  Bytes input_;
  wire::Hello peer_;
};

// Sixteen times that byte.
RequestId request_id(unsigned char n);

// What the service Stats says.
nlohmann::json stats(const Address& address);

// Repeats until the condition holds; fails the test after 30 s.
void eventually(const std::function<bool()>& condition);

// The node takes requests for documents.
void wait_until_serving(const Address& address);

}  // namespace distri::test
