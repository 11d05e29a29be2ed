// options.hpp: the command line of distri-chaos.
#pragma once

#include <cstdint>
#include <string>

#include "distri/utils/result.hpp"

namespace chaos {

struct Options {
  std::string program;  // distri-example
  double minutes = 1;
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  int sessions = 8;
  bool namespaces = true;
  bool keep = false;  // the logs, also when all was well
  std::string durability = "sync";
  std::string directory;  // below which the run's own is made; empty: the system's
  std::size_t disk_megabytes = 512;
  bool increments = true;  // the nodes know $inc
  bool conflicts = true;   // the nodes have a conflict store
  bool help = false;
};

// kInvalidArgument, with a sentence.
distri::Result<Options> parse_options(int argc, char** argv);
std::string help_text();

}  // namespace chaos
