// The part of Dispatcher that lets clients in and decides what services they may use; and the services that make, list
// and revoke tokens and users.
#include <algorithm>
#include <utility>

#include "distri/cloud/access.hpp"
#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/dispatcher_arrival.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {

Result<> Dispatcher::check_service_rights(const Arrival& arrival) const {
  const auto& rights = arrival.connection.rights();
  const std::string_view name = arrival.name.name;
  // What everybody may ask, and what everybody with any rights may know. UpdateInfo is refused elsewhere.
  if (is_for_strangers(name) || name == "Stats" || name == "Nodes" || name == "UpdateInfo") return {};
  if (name == "Watch") return rights->require(Role::kRead, arrival.name.target.empty() ? "*" : arrival.name.target);
  if (name == "Echo" || parts_.registry.contains(name)) return rights->require(Role::kCall, name);
  if (built_in_.contains(name)) return rights->require_everything(fmt::format("use {}", name));
  return {};  // it is unknown
}

void Dispatcher::begin_access(Arrival& arrival) {
  auto& metrics = built_in_.find(arrival.name.name)->second;
  ++metrics.received;
  if (parts_.access == nullptr) {
    return refuse(arrival, Error{Code::kUnavailable,
                                 "this node has no key, and everybody who reaches it may do everything; tokens and "
                                 "users are for clusters with keys ('distri cluster init')"});
  }
  if (!arrival.end) {
    return refuse(arrival, Error{Code::kTooLarge,
                                 fmt::format("the body of {} must fit into the request's frame", arrival.name.name)});
  }
  if (!arrival.connection.may_ask_as_stranger()) {
    return refuse(arrival, asked_too_often(parts_.config.stranger_streams_max));
  }
  if (!ready_) {
    return refuse(arrival, Error{Code::kUnavailable, "this node has just started and does not have all documents yet"});
  }
  const bool authenticates = arrival.name.name == "Authenticate";
  if (authenticates && !arrival.connection.connection().encrypted()) {
    return refuse(arrival, Error{Code::kUnauthenticated, "a token is shown on encrypted connections only"});
  }
  const auto request = open(arrival, Request::Kind::kAccess, metrics);
  request->access_service = built_in_.find(arrival.name.name)->first;
  if (arrival.name.name == "Authenticate" || arrival.name.name == "ListAccess") {
    request->stage = Request::Stage::kRunning;
    return authenticates ? authenticate(request) : list_access(request);
  }
  body_complete(request);
}

// The body is the token's line; the reply says what it is good for.
void Dispatcher::authenticate(const std::shared_ptr<Request>& request) {
  const std::string from = request->connection->connection().remote();
  parts_.access->authenticate(request->body, from, [this, request](const Result<Access::CredentialPtr>& credential) {
    if (!credential) return finish(request, fail(credential.error()));
    if (request->connection != nullptr) request->connection->let_in(*credential);
    bson::Builder reply;
    reply.append_string("id", (*credential)->id);
    reply.append_string("name", (*credential)->name);
    reply.append_string("rights", (*credential)->rights->text());
    if ((*credential)->expires_ms) reply.append_int64("expires_ms", *(*credential)->expires_ms);
    finish(request, render_document(std::move(reply).finish(), request->format));
  });
}

void Dispatcher::list_access(const std::shared_ptr<Request>& request) {
  finish(request, render_document(parts_.access->list(), request->format));
}

// ---- Changes
//
// A change is executed at most once for a request id: one whose answer was lost must not leave a token behind that
// nobody knows of, or bring back a user who was revoked in between. So outcomes are remembered (access_memory_), and
// whoever asks with the same id while the first is at work, as a token is while its secret is hashed, gets the same
// outcome.
//
// The outcome of CreateToken has the token's line in it, the only copy but the caller's. It is kept in memory only, for
// kAccessResultsKeptMs, which is longer than anybody goes on trying by default; and apart from what other services
// remember, so that an id of theirs never brings it out. What remains, here and on every node that has the write, is
// that the request was executed and on which document: a later retry is told that, and not the line. A node that has
// neither waits for the first try's writes like for those of other writes (doubtful()), and never executes a second
// time; but for RevokeAccess, as to revoke twice is harmless and to revoke never is not.

bool Dispatcher::doubtful_access(const Request& request) {
  return request.attempt > 0 && !request.id.empty() && request.access_service != "RevokeAccess" &&
         access_memory_.find(request.id) == nullptr && parts_.replica.find_request(request.id) == nullptr;
}

void Dispatcher::change_access(const std::shared_ptr<Request>& request) {
  request->stage = Request::Stage::kRunning;
  if (!request->id.empty()) {
    if (auto* entry = access_memory_.find(request->id)) {
      if (entry->finished) return settle_access(request, Result<Bytes>(entry->result), entry->written);
      entry->waiters.push_back(request);
      return;
    }
    const auto* elsewhere = parts_.replica.find_request(request->id);
    access_memory_.begin(request->id);
    access_memory_.find(request->id)->waiters.push_back(request);
    if (elsewhere != nullptr) return repeat_access_elsewhere(request, *elsewhere);
  }
  if (request->access_service == "CreateToken") return create_token(request);
  if (request->access_service == "CreateUser") return create_user(request);
  revoke_access(request);
}

