#include "distri/storage/rocks_journal.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "distri/utils/check.hpp"

namespace distri::storage {
namespace {

constexpr int kOpenFilesMax = 128;
constexpr std::size_t kLoadReadaheadBytes = 2u << 20;

// RocksDB would wait for room by itself, in a thread that looks every 5 s, if it could ask how much there is.
class UnmeasuredFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  UnmeasuredFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "UnmeasuredFileSystem"; }
  rocksdb::IOStatus GetFreeSpace(const std::string&, const rocksdb::IOOptions&, std::uint64_t*,
                                 rocksdb::IODebugContext*) override {
    return rocksdb::IOStatus::NotSupported();
  }
};

// RocksDB's own text log aborts the process (an assertion that Debian's build keeps) when it meets a full disk. What
// matters comes back as a Status.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

bool names_errno(const std::string& text, int number) {
  return text.find(std::strerror(number)) != std::string::npos;
}

// RocksDB has a sub-code for ENOSPC only, and loses it where a write waited for a table that could not be written
// ("Result incomplete"); a quota and a file size limit are no room as well.
bool is_full(const rocksdb::Status& status) {
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) return true;
  if (!status.IsIOError() && !status.IsIncomplete()) return false;
  const std::string text = status.ToString();
  return names_errno(text, ENOSPC) || names_errno(text, EDQUOT) || names_errno(text, EFBIG);
}

Error to_error(const rocksdb::Status& status, std::string_view doing, const std::string& directory) {
  if (is_full(status)) {
    return {Code::kStorageFull,
            fmt::format("{} {}: there is no room on the disk ({})", doing, directory, status.ToString())};
  }
  if (status.IsCorruption()) {
    return {Code::kDataLoss, fmt::format("{} {}: stored data is damaged ({})", doing, directory, status.ToString())};
  }
  return {Code::kStorageFailed, fmt::format("{} {}: {}", doing, directory, status.ToString())};
}

rocksdb::CompressionType best_compression(std::initializer_list<rocksdb::CompressionType> wanted) {
  const auto supported = rocksdb::GetSupportedCompressions();
  for (const auto type : wanted) {
    if (std::find(supported.begin(), supported.end(), type) != supported.end()) return type;
  }
  return rocksdb::kNoCompression;
}

rocksdb::Options database_options(const RocksOptions& options) {
  rocksdb::Options result;
  result.create_if_missing = true;
  result.paranoid_checks = true;
  result.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // After an error we open again ourselves; see usable().
  result.max_bgerror_resume_count = 0;
  result.write_buffer_size = options.memtable_bytes;
  result.max_write_buffer_number = 2;
  result.max_total_wal_size = options.log_bytes_max;
  result.max_open_files = kOpenFilesMax;
  result.max_background_jobs = 2;
  result.avoid_flush_during_shutdown = true;  // the log has it
  result.compression = best_compression({rocksdb::kLZ4Compression, rocksdb::kSnappyCompression});
  result.bottommost_compression = best_compression({rocksdb::kZSTD, rocksdb::kLZ4Compression});
  result.info_log = std::make_shared<SilentLogger>();
  result.stats_dump_period_sec = 0;
  result.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  table.cache_index_and_filter_blocks = true;
  table.block_size = 16u << 10;
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return result;
}

// Without CURRENT RocksDB would take the directory for a new one, although tables or logs lie there.
Result<> check_files(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path path(directory);
  if (!std::filesystem::exists(path / "CURRENT", error)) {
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      const auto extension = it->path().extension();
      if (extension == ".sst" || extension == ".log") {
        return fail(Code::kDataLoss, "open {}: the file CURRENT is missing, but {} is there", directory,
                    it->path().filename().string());
      }
    }
  }
  return {};
}

// Cannot fail: no limit of size is set.
void append(rocksdb::WriteBatch& batch, const std::vector<Change>& changes) {
  for (const auto& [key, value] : changes) {
    const auto status = value ? batch.Put(key, *value) : batch.Delete(key);
    DISTRI_CHECK(status.ok());
  }
}

}  // namespace

// Invariant: what is on the disk, followed by `unsynced`, is everything written.
struct RocksJournal::Impl {
  std::string directory;
  RocksOptions options;
  std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(std::make_shared<UnmeasuredFileSystem>());
  std::mutex in_use;                // held while `db` is replaced, and by backup()
  std::unique_ptr<rocksdb::DB> db;  // none after an error, until it can be opened again
  rocksdb::WriteBatch unsynced;     // written since the last sync(), in order
  bool broken = false;              // db is of no use any more

