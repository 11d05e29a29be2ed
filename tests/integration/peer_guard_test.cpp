// What a peer holds against: strangers, files that change, a second device of its user, pictures that are lost and
// disks that fail.
#include <optional>
#include <set>

#include "disk_faults.hpp"
#include "distri/net/sha256.hpp"
#include "distri/peer/cloud_records.hpp"
#include "distri/peer/direct_client.hpp"
#include "distri/peer/limits.hpp"
#include "pair_scene.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using Scene = PairScene;
using Why = NotViewed::Why;
using State = Holding::State;

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
  CHECK(comes_true([&] { return offered("sea.png") == net::sha256(sea); }));
  write_file(ana.pictures() / "notes.txt", "no image");
  CHECK(comes_true([&] {
    return std::ranges::any_of(ana->left_out(), [](const auto& each) { return each.first == "notes.txt"; });
  }));
  const Sent sent = take(ben->request_resource("ana", "sea.png", 1));
  REQUIRE(ana.has_to_answer(sent.id));
  write_file(ana.pictures() / "sea.png", lake);
  CHECK(comes_true([&] { return offered("sea.png") == net::sha256(lake); }));
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
  CHECK(take(cloud.put(sign(std::move(again), ben.key()))));
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

TEST_CASE("What has ended is put away by both, for good, whatever the cloud still has of it") {
  Scene scene(1);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const GrantId granted = scene.granted(3, 3);
  const Sent refused = take(ben->request_resource("ana", "dune.png", 1));
  const Sent waiting = take(ben->request_resource("ana", "dune.png", 1));
  REQUIRE(ana.has_to_answer(waiting.id));
  take(ana->grant_resource(refused.id, 0));
  CHECK(ben->forget(granted).error().code == Code::kUnavailable);
  CHECK(ana->forget(granted).error().code == Code::kUnavailable);
  CHECK(ben->forget(waiting.id).error().code == Code::kUnavailable);
  CHECK(ana->forget(waiting.id).error().code == Code::kUnavailable);
  CHECK(ben->forget(GrantId()).error().code == Code::kNotFound);
  take(ana->revoke(granted));
  REQUIRE(ben.hears(granted, State::kRevoked));
  REQUIRE(ben.hears(refused.id, State::kRefused));
  // Not before all was told: a key of it may lie in the cloud, and the cloud may have an older answer.
  const auto forgets = [&](Agent& agent, const GrantId& id) {
    return comes_true([&] {
      const auto forgotten = agent->forget(id);
      if (!forgotten) CHECK(forgotten.error().code == Code::kUnavailable);
      return forgotten.has_value();
    });
  };
  for (const GrantId& id : {granted, refused.id}) {
    REQUIRE(forgets(ben, id));
    REQUIRE(forgets(ana, id));
  }
  take(ben->withdraw(waiting.id));
  REQUIRE(comes_true([&] { return ana->pending_approvals().empty(); }));
  REQUIRE(forgets(ben, waiting.id));
  REQUIRE(forgets(ana, waiting.id));
  // Their records are still in the cloud, and are compared with the books at each start.
  for (int i = 0; i < 2; ++i) {
    for (Agent* each : {&ana, &ben}) {
      const auto compared = (*each)->standing().rounds + 2;
      (*each)->refresh();
      CHECK(comes_true([&] { return (*each)->standing().rounds >= compared && (*each)->standing().cloud_read; }));
      CHECK((*each)->inbox().empty());
      CHECK((*each)->pending_approvals().empty());
      CHECK((*each)->standing().untold == 0);
    }
    CHECK(ben->access_grant(granted).error().why == Why::kNotAsked);
    ana.off();
    ben.off();
    ana.on();
    ana.publish();
    ben.on();
    REQUIRE(ben.knows(ana));
  }
  // An old record that somebody plays again comes to nothing.
  client::ClientOptions options;
  options.tls = take(net::Tls::with_key(ben.key()));
  options.cluster = node.cluster();
  client::Client client({node.address()}, options);
  CloudRecords cloud(client, {});
  const auto requests = take(cloud.requests_of(ben.id())).records;
  CHECK(requests.size() == 3);
  DirectClientOptions link;
  link.bson = true;
  const auto as_ben = take(DirectClient::create(ben.key(), link));
  for (const Request& each : requests) {
    const auto answer = as_ben->call({ana.id(), {ana->address()}}, "PeerRequest", nullptr, to_document(each).bytes());
    REQUIRE(answer.has_value());
    CHECK(answer->empty());
  }
  CHECK(ana->pending_approvals().empty());
  CHECK(ana->shared().empty());
  // A new one is none of the old ones.
  const GrantId fresh = scene.granted(1, 1);
  CHECK(ben->access_grant(fresh).has_value());
  CHECK(ana.troubles() == "");
  CHECK(ben.troubles() == "");
}

TEST_CASE("While a book cannot be written nothing is said that is not in it; then all goes on, and no view is lost") {
  Scene scene(0);
  auto& [directory, node, ana, ben, dune, escrow] = scene;
  const GrantId id = scene.granted(3, 3);
  const auto break_books = [](std::optional<FaultyDisk>& disk, const Agent& agent) {
    disk.emplace(DiskFault::kSyncBroken, std::filesystem::canonical(agent.data() / "books").string());
  };
  std::optional<FaultyDisk> disk;
  REQUIRE(ben->access_grant(id).has_value());
  break_books(disk, ana);
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
  disk.reset();
  // What was decided is kept and told now: the keeper tries again.
  REQUIRE(ben.hears(id, State::kRevoked));
  ana.off();
  ana.on();
  ana.publish();
  REQUIRE(ana.has_to_answer(sent.id));
  REQUIRE(ben.knows(ana));
  take(ana->grant_resource(sent.id, 2));
  REQUIRE(ben.has_picture(sent.id));
  break_books(disk, ana);
  CHECK(!ben->access_grant(sent.id).has_value());
  disk.reset();
  CHECK(ben->access_grant(sent.id).has_value());
  // The viewer's own book: nothing is asked, and nothing is shown.
  break_books(disk, ben);
  CHECK(ben->access_grant(sent.id).error().error.code == Code::kStorageFailed);
  CHECK(ben->request_resource("ana", "dune.png", 1).error().code == Code::kStorageFailed);
  CHECK(ana.shares(sent.id).remaining == 1);
  CHECK(ana->pending_approvals().empty());
  disk.reset();
  CHECK(ben->access_grant(sent.id).has_value());
  CHECK(ben->access_grant(sent.id).error().why == Why::kUsedUp);
}
