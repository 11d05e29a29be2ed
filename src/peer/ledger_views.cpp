// The views of a ledger: online, in escrow, and what receipts say.
#include <algorithm>
#include <limits>

#include "distri/peer/ledger.hpp"
#include "distri/peer/limits.hpp"

namespace distri::peer {

namespace {

std::unexpected<Error> unknown_serial(const GrantId& id, std::uint32_t serial) {
  return fail(Code::kNotFound, "grant {}: it has no view key {} in escrow", id.short_hex(), serial);
}

Result<> check_serials(const Entry& entry, std::uint32_t more) {
  if (entry.issues.size() + more <= kSerialsMax) return {};
  return fail(Code::kTooLarge, "grant {}: it has had {} view keys, {} is the most; ask anew",
              entry.request.id.short_hex(), entry.issues.size(), kSerialsMax);
}

}  // namespace

Result<ViewKey> Ledger::make_key(const Entry& entry, std::uint32_t serial, const ViewId& view) const {
  ViewKey fields;
  fields.grant = entry.request.id;
  fields.serial = serial;
  fields.to = entry.request.owner;
  fields.view = view;
  fields.version = entry.grant->version;
  return make_view_key(std::move(fields), entry.image_key, key_);
}

Result<Ledger::GivenView> Ledger::give_view(const GrantId& id, const PublicKey& asker, const ViewId& view) {
  if (const Entry* known = find(id); known != nullptr && known->request.owner != asker) {
    return fail(Code::kPermissionDenied, "grant {}: it is not yours", id.short_hex());
  }
  DISTRI_TRY(Entry* const entry, granted(id));
  if (view.empty()) {
    return fail(Code::kInvalidArgument, "grant {}: the view id is all zeros; choose a random one", id.short_hex());
  }
  GivenView given;
  if (const auto again = entry->serial_of_view.find(view); again != entry->serial_of_view.end()) {
    DISTRI_TRY(given.key, make_key(*entry, again->second, view));
    return given;
  }
  if (entry->remaining() == 0) {
    if (entry->used() < entry->grant->views) {
      return fail(
          Code::kBusy,
          "grant {}: its last views lie in the cloud, or are on their way there or back; take one there, or try "
          "again",
          id.short_hex());
    }
    return fail(Code::kPermissionDenied, "grant {}: all {} views are used up; ask for more", id.short_hex(),
                entry->grant->views);
  }
  DISTRI_TRY_VOID(check_serials(*entry, 1));
  const auto serial = static_cast<std::uint32_t>(entry->issues.size() + 1);
  DISTRI_TRY(given.key, make_key(*entry, serial, view));
  Issue issue;
  issue.view = view;
  entry->issues.push_back(std::move(issue));
  entry->serial_of_view.emplace(view, serial);
  given.effects.changed = true;
  given.effects.events.push_back({Event::Kind::kViewed, id, serial, {}});
  return given;
}

// ---- Escrow

Result<Ledger::Effects> Ledger::put_in_escrow(const GrantId& id, std::uint32_t count) {
  DISTRI_TRY(Entry* const entry, granted(id));
  const std::uint32_t there = entry->in_cloud();
  if (count > kEscrowMax || there + count > kEscrowMax) {
    return fail(Code::kTooLarge, "grant {}: {} view keys are in escrow, {} more would be over {}", id.short_hex(),
                there, count, kEscrowMax);
  }
  if (count > entry->remaining()) {
    return fail(Code::kPermissionDenied, "grant {}: {} views remain, {} cannot be put in escrow", id.short_hex(),
                entry->remaining(), count);
  }
  DISTRI_TRY_VOID(check_serials(*entry, count));
  Effects effects;
  for (std::uint32_t i = 1; i <= count; ++i) {
    DISTRI_TRY(ViewKey key, make_key(*entry, static_cast<std::uint32_t>(entry->issues.size()) + i, {}));
    effects.place.push_back(std::move(key));
  }
  Issue issue;
  issue.kind = Issue::Kind::kPlacing;
  entry->issues.resize(entry->issues.size() + count, issue);
  effects.changed = count > 0;
  return effects;
}

// Marks up to `count` unused keys, the newest first.
void Ledger::take_out(Entry& entry, std::uint32_t count, Effects& effects) {
  for (std::size_t place = entry.issues.size(); place > 0 && count > 0; --place) {
    Issue& issue = entry.issues[place - 1];
    const bool unused = issue.kind == Issue::Kind::kPlacing || (issue.kind == Issue::Kind::kEscrow && !issue.used());
    if (!unused) continue;
    issue.kind = issue.kind == Issue::Kind::kPlacing ? Issue::Kind::kCallingOff : Issue::Kind::kTakingBack;
    effects.take_out.push_back({entry.request.id, static_cast<std::uint32_t>(place)});
    effects.changed = true;
    --count;
  }
}

// Keys in escrow that would be over the views, as they were lowered, or more are used than was thought.
void Ledger::take_excess(Entry& entry, Effects& effects) {
  if (entry.state() != Entry::State::kGranted) return;
  const auto coming_back = static_cast<std::uint32_t>(std::ranges::count_if(
      entry.issues, [](const Issue& issue) { return issue.comes_back() && issue.devices.empty(); }));
  const std::uint32_t out = entry.given_out() - coming_back;
  if (out > entry.grant->views) take_out(entry, out - entry.grant->views, effects);
}

Result<Ledger::Effects> Ledger::take_back(const GrantId& id, std::uint32_t count) {
  DISTRI_TRY(Entry* const entry, granted(id));
  Effects effects;
  take_out(*entry, count, effects);
  return effects;
}

// What was there, and is said to be used all the same.
void Ledger::report_taken_back(const GrantId& id, std::uint32_t serial, const Issue& issue, Effects& effects) {
  for (const DeviceId& device : issue.devices) {
    effects.events.push_back({Event::Kind::kUsedAfterTakenBack, id, serial, device});
  }
}

Result<Ledger::Effects> Ledger::on_placed(const GrantId& id, std::uint32_t serial, bool placed) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || serial < 1 || serial > found->second.issues.size()) return unknown_serial(id, serial);
  Issue& issue = found->second.issues[serial - 1];
  if (issue.kind == Issue::Kind::kOnline) return unknown_serial(id, serial);
  Effects effects;
  switch (issue.kind) {
    case Issue::Kind::kPlacing:
      issue.kind = placed ? Issue::Kind::kEscrow : Issue::Kind::kTakenBack;
      break;
    case Issue::Kind::kCallingOff:
      issue.kind = placed ? Issue::Kind::kTakingBack : Issue::Kind::kTakenBack;
      break;
    case Issue::Kind::kEscrow:  // known from a receipt
      if (placed) return effects;
      issue.kind = Issue::Kind::kTakenBack;
      break;
    default:
      return effects;
  }
  effects.changed = true;
  if (!placed) report_taken_back(id, serial, issue, effects);
  return effects;
}

