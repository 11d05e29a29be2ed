// What a peer answers, whom it refuses, and that nobody can make it hang, grow or end.
#include "direct_rig.hpp"

using namespace distri;
using namespace distri::peer;

namespace {

// What one call without retries is told.
Error refusal(const Address& to, client::ClientOptions options) {
  options.discover = false;
  client::Client client({to}, options);
  client::CallOptions once;
  once.attempts_max = 1;
  const auto answer = client.send_data("x", "Echo", once);
  REQUIRE_FALSE(answer);
  return answer.error();
}

}  // namespace

TEST_CASE("A handler gets the caller's key, the parameters and the body, and its answer or error goes back") {
  DirectRequest seen;
  TestPeer peer(2, {{"Ask",
                     [&](const DirectRequest& request, const Responder& to) {
                       seen = request;
                       to.reply("answer to " + request.body);
                     }},
                    {"Refuse", [](const DirectRequest&, const Responder& to) {
                       to.fail({Code::kPermissionDenied, "this is not yours"});
                     }}});
  const auto client = caller(1);
  CHECK(client->call(peer.at(), "Ask", {{"n", 7}}, "body") == Bytes("answer to body"));
  CHECK(seen.caller == key_number(1).public_key());
  CHECK(seen.service == "Ask");
  CHECK(seen.params == R"({"n":7})");
  CHECK_FALSE(seen.bson);

  const auto refused = client->call(peer.at(), "Refuse");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kPermissionDenied);
  CHECK(contains(refused.error().message, "this is not yours"));
  CHECK(comes_true([&] { return peer.server().counters().requests == 0; }));
  CHECK(peer.server().counters().answered == 1);
}

TEST_CASE("Long bodies and long answers go through whole") {
  TestPeer peer(2, {{"Echo", [](const DirectRequest& request, const Responder& to) { to.reply(request.body); }}});
  const auto client = caller();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{64u << 10}, std::size_t{1u << 20}}) {
    const Bytes body = random_bytes(size);
    CHECK((client->call(peer.at(), "Echo", nullptr, body) == body));
  }
}

TEST_CASE("A handler that throws, gives no answer or fails with ok is an internal error; the first answer counts") {
  TestPeer peer(2, {{"Throw", [](const DirectRequest&, const Responder&) { throw std::runtime_error("out of luck"); }},
                    {"Forget", [](const DirectRequest&, const Responder&) {}},
                    {"Ok", [](const DirectRequest&, const Responder& to) { to.fail({Code::kOk, ""}); }},
                    {"Null", [](const DirectRequest&, const Responder& to) { to.stream(nullptr); }},
                    {"Twice", [](const DirectRequest&, const Responder& to) {
                       to.reply("first");
                       to.fail({Code::kBusy, "second"});
                       to.reply("third");
                     }}});
  const auto client = caller();
  for (const char* const service : {"Throw", "Forget", "Ok", "Null"}) {
    const auto answer = client->call(peer.at(), service);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::kInternal);
  }
  CHECK(contains(client->call(peer.at(), "Throw").error().message, "out of luck"));
  CHECK(client->call(peer.at(), "Twice") == Bytes("first"));
}

