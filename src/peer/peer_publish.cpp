// The published directory, the catalog that follows from it, and answers that take a file out of it.
#include <algorithm>

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

// Apart from version, owner and signature.
bool says_the_same(const CatalogEntry& entry, CatalogEntry other) {
  other.owner = entry.owner;
  other.version = entry.version;
  other.signature = entry.signature;
  return entry == other;
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
  const std::lock_guard lock(mutex);
  reconciled_ms = 0;  // what was offered in a life before and is not here is gone
  wake_keeper();
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
  const std::lock_guard lock(mutex);
  left_out = scan.left_out;
  bool news = false;
  const auto put = [&](CatalogEntry next) {
    const auto known = offers.find(next.name);
    const std::uint64_t last = known == offers.end() ? 0 : known->second.version;
    // Higher than in the life before, without a book that says what that was.
    next.version = std::max(last + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(clock.wall_ms(), 1)));
    if (const auto fits = check(next); !fits) {
      left_out.emplace_back(next.name, fits.error());
      return;
    }
    const std::string name = next.name;
    outbox.offers.insert(name);
    offers[name] = sign(std::move(next), key);
    news = true;
  };
  std::set<std::string_view> here;
  for (const PublishedFile& file : scan.files) {
    here.insert(file.name);
    const auto known = offers.find(file.name);
    if (known == offers.end() || !says_the_same(known->second, entry_of(file))) put(entry_of(file));
  }
  for (const auto& [name, entry] : std::map(offers)) {
    if (entry.gone || here.contains(name)) continue;
    CatalogEntry gone = entry;
    gone.gone = true;
    put(std::move(gone));
  }
  if (!news) return;
  PeerEvent event;
  event.kind = PeerEvent::Kind::kCatalogChanged;
  event.user = self;
  events.post(std::move(event));
  wake_keeper();
}

// ---- Granting

Result<Delivery> Peer::Impl::approve(const GrantId& id, std::uint32_t views) {
  {
    // Two at once would encrypt over each other's picture.
    DISTRI_TRY(const auto turn, granting.wait(id, options.fetch_ms));
    std::string resource;
    std::shared_ptr<PublishedDirectory> directory;
    std::optional<CatalogEntry> offered;
    {
      const std::lock_guard lock(mutex);
      const Entry* entry = books.ledger.find(id);
      if (entry == nullptr) return fail(Code::kNotFound, "request {}: there is none of that id", id.short_hex());
      if (entry->state() != Entry::State::kWaiting) {
        return fail(entry->state() == Entry::State::kWithdrawn ? Code::kCancelled : Code::kAlreadyExists,
                    "request {}: it is {} already", id.short_hex(), state_name(entry->state()));
      }
      resource = entry->request.resource;
      directory = published;
      if (const auto found = offers.find(resource); found != offers.end() && !found->second.gone) {
        offered = found->second;
      }
    }
    if (!directory || !offered) {
      return fail(Code::kNotFound, "request {}: the image it is for is not published; publish its directory, or refuse",
                  id.short_hex());
    }
    DISTRI_TRY(const Bytes file, directory->read(resource));
    if (blake2b_256(file) != offered->digest) {
      return fail(Code::kUnavailable, "request {}: the image has just changed; try again when the catalog says so",
                  id.short_hex());
    }
    DISTRI_TRY(Ledger::SealedImage sealed, seal_image(file, offered->digest, id, options.style, given));
    Lock lock(mutex);
    const auto effects = books.ledger.approve(id, views, std::move(sealed));
    if (!effects) {
      static_cast<void>(given.remove(id.hex()));  // else sweep() does
      return fail(effects.error());
    }
    settle_locked(id, *effects);
    if (has_cloud() && cloud_read && !cloud_away) top_up_escrow_locked();  // saved by the same sync
    DISTRI_TRY_VOID(keep(lock, Page::entry(id)));
  }
  return send_grant(id, Patience::kUser);
}

}  // namespace distri::peer
