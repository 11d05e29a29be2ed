#include "peer_calls.hpp"

#include <chrono>
#include <set>
#include <thread>

#include "latency.hpp"
#include "new_file.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using distri::peer::Delivery;
using distri::peer::GrantId;
using distri::peer::NotViewed;
using nlohmann::json;
using Kind = PeerAction::Kind;

constexpr auto kTick = std::chrono::milliseconds(5);

std::string_view why_name(NotViewed::Why why) {
  switch (why) {
    case NotViewed::Why::kNotAsked:
      return "not asked";
    case NotViewed::Why::kWaiting:
      return "waiting";
    case NotViewed::Why::kRefused:
      return "refused";
    case NotViewed::Why::kRevoked:
      return "revoked";
    case NotViewed::Why::kWithdrawn:
      return "withdrawn";
    case NotViewed::Why::kUsedUp:
      return "used up";
    case NotViewed::Why::kTryAgain:
      return "try again";
    case NotViewed::Why::kAway:
      return "away";
    case NotViewed::Why::kFailed:
      break;
  }
  return "failed";
}

json error_of(const distri::Error& error) {
  return {{"code", distri::code_name(error.code)}, {"message", error.message}};
}

}  // namespace

// ---- Waiting

template <class Condition>
bool PeerCalls::wait_until(const Condition& condition) const {
  const Moment start = now();
  while (!condition()) {
    if (us_since(start) / 1000 >= settings_.timeout_ms) return false;
    std::this_thread::sleep_for(kTick);
  }
  return true;
}

void PeerCalls::wait_for_first_look() {
  wait_until([&] {
    const auto standing = peer_.standing();
    return standing.rounds > 0 || standing.cloud_away;
  });
}

void PeerCalls::wait_until_told() {
  wait_until([&] {
    const auto standing = peer_.standing();
    return standing.untold == 0 || standing.cloud_away;
  });
}

json PeerCalls::told(const GrantId& id, Delivery delivery) {
  if (settings_.waits && delivery == Delivery::kKeptHere) {
    wait_until([&] { return (delivery = peer_.delivery(id)) != Delivery::kKeptHere; });
  }
  // What was told directly is to be in the cloud as well, and keys of escrow, before this program ends.
  if (settings_.waits && delivery != Delivery::kKeptHere) wait_until_told();
  json result = {{"id", id.hex()}, {"delivery", distri::peer::delivery_name(delivery)}};
  if (settings_.waits && delivery == Delivery::kKeptHere) {
    result["error"] = error_of({Code::kDeadlineExceeded,
                                fmt::format("{} was told to nobody within {} ms (--timeout-ms); it is kept in {}, and "
                                            "told by the next program that runs with it",
                                            id.short_hex(), settings_.timeout_ms, settings_.data_dir)});
  }
  return result;
}

// ---- Actions

json PeerCalls::run(const PeerAction& action) {
  json result = {{"action", action.name}};
  const auto done = do_action(action);
  if (done) {
    result.update(*done);
  } else {
    result["error"] = error_of(done.error());
  }
  result["ok"] = !result.contains("error");
  return result;
}

Result<json> PeerCalls::do_action(const PeerAction& action) {
  switch (action.kind) {
    case Kind::kCatalog:
      return catalog(action);
    case Kind::kRequest:
      return request(action);
    case Kind::kPending:
      return pending();
    case Kind::kInbox:
      return inbox();
    case Kind::kAvailable:
      return available();
    case Kind::kShared:
      return shared();
    case Kind::kView:
      return view(action);
    case Kind::kWhoami:
      return whoami();
    case Kind::kGrant:
    case Kind::kRefuse:
    case Kind::kUpdate:
    case Kind::kRevoke:
    case Kind::kWithdraw:
      return answer(action);
    case Kind::kForget:
      return forget(action);
    case Kind::kPublish:
    case Kind::kListen:
      break;
  }
  return distri::fail(Code::kInvalidArgument, "{}: it is what this program does already", action.name);
}

Result<json> PeerCalls::catalog(const PeerAction& action) {
  distri::peer::CatalogFilter filter;
  if (!action.from.empty()) filter.peer = action.from;
  DISTRI_TRY(const auto catalog, peer_.fetch_catalog(filter));
  json offers = json::array();
  for (const auto& each : catalog.offers) {
    offers.push_back({{"peer", each.owner_name},
                      {"key", each.entry.owner.hex()},
                      {"image", each.entry.name},
                      {"kind", each.entry.kind},
                      {"width", each.entry.width},
                      {"height", each.entry.height},
                      {"bytes", each.entry.bytes}});
  }
  return json{{"offers", std::move(offers)}, {"current", catalog.current}};
}

Result<json> PeerCalls::request(const PeerAction& action) {
  DISTRI_TRY(const auto sent, peer_.request_resource(action.from, action.image, action.views));
  return told(sent.id, sent.delivery);
}

Result<json> PeerCalls::answer(const PeerAction& action) {
  DISTRI_TRY(const GrantId id, id_of(action));
  const auto change = [&]() -> Result<Delivery> {
    switch (action.kind) {
      case Kind::kGrant:
        return peer_.grant_resource(id, action.views);
      case Kind::kRefuse:
        return peer_.grant_resource(id, 0);
      case Kind::kUpdate:
        return peer_.update_permission(id, action.views);
      case Kind::kRevoke:
        return peer_.revoke(id);
      default:
        return peer_.withdraw(id);
    }
  };
  DISTRI_TRY(const Delivery delivery, change());
  return told(id, delivery);
}

