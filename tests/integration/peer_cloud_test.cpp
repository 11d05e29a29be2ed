// Records of peers in the cloud: written and read by users of a node with keys, which lets nobody write another's.
#include "distri/peer/cloud_records.hpp"

#include <cstring>
#include <future>

#include "keyed_node.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;

// A user of the node, with what peers need.
struct Peer {
  SigningKey key = SigningKey::generate();
  std::unique_ptr<client::Client> client;
  std::unique_ptr<CloudRecords> cloud;

  Peer(const KeyedNode& node, std::string_view name) {
    node.ask_owner("CreateUser",
                   {{"name", name},
                    {"key", key.public_key().hex()},
                    {"grants",
                     {{{"roles", {"write"}},
                       {"collections", {"users", "catalog", "requests", "grants", "viewkeys", "receipts"}}}}}});
    client::ClientOptions options;
    options.tls = take(net::Tls::with_key(key));
    options.cluster = node.cluster();
    client = std::make_unique<client::Client>(std::vector<Address>{node.address()}, options);
    cloud = std::make_unique<CloudRecords>(*client, client::CallOptions());
    REQUIRE(cloud->prepare().has_value());
  }
  PublicKey id() const { return key.public_key(); }
};

struct Scene {
  KeyedNode node;
  Peer ana{node, "ana"};
  Peer ben{node, "ben"};

  Request request(std::uint64_t number, std::uint32_t views, std::uint64_t version = 1, bool withdrawn = false) const {
    Request made;
    made.id = make_grant_id(ben.id(), number);
    made.to = ana.id();
    made.resource = "dune.png";
    made.views = views;
    made.made_ms = kNow;
    made.version = version;
    made.withdrawn = withdrawn;
    return sign(std::move(made), ben.key);
  }
  ViewKey view_key(std::uint32_t serial) const {
    ViewKey fields;
    fields.grant = make_grant_id(ben.id(), 1);
    fields.serial = serial;
    fields.to = ben.id();
    return take(make_view_key(std::move(fields), SecretBytes(Bytes(kImageKeyBytes, 'k')), ana.key));
  }
};

RequestId request_id(std::uint64_t number) {
  RequestId id;
  std::memcpy(id.bytes.data(), &number, sizeof number);
  return id;
}

void check_denied(const Error& error) {
  CHECK(error.code == Code::kPermissionDenied);
  CHECK_MESSAGE(error.message.find("may write only own documents") != std::string::npos, error.message);
}

}  // namespace

TEST_CASE("What counts more replaces what counts less, whichever comes last") {
  const Scene scene;
  CloudRecords& cloud = *scene.ben.cloud;
  CHECK(take(cloud.put(scene.request(1, 3, 2))));
  CHECK(!take(cloud.put(scene.request(1, 5, 1))));
  CHECK(!take(cloud.put(scene.request(1, 3, 2))));
  CHECK(take(cloud.put(scene.request(1, 4, 3))));
  const auto read = take(scene.ana.cloud->requests_to(scene.ana.id()));
  REQUIRE(read.records.size() == 1);
  CHECK(read.records[0] == scene.request(1, 4, 3));
  // Withdrawing is for good.
  CHECK(take(cloud.put(scene.request(1, 3, 2, true))));
  CHECK(!take(cloud.put(scene.request(1, 9, 9))));
  CHECK(!take(cloud.put(scene.request(1, 3, 2, true))));
  CHECK(take(cloud.requests_of(scene.ben.id())).records[0].withdrawn);
  User user{.owner = {}, .name = "ben", .addresses = {{"10.0.0.1", 7}}, .version = 1, .signature = {}};
  CHECK(take(cloud.put(sign(user, scene.ben.key))));
  CHECK(!take(cloud.put(sign(user, scene.ben.key))));
  user.version = 2;
  CHECK(take(cloud.put(sign(user, scene.ben.key))));
  CHECK(take(scene.ana.cloud->users()).records.size() == 1);
  CatalogEntry entry;
  entry.name = "dune.png";
  entry.kind = "png";
  entry.bytes = 7;
  CHECK(take(scene.ana.cloud->put(sign(entry, scene.ana.key))));
  CHECK(take(cloud.catalog(scene.ana.id())).records.size() == 1);
  CHECK(take(cloud.catalog(std::nullopt, "du")).records.size() == 1);
  CHECK(take(cloud.catalog(std::nullopt, "x")).records.empty());
  CHECK(take(cloud.catalog(scene.ben.id())).records.empty());
  CHECK(scene.ana.cloud->prepare().has_value());
}

