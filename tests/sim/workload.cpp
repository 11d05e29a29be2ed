#include <algorithm>
#include <array>

#include "cluster.hpp"
#include "distri/bson/compare.hpp"
#include "distri/replication/op_log.hpp"

namespace distri::sim {

namespace {

// Few collections, documents and fields, so that writers get in each other's way.
constexpr std::array<std::string_view, 3> kCollections{"apples", "birds", "cars"};
constexpr std::uint64_t kIds = 8;
constexpr std::uint64_t kFields = 6;

std::string field_name(Random& random) {
  return fmt::format("f{}", random.below(kFields));
}

void append_id(bson::Builder& builder, Random& random) {
  const auto id = static_cast<std::int32_t>(random.below(kIds));
  // The same _id in another type is the same document.
  if (random.below(10) == 0) {
    builder.append_double("_id", id);
  } else {
    builder.append_int32("_id", id);
  }
}

}  // namespace

void Cluster::client_turn() {
  if (turns_left_ == 0) return;
  --turns_left_;
  const std::size_t index = random_.below(nodes_.size());
  Node& node = nodes_[index];
  if (node.replica && !node.paused) client_write(node, index);
  schedule(1 + static_cast<Millis>(random_.below(2 * static_cast<std::uint64_t>(turn_gap_ms_))),
           [this] { client_turn(); });
}

// One to three writes in one turn of the node's loop.
void Cluster::client_write(Node& node, std::size_t index) {
  const std::uint64_t position = node.replica->log().end_position();
  const std::uint64_t writes = 1 + random_.below(3);
  for (std::uint64_t i = 0; i < writes; ++i) {
    const std::int64_t serial = next_serial_++;
    const std::uint64_t before = node.replica->vector().get(node.replica->actor());
    const bool lose = options_.plant == Plant::kLoseWrite && !planted_ && now_ > 1'000;
    bool acked = false;
    if (lose) {
      // The planted defect of the service: it says yes and does nothing.
      planted_ = acked = true;
    } else if (auto result = random_write(node, serial, acked); !result) {
      log_.line("{} n{} write {}: {}", now_, index, serial, to_string(result.error()));
      continue;
    }
    const std::uint64_t counter = lose ? before + 1 : node.replica->vector().get(node.replica->actor());
    log_.line("{} n{} write {} is {}", now_, index, serial, counter);
    if (acked) acked_.push_back({index, {node.replica->actor(), counter}, serial});
  }
  node.replica->end_turn(wall(node));
  record_new_batches(node, position);
  flush(index);
}

// Sets `acked` when a document now holds `serial`.
Result<> Cluster::random_write(Node& node, std::int64_t serial, bool& acked) {
  replication::Replica& replica = *node.replica;
  const Millis now = wall(node);
  const std::string_view collection = kCollections[random_.below(kCollections.size())];
  const std::uint64_t kind = random_.below(100);
  if (kind < 2) {
    DISTRI_TRY_VOID(replica.drop_collection(collection, now));
    return {};
  }
  if (kind < 5) {
    DISTRI_TRY_VOID(replica.create_collection(collection, now));
    return {};
  }
  const bson::Document document = random_document(serial);
  const Bytes key = bson::order_key(document.view().begin()->value);
  if (kind < 17) {
    DISTRI_TRY_VOID(replica.remove(collection, key, now));
    return {};
  }
  acked = true;
  if (kind < 45) return replica.insert(collection, document, now);
  if (kind < 55) return replica.replace(collection, document, now);
  if (kind < 75) {
    DISTRI_TRY_VOID(replica.upsert_fields(collection, document, now));
    return {};
  }
  std::vector<std::string> unset;
  const std::string candidate = field_name(random_);
  if (random_.chance(0.6) && !document.view().find(candidate)) unset.push_back(candidate);
  return replica.update(collection, key, document, unset, now);
}

bson::Document Cluster::random_document(std::int64_t serial) {
  bson::Builder builder;
  append_id(builder, random_);
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < 3; ++i) names.push_back(field_name(random_));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::shuffle(names.begin(), names.end(), random_);
  const bool large = faults_.has(Fault::kLargeDocuments) && random_.below(30) == 0;
  for (const std::string& name : names) {
    if (large) {
      builder.append_string(name,
                            std::string(2'000 + random_.below(40'000), static_cast<char>('a' + random_.below(26))));
    } else {
      builder.append_int64(name, serial);
    }
  }
  builder.append_int64("serial", serial);
  return std::move(builder).finish();
}

void Cluster::record_new_batches(const Node& node, std::uint64_t from_position) {
  const replication::OpLog& log = node.replica->log();
  for (std::uint64_t position = from_position; position < log.end_position(); ++position) {
    if (position < log.first_position()) {
      fail("a batch left the log in the turn that wrote it");
      return;
    }
    wire::Reader in(*log.at(position).batch);
    const auto batch = replication::decode_batch(in, config_.limits);
    if (!batch) {
      fail(fmt::format("a node's own batch cannot be read: {}", batch.error().message));
      return;
    }
    model_.add(*batch);
  }
}

}  // namespace distri::sim
