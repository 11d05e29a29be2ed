// Client against real nodes: three CloudNodes in this process, replicating to each other.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <set>
#include <thread>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"

using namespace distri;
using nlohmann::json;

namespace {

// Nodes that know each other by the addresses of those that listened before.
class Cluster {
 public:
  explicit Cluster(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      cloud::NodeConfig config;
      config.listen = {"127.0.0.1", 0};
      config.peers = addresses_;
      config.workers = 2;
      config.handle_signals = false;
      config.gossip_ms = 200;
      auto node = std::make_unique<cloud::CloudNode>(config);
      REQUIRE(node->register_service("Reverse",
                                     [](const cloud::ServiceRequest& request) -> Result<Bytes> {
                                       return Bytes(request.body.rbegin(), request.body.rend());
                                     })
                  .has_value());
      // Being slow is what this service is for: calls are in flight while a node stops. No test waits for the time
      // itself.
      REQUIRE(node->register_service("Sleep",
                                     [](const cloud::ServiceRequest& request) -> Result<Bytes> {
                                       std::this_thread::sleep_for(
                                           std::chrono::milliseconds(request.params.value("ms", 0)));
                                       return request.body;
                                     })
                  .has_value());
      REQUIRE(node->listen().has_value());
      addresses_.push_back(node->address());
      nodes_.push_back(std::move(node));
    }
    for (auto& node : nodes_) {
      threads_.emplace_back([&node] { CHECK(node->run().has_value()); });
    }
  }
  ~Cluster() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) stop(i);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Returns when the node has finished what it accepted.
  void stop(std::size_t i) {
    nodes_[i]->stop();
    if (threads_[i].joinable()) threads_[i].join();
  }
  const std::vector<Address>& addresses() const { return addresses_; }

 private:
  std::vector<Address> addresses_;
  std::vector<std::unique_ptr<cloud::CloudNode>> nodes_;
  std::vector<std::thread> threads_;
};

client::CallOptions at(const Address& node) {
  client::CallOptions options;
  options.only_node = node;
  return options;
}

// Asks again until the answer is there, with a deadline far beyond what replication takes.
template <class Condition>
bool eventually(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

template <class T>
T good(Result<T> result) {
  INFO((result ? "" : to_string(result.error())));
  REQUIRE(result.has_value());
  return *std::move(result);
}

}  // namespace

TEST_CASE("all nodes are learned from one") {
  Cluster cluster(3);
  client::Client client({cluster.addresses()[2]});
  const std::set<Address> expected(cluster.addresses().begin(), cluster.addresses().end());
  // Peers find each other within moments; until then a node names those it is in touch with.
  CHECK(eventually([&] {
    client::Client fresh({cluster.addresses()[2]});
    const auto nodes = good(fresh.nodes());
    return std::set<Address>(nodes.begin(), nodes.end()) == expected;
  }));
}

