#include "generator.hpp"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <chrono>

#include "distri/net/connection.hpp"

namespace bench {
namespace {

using distri::Bytes;
using distri::BytesView;
using distri::Code;
using distri::Error;
using distri::Result;

constexpr std::int64_t kStallMax_ms = 30'000;
constexpr std::uint32_t kDeadline_ms = 30'000;
constexpr std::size_t kRepliesKept = 8;
constexpr std::int64_t kPace_ms = 1;
constexpr std::uint64_t kSamplesFirst = 1'000'000;  // room for them when a run is measured by time

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

}  // namespace

// One request in flight; reused for the next.
struct Generator::Slot {
  Request request;
  std::uint64_t started_ns = 0;
  std::size_t sent = 0;  // bytes of the body
  Bytes reply;           // when it comes in pieces
  std::string error;
};

// One connection.
class Generator::Lane final : public distri::net::ConnectionHandler {
 public:
  Lane(Generator& owner, const distri::Address& node, const distri::net::ConnectionOptions& options)
      : owner_(owner), slots_(owner.options_.pipeline) {
    distri::wire::Hello hello;
    hello.role = distri::wire::Role::kClient;
    hello.software = "distri-bench";
    connection_ = distri::net::Connection::dial(owner.loop_, node, std::move(hello), options, *this);
  }

  void begin() {
    for (std::size_t i = 0; i < slots_.size() && !owner_.done_; ++i) owner_.slot_free(*this, i);
  }
  void end() {
    if (!connection_->closed()) connection_->close({Code::kCancelled, "the run is over"});
  }
  bool gone() const { return gone_; }
  const Bytes& last_reply() const { return last_reply_; }

  void on_hello(const distri::wire::Hello& /*theirs*/) override { owner_.lane_ready(); }

  void on_reply(std::uint32_t stream, const distri::wire::ReplyHead& head, BytesView body, bool end) override {
    const auto at = streams_.find(stream);
    if (at == streams_.end()) return;
    Slot& slot = slots_[at->second];
    if (head.status != Code::kOk) slot.error = fmt::format("{}: {}", distri::code_name(head.status), head.message);
    if (end) return finish(stream, body);
    slot.reply.assign(body);
  }
  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    const auto at = streams_.find(stream);
    if (at == streams_.end()) return;
    Slot& slot = slots_[at->second];
    slot.reply.append(chunk);
    if (end) finish(stream, slot.reply);
  }
  void on_writable(std::uint32_t stream) override {
    const auto at = streams_.find(stream);
    if (at == streams_.end()) return;
    Slot& slot = slots_[at->second];
    slot.sent += connection_->session().send_data(stream, BytesView(slot.request.body).substr(slot.sent), true);
  }
  void on_reset(std::uint32_t stream, const Error& error) override {
    const auto at = streams_.find(stream);
    if (at == streams_.end()) return;
    slots_[at->second].error = distri::to_string(error);
    finish(stream, {});
  }
  void on_closed(const Error& reason) override {
    gone_ = true;
    owner_.lane_lost(reason);
  }

  void send(std::size_t index, std::uint64_t started_ns) {
    Slot& slot = slots_[index];
    slot.error.clear();
    owner_.requests_.make(slot.request);
    distri::wire::RequestHead head;
    head.id = slot.request.id;
    head.deadline_ms = kDeadline_ms;
    head.format = owner_.options_.format;
    head.service = *slot.request.service;
    head.params = slot.request.params;
    slot.started_ns = started_ns;
    slot.sent = 0;
    auto& session = connection_->session();
    const auto stream = session.open_request(head, slot.request.body, true, slot.sent);
    if (!stream) return owner_.lane_lost(stream.error());
    streams_[*stream] = index;
    if (slot.sent < slot.request.body.size()) on_writable(*stream);
  }

 private:
  void finish(std::uint32_t stream, BytesView reply) {
    const auto at = streams_.find(stream);
    const std::size_t index = at->second;
    streams_.erase(at);
    Slot& slot = slots_[index];
    if (slot.error.empty() && !owner_.requests_.right(slot.request, reply)) {
      slot.error = fmt::format("wrong reply to {}: {}", *slot.request.service, reply.substr(0, 200));
    }
    if (slot.error.empty() && slot.request.kind == Workload::kEncrypt) last_reply_.assign(reply);
    owner_.completed(slot.started_ns, slot.error);
    if (!owner_.done_) owner_.slot_free(*this, index);
  }

