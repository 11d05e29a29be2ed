// watch_bench: how soon and how fast watchers of a change feed are told of writes, and what they cost the writer; the
// same with Redis Streams beside it. --help says the rest.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/net/connection.hpp"
#include "distri/net/loop.hpp"
#include "flags.hpp"
#include "node_process.hpp"
#include "tcp_socket.hpp"
#include "watch_phase.hpp"
#include "watch_redis.hpp"
#include "workload.hpp"

namespace {

using bench::WatchPhase;
using distri::Address;
using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Error;
using distri::Result;
using nlohmann::json;

constexpr const char* kHelp =
    R"(usage: watch_bench [options]
One writer adds documents to a node in memory; meanwhile so many watchers, each with a connection of its own, are told of them. Every
watcher must be told of every add, once and in order, or the run fails. For each number of watchers, and without any, the writer first
adds as fast as it is answered, which shows what the watchers cost it, and then at a fixed rate, which shows how soon they know.
With --redis the same there after each: XADD, and XREAD BLOCK by as many readers.
  --watchers LIST    numbers between 1 and 200 (1,10,100)
  --in-flight N      adds on their way at most (32)
  --rate R           adds a second at the fixed rate (1000)
  --seconds S        of each phase, after one of warm-up (5)
  --bytes B          of a document (100)
  --redis HOST:PORT  Redis (IPv4); its stream watch_bench is deleted before and after
  --json FILE        write the figures
)";

constexpr std::int64_t kServing_ms = 30'000;
constexpr std::uint32_t kWatch_ms = 3'600'000;
constexpr std::uint32_t kAdd_ms = 30'000;
constexpr std::int64_t kOpen_ms = 10'000;
constexpr std::int64_t kTurn_ms = 1;
constexpr std::uint64_t kWatchersMax = 200;
constexpr const char* kCollection = "watched";

struct Settings {
  std::vector<std::uint64_t> watchers;
  std::uint64_t in_flight = 0, rate = 0, seconds = 0, bytes = 0;
  std::optional<Address> redis;

  std::uint32_t doc_bytes() const { return static_cast<std::uint32_t>(bytes); }
};

// ---- A node.

class NodeWatchServer final : public bench::WatchServer {
 public:
  NodeWatchServer(Address node, std::uint32_t doc_bytes) : node_(std::move(node)), doc_bytes_(doc_bytes) {}

  Result<> open(WatchPhase& phase, std::uint64_t watchers) override {
    writer_ = std::make_unique<Writer>(*this, phase);
    for (std::uint64_t i = 0; i < watchers; ++i) watchers_.push_back(std::make_unique<Watcher>(*this, phase, i));
    const std::int64_t start_ns = bench::monotonic_ns();
    while (ready_ < watchers + 1) {
      if (bench::seconds_since(start_ns) * 1000 > static_cast<double>(kOpen_ms))
        return distri::fail(Code::kDeadlineExceeded, "{} of {} connections are ready after {} ms", ready_, watchers + 1,
                            kOpen_ms);
      DISTRI_TRY_VOID(turn());
    }
    return {};
  }

  Result<> add(std::uint64_t number) override { return writer_->add(number); }

  Result<> turn() override {
    const distri::net::Timer end = loop_.after(kTurn_ms, [this] { loop_.stop(); });
    loop_.run();
    return outcome_;
  }

 private:
  class Link : public distri::net::ConnectionHandler {
   public:
    Link(NodeWatchServer& owner, WatchPhase& phase) : owner_(owner), phase_(phase) {
      distri::wire::Hello hello;
      hello.role = distri::wire::Role::kClient;
      hello.software = "watch_bench";
      connection_ = distri::net::Connection::dial(owner.loop_, owner.node_, std::move(hello), {}, *this);
    }
    void on_reset(std::uint32_t /*stream*/, const Error& error) override { owner_.fail(error); }
    void on_closed(const Error& reason) override { owner_.fail(reason); }

   protected:
    bool good(const distri::wire::ReplyHead& head) {
      if (head.status != Code::kOk) owner_.fail({head.status, std::string(head.message)});
      return head.status == Code::kOk;
    }

    NodeWatchServer& owner_;
    WatchPhase& phase_;
    std::shared_ptr<distri::net::Connection> connection_;
  };

  class Writer final : public Link {
   public:
    using Link::Link;
    void on_hello(const distri::wire::Hello& /*theirs*/) override { ++owner_.ready_; }
    void on_reply(std::uint32_t /*stream*/, const distri::wire::ReplyHead& head, BytesView /*body*/,
                  bool /*end*/) override {
      if (good(head)) phase_.answered();
    }
    Result<> add(std::uint64_t number) {
      distri::wire::RequestHead head;
      head.id = ids_.id<distri::RequestId>();
      head.deadline_ms = kAdd_ms;
      head.service = service_;
      const Bytes document = bench::document_text(number, owner_.doc_bytes_);
      std::size_t taken = 0;
      DISTRI_TRY_VOID(connection_->session().open_request(head, document, true, taken));
      if (taken < document.size())
        return distri::fail(Code::kInvalidArgument, "--bytes {} does not fit a frame", owner_.doc_bytes_);
      return {};
    }

