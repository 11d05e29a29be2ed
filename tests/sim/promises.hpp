// promises.hpp: promise 3, no acknowledged write is lost, as a question to a world that has come to rest.
//
// A write that a client was told is done must have been seen by every node in the end, if any machine that held it
// durably when the client was told has lost nothing since. And it must show, or have given way to a write that knew it,
// or rest in the conflict store.
#pragma once

#include "world.hpp"

namespace distri::sim {

// `i`: any machine; they agree.
void check_promises(World& world, std::size_t i);

}  // namespace distri::sim
