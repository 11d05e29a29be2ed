// The views of holdings: online and from escrow.
#include <algorithm>

#include "distri/peer/holdings.hpp"
#include "distri/peer/limits.hpp"

namespace distri::peer {

// What holds for every view key, whichever way it comes.
Result<> Holdings::check_view_key(const ViewKey& key, const Holding& holding) const {
  const std::string what = fmt::format("view key {} of grant {}", key.serial, key.grant.short_hex());
  if (key.owner != holding.request.to) {
    return fail(Code::kPermissionDenied, "{}: it is forged, {} has the image and {} has signed it", what,
                holding.request.to.short_hex(), key.owner.short_hex());
  }
  if (key.to != self_) {
    return fail(Code::kPermissionDenied, "{}: it is for user {}, this is {}", what, key.to.short_hex(),
                self_.short_hex());
  }
  if (holding.used.contains(key.serial)) {
    return fail(Code::kPermissionDenied, "{}: it is replayed, it was used already", what);
  }
  return {};
}

// ---- Online

Result<ViewId> Holdings::ask_view(const GrantId& id, const ViewId& fresh) {
  DISTRI_TRY(Holding* const holding, granted(id));
  if (holding->ask) return holding->ask->view;
  if (fresh.empty()) {
    return fail(Code::kInvalidArgument, "grant {}: the view id is all zeros; choose a random one", id.short_hex());
  }
  holding->ask = ViewAsk{fresh, holding->grant->version};
  return fresh;
}

Result<SecretBytes> Holdings::accept(const ViewKey& key) {
  DISTRI_TRY_VOID(verify(key));
  DISTRI_TRY(Holding* const holding, granted(key.grant));
  DISTRI_TRY_VOID(check_view_key(key, *holding));
  const std::string what = fmt::format("view key {} of grant {}", key.serial, key.grant.short_hex());
  if (!holding->ask) return fail(Code::kPermissionDenied, "{}: no view was asked for", what);
  if (key.view != holding->ask->view) {
    return fail(Code::kPermissionDenied, "{}: it answers view {}, asked for was {}", what, key.view.short_hex(),
                holding->ask->view.short_hex());
  }
  if (key.version < holding->ask->version) {
    return fail(Code::kPermissionDenied, "{}: it is of version {} of the grant, asked for was {} or later", what,
                key.version, holding->ask->version);
  }
  if (holding->taking && holding->taking->serial == key.serial) {
    return fail(Code::kPermissionDenied, "{}: it is being taken from escrow, and cannot answer an ask as well", what);
  }
  DISTRI_TRY(SecretBytes image_key, open_view_key(key, key_));
  holding->used.insert(key.serial);
  holding->ask.reset();
  return image_key;
}

Result<> Holdings::view_refused(const GrantId& id, const ViewId& view) {
  DISTRI_TRY(Holding* const holding, known(id));
  if (holding->ask && holding->ask->view == view) holding->ask.reset();
  return {};
}

// ---- From escrow

Receipt Holdings::receipt_of(const Holding& holding, std::uint32_t serial, std::int64_t at_ms) const {
  Receipt receipt;
  receipt.grant = holding.request.id;
  receipt.serial = serial;
  receipt.device = device_;
  receipt.owner = self_;
  receipt.to = holding.request.to;
  receipt.at_ms = at_ms;
  return receipt;
}

Result<Receipt> Holdings::take(const ViewKey& key, std::int64_t now_ms) {
  DISTRI_TRY_VOID(verify(key));
  DISTRI_TRY(Holding* const holding, known(key.grant));
  // What was begun is ended, also when the grant was revoked in between: its receipt may be missing.
  if (holding->taking != key) DISTRI_TRY_VOID(granted(key.grant));
  DISTRI_TRY_VOID(check_view_key(key, *holding));
  const std::string what = fmt::format("view key {} of grant {}", key.serial, key.grant.short_hex());
  if (!key.view.empty()) {
    return fail(Code::kPermissionDenied, "{}: it answers a view that was asked for, it does not come from escrow",
                what);
  }
  if (key.version > holding->grant->version) {
    return fail(Code::kUnavailable, "{}: it is of version {} of the grant, known is {}; fetch the grant first", what,
                key.version, holding->grant->version);
  }
  if (holding->taking && holding->taking->serial != key.serial) {
    return fail(Code::kBusy, "{}: view key {} is being taken; finish that first", what, holding->taking->serial);
  }
  Receipt receipt = receipt_of(*holding, key.serial, now_ms);
  DISTRI_TRY_VOID(check(receipt));
  DISTRI_TRY_VOID(open_view_key(key, key_));  // a key that opens nothing is not worth a receipt
  holding->taking = key;
  return sign(std::move(receipt), key_);
}

Result<SecretBytes> Holdings::taken(const GrantId& id, std::uint32_t serial, bool was_there, std::int64_t now_ms) {
  DISTRI_TRY(Holding* const holding, known(id));
  if (!holding->taking || holding->taking->serial != serial) {
    return fail(Code::kNotFound, "grant {}: view key {} is not being taken", id.short_hex(), serial);
  }
  SecretBytes image_key;
  if (was_there) {
    DISTRI_TRY(image_key, open_view_key(*holding->taking, key_));
  }
  holding->used.insert(serial);
  holding->taking.reset();
  if (!was_there) holding->to_withdraw.emplace(serial, std::clamp<std::int64_t>(now_ms, 0, kTimeMsMax));
  return image_key;
}

Result<Receipt> Holdings::withdrawal(const GrantId& id, std::uint32_t serial) const {
  const Holding* holding = find(id);
  const bool known = holding != nullptr && holding->to_withdraw.contains(serial);
  if (!known) {
    return fail(Code::kNotFound, "grant {}: no receipt of view key {} is to be withdrawn", id.short_hex(), serial);
  }
  Receipt receipt = receipt_of(*holding, serial, holding->to_withdraw.at(serial));
  receipt.withdrawn = true;
  return sign(std::move(receipt), key_);
}

bool Holdings::withdrawn(const GrantId& id, std::uint32_t serial) {
  const auto found = holdings_.find(id);
  return found != holdings_.end() && found->second.to_withdraw.erase(serial) > 0;
}

}  // namespace distri::peer
