// modes.hpp: what distri-example can do. Each function runs one mode to its end and returns the exit code; an Error
// means that it could not start (kExitUsage). All of them run on the program's first thread: child processes are tied
// to it (see supervisor.hpp).
#pragma once

#include "options.hpp"

namespace example {

distri::Result<int> run_server(const Options& options);
distri::Result<int> run_client(const Options& options);
distri::Result<int> run_test_servers(const Options& options);
distri::Result<int> run_test_client_db(const Options& options);
distri::Result<int> run_test_client_encrypt(const Options& options);
distri::Result<int> run_demo(const Options& options);
distri::Result<int> run_peer(const Options& options);  // in builds with images (DISTRI_HAVE_IMAGES)

}  // namespace example
