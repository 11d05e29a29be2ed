#include "distri/utils/address.hpp"

#include <charconv>

namespace distri {
namespace {

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > 65535) {
    return fail(Code::kInvalidArgument, "address '{}': the port must be a number from 0 to 65535", whole);
  }
  return static_cast<std::uint16_t>(value);
}

bool valid_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.empty()) return fail(Code::kInvalidArgument, "an address is empty; write host:port");
  Address address;
  if (text.front() == '[') {
    const auto close = text.find("]:");
    if (close == std::string_view::npos) return fail(Code::kInvalidArgument, "address '{}': write [v6]:port", text);
    address.host = text.substr(1, close - 1);
    for (const char c : address.host) {
      if (!valid_host_char(c) && c != ':' && c != '%') {
        return fail(Code::kInvalidArgument, "address '{}': '{}' cannot be part of an IPv6 address", text, c);
      }
    }
    DISTRI_TRY(address.port, parse_port(text.substr(close + 2), text));
  } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    address.host = text.substr(0, colon);
    if (address.host.find(':') != std::string::npos) {
      return fail(Code::kInvalidArgument, "address '{}': put an IPv6 address in brackets: [v6]:port", text);
    }
    for (const char c : address.host) {
      if (!valid_host_char(c))
        return fail(Code::kInvalidArgument, "address '{}': '{}' cannot be part of a host name", text, c);
    }
    DISTRI_TRY(address.port, parse_port(text.substr(colon + 1), text));
  } else {
    address.host = "127.0.0.1";
    auto port = parse_port(text, text);
    if (!port) return fail(Code::kInvalidArgument, "address '{}': write host:port", text);
    address.port = *port;
  }
  if (address.host.empty())
    return fail(Code::kInvalidArgument, "address '{}': the host is missing; write host:port", text);
  return address;
}

Result<std::vector<Address>> parse_addresses(std::string_view text) {
  std::vector<Address> addresses;
  for (;;) {
    const auto comma = text.find(',');
    DISTRI_TRY(auto address, parse_address(text.substr(0, comma)));
    addresses.push_back(std::move(address));
    if (comma == std::string_view::npos) return addresses;
    text.remove_prefix(comma + 1);
  }
}

std::string to_string(const Address& address) {
  if (address.host.find(':') != std::string::npos) return fmt::format("[{}]:{}", address.host, address.port);
  return fmt::format("{}:{}", address.host, address.port);
}

bool is_loopback(const Address& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

}  // namespace distri
