#include "distri/net/sha256.hpp"

#include <doctest/doctest.h>

using namespace distri;
using namespace distri::net;

namespace {

std::string hex(const Hash256& hash) {
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace

TEST_CASE("SHA-256 agrees with the published vectors") {
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("SHA-256 of bytes that come piece by piece is that of all of them, again after an assignment") {
  const Bytes bytes(1'000, 'b');
  Sha256 hash;
  for (const std::size_t piece : {1u, 63u, 64u, 65u, 1'000u}) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) hash.update(BytesView(bytes).substr(at, piece));
    CHECK(hash.finish() == sha256(bytes));
    hash = Sha256();
  }
  CHECK(hash.finish() == sha256(""));
}
