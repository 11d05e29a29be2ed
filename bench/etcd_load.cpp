// etcd_load: puts on an etcd cluster in a closed loop, as distri-bench does adds: a reply sends the next put. One
// thread on poll(2). --help says the rest.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "distri/utils/address.hpp"
#include "etcd_protocol.hpp"
#include "figures.hpp"
#include "flags.hpp"

namespace {

using distri::Address;
using distri::Bytes;
using distri::Code;
using distri::Result;

constexpr int kStallMax_ms = 30'000;
constexpr std::size_t kReadBytes = 64u << 10;

constexpr const char* kHelp =
    R"(usage: etcd_load --nodes HOST:PORT,... --protocol grpc|json [options]
  --nodes A,B,C       etcd's client addresses (IPv4); connections are dealt out in turn
  --protocol P        grpc (HTTP/2), grpc-txn (a transaction: put when absent) or json (HTTP/1.1, the gateway)
  --clients N         puts in flight (50)
  --connections N     over so many connections (as many as clients)
  --seconds S         how long, after a second of warm-up (5)
  --bytes B           of a value (100)
  --prefix TEXT       of the keys (bench-)
  --json FILE         write the figures
)";

struct Settings {
  std::vector<Address> nodes;
  std::string protocol = "grpc", prefix = "bench-", json;
  std::uint64_t clients = 50, connections = 0, seconds = 5, bytes = 100;
};

