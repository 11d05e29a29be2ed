// checkers.hpp: the promises of the design as questions to a simulated world. Each fails the world when one is broken.
#pragma once

#include "world.hpp"

namespace distri::sim {

// Cheap enough to be asked all the time: the replica's own invariants, its bounds, and that nothing that it knows to be
// deleted is back.
void check_step(World& world, std::size_t i);

// Promise 2: two nodes that have seen the same writes hold the same documents, at every moment.
void check_meeting(World& world, std::size_t a, std::size_t b);

// What the writes that this node has seen make of the documents, by brute force, is what it holds, byte for byte.
void check_against_model(World& world, std::size_t i);

// All machines that are not gone run, have seen the same writes, and have them on disk.
bool agreed(const World& world);

// Everything above for every machine, and promise 3 for every write that was acknowledged. Precondition: agreed().
void check_end(World& world);

// When a node met two of one identity, somebody has said so.
void check_copies_noticed(World& world);

}  // namespace distri::sim
