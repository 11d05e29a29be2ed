#include "journal_double.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

namespace distri::test {
namespace {

constexpr std::chrono::seconds kLimit{30};

std::string value_in(storage::MemoryJournal& journal, const std::string& key) {
  std::string found;
  std::ignore = journal.load([&](BytesView each, BytesView value) -> Result<> {
    if (each == key) found = value;
    return {};
  });
  return found;
}

}  // namespace

class JournalDouble::Handle final : public storage::Journal {
 public:
  explicit Handle(std::shared_ptr<JournalDouble> disk) : disk_(std::move(disk)) {}
  Result<> write(const std::vector<storage::Change>& changes) override { return disk_->write(changes); }
  Result<> sync() override { return disk_->sync(); }
  Result<> load(const storage::Visit& visit) override { return disk_->records_.load(visit); }
  Result<> backup(const std::string& directory) override { return disk_->backup(directory); }

 private:
  std::shared_ptr<JournalDouble> disk_;
};

std::unique_ptr<storage::Journal> JournalDouble::journal() {
  return std::make_unique<Handle>(shared_from_this());
}

Result<> JournalDouble::write(const std::vector<storage::Change>& changes) {
  const std::lock_guard lock(mutex_);
  if (write_error_) {
    ++failures_;
    changed_.notify_all();
    return fail(*write_error_);
  }
  unsynced_.push_back(changes);
  return records_.write(changes);
}

Result<> JournalDouble::sync() {
  std::unique_lock lock(mutex_);
  if (sync_error_) {
    ++failures_;
    changed_.notify_all();
    return fail(*sync_error_);
  }
  if (block_) {
    blocked_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, kLimit, [&] { return !block_; });
    blocked_ = false;
  }
  for (const auto& changes : unsynced_) std::ignore = durable_.write(changes);
  unsynced_.clear();
  ++syncs_;
  changed_.notify_all();
  return records_.sync();
}

Result<> JournalDouble::backup(const std::string& directory) {
  {
    const std::lock_guard lock(mutex_);
    if (backup_error_) return fail(*backup_error_);
  }
  return records_.backup(directory);
}

void JournalDouble::block_syncs() {
  const std::lock_guard lock(mutex_);
  block_ = true;
}

void JournalDouble::wait_until_blocked() {
  std::unique_lock lock(mutex_);
  REQUIRE(changed_.wait_for(lock, kLimit, [&] { return blocked_; }));
}

void JournalDouble::let_syncs_go() {
  const std::lock_guard lock(mutex_);
  block_ = false;
  changed_.notify_all();
}

void JournalDouble::wait_until_synced() {
  std::unique_lock lock(mutex_);
  REQUIRE(changed_.wait_for(lock, kLimit, [&] { return syncs_ > 0 && unsynced_.empty(); }));
}

void JournalDouble::fail_writes(Error error) {
  const std::lock_guard lock(mutex_);
  write_error_ = std::move(error);
}

void JournalDouble::fail_syncs(Error error) {
  const std::lock_guard lock(mutex_);
  sync_error_ = std::move(error);
}

void JournalDouble::fail_backups(Error error) {
  const std::lock_guard lock(mutex_);
  backup_error_ = std::move(error);
}

void JournalDouble::wait_for_failures(int n) {
  std::unique_lock lock(mutex_);
  REQUIRE(changed_.wait_for(lock, kLimit, [&] { return failures_ >= n; }));
}

void JournalDouble::heal() {
  const std::lock_guard lock(mutex_);
  write_error_.reset();
  sync_error_.reset();
}

int JournalDouble::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

std::string JournalDouble::written(const std::string& key) {
  return value_in(records_, key);
}

std::string JournalDouble::synced(const std::string& key) {
  return value_in(durable_, key);
}

ScratchDirectory::ScratchDirectory() {
  const bool in_memory = ::access("/dev/shm", W_OK) == 0;
  path_ =
      (in_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) + "/distri-cloud-XXXXXX";
  REQUIRE(::mkdtemp(path_.data()) != nullptr);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace distri::test
