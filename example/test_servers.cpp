// test_servers.cpp: N supervised servers until a signal ends them.
#include <fmt/format.h>

#include <csignal>

#include "cluster.hpp"
#include "modes.hpp"

namespace example {
namespace {

constexpr std::int64_t kReady_ms = 30'000;
constexpr std::int64_t kStop_ms = 15'000;
constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 100'000'000};

}  // namespace

distri::Result<int> run_test_servers(const Options& options) {
  // Blocked before any thread exists, so that they are taken by sigtimedwait() below and nowhere else.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGHUP);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  raise_descriptor_limit(0);  // inherited by the servers

  const auto addresses = options.addresses.empty() ? local_addresses(options.start_port, options.n == 0 ? 3 : options.n)
                                                   : options.addresses;
  Supervisor supervisor(supervise_like(options, addresses));
  DISTRI_TRY_VOID(supervisor.start());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    fmt::print("server {} pid {}\n", distri::to_string(addresses[i]), supervisor.pid(i));
  }
  std::fflush(stdout);
  DISTRI_TRY_VOID(supervisor.wait_ready(kReady_ms));
  fmt::print("ready: {}\n", join_addresses(addresses));
  std::fflush(stdout);

  while (sigtimedwait(&ends, nullptr, &kTick) < 0) DISTRI_TRY_VOID(supervisor.tend());
  fmt::print("stopping\n");
  const bool clean = supervisor.stop(kStop_ms);
  if (!clean) fmt::print("a server had died, had to be killed, or reported an error when stopping\n");
  return clean ? kExitOk : kExitFailed;
}

}  // namespace example
