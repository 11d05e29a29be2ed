#include "distri/utils/bytes.hpp"

#include <doctest/doctest.h>

#include "distri/utils/hash.hpp"
#include "distri/utils/ids.hpp"

using namespace distri;

TEST_CASE("Hexadecimal text goes there and back, and bad digits are located") {
  const Bytes all = [] {
    Bytes bytes;
    for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
    return bytes;
  }();
  CHECK(from_hex(to_hex(all)) == all);
  CHECK(to_hex(std::string("\x00\xff\x1a", 3)) == "00ff1a");
  CHECK(from_hex("FF") == Bytes("\xff"));
  CHECK(from_hex("abc").error().message.find("odd length (3)") != std::string::npos);
  CHECK(from_hex("ab0x").error().message.find("position 3") != std::string::npos);
}

TEST_CASE("Base64 agrees with the examples of RFC 4648 and is strict") {
  const std::pair<const char*, const char*> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : rows) {
    CHECK(to_base64(plain) == coded);
    CHECK(from_base64(coded) == Bytes(plain));
  }
  for (const auto* bad : {"Zg", "Zg=", "Z", "Zm9v!", "Zm9vYg==Zg==", "Zm 9v"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad));
  }
}

TEST_CASE("BLAKE2b-256 agrees with the published vector of the empty input") {
  const auto hash = blake2b_256("");
  CHECK(to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()}) ==
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

TEST_CASE("Actor ids differ by node and by incarnation, and repeat for the same") {
  NodeId a;
  a.bytes[0] = 1;
  NodeId b;
  b.bytes[0] = 2;
  CHECK(make_actor_id(a, 1) == make_actor_id(a, 1));
  CHECK(make_actor_id(a, 1) != make_actor_id(a, 2));
  CHECK(make_actor_id(a, 1) != make_actor_id(b, 1));
  CHECK(NodeId{}.empty());
  CHECK(a.hex().substr(0, 4) == "0100");
  CHECK(NodeId::from_view(a.view()) == a);
}
