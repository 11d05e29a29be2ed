#include "distri/cloud/dispatcher.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "distri/cloud/dispatcher_arrival.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {
namespace {

constexpr std::string_view kUpdateInfo = "UpdateInfo";  // for nodes only, and no request
// JSON text is longer than the document it stands for.
constexpr std::size_t kDocumentBodyBytesMax = 2 * bson::kDocumentBytesMax;
// Of changes to tokens and users, beside the limit in time.
constexpr std::size_t kAccessRequestsMax = 1'000;
constexpr std::size_t kAccessBytesMax = 1u << 20;
constexpr std::int64_t kAccessResultsKeptMs = 600'000;

}  // namespace

Dispatcher::Dispatcher(Parts parts)
    : parts_(std::move(parts)),
      memory_(parts_.config.remembered_requests_max, parts_.config.remembered_bytes_max),
      access_memory_(kAccessRequestsMax, kAccessBytesMax),
      feed_(parts_.replica) {
  for (const auto name : document_service_names()) document_metrics_.push_back(&built_in_[std::string(name)]);
  for (const auto name : built_in_services()) {
    if (name != kUpdateInfo) built_in_[std::string(name)];
  }
  if (!parts_.journal) durable_counter_ = std::numeric_limits<std::uint64_t>::max();
}

Dispatcher::~Dispatcher() = default;

const std::vector<std::string_view>& Dispatcher::built_in_services() {
  static const std::vector<std::string_view> names = {"Stats",          "Nodes",         "Echo",         "Backup",
                                                      "Watch",          "Members",       "Join",         "Identify",
                                                      "OpenInvitation", "ChangeMembers", "Authenticate", "CreateToken",
                                                      "CreateUser",     "ListAccess",    "RevokeAccess", kUpdateInfo};
  return names;
}

void Dispatcher::begin(ServerConnection& connection, std::uint32_t stream, const wire::RequestHead& head,
                       BytesView body, bool end) {
  Arrival arrival{connection, stream, head, body, end, parts_.clock.monotonic_ns(), {}};
  ++total_.received;
  const auto name = parse_service_name(head.service);
  if (!name) return refuse(arrival, name.error());
  arrival.name = *name;
  if (connection.rights() == nullptr && !is_for_strangers(name->name)) return refuse(arrival, connection.distrust());
  if (const auto service = find_document_service(name->name)) return begin_document(arrival, *service);
  if (const auto allowed = check_service_rights(arrival); !allowed) return refuse(arrival, allowed.error());
  if (const auto it = parts_.registry.find(name->name); it != parts_.registry.end())
    return begin_registered(arrival, it->second);
  if (name->name == "Echo") return begin_echo(arrival);
  if (name->name == "Backup") return begin_backup(arrival);
  if (name->name == "Watch") return begin_watch(arrival);
  if (name->name == "Members" || name->name == "Join" || name->name == "Identify" || name->name == "OpenInvitation" ||
      name->name == "ChangeMembers") {
    return begin_membership(arrival);
  }
  if (name->name == "Authenticate" || name->name == "CreateToken" || name->name == "CreateUser" ||
      name->name == "ListAccess" || name->name == "RevokeAccess") {
    return begin_access(arrival);
  }
  if (name->name == "Stats" || name->name == "Nodes") {
    auto& metrics = built_in_.find(name->name)->second;
    ++metrics.received;
    return answer(arrival, metrics,
                  render_document(name->name == "Stats" ? parts_.stats() : parts_.nodes(), head.format));
  }
  if (name->name == kUpdateInfo) {
    return refuse(arrival, Error{Code::kPermissionDenied,
                                 "UpdateInfo is for the nodes of the cluster only; Stats is for everybody"});
  }
  refuse(arrival, Error{Code::kUnknownService, unknown_service_text(name->name)});
}

void Dispatcher::refuse(Arrival& arrival, const Error& error) {
  std::string hint;
  if (error.code == Code::kBusy) ++total_.busy;
  if (error.code == Code::kBusy || error.code == Code::kUnavailable) hint = parts_.better_node();
  wire::ReplyHead head;
  head.status = error.code;
  head.message = error.message;
  head.hint = hint;
  std::ignore = arrival.connection.reply(arrival.stream, nullptr, head, {});
}

