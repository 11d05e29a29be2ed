#include "probe_ends.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "distri/net/connection.hpp"
#include "distri/net/listener.hpp"

namespace bench {
namespace {

using namespace distri;
using namespace distri::net;

constexpr std::uint16_t kProbe = 100;
constexpr std::uint16_t kAnswer = 101;
constexpr std::uint16_t kOther = 102;
constexpr std::size_t kProbeBytes = 300;  // with some reports, as in a cluster in which something happens
constexpr std::size_t kOtherBytes = 64u << 10;
constexpr std::uint16_t kPort = 3000;
constexpr std::int64_t kLateMs = 10'000;  // so long answers are waited for after the last probe
constexpr std::int64_t kConnectMs = 30'000;

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

wire::Hello hello_of(const std::shared_ptr<Tls>& tls) {
  wire::Hello hello;
  hello.role = wire::Role::kNode;
  hello.node = *tls->key();
  hello.software = "probe_transport";
  return hello;
}

ConnectionOptions options_of(const std::shared_ptr<Tls>& tls) {
  ConnectionOptions options;
  options.tls = tls;
  options.dial_ms = options.hello_ms = kConnectMs;
  options.outbound_bytes_high = SIZE_MAX;  // as links between nodes
  return options;
}

// ---- The machine that answers.

struct Answering final : ConnectionHandler {
  std::shared_ptr<Connection> connection;
  void on_message(std::uint16_t kind, BytesView payload) override {
    if (kind == kProbe) static_cast<void>(connection->session().send_message(kAnswer, payload));
  }
  void on_closed(const Error&) override { delete this; }
};

sockaddr_in udp_address(const std::string& host) {
  sockaddr_in address{};
  const auto digits = static_cast<std::uint32_t>(host.back() - '0');
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  address.sin_addr.s_addr = htonl(0x0a620000u + digits);
  return address;
}

// Of the machine of the calling thread.
int udp_socket(std::size_t end) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in own = udp_address(EmulatedLine::host(end));
  const sockaddr_in other = udp_address(EmulatedLine::host(1 - end));
  const auto* const own_raw = reinterpret_cast<const sockaddr*>(&own);
  const auto* const other_raw = reinterpret_cast<const sockaddr*>(&other);
  if (descriptor < 0 || bind(descriptor, own_raw, sizeof own) != 0 || connect(descriptor, other_raw, sizeof other) != 0)
    return -1;
  return descriptor;
}

// What comes within that time, each to `take`.
template <class Take>
void receive_udp(int descriptor, std::int64_t wait_us, const Take& take) {
  pollfd event{descriptor, POLLIN, 0};
  const timespec wait{wait_us / 1'000'000, wait_us % 1'000'000 * 1'000};
  if (ppoll(&event, 1, &wait, nullptr) != 1) return;
  char bytes[2 * kProbeBytes];
  for (;;) {
    const ssize_t size = recv(descriptor, bytes, sizeof bytes, 0);
    if (size <= 0) return;
    take(BytesView(bytes, static_cast<std::size_t>(size)));
  }
}

class ResponderImpl final : public Responder {
 public:
  static Result<std::unique_ptr<Responder>> start(const EmulatedLine& line) {
    auto made = std::make_unique<ResponderImpl>();
    DISTRI_TRY(const auto tls, Tls::with_key(SigningKey::generate()));
    Result<> ready;
    std::atomic<int> waiting = 2;
    made->links_ = std::thread([&, raw = made.get(), tls] {
      std::unique_ptr<Listener> listener;
      ready = line.enter(1);
      if (ready) {
        auto bound = Listener::listen(raw->loop_, {"0.0.0.0", kPort}, hello_of(tls), options_of(tls),
                                      [](const std::shared_ptr<Connection>& connection) {
                                        auto* const handler = new Answering;
                                        handler->connection = connection;
                                        return handler;
                                      });
        if (bound) listener = *std::move(bound);
        if (!bound) ready = fail(bound.error());
      }
      --waiting;
      waiting.notify_all();
      raw->loop_.run();
    });
    made->datagrams_ = std::thread([&, raw = made.get()] {
      const int descriptor = line.enter(1) ? udp_socket(1) : -1;
      --waiting;
      waiting.notify_all();
      while (descriptor >= 0 && !raw->stop_) {
        receive_udp(descriptor, 50'000, [descriptor](BytesView bytes) {
          static_cast<void>(send(descriptor, bytes.data(), bytes.size(), 0));
        });
      }
      close(descriptor);
    });
    for (int left = waiting; left > 0; left = waiting) waiting.wait(left);
    if (!ready) return fail(ready.error());
    return made;
  }
  ~ResponderImpl() override {
    stop_ = true;
    loop_.stop();
    links_.join();
    datagrams_.join();
  }

 private:
  Loop loop_;
  std::atomic<bool> stop_ = false;
  std::thread links_;
  std::thread datagrams_;
};

// ---- The machine that probes.

struct Link final : ConnectionHandler {
  std::shared_ptr<Connection> connection;
  Probes* probes = nullptr;
  std::function<void()> on_ready;
  std::optional<Error> closed;
  void on_hello(const wire::Hello&) override { on_ready(); }
  void on_message(std::uint16_t kind, BytesView payload) override {
    if (kind == kAnswer) probes->answered(payload);
  }
  void on_closed(const Error& reason) override {
    closed = reason;
    on_ready();
  }
  void probe() {
    if (!closed) static_cast<void>(connection->session().send_message(kProbe, probes->begin()));
  }
};

// The links of one machine: those with other data and probes, and those for probes alone.
class Prober {
 public:
  Prober(const ProbeSettings& settings, Probes& shared, Probes& separate)
      : settings_(settings), shared_(shared), separate_(separate), other_(kOtherBytes, 'o') {}

