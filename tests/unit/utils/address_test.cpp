#include "distri/utils/address.hpp"

#include <doctest/doctest.h>

using namespace distri;

TEST_CASE("An address is read in each of its forms and printed back") {
  struct Row {
    const char* text;
    const char* host;
    int port;
    const char* printed;
  };
  for (const auto& row :
       {Row{"127.0.0.1:3000", "127.0.0.1", 3000, "127.0.0.1:3000"}, Row{"localhost:0", "localhost", 0, "localhost:0"},
        Row{"3001", "127.0.0.1", 3001, "127.0.0.1:3001"}, Row{"[::1]:80", "::1", 80, "[::1]:80"},
        Row{"node-7.site.example:65535", "node-7.site.example", 65535, "node-7.site.example:65535"}}) {
    CAPTURE(row.text);
    const auto address = parse_address(row.text);
    REQUIRE(address);
    CHECK(address->host == row.host);
    CHECK(address->port == row.port);
    CHECK(to_string(*address) == row.printed);
    CHECK(parse_address(to_string(*address)) == address);
  }
}

TEST_CASE("A bad address is refused with the text and the reason") {
  struct Row {
    const char* text;
    const char* reason;
  };
  for (const auto& row :
       {Row{"", "empty"}, Row{"host:", "port"}, Row{"host:65536", "0 to 65535"}, Row{"host:-1", "port"},
        Row{"host:12x", "port"}, Row{":80", "host is missing"}, Row{"nonsense", "write host:port"},
        Row{"::1:80", "brackets"}, Row{"[::1]80", "[v6]:port"}, Row{"a b:80", "' '"}, Row{"[a b]:80", "' '"}}) {
    CAPTURE(row.text);
    const auto address = parse_address(row.text);
    REQUIRE_FALSE(address);
    CHECK(address.error().code == Code::kInvalidArgument);
    CHECK(address.error().message.find(row.reason) != std::string::npos);
  }
}

TEST_CASE("A list of addresses keeps its order and refuses empty entries") {
  const auto addresses = parse_addresses("127.0.0.1:1,3002,[::1]:3");
  REQUIRE(addresses);
  REQUIRE(addresses->size() == 3);
  CHECK((*addresses)[1] == Address{"127.0.0.1", 3002});
  CHECK_FALSE(parse_addresses("127.0.0.1:1,,3"));
  CHECK_FALSE(parse_addresses(""));
}

TEST_CASE("Loopback is recognised without resolving names") {
  CHECK(is_loopback({"127.0.0.1", 1}));
  CHECK(is_loopback({"127.8.9.10", 1}));
  CHECK(is_loopback({"::1", 1}));
  CHECK(is_loopback({"localhost", 1}));
  CHECK_FALSE(is_loopback({"0.0.0.0", 1}));
  CHECK_FALSE(is_loopback({"192.0.2.1", 1}));
  CHECK_FALSE(is_loopback({"localhost.example", 1}));
}
