// durability.hpp: when a write counts as durable on its node.
#pragma once

#include <string_view>

#include "distri/utils/result.hpp"

namespace distri::cloud {

enum class Durability {
  kMemory,   // at once; nothing is kept on disk
  kBatched,  // when it was handed to the operating system, which is told every 100 ms to bring it to the disk: survives
             // the end of the process, not that of the machine
  kSync,  // when the disk has it
};

// "memory", "batched", "sync".
std::string_view durability_name(Durability durability);
Result<Durability> parse_durability(std::string_view text);

}  // namespace distri::cloud
