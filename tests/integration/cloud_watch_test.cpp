// What a CloudWatch tells of a real node, across lost connections, history that no node has any more, and nodes that
// have lost everything.
#include "distri/peer/cloud_watch.hpp"

#include "distri/peer/records.hpp"
#include "distri/utils/clock.hpp"
#include "keyed_node.hpp"
#include "relays.hpp"
#include "waiting.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::test;

namespace {

constexpr std::size_t kStreams = 5;

// A node without keys, in memory, whose log of writes is as short as it can be, behind a relay.
struct Stage {
  Relays relays{1};
  Address address{"127.0.0.1", 0};
  std::unique_ptr<cloud::CloudNode> node;
  std::thread thread;
  const SigningKey ana = SigningKey::generate();
  const SigningKey ben = SigningKey::generate();
  const SigningKey cem = SigningKey::generate();
  std::uint64_t numbers = 0;

  Stage() { start(); }
  ~Stage() { stop(); }
  void start() {
    cloud::NodeConfig config;
    config.listen = address;
    config.workers = 2;
    config.handle_signals = false;
    config.log_bytes_min = config.log_bytes_max = 32u << 10;
    node = std::make_unique<cloud::CloudNode>(config);
    REQUIRE(node->listen().has_value());
    address = node->address();
    relays.forward(0, address);
    thread = std::thread([this] { CHECK(node->run().has_value()); });
  }
  void stop() {
    node->stop();
    thread.join();
    node.reset();
  }
  client::Client direct() const { return client::Client({address}); }
  client::Client over_relay() const {
    client::ClientOptions options;
    options.discover = false;
    return client::Client({relays.address(0)}, options);
  }
  // One of ben's to `to`.
  Request write_request(const PublicKey& to) {
    Request request;
    request.id = make_grant_id(ben.public_key(), ++numbers);
    request.to = to;
    request.resource = "dune.png";
    request.views = 1;
    request.made_ms = 1;
    request = sign(std::move(request), ben);
    client::Client client = direct();
    client::CallOptions bson;
    bson.bson = true;
    take(client.call_encoded(to_document(request).bytes(), "AddDocument<requests>", {}, bson));
    return request;
  }
  // More than the log keeps.
  void write_much() {
    client::Client client = direct();
    for (int i = 0; i < 40; ++i) take(client.add_document("other", {{"text", std::string(8'000, 'x')}}));
  }
};

// What was told to ana.
struct Told {
  std::mutex mutex;
  std::vector<Request> requests;
  std::atomic<std::size_t> begins = 0;
  std::atomic<int> troubles = 0;

  CloudWatch::Listener listener() {
    return {.on_begin = [this] { ++begins; },
            .on_record =
                [this](std::string_view collection, bson::View record) {
                  CHECK(collection == kRequestsCollection);
                  const std::lock_guard lock(mutex);
                  requests.push_back(take(read_request(record)));
                },
            .on_trouble = [this](const Error&) { ++troubles; }};
  }
  // Exactly these, in this order.
  bool heard(const std::vector<Request>& expected) {
    return comes_true([&] {
      const std::lock_guard lock(mutex);
      return requests == expected;
    });
  }
};

constexpr CloudWatch::Times kTimes{.begin_ms = 500, .pause_ms = 10, .pause_ms_max = 100};

}  // namespace

TEST_CASE("Each record for the user is told once, over a lost connection as well, and nobody else's") {
  Stage stage;
  Told told;
  client::Client client = stage.over_relay();
  CloudWatch watch(client, stage.ana.public_key(), kTimes, told.listener());
  CHECK(!watch.telling());
  watch.start();
  REQUIRE(comes_true([&] { return watch.telling(); }));
  CHECK(told.begins == kStreams);
  std::vector<Request> expected;
  expected.push_back(stage.write_request(stage.ana.public_key()));
  static_cast<void>(stage.write_request(stage.cem.public_key()));
  REQUIRE(told.heard(expected));
  // Gone for a moment only: what was written meanwhile comes, and nothing again.
  stage.relays.cut(Relays::kAnybody, 0, Relays::Cut::kClosed);
  expected.push_back(stage.write_request(stage.ana.public_key()));
  stage.relays.mend(Relays::kAnybody, 0);
  expected.push_back(stage.write_request(stage.ana.public_key()));
  REQUIRE(told.heard(expected));
  CHECK(told.troubles == 0);
  watch.stop();
  CHECK(!watch.telling());
}

TEST_CASE("Where the node has no history any more the streams begin anew and say so") {
  Stage stage;
  Told told;
  client::Client client = stage.over_relay();
  CloudWatch::Times patient = kTimes;
  patient.begin_ms = 60'000;
  CloudWatch watch(client, stage.ana.public_key(), patient, told.listener());
  watch.start();
  REQUIRE(comes_true([&] { return watch.telling(); }));
  stage.relays.cut(Relays::kAnybody, 0, Relays::Cut::kClosed);
  REQUIRE(comes_true([&] { return !watch.telling(); }));
  static_cast<void>(stage.write_request(stage.ana.public_key()));  // nobody tells of this one: it is to be read
  stage.write_much();
  CHECK(told.begins == kStreams);
  stage.relays.mend(Relays::kAnybody, 0);
  REQUIRE(comes_true([&] { return watch.telling() && told.begins == 2 * kStreams; }));
  const Request next = stage.write_request(stage.ana.public_key());
  CHECK(told.heard({next}));
}

TEST_CASE("After a node was away for long, or has come back without anything, what is written from then on is told") {
  Stage stage;
  Told told;
  client::Client client = stage.over_relay();
  CloudWatch watch(client, stage.ana.public_key(), kTimes, told.listener());
  watch.start();
  REQUIRE(comes_true([&] { return watch.telling(); }));
  const Request first = stage.write_request(stage.ana.public_key());
  REQUIRE(told.heard({first}));
  stage.stop();
  stage.start();
  // What was told is lost with the node: the streams do not go on from there.
  REQUIRE(comes_true([&] { return watch.telling() && told.begins == 2 * kStreams; }));
  const Request second = stage.write_request(stage.ana.public_key());
  REQUIRE(told.heard({first, second}));
  // Longer than a stream waits for a node to tell again: it begins anew.
  const std::size_t begins = told.begins;
  stage.relays.cut(Relays::kAnybody, 0, Relays::Cut::kClosed);
  const SystemClock clock;
  const std::int64_t gone_ms = clock.monotonic_ms();
  REQUIRE(comes_true([&] { return !watch.telling() && clock.monotonic_ms() > gone_ms + 3 * kTimes.begin_ms; }));
  stage.relays.mend(Relays::kAnybody, 0);
  REQUIRE(comes_true([&] { return watch.telling() && told.begins >= begins + kStreams; }));
  const Request third = stage.write_request(stage.ana.public_key());
  CHECK(told.heard({first, second, third}));
}

TEST_CASE("Without a node nothing is told, and stopping does not wait for one") {
  Told told;
  client::Client client({{"127.0.0.1", 1}});
  CloudWatch watch(client, SigningKey::generate().public_key(), kTimes, told.listener());
  watch.start();
  CHECK(!watch.telling());
  watch.stop();
  watch.stop();
  CHECK(told.begins == 0);
  CHECK(told.troubles == 0);
}
