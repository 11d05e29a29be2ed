// redis_load: what redis-benchmark cannot do beside distri-bench: updates of one field of a hash, and range reads by a
// sorted set, on the same documents, every reply checked. --help says the rest.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closed_loop.hpp"
#include "distri/utils/random.hpp"
#include "document_table.hpp"
#include "figures.hpp"
#include "flags.hpp"
#include "tcp_socket.hpp"
#include "workload.hpp"

namespace {

using bench::kRangeDocuments;
using distri::Address;
using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Result;

constexpr std::uint64_t kFillBatch = 1'000;   // commands sent before their replies are read
constexpr std::size_t kLengthMax = 1u << 30;  // of a string or an array that we take

constexpr const char* kHelp =
    R"(usage: redis_load --server HOST:PORT --workload NAME [options]
  --server A          Redis (IPv4); what the workload needs is written there first, and stays
  --workload NAME     hset: HSET of one field of a hash that has the fields of a document
                      range: ZRANGEBYSCORE of 100 keys, then MGET of those keys: two round trips
                      range-script: the same two commands in one EVALSHA: one round trip
  --clients N         connections (50)
  --pipeline P        requests in flight on each (1)
  --seconds S         how long, after a second of warm-up (5)
  --documents N       so many hashes, or strings with their sorted set (10000)
  --bytes B           of a document (100)
  --json FILE         write the figures
)";

constexpr std::string_view kScript =
    "return redis.call('MGET', unpack(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, 100)))";
static_assert(kRangeDocuments == 100);
constexpr std::string_view kSortedSet = "by_n";

struct Settings {
  Address server;
  std::string workload, json;
  std::uint64_t clients = 50, pipeline = 1, seconds = 5, documents = 10'000, bytes = 100;

  std::uint32_t doc_bytes() const { return static_cast<std::uint32_t>(bytes); }
};

