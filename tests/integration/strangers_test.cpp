// A node with keys and thousands of connections that never show one: silent ones, halves of a TLS hello, handshakes
// with a stranger's key, garbage. Meanwhile a member's requests are all answered, memory stays bounded, and afterwards
// the node is as it was. The strangers are another process, this program with --strangers: each has its own
// descriptors.
#define DOCTEST_CONFIG_IMPLEMENT
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "distri/cloud/cluster_setup.hpp"
#include "distri/net/connection.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/key_file.hpp"

using namespace distri;
using nlohmann::json;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStrangers = 2'000;
constexpr std::size_t kSlackBytes = 1u << 30;  // freed memory is kept for a while, and more is kept of each byte
#else
constexpr std::size_t kStrangers = 10'000;
constexpr std::size_t kSlackBytes = 32u << 20;
#endif
constexpr std::size_t kStrangerBytes = 64u << 10;  // of memory, on the node
constexpr std::size_t kOtherDescriptors = 300;     // of a process, beside those of strangers
constexpr std::size_t kHandshakesMax = 100;        // that the strangers have under way at once
constexpr std::size_t kTlsOfOne = 50;              // strangers with one key, who may resume
constexpr std::int64_t kStrangerMs = 8'000;        // that the node gives them
constexpr std::int64_t kCallMs = 60'000;
constexpr std::int64_t kEndMs = 120'000;  // at the latest everything is over

// How many descriptors this process may have, after asking for all that it can get.
std::size_t raise_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max == RLIM_INFINITY ? 1u << 20 : limit.rlim_max;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// ---- The strangers.

// A connection from 127.1.x.y to a port of 127.0.0.1; -1: it was not possible.
int connect_from(std::size_t number, std::uint16_t port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7f010000u + static_cast<std::uint32_t>(number % 50'000) + 1);
  sockaddr_in to = from;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (descriptor < 0 || bind(descriptor, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
      connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return -1;
  }
  return descriptor;
}

void say(int descriptor, BytesView bytes) {
  static_cast<void>(send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

// The header of a client hello of 200 bytes, and 60 of them.
Bytes half_hello() {
  return Bytes("\x16\x03\x01\x00\xcc\x01\x00\x00\xc8\x03\x03", 11) + Bytes(60, 'h');
}

// Says hello with a key that nobody knows, and then nothing.
struct Unknown final : net::ConnectionHandler {
  std::shared_ptr<net::Connection> connection;
  bool ready = false;
  bool closed = false;
  void on_hello(const wire::Hello&) override { ready = true; }
  void on_closed(const Error&) override { closed = true; }
};

// All that a thousand threads would do, in one. Prints "open N", and when the node has closed all of them "closed N".
class Strangers {
 public:
  explicit Strangers(std::uint16_t port) : port_(port) {
    loop_.at_end_of_turn([this] {
      if (until_ && until_()) loop_.stop();
    });
  }

  int run(std::size_t count) {
    raise_descriptors();
    for (std::size_t i = 0; i < count / 4 * 3; ++i) {
      if (!open(i)) return fail_with("a connection was not possible");
    }
    for (std::size_t i = 0; i < count / 4; ++i) {
      open_unknown();
      if (!run_until([this] { return under_way() < kHandshakesMax; })) return fail_with("no handshake came to an end");
    }
    // On a busy machine this process may be too slow for some: they are closed as the silent ones are.
    if (!run_until([this] { return under_way() == 0; })) return fail_with("a handshake did not come to an end");
    tell("open", count);
    if (!run_until([this] { return std::ranges::all_of(unknown_, [](const auto& each) { return each->closed; }); }))
      return fail_with("a connection with a stranger's key was not closed");
    for (const int descriptor : sockets_) {
      if (!ends(descriptor)) return fail_with("a silent connection was not closed");
    }
    tell("closed", count);
    return 0;
  }

 private:
  std::size_t under_way() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(unknown_, [](const auto& each) { return !each->ready && !each->closed; }));
  }
  // Silent, half a hello, or garbage.
  bool open(std::size_t number) {
    const int descriptor = connect_from(number, port_);
    if (descriptor < 0) return false;
    sockets_.push_back(descriptor);
    if (number % 3 == 1) say(descriptor, half_hello());
    if (number % 3 == 2) say(descriptor, "GET / HTTP/1.1\r\nHost: garbage\r\n\r\n");
    return true;
  }
  void open_unknown() {
    if (unknown_.size() % kTlsOfOne == 0) tls_ = *net::Tls::with_key(SigningKey::generate());
    net::ConnectionOptions options;
    options.tls = tls_;
    options.dial_ms = options.hello_ms = kEndMs;
    auto& handler = *unknown_.emplace_back(std::make_unique<Unknown>());
    handler.connection = net::Connection::dial(loop_, {"127.0.0.1", port_}, {}, options, handler);
  }
  // False: not in time.
  bool run_until(std::function<bool()> condition) {
    until_ = std::move(condition);
    bool late = false;
    const auto limit = loop_.after(kEndMs, [&] {
      late = true;
      loop_.stop();
    });
    loop_.post([] {});
    loop_.run();
    until_ = nullptr;
    return !late;
  }
  // Reads to the end, however it comes.
  static bool ends(int descriptor) {
    char bytes[512];
    for (;;) {
      pollfd wait{descriptor, POLLIN, 0};
      if (poll(&wait, 1, static_cast<int>(kEndMs)) != 1) return false;
      if (recv(descriptor, bytes, sizeof bytes, 0) <= 0) return true;
    }
  }
  static void tell(const char* what, std::size_t count) {
    fmt::print("{} {}\n", what, count);
    std::fflush(stdout);
  }
  static int fail_with(const char* what) {
    fmt::print("{}\n", what);
    return 1;
  }

  std::uint16_t port_;
  std::vector<int> sockets_;
  std::shared_ptr<net::Tls> tls_;
  std::function<bool()> until_;
  std::vector<std::unique_ptr<Unknown>> unknown_;
  net::Loop loop_;  // first to go
};

// ---- The node, and a member.

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path = "./strangers.XXXXXX";
};

template <class T>
T good(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : to_string(result.error())));
  return *std::move(result);
}

