#include "distri/peer/ledger.hpp"

#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

std::unexpected<Error> answered_already(const Entry& entry) {
  if (entry.state() == Entry::State::kWithdrawn) {
    return fail(Code::kCancelled, "request {}: it was withdrawn by who made it", entry.request.id.short_hex());
  }
  return fail(Code::kAlreadyExists, "request {}: it is {} already{}", entry.request.id.short_hex(),
              state_name(entry.state()), entry.state() == Entry::State::kGranted ? "; change its views instead" : "");
}

}  // namespace

const Entry* Ledger::find(const GrantId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

// The entry of a grant that holds now.
Result<Entry*> Ledger::granted(const GrantId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::kNotFound, "grant {}: there is none of that id", id.short_hex());
  Entry& entry = found->second;
  switch (entry.state()) {
    case Entry::State::kGranted:
      return &entry;
    case Entry::State::kWaiting:
      return fail(Code::kUnavailable, "grant {}: the request was not answered yet; wait for the answer",
                  id.short_hex());
    case Entry::State::kRefused:
      return fail(Code::kPermissionDenied, "grant {}: the request was refused", id.short_hex());
    case Entry::State::kRevoked:
      return fail(Code::kCancelled, "grant {}: it was revoked; ask anew", id.short_hex());
    case Entry::State::kWithdrawn:
      break;
  }
  return fail(Code::kCancelled, "grant {}: the request was withdrawn by who made it; ask anew", id.short_hex());
}

// ---- Requests

Result<Ledger::Effects> Ledger::on_request(const Request& request) {
  DISTRI_TRY_VOID(verify(request));
  if (request.to != self_) {
    return fail(Code::kInvalidArgument, "request {}: it is for user {}, this is {}", request.id.short_hex(),
                request.to.short_hex(), self_.short_hex());
  }
  if (forgotten_.contains(request.id)) return Effects{};
  const auto found = entries_.find(request.id);
  if (found == entries_.end()) return first_seen(request);
  Entry& entry = found->second;
  if (request.owner != entry.request.owner) {
    return fail(Code::kPermissionDenied, "request {}: user {} has made it, {} cannot change it", request.id.short_hex(),
                entry.request.owner.short_hex(), request.owner.short_hex());
  }
  if (supersedes(request, entry.request)) return newer_request(entry, request);
  if (request.version > entry.request.version) {
    return fail(Code::kCancelled, "request {}: it was withdrawn; make a new one", request.id.short_hex());
  }
  if (request.version == entry.request.version && request.withdrawn == entry.request.withdrawn &&
      request != entry.request) {
    return fail(Code::kPermissionDenied,
                "request {}: it was edited, its version {} said something else before; the first counts",
                request.id.short_hex(), request.version);
  }
  Effects effects;
  if (entry.grant) effects.publish.push_back(*entry.grant);
  return effects;
}

Result<Ledger::Effects> Ledger::first_seen(const Request& request) {
  if (request.withdrawn) return Effects{};
  if (entries_.size() >= kRequestsMax) {
    return fail(Code::kTooLarge, "ledger: it holds {} requests, no more are taken; forget some that have ended",
                entries_.size());
  }
  std::size_t waiting = 0;
  std::size_t of_user = 0;
  for (const auto& [id, entry] : entries_) {
    if (entry.state() != Entry::State::kWaiting) continue;
    ++waiting;
    if (entry.request.owner == request.owner) ++of_user;
  }
  if (of_user >= kWaitingOfOneUserMax) {
    return fail(Code::kBusy, "request {}: {} of this user wait already; wait until some are answered",
                request.id.short_hex(), of_user);
  }
  if (waiting >= kWaitingMax) {
    return fail(Code::kBusy, "request {}: {} requests wait already; try again later", request.id.short_hex(), waiting);
  }
  Effects effects;
  effects.changed = true;
  Entry entry;
  entry.request = request;
  effects.events.push_back({Event::Kind::kRequested, request.id, 0, {}});
  entries_.emplace(request.id, std::move(entry));
  return effects;
}

