// digest.hpp: a 256-bit fingerprint of a set, whatever the order in which it was filled.
//
// The sum modulo 2^256 of the fingerprints (utils/hash.hpp) of the members (AdHash; Bellare and Micciancio, 1997): adding and
// removing a member cost one hash each. It proves equality against accidents and software faults; it is not meant to
// withstand a member who forges.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "distri/utils/bytes.hpp"
#include "distri/utils/hash.hpp"

namespace distri::replication {

class Digest {
 public:
  void add(const Hash256& member);
  void remove(const Hash256& member);
  // Digest of the union of two disjoint sets.
  void add(const Digest& other);
  bool operator==(const Digest&) const = default;
  bool empty() const { return *this == Digest{}; }
  std::string hex() const;
  Bytes bytes() const;                             // 32
  static Digest from_bytes(BytesView thirty_two);  // precondition: size 32

 private:
  std::array<std::uint64_t, 4> words_{};  // little-endian
};

}  // namespace distri::replication
