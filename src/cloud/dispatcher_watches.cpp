// The part of Dispatcher that streams changes to watchers, from the main thread.
//
// Nothing polls: when the log or what is durable has advanced, the end of the turn looks for pages, with a budget for
// the turn; what is left over goes on in the next one. A page is made only when the caller has taken the one before.
#include <algorithm>
#include <tuple>
#include <utility>

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/request_text.hpp"
#include "distri/cloud/server_connection.hpp"

namespace distri::cloud {
namespace {

// Of the log, looked at in one turn: for one watcher, and for all.
constexpr std::size_t kWatcherTurnBytes = 64u << 10;
constexpr std::size_t kTurnBytes = 512u << 10;
// What a look at a watcher for which there is nothing counts as.
constexpr std::size_t kLookBytes = 1u << 10;
// While nothing matches, a watcher is sent a newer token so often: its old one would fall behind the log.
constexpr std::int64_t kHeartbeatNs = 1'000'000'000;
// A stream ends so long before its deadline (at most a quarter of its time), so that its last token arrives in time.
constexpr std::int64_t kLeadNs = 500'000'000;

std::int64_t ends_at(const Request& request) {
  return request.deadline_ns - std::min(kLeadNs, (request.deadline_ns - request.arrived_ns) / 4);
}

}  // namespace

Result<Watch> Dispatcher::admit_watch(const ServerConnection& connection, std::string_view target,
                                      const wire::RequestHead& head) {
  forget_ended_watches();
  if (watches_.size() >= parts_.config.watchers_max) {
    return fail(Code::kBusy, "the node has {} watchers, the limit watchers_max; try another node", watches_.size());
  }
  const auto of_connection = static_cast<std::size_t>(std::count_if(
      watches_.begin(), watches_.end(), [&](const auto& request) { return request->connection == &connection; }));
  if (of_connection >= parts_.config.watchers_per_connection_max) {
    return fail(Code::kBusy,
                "this connection has {} watchers, the limit watchers_per_connection_max; end one, or use another "
                "connection",
                of_connection);
  }
  return parse_watch(target, head.params, head.format, parts_.clock.wall_ms());
}

// The node has seen what the caller has seen, in its session and by its token.
bool Dispatcher::watch_ready(const Request& request) const {
  return covered(request.token) && feed_.ready(request.watch->after);
}

void Dispatcher::start_watch(const std::shared_ptr<Request>& request) {
  Watch& watch = *request->watch;
  auto reader = feed_.open(std::move(watch.query), watch.after);
  if (!reader) return end_watch(request, reader.error());
  watch.reader.emplace(*std::move(reader));
  watch.after.reset();
  watch.looked_ns = parts_.clock.monotonic_ns();
  request->stage = Request::Stage::kRunning;
  const Bytes token = reply_token(request->token);
  wire::ReplyHead head;
  head.token = token;
  // The first page comes at once, so that the caller has a token from the beginning.
  const Bytes page = render_watch_page({}, feed_.token(*watch.reader), {}, request->format);
  const std::size_t taken = request->connection->connection().session().send_reply(request->stream, head, page, false);
  request->reply_begun = true;
  send_watch(request, BytesView(page).substr(taken));
  if (request->stage == Request::Stage::kRunning) std::ignore = pump_watch(request, false);
}

void Dispatcher::send_watch(const std::shared_ptr<Request>& request, BytesView bytes) {
  if (request->connection == nullptr) return;
  request->connection->send_more(*request, bytes);
  const std::size_t unsent = request->reply.size() - request->reply_offset;
  buffered_bytes_ = buffered_bytes_ - request->charged_bytes + unsent;
  request->charged_bytes = unsent;
}

// Sends what there is, as far as the caller takes it. `heartbeat`: at least a newer token, if there is one. Returns how
// much work it was; `watches_behind_` is set when there is more.
std::size_t Dispatcher::pump_watch(const std::shared_ptr<Request>& request, bool heartbeat) {
  Watch& watch = *request->watch;
  std::size_t looked_at = 0;
  while (request->stage == Request::Stage::kRunning && request->reply.empty()) {
    if (!watch.page.empty()) {
      if (watch.page_commit > parts_.replica.durable_commit()) return looked_at;
      ++watch_counters_.pages;
      watch_counters_.events += watch.page_events;
      watch_counters_.bytes += watch.page.size();
      watch.moved = false;
      send_watch(request, std::exchange(watch.page, {}));
      continue;
    }
    if (buffered_bytes_ > parts_.config.buffered_bytes_max) return looked_at;
    if (looked_at >= kWatcherTurnBytes) {
      watches_behind_ = true;
      return looked_at;
    }
    const auto page = feed_.next(*watch.reader, kWatcherTurnBytes);
    if (!page) {
      end_watch(request, page.error());
      return looked_at;
    }
    watch.looked_ns = parts_.clock.monotonic_ns();
    watch.moved = watch.moved || page->moved;
    looked_at += page->work;
    if (page->events.empty() && !(heartbeat && watch.moved)) {
      if (!page->more) return looked_at;
      continue;
    }
    heartbeat = false;
    watch.page = render_watch_page(page->events, feed_.token(*watch.reader), {}, request->format);
    watch.page_commit = page->commit;
    watch.page_events = page->events.size();
  }
  return looked_at;
}

void Dispatcher::feed_watches() {
  if (watches_.empty()) return;
  const std::pair progress(feed_.end(), parts_.replica.durable_commit());
  if (progress != watches_seen_ || watches_behind_) watches_left_ = watches_.size();
  if (watches_left_ == 0) return;
  watches_seen_ = progress;
  watches_behind_ = false;
  forget_ended_watches();
  watches_left_ = std::min(watches_left_, watches_.size());
  for (std::size_t looked_at = 0; watches_left_ > 0 && looked_at < kTurnBytes; --watches_left_) {
    const auto request = watches_[watches_next_++ % watches_.size()];
    looked_at += kLookBytes + pump_watch(request, false);
  }
  // Another turn, after what has come meanwhile.
  if (watches_behind_ || watches_left_ > 0) parts_.loop.post([] {});
}

void Dispatcher::tick_watches(std::int64_t now_ns) {
  forget_ended_watches();
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    const auto request = watches_[i];
    if (request->stage != Request::Stage::kRunning) continue;
    if (now_ns >= ends_at(*request)) {
      end_watch(request, "deadline");
    } else if (now_ns - request->watch->looked_ns >= kHeartbeatNs) {
      std::ignore = pump_watch(request, true);
      if (!request->watch->moved) request->watch->looked_ns = now_ns;
    }
  }
}

