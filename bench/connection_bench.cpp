// connection_bench: many clients that connect at once: how long until all are served, and what a connection that then
// does nothing costs the node in memory. In the clear, over TLS with full handshakes, and over TLS resumed, each with a
// node that is new, in turns of one run. --help says the rest.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "distri/cloud/cluster_setup.hpp"
#include "distri/net/connection.hpp"
#include "distri/utils/key_file.hpp"
#include "flags.hpp"
#include "member_key.hpp"
#include "node_process.hpp"

namespace {

using namespace distri;
using nlohmann::json;

constexpr const char* kHelp = R"(usage: connection_bench [options]
  --clients N     connections that are opened at once (2500)
  --rounds N      of each kind; the median counts (3)
  --settle-s S    with all connected and idle, until the node's memory is read (12)
  --json FILE     write the figures to this file
Fails when a client is not served, or when a handshake was not of the kind that is measured.
)";
constexpr std::int64_t kServeMax_ms = 120'000;

enum class Kind { kClear, kFull, kResumed };
constexpr const char* kNames[] = {"in the clear", "TLS, full handshakes", "TLS, resumed"};

struct Round {
  double seconds = 0;
  double bytes = 0;  // of a connection, on the node
};

// One client: its request goes out with the hello's arrival.
class Guest final : public net::ConnectionHandler {
 public:
  Guest(std::size_t& served, Error& failure, net::Loop& loop) : served_(served), failure_(failure), loop_(loop) {}

  void open(const Address& to, const net::ConnectionOptions& options) {
    wire::Hello hello;
    hello.software = "connection_bench";
    connection_ = net::Connection::dial(loop_, to, std::move(hello), options, *this);
  }
  bool resumed() const { return connection_->resumed(); }

  void on_hello(const wire::Hello&) override {
    wire::RequestHead head;
    head.service = "Echo";
    std::size_t taken = 0;
    static_cast<void>(connection_->session().open_request(head, "guest", true, taken));
  }
  void on_reply(std::uint32_t, const wire::ReplyHead& head, BytesView body, bool) override {
    if (head.status != Code::kOk || body != "guest") return fail_with({head.status, std::string(head.message)});
    ++served_;
  }
  void on_closed(const Error& reason) override { fail_with(reason); }

 private:
  void fail_with(Error reason) {
    failure_ = std::move(reason);
    loop_.stop();
  }

  std::size_t& served_;
  Error& failure_;
  net::Loop& loop_;
  std::shared_ptr<net::Connection> connection_;
};

net::ConnectionOptions patient(const bench::MemberKey& key) {
  net::ConnectionOptions options;
  options.dial_ms = options.hello_ms = kServeMax_ms;  // the node's own limits are those that count
  apply(key, options);
  return options;
}

// All of them, once the node has been asked once and its memory was read.
class Crowd {
 public:
  Result<Round> run(const bench::NodeProcess& node, const net::ConnectionOptions& first,
                    const std::vector<net::ConnectionOptions>& links, Kind kind, std::uint64_t settle_s) {
    loop_.at_end_of_turn([this] {
      if (served_ == wanted_) loop_.stop();
    });
    DISTRI_TRY_VOID(open(node, {first}));  // what a first connection makes once; and a session to resume
    const std::uint64_t before = node.rss_bytes();
    const std::int64_t start_ns = bench::monotonic_ns();
    DISTRI_TRY_VOID(open(node, links));
    Round round;
    round.seconds = bench::seconds_since(start_ns);
    for (std::size_t i = 1; i < guests_.size(); ++i) {
      if (guests_[i]->resumed() != (kind == Kind::kResumed))
        return fail(Code::kInternal, "a handshake was {}resumed", guests_[i]->resumed() ? "" : "not ");
    }
    wanted_ = 0;
    const auto settled = loop_.after(static_cast<std::int64_t>(settle_s) * 1000, [this] { loop_.stop(); });
    loop_.run();
    if (failure_.code != Code::kOk) return fail(failure_);
    round.bytes =
        (static_cast<double>(node.rss_bytes()) - static_cast<double>(before)) / static_cast<double>(links.size());
    return round;
  }

