// Peers that share images: real nodes, real links, real directories, in one process.
#include <set>

#include "distri/peer/cloud_records.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/limits.hpp"
#include "peer_scene.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Why = NotViewed::Why;
using State = Holding::State;

namespace {

// ana has dune.png, ben wants it; a cluster with keys.
struct Scene {
  TestDirectory directory;
  KeyedNode node;
  Agent ana{directory.path(), "ana", adjust()};
  Agent ben{directory.path(), "ben", adjust()};
  const Bytes dune = sample_image(1);

  explicit Scene(std::uint32_t escrow_views = 3) : escrow(escrow_views) {
    let_in(node, ana, "ana");
    let_in(node, ben, "ben");
    write_file(ana.pictures() / "dune.png", dune);
    ana.on();
    ana.publish();
    ben.on();
    REQUIRE(ben.knows(ana));
    REQUIRE(ana.knows(ben));
  }
  Agent::Adjust adjust() {
    return [this](PeerOptions& options) {
      options.nodes = {node.address()};
      options.client.cluster = node.cluster();
      options.escrow_views = escrow;
    };
  }
  GrantId granted(std::uint32_t asked, std::uint32_t views) {
    const Sent sent = take(ben->request_resource("ana", "dune.png", asked));
    REQUIRE(ana.has_to_answer(sent.id));
    take(ana->grant_resource(sent.id, views));
    REQUIRE(ben.hears(sent.id, State::kGranted));
    REQUIRE(ben.has_picture(sent.id));
    return sent.id;
  }
  // Views as ben until there is none; why.
  Why view_all(std::uint32_t& views) {
    for (;;) {
      const auto seen = ben->access_resource("ana", "dune.png");
      if (!seen) {
        INFO(seen.error().error.message);
        return seen.error().why;
      }
      CHECK(seen->image == dune);
      ++views;
    }
  }
  std::uint32_t escrow;
};

}  // namespace