Result<Ledger::Effects> Ledger::on_taken_back(const GrantId& id, std::uint32_t serial, bool was_there) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || serial < 1 || serial > found->second.issues.size()) return unknown_serial(id, serial);
  Issue& issue = found->second.issues[serial - 1];
  if (issue.kind == Issue::Kind::kOnline) return unknown_serial(id, serial);
  Effects effects;
  if (!issue.comes_back()) return effects;
  issue.kind = was_there ? Issue::Kind::kTakenBack : Issue::Kind::kGone;
  effects.changed = true;
  take_excess(found->second, effects);
  if (was_there) report_taken_back(id, serial, issue, effects);
  return effects;
}

Result<Ledger::Effects> Ledger::on_missing(const GrantId& id, std::uint32_t serial) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || serial < 1 || serial > found->second.issues.size()) return unknown_serial(id, serial);
  Issue& issue = found->second.issues[serial - 1];
  Effects effects;
  if (issue.kind != Issue::Kind::kEscrow || issue.used()) return effects;
  issue.kind = Issue::Kind::kTakingBack;
  effects.take_out.push_back({id, serial});
  effects.changed = true;
  return effects;
}

Result<Ledger::Effects> Ledger::on_found(const GrantId& id, std::uint32_t serial) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || serial < 1 || serial > found->second.issues.size()) return unknown_serial(id, serial);
  Issue& issue = found->second.issues[serial - 1];
  Effects effects;
  if (issue.kind == Issue::Kind::kOnline || issue.in_cloud()) return effects;
  effects.take_out.push_back({id, serial});
  effects.changed = true;
  if (issue.returns < std::numeric_limits<std::uint8_t>::max()) ++issue.returns;
  if (issue.devices.empty()) issue.kind = Issue::Kind::kTakingBack;
  return effects;
}

