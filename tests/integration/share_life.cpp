#include "share_life.hpp"

#include "distri/net/sha256.hpp"

namespace distri::test {

using namespace peer;
using Why = NotViewed::Why;
using State = Holding::State;

namespace {

constexpr std::uint32_t kAsked = 9;
constexpr std::uint32_t kGranted = 3;
constexpr std::uint32_t kRaised = 5;

}  // namespace

const std::array<ShareLife::Step, 8>& ShareLife::steps() {
  using L = ShareLife;
  static constexpr std::array<Step, 8> kSteps = {{
      {"publish", &L::nothing, &L::publish, &L::see_offer},
      {"request", &L::nothing, &L::ask, &L::see_request},
      {"grant with fewer views", &L::nothing, &L::grant, &L::see_grant},
      {"view down to zero", &L::nothing, &L::view, &L::see_all_views},
      {"refused beyond", &L::nothing, &L::ask_beyond, &L::hear_used_up},
      {"raise", &L::nothing, &L::raise, &L::see_raise},
      {"revoke", &L::nothing, &L::revoke, &L::hear_revoked},
      {"refuse", &L::ask_again, &L::refuse, &L::hear_refused},
  }};
  return kSteps;
}

ShareLife::ShareLife(Agent& owner, Agent& viewer, int number)
    : owner_(owner),
      viewer_(viewer),
      resource_(fmt::format("image{}.png", number)),
      image_(sample_image(static_cast<std::uint64_t>(number), 48)) {}

void ShareLife::publish() {
  write_file(owner_.pictures() / resource_, image_);
  owner_.publish();
}

void ShareLife::see_offer() {
  CHECK(comes_true([&] {
    const Catalog catalog =
        take(viewer_->fetch_catalog({.peer = owner_.id().hex(), .name_prefix = resource_, .kind = ""}));
    return catalog.offers.size() == 1 && catalog.offers[0].entry.digest == net::sha256(image_);
  }));
}

void ShareLife::ask() {
  const Sent sent = take(viewer_->request_resource(owner_.id().hex(), resource_, kAsked));
  id_ = sent.id;
  asked_ = sent.delivery;
}

void ShareLife::see_request() {
  REQUIRE(owner_.has_to_answer(id_));
}

void ShareLife::grant() {
  granted_ = kGranted;
  take(owner_->grant_resource(id_, granted_));
}

void ShareLife::see_grant() {
  REQUIRE(viewer_.hears(id_, State::kGranted));
  REQUIRE(viewer_.has_picture(id_));
  CHECK(owner_->grant_resource(id_, 1).error().code == Code::kAlreadyExists);
}

std::optional<Why> ShareLife::view_once() {
  const auto seen = viewer_->access_grant(id_);
  if (!seen) {
    INFO(seen.error().error.message);
    CHECK((seen.error().why != Why::kFailed && seen.error().why != Why::kWaiting));
    return seen.error().why;
  }
  CHECK(seen->image == image_);
  CHECK_MESSAGE(serials_.insert(seen->serial).second, "serial ", seen->serial, " was given twice");
  CHECK(serials_.size() <= granted_);
  return std::nullopt;
}

void ShareLife::view() {
  while (!view_once()) {
  }
}

void ShareLife::see_all_views() {
  CHECK(comes_true([&] {
    view();
    return serials_.size() == granted_;
  }));
}

void ShareLife::ask_beyond() {
  // Also that he should try again: an owner may not have heard of the last views yet.
  CHECK(view_once().has_value());
}

void ShareLife::hear_used_up() {
  CHECK(comes_true([&] { return view_once() == Why::kUsedUp; }));
}

void ShareLife::raise() {
  granted_ = kRaised;
  take(owner_->update_permission(id_, granted_));
}

// One view stays unused.
void ShareLife::see_raise() {
  CHECK(comes_true([&] { return viewer_.asked(id_)->grant->views == granted_; }));
  CHECK(comes_true([&] { return !view_once(); }));
}

void ShareLife::revoke() {
  take(owner_->revoke(id_));
}

void ShareLife::hear_revoked() {
  REQUIRE(viewer_.hears(id_, State::kRevoked));
  CHECK(view_once() == Why::kRevoked);
}

void ShareLife::ask_again() {
  second_ = take(viewer_->request_resource(owner_.id().hex(), resource_, kAsked)).id;
  REQUIRE(owner_.has_to_answer(second_));
}

void ShareLife::refuse() {
  take(owner_->grant_resource(second_, 0));
}

void ShareLife::hear_refused() {
  REQUIRE(viewer_.hears(second_, State::kRefused));
  CHECK(viewer_->access_grant(second_).error().why == Why::kRefused);
  CHECK(owner_->grant_resource(second_, 1).error().code == Code::kAlreadyExists);
}

// ---- In the end

void ShareLife::check(const NodeProcesses& nodes) {
  CAPTURE(resource_);
  CHECK(serials_.size() == kViews);
  check_answer(nodes, id_, "revoked", kRaised);
  check_answer(nodes, second_, "refused", 0);
  // Nothing of it is left in escrow, and of a key that was not taken no receipt counts.
  CHECK(comes_true([&] {
    const auto keys = nodes.read(0, "viewkeys");
    return keys && std::ranges::none_of(*keys, [&](const auto& each) { return each["grant"] == id_.hex(); });
  }));
  const auto receipts = take(nodes.read(0, "receipts"));
  for (const auto& each : receipts) {
    if (each["grant"] != id_.hex()) continue;
    CHECK(serials_.contains(each["serial"].get<std::uint32_t>()) != each["withdrawn"].get<bool>());
  }
}

void ShareLife::check_answer(const NodeProcesses& nodes, const GrantId& id, std::string_view state,
                             std::uint32_t views) {
  const auto entry = viewer_.asked(id);
  REQUIRE(entry);
  REQUIRE(entry->grant);
  CHECK(entry->grant->views == views);
  CHECK(comes_true([&] {
    const auto grants = nodes.read(0, "grants");
    const auto of_id = [&](const auto& each) { return each["_id"].template get<std::string>().ends_with(id.hex()); };
    if (!grants || std::ranges::count_if(*grants, of_id) != 1) return false;
    const auto found = std::ranges::find_if(*grants, of_id);
    return (*found)["state"] == state && (*found)["views"] == views && (*found)["version"] == entry->grant->version;
  }));
}

}  // namespace distri::test
