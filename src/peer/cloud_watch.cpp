#include "distri/peer/cloud_watch.hpp"

#include <algorithm>

#include "distri/bson/nlohmann.hpp"
#include "distri/peer/peer_impl.hpp"
#include "distri/peer/records.hpp"

namespace distri::peer {

namespace {

// How soon stop() is noticed.
constexpr std::int64_t kTurnMs = 100;

}  // namespace

CloudWatch::CloudWatch(client::Client& client, const NodeId& user, Times times, Listener listener)
    : client_(client), user_(user.hex()), times_(times), listener_(std::move(listener)) {
  constexpr std::array<std::pair<std::string_view, bool>, 5> kCollections = {{{kUsersCollection, false},
                                                                              {kCatalogCollection, false},
                                                                              {kRequestsCollection, true},
                                                                              {kGrantsCollection, true},
                                                                              {kReceiptsCollection, true}}};
  static_assert(kCollections.size() == std::tuple_size_v<decltype(streams_)>);
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    streams_[i].collection = kCollections[i].first;
    streams_[i].to_user_only = kCollections[i].second;
  }
}

void CloudWatch::start() {
  for (Stream& each : streams_) each.thread = std::thread([this, &each] { run(each); });
}

void CloudWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (Stream& each : streams_) {
    if (each.thread.joinable()) each.thread.join();
  }
}

bool CloudWatch::telling() const {
  return std::ranges::all_of(streams_, [](const Stream& each) { return each.telling.load(); });
}

void CloudWatch::run(Stream& stream) {
  Pause pause;
  while (!stopping_) {
    const auto ended = tell(stream);
    const bool told = stream.telling.exchange(false);
    if (stopping_) return;
    if (told) pause = {};
    if (!ended && !told && !is_away(ended.error())) listener_.on_trouble(ended.error());
    pause.grow(0, times_.pause_ms, times_.pause_ms_max);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(pause.length_ms), [this] { return stopping_.load(); });
  }
}

// Records are replaced as a whole, so every change of one says all of it.
client::WatchOptions CloudWatch::options_for(const Stream& stream) const {
  client::WatchOptions options;
  options.timeout_ms = times_.begin_ms;
  options.filter = {{"operationType", {{"$in", {"insert", "replace"}}}}};
  if (stream.to_user_only) options.filter["fullDocument.to"] = user_;
  return options;
}

Result<> CloudWatch::tell(Stream& stream) {
  DISTRI_TRY(client::ChangeStream changes, client_.collection(stream.collection).watch(options_for(stream)));
  stream.telling = true;
  listener_.on_begin();
  const SystemClock clock;
  std::int64_t told_ms = clock.monotonic_ms();
  while (!stopping_) {
    auto next = changes.next(kTurnMs);
    if (!next && next.error().code != Code::kDeadlineExceeded) return fail(next.error());
    stream.telling = changes.trouble().empty();
    if (stream.telling) told_ms = clock.monotonic_ms();
    // Nodes that have lost what was told would never go on from there.
    if (clock.monotonic_ms() > told_ms + times_.begin_ms) return fail(Code::kUnavailable, "{}", changes.trouble());
    if (!next || !*next) continue;
    const auto record = (*next)->find("fullDocument");
    if (record == (*next)->end() || !record->is_object()) continue;
    if (const auto document = bson::from_nlohmann(*record)) {
      listener_.on_record(stream.collection, document->view());
    }
  }
  return {};
}

}  // namespace distri::peer
