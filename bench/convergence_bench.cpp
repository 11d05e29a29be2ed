// convergence_bench: how long a write takes to be visible on all other nodes, and what nodes say to each other when
// nothing happens. --help says the rest.
#include <fmt/format.h>

#include <cstdio>
#include <latch>
#include <map>
#include <thread>

#include "distri/utils/histogram.hpp"
#include "flags.hpp"
#include "node_process.hpp"
#include "workload.hpp"

namespace {

using distri::Address;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr const char* kHelp =
    R"(usage: convergence_bench [options]
Nodes as processes on loopback. Each write goes to one node, in turn. As soon as it is acknowledged, every other node is asked for the
document in a request that demands this write: the node answers the moment it has it. The time counts from sending the write to the
last of these answers, so it contains one round trip too much, and nothing is polled. Then the nodes are left alone, and the kernel's
counters of their sockets say what they sent.
  --nodes N          so many (3)
  --writes N         documents of 100 bytes, one after another (1000)
  --pause-ms MS      between them (2)
  --durability D     memory, batched or sync (memory)
  --idle-s S         how long to leave them alone (20)
  --data DIR         for data directories; removed afterwards (here)
  --json FILE        write the figures
)";

constexpr std::int64_t kReady_ms = 120'000;

struct Sent {
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
};

// By process id, of all TCP sockets: what `ss` says.
Result<std::map<pid_t, Sent>> sent_so_far() {
  std::map<pid_t, Sent> result;
  FILE* const pipe = popen("ss -tinpHO 2>&1", "r");
  if (pipe == nullptr) return distri::fail(distri::Code::kUnavailable, "cannot run ss, which counts bytes");
  char line[4096];
  const auto number_after = [&](const std::string& text, std::string_view name) {
    const auto at = text.find(name);
    return at == std::string::npos ? 0ULL : std::stoull(text.substr(at + name.size()));
  };
  while (fgets(line, sizeof line, pipe) != nullptr) {
    const std::string text = line;
    Sent& sent = result[static_cast<pid_t>(number_after(text, "pid="))];
    sent.bytes += number_after(text, " bytes_sent:");
    sent.segments += number_after(text, " segs_out:");
  }
  if (pclose(pipe) != 0)
    return distri::fail(distri::Code::kUnavailable, "ss, which counts bytes, does not work here (Debian: iproute2)");
  return result;
}

using Nodes = std::vector<std::unique_ptr<bench::NodeProcess>>;

