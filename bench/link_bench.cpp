// link_bench: what encryption costs a link: echoes over TLS beside the same over TCP, in turns of one run, how long it
// takes to connect, and the memory of a connection that does nothing. Both ends are in this process, a thread each.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "distri/net/connection.hpp"
#include "distri/net/listener.hpp"
#include "flags.hpp"

namespace {

using namespace distri;
using namespace distri::net;

constexpr const char* kHelp = R"(usage: link_bench [options]
  --seconds S     of each measurement (1)
  --rounds N      of all measurements; the median of each counts (5)
  --clients N     connections that send small echoes (20)
  --idle N        connections that are held to measure their memory (400)
)";

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

wire::Hello hello_of(const ConnectionOptions& options) {
  wire::Hello hello;
  hello.software = "link_bench";
  if (options.tls && options.tls->key()) hello.node = *options.tls->key();
  return hello;
}

struct Echo : ConnectionHandler {
  std::shared_ptr<Connection> connection;
  void on_request(std::uint32_t stream, const wire::RequestHead&, BytesView body, bool) override {
    connection->session().send_reply(stream, {}, body, true);
  }
  void on_closed(const Error&) override { delete this; }
};

// The accepting end, on a thread of its own.
class Server {
 public:
  explicit Server(const ConnectionOptions& options) {
    wire::Hello hello = hello_of(options);
    hello.role = wire::Role::kNode;
    listener_ =
        *Listener::listen(loop_, {"0.0.0.0", 0}, hello, options, [](const std::shared_ptr<Connection>& connection) {
          auto* const handler = new Echo;
          handler->connection = connection;
          return handler;
        });
    address = {"127.0.0.1", listener_->address().port};
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Server() {
    loop_.stop();
    thread_.join();
  }
  Address address;

 private:
  Loop loop_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

struct Client : ConnectionHandler {
  std::shared_ptr<Connection> connection;
  std::function<void()> ready;
  std::function<void()> replied;
  std::function<void()> closed;

  void open(Loop& loop, const Address& to, const ConnectionOptions& options) {
    connection = Connection::dial(loop, to, hello_of({}), options, *this);
  }
  void send(BytesView body) {
    wire::RequestHead head;
    head.service = "Echo";
    std::size_t taken = 0;
    static_cast<void>(connection->session().open_request(head, body, true, taken));
  }
  void on_hello(const wire::Hello&) override { ready(); }
  void on_reply(std::uint32_t, const wire::ReplyHead&, BytesView, bool) override { replied(); }
  void on_closed(const Error&) override {
    if (closed) closed();
  }
};

// Echoes a second, each connection sending the next when it has the answer to the last.
double echoes(const Address& to, const ConnectionOptions& options, std::size_t count, std::size_t bytes,
              double seconds) {
  Loop loop;
  const Bytes body(bytes, 'b');
  std::vector<std::unique_ptr<Client>> clients;
  std::uint64_t replies = 0;
  double began = 0;
  Timer end;
  std::size_t ready = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Client& client = *clients.emplace_back(std::make_unique<Client>());
    client.replied = [&] {
      ++replies;
      client.send(body);
    };
    client.ready = [&] {
      if (++ready < count) return;
      began = now_s();
      end = loop.after(static_cast<std::int64_t>(seconds * 1000), [&] { loop.stop(); });
      for (const auto& each : clients) each->send(body);
    };
    client.open(loop, to, options);
  }
  loop.run();
  return static_cast<double>(replies) / (now_s() - began);
}

// Connections a second, one after another, each from connecting to the hello. `fresh`: each to another address of this
// machine, with which there is no session to resume.
double connects(Address to, bool fresh, const ConnectionOptions& options, double seconds) {
  static int fresh_addresses = 0;
  Loop loop;
  std::uint64_t done = 0;
  const double began = now_s();
  std::vector<std::unique_ptr<Client>> clients;
  std::function<void()> next = [&] {
    Client& client = *clients.emplace_back(std::make_unique<Client>());
    client.ready = [&] {
      ++done;
      client.connection->close(Error{Code::kCancelled, "done"});
    };
    client.closed = [&] { now_s() - began < seconds ? next() : loop.stop(); };
    if (fresh) {
      ++fresh_addresses;
      to.host = fmt::format("127.{}.{}.1", 1 + fresh_addresses / 250 % 250, fresh_addresses % 250);
    }
    client.open(loop, to, options);
  };
  next();
  loop.run();
  return static_cast<double>(done) / (now_s() - began);
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t pages = 0;
  statm >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

// Of one idle connection, both ends together.
double idle_bytes(const Address& to, const ConnectionOptions& options, std::size_t count) {
  const std::int64_t before = resident_bytes();
  Loop loop;
  std::vector<std::unique_ptr<Client>> clients;
  Timer end;
  std::size_t ready = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Client& client = *clients.emplace_back(std::make_unique<Client>());
    client.ready = [&] {
      // Then the buffers of the beginning are given back, by us and by the allocator.
      if (++ready == count) end = loop.after(12'000, [&] { loop.stop(); });
    };
    client.open(loop, to, options);
  }
  loop.run();
  return static_cast<double>(resident_bytes() - before) / static_cast<double>(count);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const std::uint64_t seconds, flags.number("--seconds", 1, 1, 60));
  DISTRI_TRY(const std::uint64_t rounds, flags.number("--rounds", 5, 1, 1000));
  DISTRI_TRY(const std::uint64_t clients, flags.number("--clients", 20, 1, 400));
  DISTRI_TRY(const std::uint64_t idle, flags.number("--idle", 400, 1, 400));
  ConnectionOptions clear;
  ConnectionOptions secure;
  ConnectionOptions node;
  DISTRI_TRY(node.tls, Tls::with_key(SigningKey::generate()));
  DISTRI_TRY(secure.tls, Tls::with_key(SigningKey::generate()));
  const Server tcp(clear);
  const Server tls(node);

  const double idle_tcp = idle_bytes(tcp.address, clear, idle);
  const double idle_tls = idle_bytes(tls.address, secure, idle);
  const auto time = static_cast<double>(seconds);
  std::vector<double> small_tcp, small_tls, large_tcp, large_tls, connect_tcp, connect_full, connect_resumed;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    small_tcp.push_back(echoes(tcp.address, clear, clients, 100, time));
    small_tls.push_back(echoes(tls.address, secure, clients, 100, time));
    large_tcp.push_back(echoes(tcp.address, clear, 4, 60'000, time));
    large_tls.push_back(echoes(tls.address, secure, 4, 60'000, time));
    connect_tcp.push_back(connects(tcp.address, false, clear, time));
    connect_full.push_back(connects(tls.address, true, secure, time));
    connect_resumed.push_back(connects(tls.address, false, secure, time));
  }
  const auto row = [](const std::string& what, double a, double b) {
    fmt::print("{:<44} {:>10.0f} {:>10.0f} {:>8.2f}\n", what, a, b, b / a);
  };
  fmt::print("{:<44} {:>10} {:>10} {:>8}\n", "", "TCP", "TLS", "ratio");
  row(fmt::format("echoes of 100 bytes a second, {} clients", clients), median(small_tcp), median(small_tls));
  row("echoes of 60 kB a second, 4 clients", median(large_tcp), median(large_tls));
  row("connections a second, full handshake", median(connect_tcp), median(connect_full));
  row("connections a second, resumed", median(connect_tcp), median(connect_resumed));
  row("bytes of an idle connection, both ends", idle_tcp, idle_tls);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("link_bench", kHelp, argc, argv, {"--seconds", "--rounds", "--clients", "--idle"}, run);
}