TEST_CASE("An answer may come from another thread, later, and after the server is gone") {
  std::vector<Responder> kept;
  std::mutex mutex;
  const auto keep = [&](const DirectRequest&, const Responder& to) {
    const std::lock_guard lock(mutex);
    kept.push_back(to);
  };
  auto peer = std::make_unique<TestPeer>(2, std::vector<Served>{{"Later", keep}});
  const auto client = caller();
  const PeerAt at = peer->at();
  auto answer = std::async(std::launch::async, [&] { return client->call(at, "Later"); });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(mutex);
    return kept.size() == 1;
  }));
  kept[0].reply("now");
  CHECK(answer.get() == Bytes("now"));

  auto lost = std::async(std::launch::async, [&] { return client->call(at, "Later", nullptr, {}, 3'000); });
  REQUIRE(comes_true([&] {
    const std::lock_guard lock(mutex);
    return kept.size() == 2;
  }));
  CHECK_FALSE(kept[1].cancelled());
  peer.reset();
  CHECK(kept[1].cancelled());
  kept[1].reply("too late");
  kept.clear();
  CHECK_FALSE(lost.get());
}

TEST_CASE("Who shows no key, speaks in the clear or says it is a node is told why it is refused") {
  TestPeer peer(2, {{"Echo", answering("x")}});
  client::ClientOptions keyless;
  keyless.tls = net::Tls::without_key().value();
  const Error no_key = refusal(peer.server().address(), keyless);
  CHECK(no_key.code == Code::kUnauthenticated);
  CHECK(contains(no_key.message, "give the link a key"));

  const Error clear = refusal(peer.server().address(), {});
  CHECK(clear.code == Code::kProtocolError);
  CHECK(contains(clear.message, "TLS"));

  RawCaller node(peer.server().address(), 3, wire::Role::kNode);
  node.run_until_closed();
  CHECK(contains(to_string(node.goodbye().value_or(*node.closed())), "not a node of a cloud"));
  CHECK(caller()->call(peer.at(), "Echo") == Bytes("x"));
}

TEST_CASE("A key that is not admitted hears the reason") {
  DirectServerOptions options;
  options.admit = [](const NodeId& key) -> Result<> {
    if (key == key_number(4).public_key()) return fail(Code::kPermissionDenied, "we do not talk to you any more");
    return {};
  };
  TestPeer peer(2, {{"Echo", answering("x")}}, options);
  CHECK(caller(3)->call(peer.at(), "Echo") == Bytes("x"));
  const auto refused = caller(4)->call(peer.at(), "Echo");
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "we do not talk to you any more"));
}

