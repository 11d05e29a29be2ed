#include "distri/cloud/storage_thread.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "distri/utils/clock.hpp"

namespace distri::cloud {
namespace {

constexpr std::int64_t kRetryMs = 1'000;
constexpr std::int64_t kBatchedSyncMs = 100;

std::size_t size_of(const std::vector<storage::Change>& changes) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : changes) bytes += key.size() + (value ? value->size() : 0);
  return bytes;
}

Result<> make_backup(storage::Journal& journal, const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool existed = fs::exists(fs::symlink_status(directory, error));
  if (existed && !(fs::is_directory(directory, error) && fs::is_empty(directory, error))) {
    return fail(Code::kAlreadyExists, "directory: there is something at {} already; name a new directory", directory);
  }
  if (!existed) {
    fs::create_directories(directory, error);
    if (error) return fail(Code::kStorageFailed, "directory: cannot make {}: {}", directory, error.message());
    fs::permissions(directory, fs::perms::owner_all, error);
  }
  auto result = journal.backup(directory + "/db");
  if (!result && !existed) fs::remove_all(directory, error);
  return result;
}

}  // namespace

std::string_view durability_name(Durability durability) {
  switch (durability) {
    case Durability::kMemory:
      return "memory";
    case Durability::kBatched:
      return "batched";
    case Durability::kSync:
      break;
  }
  return "sync";
}

Result<Durability> parse_durability(std::string_view text) {
  for (const auto each : {Durability::kMemory, Durability::kBatched, Durability::kSync}) {
    if (text == durability_name(each)) return each;
  }
  return fail(Code::kInvalidArgument, "durability '{}' is not one of memory, batched, sync", text);
}

StorageThread::StorageThread(std::unique_ptr<storage::Journal> journal, Durability durability, Post post,
                             Reports reports)
    : journal_(std::move(journal)), durability_(durability), post_(std::move(post)), reports_(std::move(reports)) {
  thread_ = std::thread([this] { work(); });
}

StorageThread::~StorageThread() {
  stop();
}

void StorageThread::submit(std::uint64_t number, std::vector<storage::Change> changes) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({number, std::move(changes)});
    ++figures_.waiting;
  }
  wake_.notify_one();
}

std::size_t StorageThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  if (backup_thread_.joinable()) backup_thread_.join();
  const std::size_t unsynced = written_ > synced_ ? static_cast<std::size_t>(written_ - synced_) : 0;
  return writing_.size() + unsynced;
}

void StorageThread::work() {
  const SystemClock clock;
  for (;;) {
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      const bool troubled = figures_.trouble.has_value();
      const auto ready = [&] { return stopping_ || (!troubled && !queue_.empty()); };
      if (troubled) {
        wake_.wait_for(lock, std::chrono::milliseconds(kRetryMs), ready);
      } else if (written_ > synced_) {
        const std::int64_t left_ms = unsynced_since_ms_ + kBatchedSyncMs - clock.monotonic_ms();
        wake_.wait_for(lock, std::chrono::milliseconds(std::max<std::int64_t>(left_ms, 0)), ready);
      } else {
        wake_.wait(lock, ready);
      }
      stopping = stopping_;
      std::move(queue_.begin(), queue_.end(), std::back_inserter(writing_));
      queue_.clear();
    }
    const std::uint64_t before = written_;
    auto result = write_queued();
    if (written_ > before && before == synced_) unsynced_since_ms_ = clock.monotonic_ms();
    const bool due =
        durability_ == Durability::kSync || stopping || clock.monotonic_ms() - unsynced_since_ms_ >= kBatchedSyncMs;
    if (result && written_ > synced_ && due) result = sync_now();
    set_trouble(result ? std::nullopt : std::optional(result.error()));
    if (stopping) return;
    journal_->idle();
  }
}

// Batched: each commit counts once it is written, also when a later one fails.
Result<> StorageThread::write_queued() {
  Result<> result;
  while (!writing_.empty()) {
    const Commit& commit = writing_.front();
    result = journal_->write(commit.changes);
    if (!result) break;
    written_ = commit.number;
    {
      const std::lock_guard lock(mutex_);
      ++figures_.commits;
      --figures_.waiting;
      figures_.bytes += size_of(commit.changes);
    }
    writing_.pop_front();
  }
  if (durability_ == Durability::kBatched) report_durable(written_);
  return result;
}

Result<> StorageThread::sync_now() {
  const SystemClock clock;
  const std::int64_t begin_ns = clock.monotonic_ns();
  DISTRI_TRY_VOID(journal_->sync());
  synced_ = written_;
  {
    const std::lock_guard lock(mutex_);
    ++figures_.syncs;
    figures_.last_sync_us = static_cast<std::uint64_t>((clock.monotonic_ns() - begin_ns) / 1'000);
  }
  report_durable(synced_);
  return {};
}

void StorageThread::report_durable(std::uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    if (number <= durable_) return;
    durable_ = number;
    if (durable_posted_) return;
    durable_posted_ = true;
  }
  post_([this] {
    std::uint64_t newest = 0;
    {
      const std::lock_guard lock(mutex_);
      durable_posted_ = false;
      newest = durable_;
    }
    reports_.durable(newest);
  });
}

void StorageThread::set_trouble(std::optional<Error> error) {
  const bool bad = error.has_value();
  {
    const std::lock_guard lock(mutex_);
    const bool was_bad = figures_.trouble.has_value();
    figures_.trouble = error;
    if (bad == was_bad) return;
  }
  if (bad) {
    post_([this, text = *error] { reports_.failed(text); });
  } else {
    post_([this] { reports_.recovered(); });
  }
}

void StorageThread::backup(const std::string& directory, std::function<void(Result<>)> done) {
  if (backup_runs_) return done(fail(Code::kBusy, "a backup of this node is under way; try again when it is done"));
  if (backup_thread_.joinable()) backup_thread_.join();
  backup_runs_ = true;
  backup_thread_ = std::thread([this, directory, done = std::move(done)] {
    auto result = make_backup(*journal_, directory);
    post_([this, done, result = std::move(result)] {
      backup_runs_ = false;
      done(result);
    });
  });
}

StorageThread::Figures StorageThread::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace distri::cloud