// Answers a request that needs no waiting. It is accepted and over at once, but for a reply that is longer than the
// window.
void Dispatcher::answer(Arrival& arrival, RequestMetrics& metrics, Result<Bytes> result) {
  ++total_.accepted;
  ++metrics.accepted;
  const Bytes token = reply_token(arrival.head.token);
  wire::ReplyHead head;
  head.token = token;
  if (!result) {
    head.status = result.error().code;
    head.message = result.error().message;
  }
  const auto rest = arrival.connection.reply(arrival.stream, nullptr, head, result ? *std::move(result) : Bytes());
  if (!rest) return account(metrics, arrival.arrived_ns, result.has_value());
  rest->metrics = &metrics;
  rest->arrived_ns = arrival.arrived_ns;
  rest->succeeded = result.has_value();
  rest->deadline_ns = arrival.arrived_ns + parts_.config.default_deadline_ms * 1'000'000;
  charge(*rest, rest->reply.size());
  by_deadline_.emplace(rest->deadline_ns, rest);
}

std::optional<Error> Dispatcher::overload(std::size_t connection_bytes) const {
  if (buffered_bytes_ > parts_.config.buffered_bytes_max) {
    return Error{Code::kBusy,
                 fmt::format("the node holds {} bytes of unfinished requests; the limit buffered_bytes_max is {}",
                             buffered_bytes_, parts_.config.buffered_bytes_max)};
  }
  if (connection_bytes > ServerConnection::kUnsentReplyBytesMax) {
    return Error{Code::kBusy,
                 fmt::format("this connection has {} bytes of replies that were not read, or are in the making; read "
                             "them first",
                             connection_bytes)};
  }
  return std::nullopt;
}

bool Dispatcher::refused_for_load(Arrival& arrival, RequestMetrics& metrics) {
  const auto busy = overload(arrival.connection.unsent_reply_bytes() + arrival.connection.reading_bytes());
  if (!busy) return false;
  ++metrics.busy;
  refuse(arrival, *busy);
  return true;
}

std::shared_ptr<Request> Dispatcher::open(Arrival& arrival, Request::Kind kind, RequestMetrics& metrics) {
  const auto request = open_executed(arrival, kind, metrics);
  request->params = arrival.head.params;
  request->body = arrival.body;
  charge(*request, request->params.size() + request->body.size());
  return request;
}

std::shared_ptr<Request> Dispatcher::open_executed(Arrival& arrival, Request::Kind kind, RequestMetrics& metrics) {
  ++total_.accepted;
  ++metrics.accepted;
  auto request = std::make_shared<Request>();
  request->connection = &arrival.connection;
  request->stream = arrival.stream;
  request->kind = kind;
  request->id = arrival.head.id;
  request->format = arrival.head.format;
  request->attempt = arrival.head.attempt;
  request->target = arrival.name.target;
  request->token = arrival.head.token;
  request->metrics = &metrics;
  request->rights = arrival.connection.rights();
  request->arrived_ns = arrival.arrived_ns;
  const std::int64_t asked_ms =
      arrival.head.deadline_ms == 0 ? parts_.config.default_deadline_ms : arrival.head.deadline_ms;
  request->deadline_ns = arrival.arrived_ns + std::min(asked_ms, parts_.config.deadline_max_ms) * 1'000'000;
  by_deadline_.emplace(request->deadline_ns, request);
  arrival.connection.add(request);
  return request;
}

void Dispatcher::begin_document(Arrival& arrival, DocumentService service) {
  auto& metrics = *document_metrics_[static_cast<std::size_t>(service)];
  ++metrics.received;
  if (!ready_) {
    return refuse(arrival, Error{Code::kUnavailable, "this node has just started and does not have all documents yet"});
  }
  if (refused_for_load(arrival, metrics)) return;
  const DocumentCall call{service,
                          arrival.name.target,
                          arrival.head.params,
                          arrival.body,
                          arrival.head.format,
                          arrival.head.attempt,
                          arrival.connection.rights().get()};
  if (const auto allowed = check_rights(call); !allowed) return refuse(arrival, allowed.error());
  if (arrival.end && covered(arrival.head.token) && !doubtful(call, arrival.head.id)) {
    auto outcome = run_document(call, arrival.head.id);
    if (!outcome.reading && settled(outcome)) return answer(arrival, metrics, std::move(outcome.result));
    // A write that is being prepared is still to be executed.
    const bool again = outcome.reading && outcome.reading->preparation() != nullptr;
    const auto request = again ? open(arrival, Request::Kind::kDocument, metrics)
                               : open_executed(arrival, Request::Kind::kDocument, metrics);
    request->document_service = service;
    if (outcome.reading) return start_reading(request, std::move(outcome.reading));
    return hold(request, std::move(outcome));
  }
  const auto request = open(arrival, Request::Kind::kDocument, metrics);
  request->document_service = service;
  if (arrival.end) body_complete(request);
}

