// Views: their keys, online and from escrow.
#include <algorithm>

#include "distri/peer/peer_impl.hpp"
#include "distri/peer/sealed_images.hpp"

namespace distri::peer {

namespace {

using Why = NotViewed::Why;

// Between two looks for a view key that is on its way; then twice as long each time.
constexpr std::chrono::milliseconds kFirstLook(10);

std::unexpected<NotViewed> not_viewed(Why why, Error error) {
  return std::unexpected(NotViewed{why, std::move(error)});
}

template <class... Args>
std::unexpected<NotViewed> not_viewed(Why why, Code code, fmt::format_string<Args...> format, Args&&... args) {
  return not_viewed(why, Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// What an owner's answer, or a lost one, means for who wants to see.
Why why_of(const Error& error) {
  if (error.code == Code::kCancelled) return Why::kRevoked;
  return is_answer(error) || error.code == Code::kDataLoss || error.code == Code::kStorageFull ||
                 error.code == Code::kStorageFailed
             ? Why::kFailed
             : Why::kAway;
}

// The same for each try to take a key, also after a restart: a node that has executed one whose answer was lost says
// again that the key was there. From a signature, so that nobody else can say it before.
RequestId id_of_taking(const Receipt& receipt, const SigningKey& key) {
  const auto secret = key.sign("distri peer takes a view key", document_id(receipt));
  const Hash256 hash = blake2b_256(secret.view());
  return RequestId::from_view({reinterpret_cast<const char*>(hash.data()), RequestId::kSize});
}

// Why a request gives no view now; nothing: it may.
std::optional<NotViewed> state_says(const Holding& holding) {
  const std::string id = holding.request.id.short_hex();
  const std::string& resource = holding.request.resource;
  switch (holding.state()) {
    case Holding::State::kGranted:
      return std::nullopt;
    case Holding::State::kWaiting:
      return NotViewed{Why::kWaiting,
                       {Code::kUnavailable,
                        fmt::format("request {} for '{}' was not answered yet; wait for the answer", id, resource)}};
    case Holding::State::kRefused:
      return NotViewed{
          Why::kRefused,
          {Code::kPermissionDenied, fmt::format("request {} for '{}' was refused; ask anew", id, resource)}};
    case Holding::State::kRevoked:
      return NotViewed{Why::kRevoked,
                       {Code::kCancelled, fmt::format("grant {} of '{}' was revoked; ask anew", id, resource)}};
    case Holding::State::kWithdrawn:
      break;
  }
  return NotViewed{Why::kWithdrawn,
                   {Code::kCancelled, fmt::format("request {} for '{}' was withdrawn; ask anew", id, resource)}};
}

}  // namespace

// ---- View keys

Result<Peer::Impl::OneView> Peer::Impl::view_online(const GrantId& id) {
  PublicKey owner;
  ViewId view;
  {
    Lock lock(mutex);
    const ViewId fresh = ViewId::from_view(SecretBytes::random(ViewId::kSize).view());
    DISTRI_TRY(view, books.holdings.ask_view(id, fresh));
    owner = books.holdings.find(id)->request.to;
    if (view == fresh) books.has_changed(Page::holding(id));
    DISTRI_TRY_VOID(keep(lock, Page::holding(id)));
  }
  const auto answer = ask_peer(owner, kViewService, {{"grant", id.hex()}, {"view", view.hex()}}, {});
  if (!answer) {
    if (!is_answer(answer.error()) || stopping) return fail(answer.error());
    // He gives none for this ask, for good.
    Lock lock(mutex);
    DISTRI_TRY_VOID(books.holdings.view_refused(id, view));
    books.has_changed(Page::holding(id));
    DISTRI_TRY_VOID(keep(lock, Page::holding(id)));
    return fail(answer.error());
  }
  auto document = bson::Document::parse(*answer);
  if (!document) return fail(Code::kDataLoss, "grant {}: the owner's answer is no view key", id.short_hex());
  DISTRI_TRY(const ViewKey given_key, read_view_key(document->view()));
  if (given_key.grant != id) {
    return fail(Code::kDataLoss, "grant {}: the owner has answered with the key of another grant", id.short_hex());
  }
  Lock lock(mutex);
  auto image_key = books.holdings.accept(given_key);
  if (!image_key) return fail(Code::kDataLoss, "{}", image_key.error().message);
  books.has_changed(Page::holding(id));
  DISTRI_TRY_VOID(keep(lock, Page::holding(id)));
  return OneView{*std::move(image_key), given_key.serial, false};
}

// A receipt is there before the key is deleted; the key counts as used before the image is shown.
Result<std::optional<Peer::Impl::OneView>> Peer::Impl::take_key(const ViewKey& given_key) {
  Receipt receipt;
  {
    Lock lock(mutex);
    DISTRI_TRY(receipt, books.holdings.take(given_key, clock.wall_ms()));
    books.has_changed(Page::holding(given_key.grant));
    DISTRI_TRY_VOID(keep(lock, Page::holding(given_key.grant)));
  }
  DISTRI_TRY_VOID(noted(cloud().place(receipt)));
  DISTRI_TRY(const bool was_there, noted(cloud().take(given_key, id_of_taking(receipt, key))));
  Lock lock(mutex);
  DISTRI_TRY(SecretBytes image_key, books.holdings.taken(given_key.grant, given_key.serial, was_there));
  books.has_changed(Page::holding(given_key.grant));
  DISTRI_TRY_VOID(keep(lock, Page::holding(given_key.grant)));
  if (was_there) return OneView{std::move(image_key), given_key.serial, true};
  outbox.unwritten.push_back(receipt);
  return std::nullopt;
}

Result<std::optional<Peer::Impl::OneView>> Peer::Impl::view_from_escrow(const GrantId& id) {
  PublicKey owner;
  std::optional<ViewKey> begun;
  {
    const std::lock_guard lock(mutex);
    const Holding* holding = books.holdings.find(id);
    owner = holding->request.to;
    begun = holding->taking;
  }
  if (begun) {
    DISTRI_TRY(auto view, take_key(*begun));
    if (view) return view;
  }
  DISTRI_TRY(const auto keys, noted(cloud().view_keys(owner, id)));
  bool grants_read = false;
  for (const ViewKey& each : keys.records) {
    {
      const std::lock_guard lock(mutex);
      if (books.holdings.is_used(id, each.serial)) continue;
    }
    auto view = take_key(each);
    if (!view && view.error().code == Code::kUnavailable && !cloud_away && !grants_read) {
      // It was made for a newer version of the grant than is known here.
      grants_read = true;
      DISTRI_TRY(const auto grants, noted(cloud().grants_to(self)));
      take_grants(grants);
      view = take_key(each);
    }
    if (view && !*view) continue;
    if (!view && view.error().code == Code::kPermissionDenied) continue;  // forged, or another's
    return view;
  }
  return std::nullopt;
}

// Views that are left but not here come soon: a key gets to the node that is asked, or the owner hears of receipts.
std::expected<Peer::Impl::OneView, NotViewed> Peer::Impl::view_key(const GrantId& id) {
  const std::int64_t until_ms = clock.monotonic_ms() + options.direct_ms;
  for (auto pause = kFirstLook;; pause *= 2) {
    auto view = look_for_view_key(id);
    if (view || view.error().why != Why::kTryAgain || clock.monotonic_ms() >= until_ms) return view;
    std::unique_lock lock(mutex);
    changed.wait_for(lock, pause, [this] { return stopping.load(); });
  }
}

// Online where the owner is, else from escrow. What was begun there is ended first.
std::expected<Peer::Impl::OneView, NotViewed> Peer::Impl::look_for_view_key(const GrantId& id) {
  bool begun = false;
  {
    const std::lock_guard lock(mutex);
    const Holding* holding = books.holdings.find(id);
    if (holding == nullptr) return not_viewed(Why::kNotAsked, Code::kNotFound, "grant {} is not known", id.short_hex());
    if (auto no = state_says(*holding)) return std::unexpected(*std::move(no));
    begun = holding->taking.has_value();
  }
  if (begun && has_cloud() && !cloud_away) {
    auto view = view_from_escrow(id);
    if (view && *view) return *std::move(*view);
  }
  auto online = view_online(id);
  if (online) return *std::move(online);
  const Error& error = online.error();
  const bool used_up = error.code == Code::kPermissionDenied;
  const bool elsewhere = error.code == Code::kBusy;
  if (!used_up && why_of(error) != Why::kAway) return not_viewed(why_of(error), error);
  Error escrow{Code::kUnavailable, "there is no cloud"};
  if (has_cloud()) {
    auto view = view_from_escrow(id);
    if (view && *view) return *std::move(*view);
    escrow = view ? Error{Code::kNotFound, "no view key of it lies in the cloud"} : view.error();
  }
  const std::lock_guard lock(mutex);
  const Holding* holding = books.holdings.find(id);
  if (auto no = state_says(*holding)) return std::unexpected(*std::move(no));
  if (used_up && escrow.code == Code::kNotFound) return not_viewed(Why::kUsedUp, error);
  if (elsewhere && escrow.code == Code::kNotFound) return not_viewed(Why::kTryAgain, error);
  if (escrow.code == Code::kNotFound && holding->used.size() >= holding->grant->views) {
    return not_viewed(Why::kUsedUp, Code::kPermissionDenied, "grant {}: all {} views are used up; ask for more",
                      id.short_hex(), holding->grant->views);
  }
  const Why why = is_away(escrow) || escrow.code == Code::kNotFound ? Why::kAway : Why::kFailed;
  return not_viewed(why, Code::kUnavailable, "grant {}: the owner says: {}; the cloud: {}; try again when one is there",
                    id.short_hex(), error.message, escrow.message);
}

// ---- Access

// As it was granted; fetched where it is not here, or is not that.
Result<Bytes> Peer::Impl::picture_of(const GrantId& id, const FileFacts& file, const Progress& progress) {
  auto picture = read_sealed(id, file, received);
  if (picture || (picture.error().code != Code::kNotFound && picture.error().code != Code::kDataLoss)) return picture;
  DISTRI_TRY_VOID(fetch_picture(id, options.fetch_ms, progress));
  return read_sealed(id, file, received);
}

std::expected<Viewed, NotViewed> Peer::Impl::access(const GrantId& id, const Progress& progress) {
  const auto turn = viewing.wait(id, options.fetch_ms);
  if (!turn) return not_viewed(Why::kFailed, turn.error());
  FileFacts file;
  {
    const std::lock_guard lock(mutex);
    const Holding* holding = books.holdings.find(id);
    if (holding == nullptr) {
      return not_viewed(Why::kNotAsked, Code::kNotFound, "grant {}: it answers no request of this user",
                        id.short_hex());
    }
    if (auto no = state_says(*holding)) return std::unexpected(*std::move(no));
    file = holding->grant->file;
  }
  const auto picture = picture_of(id, file, progress);
  if (!picture) {
    return not_viewed(why_of(picture.error()), picture.error().code, "the picture of grant {} is not here: {}",
                      id.short_hex(), picture.error().message);
  }
  auto view = view_key(id);
  if (!view) return std::unexpected(view.error());
  auto image = open_image(id, *picture, file, view->image_key);
  if (!image) return not_viewed(Why::kFailed, image.error());
  return Viewed{*std::move(image), id, view->serial, view->from_escrow};
}

std::expected<Viewed, NotViewed> Peer::Impl::access_any(const PublicKey& owner, std::string_view resource,
                                                        const Progress& progress) {
  std::vector<Holding> candidates;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, holding] : books.holdings.all()) {
      if (holding.request.to == owner && holding.request.resource == resource) candidates.push_back(holding);
    }
  }
  // Granted ones first, then newer ones: the first that gives nothing says why.
  std::ranges::sort(candidates, std::greater(), [](const Holding& each) {
    return std::pair(each.state() == Holding::State::kGranted, each.request.made_ms);
  });
  std::optional<NotViewed> first;
  for (const Holding& each : candidates) {
    auto viewed = access(each.request.id, progress);
    if (viewed) return viewed;
    if (!first) first = std::move(viewed).error();
    if (each.state() != Holding::State::kGranted) break;
  }
  if (first) return std::unexpected(*std::move(first));
  return not_viewed(Why::kNotAsked, Code::kNotFound, "nothing of that name was asked of user {}; request it first",
                    owner.short_hex());
}

std::expected<Viewed, NotViewed> Peer::access_grant(const GrantId& grant, const Progress& progress) {
  const Impl::Call call(*impl_);
  if (!call) return not_viewed(Why::kFailed, Impl::stopped());
  return impl_->access(grant, progress);
}

std::expected<Viewed, NotViewed> Peer::access_resource(std::string_view peer, std::string_view resource,
                                                       const Progress& progress) {
  const Impl::Call call(*impl_);
  if (!call) return not_viewed(Why::kFailed, Impl::stopped());
  const auto owner = impl_->resolve(peer);
  if (!owner) return not_viewed(Why::kNotAsked, owner.error());
  return impl_->access_any(*owner, resource, progress);
}

}  // namespace distri::peer
