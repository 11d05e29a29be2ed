#include "distri/cli/supervisor.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

using distri::cli::notify_supervisor;

TEST_CASE("a supervisor hears what it is told, by a path or an abstract name; nobody is no trouble") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(notify_supervisor("READY=1"));
  for (const bool abstract : {false, true}) {
    CAPTURE(abstract);
    char folder[] = "/tmp/distri_supervisor_XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/notify";
    const std::string name = abstract ? "@" + path : path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (abstract) address.sun_path[0] = '\0';
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK(notify_supervisor("READY=1\nSTATUS=serving"));
    char received[64] = {};
    CHECK(::recv(socket, received, sizeof received, MSG_DONTWAIT) == 22);
    CHECK(std::string(received) == "READY=1\nSTATUS=serving");
    ::close(socket);
    CHECK_FALSE(notify_supervisor("STOPPING=1"));
    ::unlink(path.c_str());
    ::rmdir(folder);
  }
  for (const auto* odd : {"", "relative", "/nonexistent/notify"}) {
    ::setenv("NOTIFY_SOCKET", odd, 1);
    CHECK_FALSE(notify_supervisor("READY=1"));
  }
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  CHECK_FALSE(notify_supervisor("READY=1"));
  ::unsetenv("NOTIFY_SOCKET");
}
