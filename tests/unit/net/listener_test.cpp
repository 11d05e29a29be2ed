#include "distri/net/listener.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include "net_rig.hpp"

namespace distri::net {
namespace {

Result<std::unique_ptr<Listener>> listen_on(Loop& loop, const Address& address) {
  return Listener::listen(loop, address, hello_of(wire::Role::kNode), {}, [](const auto&) { return nullptr; });
}

}  // namespace

TEST_CASE("a port in use says so and what to do") {
  Loop loop;
  const auto first = listen_on(loop, Address{"127.0.0.1", 0});
  REQUIRE(first);
  const Address taken = (*first)->address();
  CHECK(taken.port != 0);
  const auto second = listen_on(loop, taken);
  REQUIRE_FALSE(second);
  CHECK(second.error() ==
        Error{Code::kUnavailable, "address " + to_string(taken) +
                                      " is already in use; choose another port or stop the program that holds it"});
  (*first)->close();
  CHECK(listen_on(loop, taken).has_value());
}

TEST_CASE("a host that cannot be found or is not ours is an invalid argument") {
  Loop loop;
  CHECK(listen_on(loop, Address{"no-such-host.invalid", 0}).error().code == Code::kInvalidArgument);
  const auto foreign = listen_on(loop, Address{"192.0.2.1", 0});
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == Code::kInvalidArgument);
}

TEST_CASE("a connection that nobody wants is closed at once") {
  Loop loop;
  auto listener = listen_on(loop, Address{"127.0.0.1", 0});
  REQUIRE(listener);
  TestHandler client;
  dial(loop, client, (*listener)->address());
  client.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(client.closed[0].code == Code::kConnectionLost);
}

TEST_CASE("a closed listener takes no new connections and leaves the old ones alone") {
  Loop loop;
  Server server(loop);
  TestHandler old;
  TestHandler late;
  dial(loop, old, server.address());
  old.when_ready = [&] {
    server.listener->close();
    dial(loop, late, server.address());
  };
  late.when_closed = [&] { loop.stop(); };
  run_bounded(loop);
  CHECK(late.closed[0].code == Code::kUnavailable);
  CHECK(old.closed.empty());
  CHECK(server.handlers.size() == 1);
}

TEST_CASE("without descriptors the listener waits instead of spinning, and accepts when there are some again") {
  Loop loop;
  Server server(loop);
  RawSocket client(server.address());
  client.send(client_hello_bytes());
  // Take every descriptor there is.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 256;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<int> held;
  for (int descriptor = ::open("/dev/null", O_RDONLY); descriptor >= 0; descriptor = ::open("/dev/null", O_RDONLY)) {
    held.push_back(descriptor);
  }
  int turns = 0;
  loop.at_end_of_turn([&] { ++turns; });
  Timer timer = loop.after(350, [&] {
    CHECK(server.handlers.empty());
    CHECK(turns < 50);
    for (const int descriptor : held) ::close(descriptor);
  });
  loop.at_end_of_turn([&] {
    if (!server.handlers.empty() && server.handlers[0]->events.size() == 1) loop.stop();
  });
  run_bounded(loop);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(server.handlers.size() == 1);
}

}  // namespace distri::net
