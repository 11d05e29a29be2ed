#include "distri/peer/ledger_entry.hpp"

#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/peer/record_bytes.hpp"

namespace distri::peer {

namespace {

constexpr std::uint8_t kVersion = 2;

std::uint32_t count_if(const std::vector<Issue>& issues, bool (Issue::*what)() const) {
  return static_cast<std::uint32_t>(std::ranges::count_if(issues, what));
}

Result<Issue> decode_issue(wire::Reader& in) {
  Issue issue;
  const std::uint8_t kind = in.u8();
  if (in.ok() && (kind < 1 || kind > static_cast<std::uint8_t>(Issue::Kind::kCallingOff))) {
    return fail(Code::kProtocolError, "ledger entry: a view key of unknown kind {}", kind);
  }
  issue.kind = static_cast<Issue::Kind>(kind);
  if (issue.kind == Issue::Kind::kOnline) {
    issue.view = in.id<ViewId>();
    if (in.ok() && issue.view.empty()) return fail(Code::kProtocolError, "ledger entry: a view without an id");
    return issue;
  }
  for (auto* devices : {&issue.devices, &issue.without}) {
    const std::size_t count = in.u8();
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
      const auto device = in.id<DeviceId>();
      if (!in.ok()) break;
      if (issue.is_known(device)) {
        return fail(Code::kProtocolError, "ledger entry: one device reached for a view key twice");
      }
      devices->push_back(device);
    }
  }
  if (issue.devices.size() + issue.without.size() > kReceiptsOfSerialMax) {
    return fail(Code::kTooLarge, "ledger entry: {} devices reached for one view key, at most {} are kept",
                issue.devices.size() + issue.without.size(), kReceiptsOfSerialMax);
  }
  issue.returns = in.u8();
  return issue;
}

Result<> check_consistent(const Entry& entry, const PublicKey& owner) {
  if (entry.request.to != owner) return fail(Code::kProtocolError, "ledger entry: its request is for another user");
  if (!entry.grant) {
    if (entry.issues.empty()) return {};
    return fail(Code::kProtocolError, "ledger entry: view keys without a grant");
  }
  const Grant& grant = *entry.grant;
  if (grant.owner != owner || grant.id != entry.request.id || grant.to != entry.request.owner ||
      grant.resource != entry.request.resource) {
    return fail(Code::kProtocolError, "ledger entry: its grant answers another request");
  }
  if (grant.state == Grant::State::kGranted && entry.request.withdrawn) {
    return fail(Code::kProtocolError, "ledger entry: granted, but withdrawn");
  }
  if (grant.state == Grant::State::kRefused && !entry.issues.empty()) {
    return fail(Code::kProtocolError, "ledger entry: refused, but there are view keys");
  }
  const bool ended = grant.state != Grant::State::kGranted;
  const bool placed = std::ranges::any_of(entry.issues, [](const Issue& issue) {
    return issue.kind == Issue::Kind::kPlacing || (issue.kind == Issue::Kind::kEscrow && !issue.used());
  });
  if (ended && placed) return fail(Code::kProtocolError, "ledger entry: revoked, but view keys stay in escrow");
  return {};
}

}  // namespace

bool Issue::is_known(const DeviceId& device) const {
  return std::ranges::count(devices, device) + std::ranges::count(without, device) > 0;
}

Entry::State Entry::state() const {
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

std::uint32_t Entry::given_out() const {
  return count_if(issues, &Issue::given_out);
}

std::uint32_t Entry::used() const {
  return count_if(issues, &Issue::used);
}

std::uint32_t Entry::in_cloud() const {
  return count_if(issues, &Issue::in_cloud);
}

std::uint32_t Entry::remaining() const {
  if (state() != State::kGranted) return 0;
  const std::uint32_t out = given_out();
  return grant->views > out ? grant->views - out : 0;
}

std::string_view state_name(Entry::State state) {
  switch (state) {
    case Entry::State::kWaiting:
      return "waiting";
    case Entry::State::kGranted:
      return "granted";
    case Entry::State::kRefused:
      return "refused";
    case Entry::State::kRevoked:
      return "revoked";
    case Entry::State::kWithdrawn:
      return "withdrawn";
  }
  return "unknown";
}

void encode_entry(wire::Writer& out, const Entry& entry) {
  out.u8(kVersion);
  put_record(out, entry.request);
  out.u8(entry.grant ? 1 : 0);
  if (!entry.grant) return;
  put_record(out, *entry.grant);
  out.raw(entry.image_key.view());
  out.u32(static_cast<std::uint32_t>(entry.issues.size()));
  for (const Issue& issue : entry.issues) {
    out.u8(static_cast<std::uint8_t>(issue.kind));
    if (issue.kind == Issue::Kind::kOnline) {
      out.raw(issue.view.view());
      continue;
    }
    out.u8(static_cast<std::uint8_t>(issue.devices.size()));
    for (const DeviceId& device : issue.devices) out.raw(device.view());
    out.u8(static_cast<std::uint8_t>(issue.without.size()));
    for (const DeviceId& device : issue.without) out.raw(device.view());
    out.u8(issue.returns);
  }
}

Result<Entry> decode_entry(BytesView bytes, const PublicKey& owner) {
  if (bytes.size() > kEntryBytesMax) {
    return fail(Code::kTooLarge, "ledger entry: it has {} bytes, at most {} are allowed", bytes.size(), kEntryBytesMax);
  }
  wire::Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (version != kVersion) {
    return fail(Code::kProtocolError,
                "ledger entry: its version is {}, this program reads {}; go on with the program that wrote it, or "
                "choose another directory",
                version, kVersion);
  }
  Entry entry;
  DISTRI_TRY(entry.request, take_record(in, read_request));
  const std::uint8_t has_grant = in.u8();
  if (has_grant > 1) return fail(Code::kProtocolError, "ledger entry: unknown flags {}", has_grant);
  if (has_grant == 1) {
    DISTRI_TRY(entry.grant, take_record(in, read_grant));
    if (entry.grant->state == Grant::State::kGranted) entry.image_key = SecretBytes(in.raw(kImageKeyBytes));
    const std::uint32_t issues = in.u32();
    if (issues > kSerialsMax) {
      return fail(Code::kTooLarge, "ledger entry: {} view keys, at most {} are allowed", issues, kSerialsMax);
    }
    for (std::uint32_t serial = 1; serial <= issues && in.ok(); ++serial) {
      DISTRI_TRY(Issue issue, decode_issue(in));
      if (issue.kind == Issue::Kind::kOnline && in.ok() && !entry.serial_of_view.emplace(issue.view, serial).second) {
        return fail(Code::kProtocolError, "ledger entry: one view has two serials");
      }
      entry.issues.push_back(std::move(issue));
    }
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "ledger entry: wrong length");
  DISTRI_TRY_VOID(check_consistent(entry, owner));
  return entry;
}

}  // namespace distri::peer