TEST_CASE("An unknown service and a body or parameters over their limit have errors that name them") {
  DirectServerOptions options;
  options.body_bytes_max = 1'000;
  options.bodies_bytes_max = 1'500;
  Gate gate;
  TestPeer peer(2,
                {{"Echo", answering("x")},
                 {"Wait",
                  [&](const DirectRequest&, const Responder& to) {
                    gate.wait(to);
                    to.reply("x");
                  }}},
                options);
  const auto client = caller();
  const auto unknown = client->call(peer.at(), "Nonsense");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == Code::kUnknownService);
  CHECK(contains(unknown.error().message, "'Nonsense'"));

  CHECK(client->call(peer.at(), "Echo", nullptr, Bytes(1'000, 'b')));
  for (const std::size_t size : {std::size_t{1'001}, std::size_t{5u << 20}}) {
    const auto large = client->call(peer.at(), "Echo", nullptr, Bytes(size, 'b'));
    REQUIRE_FALSE(large);
    CHECK(large.error().code == Code::kTooLarge);
    CHECK(contains(large.error().message, "body_bytes_max"));
  }
  const auto params = client->call(peer.at(), "Echo", {{"p", Bytes(70'000, 'p')}});
  REQUIRE_FALSE(params);
  CHECK(params.error().code == Code::kTooLarge);

  auto first =
      std::async(std::launch::async, [&] { return client->call(peer.at(), "Wait", nullptr, Bytes(900, 'b')); });
  REQUIRE(comes_true([&] { return gate.waiting() == 1; }));
  const auto second = client->call(peer.at(), "Echo", nullptr, Bytes(900, 'b'));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Code::kBusy);
  CHECK(contains(second.error().message, "bodies_bytes_max"));
  gate.open();
  CHECK(first.get());
  CHECK(comes_true([&] { return client->call(peer.at(), "Echo", nullptr, Bytes(900, 'b')).has_value(); }));
}

TEST_CASE("When workers and queue are full a request is busy at once, and the others are answered") {
  Gate gate;
  DirectServerOptions options;
  options.workers = 1;
  options.queue_max = 2;
  options.requests_max = 5;
  TestPeer peer(2,
                {{"Wait",
                  [&](const DirectRequest&, const Responder& to) {
                    gate.wait(to);
                    to.reply("done");
                  }},
                 {"Keep", [&, kept = std::make_shared<std::vector<Responder>>()](
                              const DirectRequest&, const Responder& to) { kept->push_back(to); }}},
                options);
  const auto client = caller();
  std::vector<std::future<Result<Bytes>>> answers;
  const auto ask = [&](const char* service) {
    const std::size_t before = peer.server().counters().requests;
    answers.push_back(std::async(std::launch::async, [&, service] { return client->call(peer.at(), service); }));
    REQUIRE(comes_true([&] { return peer.server().counters().requests == before + 1; }));
  };
  ask("Wait");
  REQUIRE(comes_true([&] { return gate.waiting() == 1; }));
  ask("Wait");
  ask("Wait");
  const auto busy = client->call(peer.at(), "Wait");
  REQUIRE_FALSE(busy);
  CHECK(busy.error().code == Code::kBusy);
  CHECK(contains(busy.error().message, "queue_max"));
  CHECK(peer.server().counters().refused > 0);
  gate.open();
  for (auto& answer : answers) CHECK(answer.get() == Bytes("done"));
  answers.clear();

  for (int i = 0; i < 5; ++i) ask("Keep");
  const auto full = client->call(peer.at(), "Wait");
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Code::kBusy);
  CHECK(contains(full.error().message, "requests_max"));
  peer.server().stop();
  for (auto& answer : answers) CHECK_FALSE(answer.get());
}

TEST_CASE("Connections are limited in all and for one key, and who says nothing is given up") {
  DirectServerOptions options;
  options.connections_max = 4;
  options.connections_per_caller_max = 2;
  options.hello_ms = 3'000;
  TestPeer peer(2, {{"Echo", answering("x")}}, options);
  const Address at = peer.server().address();
  RawCaller first(at, 3);
  first.greet();
  CHECK(first.greeted());
  RawCaller second(at, 3);
  second.greet();
  CHECK(second.greeted());
  RawCaller third(at, 3);
  third.run_until_closed();
  CHECK(contains(to_string(third.goodbye().value_or(*third.closed())), "connections_per_caller_max"));
  REQUIRE(comes_true([&] { return peer.server().counters().connections == 2; }));

  const int silent = connect_to(at.port), also_silent = connect_to(at.port);
  REQUIRE(comes_true([&] { return peer.server().counters().connections == 4; }));
  // Busy by the alert that closes the gate.
  RawCaller turned_away(at, 5);
  turned_away.run_until_closed();
  CHECK(turned_away.closed()->code == Code::kBusy);
  CHECK(comes_true([&] { return peer.server().counters().connections == 2; }));
  ::close(silent);
  ::close(also_silent);
  CHECK(caller(5)->call(peer.at(), "Echo") == Bytes("x"));
}

TEST_CASE("The oldest of too many that have not shown a key makes room") {
  DirectServerOptions options;
  options.strangers_max = 3;
  TestPeer peer(2, {{"Echo", answering("x")}}, options);
  std::vector<int> silent;
  for (int i = 0; i < 6; ++i) silent.push_back(connect_to(peer.server().address().port));
  CHECK(caller()->call(peer.at(), "Echo") == Bytes("x"));
  CHECK(comes_true([&] { return peer.server().counters().connections <= 4; }));
  for (const int each : silent) ::close(each);
}

TEST_CASE("A connection without requests is closed in the end") {
  DirectServerOptions options;
  options.idle_ms = 200;
  TestPeer peer(2, {{"Echo", answering("x")}}, options);
  RawCaller idle(peer.server().address(), 3);
  idle.greet();
  idle.run_until_closed();
  CHECK(contains(to_string(idle.goodbye().value_or(*idle.closed())), "idle_ms"));
  CHECK(comes_true([&] { return peer.server().counters().connections == 0; }));
  const auto client = caller();
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
  REQUIRE(comes_true([&] { return peer.server().counters().connections == 0; }));
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
}

TEST_CASE("Frames that break the protocol end their connection with the reason, and no other") {
  TestPeer peer(2, {{"Echo", answering("x")}});
  const auto client = caller();
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
  const Bytes huge("\xff\xff\xff\x7f\x02\0\0\0\1\0\0\0", 12);  // a request of 2 GiB
  const Bytes reply("\0\0\0\0\x03\1\0\0\1\0\0\0", 12);         // callers do not reply
  for (const Bytes& rubbish : {Bytes(64, '\xff'), huge, reply, random_bytes(4'096)}) {
    RawCaller rude(peer.server().address(), 3);
    rude.greet();
    rude.say(rubbish);
    rude.run_until_closed();
    REQUIRE(rude.goodbye());
    CHECK((rude.goodbye()->code == Code::kProtocolError || rude.goodbye()->code == Code::kTooLarge));
  }
  CHECK(client->call(peer.at(), "Echo") == Bytes("x"));
  CHECK(comes_true([&] { return peer.server().counters().connections == 1; }));
}

TEST_CASE("A request ends at its caller's deadline or the server's, and its handler can tell") {
  DirectServerOptions options;
  options.answer_ms_max = 2'000;
  std::atomic<int> cancelled{0};
  TestPeer peer(2,
                {{"Wait",
                  [&](const DirectRequest&, const Responder& to) {
                    Gate().wait(to);
                    ++cancelled;
                    to.reply("too late");
                  }}},
                options);
  const auto client = caller();
  const auto late = client->call(peer.at(), "Wait", nullptr, {}, 60'000);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::kDeadlineExceeded);
  CHECK(contains(late.error().message, "answer_ms_max"));
  const auto impatient = client->call(peer.at(), "Wait", nullptr, {}, 500);
  REQUIRE_FALSE(impatient);
  CHECK(impatient.error().code == Code::kDeadlineExceeded);
  CHECK(comes_true([&] { return cancelled == 2; }));
  CHECK(comes_true([&] { return peer.server().counters().requests == 0; }));
}

TEST_CASE("Many callers at once are all answered") {
  TestPeer peer(2, {{"Who", [](const DirectRequest& request, const Responder& to) {
                       to.reply(request.caller.hex() + request.body);
                     }}});
  constexpr int kCallers = 24;
  std::vector<std::future<int>> all;
  for (int i = 0; i < kCallers; ++i) {
    all.push_back(std::async(std::launch::async, [&, number = static_cast<unsigned char>(10 + i)] {
      const auto client = caller(number);
      const std::string own = key_number(number).public_key().hex();
      int right = 0;
      for (int n = 0; n < 20; ++n) {
        const std::string text = std::to_string(n);
        right += client->call(peer.at(), "Who", nullptr, text) == own + text ? 1 : 0;
      }
      return right;
    }));
  }
  for (auto& each : all) CHECK(each.get() == 20);
}

TEST_CASE("A server is told apart before, while and after it runs") {
  DirectServer server(key_number(2), {});
  CHECK_FALSE(server.serve("", answering("x")));
  CHECK_FALSE(server.serve(std::string(256, 's'), answering("x")));
  CHECK_FALSE(server.serve("Null", nullptr));
  CHECK(server.serve("Echo", answering("x")));
  CHECK(server.serve("Echo", answering("x")).error().code == Code::kAlreadyExists);
  CHECK(server.serve(std::string(kHereService), answering("x")).error().code == Code::kAlreadyExists);
  server.stop();
  REQUIRE(server.start());
  CHECK(server.start().error().code == Code::kInvalidArgument);
  CHECK(server.serve("Late", answering("x")).error().code == Code::kInvalidArgument);

  DirectServerOptions same;
  same.listen = server.address();
  DirectServer other(key_number(3), same);
  const auto taken = other.start();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == Code::kUnavailable);
  CHECK(contains(taken.error().message, "in use"));
  other.stop();

  server.stop();
  server.stop();
  CHECK(server.start().error().code == Code::kInvalidArgument);
}

TEST_CASE("Stopping ends what is under way: requests that wait, run, or are being answered") {
  Gate gate;
  DirectServerOptions options;
  options.workers = 1;
  auto peer = std::make_unique<TestPeer>(
      2, std::vector<Served>{{"Wait", [&](const DirectRequest&, const Responder& to) { gate.wait(to); }}}, options);
  const auto client = caller();
  const PeerAt at = peer->at();
  std::vector<std::future<Result<Bytes>>> answers;
  for (int i = 0; i < 4; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return client->call(at, "Wait", nullptr, {}, 3'000); }));
  }
  REQUIRE(comes_true([&] { return peer->server().counters().requests == 4; }));
  peer->server().stop();
  CHECK(gate.waiting() == 0);
  for (auto& answer : answers) {
    const auto ended = answer.get();
    REQUIRE_FALSE(ended);
    CHECK((ended.error().code == Code::kUnavailable || ended.error().code == Code::kConnectionLost));
  }
}