   private:
    std::string service_ = fmt::format("AddDocument<{}>", kCollection);
    distri::Random ids_ = distri::Random::from_system();
  };

  class Watcher final : public Link {
   public:
    Watcher(NodeWatchServer& owner, WatchPhase& phase, std::uint64_t number) : Link(owner, phase), number_(number) {}
    void on_hello(const distri::wire::Hello& /*theirs*/) override {
      distri::wire::RequestHead head;
      head.deadline_ms = kWatch_ms;
      head.service = service_;
      std::size_t taken = 0;
      const auto stream = connection_->session().open_request(head, {}, true, taken);
      if (!stream) owner_.fail(stream.error());
    }
    void on_reply(std::uint32_t stream, const distri::wire::ReplyHead& head, BytesView body, bool end) override {
      if (good(head)) take(stream, body, end);
    }
    void on_data(std::uint32_t stream, BytesView chunk, bool end) override { take(stream, chunk, end); }

   private:
    void take(std::uint32_t stream, BytesView piece, bool end) {
      connection_->session().consume(stream, static_cast<std::uint32_t>(piece.size()));
      if (end) return owner_.fail({Code::kInternal, "a stream of Watch has ended"});
      // The first page comes at once, and has no events.
      if (!begun_ && !piece.empty()) {
        begun_ = true;
        ++owner_.ready_;
      }
      scanner_.take(piece, [this](std::uint64_t document) { phase_.told(number_, document); });
    }

    std::uint64_t number_;
    std::string service_ = fmt::format("Watch<{}>", kCollection);
    bool begun_ = false;
    bench::NumberScanner scanner_;
  };

  void fail(const Error& error) {
    if (outcome_) outcome_ = distri::fail(error);
    loop_.stop();
  }

  Address node_;
  std::uint32_t doc_bytes_;
  Result<> outcome_;
  std::uint64_t ready_ = 0;
  // Closed, in silence, by the loop's end; so they outlive it.
  std::unique_ptr<Writer> writer_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  distri::net::Loop loop_;
};

// ---- Phases.

bench::WatchLoad load_of(const Settings& settings, std::uint64_t watchers, std::uint64_t rate) {
  return {watchers, settings.in_flight, rate, settings.seconds};
}

// Each phase has a node of its own, which is empty.
Result<json> measure_node(const Settings& settings, const std::string& log, std::uint64_t watchers,
                          std::uint64_t rate) {
  bench::NodeProcess node(bench::free_addresses(1).front(), {}, {}, log);
  DISTRI_TRY_VOID(node.start());
  {
    distri::client::Client client({node.address()});
    DISTRI_TRY_VOID(bench::wait_serving(client, node.address(), 0, kServing_ms));
  }
  json result;
  {
    NodeWatchServer server(node.address(), settings.doc_bytes());
    DISTRI_TRY(result, WatchPhase(load_of(settings, watchers, rate), server).run());
  }
  DISTRI_TRY_VOID(node.stop());
  return result;
}

Result<json> measure_redis(const Settings& settings, std::uint64_t watchers, std::uint64_t rate) {
  bench::RedisWatchServer server(*settings.redis, settings.doc_bytes());
  DISTRI_TRY(json result, WatchPhase(load_of(settings, watchers, rate), server).run());
  DISTRI_TRY_VOID(server.close());
  return result;
}

void print(const char* server, std::uint64_t watchers, const json& full, const json& paced, double alone_per_s) {
  const double adds = full["adds_per_s"];
  fmt::print("{:<7} {:>8} {:>9.0f} {:>6.2f} {:>10.0f} {:>9.0f} {:>6.0f}", server, watchers, adds, adds / alone_per_s,
             full["events_per_s"].get<double>(), full["watcher_events_per_s"].get<double>(),
             100 * full["client_cpu_share"].get<double>());
  if (paced.is_object()) {
    const json &answer = paced["from_answer_us"], &request = paced["from_request_us"];
    fmt::print("   {:>7} {:>7} {:>7} {:>7} {:>7.0f}", answer["p50"].dump(), answer["p99"].dump(), request["p50"].dump(),
               request["p99"].dump(), paced["events_per_s"].get<double>());
  }
  fmt::print("\n");
  std::fflush(stdout);
}

// The first by the second.
json ratios(const json& distri, const json& redis) {
  const auto ratio = [&](const char* pointer) {
    const json::json_pointer at(pointer);
    const double other = redis.at(at);
    return other == 0 ? 0.0 : distri.at(at).get<double>() / other;
  };
  json result = {{"adds_per_s", ratio("/full/adds_per_s")}};
  if (distri["paced"].is_null()) return result;
  result["events_per_s"] = ratio("/full/events_per_s");
  result["from_request_us_p50"] = ratio("/paced/from_request_us/p50");
  result["from_request_us_p99"] = ratio("/paced/from_request_us/p99");
  return result;
}