Result<Ledger::Effects> Ledger::on_receipt(const Receipt& receipt) {
  DISTRI_TRY_VOID(verify(receipt));
  const std::string what = fmt::format("receipt of view key {} of grant {}", receipt.serial, receipt.grant.short_hex());
  if (receipt.to != self_) return fail(Code::kInvalidArgument, "{}: it is for another user", what);
  if (forgotten_.contains(receipt.grant)) return Effects{};
  const auto found = entries_.find(receipt.grant);
  if (found == entries_.end()) return fail(Code::kNotFound, "{}: there is no such grant", what);
  Entry& entry = found->second;
  if (receipt.owner != entry.request.owner) {
    return fail(Code::kPermissionDenied, "{}: user {} says to have used it, it was made for {}", what,
                receipt.owner.short_hex(), entry.request.owner.short_hex());
  }
  if (receipt.serial > entry.issues.size() || entry.issues[receipt.serial - 1].kind == Issue::Kind::kOnline) {
    return fail(Code::kPermissionDenied, "{}: no such key was put in escrow", what);
  }
  Issue& issue = entry.issues[receipt.serial - 1];
  Effects effects;
  const bool used = std::ranges::count(issue.devices, receipt.device) > 0;
  if (receipt.withdrawn ? std::ranges::count(issue.without, receipt.device) > 0 : issue.is_known(receipt.device)) {
    return effects;
  }
  if (!used && issue.devices.size() + issue.without.size() >= kReceiptsOfSerialMax) {
    return fail(Code::kTooLarge, "{}: {} devices have reached for it already, no more are noted", what,
                issue.devices.size() + issue.without.size());
  }
  const auto event = [&](Event::Kind kind) {
    effects.events.push_back({kind, receipt.grant, receipt.serial, receipt.device});
  };
  effects.changed = true;
  if (issue.kind == Issue::Kind::kCallingOff) issue.kind = Issue::Kind::kTakingBack;
  if (receipt.withdrawn) {
    std::erase(issue.devices, receipt.device);
    issue.without.push_back(receipt.device);
    if (used) event(Event::Kind::kNotUsed);
    const bool unused =
        issue.kind == Issue::Kind::kPlacing || (issue.kind == Issue::Kind::kEscrow && issue.devices.empty());
    if (!unused) return effects;
    // Somebody else has it, or it lies where the device did not find it.
    issue.kind = Issue::Kind::kTakingBack;
    effects.take_out.push_back({receipt.grant, receipt.serial});
    return effects;
  }
  if (issue.kind == Issue::Kind::kPlacing) issue.kind = Issue::Kind::kEscrow;
  event(Event::Kind::kEscrowUsed);
  if (!issue.devices.empty()) event(Event::Kind::kDoubleUse);
  if (issue.kind == Issue::Kind::kTakenBack) event(Event::Kind::kUsedAfterTakenBack);
  issue.devices.push_back(receipt.device);
  take_excess(entry, effects);
  return effects;
}

// ---- After a restart

Ledger::Effects Ledger::unfinished() const {
  Effects effects;
  for (const auto& [id, entry] : entries_) {
    if (entry.grant) effects.publish.push_back(*entry.grant);
    for (std::size_t place = 0; place < entry.issues.size(); ++place) {
      const auto serial = static_cast<std::uint32_t>(place + 1);
      if (entry.issues[place].comes_back()) effects.take_out.push_back({id, serial});
      if (entry.issues[place].kind != Issue::Kind::kPlacing) continue;
      // Another box of the same key: it is inserted only where there is none.
      if (auto key = make_key(entry, serial, {})) effects.place.push_back(*std::move(key));
    }
  }
  return effects;
}

}  // namespace distri::peer
