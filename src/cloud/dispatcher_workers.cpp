// The part of Dispatcher that talks to worker threads.
#include <exception>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {
namespace {

// What a streaming handler has written and the caller has not read: beyond this the pipe is left to fill up.
constexpr std::size_t kUnsentStreamBytes = 64u << 10;

// Runs a handler; an exception that leaves it becomes kInternal.
template <class Function>
auto guarded(Function function, std::string_view service, const Log& log) -> decltype(function()) {
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

void Dispatcher::run_on_worker(const std::shared_ptr<Request>& request) {
  request->stage = Request::Stage::kRunning;
  const RequestId id = request->id;
  if (!id.empty()) {
    if (auto* entry = memory_.find(id)) {
      if (entry->finished) return finish(request, Result<Bytes>(entry->result));
      entry->waiters.push_back(request);
      return;
    }
    memory_.begin(id);
  }
  auto& service = *request->service;
  // The bytes are counted until the worker is done with them, also when the caller goes before that.
  const std::size_t held_bytes = std::exchange(request->charged_bytes, 0);
  auto call = std::make_shared<ServiceRequest>();
  call->service = service.name;
  call->target = request->target;
  call->body = std::move(request->body);
  call->id = id;
  call->cancelled = [abandoned = request->abandoned] { return abandoned->load(std::memory_order_relaxed); };
  request->body.clear();
  const bool submitted = parts_.pool.submit(
      [this, request, call, id, held_bytes, &service, params = std::move(request->params), format = request->format] {
        Result<Bytes> result = guarded(
            [&]() -> Result<Bytes> {
              if (call->cancelled()) return fail(Code::kCancelled, "nobody waited for this request any more");
              DISTRI_TRY(call->params, parse_params(params, format));
              return std::get<ServiceHandler>(service.handler)(*call);
            },
            service.name, parts_.config.log);
        call->body = Bytes();
        parts_.loop.post([this, request, id, held_bytes, result = std::move(result)] {
          buffered_bytes_ -= held_bytes;
          finish(request, result);
          finish_id(id, result);
        });
      });
  if (submitted) return;
  buffered_bytes_ -= held_bytes;
  ++service.metrics.busy;
  ++total_.busy;
  const Result<Bytes> busy =
      fail(Code::kBusy, "the worker queue is full ({} requests, limit queue_max); try another node or later",
           parts_.pool.queue_max());
  finish(request, busy);
  finish_id(id, busy);
}

void Dispatcher::finish_id(const RequestId& id, const Result<Bytes>& result) {
  if (id.empty()) return;
  for (const auto& waiter : memory_.finish(id, result)) finish(waiter, result);
}

void Dispatcher::run_streamed(const std::shared_ptr<Request>& request) {
  request->stage = Request::Stage::kRunning;
  auto& service = *request->service;
  const std::weak_ptr<Request> weak = request;
  request->pipe = std::make_shared<StreamPipe>(request->deadline_ns, [this, weak] {
    parts_.loop.post([this, weak] {
      if (const auto alive = weak.lock(); alive && alive->connection != nullptr) service_pipe(alive);
    });
  });
  auto call = std::make_shared<ServiceRequest>();
  call->service = service.name;
  call->target = request->target;
  call->id = request->id;
  call->cancelled = [abandoned = request->abandoned] { return abandoned->load(std::memory_order_relaxed); };
  const bool submitted = parts_.pool.submit([this, request, call, &service, pipe = request->pipe,
                                             params = std::move(request->params), format = request->format] {
    const Result<> result = guarded(
        [&]() -> Result<> {
          DISTRI_TRY(call->params, parse_params(params, format));
          return std::get<StreamHandler>(service.handler)(*call, *pipe, *pipe);
        },
        service.name, parts_.config.log);
    parts_.loop.post([this, request, result] { streamed_handler_done(request, result); });
  });
  if (submitted) return;
  ++service.metrics.busy;
  ++total_.busy;
  finish(request,
         fail(Code::kBusy, "the worker queue is full ({} requests, limit queue_max); try another node or later",
              parts_.pool.queue_max()));
}

// Moves bytes between the pipe and the connection.
void Dispatcher::service_pipe(const std::shared_ptr<Request>& request) {
  if (request->stage == Request::Stage::kDone || request->connection == nullptr) return;
  auto& connection = *request->connection;
  if (const auto consumed = request->pipe->take_consumed(); consumed > 0) {
    connection.connection().session().consume(request->stream, consumed);
  }
  while (request->reply.size() - request->reply_offset < kUnsentStreamBytes) {
    const Bytes output = request->pipe->take_output();
    if (output.empty()) return;
    BytesView rest = output;
    if (!request->reply_begun) {
      request->reply_begun = true;
      rest.remove_prefix(connection.connection().session().send_reply(request->stream, {}, rest, false));
    }
    if (!rest.empty()) connection.send_more(*request, rest);
  }
}

void Dispatcher::streamed_handler_done(const std::shared_ptr<Request>& request, const Result<>& result) {
  if (request->stage == Request::Stage::kDone || request->connection == nullptr) return;
  Bytes output = request->pipe->take_output();
  if (!result) {
    if (!request->reply_begun) return finish(request, fail(result.error()));
    request->connection->connection().session().reset(request->stream, result.error());
    return close_request(request, false);
  }
  if (!request->reply_begun) return finish(request, std::move(output));
  request->stage = Request::Stage::kReplying;
  request->succeeded = true;
  request->reply_complete = true;
  request->connection->send_more(*request, output);
  if (request->reply.empty()) close_request(request, true);
}

}  // namespace distri::cloud
