// support.hpp: small documents and small clusters for the tests of replication.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "distri/bson/compare.hpp"
#include "distri/replication/replica.hpp"

namespace distri::replication::test {

inline NodeId node_id(unsigned char number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}

inline ActorId actor_id(unsigned char number) {
  ActorId id;
  id.bytes.fill(number);
  return id;
}

// {_id: id, fields...}, all integers.
inline bson::Document doc(std::int32_t id, const std::vector<std::pair<std::string, std::int32_t>>& fields = {}) {
  bson::Builder builder;
  builder.append_int32("_id", id);
  for (const auto& [name, value] : fields) builder.append_int32(name, value);
  return std::move(builder).finish();
}

inline bson::Document fields_only(const std::vector<std::pair<std::string, std::int32_t>>& fields) {
  bson::Builder builder;
  for (const auto& [name, value] : fields) builder.append_int32(name, value);
  return std::move(builder).finish();
}

inline Bytes key_of(const bson::Document& document) {
  return bson::order_key(document.view().begin()->value);
}

inline std::string names_of(bson::View document) {
  std::string names;
  for (const bson::Element& element : document) names += (names.empty() ? "" : " ") + std::string(element.key);
  return names;
}

inline const db::Record* find(const Replica& replica, std::string_view collection, std::int32_t id) {
  const db::Collection* documents = replica.database().find(collection);
  return documents == nullptr ? nullptr : documents->find(key_of(doc(id)));
}

inline std::int32_t field(const Replica& replica, std::string_view collection, std::int32_t id, std::string_view name) {
  const db::Record* record = find(replica, collection, id);
  REQUIRE(record != nullptr);
  const auto value = record->document.view().find(name);
  REQUIRE(value.has_value());
  return value->as_int32();
}

// Replicas with a full mesh of perfect links that carry messages only when told.
struct Mesh {
  explicit Mesh(std::size_t nodes, const ReplicaConfig& base = {}) : config(base) {
    for (std::size_t i = 0; i < nodes; ++i) add();
  }

  Replica& operator[](std::size_t index) { return *replicas[index]; }

  std::size_t add() {
    ReplicaConfig own = config;
    own.node = node_id(static_cast<unsigned char>(replicas.size() + 1));
    replicas.push_back(std::make_unique<Replica>(own));
    return replicas.size() - 1;
  }

  void connect(std::size_t a, std::size_t b) {
    replicas[a]->peer_connected(id(b), now);
    replicas[b]->peer_connected(id(a), now);
    links.emplace_back(a, b);
  }
  void connect_all() {
    for (std::size_t a = 0; a < replicas.size(); ++a) {
      for (std::size_t b = a + 1; b < replicas.size(); ++b) connect(a, b);
    }
  }
  void disconnect(std::size_t a, std::size_t b) {
    replicas[a]->peer_disconnected(id(b));
    replicas[b]->peer_disconnected(id(a));
    std::erase(links, std::pair(a, b));
  }

  // Carries messages until there are none. `lose` decides which vanish.
  void settle(const std::function<bool(const Outgoing&)>& lose = {}) {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t from = 0; from < replicas.size(); ++from) {
        replicas[from]->end_turn(now);
        for (const Outgoing& message : replicas[from]->take_outgoing()) {
          moved = true;
          if (lose && lose(message)) continue;
          const std::size_t to = message.to.bytes[0] - 1u;
          const auto result = replicas[to]->receive(id(from), message.kind, *message.payload, now);
          CHECK_MESSAGE(result.has_value(), (result ? "" : result.error().message));
        }
      }
    }
  }

  // Lets `ms` pass with ticks, carrying messages.
  void pass(std::int64_t ms, const std::function<bool(const Outgoing&)>& lose = {}) {
    for (const std::int64_t end = now + ms; now < end;) {
      now += 100;
      for (auto& replica : replicas) replica->tick(now);
      settle(lose);
    }
  }

  void check_equal() {
    for (auto& replica : replicas) {
      CHECK(replica->vector() == replicas[0]->vector());
      CHECK(replica->database_digest() == replicas[0]->database_digest());
      const auto broken = replica->check_invariants();
      CHECK_MESSAGE(!broken, broken.value_or(""));
    }
  }

  static NodeId id(std::size_t index) { return node_id(static_cast<unsigned char>(index + 1)); }

  ReplicaConfig config;
  std::vector<std::unique_ptr<Replica>> replicas;
  std::vector<std::pair<std::size_t, std::size_t>> links;
  std::int64_t now = 1'700'000'000'000;
};

inline std::size_t count(const std::vector<Notice>& notices, Notice::Kind kind) {
  return static_cast<std::size_t>(
      std::count_if(notices.begin(), notices.end(), [kind](const Notice& notice) { return notice.kind == kind; }));
}

}  // namespace distri::replication::test
