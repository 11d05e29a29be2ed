// distri-chaos: see run.hpp. Exit code: 0 nothing found; 1 something was; 2 it could not run; 130 interrupted.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "options.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  const auto options = chaos::parse_options(argc, argv);
  if (!options) {
    fmt::print(stderr, "{}\n", options.error().message);
    return 2;
  }
  if (options->help) {
    fmt::print("{}", chaos::help_text());
    return 0;
  }
  struct sigaction action{};
  action.sa_handler = [](int) { ++chaos::interrupts; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const auto ending = chaos::run_chaos(*options);
  if (!ending) {
    fmt::print(stderr, "distri-chaos: {}\n", ending.error().message);
    return 2;
  }
  switch (*ending) {
    case chaos::Ending::kGood:
      return 0;
    case chaos::Ending::kViolated:
      return 1;
    case chaos::Ending::kInterrupted:
      return 130;
  }
  return 2;
}