TEST_CASE(
    "An image is offered, asked for, granted with fewer views, seen so often, and no more until they are raised") {
  Scene scene(0);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  REQUIRE(comes_true([&] { return take(ben->fetch_catalog()).offers.size() == 1; }));
  const Catalog catalog = take(ben->fetch_catalog({.peer = "ana", .name_prefix = "du", .kind = "png"}));
  REQUIRE(catalog.offers.size() == 1);
  CHECK(catalog.current);
  CHECK(catalog.offers[0].owner_name == "ana");
  CHECK(catalog.offers[0].entry.digest == blake2b_256(dune));
  CHECK(take(ben->fetch_catalog({.peer = {}, .name_prefix = "x", .kind = ""})).offers.empty());
  CHECK(ben->access_resource("ana", "dune.png").error().why == Why::kNotAsked);

  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  CHECK(sent.delivery == Delivery::kToldDirectly);
  REQUIRE(ana->pending_approvals().size() == 1);
  CHECK(ana->pending_approvals()[0].from == "ben");
  CHECK(ben->access_resource("ana", "dune.png").error().why == Why::kWaiting);
  CHECK(take(ana->grant_resource(sent.id, 2)) == Delivery::kToldDirectly);
  CHECK(ana->pending_approvals().empty());
  REQUIRE(ben.asked(sent.id)->state == State::kGranted);

  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 2);
  CHECK(ana.shares(sent.id).remaining == 0);
  take(ana->update_permission(sent.id, 3));
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 3);
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kViewed) == 3; }));
  CHECK(ana->grant_resource(sent.id, 1).error().code == Code::kAlreadyExists);

  take(ana->update_permission(sent.id, 9));
  take(ana->revoke(sent.id));
  CHECK(scene.view_all(views) == Why::kRevoked);
  const Sent second = take(ben->request_resource("ana", "dune.png", 5));
  take(ana->grant_resource(second.id, 0));
  CHECK(ben->access_grant(second.id).error().why == Why::kRefused);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("While the owner is away requests wait in the cloud, and views come from escrow until it is empty") {
  Scene scene(2);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  ana.off();
  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  CHECK(sent.delivery == Delivery::kWaitingInCloud);
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  ana.off();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  CHECK(take(ana->grant_resource(sent.id, 5)) == Delivery::kToldDirectly);
  REQUIRE(ben.has_picture(sent.id));
  REQUIRE(ana.has_in_escrow(sent.id, 2));
  ana.off();
  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kAway);
  CHECK(views == 2);
  // The owner learns of both, and fills the escrow again.
  ana.on();
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kEscrowUsed) == 2; }));
  REQUIRE(ana.has_in_escrow(sent.id, 2));
  CHECK(ana.shares(sent.id).remaining == 1);
  REQUIRE(ben.knows(ana));
  const auto online = ben->access_resource("ana", "dune.png");
  REQUIRE(online.has_value());
  CHECK(!online->from_escrow);
  // What lies in the cloud is to be had also while he is there.
  views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 2);
  ana.off();
  CHECK(scene.view_all(views) == Why::kUsedUp);
  // A withdrawal reaches him, too.
  CHECK(take(ben->withdraw(sent.id)) == Delivery::kWaitingInCloud);
  ana.on();
  CHECK(comes_true([&] { return ana->shared().empty(); }));
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kWithdrawn) == 1; }));
  CHECK(ana.count(PeerEvent::Kind::kDoubleUse) == 0);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("While the viewer is away answers wait in the cloud, whatever they are") {
  Scene scene(1);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const Sent first = take(ben->request_resource("ana", "dune.png", 1));
  const Sent second = take(ben->request_resource("ana", "dune.png", 2));
  REQUIRE(ana.has_to_answer(second.id));
  ben.off();
  CHECK(take(ana->grant_resource(first.id, 1)) == Delivery::kWaitingInCloud);
  CHECK(take(ana->grant_resource(second.id, 0)) == Delivery::kWaitingInCloud);
  ben.on();
  REQUIRE(ben.has_picture(first.id));
  REQUIRE(ben.hears(second.id, State::kRefused));
  ben.off();
  CHECK(take(ana->update_permission(first.id, 3)) == Delivery::kWaitingInCloud);
  ben.on();
  CHECK(comes_true([&] { return ben.asked(first.id)->grant->views == 3; }));
  std::uint32_t views = 0;
  CHECK(scene.view_all(views) == Why::kUsedUp);
  CHECK(views == 3);
  take(ana->update_permission(first.id, 4));
  ben.off();
  CHECK(take(ana->revoke(first.id)) == Delivery::kWaitingInCloud);
  ben.on();
  REQUIRE(ben.hears(first.id, State::kRevoked));
  CHECK(ben->access_grant(first.id).error().why == Why::kRevoked);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("Both are restarted after each step, and nothing is lost or given twice") {
  Scene scene(1);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const auto restart = [&] {
    ana.off();
    ben.off();
    ana.on();
    ana.publish();
    ben.on();
  };
  const Sent sent = take(ben->request_resource("ana", "dune.png", 5));
  restart();
  REQUIRE(ana.has_to_answer(sent.id));
  take(ana->grant_resource(sent.id, 4));
  restart();
  REQUIRE(ben.has_picture(sent.id));
  std::set<std::uint32_t> serials;
  for (int i = 0; i < 4; ++i) {
    // By whichever way there is one.
    std::optional<Viewed> seen;
    REQUIRE(comes_true([&] {
      auto viewed = ben->access_grant(sent.id);
      if (viewed) seen = *std::move(viewed);
      return seen.has_value();
    }));
    CHECK(seen->image == dune);
    CHECK(serials.insert(seen->serial).second);
    restart();
  }
  CHECK(comes_true([&] {
    const auto viewed = ben->access_grant(sent.id);
    REQUIRE(!viewed.has_value());
    return viewed.error().why == Why::kUsedUp;
  }));
  CHECK(ana.shares(sent.id).remaining == 0);
  take(ana->revoke(sent.id));
  restart();
  REQUIRE(ben.hears(sent.id, State::kRevoked));
  CHECK(ana->shared().empty());
  CHECK(ana.count(PeerEvent::Kind::kRequested) <= 1);
  CHECK(ana.count(PeerEvent::Kind::kDoubleUse) == 0);
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("Many who view at once get as many views as were granted, each with another serial") {
  Scene scene(2);
  constexpr std::uint32_t kViews = 7;
  const GrantId id = scene.granted(9, kViews);
  std::mutex mutex;
  std::multiset<std::uint32_t> serials;
  std::vector<std::thread> viewers;
  for (int i = 0; i < 4; ++i) {
    viewers.emplace_back([&] {
      for (;;) {
        const auto seen = scene.ben->access_grant(id);
        if (!seen) return;
        const std::lock_guard lock(mutex);
        CHECK(seen->image == scene.dune);
        serials.insert(seen->serial);
      }
    });
  }
  for (auto& each : viewers) each.join();
  // The last ones may still be on their way into escrow.
  CHECK(comes_true([&] {
    const auto seen = scene.ben->access_grant(id);
    if (seen) serials.insert(seen->serial);
    return serials.size() == kViews;
  }));
  CHECK(std::set(serials.begin(), serials.end()).size() == kViews);
  CHECK(scene.ben->access_grant(id).error().why == Why::kUsedUp);
  CHECK(scene.ana.count(PeerEvent::Kind::kDoubleUse) == 0);
}

TEST_CASE("Many requests and answers at once: each is answered once") {
  Scene scene(0);
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<GrantId> asked;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 3; ++n) {
        const Sent sent = take(scene.ben->request_resource("ana", "dune.png", 2));
        const std::lock_guard lock(mutex);
        asked.push_back(sent.id);
      }
    });
  }
  for (auto& each : threads) each.join();
  threads.clear();
  for (const GrantId& id : asked) REQUIRE(scene.ana.has_to_answer(id));
  std::atomic<int> granted = 0;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    threads.emplace_back([&, i] {
      for (const GrantId& id : asked) {
        const auto answered = scene.ana->grant_resource(id, i);
        granted += answered ? 1 : 0;
        if (!answered) CHECK(answered.error().code == Code::kAlreadyExists);
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(granted == static_cast<int>(asked.size()));
  for (const GrantId& id : asked) {
    REQUIRE(scene.ben.has_picture(id));
    const auto seen = scene.ben->access_grant(id);
    REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
    CHECK(seen->image == scene.dune);
  }
}

TEST_CASE("Without any node everything goes over direct links, and the cloud hears of it when nodes are there again") {
  TestDirectory directory;
  auto nodes = std::make_unique<Nodes>(2, directory.path());
  const auto adjust = [&](PeerOptions& options) {
    options.nodes = nodes->addresses();
    options.escrow_views = 1;
    options.cloud_ms = 500;
  };
  Agent ana(directory.path(), "ana", adjust);
  Agent ben(directory.path(), "ben", adjust);
  const Bytes dune = sample_image(1);
  write_file(ana.pictures() / "dune.png", dune);
  ana.on();
  ana.publish();
  ben.on();
  REQUIRE(ben.knows(ana));
  REQUIRE(ana.knows(ben));
  REQUIRE(comes_true([&] { return take(ben->fetch_catalog()).offers.size() == 1; }));
  // One node goes: nothing is noticed.
  nodes->stop(0);
  const Sent first = take(ben->request_resource("ana", "dune.png", 5));
  REQUIRE(ana.has_to_answer(first.id));
  take(ana->grant_resource(first.id, 5));
  REQUIRE(ben.has_picture(first.id));
  REQUIRE(ana.has_in_escrow(first.id, 1));
  REQUIRE(ben->access_grant(first.id).has_value());
  // Both go.
  nodes->stop(1);
  REQUIRE(comes_true(
      [&] { return ana.count(PeerEvent::Kind::kCloudAway) > 0 && ben.count(PeerEvent::Kind::kCloudAway) > 0; }));
  const Sent second = take(ben->request_resource("ana", "dune.png", 3));
  CHECK(second.delivery == Delivery::kToldDirectly);
  CHECK(!take(ben->fetch_catalog()).current);
  CHECK(take(ben->fetch_catalog()).offers.size() == 1);
  CHECK(take(ana->grant_resource(second.id, 2)) == Delivery::kToldDirectly);
  REQUIRE(ben.has_picture(second.id));
  for (int i = 0; i < 2; ++i) {
    const auto seen = ben->access_grant(second.id);
    REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
    CHECK(seen->image == dune);
  }
  CHECK(ben->access_grant(second.id).error().why != Why::kFailed);
  // Nobody is there: kept, over a restart as well.
  ana.off();
  const Sent third = take(ben->request_resource("ana", "dune.png", 1));
  CHECK(third.delivery == Delivery::kKeptHere);
  CHECK(ben->access_grant(second.id).error().why == Why::kAway);
  ben.off();
  ben.on();
  // Nodes and owner come back.
  nodes->start_again();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(third.id));
  take(ana->grant_resource(third.id, 1));
  REQUIRE(ben.hears(third.id, State::kGranted));
  client::Client reader(nodes->addresses());
  CHECK(comes_true([&] { return reader.count("grants").value_or(0) == 3; }));
  CHECK(comes_true([&] { return reader.count("requests").value_or(0) == 3; }));
}

TEST_CASE("Whoever is not meant gets nothing from the services of a peer, and the error says why") {
  Scene scene(0);
  const GrantId id = scene.granted(3, 3);
  const SigningKey eve = SigningKey::generate();
  DirectClientOptions options;
  options.bson = true;
  const auto as_eve = take(DirectClient::create(eve, options));
  const auto as_ben = take(DirectClient::create(scene.ben.key(), options));
  options.bson = false;
  const auto as_text = take(DirectClient::create(scene.ben.key(), options));
  const PeerAt ana{scene.ana.id(), {scene.ana->address()}};
  const PeerAt ben{scene.ben.id(), {scene.ben->address()}};
  const auto refused = [](const auto& answer, Code code, std::string_view words) {
    REQUIRE(!answer.has_value());
    CAPTURE(answer.error().message);
    CHECK(answer.error().code == code);
    CHECK(answer.error().message.contains(words));
  };
  const std::string view(32, 'a');
  refused(as_eve->call(ana, "PeerView", {{"grant", id.hex()}, {"view", view}}), Code::kPermissionDenied, "not yours");
  refused(as_ben->call(ana, "PeerView", {{"grant", id.hex()}}), Code::kInvalidArgument, "'view' is missing");
  refused(as_ben->call(ana, "PeerView", {{"grant", "x"}, {"view", view}}), Code::kInvalidArgument, "'grant'");
  refused(as_ben->call(ana, "PeerView", {{"grant", 7}, {"view", view}}), Code::kInvalidArgument, "'grant' is of type");
  refused(as_ben->call(ana, "PeerView", {{"grant", id.hex()}, {"view", std::string(32, '0')}}), Code::kInvalidArgument,
          "all zeros");
  refused(as_ben->call(ana, "PeerView", {{"grant", view}, {"view", view}}), Code::kNotFound, "none of that id");
  refused(as_text->call(ana, "PeerView", {{"grant", id.hex()}, {"view", view}}), Code::kInvalidArgument, "no BSON");
  const auto fetch = [&](DirectClient& client, const nlohmann::json& params) -> Result<Bytes> {
    DISTRI_TRY(const auto stream, client.open_stream(ana, "PeerFetch", params));
    return stream->read();
  };
  refused(fetch(*as_eve, {{"grant", id.hex()}, {"offset", 0}}), Code::kPermissionDenied, "not yours");
  refused(fetch(*as_ben, {{"grant", id.hex()}}), Code::kInvalidArgument, "'offset' is missing");
  refused(fetch(*as_ben, {{"grant", id.hex()}, {"offset", -1}}), Code::kInvalidArgument, "'offset'");
  refused(fetch(*as_ben, {{"grant", id.hex()}, {"offset", 1u << 30}}), Code::kInvalidArgument, "");
  refused(fetch(*as_ben, {{"grant", "../key"}, {"offset", 0}}), Code::kInvalidArgument, "'grant'");
  CHECK(fetch(*as_ben, {{"grant", id.hex()}, {"offset", 0}}).has_value());

  // A request in ben's name; and one that was edited.
  Request request;
  request.id = make_grant_id(scene.ben.id(), 9);
  request.to = scene.ana.id();
  request.resource = "dune.png";
  request = sign(std::move(request), scene.ben.key());
  refused(as_eve->call(ana, "PeerRequest", nullptr, to_document(request).bytes()), Code::kPermissionDenied,
          "bring your own");
  request.views = 99;
  refused(as_ben->call(ana, "PeerRequest", nullptr, to_document(request).bytes()), Code::kUnauthenticated, "request");
  refused(as_ben->call(ana, "PeerRequest", nullptr, "nonsense"), Code::kInvalidArgument, "no BSON document");
  refused(as_ben->call(ana, "PeerRequest", nullptr, Bytes(kRecordBytesMax + 1, 'x')), Code::kTooLarge, "at most");
  // A grant by eve for what ana was asked.
  Grant grant = *scene.ben.asked(id)->grant;
  grant.views = 1'000;
  grant.version = 7;
  refused(as_eve->call(ben, "PeerGrant", nullptr, to_document(grant).bytes()), Code::kUnauthenticated, "grant");
  grant = sign(std::move(grant), eve);
  refused(as_eve->call(ben, "PeerGrant", nullptr, to_document(grant).bytes()), Code::kPermissionDenied, "forged");
  grant.id = make_grant_id(scene.ben.id(), 1'234);
  grant = sign(std::move(grant), eve);
  refused(as_eve->call(ben, "PeerGrant", nullptr, to_document(grant).bytes()), Code::kNotFound, "no request");
  // Nothing of it has cost or changed anything.
  CHECK(scene.ana.shares(id).remaining == 3);
  CHECK(scene.ana->pending_approvals().empty());
  CHECK(scene.ben.asked(id)->grant->views == 3);
  // A view whose answer was lost is asked for again and costs one.
  const nlohmann::json ask = {{"grant", id.hex()}, {"view", view}};
  REQUIRE(as_ben->call(ana, "PeerView", ask).has_value());
  REQUIRE(as_ben->call(ana, "PeerView", ask).has_value());
  CHECK(scene.ana.shares(id).remaining == 2);
}

TEST_CASE("What appears in a published directory, changes or goes is offered, changed or gone, also over a restart") {
  Scene scene(0);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const auto offered = [&](std::string_view name) -> std::optional<Hash256> {
    for (const Offer& each : take(ben->fetch_catalog()).offers) {
      if (each.entry.name == name) return each.entry.digest;
    }
    return std::nullopt;
  };
  const Bytes sea = sample_image(2);
  const Bytes lake = sample_image(3);
  write_file(ana.pictures() / "sea.png", sea);
  CHECK(comes_true([&] { return offered("sea.png") == blake2b_256(sea); }));
  write_file(ana.pictures() / "notes.txt", "no image");
  CHECK(comes_true([&] {
    return std::ranges::any_of(ana->left_out(), [](const auto& each) { return each.first == "notes.txt"; });
  }));
  const Sent sent = take(ben->request_resource("ana", "sea.png", 1));
  REQUIRE(ana.has_to_answer(sent.id));
  write_file(ana.pictures() / "sea.png", lake);
  CHECK(comes_true([&] { return offered("sea.png") == blake2b_256(lake); }));
  // Granted is what is there then.
  take(ana->grant_resource(sent.id, 2));
  REQUIRE(ben.has_picture(sent.id));
  CHECK(ben->access_grant(sent.id)->image == lake);
  // A grant outlives its file.
  std::filesystem::remove(ana.pictures() / "sea.png");
  CHECK(comes_true([&] { return !offered("sea.png"); }));
  CHECK(ben->access_grant(sent.id)->image == lake);
  const Sent late = take(ben->request_resource("ana", "sea.png", 1));
  REQUIRE(ana.has_to_answer(late.id));
  CHECK(ana->grant_resource(late.id, 1).error().code == Code::kNotFound);
  CHECK(take(ana->grant_resource(late.id, 0)) == Delivery::kToldDirectly);
  // What goes while the owner is off.
  ana.off();
  std::filesystem::remove(ana.pictures() / "dune.png");
  write_file(ana.pictures() / "lake.png", lake);
  ana.on();
  ana.publish();
  CHECK(comes_true([&] { return !offered("dune.png") && offered("lake.png"); }));
  CHECK(ana->publish((ana.pictures() / "nowhere").string()).error().code == Code::kNotFound);
}

TEST_CASE("One peer has a data directory, for one key, which may be in it") {
  TestDirectory directory;
  Agent ana(directory.path(), "ana");
  ana.on();
  auto again = Peer::open(ana.options());
  REQUIRE(!again.has_value());
  CHECK(again.error().code == Code::kBusy);
  ana->stop();
  CHECK(ana->request_resource("nobody", "x.png", 1).error().code == Code::kUnavailable);
  CHECK(ana->inbox().empty());
  CHECK(take(Peer::open(ana.options()))->id() == ana.id());
  auto other = ana.options();
  other.key = SigningKey::generate();
  CHECK(Peer::open(std::move(other)).error().code == Code::kInvalidArgument);
  auto options = ana.options();
  options.key.reset();
  options.data_directory = (directory.path() / "own").string();
  const PublicKey made = take(Peer::open(std::move(options)))->id();
  options = ana.options();
  options.key.reset();
  options.data_directory = (directory.path() / "own").string();
  const auto peer = take(Peer::open(std::move(options)));
  CHECK(peer->id() == made);
  REQUIRE(peer->start().has_value());
  CHECK(peer->start().error().code == Code::kInvalidArgument);
  CHECK(peer->request_resource("nobody", "x.png", 1).error().code == Code::kNotFound);
  // A key that nobody knows yet will do, and is kept for when he comes.
  CHECK(take(peer->request_resource(ana.id().hex(), "x.png", 1)).delivery == Delivery::kKeptHere);
  CHECK(peer->request_resource(ana.id().hex(), "../x.png", 1).error().code == Code::kInvalidArgument);
  CHECK(peer->request_resource(ana.id().hex(), "x.png", 0).error().code == Code::kInvalidArgument);
  CHECK(peer->request_resource(made.hex(), "x.png", 1).error().code == Code::kInvalidArgument);
  CHECK(peer->grant_resource(GrantId(), 1).error().code == Code::kNotFound);
  CHECK(peer->revoke(GrantId()).error().code == Code::kNotFound);
  CHECK(peer->withdraw(GrantId()).error().code == Code::kNotFound);
  for (const std::string name : {"", "deadbeef", "a\nb"}) {
    options = ana.options();
    options.name = name;
    CHECK(Peer::open(std::move(options)).error().code == Code::kInvalidArgument);
  }
  options = ana.options();
  options.escrow_views = 65;
  CHECK(Peer::open(std::move(options)).error().message.contains("escrow_views"));
}

TEST_CASE("A user views on two devices what was granted to him, together so often; a key used on both is reported") {
  Scene scene(2);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const GrantId id = scene.granted(6, 6);
  REQUIRE(ana.has_in_escrow(id, 2));
  Agent phone(directory.path(), "phone", scene.adjust(), &ben);
  phone.on();
  REQUIRE(phone.has_picture(id));
  std::set<std::uint32_t> serials;
  const auto view = [&](Agent& device) {
    const auto seen = device->access_grant(id);
    REQUIRE_MESSAGE(seen.has_value(), seen.error().error.message);
    CHECK(seen->image == dune);
    CHECK(serials.insert(seen->serial).second);
    return *seen;
  };
  view(ben);
  view(phone);
  ana.off();
  const Viewed first = view(ben);
  CHECK(first.from_escrow);
  CHECK(view(phone).from_escrow);
  CHECK(ben->access_grant(id).error().why == Why::kAway);
  CHECK(phone->access_grant(id).error().why == Why::kAway);
  // As if both had taken the same one, on two sides of a partition.
  client::ClientOptions options;
  options.tls = take(net::Tls::with_key(ben.key()));
  options.cluster = node.cluster();
  client::Client client({node.address()}, options);
  CloudRecords cloud(client, {});
  const auto receipts = take(cloud.receipts_to(ana.id())).records;
  REQUIRE(receipts.size() == 2);
  Receipt again = receipts[0];
  again.device = receipts[1].device;
  CHECK(take(cloud.place(sign(std::move(again), ben.key()))));
  ana.on();
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kDoubleUse) == 1; }));
  CHECK(comes_true([&] { return ana.count(PeerEvent::Kind::kEscrowUsed) == 3; }));
  CHECK(ana.shares(id).used == 4);
  // What one device withdraws is withdrawn on the other.
  take(phone->withdraw(id));
  CHECK(ben.hears(id, State::kWithdrawn));
  CHECK(ben.troubles() == "");
  CHECK(phone.troubles() == "");
}

