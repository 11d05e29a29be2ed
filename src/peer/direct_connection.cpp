#include "distri/peer/direct_connection.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "distri/peer/responder_state.hpp"

namespace distri::peer {
namespace {

// An exception that leaves a handler or a producer becomes kInternal.
template <class Function>
auto guarded(Function function, const std::string& service, const Log& log) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& exception) {
    log.error("service {}: exception left the handler: {}", service, exception.what());
    return fail(Code::kInternal, "the service failed: {}", exception.what());
  } catch (...) {
    log.error("service {}: an unknown exception left the handler", service);
    return fail(Code::kInternal, "the service failed with an unknown exception");
  }
}

}  // namespace

// ---- The connection.

void DirectConnection::on_hello(const wire::Hello& theirs) {
  if (theirs.role == wire::Role::kNode) {
    return turn_out({Code::kPermissionDenied, "this is a peer, which answers peers, and not a node of a cloud"});
  }
  caller_ = connection_->peer_key().value_or(NodeId());  // there is one: the listener admits nobody else
  std::size_t& connections = server_.callers[caller_];
  if (connections >= server_.options.connections_per_caller_max) {
    return turn_out({Code::kBusy, fmt::format("this peer has {} connections with key {}, the limit "
                                              "connections_per_caller_max; close one of them",
                                              connections, caller_.short_hex())});
  }
  ++connections;
  counted_ = true;
  connection_->trust();
  visit_.trusted();
}

void DirectConnection::turn_out(const Error& reason) {
  const auto calls = calls_;
  for (const auto& [stream, call] : calls) fail_call(*call, reason);
  connection_->session().abort(reason);
  connection_->close(reason);
}

void DirectConnection::on_closed(const Error& reason) {
  const auto calls = std::exchange(calls_, {});
  for (const auto& [stream, call] : calls) {
    call->connection = nullptr;
    call->over = true;
    --server_.open_requests;
  }
  if (counted_) {
    const auto found = server_.callers.find(caller_);
    if (--found->second == 0) server_.callers.erase(found);
  }
  visit_.closed(reason);
  server_.remove(*this);
}

// ---- Requests come in.

Result<const DirectServer::Handler*> DirectConnection::admit_request(const wire::RequestHead& head) {
  const auto found = server_.services.find(head.service);
  if (found == server_.services.end()) {
    return fail(Code::kUnknownService, "this peer has no service '{}'", std::string(head.service.substr(0, 64)));
  }
  if (server_.open_requests >= server_.options.requests_max) {
    return fail(Code::kBusy, "this peer has {} requests under way, its limit requests_max; try again later",
                server_.options.requests_max);
  }
  return &found->second;
}

void DirectConnection::refuse(std::uint32_t stream, const Error& error) {
  if (error.code == Code::kBusy) ++server_.refused;
  connection_->session().send_reply(stream, {.status = error.code, .message = error.message, .hint = {}, .token = {}},
                                    {}, true);
}

void DirectConnection::on_request(std::uint32_t stream, const wire::RequestHead& head, BytesView body, bool end) {
  if (head.service == kHereService) {
    connection_->session().send_reply(stream, {}, {}, true);
    return;
  }
  const auto handler = admit_request(head);
  if (!handler) return refuse(stream, handler.error());
  const auto call = std::make_shared<DirectCall>(server_.shared, *this, stream);
  call->handler = *handler;
  call->request.caller = caller_;
  call->request.service = head.service;
  call->request.params = head.params;
  call->request.bson = head.format == wire::Format::kBson;
  call->began_ms = server_.clock.monotonic_ms();
  call->caller_ms = head.deadline_ms;
  calls_.emplace(stream, call);
  ++server_.open_requests;
  take_body(call, body, end);
}