TEST_CASE("A node lets nobody write or remove what is another user's, and takers only take") {
  const Scene scene;
  const Request request = scene.request(1, 3);
  check_denied(scene.ana.cloud->put(request).error());
  CHECK(take(scene.ben.cloud->put(request)));
  check_denied(scene.ben.cloud->place(scene.view_key(1)).error());
  CHECK(take(scene.ana.cloud->place(scene.view_key(1))));
  CHECK(!take(scene.ana.cloud->place(scene.view_key(1))));
  const auto refused =
      scene.ben.client->update_document("viewkeys", {{"_id", document_id(scene.view_key(1))}, {"serial", 7}});
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::kPermissionDenied);
  CHECK(scene.ana.client->delete_documents("requests", json(), true).error().code == Code::kPermissionDenied);
  // Two of the viewer's devices: one gets it.
  const auto there = take(scene.ben.cloud->view_keys(scene.ana.id(), make_grant_id(scene.ben.id(), 1)));
  REQUIRE(there.records.size() == 1);
  CloudRecords second(*scene.ben.client, {});
  CHECK(take(scene.ben.cloud->take(there.records[0], request_id(1))));
  CHECK(!take(second.take(there.records[0], request_id(2))));
  CHECK(take(second.take(there.records[0], request_id(1))));  // the first one again
  const GrantId id = there.records[0].grant;
  CHECK(!take(scene.ana.cloud->take_back(scene.ana.id(), {{id, 1}, request_id(3)})));
  CHECK(take(scene.ana.cloud->place(scene.view_key(2))));
  CHECK(take(scene.ana.cloud->take_back(scene.ana.id(), {{id, 2}, request_id(4)})));
  CHECK(take(scene.ana.cloud->take_back(scene.ana.id(), {{id, 2}, request_id(4)})));
  CHECK(!take(scene.ana.cloud->take_back(scene.ana.id(), {{id, 2}, request_id(5)})));
  // A box that was put in its place is not the one that was taken.
  ViewKey other = scene.view_key(4);
  CHECK(take(scene.ana.cloud->place(scene.view_key(4))));
  CHECK(!take(scene.ben.cloud->take(other, request_id(6))));
}

TEST_CASE("Of many who take a view key at once exactly one gets it") {
  const Scene scene;
  for (std::uint32_t serial = 1; serial <= 5; ++serial) {
    CHECK(take(scene.ana.cloud->place(scene.view_key(serial))));
    const ViewKey key =
        take(scene.ben.cloud->view_keys(scene.ana.id(), make_grant_id(scene.ben.id(), 1))).records.at(0);
    std::vector<std::future<Result<bool>>> tries;
    for (int i = 0; i < 8; ++i) {
      tries.push_back(std::async(std::launch::async, [&, i] {
        CloudRecords device(*scene.ben.client, {});
        return device.take(key, request_id(100 * serial + static_cast<std::uint64_t>(i)));
      }));
    }
    int got = 0;
    for (auto& each : tries) got += take(each.get()) ? 1 : 0;
    CHECK(got == 1);
  }
}

TEST_CASE("What is forged, edited or of another program is refused with its reason, and the rest is read") {
  const Scene scene;
  CHECK(take(scene.ben.cloud->put(scene.request(1, 3))));
  auto owner = scene.node.owner();
  // An administrator can write anything: the signature tells.
  const std::string id = scene.ben.id().hex() + ":" + make_grant_id(scene.ben.id(), 1).hex();
  REQUIRE(owner.update_document("requests", {{"_id", id}, {"views", 7}}).has_value());
  REQUIRE(owner.add_document("requests", {{"to", scene.ana.id().hex()}, {"note", "hello"}}).has_value());
  CHECK(take(scene.ben.cloud->put(scene.request(2, 1))));
  const auto read = take(scene.ana.cloud->requests_to(scene.ana.id()));
  REQUIRE(read.records.size() == 1);
  CHECK(read.records[0] == scene.request(2, 1));
  REQUIRE(read.refused.size() == 2);
  int signatures = 0;
  for (const Error& error : read.refused) signatures += error.code == Code::kUnauthenticated ? 1 : 0;
  CHECK(signatures == 1);
}

TEST_CASE("Receipts are written once, and withdrawn by who wrote them, for good; many records come in pages") {
  const Scene scene;
  Receipt receipt;
  receipt.grant = make_grant_id(scene.ben.id(), 1);
  receipt.device.bytes[0] = 1;
  receipt.to = scene.ana.id();
  receipt.at_ms = kNow;
  receipt = sign(std::move(receipt), scene.ben.key);
  CHECK(take(scene.ben.cloud->put(receipt)));
  CHECK(!take(scene.ben.cloud->put(receipt)));
  CHECK(take(scene.ana.cloud->receipts_to(scene.ana.id())).records == std::vector<Receipt>{receipt});
  const Receipt plain = receipt;
  receipt.withdrawn = true;
  receipt = sign(std::move(receipt), scene.ben.key);
  CHECK(scene.ana.cloud->put(receipt).error().code == Code::kPermissionDenied);
  CHECK(take(scene.ben.cloud->put(receipt)));
  CHECK(!take(scene.ben.cloud->put(receipt)));
  CHECK(!take(scene.ben.cloud->put(plain)));
  CHECK(take(scene.ana.cloud->receipts_to(scene.ana.id())).records == std::vector<Receipt>{receipt});
  // Also where the one that it withdraws is not, or not yet.
  receipt.serial = 2;
  receipt = sign(std::move(receipt), scene.ben.key);
  CHECK(take(scene.ben.cloud->put(receipt)));
  for (std::uint64_t number = 0; number < 1'100; ++number) CHECK(take(scene.ben.cloud->put(scene.request(number, 1))));
  CHECK(take(scene.ana.cloud->requests_to(scene.ana.id())).records.size() == 1'100);
}
