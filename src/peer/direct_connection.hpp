// direct_connection.hpp: one accepted connection of a DirectServer and its requests. Private to this module.
//
// Invariant: every stream that the caller opened ends with a reply, a reset, or the connection.
// Threads: the loop's. Life: from being accepted to on_closed(); the server owns it.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <set>

#include "distri/peer/direct_server_impl.hpp"

namespace distri::peer {

class DirectConnection final : public net::ConnectionHandler {
 public:
  // More than this waiting to be sent: nothing more is pulled for this connection.
  static constexpr std::size_t kOutboundBytes = 256u << 10;

  DirectConnection(std::shared_ptr<net::Connection> connection, DirectServer::Impl& server)
      : connection_(std::move(connection)), server_(server) {}

  void enter(net::ConnectionCensus::Visit visit) { visit_ = std::move(visit); }
  // Ends it and its requests, with a goodbye.
  void turn_out(const Error& reason);
  // Ends requests that have had their time.
  void tick(std::int64_t now_ms);
  // Goes on with streams that waited for the socket.
  void end_of_turn();
  bool starved() const { return !starved_.empty(); }

  // ---- From the Responder. The call is not over.
  void answer(const std::shared_ptr<DirectCall>& call, Bytes body);
  void answer_stream(const std::shared_ptr<DirectCall>& call, Producer producer);
  void fail_call(DirectCall& call, const Error& error);

  // ---- net::ConnectionHandler
  void on_hello(const wire::Hello& theirs) override;
  void on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) override;
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override;
  void on_writable(std::uint32_t stream) override;
  void on_reset(std::uint32_t stream, const Error& error) override;
  void on_closed(const Error& reason) override;

 private:
  Result<const DirectServer::Handler*> admit_request(const wire::RequestHead& head);
  void refuse(std::uint32_t stream, const Error& error);
  void take_body(const std::shared_ptr<DirectCall>& call, BytesView chunk, bool end);
  void run(const std::shared_ptr<DirectCall>& call);
  // Sends what is there of the answer, as far as the caller's window allows, and asks for more.
  void advance(const std::shared_ptr<DirectCall>& call);
  void pull(const std::shared_ptr<DirectCall>& call);
  void pulled(const std::shared_ptr<DirectCall>& call, Result<Bytes> piece);
  Result<> within_time(const DirectCall& call, std::int64_t now_ms) const;
  // The call is over.
  void forget(DirectCall& call);

  std::shared_ptr<net::Connection> connection_;
  DirectServer::Impl& server_;
  NodeId caller_;
  bool counted_ = false;  // among the caller's connections
  absl::flat_hash_map<std::uint32_t, std::shared_ptr<DirectCall>> calls_;
  std::set<std::uint32_t> starved_;
  net::ConnectionCensus::Visit visit_;
};

}  // namespace distri::peer