void Dispatcher::begin_registered(Arrival& arrival, RegisteredService& service) {
  ++service.metrics.received;
  if (refused_for_load(arrival, service.metrics)) return;
  if (parts_.pool.full()) {
    ++service.metrics.busy;
    return refuse(
        arrival, Error{Code::kBusy,
                       fmt::format("the worker queue is full ({} requests, limit queue_max); try another node or later",
                                   parts_.pool.queue_max())});
  }
  const auto request =
      open(arrival, service.streamed() ? Request::Kind::kStreamed : Request::Kind::kBuffered, service.metrics);
  request->service = &service;
  if (service.streamed()) {
    run_streamed(request);
    if (request->stage == Request::Stage::kDone) return;
    request->pipe->push_input(request->body);
    request->body.clear();
    if (arrival.end) request->pipe->end_input();
  } else if (arrival.end) {
    body_complete(request);
  }
}

void Dispatcher::begin_echo(Arrival& arrival) {
  auto& metrics = built_in_.find("Echo")->second;
  ++metrics.received;
  if (refused_for_load(arrival, metrics)) return;
  if (arrival.end) return answer(arrival, metrics, Bytes(arrival.body));
  const auto request = open(arrival, Request::Kind::kEcho, metrics);
  request->body.clear();
  const std::size_t taken =
      arrival.connection.connection().session().send_reply(request->stream, {}, arrival.body, false);
  request->reply_begun = true;
  arrival.connection.send_more(*request, arrival.body.substr(taken));
}

void Dispatcher::begin_backup(Arrival& arrival) {
  auto& metrics = built_in_.find("Backup")->second;
  ++metrics.received;
  const auto directory = [&]() -> Result<std::string> {
    if (!arrival.end) return fail(Code::kInvalidArgument, "Backup takes no body");
    DISTRI_TRY(const bson::Document params, parse_document(arrival.head.params, arrival.head.format, "parameters"));
    const auto value = params.view().find("directory");
    if (!value || value->type() != bson::Type::kString || !value->as_string().starts_with('/')) {
      return fail(Code::kInvalidArgument,
                  "parameter 'directory' must be an absolute path on the node's machine, where nothing is yet");
    }
    return std::string(value->as_string());
  }();
  if (!directory) return refuse(arrival, directory.error());
  const auto request = open_executed(arrival, Request::Kind::kBuffered, metrics);
  request->stage = Request::Stage::kRunning;
  parts_.backup(*directory, [this, request, path = *directory](const Result<>& result) {
    if (!result) return finish(request, fail(result.error()));
    bson::Builder reply;
    reply.append_string("directory", path);
    finish(request, render_document(std::move(reply).finish(), request->format));
  });
}

void Dispatcher::begin_membership(Arrival& arrival) {
  auto& metrics = built_in_.find(arrival.name.name)->second;
  ++metrics.received;
  if (!arrival.end) {
    return refuse(arrival, Error{Code::kTooLarge,
                                 fmt::format("the body of {} must fit into the request's frame", arrival.name.name)});
  }
  if (!arrival.connection.may_ask_as_stranger()) {
    return refuse(arrival, asked_too_often(parts_.config.stranger_streams_max));
  }
  const auto request = open_executed(arrival, Request::Kind::kBuffered, metrics);
  request->stage = Request::Stage::kRunning;
  parts_.membership({std::string(arrival.name.name), std::string(arrival.name.target), arrival.head.format,
                     Bytes(arrival.body), arrival.connection.connection().channel_binding(),
                     [this, request](const Result<Bytes>& result) { finish(request, result); }});
}