TEST_CASE("the calls of a collection work on real nodes, and a repeated one is executed once") {
  Cluster cluster(2);
  client::Client client({cluster.addresses()[0]});
  const auto photos = client.collection("photos");
  client::BulkOptions all;
  all.w = client::WriteConcern::all();
  std::vector<json> operations;
  for (int i = 0; i < 30; ++i) operations.push_back(client::insert_one({{"_id", i}, {"k", i % 3}, {"l", {i, i + 1}}}));
  CHECK(eventually([&] {
    client::Client fresh({cluster.addresses()[0]});
    return good(fresh.nodes()).size() == 2;
  }));
  CHECK(good(photos.bulk_write(operations, all)).inserted == 30);

  CHECK(good(photos.update_many({{"k", 1}}, {{"$set", {{"s.x", 1}}}, {"$push", {{"l", 100}}}})).modified == 10);
  CHECK(good(photos.update_one({{"l", 101}}, {{"$set", {{"l.$", 0}}}})).matched == 0);
  CHECK(good(photos.update_one({{"l", {{"$gte", 100}}}}, {{"$set", {{"l.$", 0}}}})).modified == 1);
  const auto found = good(photos.find({{"k", 1}}).sort({{"k", 1}, {"_id", -1}}).limit(2).project({{"s", 1}}).all());
  CHECK(json(found) == json::parse(R"([{"_id":28,"s":{"x":1}},{"_id":25,"s":{"x":1}}])"));
  CHECK(good(photos.distinct("k")) == std::vector<json>{0, 1, 2});
  CHECK(good(photos.find_one_and_delete({{"_id", 0}})).value()["k"] == 0);
  CHECK(good(photos.find().count()) == 29);

  client::UpdateOptions once;
  once.request_id = RequestId::from_view("0123456789abcdef");
  once.only_node = cluster.addresses()[0];
  for (int i = 0; i < 2; ++i) {
    CHECK(good(photos.update_one({{"_id", 5}}, {{"$inc", {{"n", 1}}}}, once)).modified == 1);
  }
  const auto there = at(cluster.addresses()[1]);
  CHECK(eventually([&] { return good(client.count("photos", {{"n", 1}}, there)) == 1; }));
  once.only_node = cluster.addresses()[1];
  once.timeout_ms = 5'000;
  const auto elsewhere = photos.update_one({{"_id", 5}}, {{"$inc", {{"n", 1}}}}, once);
  REQUIRE_FALSE(elsewhere.has_value());
  CHECK(elsewhere.error().code == Code::kIndeterminate);
  CHECK(good(client.count("photos", {{"n", 1}}, there)) == 1);
}

TEST_CASE("a validator made on one node holds on every node") {
  Cluster cluster(3);
  client::Client client({cluster.addresses()[0]});
  const json settings = json::parse(
      R"({"validator":{"$jsonSchema":{"required":["name"],"properties":{"age":{"bsonType":"int","minimum":0}}}}})");
  CHECK(good(client.create_collection("people", settings)));
  for (const auto& node : cluster.addresses()) {
    client::CallOptions options;
    options.only_node = node;
    client::WriteOptions here;
    here.only_node = node;
    CHECK(eventually([&] {
      const auto collections = good(client.list_collections(options));
      return collections.size() == 1 && collections[0].contains("options");
    }));
    CHECK(client.add_document("people", {{"name", "Ada"}, {"age", -1}}, here).error().message ==
          "DocumentValidationFailure (121): document failed validation: $jsonSchema: 'age' does not satisfy 'minimum'");
    CHECK(good(client.collection_stats("people", options))["count"] == 0);
  }
  CHECK(good(client.modify_collection("people", {{"validationLevel", "off"}})));
  CHECK(client.add_document("people", {{"name", "Ada"}, {"age", -1}}).has_value());
  CHECK(good(client.database_stats())["objects"] == 1);
}

