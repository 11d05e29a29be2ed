// Holdings as bytes: one behind the other, each behind its length.
#include "distri/peer/holdings.hpp"
#include "distri/peer/limits.hpp"
#include "distri/peer/record_bytes.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kForgotten = 255;  // where a holding has its version: only the id of one follows
constexpr std::uint8_t kHasGrant = 1;
constexpr std::uint8_t kHasAsk = 2;
constexpr std::uint8_t kHasTaking = 4;

Result<> check_consistent(const Holding& holding, const PublicKey& viewer) {
  const Request& request = holding.request;
  if (request.owner != viewer) return fail(Code::kProtocolError, "holding: its request was made by another user");
  if (!holding.grant && (holding.ask || holding.taking || !holding.used.empty())) {
    return fail(Code::kProtocolError, "holding: views without a grant");
  }
  if (!holding.grant) return {};
  const Grant& grant = *holding.grant;
  if (grant.id != request.id || grant.owner != request.to || grant.to != viewer || grant.resource != request.resource) {
    return fail(Code::kProtocolError, "holding: its grant answers another request");
  }
  if (holding.ask && holding.state() != Holding::State::kGranted) {
    return fail(Code::kProtocolError, "holding: a view is asked for, but it is not granted");
  }
  if (holding.ask && (holding.ask->view.empty() || holding.ask->version < 1 || holding.ask->version > grant.version)) {
    return fail(Code::kProtocolError, "holding: the view that is asked for is broken");
  }
  const auto& taking = holding.taking;
  if (taking && (taking->grant != grant.id || taking->owner != grant.owner || taking->to != viewer ||
                 !taking->view.empty() || holding.used.contains(taking->serial))) {
    return fail(Code::kProtocolError, "holding: the view key that is being taken is for something else");
  }
  return {};
}

}  // namespace

void encode_holding(wire::Writer& out, const Holding& holding) {
  out.u8(kVersion);
  put_record(out, holding.request);
  const int flags = (holding.grant ? kHasGrant : 0) | (holding.ask ? kHasAsk : 0) | (holding.taking ? kHasTaking : 0);
  out.u8(static_cast<std::uint8_t>(flags));
  if (holding.grant) put_record(out, *holding.grant);
  if (holding.ask) {
    out.raw(holding.ask->view.view());
    out.u64(holding.ask->version);
  }
  if (holding.taking) put_record(out, *holding.taking);
  out.u32(static_cast<std::uint32_t>(holding.used.size()));
  for (const std::uint32_t serial : holding.used) out.u32(serial);
  out.u32(static_cast<std::uint32_t>(holding.to_withdraw.size()));
  for (const auto& [serial, at_ms] : holding.to_withdraw) {
    out.u32(serial);
    out.u64(static_cast<std::uint64_t>(at_ms));
  }
}

Result<Holding> decode_holding(BytesView bytes, const PublicKey& viewer) {
  if (bytes.size() > kHoldingBytesMax) {
    return fail(Code::kTooLarge, "holding: it has {} bytes, at most {} are allowed", bytes.size(), kHoldingBytesMax);
  }
  wire::Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kProtocolError,
                "holding: its version is {}, this program reads {}; go on with the program that wrote it, or choose "
                "another directory",
                version, kVersion);
  }
  Holding holding;
  DISTRI_TRY(holding.request, take_record(in, read_request));
  const std::uint8_t flags = in.u8();
  if (flags > (kHasGrant | kHasAsk | kHasTaking)) {
    return fail(Code::kProtocolError, "holding: unknown flags {}", flags);
  }
  if ((flags & kHasGrant) != 0) {
    DISTRI_TRY(holding.grant, take_record(in, read_grant));
  }
  if ((flags & kHasAsk) != 0) {
    holding.ask.emplace();
    holding.ask->view = in.id<ViewId>();
    holding.ask->version = in.u64();
  }
  if ((flags & kHasTaking) != 0) {
    DISTRI_TRY(holding.taking, take_record(in, read_view_key));
  }
  const std::uint32_t used = in.u32();
  if (used > kSerialsMax) {
    return fail(Code::kTooLarge, "holding: {} used view keys, at most {} are allowed", used, kSerialsMax);
  }
  std::uint32_t before = 0;
  for (std::uint32_t i = 0; i < used && in.ok(); ++i) {
    const std::uint32_t serial = in.u32();
    if (in.ok() && (serial <= before || serial > kSerialsMax)) {
      return fail(Code::kProtocolError, "holding: serials out of order or range");
    }
    holding.used.insert(serial);
    before = serial;
  }
  const std::uint32_t to_withdraw = in.u32();
  if (to_withdraw > holding.used.size()) {
    return fail(Code::kProtocolError, "holding: {} receipts to withdraw, {} view keys were used", to_withdraw,
                holding.used.size());
  }
  for (std::uint32_t i = 0; i < to_withdraw && in.ok(); ++i) {
    const std::uint32_t serial = in.u32();
    const std::uint64_t at_ms = in.u64();
    if (!in.ok()) break;
    if (!holding.used.contains(serial) || at_ms > static_cast<std::uint64_t>(kTimeMsMax) ||
        !holding.to_withdraw.emplace(serial, static_cast<std::int64_t>(at_ms)).second) {
      return fail(Code::kProtocolError, "holding: a receipt to withdraw is of no used view key, twice, or has no time");
    }
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "holding: wrong length");
  DISTRI_TRY_VOID(check_consistent(holding, viewer));
  return holding;
}

