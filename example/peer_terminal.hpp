// peer_terminal.hpp: --mode peer without --do: a program for a terminal.
//
// Threads: the program's first, before others start. Errors: kInvalidArgument, naming the option; those of Terminal and
// of peer_setup.hpp. Whatever ends it, the terminal is as it was before.
#pragma once

#include "options.hpp"

namespace example {

distri::Result<int> run_peer_terminal(const Options& options);

}  // namespace example
