// distri-example: nodes, clients, tests and a demonstration, on distri's public headers only.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "modes.hpp"

namespace {

distri::Result<int> dispatch(const example::Options& options) {
  using example::Mode;
  switch (options.mode) {
    case Mode::kHelp:
      fmt::print("{}", example::help_text());
      return example::kExitOk;
    case Mode::kVersion:
      fmt::print("distri-example {}\n", DISTRI_EXAMPLE_VERSION);
      return example::kExitOk;
    case Mode::kServer:
      return example::run_server(options);
    case Mode::kClient:
      return example::run_client(options);
    case Mode::kTestServers:
      return example::run_test_servers(options);
    case Mode::kTestClientDb:
      return example::run_test_client_db(options);
    case Mode::kTestClientEncrypt:
      return example::run_test_client_encrypt(options);
    case Mode::kDemo:
      return example::run_demo(options);
    case Mode::kPeer:
#ifdef DISTRI_HAVE_IMAGES
      return example::run_peer(options);
#else
      return distri::fail(distri::Code::kInvalidArgument,
                          "--mode peer: this program was built without OpenCV; build it where scripts/setup has run");
#endif
  }
  return example::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = example::parse_options(argc, argv);
    const auto code = options ? dispatch(*options) : distri::fail(options.error());
    if (code) return *code;
    fmt::print(stderr, "distri-example: {}\n", code.error().message);
  } catch (const std::exception& error) {
    fmt::print(stderr, "distri-example: {}\n", error.what());
  }
  return example::kExitUsage;
}
