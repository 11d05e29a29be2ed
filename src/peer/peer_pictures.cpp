// The pictures that are fetched for grants.
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

// At once when it is here; its digest is held against the grant's in any case (download()).
Result<> Peer::Impl::fetch_picture(const GrantId& id, std::int64_t timeout_ms, const Progress& progress) {
  DISTRI_TRY(const auto turn, fetching.wait(id, timeout_ms));
  PublicKey owner;
  FileFacts file;
  {
    Lock lock(mutex);
    DISTRI_TRY_VOID(keep(lock, Page::holding(id)));
    DISTRI_TRY(const Holding holding, agent.to_fetch(id));
    owner = holding.request.to;
    file = holding.grant->file;
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
    const auto at = where(owner);
    Result<std::unique_ptr<client::CallStream>> stream = fail(Code::kUnavailable, "nothing was tried");
    if (at) {
      stream = fetch_from(*direct, {owner, *at}, std::string(kFetchService), {{"grant", id.hex()}})(offset, left_ms);
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
  Lock lock(mutex);
  DISTRI_TRY(Change here, agent.picture_here(id, file));
  return settle(lock, std::move(here));
}

// A fetcher's thread: whatever is granted and not here, and no other fetcher's.
void Peer::Impl::fetch_pictures() {
  Lock lock(mutex);
  while (!stopping) {
    const auto next = agent.next_picture(clock.monotonic_ms(), being_fetched);
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
    if (!fetched) agent.picture_failed(id, clock.monotonic_ms());
  }
}

}  // namespace distri::peer