Bytes Holdings::encode_one(const GrantId& id) const {
  Bytes bytes;
  wire::Writer out(bytes);
  if (forgotten_.contains(id)) {
    out.u8(kForgotten);
    out.raw(id.view());
    return bytes;
  }
  const Holding* holding = find(id);
  DISTRI_CHECK(holding != nullptr);
  encode_holding(out, *holding);
  return bytes;
}

Result<> Holdings::load_one(BytesView bytes) {
  if (!bytes.empty() && static_cast<std::uint8_t>(bytes[0]) == kForgotten) return load_forgotten(bytes);
  DISTRI_TRY(Holding holding, decode_holding(bytes, self_));
  if (holdings_.size() >= kHoldingsMax) {
    return fail(Code::kTooLarge, "holdings: more than {} requests", kHoldingsMax);
  }
  const GrantId id = holding.request.id;
  if (!forgotten_.contains(id) && holdings_.emplace(id, std::move(holding)).second) return {};
  return fail(Code::kProtocolError, "holdings: request {} is in it twice", id.short_hex());
}

Result<> Holdings::load_forgotten(BytesView bytes) {
  wire::Reader in(bytes);
  in.u8();
  const auto id = in.id<GrantId>();
  if (!in.ok() || !in.at_end() || id.empty()) return fail(Code::kProtocolError, "holdings: a forgotten id is broken");
  if (forgotten_.size() >= kForgottenMax) {
    return fail(Code::kTooLarge, "holdings: more than {} requests were forgotten", kForgottenMax);
  }
  if (holdings_.contains(id) || !forgotten_.insert(id).second) {
    return fail(Code::kProtocolError, "holdings: request {} is in it twice", id.short_hex());
  }
  return {};
}

Bytes Holdings::encode() const {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  out.raw(self_.view());
  out.raw(device_.view());
  out.u32(static_cast<std::uint32_t>(holdings_.size() + forgotten_.size()));
  for (const GrantId& id : forgotten_) out.bytes32(encode_one(id));
  for (const auto& [id, holding] : holdings_) out.bytes32(encode_one(id));
  return bytes;
}

Result<Holdings> Holdings::load(SigningKey key, BytesView bytes) {
  wire::Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kProtocolError, "holdings: its version is {}, this program knows {}", version, kVersion);
  }
  const auto viewer = in.id<PublicKey>();
  const auto device = in.id<DeviceId>();
  if (!in.ok() || device.empty()) return fail(Code::kProtocolError, "holdings: they end early, or name no device");
  Holdings holdings(std::move(key), device);
  if (viewer != holdings.self_) {
    return fail(Code::kInvalidArgument, "holdings: they belong to user {}, this is {}", viewer.short_hex(),
                holdings.self_.short_hex());
  }
  const std::uint32_t count = in.u32();
  if (count > kHoldingsMax + kForgottenMax) {
    return fail(Code::kTooLarge, "holdings: {} requests, at most {} are allowed", count, kHoldingsMax + kForgottenMax);
  }
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) DISTRI_TRY_VOID(holdings.load_one(in.bytes32()));
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "holdings: wrong length");
  return holdings;
}

}  // namespace distri::peer
