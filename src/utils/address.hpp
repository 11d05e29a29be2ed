// address.hpp: where something listens: host and TCP port.
//
// Addresses are attributes, never identity. The textual form is "host:port", "[v6]:port", or "port" alone for
// 127.0.0.1.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/result.hpp"

namespace distri {

struct Address {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Address&) const = default;
};

// Error kInvalidArgument with the text and what is wrong with it. Port 0 is allowed ("any free port").
Result<Address> parse_address(std::string_view text);

// Comma-separated; empty entries are errors.
Result<std::vector<Address>> parse_addresses(std::string_view text);

// The form parse_address() reads back.
std::string to_string(const Address& address);

// "localhost", 127.0.0.0/8 or ::1. Names are not resolved.
bool is_loopback(const Address& address);

}  // namespace distri