void DirectConnection::on_data(std::uint32_t stream, BytesView chunk, bool end) {
  connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
  const auto found = calls_.find(stream);
  if (found == calls_.end() || found->second->stage != DirectCall::Stage::kReceiving) return;
  const auto call = found->second;
  take_body(call, chunk, end);
}

void DirectConnection::take_body(const std::shared_ptr<DirectCall>& call, BytesView chunk, bool end) {
  const auto& options = server_.options;
  if (call->request.body.size() + chunk.size() > options.body_bytes_max) {
    return fail_call(*call, {Code::kTooLarge, fmt::format("the body has more than {} bytes, this peer's limit "
                                                          "body_bytes_max",
                                                          options.body_bytes_max)});
  }
  if (server_.shared->body_bytes + chunk.size() > options.bodies_bytes_max) {
    return fail_call(*call, {Code::kBusy, fmt::format("requests under way hold {} bytes here, the limit "
                                                      "bodies_bytes_max; try again later",
                                                      server_.shared->body_bytes.load())});
  }
  call->charged_bytes += chunk.size();
  server_.shared->body_bytes += chunk.size();
  call->request.body.append(chunk);
  if (end) run(call);
}

void DirectConnection::run(const std::shared_ptr<DirectCall>& call) {
  auto& waiting = server_.shared->waiting;
  if (waiting >= server_.options.queue_max) {
    return fail_call(*call, {Code::kBusy, fmt::format("{} requests wait for a worker here, the limit queue_max; try "
                                                      "again later",
                                                      server_.options.queue_max)});
  }
  call->stage = DirectCall::Stage::kRunning;
  ++waiting;
  const bool submitted = server_.pool->submit([call, log = server_.options.log] {
    --call->loop->waiting;
    if (call->over) return;
    const Responder responder(std::make_shared<Responder::State>(call));
    const Result<> handled = guarded(
        [&]() -> Result<> {
          (*call->handler)(call->request, responder);
          return {};
        },
        call->request.service, log);
    if (!handled) responder.fail(handled.error());
  });
  if (submitted) return;
  --waiting;
  fail_call(*call, {Code::kUnavailable, "this peer is stopping"});
}

// ---- Answers go out.

void DirectConnection::answer(const std::shared_ptr<DirectCall>& call, Bytes body) {
  call->stage = DirectCall::Stage::kSending;
  call->progress_ms = server_.clock.monotonic_ms();
  call->piece = std::move(body);
  call->last = true;
  advance(call);
}

void DirectConnection::answer_stream(const std::shared_ptr<DirectCall>& call, Producer producer) {
  call->stage = DirectCall::Stage::kSending;
  call->progress_ms = server_.clock.monotonic_ms();
  call->producer = std::move(producer);
  advance(call);
}

void DirectConnection::fail_call(DirectCall& call, const Error& error) {
  const auto keep = calls_.at(call.stream);
  if (call.reply_begun) {
    connection_->session().reset(call.stream, error);
  } else {
    refuse(call.stream, error);
  }
  forget(call);
}

void DirectConnection::advance(const std::shared_ptr<DirectCall>& call) {
  auto& session = connection_->session();
  const bool something = call->last || call->sent < call->piece.size();
  if (something) {
    const std::size_t before = call->sent;
    if (!std::exchange(call->reply_begun, true)) {
      call->sent = session.send_reply(call->stream, {}, call->piece, call->last);
    }
    // The end has gone with the reply if all of it fitted there.
    if (call->sent < call->piece.size()) {
      call->sent += session.send_data(call->stream, BytesView(call->piece).substr(call->sent), call->last);
    } else if (call->last && session.has_stream(call->stream)) {
      session.send_data(call->stream, {}, true);
    }
    if (call->sent > before) call->progress_ms = server_.clock.monotonic_ms();
    if (call->sent < call->piece.size()) return;  // on_writable() follows
    if (call->last) {
      ++server_.answered;
      return forget(*call);
    }
  }
  if (call->pulling) return;
  if (connection_->outbound_bytes() > kOutboundBytes) {
    starved_.insert(call->stream);
  } else {
    pull(call);
  }
}