 private:
  Result<> open(const bench::NodeProcess& node, const std::vector<net::ConnectionOptions>& links) {
    wanted_ = served_ + links.size();
    for (const auto& link : links) {
      guests_.push_back(std::make_unique<Guest>(served_, failure_, loop_));
      guests_.back()->open(node.address(), link);
    }
    const auto limit = loop_.after(kServeMax_ms, [this] { loop_.stop(); });
    loop_.run();
    if (failure_.code != Code::kOk) return fail(failure_);
    if (served_ != wanted_) return fail(Code::kDeadlineExceeded, "{} of {} clients were served", served_, wanted_);
    return {};
  }

  std::size_t served_ = 0;
  std::size_t wanted_ = 0;
  Error failure_{Code::kOk, {}};
  std::vector<std::unique_ptr<Guest>> guests_;
  net::Loop loop_;  // first to go
};

Result<Round> measure(Kind kind, std::uint64_t clients, std::uint64_t settle_s) {
  const bench::TemporaryFolder folder(".");
  std::vector<std::string> arguments;
  bench::MemberKey key;
  const std::string directory = folder.path() + "/keys";
  if (kind != Kind::kClear) {
    DISTRI_TRY_VOID(cloud::found_cluster(directory, "node"));
    DISTRI_TRY(key, bench::read_member_key(directory));
    arguments = {"--data-dir", directory, "--durability", "memory"};
  }
  const Address address = bench::free_addresses(1).front();
  bench::NodeProcess node(address, {address}, arguments, folder.path() + "/log");
  DISTRI_TRY_VOID(node.start());
  {
    client::ClientOptions options;
    apply(key, options);
    client::Client client({address}, std::move(options));
    DISTRI_TRY_VOID(bench::wait_serving(client, address, 0, 30'000));
  }
  const auto first = patient(key);
  std::vector<net::ConnectionOptions> links(clients, first);
  // A session is kept by the Tls that it was made with: with one each there is none to resume.
  for (std::size_t i = 0; kind == Kind::kFull && i < links.size(); ++i) {
    DISTRI_TRY(bench::MemberKey own, bench::read_member_key(directory));
    links[i] = patient(own);
  }
  auto round = Crowd().run(node, first, links, kind, settle_s);
  if (!round) return fail(round.error().code, "{}: {}", kNames[static_cast<int>(kind)], round.error().message);
  DISTRI_TRY_VOID(node.stop());
  return round;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const std::uint64_t clients, flags.number("--clients", 2'500, 1, 10'000));
  DISTRI_TRY(const std::uint64_t rounds, flags.number("--rounds", 3, 1, 100));
  DISTRI_TRY(const std::uint64_t settle_s, flags.number("--settle-s", 12, 0, 600));
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < clients + 100) {
    return fail(Code::kInvalidArgument, "--clients {}: this process may have {} files open (ulimit -Hn)", clients,
                files.rlim_max);
  }

  constexpr Kind kKinds[] = {Kind::kClear, Kind::kFull, Kind::kResumed};
  std::vector<double> seconds[3];
  std::vector<double> bytes[3];
  for (std::uint64_t i = 0; i < rounds; ++i) {
    for (const Kind kind : kKinds) {
      DISTRI_TRY(const Round round, measure(kind, clients, settle_s));
      seconds[static_cast<int>(kind)].push_back(round.seconds);
      bytes[static_cast<int>(kind)].push_back(round.bytes);
    }
  }
  fmt::print("{} clients at once, {} rounds, medians\n{:<24} {:>18} {:>24}\n", clients, rounds, "",
             "s until all served", "bytes of a connection");
  json figures = {{"clients", clients}, {"rounds", rounds}, {"kinds", json::array()}};
  for (const Kind kind : kKinds) {
    const auto i = static_cast<int>(kind);
    fmt::print("{:<24} {:>18.2f} {:>24.0f}\n", kNames[i], median(seconds[i]), median(bytes[i]));
    figures["kinds"].push_back({{"name", kNames[i]},
                                {"seconds_until_served", median(seconds[i])},
                                {"seconds", seconds[i]},
                                {"bytes_per_connection", median(bytes[i])}});
  }
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("connection_bench", kHelp, argc, argv, {"--clients", "--rounds", "--settle-s", "--json"},
                            run);
}