void Dispatcher::end_watches(std::string_view reason) {
  const auto open = watches_;
  for (const auto& request : open) {
    if (request->stage == Request::Stage::kRunning) {
      end_watch(request, reason);
    } else {
      finish(request, fail(Code::kUnavailable, "this node ends its watchers: {}; watch another one", reason));
    }
  }
}

// With its last token.
void Dispatcher::end_watch(const std::shared_ptr<Request>& request, std::string_view reason) {
  Watch& watch = *request->watch;
  // A page that waits for the disk is not given away: its token would say that it was.
  if (!watch.page.empty()) {
    request->connection->connection().session().reset(
        request->stream, Error{Code::kDeadlineExceeded, fmt::format("the stream ends ({}), and the disk has not taken "
                                                                    "what its last page shows",
                                                                    reason)});
    return close_request(request, false);
  }
  request->stage = Request::Stage::kReplying;
  request->succeeded = true;
  request->reply_complete = true;
  send_watch(request, render_watch_page({}, feed_.token(*watch.reader), reason, request->format));
  if (request->reply.empty()) close_request(request, true);
}

void Dispatcher::end_watch(const std::shared_ptr<Request>& request, const Error& error) {
  if (error.message.starts_with(replication::kHistoryLost)) ++watch_counters_.history_lost;
  if (!request->reply_begun) return finish(request, fail(error));
  if (request->connection != nullptr) request->connection->connection().session().reset(request->stream, error);
  close_request(request, false);
}

void Dispatcher::forget_ended_watches() {
  std::erase_if(watches_, [](const auto& request) {
    return request->stage == Request::Stage::kDone || request->stage == Request::Stage::kReplying;
  });
}

}  // namespace distri::cloud