void print_ratios(std::uint64_t watchers, const json& ratios) {
  fmt::print("{:<7} {:>8} {:>9.2f}", "ratio", watchers, ratios["adds_per_s"].get<double>());
  if (ratios.contains("events_per_s")) {
    fmt::print(" {:>6} {:>10.2f} {:>9} {:>6}   {:>7} {:>7} {:>7.2f} {:>7.2f}", "", ratios["events_per_s"].get<double>(),
               "", "", "", "", ratios["from_request_us_p50"].get<double>(),
               ratios["from_request_us_p99"].get<double>());
  }
  fmt::print("\n");
  std::fflush(stdout);
}

Result<Settings> parse(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(settings.in_flight, flags.number("--in-flight", 32, 1, 1'000));
  DISTRI_TRY(settings.rate, flags.number("--rate", 1'000, 1, 1'000'000));
  DISTRI_TRY(settings.seconds, flags.number("--seconds", 5, 1, 600));
  DISTRI_TRY(settings.bytes, flags.number("--bytes", 100, 60, 8'000));
  const std::string list = flags.text("--watchers", "1,10,100");
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::string text = list.substr(at, end - at);
    const std::uint64_t number = text.size() > 3 || text.find_first_not_of("0123456789") != std::string::npos
                                     ? 0
                                     : std::strtoull(text.c_str(), nullptr, 10);
    if (number == 0 || number > kWatchersMax)
      return distri::fail(Code::kInvalidArgument, "--watchers must be whole numbers between 1 and {}, not '{}'",
                          kWatchersMax, text);
    settings.watchers.push_back(number);
    at = end + 1;
  }
  const std::string redis = flags.text("--redis", "");
  if (!redis.empty()) {
    DISTRI_TRY(const auto servers, distri::parse_addresses(redis));
    settings.redis = servers.front();
  }
  return settings;
}

Result<> run(const bench::Flags& flags) {
  DISTRI_TRY(const Settings settings, parse(flags));
  if (settings.redis) {
    bench::TcpSocket probe;
    DISTRI_TRY_VOID(probe.connect_to(*settings.redis));
  }
  const bench::TemporaryFolder folder(".");
  using Measure = std::function<Result<json>(std::uint64_t watchers, std::uint64_t rate)>;
  struct Server {
    const char* name;
    Measure measure;
    double alone_per_s = 0;
  };
  std::vector<Server> servers;
  servers.push_back({"distri", [&](std::uint64_t watchers, std::uint64_t rate) {
                       return measure_node(settings, folder.path() + "/node.log", watchers, rate);
                     }});
  if (settings.redis) {
    servers.push_back(
        {"redis", [&](std::uint64_t watchers, std::uint64_t rate) { return measure_redis(settings, watchers, rate); }});
  }
  fmt::print("documents of {} bytes, {} adds in flight, {} s each\n", settings.bytes, settings.in_flight,
             settings.seconds);
  fmt::print("{:<16} as fast as it goes {:>33}   at {} adds a second: microseconds until told\n", "", "",
             settings.rate);
  fmt::print("{:<7} {:>8} {:>9} {:>6} {:>10} {:>9} {:>6}   {:>15} {:>15}\n", "", "", "", "to", "events/s", "of each",
             "load %", "from answer", "from request");
  fmt::print("{:<7} {:>8} {:>9} {:>6} {:>10} {:>9} {:>6}   {:>7} {:>7} {:>7} {:>7} {:>7}\n", "server", "watchers",
             "adds/s", "none", "of all", "", "", "p50", "p99", "p50", "p99", "events/s");
  json figures = {{"bytes", settings.bytes},
                  {"in_flight", settings.in_flight},
                  {"rate", settings.rate},
                  {"seconds", settings.seconds}};
  std::vector<std::uint64_t> numbers = {0};
  numbers.insert(numbers.end(), settings.watchers.begin(), settings.watchers.end());
  for (const std::uint64_t watchers : numbers) {
    for (Server& server : servers) {
      DISTRI_TRY(json full, server.measure(watchers, 0));
      json paced;
      if (watchers == 0) server.alone_per_s = full["adds_per_s"];
      if (watchers > 0) {
        DISTRI_TRY(paced, server.measure(watchers, settings.rate));
      }
      print(server.name, watchers, full, paced, server.alone_per_s);
      figures[server.name][std::to_string(watchers)] = {{"full", std::move(full)}, {"paced", std::move(paced)}};
    }
    if (!settings.redis) continue;
    const std::string number = std::to_string(watchers);
    figures["ratios"][number] = ratios(figures["distri"][number], figures["redis"][number]);
    print_ratios(watchers, figures["ratios"][number]);
  }
  return bench::write_json(flags.text("--json", ""), figures);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program("watch_bench", kHelp, argc, argv,
                            {"--watchers", "--in-flight", "--rate", "--seconds", "--bytes", "--redis", "--json"}, run);
}