Result<Ledger::Effects> Ledger::newer_request(Entry& entry, const Request& request) {
  const std::string id = request.id.short_hex();
  const Request& known = entry.request;
  if (request.resource != known.resource || request.made_ms != known.made_ms) {
    return fail(Code::kPermissionDenied, "request {}: it was edited, it was for another image before; make a new one",
                id);
  }
  if (!request.withdrawn && entry.grant) {
    return fail(Code::kAlreadyExists, "request {}: it is {} already; make a new one to ask for other views", id,
                state_name(entry.state()));
  }
  Effects effects;
  if (request.withdrawn && entry.state() == Entry::State::kGranted) {
    DISTRI_TRY(effects, answer(entry, Grant::State::kRevoked, entry.grant->views, entry.grant->file));
  }
  effects.changed = true;
  if (request.withdrawn && !known.withdrawn) {
    effects.events.push_back({Event::Kind::kWithdrawn, request.id, 0, {}});
  } else if (!request.withdrawn && request.views != known.views) {
    effects.events.push_back({Event::Kind::kRequestChanged, request.id, 0, {}});
  }
  entry.request = request;
  return effects;
}

// ---- Answers

// Makes the next version of the entry's grant. Where it is no longer granted, its keys come out of the cloud.
Result<Ledger::Effects> Ledger::answer(Entry& entry, Grant::State state, std::uint32_t views, const FileFacts& file) {
  Grant grant;
  grant.id = entry.request.id;
  grant.to = entry.request.owner;
  grant.resource = entry.request.resource;
  grant.state = state;
  grant.views = views;
  grant.file = file;
  grant.owner = self_;
  grant.version = entry.grant ? entry.grant->version + 1 : 1;
  DISTRI_TRY_VOID(check(grant));
  Effects effects;
  effects.changed = true;
  entry.grant = sign(std::move(grant), key_);
  effects.publish.push_back(*entry.grant);
  if (state != Grant::State::kGranted) {
    take_out(entry, kSerialsMax, effects);
    entry.image_key = SecretBytes();
  }
  return effects;
}

Result<Ledger::Effects> Ledger::approve(const GrantId& id, std::uint32_t views, SealedImage image) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::kNotFound, "request {}: there is none of that id", id.short_hex());
  Entry& entry = found->second;
  if (entry.state() != Entry::State::kWaiting) return answered_already(entry);
  if (views < 1 || views > kViewsMax) {
    return fail(Code::kInvalidArgument, "request {}: {} views, 1 to {} can be granted; refuse it to give none",
                id.short_hex(), views, kViewsMax);
  }
  if (image.key.size() != kImageKeyBytes) {
    return fail(Code::kInvalidArgument, "request {}: its image key has {} bytes, it must have {}", id.short_hex(),
                image.key.size(), kImageKeyBytes);
  }
  DISTRI_TRY(Effects effects, answer(entry, Grant::State::kGranted, views, image.file));
  entry.image_key = std::move(image.key);
  return effects;
}

Result<Ledger::Effects> Ledger::refuse(const GrantId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::kNotFound, "request {}: there is none of that id", id.short_hex());
  if (found->second.state() != Entry::State::kWaiting) return answered_already(found->second);
  return answer(found->second, Grant::State::kRefused, 0, {});
}

Result<Ledger::Effects> Ledger::change_views(const GrantId& id, std::uint32_t views) {
  DISTRI_TRY(Entry* const entry, granted(id));
  if (views > kViewsMax) {
    return fail(Code::kInvalidArgument, "grant {}: {} views, 0 to {} are allowed", id.short_hex(), views, kViewsMax);
  }
  if (views == entry->grant->views) return Effects{};
  DISTRI_TRY(Effects effects, answer(*entry, Grant::State::kGranted, views, entry->grant->file));
  take_excess(*entry, effects);
  return effects;
}

Result<Ledger::Effects> Ledger::revoke(const GrantId& id) {
  DISTRI_TRY(Entry* const entry, granted(id));
  return answer(*entry, Grant::State::kRevoked, entry->grant->views, entry->grant->file);
}

Result<Ledger::Effects> Ledger::forget(const GrantId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::kNotFound, "request {}: there is none of that id", id.short_hex());
  const Entry& entry = found->second;
  if (entry.state() == Entry::State::kWaiting || entry.state() == Entry::State::kGranted) {
    return fail(Code::kUnavailable, "request {}: it is {}; refuse or revoke it first", id.short_hex(),
                state_name(entry.state()));
  }
  if (entry.in_cloud() > 0) {
    return fail(Code::kUnavailable, "request {}: {} view keys of it are not out of the cloud yet; try again later",
                id.short_hex(), entry.in_cloud());
  }
  if (forgotten_.size() >= kForgottenMax) {
    return fail(Code::kTooLarge, "ledger: {} requests were forgotten, no more can be", forgotten_.size());
  }
  forgotten_.insert(id);
  entries_.erase(found);
  Effects effects;
  effects.changed = true;
  return effects;
}

}  // namespace distri::peer
