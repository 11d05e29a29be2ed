// ledger_entry.hpp: one request in an owner's ledger, what was answered and every view key that was made for it.
//
// Serials count from 1 and are never used twice; each is an Issue that never goes away, because it says what a view key
// was given for. Given out are all issues but those that were taken back unused.
//
// Threads: values. Errors: see decode_entry().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "distri/peer/consent_records.hpp"
#include "distri/peer/view_records.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::peer {

struct Issue {
  enum class Kind : std::uint8_t {
    kOnline = 1,      // the viewer asked for it under `view`
    kPlacing = 2,     // to be put into the cloud; not known whether it is there
    kEscrow = 3,      // was put into the cloud
    kTakingBack = 4,  // to be taken out of the cloud; not known whether it is there
    kTakenBack = 5,   // was still there when it was taken out
    kGone = 6,        // was not: the viewer had taken it
    kCallingOff = 7,  // as kTakingBack, but it may never have been put there
  };
  Kind kind = Kind::kOnline;
  ViewId view;                    // kOnline only
  std::vector<DeviceId> devices;  // of the viewer, which say to have used it; not of kOnline
  std::vector<DeviceId> without;  // of the viewer, which have reached for it in vain: none of `devices`
  std::uint8_t returns = 0;       // how often it was found in the cloud after it was given up, as far as that counts
  bool operator==(const Issue&) const = default;

  bool used() const { return kind == Kind::kOnline || kind == Kind::kGone || !devices.empty(); }
  bool given_out() const { return kind != Kind::kTakenBack || !devices.empty(); }
  // Whether that device says to have reached for it.
  bool is_known(const DeviceId& device) const;
  // Whether the cloud may hold it.
  bool in_cloud() const { return kind == Kind::kPlacing || comes_back() || (kind == Kind::kEscrow && devices.empty()); }
  bool comes_back() const { return kind == Kind::kTakingBack || kind == Kind::kCallingOff; }
};

struct Entry {
  enum class State : std::uint8_t { kWaiting, kGranted, kRefused, kRevoked, kWithdrawn };

  Request request;             // its newest version
  std::optional<Grant> grant;  // the newest answer
  SecretBytes image_key;       // while granted; wiped when it ends
  std::vector<Issue> issues;   // serial - 1 is the place
  std::map<ViewId, std::uint32_t> serial_of_view;

  State state() const;
  // How many view keys are out, online and in escrow.
  std::uint32_t given_out() const;
  std::uint32_t used() const;
  // How many may still be made. Never below 0, though views that were lowered later may be fewer than what is out.
  std::uint32_t remaining() const;
  std::uint32_t in_cloud() const;
};
std::string_view state_name(Entry::State state);

// Holds the image key: what is written to a disk belongs to its user alone.
void encode_entry(wire::Writer& out, const Entry& entry);
// `owner`: whose ledger it is. Errors: kProtocolError, kTooLarge, and those of the records in it.
Result<Entry> decode_entry(BytesView bytes, const PublicKey& owner);

}  // namespace distri::peer
