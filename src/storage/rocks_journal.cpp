#include "distri/storage/rocks_journal.hpp"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <tuple>
#include <utility>

#include "distri/storage/write_ahead_log.hpp"
#include "distri/utils/check.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::storage {
namespace {

constexpr int kOpenFilesMax = 128;
constexpr std::size_t kLoadReadaheadBytes = 2u << 20;
constexpr std::size_t kBackgroundStepBytes = 512u << 10;
constexpr std::size_t kManifestStepBytes = 4u << 10;
constexpr std::size_t kReserveBytes = 512u << 10;
constexpr std::size_t kReserveStepBytes = 16u << 10;
constexpr std::size_t kLogFilesMax = 16;  // more, and memtables are written out, however little is in them

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
  result.max_open_files = kOpenFilesMax;
  result.max_background_jobs = 2;
  result.avoid_flush_during_shutdown = true;  // the log has it
  // One thread writes; what many would need is left out.
  result.allow_concurrent_memtable_write = false;
  result.enable_write_thread_adaptive_yield = false;
  result.compression = best_compression({rocksdb::kLZ4Compression, rocksdb::kSnappyCompression});
  result.bottommost_compression = best_compression({rocksdb::kZSTD, rocksdb::kLZ4Compression});
  result.info_log = std::make_shared<SilentLogger>();
  // Tables go to the disk bit by bit: a log that is synced meanwhile, here or in another process, waits for one bit.
  result.bytes_per_sync = kBackgroundStepBytes;
  result.strict_bytes_per_sync = true;
  result.manifest_preallocation_size = kManifestStepBytes;
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
      if (extension == ".sst" || extension == ".log" || extension == ".wal") {
        return fail(Code::kDataLoss, "open {}: the file CURRENT is missing, but {} is there", directory,
                    it->path().filename().string());
      }
    }
  }
  return {};
}

// The room that RocksDB needs to open: it begins a new list of its files each time.
std::string reserve_path(const std::string& directory) {
  return directory + "/reserve";
}

// Puts it aside, or as much of it as there is.
void keep_reserve(const std::string& directory) {
  const std::string path = reserve_path(directory);
  std::error_code error;
  if (std::filesystem::file_size(path, error) == kReserveBytes && !error) return;
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return;
  std::size_t bytes = kReserveBytes;
  while (bytes > 0 && ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) != 0) bytes -= kReserveStepBytes;
  ::close(file);
}

bool spend_reserve(const std::string& directory) {
  std::error_code error;
  return std::filesystem::remove(reserve_path(directory), error);
}

// The number of the newest batch that is in the database. A journal has no empty key, so this one is free.
const rocksdb::Slice kNumberKey;

void put(rocksdb::WriteBatch& batch, const rocksdb::Slice& key, const rocksdb::Slice& value) {
  DISTRI_CHECK(batch.Put(key, value).ok());  // cannot fail: no limit of size is set
}

rocksdb::WriteBatch batch_of(const std::vector<Change>& changes, std::uint64_t number) {
  std::size_t bytes = 32;
  for (const auto& [key, value] : changes) bytes += 12 + key.size() + (value ? value->size() : 0);
  rocksdb::WriteBatch batch(bytes);
  Bytes encoded;
  wire::Writer(encoded).u64(number);
  put(batch, kNumberKey, encoded);
  for (const auto& [key, value] : changes) {
    DISTRI_CHECK(!key.empty());
    if (value) {
      put(batch, key, *value);
    } else {
      DISTRI_CHECK(batch.Delete(key).ok());
    }
  }
  return batch;
}

rocksdb::WriteOptions without_log() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

}  // namespace

// Invariant: tables, then the log after the number that they hold, are everything written; so are the database as it
// is in memory, then `pending`, unless `broken`.
struct RocksJournal::Impl {
  std::string directory;
  RocksOptions options;
  std::unique_ptr<rocksdb::Env> environment = rocksdb::NewCompositeEnv(std::make_shared<UnmeasuredFileSystem>());
  std::unique_ptr<WriteAheadLog> log;
  bool sparing = false;                      // memtables take the whole log, so that no table need be written
  std::uint64_t files_seen = 0;              // files_begun() of the log when release() was last considered
  std::mutex in_use;                         // held while `db` is replaced, and by backup(); before `applying`
  std::unique_ptr<rocksdb::DB> db;           // none after an error, until it can be opened again
  std::mutex applying;                       // of what follows
  std::vector<rocksdb::WriteBatch> pending;  // in the log, and not yet in `db`
  std::size_t pending_bytes = 0;
  bool broken = false;  // db is of no use any more

  Result<> open();
  Result<> begin();
  Result<> usable();
  Result<> apply(const std::lock_guard<std::mutex>&);
  Result<std::uint64_t> number_in(rocksdb::ReadTier tier);
  void release_log();
};