TEST_CASE("A picture that was lost or changed on the viewer's disk is fetched again before a view is spent") {
  Scene scene(0);
  const GrantId id = scene.granted(3, 3);
  const auto picture = scene.ben.data() / "received" / id.hex();
  REQUIRE(std::filesystem::exists(picture));
  std::uint64_t fetched = 0;
  const auto progress = [&](std::uint64_t bytes, std::uint64_t of) {
    CHECK(bytes <= of);
    fetched = bytes;
  };
  REQUIRE(scene.ben->access_grant(id, progress).has_value());
  CHECK(fetched == 0);
  std::filesystem::resize_file(picture, 100);
  REQUIRE(scene.ben->access_grant(id, progress).has_value());
  CHECK(fetched == std::filesystem::file_size(picture));
  // Without it and without its owner nothing is spent.
  std::filesystem::remove(picture);
  scene.ana.off();
  CHECK(scene.ben->access_grant(id).error().why == Why::kAway);
  scene.ana.on();
  REQUIRE(scene.ben.knows(scene.ana));
  CHECK(scene.ana.shares(id).remaining == 1);
  REQUIRE(scene.ben->access_grant(id).has_value());
  CHECK(scene.ben->access_grant(id).error().why == Why::kUsedUp);
  // What has ended goes from both disks, at the next start at the latest.
  take(scene.ana->revoke(id));
  REQUIRE(scene.ben.hears(id, State::kRevoked));
  CHECK(comes_true([&] { return !std::filesystem::exists(picture); }));
  scene.ana.off();
  scene.ana.on();
  CHECK(std::filesystem::is_empty(scene.ana.data() / "given"));
}

