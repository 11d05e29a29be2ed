// The part of Dispatcher that lets clients in and decides what services they may use; and the services that make, list
// and revoke tokens and users.
#include <tuple>
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
  if (!arrival.connection.may_ask_as_stranger()) return refuse(arrival, asked_too_often());
  if (!ready_) {
    return refuse(arrival, Error{Code::kUnavailable, "this node has just started and does not have all documents yet"});
  }
  const bool authenticates = arrival.name.name == "Authenticate";
  if (authenticates && !arrival.connection.connection().encrypted()) {
    return refuse(arrival, Error{Code::kUnauthenticated, "a token is shown on encrypted connections only"});
  }
  const auto request = open(arrival, Request::Kind::kBuffered, metrics);
  request->stage = Request::Stage::kRunning;
  if (authenticates) return authenticate(request);
  if (arrival.name.name == "CreateToken") return create_token(request);
  if (arrival.name.name == "CreateUser") return create_user(request);
  if (arrival.name.name == "ListAccess") return list_access(request);
  revoke_access(request);
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

void Dispatcher::create_token(const std::shared_ptr<Request>& request) {
  const auto params = parse_document(request->params, request->format, "parameters");
  if (!params) return finish(request, fail(params.error()));
  parts_.access->make_token(*params, [this, request](Result<Access::NewToken> made) {
    if (!made) return finish(request, fail(made.error()));
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
  if (!made) return finish(request, fail(made.error()));
  bson::Builder reply;
  reply.append_element(*made->view().find_element("_id"));
  write_access(
      request, [&] { return parts_.replica.replace(db::kAccessCollection, *std::move(made), parts_.clock.wall_ms()); },
      std::move(reply).finish());
}

void Dispatcher::revoke_access(const std::shared_ptr<Request>& request) {
  const auto params = parse_document(request->params, request->format, "parameters");
  const auto key = params ? parts_.access->key_of(*params) : fail(params.error());
  if (!key) return finish(request, fail(key.error()));
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
  if (request->stage == Request::Stage::kDone) return;  // its deadline has passed
  Outcome outcome;
  outcome.result = [&]() -> Result<Bytes> {
    DISTRI_TRY(const bson::Document params, parse_document(request->params, request->format, "parameters"));
    DISTRI_TRY(outcome.concern, write_concern_of(params, parts_.members()));
    DISTRI_TRY_VOID(change());
    outcome.written = parts_.replica.newest_own_dot().counter;
    return render_document(std::move(reply), request->format);
  }();
  if (settled(outcome)) return finish(request, outcome.result);
  hold(request, std::move(outcome));
}

}  // namespace distri::cloud