Result<Settings> parse(const bench::Flags& flags) {
  Settings settings;
  DISTRI_TRY(const auto servers, distri::parse_addresses(flags.text("--server", "")));
  settings.server = servers.front();
  settings.workload = flags.text("--workload", "");
  if (settings.workload != "hset" && settings.workload != "range" && settings.workload != "range-script")
    return distri::fail(Code::kInvalidArgument, "--workload '{}' is not hset, range or range-script",
                        settings.workload);
  settings.json = flags.text("--json", "");
  DISTRI_TRY(settings.clients, flags.number("--clients", 50, 1, 10'000));
  DISTRI_TRY(settings.pipeline, flags.number("--pipeline", 1, 1, 1'000));
  DISTRI_TRY(settings.seconds, flags.number("--seconds", 5, 1, 3'600));
  DISTRI_TRY(settings.documents, flags.number("--documents", 10'000, kRangeDocuments, 10'000'000));
  DISTRI_TRY(settings.bytes, flags.number("--bytes", 100, 60, 1u << 20));
  return settings;
}

// ---- The protocol of Redis (RESP2): as much as is needed.

void append_argument(Bytes& out, std::string_view text) {
  fmt::format_to(std::back_inserter(out), "${}\r\n", text.size());
  out.append(text).append("\r\n");
}
void append_command(Bytes& out, std::initializer_list<std::string_view> arguments) {
  fmt::format_to(std::back_inserter(out), "*{}\r\n", arguments.size());
  for (const std::string_view argument : arguments) append_argument(out, argument);
}

struct Reply {
  char type = 0;                    // '+', ':', '$' or '*'
  BytesView text;                   // of all but '*'
  std::vector<BytesView> elements;  // of '*': bulk strings
};

// The line that begins at `at`, without its end; `at` goes behind it. nullopt: not all of it is there.
std::optional<BytesView> take_line(BytesView in, std::size_t& at) {
  const std::size_t end = in.find("\r\n", at);
  if (end == BytesView::npos) return std::nullopt;
  const BytesView line = in.substr(at, end - at);
  at = end + 2;
  return line;
}

Result<std::size_t> length_of(BytesView line) {
  std::size_t length = 0;
  const auto [end, error] = std::from_chars(line.data() + 1, line.data() + line.size(), length);
  if (error != std::errc{} || end != line.data() + line.size() || length > kLengthMax)
    return distri::fail(Code::kInternal, "Redis answers a length of '{}'", line.substr(1));
  return length;
}

// false: not all of it is there.
Result<bool> take_bulk(BytesView in, std::size_t& at, BytesView line, BytesView& text) {
  DISTRI_TRY(const std::size_t length, length_of(line));
  if (in.size() < at + length + 2) return false;
  text = in.substr(at, length);
  at += length + 2;
  return true;
}

// The reply that begins at `at`, which goes behind it; `reply` is reused. false: not all of it is there. An error reply
// is an error.
Result<bool> take_reply(BytesView in, std::size_t& at, Reply& reply) {
  std::size_t next = at;
  const auto line = take_line(in, next);
  if (!line) return false;
  reply.elements.clear();
  reply.type = line->empty() ? '\0' : line->front();
  switch (reply.type) {
    case '+':
    case ':':
      reply.text = line->substr(1);
      break;
    case '$': {
      DISTRI_TRY(const bool whole, take_bulk(in, next, *line, reply.text));
      if (!whole) return false;
      break;
    }
    case '*': {
      DISTRI_TRY(const std::size_t count, length_of(*line));
      for (std::size_t i = 0; i < count; ++i) {
        const auto head = take_line(in, next);
        if (!head) return false;
        if (!head->starts_with('$')) return distri::fail(Code::kInternal, "Redis answers '{}' in an array", *head);
        DISTRI_TRY(const bool whole, take_bulk(in, next, *head, reply.elements.emplace_back()));
        if (!whole) return false;
      }
      break;
    }
    default:
      return distri::fail(Code::kInternal, "Redis answers '{}'", line->substr(0, 200));
  }
  at = next;
  return true;
}

// ---- Filling.

// Sends what `append` makes of 0 .. count-1, each one command, and reads the replies.
Result<> fill_with(bench::TcpSocket& socket, std::uint64_t count, void (*append)(Bytes&, std::uint64_t, std::uint32_t),
                   std::uint32_t doc_bytes) {
  Bytes in;
  Reply reply;
  for (std::uint64_t first = 0; first < count; first += kFillBatch) {
    const std::uint64_t end = std::min(count, first + kFillBatch);
    for (std::uint64_t i = first; i < end; ++i) append(socket.out(), i, doc_bytes);
    std::size_t at = 0;
    in.clear();
    for (std::uint64_t replies = first; replies < end;) {
      DISTRI_TRY_VOID(socket.exchange(in));
      while (replies < end) {
        DISTRI_TRY(const bool whole, take_reply(in, at, reply));
        if (!whole) break;
        ++replies;
      }
    }
  }
  return {};
}

std::string key_of(std::uint64_t number) {
  std::string key;
  bench::append_document_id(key, number);
  return key;
}

std::string hash_of(std::uint64_t number) {
  return "h:" + key_of(number);
}

void append_hash(Bytes& out, std::uint64_t number, std::uint32_t doc_bytes) {
  Bytes value;
  bench::append_document_value(value, number, doc_bytes);
  append_command(out, {"HSET", hash_of(number), "_id", key_of(number), "n", std::to_string(number), "v", value});
}
void append_string(Bytes& out, std::uint64_t number, std::uint32_t doc_bytes) {
  append_command(out, {"SET", key_of(number), bench::document_text(number, doc_bytes)});
}
void append_score(Bytes& out, std::uint64_t number, std::uint32_t /*doc_bytes*/) {
  append_command(out, {"ZADD", kSortedSet, std::to_string(number), key_of(number)});
}

// One reply to one command.
Result<std::string> call(bench::TcpSocket& socket, std::initializer_list<std::string_view> arguments) {
  append_command(socket.out(), arguments);
  Bytes in;
  Reply reply;
  while (true) {
    DISTRI_TRY_VOID(socket.exchange(in));
    std::size_t at = 0;
    DISTRI_TRY(const bool whole, take_reply(in, at, reply));
    if (whole) return std::string(reply.text);
  }
}

// What the workload needs. The name of the script, where it has one.
Result<std::string> fill(const Settings& settings) {
  bench::TcpSocket socket;
  DISTRI_TRY_VOID(socket.connect_to(settings.server));
  if (settings.workload == "hset") {
    DISTRI_TRY_VOID(fill_with(socket, settings.documents, append_hash, settings.doc_bytes()));
    return std::string();
  }
  DISTRI_TRY_VOID(fill_with(socket, settings.documents, append_string, settings.doc_bytes()));
  DISTRI_TRY_VOID(fill_with(socket, settings.documents, append_score, settings.doc_bytes()));
  if (settings.workload == "range") return std::string();
  return call(socket, {"SCRIPT", "LOAD", kScript});
}

// ---- Measuring.

// Of a range.
struct Expected {
  bench::DocumentTable keys, documents;

  explicit Expected(const Settings& settings) {
    if (settings.workload == "hset") return;
    keys = bench::DocumentTable(settings.documents, bench::append_document_id);
    documents = bench::DocumentTable(settings.documents, [&](Bytes& out, std::uint64_t number) {
      bench::append_document_text(out, number, settings.doc_bytes());
    });
  }
};

class Lane final : public bench::LoadLane {
 public:
  Lane(const Settings& settings, const std::string& script, const Expected& expected)
      : settings_(settings), script_(script), expected_(expected), random_(distri::Random::from_system()) {}
  Result<> connect() { return socket_.connect_to(settings_.server); }

  pollfd waits_for() const override { return socket_.waits_for(); }
  Result<> send_queued() override { return socket_.send_queued(); }

  Result<> ask(std::size_t client) override {
    Bytes& out = socket_.out();
    if (settings_.workload == "hset") {
      const std::uint64_t number = random_.below(settings_.documents);
      append_command(out, {"HSET", hash_of(number), "n", std::to_string(random_.below(1'000'000))});
      waiting_.push_back({client, number, false});
      return {};
    }
    const std::uint64_t first = random_.below(settings_.documents - kRangeDocuments + 1);
    const std::string from = std::to_string(first), to = "(" + std::to_string(first + kRangeDocuments);
    const bool by_script = !script_.empty();
    if (by_script) {
      append_command(out, {"EVALSHA", script_, "1", kSortedSet, from, to});
    } else {
      append_command(out, {"ZRANGEBYSCORE", kSortedSet, from, to, "LIMIT", "0", std::to_string(kRangeDocuments)});
    }
    waiting_.push_back({client, first, !by_script});
    return {};
  }

  Result<> take_replies(std::vector<std::size_t>& done) override {
    DISTRI_TRY_VOID(socket_.read_available(in_));
    std::size_t at = 0;
    while (true) {
      DISTRI_TRY(const bool whole, take_reply(in_, at, reply_));
      if (!whole) break;
      DISTRI_TRY_VOID(take(done));
    }
    in_.erase(0, at);
    return {};
  }

 private:
  struct Waiting {
    std::size_t client;
    std::uint64_t number;
    bool keys;  // of the range; its documents are yet to be asked for
  };

  Result<> take(std::vector<std::size_t>& done) {
    if (waiting_.empty()) return distri::fail(Code::kInternal, "Redis answers what nobody asked");
    const Waiting asked = waiting_.front();
    waiting_.pop_front();
    if (settings_.workload == "hset") {
      if (reply_.type != ':' || reply_.text != "0") return wrong("HSET did not find the field");
      done.push_back(asked.client);
      return {};
    }
    if (reply_.type != '*' || reply_.elements.size() != kRangeDocuments) return wrong("not 100 of a range");
    const bench::DocumentTable& expected = asked.keys ? expected_.keys : expected_.documents;
    for (std::uint64_t i = 0; i < kRangeDocuments; ++i) {
      if (reply_.elements[i] != expected.at(asked.number + i)) return wrong("a range holds what it should not");
    }
    if (!asked.keys) {
      done.push_back(asked.client);
      return {};
    }
    Bytes& out = socket_.out();
    fmt::format_to(std::back_inserter(out), "*{}\r\n", kRangeDocuments + 1);
    append_argument(out, "MGET");
    for (const BytesView key : reply_.elements) append_argument(out, key);
    waiting_.push_back({asked.client, asked.number, false});
    return {};
  }

  static Result<> wrong(std::string_view what) { return distri::fail(Code::kInternal, "wrong reply: {}", what); }

  const Settings& settings_;
  const std::string& script_;
  const Expected& expected_;
  distri::Random random_;
  bench::TcpSocket socket_;
  Bytes in_;
  std::deque<Waiting> waiting_;
  Reply reply_;
};

Result<> measure(const bench::Flags& flags) {
  DISTRI_TRY(const Settings settings, parse(flags));
  DISTRI_TRY(const std::string script, fill(settings));
  const Expected expected(settings);
  std::vector<std::unique_ptr<bench::LoadLane>> lanes;
  for (std::uint64_t i = 0; i < settings.clients; ++i) {
    auto lane = std::make_unique<Lane>(settings, script, expected);
    DISTRI_TRY_VOID(lane->connect());
    lanes.push_back(std::move(lane));
  }
  const bench::ClosedLoop loop{.clients = settings.clients * settings.pipeline, .seconds = settings.seconds};
  DISTRI_TRY(auto run, bench::run_closed_loop(loop, lanes));
  bench::Options options;  // what the figures say of themselves
  options.workload_name = "redis-" + settings.workload;
  options.nodes = {settings.server};
  options.clients = static_cast<std::uint32_t>(settings.clients);
  options.pipeline = static_cast<std::uint32_t>(settings.pipeline);
  const nlohmann::json result = bench::to_json(options, run.figures);
  bench::print(options, result);
  return bench::write_json(settings.json, result);
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_program(
      "redis_load", kHelp, argc, argv,
      {"--server", "--workload", "--clients", "--pipeline", "--seconds", "--documents", "--bytes", "--json"}, measure);
}