TEST_CASE("While a book cannot be written nothing is said that is not in it; then all goes on, and no view is lost") {
  Scene scene(0);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const GrantId id = scene.granted(3, 3);
  const auto lock = [](const Agent& agent, const std::string& book) {
    std::filesystem::rename(agent.data() / "books" / book, agent.data() / "books" / "away");
    std::ofstream(agent.data() / "books" / book) << "in the way";
  };
  const auto unlock = [](const Agent& agent, const std::string& book) {
    std::filesystem::remove(agent.data() / "books" / book);
    std::filesystem::rename(agent.data() / "books" / "away", agent.data() / "books" / book);
  };
  REQUIRE(ben->access_grant(id).has_value());
  lock(ana, "ledger");
  for (int i = 0; i < 3; ++i) {
    const auto seen = ben->access_grant(id);
    REQUIRE(!seen.has_value());
    CHECK(seen.error().why == Why::kAway);  // he cannot give: from escrow it would be had
    CHECK(seen.error().error.message.contains("could not be written"));
  }
  CHECK(ana->revoke(id).error().code == Code::kStorageFailed);
  const Sent sent = take(ben->request_resource("ana", "dune.png", 1));
  CHECK(sent.delivery == Delivery::kWaitingInCloud);
  CHECK(ben.asked(id)->state == State::kGranted);
  unlock(ana, "ledger");
  // What was decided is kept and told now: the keeper tries again.
  REQUIRE(ben.hears(id, State::kRevoked));
  ana.off();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  REQUIRE(ben.knows(ana));
  take(ana->grant_resource(sent.id, 2));
  REQUIRE(ben.has_picture(sent.id));
  lock(ana, "ledger");
  CHECK(!ben->access_grant(sent.id).has_value());
  unlock(ana, "ledger");
  CHECK(ben->access_grant(sent.id).has_value());
  // The viewer's own book: nothing is asked, and nothing is shown.
  lock(ben, "holdings");
  CHECK(ben->access_grant(sent.id).error().error.code == Code::kStorageFailed);
  CHECK(ben->request_resource("ana", "dune.png", 1).error().code == Code::kStorageFailed);
  CHECK(ana.shares(sent.id).remaining == 1);
  CHECK(ana->pending_approvals().empty());
  unlock(ben, "holdings");
  CHECK(ben->access_grant(sent.id).has_value());
  CHECK(ben->access_grant(sent.id).error().why == Why::kUsedUp);
}