// Another node executed it, or this one so long ago that the reply is forgotten. As with other writes
// (repeat_elsewhere()), a note of our own stands for what was written.
void Dispatcher::repeat_access_elsewhere(const std::shared_ptr<Request>& request,
                                         const replication::Replica::AppliedRequest& applied) {
  const db::Collection* collection = parts_.replica.database().find(db::kAccessCollection);
  const db::Record* record = collection == nullptr ? nullptr : collection->find(applied.key);
  const Result<Bytes> result = [&]() -> Result<Bytes> {
    bson::Builder reply;
    if (request->access_service == "RevokeAccess") {
      reply.append_bool("revoked", true);
    } else if (record == nullptr) {
      return fail(Code::kIndeterminate, "this request was executed before, and what it made was revoked since");
    } else {
      const auto id = *record->document.view().find_element("_id");
      if (request->access_service == "CreateToken") {
        return fail(Code::kIndeterminate,
                    "this request was executed before and made '{}'; the line is not known here and cannot be made "
                    "again: revoke that one, and create another",
                    id.value.type() == bson::Type::kString ? id.value.as_string() : "something else");
      }
      reply.append_element(id);
    }
    DISTRI_TRY_VOID(parts_.replica.note(parts_.clock.wall_ms()));
    return render_document(std::move(reply).finish(), request->format);
  }();
  finish_access(request, result, parts_.replica.newest_own_dot().counter);
}

void Dispatcher::create_token(const std::shared_ptr<Request>& request) {
  const auto params = parse_document(request->params, request->format, "parameters");
  if (!params) return finish_access(request, fail(params.error()));
  parts_.access->make_token(*params, [this, request](Result<Access::NewToken> made) {
    if (!made) return finish_access(request, fail(made.error()));
    bson::Builder reply;
    reply.append_string("token", made->line);
    reply.append_element(*made->document.view().find_element("_id"));
    write_access(
        request,
        [&] {
          return parts_.replica.replace(db::kAccessCollection, std::move(made->document), parts_.clock.wall_ms());
        },
        std::move(reply).finish());
  });
}

void Dispatcher::create_user(const std::shared_ptr<Request>& request) {
  const auto params = parse_document(request->params, request->format, "parameters");
  auto made = params ? parts_.access->make_user(*params) : fail(params.error());
  if (!made) return finish_access(request, fail(made.error()));
  bson::Builder reply;
  reply.append_element(*made->view().find_element("_id"));
  write_access(
      request, [&] { return parts_.replica.replace(db::kAccessCollection, *std::move(made), parts_.clock.wall_ms()); },
      std::move(reply).finish());
}

void Dispatcher::revoke_access(const std::shared_ptr<Request>& request) {
  const auto params = parse_document(request->params, request->format, "parameters");
  const auto key = params ? parts_.access->key_of(*params) : fail(params.error());
  if (!key) return finish_access(request, fail(key.error()));
  bson::Builder reply;
  reply.append_bool("revoked", true);
  write_access(
      request,
      [&]() -> Result<> {
        DISTRI_TRY_VOID(parts_.replica.remove(db::kAccessCollection, *key, parts_.clock.wall_ms()));
        return {};
      },
      std::move(reply).finish());
}

void Dispatcher::write_access(const std::shared_ptr<Request>& request, const std::function<Result<>()>& change,
                              bson::Document reply) {
  const Result<Bytes> result = [&]() -> Result<Bytes> {
    if (!wanted(*request)) return fail(Code::kCancelled, "nobody waited for this request any more");
    DISTRI_TRY(const bson::Document params, parse_document(request->params, request->format, "parameters"));
    DISTRI_TRY_VOID(write_concern_of(params, parts_.members()));
    parts_.replica.set_request(request->id);
    auto changed = change();
    parts_.replica.set_request({});
    if (!changed) return fail(std::move(changed).error());
    return render_document(std::move(reply), request->format);
  }();
  finish_access(request, result, parts_.replica.newest_own_dot().counter);
}

// Somebody waits for the outcome of this request, or may come back for it: who has lost the connection does, who took
// the request back or whose deadline has passed does not.
bool Dispatcher::wanted(const Request& request) {
  const std::int64_t now_ns = parts_.clock.monotonic_ns();
  const auto waits = [&](const Request& each) {
    return !each.abandoned->load(std::memory_order_relaxed) && each.deadline_ns > now_ns;
  };
  if (request.id.empty()) return waits(request);
  const auto* entry = access_memory_.find(request.id);
  return std::ranges::any_of(entry->waiters, [&](const auto& each) { return waits(*each); });
}

void Dispatcher::finish_access(const std::shared_ptr<Request>& request, const Result<Bytes>& result,
                               std::uint64_t written) {
  if (request->id.empty()) return settle_access(request, result, written);
  for (const auto& each : access_memory_.finish(request->id, result, written, now_ms())) {
    settle_access(each, result, written);
  }
}

void Dispatcher::settle_access(const std::shared_ptr<Request>& request, const Result<Bytes>& result,
                               std::uint64_t written) {
  if (request->stage == Request::Stage::kDone) return;
  Outcome outcome;
  outcome.result = result;
  outcome.written = written;
  if (result) {
    const auto params = parse_document(request->params, request->format, "parameters");
    const auto concern = params ? write_concern_of(params->view(), parts_.members()) : fail(params.error());
    if (!concern) return finish(request, fail(concern.error()));
    outcome.concern = *concern;
  }
  if (settled(outcome)) return finish(request, outcome.result);
  hold(request, std::move(outcome));
}

}  // namespace distri::cloud