Result<json> measure_writes(const Nodes& nodes, std::uint64_t writes, std::uint64_t pause_ms) {
  std::vector<Address> addresses;
  for (const auto& node : nodes) addresses.push_back(node->address());
  distri::client::ClientOptions options;
  options.discover = false;
  Client client(addresses, options);
  distri::Histogram acknowledged_us, visible_us;
  for (std::uint64_t i = 0; i < writes; ++i) {
    const std::size_t writer = i % nodes.size();
    const std::string text = bench::document_text(i, 100);
    distri::client::CallOptions there;
    there.only_node = addresses[writer];
    const std::int64_t start_ns = bench::monotonic_ns();
    const auto since_us = [&] { return static_cast<std::uint64_t>((bench::monotonic_ns() - start_ns) / 1000); };
    DISTRI_TRY_VOID(client.send_data(text, "AddDocument<converge>", there));
    acknowledged_us.add(since_us());
    std::latch waiting(static_cast<std::ptrdiff_t>(nodes.size() - 1));
    std::atomic<bool> right{true};
    const json filter = {{"filter", {{"_id", json::parse(text)["_id"]}}}};
    for (std::size_t other = 0; other < nodes.size(); ++other) {
      if (other == writer) continue;
      there.only_node = addresses[other];
      client.async_call("", "ReadCollection<converge>", filter, there, [&](Result<distri::client::Reply> reply) {
        if (!reply || reply->body.find(text) == std::string::npos) right = false;
        waiting.count_down();
      });
    }
    waiting.wait();
    if (!right) return distri::fail(distri::Code::kInternal, "a node answered without the document that it must have");
    visible_us.add(since_us());
    if (i == writes / 10) acknowledged_us = visible_us = {};  // until here it was warm-up
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  const auto shares = [](const distri::Histogram& h) {
    return json{{"p50", h.percentile(0.5)}, {"p99", h.percentile(0.99)}, {"max", h.max()}, {"writes", h.count()}};
  };
  return json{{"acknowledged_us", shares(acknowledged_us)}, {"visible_everywhere_us", shares(visible_us)}};
}

Result<json> measure_idle(const Nodes& nodes, std::uint64_t idle_s) {
  std::this_thread::sleep_for(std::chrono::seconds(2));  // the last writes settle, the clients' connections close
  DISTRI_TRY(auto before, sent_so_far());
  const std::int64_t start_ns = bench::monotonic_ns();
  std::this_thread::sleep_for(std::chrono::seconds(idle_s));
  DISTRI_TRY(auto after, sent_so_far());
  const double seconds = bench::seconds_since(start_ns);
  double most = 0, sum = 0, segments = 0;
  for (const auto& node : nodes) {
    const auto bytes = static_cast<double>(after[node->pid()].bytes - before[node->pid()].bytes) / seconds;
    most = std::max(most, bytes);
    sum += bytes;
    segments += static_cast<double>(after[node->pid()].segments - before[node->pid()].segments) / seconds;
  }
  const auto count = static_cast<double>(nodes.size());
  return json{{"seconds", seconds},
              {"bytes_per_s_and_node", sum / count},
              {"bytes_per_s_most", most},
              {"kbit_per_s_and_node", sum / count * 8 / 1000},
              {"segments_per_s_and_node", segments / count}};
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const auto count, flags.number("--nodes", 3, 2, 200));
  DISTRI_TRY(const auto writes, flags.number("--writes", 1'000, 10, 1'000'000));
  DISTRI_TRY(const auto pause_ms, flags.number("--pause-ms", 2, 0, 10'000));
  DISTRI_TRY(const auto idle_s, flags.number("--idle-s", 20, 1, 3'600));
  const std::string durability = flags.text("--durability", "memory");
  const bench::TemporaryFolder folder(flags.text("--data", "."));
  const std::vector<Address> addresses = bench::free_addresses(count);
  Nodes nodes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = folder.path() + "/node" + std::to_string(i);
    std::vector<std::string> arguments{"--workers", "1"};
    if (durability != "memory") arguments.insert(arguments.end(), {"--data-dir", name, "--durability", durability});
    nodes.push_back(std::make_unique<bench::NodeProcess>(addresses[i], addresses, std::move(arguments), name + ".log"));
    DISTRI_TRY_VOID(nodes.back()->start());
  }
  {
    distri::client::ClientOptions options;
    options.discover = false;
    Client client(addresses, options);
    for (const Address& each : addresses) DISTRI_TRY_VOID(bench::wait_serving(client, each, count - 1, kReady_ms));
  }
  json figures = {{"nodes", count}, {"durability", durability}};
  DISTRI_TRY(figures["convergence"], measure_writes(nodes, writes, pause_ms));
  const json& visible = figures["convergence"]["visible_everywhere_us"];
  const json& acknowledged = figures["convergence"]["acknowledged_us"];
  fmt::print(
      "{} nodes, {}: a write is visible everywhere after p50 {} us, p99 {} us (acknowledged after p50 {} us, p99 {} "
      "us)\n",
      count, durability, visible["p50"].dump(), visible["p99"].dump(), acknowledged["p50"].dump(),
      acknowledged["p99"].dump());
  std::fflush(stdout);
  DISTRI_TRY(figures["idle"], measure_idle(nodes, idle_s));
  fmt::print("idle: {:.0f} bytes/s sent by each node ({:.1f} kbit/s), {:.1f} segments/s\n",
             figures["idle"]["bytes_per_s_and_node"].get<double>(),
             figures["idle"]["kbit_per_s_and_node"].get<double>(),
             figures["idle"]["segments_per_s_and_node"].get<double>());
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("convergence_bench", kHelp, argc, argv,
                            {"--nodes", "--writes", "--pause-ms", "--durability", "--idle-s", "--data", "--json"}, run);
}