  // Until all is over. `measuring`: called when probes begin.
  Result<> run(const std::function<void()>& measuring) {
    DISTRI_TRY(const auto tls, Tls::with_key(SigningKey::generate()));
    for (std::size_t i = 0; i < 2 * settings_.links; ++i) {
      Link& link = *links_.emplace_back(std::make_unique<Link>());
      link.probes = i % 2 == 0 ? &shared_ : &separate_;
      link.on_ready = [this, &measuring] { link_changed(measuring); };
      link.connection = Connection::dial(loop_, {EmulatedLine::host(1), kPort}, hello_of(tls), options_of(tls), link);
    }
    loop_.run();
    return trouble_ ? fail(*trouble_) : Result<>();
  }

 private:
  void link_changed(const std::function<void()>& measuring) {
    for (const auto& link : links_) {
      if (!link->closed) continue;
      trouble_ = link->closed;
      return loop_.stop();
    }
    if (++ready_ < links_.size()) return;
    measuring();
    end_us_ = now_us() + settings_.seconds * 1'000'000;
    timers_.resize(links_.size());
    for (std::size_t i = 0; i < links_.size(); ++i) {
      // Spread over an interval; the two links of a pair at the same time.
      const auto first =
          static_cast<std::int64_t>(i / 2) * settings_.interval_ms / static_cast<std::int64_t>(settings_.links);
      timers_[i] = loop_.after(first, [this, i] { probe(i); });
    }
    if (settings_.backlog_bytes > 0) fill();
    finish_when_done();
  }
  void probe(std::size_t i) {
    if (now_us() >= end_us_) return;
    links_[i]->probe();
    timers_[i] = loop_.after(settings_.interval_ms, [this, i] { probe(i); });
  }
  void fill() {
    if (now_us() >= end_us_) return;
    for (std::size_t i = 0; i < links_.size(); i += 2) {
      Link& link = *links_[i];
      while (!link.closed && link.connection->outbound_bytes() < settings_.backlog_bytes) {
        if (!link.connection->session().send_message(kOther, other_)) break;
      }
    }
    filling_ = loop_.after(1, [this] { fill(); });
  }
  void finish_when_done() {
    const bool over =
        now_us() >= end_us_ && ((shared_.complete() && separate_.complete()) || now_us() >= end_us_ + kLateMs * 1'000);
    if (over) return loop_.stop();
    finishing_ = loop_.after(100, [this] { finish_when_done(); });
  }

  const ProbeSettings& settings_;
  Probes& shared_;
  Probes& separate_;
  const Bytes other_;
  std::vector<std::unique_ptr<Link>> links_;
  std::size_t ready_ = 0;
  std::optional<Error> trouble_;
  std::int64_t end_us_ = 0;
  Loop loop_;
  std::vector<Timer> timers_;
  Timer filling_;
  Timer finishing_;
};

}  // namespace

// ---- What is counted.

Bytes Probes::begin() {
  Bytes bytes(kProbeBytes, 'p');
  const std::uint64_t number = sent_us_.size();
  std::memcpy(bytes.data(), &number, sizeof number);
  sent_us_.push_back(now_us());
  took_us_.push_back(kNeverUs);
  return bytes;
}

void Probes::answered(BytesView bytes) {
  std::uint64_t number = 0;
  if (bytes.size() < sizeof number) return;
  std::memcpy(&number, bytes.data(), sizeof number);
  if (number >= sent_us_.size() || took_us_[number] != kNeverUs) return;
  took_us_[number] = now_us() - sent_us_[number];
  ++answered_;
}

double Probes::unanswered_share(std::int64_t timeout_ms) const {
  const auto late = std::ranges::count_if(took_us_, [&](std::int64_t each) { return each > timeout_ms * 1'000; });
  return static_cast<double>(late) / static_cast<double>(std::max<std::size_t>(count(), 1));
}

std::int64_t Probes::percentile_us(double share) const {
  if (took_us_.empty()) return kNeverUs;
  auto sorted = took_us_;
  std::ranges::sort(sorted);
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

// ---- The machines.

Result<std::unique_ptr<Responder>> Responder::start(const EmulatedLine& line) {
  return ResponderImpl::start(line);
}

Result<> probe_by_links(const ProbeSettings& settings, Probes& shared, Probes& separate,
                        const std::function<void()>& measuring) {
  return Prober(settings, shared, separate).run(measuring);
}

Result<> probe_by_udp(const ProbeSettings& settings, Probes& probes) {
  const int descriptor = udp_socket(0);
  if (descriptor < 0) return fail(Code::kUnavailable, "no UDP socket: {}", std::strerror(errno));
  const std::int64_t gap_us = settings.interval_ms * 1'000 / static_cast<std::int64_t>(settings.links);
  const std::int64_t end_us = now_us() + settings.seconds * 1'000'000;
  const std::int64_t last_us = end_us + settings.timeout_ms * 2'000;
  std::int64_t next_us = now_us();
  while (now_us() < (probes.complete() ? end_us : last_us)) {
    for (; next_us <= now_us() && next_us < end_us; next_us += gap_us) {
      const Bytes bytes = probes.begin();
      static_cast<void>(send(descriptor, bytes.data(), bytes.size(), 0));
    }
    const std::int64_t wait_us = next_us < end_us ? next_us - now_us() : 50'000;
    receive_udp(descriptor, std::max<std::int64_t>(wait_us, 0), [&](BytesView bytes) { probes.answered(bytes); });
  }
  close(descriptor);
  return {};
}

}  // namespace bench
