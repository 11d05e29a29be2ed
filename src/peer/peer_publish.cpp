// The published directory, the catalog that follows from it, and answers that take a file out of it.
#include <algorithm>

#include "distri/net/sha256.hpp"
#include "distri/peer/peer_impl.hpp"
#include "distri/peer/sealed_images.hpp"

namespace distri::peer {

namespace {

// Where changes are not noticed by themselves (directories of a network).
constexpr std::chrono::milliseconds kScanEvery{30'000};

CatalogEntry entry_of(const PublishedFile& file) {
  CatalogEntry entry;
  entry.name = file.name;
  entry.bytes = file.bytes;
  entry.digest = file.digest;
  entry.kind = file.kind;
  entry.width = file.width;
  entry.height = file.height;
  entry.modified_ms = file.modified_ms;
  return entry;
}

}  // namespace

Result<> Peer::Impl::publish(const std::string& directory) {
  DISTRI_TRY(auto opened, PublishedDirectory::open(directory));
  DISTRI_TRY(const auto scan, opened.scan());
  const std::lock_guard one_at_a_time(publish_mutex);
  if (stopping) return fail(stopped());
  stop_watching();
  {
    const std::lock_guard lock(mutex);
    published = std::make_shared<PublishedDirectory>(std::move(opened));
  }
  offer(scan);
  watching = true;
  watcher = std::thread([this] { watch_directory(); });
  return {};
}

// With publish_mutex held.
void Peer::Impl::stop_watching() {
  watching = false;
  std::shared_ptr<PublishedDirectory> watched;
  {
    const std::lock_guard lock(mutex);
    watched = published;
  }
  if (watched) watched->wake();
  if (watcher.joinable()) watcher.join();
}

void Peer::Impl::watch_directory() {
  std::shared_ptr<PublishedDirectory> watched;
  {
    const std::lock_guard lock(mutex);
    watched = published;
  }
  while (watching) {
    watched->wait(kScanEvery);
    if (!watching) return;
    if (const auto scan = watched->scan()) {
      offer(*scan);
    } else {
      trouble(scan.error().message);
    }
  }
}

// Makes new versions of what has changed.
void Peer::Impl::offer(const PublishedDirectory::Scan& scan) {
  std::vector<CatalogEntry> here;
  for (const PublishedFile& file : scan.files) here.push_back(entry_of(file));
  const std::lock_guard lock(mutex);
  auto offered = agent.offer(here, clock.wall_ms());
  left_out = scan.left_out;
  std::ranges::move(offered.left_out, std::back_inserter(left_out));
  note(std::move(offered.change));
}

// ---- Granting

Result<Delivery> Peer::Impl::approve(const GrantId& id, std::uint32_t views) {
  {
    // Two at once would encrypt over each other's picture.
    DISTRI_TRY(const auto turn, granting.wait(id, options.fetch_ms));
    std::shared_ptr<PublishedDirectory> directory;
    CatalogEntry offered;
    {
      const std::lock_guard lock(mutex);
      DISTRI_TRY(offered, agent.offered_for(id));
      directory = published;
    }
    DISTRI_TRY(const Bytes file, directory->read(offered.name));
    if (net::sha256(file) != offered.digest) {
      return fail(Code::kUnavailable, "request {}: the image has just changed; try again when the catalog says so",
                  id.short_hex());
    }
    DISTRI_TRY(Ledger::SealedImage sealed, seal_image(file, offered.digest, id, options.style, given));
    Lock lock(mutex);
    auto change = agent.approve(id, views, std::move(sealed));
    if (!change) {
      static_cast<void>(given.remove(id.hex()));  // else sweep() does
      return fail(change.error());
    }
    if (cloud_read && !agent.is_cloud_away()) change->add(agent.top_up_escrow());  // saved by the same sync
    DISTRI_TRY_VOID(settle(lock, *std::move(change)));
  }
  return send_grant(id);
}

}  // namespace distri::peer
