// table_codec.hpp: an encoded member table, taken apart; nothing in it is verified yet.
#pragma once

#include <optional>
#include <vector>

#include "distri/membership/statements.hpp"

namespace distri::membership {

inline constexpr std::uint8_t kTableVersion = 1;
inline constexpr std::uint8_t kSummaryVersion = 1;

struct TableParts {
  Founding founding;
  std::vector<RootLink> links;  // all of them
  std::optional<Roll> roll;     // of the last; absent where the receiver has it
  std::vector<Admission> admissions;
  std::vector<Revocation> revocations;
  std::vector<AddressRecord> addresses;
};

// Errors kProtocolError and kTooLarge.
Result<TableParts> decode_table(BytesView bytes);

}  // namespace distri::membership
