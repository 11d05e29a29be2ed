// Grants that come, and the pictures that are fetched for them.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"
#include "distri/peer/transfer.hpp"

namespace distri::peer {

namespace {

// A picture whose owner cannot be found is not waited for longer than this many tries in a row.
constexpr int kTriesInVain = 2;
// Of a fetcher, for one picture: then it is the others' turn, as one owner may be slow. What has come is kept.
constexpr std::int64_t kFetchTurnMs = 60'000;

}  // namespace

// ---- Grants

Result<> Peer::Impl::take_grant(const Grant& grant) {
  bool ended = false;
  {
    Lock lock(mutex);
    DISTRI_TRY(const bool news, books.holdings.on_grant(grant));
    if (news) {
      PeerEvent event;
      event.kind = PeerEvent::Kind::kAnswered;
      event.id = grant.id;
      event.user = grant.owner;
      event.resource = grant.resource;
      event.text = state_name(grant.state);
      unposted.push_back(std::move(event));
      books.has_changed(Page::holding(grant.id));
      ended = books.holdings.find(grant.id)->state() != Holding::State::kGranted;
    }
    if (news && ended) pictures_due.erase(grant.id);
    if (news && !ended) pictures_due.emplace(grant.id, Pause());
    DISTRI_TRY_VOID(keep(lock, Page::holding(grant.id)));
    if (!news) return {};
    changed.notify_all();
  }
  // Nothing opens it any more.
  if (ended && !received.remove(grant.id.hex())) trouble("the picture of an ended grant could not be removed");
  return {};
}

// ---- Pictures

// At once when it is here; its digest is held against the grant's in any case (download()).
Result<> Peer::Impl::fetch_picture(const GrantId& id, std::int64_t timeout_ms, const Progress& progress) {
  DISTRI_TRY(const auto turn, fetching.wait(id, timeout_ms));
  PublicKey owner;
  FileFacts file;
  {
    Lock lock(mutex);
    DISTRI_TRY_VOID(keep(lock, Page::holding(id)));
    const Holding* holding = books.holdings.find(id);
    if (holding == nullptr || holding->state() != Holding::State::kGranted) {
      return fail(Code::kCancelled, "grant {}: it has ended, there is nothing to fetch", id.short_hex());
    }
    owner = holding->request.to;
    file = holding->grant->file;
  }
  Download wanted;
  wanted.id = id.hex();
  wanted.bytes = file.sealed_bytes;
  wanted.digest = file.sealed_digest;
  wanted.timeout_ms = timeout_ms;
  wanted.cancelled = [this] { return stopping.load(); };
  int in_vain = 0;
  wanted.progress = [&](std::uint64_t bytes) {
    in_vain = 0;
    if (progress) progress(bytes, file.sealed_bytes);
  };
  std::optional<Error> away_now;
  const auto open = [&](std::uint64_t offset, std::int64_t left_ms) -> Result<std::unique_ptr<client::CallStream>> {
    auto at = where(owner);
    Result<std::unique_ptr<client::CallStream>> stream = fail(Code::kUnavailable, "nothing was tried");
    if (at) {
      stream = fetch_from(*direct, *at, std::string(kFetchService), {{"grant", id.hex()}})(offset, left_ms);
    } else {
      stream = fail(at.error());
    }
    if (stream || is_answer(stream.error()) || ++in_vain < kTriesInVain) return stream;
    away_now = stream.error();
    return fail(Code::kCancelled, "the owner is away");
  };
  const auto fetched = download(received, wanted, open);
  if (away_now) return fail(*std::move(away_now));
  if (!fetched && stopping) return fail(stopped());
  DISTRI_TRY_VOID(fetched);
  const std::lock_guard lock(mutex);
  // There may be another grant now.
  DISTRI_TRY_VOID(books.holdings.check_file(id, file.sealed_bytes, file.sealed_digest));
  if (pictures_due.erase(id) == 0) return {};
  PeerEvent event;
  event.kind = PeerEvent::Kind::kPictureHere;
  event.id = id;
  event.user = owner;
  if (const Holding* holding = books.holdings.find(id)) event.resource = holding->request.resource;
  events.post(std::move(event));
  return {};
}

// Of those whose pause is over, the one that has waited longest.
std::optional<GrantId> Peer::Impl::next_picture_locked() const {
  const std::int64_t now_ms = clock.monotonic_ms();
  std::optional<std::pair<std::int64_t, GrantId>> next;
  for (const auto& [id, pause] : pictures_due) {
    if (pause.until_ms > now_ms || being_fetched.contains(id)) continue;
    if (!next || pause.until_ms < next->first) next.emplace(pause.until_ms, id);
  }
  if (!next) return std::nullopt;
  return next->second;
}

// A fetcher's thread: whatever is granted and not here, and no other fetcher's.
void Peer::Impl::fetch_pictures() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    const auto next = next_picture_locked();
    if (!next) {
      changed.wait_for(lock, std::chrono::milliseconds(options.poll_ms));
      continue;
    }
    const GrantId id = *next;
    being_fetched.insert(id);
    lock.unlock();
    const auto fetched = fetch_picture(id, std::min(options.fetch_ms, kFetchTurnMs), nullptr);
    if (!fetched && !is_away(fetched.error()) && fetched.error().code != Code::kCancelled) {
      trouble(fmt::format("the picture of grant {} is not fetched: {}", id.short_hex(), fetched.error().message));
    }
    lock.lock();
    being_fetched.erase(id);
    if (const auto due = pictures_due.find(id); !fetched && due != pictures_due.end()) {
      due->second.grow(clock.monotonic_ms(), options.poll_ms, options.retry_ms_max);
    }
  }
}

}  // namespace distri::peer