void Dispatcher::begin_watch(Arrival& arrival) {
  auto& metrics = built_in_.find("Watch")->second;
  ++metrics.received;
  if (!ready_) {
    return refuse(arrival, Error{Code::kUnavailable, "this node has just started and does not have all documents yet"});
  }
  if (refused_for_load(arrival, metrics)) return;
  auto watch = admit_watch(arrival.connection, arrival.name.target, arrival.head);
  if (watch && !arrival.body.empty()) watch = fail(Code::kInvalidArgument, "Watch takes no body");
  if (!watch) {
    if (watch.error().code == Code::kBusy) ++metrics.busy;
    return refuse(arrival, watch.error());
  }
  const auto request = open_executed(arrival, Request::Kind::kWatch, metrics);
  request->watch = std::make_unique<Watch>(*std::move(watch));
  watches_.push_back(request);
  if (arrival.end) body_complete(request);
}

void Dispatcher::more(const std::shared_ptr<Request>& request, BytesView chunk, bool end) {
  if (request->kind == Request::Kind::kEcho) return more_echo(request, chunk, end);
  if (request->kind == Request::Kind::kStreamed) {
    request->pipe->push_input(chunk);
    if (end) request->pipe->end_input();
    return;
  }
  auto& session = request->connection->connection().session();
  session.consume(request->stream, static_cast<std::uint32_t>(chunk.size()));
  if (request->stage != Request::Stage::kReceiving) return;
  if (request->kind == Request::Kind::kWatch && !chunk.empty())
    return finish(request, fail(Code::kInvalidArgument, "Watch takes no body"));
  const std::size_t limit =
      request->kind == Request::Kind::kDocument ? kDocumentBodyBytesMax : parts_.config.request_body_bytes_max;
  if (request->body.size() + chunk.size() > limit) {
    return finish(request, fail(Code::kTooLarge, "the body of the request is over the limit of {} bytes", limit));
  }
  if (buffered_bytes_ + chunk.size() > parts_.config.buffered_bytes_max) {
    return finish(request,
                  fail(Code::kBusy, "the node holds {} bytes of unfinished requests, the limit buffered_bytes_max",
                       buffered_bytes_));
  }
  request->body.append(chunk);
  charge(*request, chunk.size());
  if (end) body_complete(request);
}

void Dispatcher::more_echo(const std::shared_ptr<Request>& request, BytesView chunk, bool end) {
  request->reply_complete = end;
  request->uncredited_bytes += chunk.size();
  auto& connection = *request->connection;
  const std::size_t credit = std::min(connection.send_more(*request, chunk), request->uncredited_bytes);
  request->uncredited_bytes -= credit;
  if (credit > 0) connection.connection().session().consume(request->stream, static_cast<std::uint32_t>(credit));
  if (request->reply_complete && request->reply.empty()) close_request(request, true);
}

void Dispatcher::writable(const std::shared_ptr<Request>& request) {
  switch (request->kind) {
    case Request::Kind::kEcho:
      if (!request->reply.empty()) more_echo(request, {}, request->reply_complete);
      return;
    case Request::Kind::kStreamed:
      if (!request->reply_complete) {
        request->connection->send_more(*request, {});
        return service_pipe(request);
      }
      return send_rest(request);
    case Request::Kind::kWatch:
      if (request->stage != Request::Stage::kRunning) return send_rest(request);
      send_watch(request, {});
      std::ignore = pump_watch(request, false);
      return;
    case Request::Kind::kDocument:
    case Request::Kind::kBuffered:
    case Request::Kind::kAccess:
      return send_rest(request);
  }
}

void Dispatcher::send_rest(const std::shared_ptr<Request>& request) {
  if (request->stage != Request::Stage::kReplying) return;
  request->connection->send_more(*request, {});
  if (request->reply.empty()) close_request(request, request->succeeded);
}

bool Dispatcher::may_run(const Request& request) {
  if (request.kind == Request::Kind::kWatch) return watch_ready(request);
  if (request.kind == Request::Kind::kAccess) return !doubtful_access(request);
  return covered(request.token) && !doubtful(call_of(request), request.id);
}

void Dispatcher::body_complete(const std::shared_ptr<Request>& request) {
  if (request->kind == Request::Kind::kBuffered) return run_on_worker(request);
  if (!may_run(*request)) {
    request->stage = Request::Stage::kParked;
    parked_.push_back(request);
    return;
  }
  if (request->kind == Request::Kind::kWatch) return start_watch(request);
  if (request->kind == Request::Kind::kAccess) return change_access(request);
  auto outcome = run_document(call_of(*request), request->id);
  if (outcome.reading) return start_reading(request, std::move(outcome.reading));
  if (settled(outcome)) return finish(request, outcome.result);
  hold(request, std::move(outcome));
}