// A member of its own cluster, in this process.
class Node {
 public:
  explicit Node(cloud::NodeConfig config) {
    directory_ = folder_.path + "/node";
    good(cloud::found_cluster(directory_, "node"));
    config.listen = {"127.0.0.1", 0};
    config.handle_signals = false;
    config.workers = 1;
    config.data_dir = directory_;
    config.durability = cloud::Durability::kMemory;
    node_ = std::make_unique<cloud::CloudNode>(config);
    const auto listening = node_->listen();
    REQUIRE_MESSAGE(listening.has_value(), (listening ? "" : to_string(listening.error())));
    thread_ = std::thread([this] { std::ignore = node_->run(); });
  }
  ~Node() {
    node_->stop();
    thread_.join();
  }
  Address address() const { return node_->address(); }
  // With the node's own key, as the commands on its machine have it.
  client::Client member() const {
    client::ClientOptions options;
    options.tls = good(net::Tls::with_key(good(read_key_file(directory_ + "/node_key"))));
    options.discover = false;
    options.timeout_ms = kCallMs;
    return client::Client({address()}, std::move(options));
  }

 private:
  Folder folder_;
  std::string directory_;
  std::unique_ptr<cloud::CloudNode> node_;
  std::thread thread_;
};

json stats_of(client::Client& member) {
  return json::parse(good(member.send_data("", "Stats")));
}

void eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kEndMs);
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < end);
    std::this_thread::yield();
  }
}

// Goes on with its work until it is told to stop, and writes down what it saw.
struct Work {
  std::atomic<bool> stop = false;
  std::uint64_t done = 0;
  std::string failure;  // the first
  double longest_ms = 0;
  std::size_t strangers_most = 0;
  std::size_t resident_most = 0;

  void run(client::Client& member) {
    while (!stop) {
      const auto start = std::chrono::steady_clock::now();
      if (const auto added = member.send_data(R"({"a":1})", "AddDocument<work>"); !added) note(added.error());
      const auto stats = member.send_data("", "Stats");
      if (!stats) {
        note(stats.error());
        continue;
      }
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
      longest_ms = std::max(longest_ms, took.count());
      const auto strangers = json::parse(*stats)["strangers"]["now"].get<std::size_t>();
      if (strangers > strangers_most) {
        strangers_most = strangers;
        resident_most = resident_bytes();
      }
      ++done;
    }
  }
  void note(const Error& error) {
    if (failure.empty()) failure = to_string(error);
  }
};

}  // namespace