void DirectConnection::pull(const std::shared_ptr<DirectCall>& call) {
  call->pulling = true;
  const bool submitted = server_.pool->submit([call, log = server_.options.log] {
    if (call->over) return;
    auto piece =
        guarded([&]() -> Result<Bytes> { return call->producer(kStreamPieceBytes); }, call->request.service, log);
    if (piece && piece->size() > kStreamPieceBytes) {
      piece = fail(Code::kInternal, "the service produced a piece of {} bytes where {} were asked for", piece->size(),
                   kStreamPieceBytes);
    }
    call->loop->post([call, piece = std::move(piece)]() mutable {
      call->pulling = false;
      if (call->connection != nullptr) call->connection->pulled(call, std::move(piece));
    });
  });
  if (!submitted) fail_call(*call, {Code::kUnavailable, "this peer is stopping"});
}

void DirectConnection::pulled(const std::shared_ptr<DirectCall>& call, Result<Bytes> piece) {
  if (!piece) return fail_call(*call, piece.error());
  call->last = piece->empty();
  call->piece = std::move(*piece);
  call->sent = 0;
  advance(call);
}

void DirectConnection::on_writable(std::uint32_t stream) {
  if (const auto found = calls_.find(stream); found != calls_.end()) {
    const auto call = found->second;
    if (call->stage == DirectCall::Stage::kSending) advance(call);
  }
}

void DirectConnection::on_reset(std::uint32_t stream, const Error&) {
  if (const auto found = calls_.find(stream); found != calls_.end()) {
    const auto call = found->second;
    forget(*call);
  }
}

void DirectConnection::forget(DirectCall& call) {
  call.connection = nullptr;
  call.over = true;
  starved_.erase(call.stream);
  --server_.open_requests;
  calls_.erase(call.stream);
}

// What this sends may leave at once; only what the socket does not take counts.
void DirectConnection::end_of_turn() {
  connection_->flush();
  while (!starved_.empty() && connection_->outbound_bytes() <= kOutboundBytes) {
    const auto call = calls_.at(*starved_.begin());
    starved_.erase(starved_.begin());
    pull(call);
  }
}

// ---- Time.

Result<> DirectConnection::within_time(const DirectCall& call, std::int64_t now_ms) const {
  const auto& options = server_.options;
  const std::int64_t age_ms = now_ms - call.began_ms;
  if (call.caller_ms != 0 && age_ms > call.caller_ms) {
    return fail(Code::kDeadlineExceeded, "the deadline of the request, {} ms, has passed", call.caller_ms);
  }
  if (call.stage != DirectCall::Stage::kSending) {
    if (age_ms <= options.answer_ms_max) return {};
    return fail(Code::kDeadlineExceeded, "the request was not {} within {} ms (answer_ms_max)",
                call.stage == DirectCall::Stage::kReceiving ? "complete" : "answered", options.answer_ms_max);
  }
  if (age_ms > options.stream_ms_max) {
    return fail(Code::kDeadlineExceeded, "the stream was not read within {} ms (stream_ms_max)", options.stream_ms_max);
  }
  if (!call.pulling && now_ms - call.progress_ms > options.stream_stall_ms) {
    return fail(Code::kDeadlineExceeded, "nothing of the stream was taken within {} ms (stream_stall_ms)",
                options.stream_stall_ms);
  }
  return {};
}

void DirectConnection::tick(std::int64_t now_ms) {
  std::vector<std::pair<std::shared_ptr<DirectCall>, Error>> late;
  for (const auto& [stream, call] : calls_) {
    if (auto in_time = within_time(*call, now_ms); !in_time) late.emplace_back(call, in_time.error());
  }
  for (const auto& [call, error] : late) fail_call(*call, error);
}

}  // namespace distri::peer