void Dispatcher::finish(const std::shared_ptr<Request>& request, const Result<Bytes>& result) {
  if (request->stage == Request::Stage::kDone || request->stage == Request::Stage::kReplying) return;
  if (request->connection == nullptr) return close_request(request, result.has_value());
  const Bytes token = reply_token(request->token);
  wire::ReplyHead head;
  head.token = token;
  std::string hint;
  if (!result) {
    head.status = result.error().code;
    head.message = result.error().message;
    if (head.status == Code::kBusy || head.status == Code::kUnavailable) hint = parts_.better_node();
    head.hint = hint;
  }
  request->succeeded = result.has_value();
  if (!request->connection->reply(request->stream, request, head, result ? *result : Bytes())) {
    return close_request(request, request->succeeded);
  }
  charge(*request, request->reply.size());
}

void Dispatcher::close_request(const std::shared_ptr<Request>& request, bool succeeded) {
  if (request->stage == Request::Stage::kDone) return;
  stop_holding(*request);
  request->stage = Request::Stage::kDone;
  const auto [first, last] = by_deadline_.equal_range(request->deadline_ns);
  for (auto it = first; it != last; ++it) {
    if (it->second == request) {
      by_deadline_.erase(it);
      break;
    }
  }
  buffered_bytes_ -= request->charged_bytes;
  request->charged_bytes = 0;
  request->reading.reset();
  if (request->pipe) request->pipe->abandon(Error{Code::kCancelled, "the request is over"});
  if (request->connection != nullptr) request->connection->remove(*request);
  account(*request->metrics, request->arrived_ns, succeeded, request->kind != Request::Kind::kWatch);
}

void Dispatcher::account(RequestMetrics& metrics, std::int64_t arrived_ns, bool succeeded, bool timed) {
  const auto duration_us = static_cast<std::uint64_t>((parts_.clock.monotonic_ns() - arrived_ns) / 1000);
  for (auto* each : {&total_, &metrics}) {
    ++(succeeded ? each->completed : each->failed);
    if (timed) each->duration_us.add(duration_us);
  }
}

void Dispatcher::charge(Request& request, std::size_t bytes) {
  request.charged_bytes += bytes;
  buffered_bytes_ += bytes;
}

void Dispatcher::abandon(const std::shared_ptr<Request>& request, const Error& reason, bool by_caller) {
  // A caller that has lost its connection may come back with the same request id and wants the result then.
  if (by_caller || request->id.empty()) request->abandoned->store(true, std::memory_order_relaxed);
  if (request->pipe) request->pipe->abandon(reason);
  close_request(request, false);
}

void Dispatcher::tick(std::int64_t now_ns) {
  give_up_parked(now_ns);
  access_memory_.forget_older(now_ns / 1'000'000 - kAccessResultsKeptMs);
  tick_watches(now_ns);
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now_ns) {
    const auto request = by_deadline_.begin()->second;
    const Error error =
        request->stage == Request::Stage::kHeld
            ? held_too_long(*request)
            : Error{Code::kDeadlineExceeded, fmt::format("the deadline of {} ms has passed",
                                                         (request->deadline_ns - request->arrived_ns) / 1'000'000)};
    if (request->id.empty()) request->abandoned->store(true, std::memory_order_relaxed);
    if (request->reply_begun || request->stage == Request::Stage::kReplying) {
      if (request->connection != nullptr) request->connection->connection().session().reset(request->stream, error);
      close_request(request, false);
    } else {
      finish(request, fail(error));
      // A body that is still coming is dropped by the connection from here on; a reply this short always fits.
      close_request(request, false);
    }
  }
}

std::string Dispatcher::unknown_service_text(std::string_view name) const {
  std::string known;
  const auto add = [&](std::string_view each) { known += (known.empty() ? "" : ", ") + std::string(each); };
  for (const auto& [each, metrics] : built_in_) add(each);
  for (const auto& [each, service] : parts_.registry) add(each);
  return fmt::format("this node has no service '{}'; it has {}", name.substr(0, 80), known);
}

}  // namespace distri::cloud
