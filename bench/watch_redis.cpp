#include "watch_redis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "tcp_socket.hpp"
#include "workload.hpp"

namespace bench {
namespace {

using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Result;

constexpr std::string_view kStream = "watch_bench";
constexpr std::string_view kField = "d";
constexpr std::string_view kEntriesMax = "1000";  // of one reply, as a page of Watch
constexpr std::size_t kNestedMax = 8;
constexpr std::int64_t kLengthMax = 1 << 30;
constexpr int kTurn_ms = 1;

void append_command(Bytes& out, std::initializer_list<std::string_view> arguments) {
  fmt::format_to(std::back_inserter(out), "*{}\r\n", arguments.size());
  for (const std::string_view argument : arguments)
    fmt::format_to(std::back_inserter(out), "${}\r\n{}\r\n", argument.size(), argument);
}

// Calls found(text) for each string and number of the value that begins at `at`, which goes behind it. false: not all
// of it is there, and what was found counts for nothing.
template <class Found>
Result<bool> walk(BytesView in, std::size_t& at, const Found& found, std::size_t nested = 0) {
  const std::size_t line_end = in.find("\r\n", at);
  if (line_end == BytesView::npos) return false;
  const BytesView line = in.substr(at, line_end - at);
  at = line_end + 2;
  const char type = line.empty() ? '\0' : line.front();
  if (type == '+' || type == ':') {
    found(line.substr(1));
    return true;
  }
  std::int64_t length = 0;
  const auto [end, error] = std::from_chars(line.data() + 1, line.data() + line.size(), length);
  if ((type != '$' && type != '*') || error != std::errc{} || length > kLengthMax || nested > kNestedMax)
    return distri::fail(Code::kInternal, "Redis answers '{}'", line.substr(0, 200));
  if (length < 0) return true;  // nothing
  if (type == '$') {
    if (in.size() < at + static_cast<std::size_t>(length) + 2) return false;
    found(in.substr(at, static_cast<std::size_t>(length)));
    at += static_cast<std::size_t>(length) + 2;
    return true;
  }
  for (; length > 0; --length) {
    DISTRI_TRY(const bool whole, walk(in, at, found, nested + 1));
    if (!whole) return false;
  }
  return true;
}

Result<> delete_stream(const distri::Address& server) {
  TcpSocket socket;
  DISTRI_TRY_VOID(socket.connect_to(server));
  append_command(socket.out(), {"DEL", kStream});
  Bytes in;
  bool whole = false;
  while (!whole) {
    DISTRI_TRY_VOID(socket.exchange(in));
    std::size_t at = 0;
    DISTRI_TRY(whole, walk(in, at, [](BytesView) {}));
  }
  return {};
}

}  // namespace

// A connection.
class RedisWatchServer::Lane {
 public:
  explicit Lane(WatchPhase& phase) : phase_(phase) {}
  virtual ~Lane() = default;
  Result<> connect_to(const distri::Address& server) { return socket_.connect_to(server); }
  pollfd waits_for() const { return socket_.waits_for(); }
  Result<> send_queued() { return socket_.send_queued(); }

  Result<> take_replies() {
    DISTRI_TRY_VOID(socket_.read_available(in_));
    std::size_t taken = 0;
    while (true) {
      std::size_t at = taken;
      texts_.clear();
      DISTRI_TRY(const bool whole, walk(BytesView(in_), at, [this](BytesView text) { texts_.push_back(text); }));
      if (!whole) break;
      DISTRI_TRY_VOID(take(texts_));
      taken = at;
    }
    in_.erase(0, taken);
    return socket_.send_queued();
  }

 protected:
  virtual Result<> take(const std::vector<BytesView>& texts) = 0;

  WatchPhase& phase_;
  TcpSocket socket_;

 private:
  Bytes in_;
  std::vector<BytesView> texts_;  // of one reply
};

class RedisWatchServer::Writer final : public Lane {
 public:
  using Lane::Lane;
  void add(std::uint64_t number, std::uint32_t doc_bytes) {
    append_command(socket_.out(), {"XADD", kStream, "*", kField, document_text(number, doc_bytes)});
  }

 private:
  Result<> take(const std::vector<BytesView>& /*id*/) override {
    phase_.answered();
    return {};
  }
};

class RedisWatchServer::Reader final : public Lane {
 public:
  Reader(WatchPhase& phase, std::uint64_t watcher) : Lane(phase), watcher_(watcher) {}
  // From the beginning: nobody has written yet.
  void ask() {
    append_command(socket_.out(), {"XREAD", "BLOCK", "0", "COUNT", kEntriesMax, "STREAMS", kStream, newest_});
  }

 private:
  // The stream's name, then of each entry its name, the field and the document.
  Result<> take(const std::vector<BytesView>& texts) override {
    if (texts.size() < 4 || texts.size() % 3 != 1)
      return distri::fail(Code::kInternal, "Redis answers XREAD with {} texts", texts.size());
    for (std::size_t i = 1; i < texts.size(); i += 3) {
      NumberScanner scanner;
      scanner.take(texts[i + 2], [this](std::uint64_t number) { phase_.told(watcher_, number); });
    }
    newest_ = texts[texts.size() - 3];
    ask();
    return {};
  }

  std::uint64_t watcher_;
  std::string newest_ = "0";
};

RedisWatchServer::RedisWatchServer(distri::Address server, std::uint32_t doc_bytes)
    : server_(std::move(server)), doc_bytes_(doc_bytes) {}
RedisWatchServer::~RedisWatchServer() = default;

Result<> RedisWatchServer::open(WatchPhase& phase, std::uint64_t watchers) {
  DISTRI_TRY_VOID(delete_stream(server_));
  auto writer = std::make_unique<Writer>(phase);
  writer_ = writer.get();
  lanes_.push_back(std::move(writer));
  for (std::uint64_t i = 0; i < watchers; ++i) lanes_.push_back(std::make_unique<Reader>(phase, i));
  for (const auto& lane : lanes_) DISTRI_TRY_VOID(lane->connect_to(server_));
  for (std::size_t i = 1; i < lanes_.size(); ++i) {
    static_cast<Reader&>(*lanes_[i]).ask();
    DISTRI_TRY_VOID(lanes_[i]->send_queued());
  }
  return {};
}

Result<> RedisWatchServer::add(std::uint64_t number) {
  writer_->add(number, doc_bytes_);
  return {};
}

Result<> RedisWatchServer::turn() {
  DISTRI_TRY_VOID(writer_->send_queued());
  std::vector<pollfd> waits(lanes_.size());
  std::transform(lanes_.begin(), lanes_.end(), waits.begin(), [](const auto& lane) { return lane->waits_for(); });
  poll(waits.data(), waits.size(), kTurn_ms);
  for (std::size_t i = 0; i < waits.size(); ++i) {
    if ((waits[i].revents & POLLOUT) != 0) DISTRI_TRY_VOID(lanes_[i]->send_queued());
    if ((waits[i].revents & ~POLLOUT) != 0) DISTRI_TRY_VOID(lanes_[i]->take_replies());
  }
  return {};
}

Result<> RedisWatchServer::close() {
  lanes_.clear();
  return delete_stream(server_);
}

}  // namespace bench
