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

// Why a request gives no view now; nothing: it may.
std::optional<NotViewed> state_says(const GrantId& grant, const Holding* holding) {
  const std::string id = grant.short_hex();
  if (holding == nullptr) {
    return NotViewed{Why::kNotAsked,
                     {Code::kNotFound, fmt::format("grant {}: it answers no request of this user", id)}};
  }
  const std::string& resource = holding->request.resource;
  switch (holding->state()) {
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

Result<std::vector<Address>> Peer::Impl::where(const PublicKey& of) const {
  const std::lock_guard lock(mutex);
  auto at = agent.addresses_of(of);
  if (at.empty()) return fail(Code::kUnavailable, "no address of user {} is known", of.short_hex());
  return at;
}

Result<Agent::OneView> Peer::Impl::view_online(const GrantId& id) {
  Agent::Asking asking;
  {
    Lock lock(mutex);
    DISTRI_TRY(asking, agent.ask_view(id, ViewId::from_view(SecretBytes::random(ViewId::kSize).view())));
    DISTRI_TRY_VOID(settle(lock, asking.change));
  }
  DISTRI_TRY(const auto at, where(asking.owner));
  const auto answer = ask_peer(asking.owner, at, kViewService, {{"grant", id.hex()}, {"view", asking.view.hex()}}, {});
  if (!answer && stopping) return fail(answer.error());
  Lock lock(mutex);
  auto answered = agent.on_view_answer(id, asking, answer, clock.monotonic_ms());
  DISTRI_TRY_VOID(settle(lock, std::move(answered.change)));
  return std::move(answered.view);
}

// A receipt is there before the key is deleted; the key counts as used before the image is shown.
Result<std::optional<Agent::OneView>> Peer::Impl::take_key(const ViewKey& given_key) {
  Agent::Taking taking;
  {
    Lock lock(mutex);
    DISTRI_TRY(taking, agent.take_key(given_key, clock.wall_ms()));
    DISTRI_TRY_VOID(settle(lock, taking.change));
  }
  DISTRI_TRY_VOID(noted(cloud().put(taking.receipt)));
  DISTRI_TRY(const bool was_there, noted(cloud().take(given_key, taking.request)));
  Lock lock(mutex);
  DISTRI_TRY(Agent::Taken taken, agent.taken(taking.receipt, was_there, clock.wall_ms()));
  DISTRI_TRY_VOID(settle(lock, std::move(taken.change)));
  return std::move(taken.view);
}

Result<std::optional<Agent::OneView>> Peer::Impl::view_from_escrow(const GrantId& id) {
  PublicKey owner;
  std::optional<ViewKey> begun;
  {
    const std::lock_guard lock(mutex);
    const Holding* holding = agent.books().holdings.find(id);
    if (holding == nullptr) return fail(Code::kNotFound, "grant {}: it was forgotten meanwhile", id.short_hex());
    owner = holding->request.to;
    begun = agent.begun(id);
  }
  if (begun) {
    DISTRI_TRY(auto view, take_key(*begun));
    if (view) return view;
  }
  DISTRI_TRY(auto found, noted(cloud().view_keys(owner, id)));
  std::vector<ViewKey> keys;
  {
    const std::lock_guard lock(mutex);
    keys = agent.unused(std::move(found.records));
  }
  bool grants_read = false;
  for (const ViewKey& each : keys) {
    auto view = take_key(each);
    if (!view && view.error().code == Code::kUnavailable && !is_cloud_away() && !grants_read) {
      // It was made for a newer version of the grant than is known here.
      grants_read = true;
      DISTRI_TRY(auto grants, noted(cloud().grants_to(self)));
      take_records(std::move(grants.records));
      view = take_key(each);
    }
    if (view && !*view) continue;
    if (!view && view.error().code == Code::kPermissionDenied) continue;  // forged, or another's
    return view;
  }
  return std::nullopt;
}

// Views that are left but not here come soon: a key gets to the node that is asked, or the owner hears of receipts.
std::expected<Agent::OneView, NotViewed> Peer::Impl::view_key(const GrantId& id) {
  const std::int64_t until_ms = clock.monotonic_ms() + options.direct_ms;
  for (auto pause = kFirstLook;; pause *= 2) {
    auto view = look_for_view_key(id);
    if (view || view.error().why != Why::kTryAgain || clock.monotonic_ms() >= until_ms) return view;
    Lock lock(mutex);
    changed.wait_for(lock, pause, [this] { return stopping.load(); });
  }
}

// Online where the owner is, else from escrow. What was begun there is ended first.
std::expected<Agent::OneView, NotViewed> Peer::Impl::look_for_view_key(const GrantId& id) {
  bool begun = false;
  {
    const std::lock_guard lock(mutex);
    const Holding* holding = agent.books().holdings.find(id);
    if (auto no = state_says(id, holding)) return std::unexpected(*std::move(no));
    begun = holding->taking.has_value();
  }
  if (begun && has_cloud() && !is_cloud_away()) {
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
  const Holding* holding = agent.books().holdings.find(id);
  if (auto no = state_says(id, holding)) return std::unexpected(*std::move(no));  // it may have ended meanwhile
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
    const Holding* holding = agent.books().holdings.find(id);
    if (auto no = state_says(id, holding)) return std::unexpected(*std::move(no));
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
    for (const auto& [id, holding] : agent.books().holdings.all()) {
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
