// etcd_load: puts on an etcd cluster in a closed loop, as distri-bench does adds: a reply sends the next put. One
// thread on poll(2). --help says the rest.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "closed_loop.hpp"
#include "distri/utils/address.hpp"
#include "etcd_protocol.hpp"
#include "figures.hpp"
#include "flags.hpp"
#include "tcp_socket.hpp"

namespace {

using distri::Address;
using distri::Bytes;
using distri::Code;
using distri::Result;

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

class Lane final : public bench::LoadLane {
 public:
  // `next`: the number of the next key, of all lanes together.
  Lane(const Settings& settings, const Address& node, std::uint64_t& next)
      : settings_(settings), next_(next), value_(settings.bytes, 'v') {
    const std::string authority = distri::to_string(node);
    protocol_ = settings.protocol == "json" ? bench::make_json(authority)
                                            : bench::make_grpc(authority, settings.protocol == "grpc-txn");
    protocol_->append_preface(socket_.out());
  }
  Result<> connect_to(const Address& node) { return socket_.connect_to(node); }

  pollfd waits_for() const override { return socket_.waits_for(); }
  Result<> ask(std::size_t client) override {
    protocol_->append_put(socket_.out(), fmt::format("{}{:010}", settings_.prefix, next_++), value_, client);
    return {};
  }
  Result<> send_queued() override { return socket_.send_queued(); }
  Result<> take_replies(std::vector<std::size_t>& done) override {
    in_.clear();
    DISTRI_TRY_VOID(socket_.read_available(in_));
    return protocol_->receive(in_, done, socket_.out());
  }

 private:
  const Settings& settings_;
  std::uint64_t& next_;
  std::string value_;
  std::unique_ptr<bench::EtcdProtocol> protocol_;
  bench::TcpSocket socket_;
  Bytes in_;
};

Result<> measure(const bench::Flags& flags) {
  DISTRI_TRY(const Settings settings, parse(flags));
  std::uint64_t next = 0;
  std::vector<std::unique_ptr<bench::LoadLane>> lanes;
  for (std::uint64_t i = 0; i < settings.connections; ++i) {
    const Address& node = settings.nodes[i % settings.nodes.size()];
    auto lane = std::make_unique<Lane>(settings, node, next);
    DISTRI_TRY_VOID(lane->connect_to(node));
    lanes.push_back(std::move(lane));
  }
  DISTRI_TRY(auto run, bench::run_closed_loop({.clients = settings.clients, .seconds = settings.seconds}, lanes));
  bench::Options options;  // what the figures say of themselves
  options.workload_name = "etcd-put-" + settings.protocol;
  options.nodes = settings.nodes;
  options.clients = static_cast<std::uint32_t>(settings.clients);
  nlohmann::json result = bench::to_json(options, run.figures);
  result["connections"] = settings.connections;
  result["acknowledged"] = run.answered;
  bench::print(options, result);
  return bench::write_json(settings.json, result);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "etcd_load", kHelp, argc, argv,
      {"--nodes", "--protocol", "--clients", "--connections", "--seconds", "--bytes", "--prefix", "--json"}, measure);
}