  Result<> open();
  Result<> usable();
  Result<> failed(const rocksdb::Status& status, std::string_view doing);
};

Result<> RocksJournal::Impl::open() {
  DISTRI_TRY_VOID(check_files(directory));
  std::error_code error;
  const bool existed = std::filesystem::exists(std::filesystem::path(directory) / "CURRENT", error);
  auto settings = database_options(options);
  settings.env = environment.get();
  rocksdb::DB* raw = nullptr;
  const auto status = rocksdb::DB::Open(settings, directory, &raw);
  if (status.ok()) {
    db.reset(raw);
    return {};
  }
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos) {
    return fail(Code::kStorageFailed, "another process uses {} ({})", directory, text);
  }
  // A file that the directory's own list names is not there.
  if (existed && status.IsPathNotFound()) {
    return fail(Code::kDataLoss, "open {}: a file is missing ({})", directory, text);
  }
  return fail(to_error(status, "open", directory));
}

// Opens the database again after an error. What the failed log holds whole is recovered from it; what was not synced is
// written once more behind that, as one batch, because after a failed sync nobody knows what the disk has.
Result<> RocksJournal::Impl::usable() {
  if (!broken) return {};
  const std::unique_lock lock(in_use, std::try_to_lock);
  if (!lock) return fail(Code::kStorageFailed, "{} is being backed up after an error; later", directory);
  db.reset();
  DISTRI_TRY_VOID(open());
  if (unsynced.Count() > 0) {
    if (const auto status = db->Write(rocksdb::WriteOptions(), &unsynced); !status.ok())
      return fail(to_error(status, "write to", directory));
  }
  broken = false;
  return {};
}

Result<> RocksJournal::Impl::failed(const rocksdb::Status& status, std::string_view doing) {
  broken = true;
  return fail(to_error(status, doing, directory));
}

RocksJournal::RocksJournal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksJournal::~RocksJournal() = default;

Result<std::unique_ptr<RocksJournal>> RocksJournal::open(const std::string& directory, const RocksOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->options = options;
  DISTRI_TRY_VOID(impl->open());
  return std::unique_ptr<RocksJournal>(new RocksJournal(std::move(impl)));
}

Result<> RocksJournal::write(const std::vector<Change>& changes) {
  DISTRI_TRY_VOID(impl_->usable());
  rocksdb::WriteBatch batch;
  append(batch, changes);
  if (const auto status = impl_->db->Write(rocksdb::WriteOptions(), &batch); !status.ok())
    return impl_->failed(status, "write to");
  if (impl_->unsynced.Count() == 0) {
    impl_->unsynced = std::move(batch);
  } else {
    append(impl_->unsynced, changes);
  }
  return {};
}

Result<> RocksJournal::sync() {
  DISTRI_TRY_VOID(impl_->usable());
  if (const auto status = impl_->db->SyncWAL(); !status.ok()) return impl_->failed(status, "sync");
  impl_->unsynced.Clear();
  return {};
}

Result<> RocksJournal::load(const Visit& visit) {
  DISTRI_TRY_VOID(impl_->usable());
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  options.readahead_size = kLoadReadaheadBytes;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    DISTRI_TRY_VOID(
        visit(BytesView(it->key().data(), it->key().size()), BytesView(it->value().data(), it->value().size())));
  }
  if (!it->status().ok()) return fail(to_error(it->status(), "load", impl_->directory));
  return {};
}

Result<> RocksJournal::backup(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(directory, error))) {
    return fail(Code::kAlreadyExists, "backup: there is something at {} already", directory);
  }
  const std::lock_guard lock(impl_->in_use);
  if (!impl_->db) return fail(Code::kStorageFailed, "backup: {} cannot be used now", impl_->directory);
  rocksdb::Checkpoint* raw = nullptr;
  auto status = rocksdb::Checkpoint::Create(impl_->db.get(), &raw);
  if (!status.ok()) return fail(to_error(status, "back up", impl_->directory));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
  // 0: the memtable goes to a table first, so that tables are all there is to link.
  status = checkpoint->CreateCheckpoint(directory, 0);
  if (!status.ok()) return fail(to_error(status, "back up to", directory));
  return {};
}

}  // namespace distri::storage
