// The part of CloudNode that keeps its state: data directory, journal, commits, backups.
#include <algorithm>
#include <utility>

#include "distri/cloud/node_impl.hpp"
#include "distri/storage/rocks_journal.hpp"

namespace distri::cloud {

Result<> CloudNode::Impl::open_data_directory() {
  const auto others = std::count_if(config.peers.begin(), config.peers.end(),
                                    [this](const Address& each) { return !(each == config.listen); });
  members = config.members > 0 ? config.members : 1 + static_cast<std::uint32_t>(others);
  if (config.data_dir.empty()) {
    if (config.durability.value_or(Durability::kMemory) != Durability::kMemory) {
      return fail(Code::kInvalidArgument, "durability {} needs a data directory; name one with --data-dir",
                  durability_name(*config.durability));
    }
    return {};
  }
  durability = config.durability.value_or(Durability::kSync);
  if (data_directory) return {};  // from an earlier listen() that failed
  DISTRI_TRY(data_directory, storage::DataDirectory::open(config.data_dir, random));
  DISTRI_TRY(cluster, Cluster::open(config.data_dir));
  node_id = cluster ? cluster->node() : data_directory->node_id();
  if (cluster) members = static_cast<std::uint32_t>(cluster->table().members().size());
  DISTRI_TRY(incarnation, data_directory->next_incarnation(clock.wall_ms(), random));
  return {};
}

Result<std::unique_ptr<storage::Journal>> CloudNode::Impl::open_journal() {
  if (config.open_journal) return config.open_journal(data_directory->journal_path());
  DISTRI_TRY(auto opened, storage::RocksJournal::open(data_directory->journal_path()));
  return opened;
}

Result<> CloudNode::Impl::load_journal() {
  DISTRI_TRY(journal, open_journal());
  std::uint64_t bytes = 0;
  const std::int64_t begin_ns = clock.monotonic_ns();
  DISTRI_TRY(loaded, replica->load(
                         [&](const replication::RecordVisitor& visit) {
                           return journal->load([&](BytesView key, BytesView value) {
                             bytes += key.size() + value.size();
                             return visit(key, value);
                           });
                         },
                         clock.wall_ms()));
  config.log.info("loaded {} documents, {} tombstones, {} log entries: {} bytes in {:.3f} s from {}", loaded.documents,
                  loaded.tombstones, loaded.log_entries, bytes,
                  static_cast<double>(clock.monotonic_ns() - begin_ns) / 1e9, data_directory->path());
  return {};
}

Result<> CloudNode::Impl::make_replica() {
  replication::ReplicaConfig settings;
  settings.node = node_id;
  settings.incarnation = incarnation;
  settings.address = to_string(own_address);
  settings.gossip_ms = config.gossip_ms;
  settings.log_bytes_min = config.log_bytes_min;
  settings.log_bytes_max = config.log_bytes_max;
  settings.members = members;
  settings.journal = durability != Durability::kMemory;
  replica = std::make_unique<replication::Replica>(settings);
  if (!settings.journal) return {};
  if (auto result = load_journal(); !result) {
    if (result.error().code != Code::kDataLoss) return result;
    journal.reset();
    DISTRI_TRY(const std::string aside, data_directory->quarantine(clock.wall_ms()));
    config.log.error(
        "the data in {} fails its checks ({}); it was moved to {}; starting empty, peers will fill it again",
        data_directory->path(), result.error().message, aside);
    replica = std::make_unique<replication::Replica>(settings);
    DISTRI_TRY_VOID(load_journal());
  }
  StorageThread::Reports reports;
  reports.durable = [this](std::uint64_t number) { commits_durable(number); };
  reports.failed = [this](const Error& error) {
    config.log.error("writes are refused until the disk takes them again: {}", to_string(error));
    replica->refuse_writes(error);
  };
  reports.recovered = [this] {
    config.log.info("the disk takes writes again");
    replica->accept_writes();
  };
  storage = std::make_unique<StorageThread>(
      std::move(journal), durability, [this](std::function<void()> function) { loop.post(std::move(function)); },
      std::move(reports));
  return {};
}

void CloudNode::Impl::submit_commit() {
  if (!storage) return;
  auto commit = replica->take_commit();
  if (!commit) return;
  commits_in_flight.emplace_back(commit->number, replica->newest_own_dot().counter);
  storage->submit(commit->number, std::move(commit->changes));
}

void CloudNode::Impl::commits_durable(std::uint64_t number) {
  replica->committed(number, clock.wall_ms());
  std::uint64_t counter = 0;
  while (!commits_in_flight.empty() && commits_in_flight.front().first <= number) {
    counter = commits_in_flight.front().second;
    commits_in_flight.pop_front();
  }
  // The end of this turn lets the replies go.
  if (counter > 0) dispatcher->own_writes_durable(counter);
}

void CloudNode::Impl::stop_storage() {
  if (!storage) return;
  replica->end_turn(clock.wall_ms());
  submit_commit();
  if (const std::size_t lost = storage->stop(); lost > 0) {
    const auto trouble = storage->figures().trouble;
    config.log.error("{} commits could not be made durable: {}", lost,
                     trouble ? to_string(*trouble) : "the disk did not say why");
  }
}

void CloudNode::Impl::backup(const std::string& directory, std::function<void(Result<>)> done) {
  if (!storage) {
    return done(fail(Code::kInvalidArgument, "Backup: this node keeps nothing on disk; start it with --data-dir"));
  }
  config.log.info("backup to {} begins", directory);
  storage->backup(directory, [this, directory, done = std::move(done)](const Result<>& result) {
    if (result) {
      config.log.info("backup to {} is complete", directory);
    } else {
      config.log.warning("backup to {}: {}", directory, to_string(result.error()));
    }
    done(result);
  });
}

void CloudNode::Impl::append_storage(bson::Builder& out) const {
  const auto number = [&](std::string_view key, std::uint64_t value) {
    out.append_int64(key, static_cast<std::int64_t>(value));
  };
  out.begin_object("storage");
  out.append_string("durability", durability_name(durability));
  if (storage) {
    const auto figures = storage->figures();
    const bool full = figures.trouble && figures.trouble->code == Code::kStorageFull;
    out.append_string("state", !figures.trouble ? "ok" : full ? "full" : "failed");
    if (figures.trouble) out.append_string("trouble", figures.trouble->message);
    number("commits", figures.commits);
    number("commits_waiting", figures.waiting);
    number("bytes", figures.bytes);
    number("syncs", figures.syncs);
    number("last_sync_us", figures.last_sync_us);
    number("loaded_documents", loaded.documents);
  }
  out.end();
  out.begin_object("write_concern");
  number("members", members);
  number("waiting", dispatcher->held_replies());
  out.end();
}

}  // namespace distri::cloud