TEST_CASE("every service of the database works, and is seen on every node") {
  Cluster cluster(3);
  client::Client client({cluster.addresses()[0]});
  CHECK(good(client.create_collection("photos")));
  for (int i = 0; i < 25; ++i) {
    good(client.add_document("photos", {{"name", "photo " + std::to_string(i)}, {"stars", i % 5}}));
  }
  const json id = good(client.add_document("photos", {{"_id", "mine"}, {"stars", 9}}));
  CHECK(id == "mine");

  for (const auto& node : cluster.addresses()) {
    CHECK(eventually([&] { return good(client.count("photos", nullptr, at(node))) == 26; }));
  }
  // One node from here on, where the next read is sure to see the last write.
  const auto here = at(cluster.addresses()[1]);
  const auto taken = client.add_document("photos", {{"_id", "mine"}}, here);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().code == Code::kAlreadyExists);
  CHECK_FALSE(good(client.create_collection("photos", here)));

  CHECK(good(client.update_document("photos", {{"_id", "mine"}, {"title", "dunes"}}, here))["inserted"] == false);
  CHECK(good(client.update_document("photos", {{"_id", "new"}, {"stars", 9}}, here))["inserted"] == true);
  auto best = good(client.read_collection("photos", {{"stars", {{"$gte", 9}}}}, {{"_id", 1}}, 0, here));
  REQUIRE(best.size() == 2);
  CHECK(best[0] == json{{"_id", "mine"}, {"stars", 9}, {"title", "dunes"}});
  CHECK(good(client.read_collection("photos", nullptr, {{"stars", -1}}, 7, here)).size() == 7);

  json query = {{"page_documents", 10}};
  std::size_t documents = 0;
  for (;;) {
    const json page = good(client.read_page("photos", query, here));
    documents += page["documents"].size();
    if (!page.contains("cursor")) break;
    query["cursor"] = page["cursor"];
  }
  CHECK(documents == 27);

  const auto collections = good(client.list_collections(here));
  REQUIRE(collections.size() == 1);
  CHECK(collections[0]["name"] == "photos");
  CHECK(collections[0]["documents"] == 27);

  const auto unfiltered = client.delete_documents("photos", json::object(), false, here);
  REQUIRE_FALSE(unfiltered.has_value());
  CHECK(unfiltered.error().code == Code::kInvalidArgument);
  CHECK(good(client.delete_documents("photos", {{"stars", {{"$lt", 9}}}}, false, here)) == 25);
  CHECK(good(client.delete_documents("photos", nullptr, true, here)) == 2);
  for (const auto& node : cluster.addresses()) {
    CHECK(eventually([&] { return good(client.count("photos", nullptr, at(node))) == 0; }));
  }
  CHECK(good(client.drop_collection("photos", here)));
  CHECK_FALSE(good(client.drop_collection("photos", here)));
}

TEST_CASE("documents travel as BSON when asked") {
  Cluster cluster(1);
  client::Client client(cluster.addresses());
  client::CallOptions options;
  options.bson = true;
  const json id = good(client.add_document("a", {{"n", 5}, {"when", {{"$date", 1'700'000'000'000}}}}, options));
  CHECK(id.contains("$oid"));
  const auto documents = good(client.read_collection("a", {{"n", 5}}, nullptr, 0, options));
  REQUIRE(documents.size() == 1);
  CHECK(documents[0]["_id"] == id);
  CHECK(good(client.count("a", nullptr, options)) == 1);
}

TEST_CASE("services of the user run on any node, streams of any length pass") {
  Cluster cluster(3);
  client::Client client(cluster.addresses());
  CHECK(good(client.send_data("abc", "Reverse")) == "cba");
  const auto unknown = client.send_data("abc", "Nonsense");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code == Code::kUnknownService);

  auto stream = good(client.open_stream("Echo", nullptr));
  const Bytes block(1u << 20, 'e');
  std::thread writer([&] {
    for (int i = 0; i < 32; ++i) CHECK(stream->write(block).has_value());
    CHECK(stream->finish().has_value());
  });
  std::size_t received = 0;
  for (;;) {
    const Bytes piece = good(stream->read());
    if (piece.empty()) break;
    received += piece.size();
  }
  writer.join();
  CHECK(received == 32 * block.size());
}

TEST_CASE("statistics come from every node and agree in their digests") {
  Cluster cluster(3);
  client::Client client(cluster.addresses());
  for (int i = 0; i < 10; ++i) good(client.add_document("a", {{"n", i}}));
  CHECK(eventually([&] {
    const auto stats = good(client.collect_stats());
    if (stats.size() != 3) return false;
    for (const auto& one : stats) {
      if (one.contains("error") || one["digest"] != stats[0]["digest"] || one["collections"].size() != 1) return false;
      if (one["collections"][0]["documents"] != 10) return false;
    }
    return true;
  }));
}

