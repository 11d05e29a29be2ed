// plant.hpp: defects that tests plant into membership, to prove that the simulator's checkers see them.
//
// Test only: kNone everywhere else.
#pragma once

#include <cstdint>

namespace distri::membership {

enum class Plant : std::uint8_t {
  kNone,
  kHoardRevocations,  // a node that hears of a revocation does not pass it on
  kForgetSequence,    // a newer address record from an earlier life is left as it is
};

}  // namespace distri::membership
