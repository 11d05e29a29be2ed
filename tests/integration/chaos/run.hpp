// run.hpp: one run of distri-chaos: sets the world up, lets disasters happen under load, heals, waits, checks, reports.
//
// Threads: the program's first thread, which must live as long as the nodes should.
#pragma once

#include <atomic>

#include "options.hpp"

namespace chaos {

enum class Ending { kGood, kViolated, kInterrupted };

// Set by Ctrl-C: once, and disasters end and the checks begin; twice, and everything ends.
extern std::atomic<int> interrupts;

// The error: it could not begin, or its own tools failed. Its own folder is removed unless something was found.
distri::Result<Ending> run_chaos(const Options& options);

}  // namespace chaos
