// supervisor.hpp: what a service manager is told about this process (systemd's sd_notify protocol).
//
// Does nothing unless NOTIFY_SOCKET names a socket. Threads: any.
#pragma once

#include <string_view>

namespace distri::cli {

// Sends "READY=1" or the like to the datagram socket that $NOTIFY_SOCKET names ('@' first: in the abstract namespace).
// False: there is none, or it does not take it; nothing depends on that.
bool notify_supervisor(std::string_view state);

}  // namespace distri::cli