Result<json> PeerCalls::forget(const PeerAction& action) {
  DISTRI_TRY(const GrantId id, id_of(action));
  DISTRI_TRY_VOID(peer_.forget(id));
  return json{{"id", id.hex()}};
}

Result<json> PeerCalls::view(const PeerAction& action) {
  auto file = NewFile::create(action.out);
  if (!file) return distri::fail(file.error().code, "--out: {}", file.error().message);
  const auto viewed = peer_.access_resource(action.from, action.image);
  if (!viewed) return json{{"why", why_name(viewed.error().why)}, {"error", error_of(viewed.error().error)}};
  if (const auto written = file->write(viewed->image); !written) {
    return distri::fail(written.error().code, "--out: {}; the view is used up", written.error().message);
  }
  json result = {{"id", viewed->grant.hex()},
                 {"file", action.out},
                 {"bytes", viewed->image.size()},
                 {"serial", viewed->serial},
                 {"from_escrow", viewed->from_escrow}};
  for (const auto& each : peer_.available()) {
    if (each.grant.id != viewed->grant) continue;
    result["granted"] = each.grant.views;
    result["used"] = each.used;
  }
  if (settings_.waits) wait_until_told();
  return result;
}

// ---- Lists

json PeerCalls::pending() const {
  json list = json::array();
  for (const auto& each : peer_.pending_approvals()) {
    list.push_back({{"id", each.request.id.hex()},
                    {"peer", each.from},
                    {"image", each.request.resource},
                    {"views", each.request.views},
                    {"made_ms", each.request.made_ms}});
  }
  return {{"requests", std::move(list)}, {"current", peer_.standing().cloud_read}};
}

json PeerCalls::inbox() const {
  json list = json::array();
  for (const auto& each : peer_.inbox()) {
    list.push_back({{"id", each.request.id.hex()},
                    {"peer", each.to},
                    {"image", each.request.resource},
                    {"views", each.request.views},
                    {"state", distri::peer::state_name(each.state)},
                    {"granted", each.grant ? each.grant->views : 0}});
  }
  return {{"requests", std::move(list)}, {"current", peer_.standing().cloud_read}};
}

json PeerCalls::available() {
  if (settings_.waits) wait_until([&] { return peer_.standing().to_fetch == 0; });
  json list = json::array();
  for (const auto& each : peer_.available()) {
    list.push_back({{"id", each.grant.id.hex()},
                    {"peer", each.owner_name},
                    {"image", each.grant.resource},
                    {"granted", each.grant.views},
                    {"used", each.used},
                    {"picture_here", each.picture_here}});
  }
  return {{"images", std::move(list)}, {"current", peer_.standing().cloud_read}};
}

json PeerCalls::shared() const {
  json list = json::array();
  for (const auto& each : peer_.shared()) {
    list.push_back({{"id", each.grant.id.hex()},
                    {"peer", each.viewer_name},
                    {"image", each.grant.resource},
                    {"granted", each.grant.views},
                    {"used", each.used},
                    {"in_escrow", each.in_escrow},
                    {"remaining", each.remaining}});
  }
  return {{"images", std::move(list)}, {"current", peer_.standing().cloud_read}};
}

json PeerCalls::whoami() const {
  return {{"name", settings_.name},
          {"key", peer_.id().hex()},
          {"address", distri::to_string(peer_.address())},
          {"data_dir", settings_.data_dir}};
}

// ---- Ids

// Of what this user is asked for or has granted, or, to take it back, of what he has asked for.
Result<GrantId> PeerCalls::id_of(const PeerAction& action) const {
  const std::string& text = action.id;
  const bool digits = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!digits || text.size() > 2 * GrantId::kSize) {
    return distri::fail(Code::kInvalidArgument,
                        "{}: --{} must be an id, or the first of its {} digits (0 to 9, a to f), as lists show them",
                        action.name, action.id_flag, 2 * GrantId::kSize);
  }
  if (text.size() == 2 * GrantId::kSize) return GrantId::from_view(*distri::from_hex(text));
  std::set<GrantId> known;
  const bool own = action.kind == Kind::kWithdraw || action.kind == Kind::kForget;
  if (own) {
    for (const auto& each : peer_.inbox()) known.insert(each.request.id);
  } else {
    for (const auto& each : peer_.pending_approvals()) known.insert(each.request.id);
    for (const auto& each : peer_.shared()) known.insert(each.grant.id);
  }
  std::erase_if(known, [&](const GrantId& each) { return !each.hex().starts_with(text); });
  if (known.size() == 1) return *known.begin();
  if (known.empty()) {
    return distri::fail(Code::kNotFound, "{}: --{} {} begins no id here; '{}' shows them", action.name, action.id_flag,
                        text, own ? "inbox" : "pending' and 'shared");
  }
  return distri::fail(Code::kInvalidArgument, "{}: --{} {} begins {} ids; give more of its digits", action.name,
                      action.id_flag, text, known.size());
}

}  // namespace example