Result<Settings> parse(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(settings.nodes, distri::parse_addresses(flags.text("--nodes", "")));
  settings.protocol = flags.text("--protocol", settings.protocol);
  if (settings.protocol != "grpc" && settings.protocol != "grpc-txn" && settings.protocol != "json")
    return distri::fail(Code::kInvalidArgument, "--protocol '{}' is not grpc, grpc-txn or json", settings.protocol);
  settings.prefix = flags.text("--prefix", settings.prefix);
  settings.json = flags.text("--json", "");
  DISTRI_TRY(settings.clients, flags.number("--clients", 50, 1, 10'000));
  DISTRI_TRY(settings.connections, flags.number("--connections", settings.clients, 1, settings.clients));
  DISTRI_TRY(settings.seconds, flags.number("--seconds", 5, 1, 3'600));
  DISTRI_TRY(settings.bytes, flags.number("--bytes", 100, 1, 1u << 20));
  if (settings.protocol == "json" && settings.connections != settings.clients)
    return distri::fail(Code::kInvalidArgument, "--connections: json carries one put at a time on a connection");
  return settings;
}

std::uint64_t now_ns() {
  using namespace std::chrono;
  return static_cast<std::uint64_t>(duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count());
}

class Lane {
 public:
  Lane(const Settings& settings, const Address& node) : authority_(distri::to_string(node)) {
    protocol_ = settings.protocol == "json" ? bench::make_json(authority_)
                                            : bench::make_grpc(authority_, settings.protocol == "grpc-txn");
  }
  ~Lane() {
    if (socket_ >= 0) close(socket_);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Result<> connect_to(const Address& node) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(node.port);
    if (inet_pton(AF_INET, node.host.c_str(), &to.sin_addr) != 1)
      return distri::fail(Code::kInvalidArgument, "--nodes: '{}' is no IPv4 address", node.host);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      return distri::fail(Code::kUnavailable, "no etcd answers at {}: {}", authority_, std::strerror(errno));
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    protocol_->append_preface(out_);
    return {};
  }

  void put(std::string_view key, std::string_view value, std::size_t tag) {
    protocol_->append_put(out_, key, value, tag);
  }
  pollfd waits_for() const { return {socket_, static_cast<short>(out_.empty() ? POLLIN : POLLIN | POLLOUT), 0}; }

  Result<> send_queued() {
    while (!out_.empty()) {
      const ssize_t sent = send(socket_, out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return {};
      if (sent < 0) return distri::fail(Code::kConnectionLost, "{}: {}", authority_, std::strerror(errno));
      out_.erase(0, static_cast<std::size_t>(sent));
    }
    return {};
  }

  Result<> read_available(std::vector<std::size_t>& done) {
    char buffer[kReadBytes];
    const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (size <= 0) return distri::fail(Code::kConnectionLost, "{} closed the connection", authority_);
    return protocol_->receive({buffer, static_cast<std::size_t>(size)}, done, out_);
  }

 private:
  std::string authority_;
  std::unique_ptr<bench::EtcdProtocol> protocol_;
  int socket_ = -1;
  Bytes out_;
};

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings), started_ns_(settings.clients), value_(settings.bytes, 'v') {}

  Result<bench::Figures> run() {
    for (std::uint64_t i = 0; i < settings_.connections; ++i) {
      const Address& node = settings_.nodes[i % settings_.nodes.size()];
      lanes_.push_back(std::make_unique<Lane>(settings_, node));
      DISTRI_TRY_VOID(lanes_.back()->connect_to(node));
    }
    for (std::size_t client = 0; client < settings_.clients; ++client) DISTRI_TRY_VOID(put(client));
    clock_start_ns_ = now_ns() + 1'000'000'000;  // after the warm-up
    std::vector<pollfd> waits(lanes_.size());
    while (!over_) {
      std::transform(lanes_.begin(), lanes_.end(), waits.begin(), [](const auto& lane) { return lane->waits_for(); });
      if (poll(waits.data(), waits.size(), kStallMax_ms) == 0)
        return distri::fail(Code::kDeadlineExceeded, "no reply for {} ms", kStallMax_ms);
      for (std::size_t i = 0; i < waits.size() && !over_; ++i) {
        if ((waits[i].revents & POLLOUT) != 0) DISTRI_TRY_VOID(lanes_[i]->send_queued());
        if ((waits[i].revents & ~POLLOUT) != 0) DISTRI_TRY_VOID(take_replies(i));
      }
    }
    return std::move(figures_);
  }

  std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  Result<> put(std::size_t client) {
    Lane& lane = *lanes_[client % lanes_.size()];
    started_ns_[client] = now_ns();
    lane.put(fmt::format("{}{:010}", settings_.prefix, next_++), value_, client);
    return lane.send_queued();
  }

  Result<> take_replies(std::size_t index) {
    done_.clear();
    DISTRI_TRY_VOID(lanes_[index]->read_available(done_));
    for (const std::size_t client : done_) {
      const std::uint64_t now = now_ns();
      ++acknowledged_;
      if (now >= clock_start_ns_) measured(now, started_ns_[client]);
      if (over_) return {};
      DISTRI_TRY_VOID(put(client));
    }
    return lanes_[index]->send_queued();
  }

  void measured(std::uint64_t now, std::uint64_t started) {
    if (figures_.samples_us.empty()) cpu_start_ = bench::cpu_seconds();
    figures_.samples_us.push_back(static_cast<std::uint32_t>((now - started) / 1000));
    if (now - clock_start_ns_ < settings_.seconds * 1'000'000'000) return;
    over_ = true;
    figures_.seconds = static_cast<double>(now - clock_start_ns_) / 1e9;
    figures_.client_cpu_share = (bench::cpu_seconds() - cpu_start_) / figures_.seconds;
  }

  const Settings& settings_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::uint64_t> started_ns_;  // per client
  std::string value_;
  std::vector<std::size_t> done_;
  std::uint64_t next_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t clock_start_ns_ = 0;
  double cpu_start_ = 0;
  bool over_ = false;
  bench::Figures figures_;
};

Result<> measure(const bench::Flags& flags) {
  DISTRI_TRY(const Settings settings, parse(flags));
  Run run(settings);
  DISTRI_TRY(bench::Figures figures, run.run());
  bench::Options options;  // what the figures say of themselves
  options.workload_name = "etcd-put-" + settings.protocol;
  options.nodes = settings.nodes;
  options.clients = static_cast<std::uint32_t>(settings.clients);
  nlohmann::json result = bench::to_json(options, figures);
  result["connections"] = settings.connections;
  result["acknowledged"] = run.acknowledged();
  bench::print(options, result);
  return bench::write_json(settings.json, result);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "etcd_load", kHelp, argc, argv,
      {"--nodes", "--protocol", "--clients", "--connections", "--seconds", "--bytes", "--prefix", "--json"}, measure);
}