Result<> RocksJournal::Impl::open() {
  DISTRI_TRY_VOID(check_files(directory));
  std::error_code error;
  const bool existed = std::filesystem::exists(std::filesystem::path(directory) / "CURRENT", error);
  auto settings = database_options(options);
  if (sparing) {
    settings.write_buffer_size = options.memtable_bytes + 2 * options.log_bytes_max;
    settings.disable_auto_compactions = true;
  }
  settings.env = environment.get();
  rocksdb::DB* raw = nullptr;
  const auto status = rocksdb::DB::Open(settings, directory, &raw);
  if (!status.ok()) {
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
  std::unique_ptr<rocksdb::DB> opened(raw);
  db = std::move(opened);
  DISTRI_TRY(const std::uint64_t number, number_in(rocksdb::kReadAllTier));
  const auto again = [this](std::uint64_t, BytesView record) -> Result<> {
    rocksdb::WriteBatch batch{std::string(record)};
    const auto written = db->Write(without_log(), &batch);
    return written.ok() ? Result<>() : fail(to_error(written, "write to", directory));
  };
  if (log) return log->replay(number, again);
  const auto habit = options.sync_each ? WriteAheadLog::Habit::kSyncEach : WriteAheadLog::Habit::kSyncMany;
  DISTRI_TRY(log, WriteAheadLog::open(directory, number, again, habit));
  return {};
}

// For the first time in this process. On a full disk a node must start, since it has answers to give: with the room of
// the reserve.
Result<> RocksJournal::Impl::begin() {
  auto opened = open();
  if (!opened && opened.error().code == Code::kStorageFull && spend_reserve(directory)) {
    db.reset();
    log.reset();
    sparing = true;
    opened = open();
  }
  if (opened) keep_reserve(directory);
  return opened;
}

Result<std::uint64_t> RocksJournal::Impl::number_in(rocksdb::ReadTier tier) {
  rocksdb::ReadOptions read;
  read.read_tier = tier;
  read.verify_checksums = true;
  std::string value;
  const auto status = db->Get(read, kNumberKey, &value);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return fail(to_error(status, "read", directory));
  wire::Reader in(value);
  const std::uint64_t number = in.u64();
  if (!in.ok() || !in.at_end())
    return fail(Code::kDataLoss, "read {}: the number of the newest batch is damaged", directory);
  return number;
}

// Opens the database again after an error. What its memory held, the log holds.
Result<> RocksJournal::Impl::usable() {
  {
    const std::lock_guard lock(applying);
    if (!broken) return {};
  }
  const std::unique_lock lock(in_use, std::try_to_lock);
  if (!lock) return fail(Code::kStorageFailed, "{} is being backed up after an error; later", directory);
  const std::lock_guard also(applying);
  db.reset();
  sparing = false;
  DISTRI_TRY_VOID(open());
  pending.clear();
  pending_bytes = 0;
  broken = false;
  return {};
}

// What is in the log, into the database.
Result<> RocksJournal::Impl::apply(const std::lock_guard<std::mutex>&) {
  for (rocksdb::WriteBatch& batch : pending) {
    if (const auto status = db->Write(without_log(), &batch); !status.ok()) {
      broken = true;
      return fail(to_error(status, "write to", directory));
    }
  }
  pending.clear();
  pending_bytes = 0;
  return {};
}

// Whenever the log has begun a file, so there is some room: what tables hold by now, it need not keep. Precondition:
// not broken.
void RocksJournal::Impl::release_log() {
  if (files_seen == log->files_begun()) return;
  files_seen = log->files_begun();
  keep_reserve(directory);
  if (sparing) {
    sparing = false;
    std::ignore = db->SetOptions(
        {{"write_buffer_size", std::to_string(options.memtable_bytes)}, {"disable_auto_compactions", "false"}});
  }
  if (const auto number = number_in(rocksdb::kPersistedTier)) log->release(*number);
  if (log->bytes_held() <= options.log_bytes_max && log->files_held() <= kLogFilesMax) return;
  rocksdb::FlushOptions flush;
  flush.wait = false;
  flush.allow_write_stall = true;
  std::ignore = db->Flush(flush);  // an error shows at the next write
}

RocksJournal::RocksJournal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksJournal::~RocksJournal() = default;

Result<std::unique_ptr<RocksJournal>> RocksJournal::open(const std::string& directory, const RocksOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->options = options;
  DISTRI_TRY_VOID(impl->begin());
  return std::unique_ptr<RocksJournal>(new RocksJournal(std::move(impl)));
}

Result<> RocksJournal::write(const std::vector<Change>& changes) {
  DISTRI_TRY_VOID(impl_->usable());
  auto batch = batch_of(changes, impl_->log->newest() + 1);
  DISTRI_TRY_VOID(impl_->log->append(batch.Data()));
  bool many = false;
  {
    const std::lock_guard lock(impl_->applying);
    impl_->pending_bytes += batch.Data().size();
    impl_->pending.push_back(std::move(batch));
    many = impl_->pending_bytes > impl_->options.memtable_bytes / 4;
  }
  if (many) idle();
  return {};
}

Result<> RocksJournal::sync() {
  return impl_->log->sync();
}

void RocksJournal::idle() {
  const std::lock_guard lock(impl_->applying);
  if (impl_->broken || !impl_->apply(lock)) return;  // the next write() says so
  impl_->release_log();
}

Result<> RocksJournal::load(const Visit& visit) {
  DISTRI_TRY_VOID(impl_->usable());
  {
    const std::lock_guard lock(impl_->applying);
    std::ignore = impl_->apply(lock);
  }
  DISTRI_TRY_VOID(impl_->usable());  // an error that has passed, for example that of an earlier flush
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  options.readahead_size = kLoadReadaheadBytes;
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (it->key() == kNumberKey) continue;
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
  {
    const std::lock_guard also(impl_->applying);
    if (impl_->broken) return fail(Code::kStorageFailed, "backup: {} cannot be used now", impl_->directory);
    DISTRI_TRY_VOID(impl_->apply(also));
  }
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