  Generator& owner_;
  std::shared_ptr<distri::net::Connection> connection_;
  std::vector<Slot> slots_;
  absl::flat_hash_map<std::uint32_t, std::size_t> streams_;
  Bytes last_reply_;
  bool gone_ = false;
};

Generator::Generator(const Options& options, Requests& requests) : options_(options), requests_(requests) {}
Generator::~Generator() = default;

Result<Figures> Generator::run() {
  figures_.samples_us.reserve(options_.seconds > 0 ? kSamplesFirst : options_.requests);
  distri::net::ConnectionOptions link;
  apply(options_.key, link);
  for (std::uint32_t i = 0; i < options_.clients; ++i) {
    lanes_.push_back(std::make_unique<Lane>(*this, options_.nodes[i % options_.nodes.size()], link));
  }
  watch();
  loop_.run();
  watchdog_.cancel();
  pacer_.cancel();
  for (const auto& lane : lanes_) {
    if (figures_.last_replies.size() < kRepliesKept && !lane->last_reply().empty())
      figures_.last_replies.push_back(lane->last_reply());
  }
  if (!outcome_) return distri::fail(outcome_.error());
  return std::move(figures_);
}

void Generator::lane_ready() {
  if (++lanes_ready_ < options_.clients) return;
  if (options_.warmup == 0) start_clock(now_ns());
  for (const auto& lane : lanes_) lane->begin();
  if (options_.rate_per_s == 0) return;
  pace_start_ns_ = now_ns();
  pace();
}

void Generator::slot_free(Lane& lane, std::size_t slot) {
  if (options_.rate_per_s == 0) return lane.send(slot, now_ns());
  idle_.push_back({&lane, slot});
  if (pace_start_ns_ > 0) send_due();
}

void Generator::send_due() {
  const std::uint64_t due = (now_ns() - pace_start_ns_) * options_.rate_per_s / 1'000'000'000 + 1;
  while (due_sent_ < due && !idle_.empty() && !done_) {
    const Idle free = idle_.back();
    idle_.pop_back();
    free.lane->send(free.slot, pace_start_ns_ + due_sent_++ * 1'000'000'000 / options_.rate_per_s);
  }
}

void Generator::pace() {
  pacer_ = loop_.after(kPace_ms, [this] {
    if (done_) return;
    send_due();
    pace();
  });
}

void Generator::lane_lost(const Error& reason) {
  if (!done_) {
    done_ = true;
    outcome_ = distri::fail(lanes_ready_ < options_.clients ? Code::kUnavailable : reason.code,
                            "a connection ended: {}", distri::to_string(reason));
    for (const auto& lane : lanes_) lane->end();
  }
  for (const auto& lane : lanes_) {
    if (!lane->gone()) return;
  }
  loop_.stop();
}

void Generator::start_clock(std::uint64_t at_ns) {
  clock_start_ns_ = at_ns;
  cpu_start_ = cpu_seconds();
}

void Generator::completed(std::uint64_t started_ns, const std::string& error) {
  if (done_) return;
  ++completed_;
  // Errors count in the warm-up too: a run with wrong replies is a wrong run.
  if (!error.empty()) {
    ++figures_.errors;
    if (figures_.first_error.empty()) figures_.first_error = error;
  }
  const std::uint64_t now = now_ns();
  if (completed_ <= options_.warmup) {
    if (completed_ == options_.warmup) start_clock(now);
    return;
  }
  figures_.samples_us.push_back(static_cast<std::uint32_t>((now - started_ns) / 1000));
  if (enough(now)) finish(now);
}

bool Generator::enough(std::uint64_t now) const {
  if (options_.seconds > 0) return now - clock_start_ns_ >= options_.seconds * 1'000'000'000ULL;
  return figures_.samples_us.size() >= options_.requests;
}

void Generator::finish(std::uint64_t now) {
  figures_.seconds = static_cast<double>(now - clock_start_ns_) / 1e9;
  figures_.client_cpu_share = (cpu_seconds() - cpu_start_) / figures_.seconds;
  done_ = true;
  for (const auto& lane : lanes_) lane->end();
}

void Generator::watch() {
  watchdog_ = loop_.after(kStallMax_ms, [this] {
    if (completed_ == last_completed_ && !done_) {
      return lane_lost({Code::kDeadlineExceeded, fmt::format("no reply for {} ms", kStallMax_ms)});
    }
    last_completed_ = completed_;
    watch();
  });
}

}  // namespace bench