TEST_CASE("ten thousand strangers are sent away in time, and a member notices nothing") {
  std::size_t count = kStrangers;
  if (const std::size_t may = raise_descriptors(); may < count + kOtherDescriptors) {
    count = (may - kOtherDescriptors) / 4 * 4;
    MESSAGE("only " << may << " descriptors are allowed here (ulimit -Hn): " << count << " strangers instead of "
                    << kStrangers);
  }
  cloud::NodeConfig config;
  config.hello_ms = config.stranger_ms = kStrangerMs;
  config.strangers_max = 2 * kStrangers;
  const Node node(config);
  client::Client member = node.member();
  eventually([&] { return stats_of(member)["state"] == "serving"; });
  const json before = stats_of(member);
  const std::size_t resident_before = resident_bytes();

  Work work;
  std::thread worker([&] { work.run(member); });
  const std::string command = fmt::format(
      "'{}' --strangers {} {}", std::filesystem::read_symlink("/proc/self/exe").string(), node.address().port, count);
  std::FILE* const crowd = popen(command.c_str(), "r");
  std::string said;
  char line[256];
  while (crowd != nullptr && std::fgets(line, sizeof line, crowd) != nullptr) said += line;
  const int code = crowd == nullptr ? -1 : pclose(crowd);
  work.stop = true;
  worker.join();
  CHECK(code == 0);
  CHECK(said == fmt::format("open {0}\nclosed {0}\n", count));

  CHECK(work.failure.empty());
  CHECK(work.done > 10);
  CHECK(work.strangers_most > count / 10);
  const std::size_t grown = work.resident_most - std::min(work.resident_most, resident_before);
  CHECK(grown < work.strangers_most * kStrangerBytes + kSlackBytes);
  MESSAGE(count << " strangers, at most " << work.strangers_most << " at once, then " << grown / work.strangers_most
                << " bytes each; the member was answered " << 2 * work.done << " times, two answers took at most "
                << work.longest_ms << " ms");

  eventually([&] { return stats_of(member)["connections"] == before["connections"]; });
  const json after = stats_of(member);
  CHECK(after["strangers"]["now"] == 0);
  CHECK(after["strangers"]["addresses"] == before["strangers"]["addresses"]);
  CHECK(after["strangers"]["timed_out"] == count / 4 * 3);  // silent, half a hello, unknown key
  CHECK(after["strangers"]["displaced"] == 0);
  CHECK(after["handshakes"]["failed_not_tls"] == count / 4);
  CHECK(after["handshakes"]["full"].get<std::size_t>() + after["handshakes"]["resumed"].get<std::size_t>() >
        count / 100);
}

TEST_CASE("strangers beyond the limits are refused or make room, and members still come in") {
  cloud::NodeConfig config;
  config.hello_ms = config.stranger_ms = kEndMs;  // not time, but numbers
  config.strangers_max = 100;
  config.connections_per_loopback_address_max = 50;
  const Node node(config);
  std::vector<int> sockets;
  // From one address: as many as it may have, and 10 more.
  for (int i = 0; i < 60; ++i) sockets.push_back(connect_from(0, node.address().port));
  // From many, so many that most must go again.
  for (std::size_t i = 0; i < 300; ++i) sockets.push_back(connect_from(1 + i, node.address().port));
  CHECK(std::ranges::find(sockets, -1) == sockets.end());

  client::Client member = node.member();
  eventually([&] { return stats_of(member)["strangers"]["displaced"] >= 250; });
  for (int i = 0; i < 20; ++i) {
    client::Client another = node.member();
    CHECK(another.send_data("hello", "Echo").value_or("") == "hello");
  }
  const json stats = stats_of(member);
  CHECK(stats["strangers"]["refused_per_address"] == 10);
  CHECK(stats["strangers"]["now"] <= 100);
  CHECK(stats["strangers"]["timed_out"] == 0);
  // Who was refused has been told by an alert of TLS.
  char alert[16];
  REQUIRE(recv(sockets[55], alert, sizeof alert, 0) == 7);
  CHECK(BytesView(alert, 7) == BytesView("\x15\x03\x03\x00\x02\x02\x50", 7));
  for (const int descriptor : sockets) close(descriptor);
  eventually([&] { return stats_of(member)["strangers"]["now"] == 0; });
}

TEST_CASE("who connects too fast is refused, and a member from elsewhere is not") {
  cloud::NodeConfig config;
  config.connection_burst_max = 20;
  config.connection_loopback_rate_max = 1;
  const Node node(config);
  std::vector<int> sockets;
  for (int i = 0; i < 200; ++i) sockets.push_back(connect_from(0, node.address().port));
  client::Client member = node.member();
  // Each of them is accepted by the operating system, and then by the node or not.
  const auto counted = [&] {
    const json stats = stats_of(member);
    return stats["strangers"]["refused_by_rate"].get<std::size_t>() + stats["strangers"]["now"].get<std::size_t>() +
           stats["strangers"]["timed_out"].get<std::size_t>();
  };
  eventually([&] { return counted() == sockets.size(); });
  const json stats = stats_of(member);
  CHECK(stats["strangers"]["refused_by_rate"] <= 180);
  CHECK(stats["strangers"]["refused_by_rate"] > 0);  // unless the 200 took minutes
  for (const int descriptor : sockets) close(descriptor);
}

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--strangers") {
    return Strangers(static_cast<std::uint16_t>(std::atoi(argv[2]))).run(std::strtoul(argv[3], nullptr, 10));
  }
  return doctest::Context(argc, argv).run();
}
