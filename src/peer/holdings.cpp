#include "distri/peer/holdings.hpp"

#include "distri/peer/limits.hpp"

namespace distri::peer {

Holding::State Holding::state() const {
  if (request.withdrawn) return State::kWithdrawn;
  if (!grant) return State::kWaiting;
  switch (grant->state) {
    case Grant::State::kGranted:
      return State::kGranted;
    case Grant::State::kRefused:
      return State::kRefused;
    case Grant::State::kRevoked:
      break;
  }
  return State::kRevoked;
}

std::string_view state_name(Holding::State state) {
  switch (state) {
    case Holding::State::kWaiting:
      return "waiting";
    case Holding::State::kGranted:
      return "granted";
    case Holding::State::kRefused:
      return "refused";
    case Holding::State::kRevoked:
      return "revoked";
    case Holding::State::kWithdrawn:
      return "withdrawn";
  }
  return "unknown";
}

const Holding* Holdings::find(const GrantId& id) const {
  const auto found = holdings_.find(id);
  return found == holdings_.end() ? nullptr : &found->second;
}

bool Holdings::is_used(const GrantId& id, std::uint32_t serial) const {
  const Holding* holding = find(id);
  return holding != nullptr && holding->used.contains(serial);
}

Result<Holding*> Holdings::known(const GrantId& id) {
  const auto found = holdings_.find(id);
  if (found != holdings_.end()) return &found->second;
  if (forgotten_.contains(id)) return fail(Code::kNotFound, "grant {}: it was forgotten here", id.short_hex());
  return fail(Code::kNotFound, "grant {}: it answers no request of this user", id.short_hex());
}

Result<Holding*> Holdings::granted(const GrantId& id) {
  DISTRI_TRY(Holding* const holding, known(id));
  switch (holding->state()) {
    case Holding::State::kGranted:
      return holding;
    case Holding::State::kWaiting:
      return fail(Code::kUnavailable, "grant {}: the request was not answered yet; wait for the answer",
                  id.short_hex());
    case Holding::State::kRefused:
      return fail(Code::kPermissionDenied, "grant {}: the request was refused", id.short_hex());
    case Holding::State::kRevoked:
      return fail(Code::kCancelled, "grant {}: its owner has revoked it; ask anew", id.short_hex());
    case Holding::State::kWithdrawn:
      break;
  }
  return fail(Code::kCancelled, "grant {}: the request was withdrawn; ask anew", id.short_hex());
}

// ---- Requests

Result<> Holdings::check_room() const {
  if (holdings_.size() < kHoldingsMax) return {};
  return fail(Code::kTooLarge, "holdings: {} requests were made, no more can be; forget some that have ended",
              holdings_.size());
}

Result<Request> Holdings::request(std::uint64_t random, const PublicKey& to, std::string resource, std::uint32_t views,
                                  std::int64_t made_ms) {
  const GrantId id = make_grant_id(self_, random);
  Request request;
  request.id = id;
  request.owner = self_;
  request.to = to;
  request.resource = std::move(resource);
  request.views = views;
  request.made_ms = made_ms;
  DISTRI_TRY_VOID(check(request));
  if (!is_valid(to)) return fail(Code::kInvalidArgument, "request: {} is nobody's key", to.short_hex());
  if (holdings_.contains(id) || forgotten_.contains(id)) {
    return fail(Code::kAlreadyExists, "request {}: there is one of that id; choose another one at random",
                id.short_hex());
  }
  DISTRI_TRY_VOID(check_room());
  Holding& holding = holdings_[id];
  holding.request = sign(std::move(request), key_);
  return holding.request;
}

Result<Request> Holdings::change_views(const GrantId& id, std::uint32_t views) {
  DISTRI_TRY(Holding* const holding, known(id));
  if (holding->state() != Holding::State::kWaiting) {
    return fail(Code::kAlreadyExists, "request {}: it is {} already; make a new one to ask for other views",
                id.short_hex(), state_name(holding->state()));
  }
  Request next = holding->request;
  next.views = views;
  ++next.version;
  DISTRI_TRY_VOID(check(next));
  holding->request = sign(std::move(next), key_);
  return holding->request;
}

Result<Request> Holdings::withdraw(const GrantId& id) {
  DISTRI_TRY(Holding* const holding, known(id));
  if (holding->request.withdrawn) return holding->request;
  Request next = holding->request;
  next.withdrawn = true;
  ++next.version;
  DISTRI_TRY_VOID(check(next));
  holding->request = sign(std::move(next), key_);
  holding->ask.reset();
  return holding->request;
}

Result<bool> Holdings::on_request(const Request& request) {
  DISTRI_TRY_VOID(verify(request));
  if (request.owner != self_) {
    return fail(Code::kPermissionDenied, "request {}: user {} has made it, this is {}", request.id.short_hex(),
                request.owner.short_hex(), self_.short_hex());
  }
  if (forgotten_.contains(request.id)) return false;
  const auto found = holdings_.find(request.id);
  if (found == holdings_.end()) {
    DISTRI_TRY_VOID(check_room());
    holdings_[request.id].request = request;
    return true;
  }
  Holding& holding = found->second;
  if (request.to != holding.request.to || request.resource != holding.request.resource) {
    return fail(Code::kPermissionDenied, "request {}: another device of this user has used its id for another image",
                request.id.short_hex());
  }
  if (!supersedes(request, holding.request)) return false;
  holding.request = request;
  if (request.withdrawn) holding.ask.reset();
  return true;
}

Result<bool> Holdings::on_grant(const Grant& grant) {
  DISTRI_TRY_VOID(verify(grant));
  const std::string id = grant.id.short_hex();
  DISTRI_TRY(Holding* const holding, known(grant.id));
  const Request& request = holding->request;
  if (grant.owner != request.to) {
    return fail(Code::kPermissionDenied, "grant {}: it is forged, user {} was asked and {} has signed it", id,
                request.to.short_hex(), grant.owner.short_hex());
  }
  if (grant.to != self_) {
    return fail(Code::kPermissionDenied, "grant {}: it is for user {}, this is {}", id, grant.to.short_hex(),
                self_.short_hex());
  }
  if (grant.resource != request.resource) {
    return fail(Code::kPermissionDenied, "grant {}: it is for another image than was asked for", id);
  }
  if (holding->grant && grant.version <= holding->grant->version) {
    if (grant.version == holding->grant->version && grant != *holding->grant) {
      return fail(Code::kPermissionDenied,
                  "grant {}: it was edited, its version {} said something else before; the first counts", id,
                  grant.version);
    }
    return false;
  }
  holding->grant = grant;
  if (grant.state != Grant::State::kGranted) holding->ask.reset();
  return true;
}

Result<> Holdings::forget(const GrantId& id) {
  DISTRI_TRY(Holding* const holding, known(id));
  if (holding->state() == Holding::State::kWaiting || holding->state() == Holding::State::kGranted) {
    return fail(Code::kUnavailable, "request {}: it is {}; withdraw it first", id.short_hex(),
                state_name(holding->state()));
  }
  if (!holding->to_withdraw.empty()) {
    return fail(Code::kUnavailable, "request {}: its owner was not told yet that a view was not had; try again later",
                id.short_hex());
  }
  if (forgotten_.size() >= kForgottenMax) {
    return fail(Code::kTooLarge, "holdings: {} requests were forgotten, no more can be", forgotten_.size());
  }
  forgotten_.insert(id);
  holdings_.erase(id);
  return {};
}

// ---- The sealed picture

Result<> Holdings::check_file(const GrantId& id, std::uint64_t bytes, const Hash256& digest) const {
  const Holding* holding = find(id);
  if (holding == nullptr || !holding->grant || holding->grant->state == Grant::State::kRefused) {
    return fail(Code::kNotFound, "grant {}: no picture was granted under it", id.short_hex());
  }
  const FileFacts& file = holding->grant->file;
  if (bytes != file.sealed_bytes) {
    return fail(Code::kDataLoss, "grant {}: the picture has {} bytes, {} were granted; fetch it again", id.short_hex(),
                bytes, file.sealed_bytes);
  }
  if (digest == file.sealed_digest) return {};
  return fail(Code::kDataLoss, "grant {}: the picture is not the granted one, its digest differs; fetch it again",
              id.short_hex());
}

}  // namespace distri::peer
