// What other peers may ask. Parameters are BSON; records travel as bodies. Every handler holds what it is asked against
// DirectRequest::caller, whom the link has proved, and saves before it answers. A call that comes twice does no harm.
#include "distri/peer/limits.hpp"
#include "distri/peer/peer_impl.hpp"
#include "distri/peer/record_fields.hpp"

namespace distri::peer {

namespace {

Result<bson::Document> params_of_call(const DirectRequest& ask) {
  if (!ask.bson) return fail(Code::kInvalidArgument, "{}: the parameters are no BSON; write them so", ask.service);
  if (ask.params.empty()) return bson::Document();
  auto document = bson::Document::parse(ask.params);
  if (document) return document;
  return fail(Code::kInvalidArgument, "{}: the parameters are no BSON document: {}", ask.service,
              document.error().message);
}

// The record that a call brings, in its body.
template <class Record>
Result<Record> record_of_call(const DirectRequest& ask, Result<Record> (*read)(bson::View)) {
  if (ask.body.size() > kRecordBytesMax) {
    return fail(Code::kTooLarge, "{}: the body has {} bytes, a record has at most {}", ask.service, ask.body.size(),
                kRecordBytesMax);
  }
  auto document = bson::Document::parse(ask.body);
  if (!document) {
    return fail(Code::kInvalidArgument, "{}: the body is no BSON document: {}", ask.service, document.error().message);
  }
  DISTRI_TRY(Record record, read(document->view()));
  if (record.owner == ask.caller) return record;
  return fail(Code::kPermissionDenied, "{}: user {} has signed this record, and {} brings it; bring your own",
              ask.service, record.owner.short_hex(), ask.caller.short_hex());
}

}  // namespace

void Peer::Impl::heard_from(const PublicKey& caller) {
  const std::lock_guard lock(mutex);
  note(agent.heard_from(caller));
}

Result<> Peer::Impl::serve() {
  const auto answered = [this](Result<Bytes> (Impl::*handle)(const DirectRequest&)) {
    return [this, handle](const DirectRequest& ask, const Responder& to) {
      heard_from(ask.caller);
      auto answer = (this->*handle)(ask);
      answer ? to.reply(*std::move(answer)) : to.fail(std::move(answer).error());
    };
  };
  DISTRI_TRY_VOID(server->serve(std::string(kRequestService), answered(&Impl::on_request)));
  DISTRI_TRY_VOID(server->serve(std::string(kGrantService), answered(&Impl::on_grant)));
  DISTRI_TRY_VOID(server->serve(std::string(kViewService), answered(&Impl::on_view)));
  return server->serve(std::string(kFetchService), [this](const DirectRequest& ask, const Responder& to) {
    heard_from(ask.caller);
    auto source = on_fetch(ask);
    source ? to.stream(*std::move(source)) : to.fail(std::move(source).error());
  });
}

// A request of the caller's. The grant that answers it; nothing: it waits.
Result<Bytes> Peer::Impl::on_request(const DirectRequest& ask) {
  DISTRI_TRY(const Request request, record_of_call(ask, &read_request));
  Lock lock(mutex);
  DISTRI_TRY(Agent::Reply reply, agent.on_request(request));
  DISTRI_TRY_VOID(settle(lock, std::move(reply.change)));
  return std::move(reply.body);
}

// A grant by the caller.
Result<Bytes> Peer::Impl::on_grant(const DirectRequest& ask) {
  DISTRI_TRY(const Grant grant, record_of_call(ask, &read_grant));
  Lock lock(mutex);
  DISTRI_TRY(Change change, agent.on_grant(grant));
  DISTRI_TRY_VOID(settle(lock, std::move(change)));
  return Bytes();
}

// {grant, view}: hexadecimal digits. The view key.
Result<Bytes> Peer::Impl::on_view(const DirectRequest& ask) {
  DISTRI_TRY(const bson::Document params, params_of_call(ask));
  Fields fields(kViewService, params.view());
  const auto id = fields.id<GrantId>("grant");
  const auto view = fields.id<ViewId>("view");
  DISTRI_TRY_VOID(fields.done());
  Lock lock(mutex);
  DISTRI_TRY(Agent::Reply reply, agent.on_view(id, ask.caller, view));
  DISTRI_TRY_VOID(settle(lock, std::move(reply.change)));
  return std::move(reply.body);
}

// {grant, offset}: hexadecimal digits; bytes. The sealed picture from there on.
Result<Producer> Peer::Impl::on_fetch(const DirectRequest& ask) {
  DISTRI_TRY(const bson::Document params, params_of_call(ask));
  Fields fields(kFetchService, params.view());
  const auto id = fields.id<GrantId>("grant");
  const std::uint64_t offset = fields.number("offset", 0, kFileBytesMax);
  DISTRI_TRY_VOID(fields.done());
  {
    const std::lock_guard lock(mutex);
    DISTRI_TRY_VOID(agent.may_fetch(id, ask.caller));
  }
  return file_source(given, id.hex(), offset);
}

}  // namespace distri::peer