TEST_CASE("a node stops with calls in flight and nobody sees an error") {
  Cluster cluster(3);
  client::Client client(cluster.addresses());
  std::atomic<bool> stopped{false};
  std::vector<std::future<int>> writers;
  for (int w = 0; w < 8; ++w) {
    writers.push_back(std::async(std::launch::async, [&, w] {
      int added = 0;
      for (int after = 0; after < 50; ++added) {
        const auto id = client.add_document("a", {{"_id", std::to_string(w) + ":" + std::to_string(added)}});
        if (!id) {
          MESSAGE(to_string(id.error()));
          return -1;
        }
        if (stopped) ++after;
      }
      return added;
    }));
  }
  std::vector<std::future<Result<Bytes>>> sleepers;
  for (int i = 0; i < 12; ++i) sleepers.push_back(client.async_send_data_with_params("z", "Sleep", {{"ms", 100}}));
  REQUIRE(eventually([&] { return good(client.count("a")) > 100; }));
  cluster.stop(1);
  stopped = true;

  std::size_t added = 0;
  for (auto& writer : writers) {
    const int count = writer.get();
    REQUIRE(count > 0);
    added += static_cast<std::size_t>(count);
  }
  for (auto& sleeper : sleepers) CHECK(good(sleeper.get()) == "z");
  CHECK(eventually([&] { return good(client.count("a", nullptr, at(cluster.addresses()[0]))) == added; }));
  CHECK(eventually([&] { return good(client.count("a", nullptr, at(cluster.addresses()[2]))) == added; }));
}

TEST_CASE("hundreds of clients share a runtime, each with its own connections") {
  Cluster cluster(3);
  client::ClientOptions options;
  options.runtime = client::Runtime::create();
  std::vector<std::unique_ptr<client::Client>> clients;
  for (int i = 0; i < 300; ++i) clients.push_back(std::make_unique<client::Client>(cluster.addresses(), options));
  std::atomic<int> bad{0};
  std::vector<std::future<Result<Bytes>>> answers;
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) {
      client::CallOptions call;
      call.bson = false;
      answers.push_back(client->async_send_data(R"({"n":1})", "AddDocument<crowd>", call));
    }
  }
  for (auto& answer : answers) {
    if (!answer.get()) ++bad;
  }
  CHECK(bad == 0);
  for (const auto& node : cluster.addresses()) {
    CHECK(eventually([&] { return good(clients[0]->count("crowd", nullptr, at(node))) == 900; }));
  }
}

TEST_CASE("A change stream moves to another node when its own stops, and gives every change once") {
  Cluster cluster(3);
  client::Client client(cluster.addresses());
  // A client of its own writes, so that it does not matter where the stream is read.
  client::Client writer(cluster.addresses());
  client::WatchOptions options;
  options.filter = {{"operationType", "insert"}};
  auto changes = client.collection("letters").watch(options);
  REQUIRE_MESSAGE(changes.has_value(), (changes ? "" : changes.error().message));
  std::multiset<int> seen;
  const auto read_until = [&](std::size_t count) {
    while (seen.size() < count) {
      const auto event = changes->next(20'000);
      REQUIRE_MESSAGE(event.has_value(), (event ? "" : event.error().message));
      REQUIRE_MESSAGE(event->has_value(), changes->trouble());
      seen.insert((**event)["documentKey"]["_id"].get<int>());
    }
  };
  int next_id = 0;
  const auto write = [&](int count) {
    for (; count > 0; --count) {
      const auto added = writer.add_document("letters", {{"_id", next_id++}});
      REQUIRE_MESSAGE(added.has_value(), (added ? "" : added.error().message));
    }
  };
  write(50);
  read_until(30);
  cluster.stop(0);
  write(50);
  read_until(80);
  cluster.stop(1);
  read_until(100);
  CHECK(!changes->next(100)->has_value());
  for (int id = 0; id < 100; ++id) CHECK(seen.count(id) == 1);
}
