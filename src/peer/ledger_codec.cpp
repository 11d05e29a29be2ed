// A ledger as bytes: one behind the other, each behind its length and with what it is.
#include "distri/peer/ledger.hpp"
#include "distri/peer/limits.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kEntry = 1;
constexpr std::uint8_t kForgotten = 2;

}  // namespace

Bytes Ledger::encode_one(const GrantId& id) const {
  Bytes bytes;
  wire::Writer out(bytes);
  if (forgotten_.contains(id)) {
    out.u8(kForgotten);
    out.raw(id.view());
    return bytes;
  }
  const Entry* entry = find(id);
  DISTRI_CHECK(entry != nullptr);
  out.u8(kEntry);
  encode_entry(out, *entry);
  return bytes;
}

Result<> Ledger::load_one(BytesView bytes) {
  wire::Reader in(bytes);
  const std::uint8_t kind = in.u8();
  if (kind == kForgotten) {
    const auto id = in.id<GrantId>();
    if (!in.ok() || !in.at_end() || id.empty()) return fail(Code::kProtocolError, "ledger: a forgotten id is broken");
    if (forgotten_.size() >= kForgottenMax) {
      return fail(Code::kTooLarge, "ledger: more than {} requests were forgotten", kForgottenMax);
    }
    if (entries_.contains(id) || !forgotten_.insert(id).second) {
      return fail(Code::kProtocolError, "ledger: request {} is in it twice", id.short_hex());
    }
    return {};
  }
  if (kind != kEntry) return fail(Code::kProtocolError, "ledger: an entry of unknown kind {}", kind);
  DISTRI_TRY(Entry entry, decode_entry(in.rest(), self_));
  if (entries_.size() >= kRequestsMax) return fail(Code::kTooLarge, "ledger: more than {} requests", kRequestsMax);
  const GrantId id = entry.request.id;
  if (forgotten_.contains(id) || !entries_.emplace(id, std::move(entry)).second) {
    return fail(Code::kProtocolError, "ledger: request {} is in it twice", id.short_hex());
  }
  return {};
}

Bytes Ledger::encode() const {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  out.raw(self_.view());
  out.u32(static_cast<std::uint32_t>(entries_.size() + forgotten_.size()));
  for (const GrantId& id : forgotten_) out.bytes32(encode_one(id));
  for (const auto& [id, entry] : entries_) {
    Bytes one = encode_one(id);
    out.bytes32(one);
    wipe(one);
  }
  return bytes;
}

Result<Ledger> Ledger::load(SigningKey key, BytesView bytes) {
  Ledger ledger(std::move(key));
  wire::Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kProtocolError, "ledger: its version is {}, this program knows {}", version, kVersion);
  }
  const auto owner = in.id<PublicKey>();
  if (in.ok() && owner != ledger.self_) {
    return fail(Code::kInvalidArgument, "ledger: it belongs to user {}, this is {}", owner.short_hex(),
                ledger.self_.short_hex());
  }
  const std::uint32_t count = in.u32();
  if (count > kRequestsMax + kForgottenMax) {
    return fail(Code::kTooLarge, "ledger: {} requests, at most {} are allowed", count, kRequestsMax + kForgottenMax);
  }
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) DISTRI_TRY_VOID(ledger.load_one(in.bytes32()));
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "ledger: wrong length");
  return ledger;
}

}  // namespace distri::peer
