#include "distri/storage/write_ahead_log.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "distri/utils/check.hpp"
#include "distri/utils/hash.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::storage {
namespace {

constexpr std::string_view kMagic = "distri w";
constexpr std::string_view kExtension = ".wal";
constexpr std::size_t kHeaderBytes = 64;  // magic, age, salt, first record, checksum; zeros
constexpr std::size_t kFrameHeadBytes = 28;
constexpr std::size_t kFillBytes = 256u << 10;  // zeros written ahead
constexpr std::size_t kStepBytes = 512u << 10;  // written without waiting for the disk
constexpr std::size_t kSparesMax = 4;           // files kept for use; more are removed

Error disk_error(std::string_view doing, const std::string& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  return {full ? Code::kStorageFull : Code::kStorageFailed,
          full ? fmt::format("{} {}: there is no room on the disk ({})", doing, path, std::strerror(number))
               : fmt::format("{} {}: {}", doing, path, std::strerror(number))};
}

// checksum u64, salt u64, number u64, length u32, the record. The checksum is of all that follows it.
void append_frame(Bytes& out, std::uint64_t salt, std::uint64_t number, BytesView record) {
  const std::size_t begin = out.size();
  wire::Writer writer(out);
  writer.u64(0);
  writer.u64(salt);
  writer.u64(number);
  writer.bytes32(record);
  const std::uint64_t checksum = checksum_64(BytesView(out).substr(begin + sizeof(std::uint64_t)));
  Bytes encoded;
  wire::Writer(encoded).u64(checksum);
  out.replace(begin, encoded.size(), encoded);
}

struct Frame {
  std::uint64_t salt = 0;
  std::uint64_t number = 0;
};

// The frame at the front of `bytes`, whatever file it was written to; nothing when there is no whole one.
std::optional<Frame> any_frame(BytesView bytes) {
  wire::Reader in(bytes);
  const std::uint64_t checksum = in.u64();
  Frame frame;
  frame.salt = in.u64();
  frame.number = in.u64();
  const BytesView record = in.bytes32();
  if (!in.ok() || frame.salt == 0) return std::nullopt;
  const std::size_t covered = kFrameHeadBytes + record.size() - sizeof checksum;
  if (checksum_64(bytes.substr(sizeof checksum, covered)) != checksum) return std::nullopt;
  return frame;
}

// The highest number of a whole frame of this salt, at whatever place of `bytes`; 0: there is none.
std::uint64_t highest_frame(BytesView bytes, std::uint64_t salt) {
  Bytes pattern;
  wire::Writer(pattern).u64(salt);
  std::uint64_t highest = 0;
  for (std::size_t at = bytes.find(pattern); at != BytesView::npos; at = bytes.find(pattern, at + 1)) {
    if (at < sizeof(std::uint64_t)) continue;
    const auto frame = any_frame(bytes.substr(at - sizeof(std::uint64_t)));
    if (frame && frame->salt == salt) highest = std::max(highest, frame->number);
  }
  return highest;
}

// The record at the front of `bytes`, or nothing when there is none of this salt and number.
std::optional<BytesView> take_frame(BytesView& bytes, std::uint64_t salt, std::uint64_t number) {
  wire::Reader in(bytes);
  const std::uint64_t checksum = in.u64();
  const bool ours = in.u64() == salt && in.u64() == number;
  const BytesView record = in.bytes32();
  if (!in.ok() || !ours) return std::nullopt;
  const std::size_t size = kFrameHeadBytes + record.size();
  if (checksum_64(bytes.substr(sizeof checksum, size - sizeof checksum)) != checksum) return std::nullopt;
  bytes.remove_prefix(size);
  return record;
}

Bytes header_of(std::uint64_t age, std::uint64_t salt, std::uint64_t first) {
  Bytes header;
  wire::Writer out(header);
  out.raw(kMagic);
  out.u64(age);
  out.u64(salt);
  out.u64(first);
  out.u64(checksum_64(header));
  header.resize(kHeaderBytes, '\0');
  return header;
}

Result<Bytes> read_file(const std::string& path, std::size_t bytes_max) {
  std::ifstream in(path, std::ios::binary);
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!in || error) return fail(Code::kStorageFailed, "read {}: it cannot be opened", path);
  Bytes bytes(std::min<std::size_t>(size, bytes_max), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::size_t>(in.gcount()) != bytes.size())
    return fail(Code::kStorageFailed, "read {}: it ends early", path);
  return bytes;
}

std::uint64_t new_salt() {
  std::uint64_t salt = 0;
  DISTRI_CHECK(::getrandom(&salt, sizeof salt, 0) == sizeof salt);
  return salt;
}

}  // namespace

Result<std::unique_ptr<WriteAheadLog>> WriteAheadLog::open(const std::string& directory, std::uint64_t after,
                                                           const Visit& visit, Habit habit) {
  std::unique_ptr<WriteAheadLog> log(new WriteAheadLog(directory));
  DISTRI_TRY_VOID(log->find_files());
  log->newest_ = after;
  DISTRI_TRY_VOID(log->replay(after, [&](std::uint64_t number, BytesView record) -> Result<> {
    log->newest_ = number;
    return visit(number, record);
  }));
  if (habit == Habit::kSyncEach) DISTRI_TRY_VOID(log->check_undamaged());
  DISTRI_TRY_VOID(log->sync_newest_file());
  return log;
}

// A process that was killed may have left records in the system's memory. Those in earlier files are on the disk.
Result<> WriteAheadLog::sync_newest_file() const {
  if (files_.empty()) return {};
  const std::string& path = files_.back().path;
  const int opened = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = opened >= 0 && ::fdatasync(opened) == 0;
  const int error = errno;
  if (opened >= 0) ::close(opened);
  if (!synced) return fail(disk_error("sync", path, error));
  return {};
}

// Records after the newest that can be read: behind a torn one in the newest file, or in a file whose header is
// damaged. One that is being used again has older records.
Result<> WriteAheadLog::check_undamaged() const {
  const auto check = [this](const std::string& path, std::uint64_t last) -> Result<> {
    if (last <= newest_) return {};
    return fail(Code::kDataLoss, "{} is damaged: the record {} cannot be read, and {} is there", path, newest_ + 1,
                last);
  };
  if (!files_.empty()) {
    DISTRI_TRY(const Bytes bytes, read_file(files_.back().path, SIZE_MAX));
    DISTRI_TRY_VOID(check(files_.back().path, highest_frame(bytes, files_.back().salt)));
  }
  for (const File& file : spares_) {
    DISTRI_TRY(const Bytes bytes, read_file(file.path, SIZE_MAX));
    const auto first = any_frame(BytesView(bytes).substr(std::min(bytes.size(), kHeaderBytes)));
    if (first) DISTRI_TRY_VOID(check(file.path, highest_frame(bytes, first->salt)));
  }
  return {};
}

WriteAheadLog::~WriteAheadLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// A file without a valid header holds nothing: it was never begun, or is being begun again.
Result<> WriteAheadLog::find_files() {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with(kExtension)) continue;
    std::uint64_t number = 0;
    const char* const stop = name.data() + name.size() - kExtension.size();
    if (const auto parsed = std::from_chars(name.data(), stop, number); parsed.ec != std::errc() || parsed.ptr != stop)
      continue;
    next_name_ = std::max(next_name_, number + 1);
    File file;
    file.path = it->path().string();
    DISTRI_TRY(const Bytes head, read_file(file.path, kHeaderBytes));
    wire::Reader in(head);
    in.raw(kMagic.size());
    file.age = in.u64();
    file.salt = in.u64();
    file.first = in.u64();
    if (head != header_of(file.age, file.salt, file.first)) {
      spares_.push_back(std::move(file));
      continue;
    }
    next_age_ = std::max(next_age_, file.age + 1);
    files_.push_back(std::move(file));
  }
  if (error) return fail(disk_error("look through", directory_, error.value()));
  std::sort(files_.begin(), files_.end(), [](const File& a, const File& b) { return a.age < b.age; });
  for (std::size_t i = 0; i < files_.size(); ++i) {
    File& file = files_[i];
    file.last = file.first - 1;
    file.bytes = kHeaderBytes;
    const std::uint64_t limit = i + 1 < files_.size() ? files_[i + 1].first : UINT64_MAX;
    DISTRI_TRY_VOID(walk(file, limit, [&file](std::uint64_t number, BytesView record) -> Result<> {
      file.last = number;
      file.bytes += kFrameHeadBytes + record.size();
      return {};
    }));
  }
  return {};
}

// The records of the file below `limit`, up to the first that is torn.
Result<> WriteAheadLog::walk(const File& file, std::uint64_t limit, const Visit& visit) const {
  DISTRI_TRY(const Bytes bytes, read_file(file.path, SIZE_MAX));
  BytesView rest = bytes;
  rest.remove_prefix(std::min(rest.size(), kHeaderBytes));
  for (std::uint64_t number = file.first; number < limit; ++number) {
    const auto record = take_frame(rest, file.salt, number);
    if (!record) break;
    DISTRI_TRY_VOID(visit(number, *record));
  }
  return {};
}

Result<> WriteAheadLog::replay(std::uint64_t after, const Visit& visit) const {
  std::uint64_t seen = after;
  const auto fresh = [&](std::uint64_t number, BytesView record) -> Result<> {
    if (number <= seen) return {};
    seen = number;
    return visit(number, record);
  };
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const File& file = files_[i];
    if (file.first > seen + 1) {
      return fail(Code::kDataLoss, "the log in {} lacks the records {} to {}, which come before those of {}",
                  directory_, seen + 1, file.first - 1, file.path);
    }
    if (file.last <= seen) continue;
    DISTRI_TRY_VOID(walk(file, i + 1 < files_.size() ? files_[i + 1].first : UINT64_MAX, fresh));
  }
  std::uint64_t number = newest_ - unsynced_.size();
  for (const Bytes& record : unsynced_) DISTRI_TRY_VOID(fresh(++number, record));
  return {};
}

std::size_t WriteAheadLog::bytes_held() const {
  std::size_t bytes = 0;
  for (const File& file : files_) bytes += file.bytes;
  return bytes;
}

void WriteAheadLog::release(std::uint64_t number) {
  const std::size_t in_use = descriptor_ >= 0 ? 1 : 0;
  while (files_.size() > in_use && files_.front().last <= number) {
    spares_.push_back(std::move(files_.front()));
    files_.pop_front();
  }
  for (; spares_.size() > kSparesMax; spares_.pop_back()) ::unlink(spares_.back().path.c_str());
}

// ---- Writing.

// What came to the disk of the file in use, nobody knows: the next call begins another one.
std::unexpected<Error> WriteAheadLog::failed(std::string_view doing) {
  Error error = disk_error(doing, files_.back().path, errno);
  ::close(std::exchange(descriptor_, -1));
  return fail(std::move(error));
}

// Returns how much was written: all, or where room ends behind the first `needed` bytes, less.
Result<std::size_t> WriteAheadLog::write_at(std::size_t at, BytesView bytes, std::size_t needed) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const BytesView step = bytes.substr(written, kStepBytes);
    const ssize_t size = ::pwrite(descriptor_, step.data(), step.size(), static_cast<off_t>(at + written));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && written >= needed) break;
    if (size < 0) return failed("write to");
    written += static_cast<std::size_t>(size);
    if (written < bytes.size() && ::fdatasync(descriptor_) != 0) return failed("sync");
  }
  return written;
}

Result<> WriteAheadLog::sync_file() {
  if (::fdatasync(descriptor_) != 0) return failed("sync");
  unsynced_.clear();
  return {};
}

Result<WriteAheadLog::File> WriteAheadLog::spare_file() {
  if (!spares_.empty()) {
    File file = std::move(spares_.back());
    spares_.pop_back();
    return file;
  }
  File file;
  file.path = fmt::format("{}/{}{}", directory_, next_name_++, kExtension);
  const int created = ::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (created < 0) return fail(disk_error("make", file.path, errno));
  ::close(created);
  const int parent = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool listed = parent >= 0 && ::fsync(parent) == 0;
  const int error = errno;
  if (parent >= 0) ::close(parent);
  if (listed) return file;
  ::unlink(file.path.c_str());
  return fail(disk_error("sync", directory_, error));
}

// Begins a file, with the records that are not known to be on the disk; they are there when it returns without error.
Result<> WriteAheadLog::begin_file() {
  DISTRI_TRY(File file, spare_file());
  file.age = next_age_++;
  file.salt = new_salt();
  file.first = newest_ - unsynced_.size() + 1;
  file.last = newest_;
  buffer_ = header_of(file.age, file.salt, file.first);
  std::uint64_t number = file.first;
  for (const Bytes& record : unsynced_) append_frame(buffer_, file.salt, number++, record);
  file.bytes = buffer_.size();
  descriptor_ = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status{};
  const bool opened = descriptor_ >= 0 && ::fstat(descriptor_, &status) == 0;
  // One that a large record has stretched gives its room back.
  const bool large = opened && static_cast<std::size_t>(status.st_size) > 2 * kFileBytes;
  if (!opened || (large && ::ftruncate(descriptor_, kFileBytes) != 0)) {
    const int error = errno;
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    spares_.push_back(file);  // for the next try
    return fail(disk_error("open", file.path, error));
  }
  filled_ = large ? kFileBytes : static_cast<std::size_t>(status.st_size);
  offset_ = buffer_.size();
  files_.push_back(std::move(file));
  const auto written = write_at(0, buffer_, buffer_.size());
  const Result<> result = written ? sync_file() : Result<>(fail(written.error()));
  if (!result) {
    spares_.push_back(std::move(files_.back()));
    files_.pop_back();
    return result;
  }
  ++files_begun_;
  return {};
}

Result<> WriteAheadLog::make_room(std::size_t frame_bytes) {
  if (descriptor_ >= 0 && (offset_ == kHeaderBytes || offset_ + frame_bytes <= kFileBytes)) return {};
  if (descriptor_ >= 0) {
    if (!unsynced_.empty()) DISTRI_TRY_VOID(sync_file());
    ::close(std::exchange(descriptor_, -1));
  }
  return begin_file();
}

Result<> WriteAheadLog::append(BytesView record) {
  const std::size_t size = kFrameHeadBytes + record.size();
  DISTRI_TRY_VOID(make_room(size));
  File& file = files_.back();
  buffer_.clear();
  append_frame(buffer_, file.salt, newest_ + 1, record);
  // Room for the records to come, in the same call; the record counts also where there is none.
  if (offset_ + size > filled_) {
    const std::size_t wanted = std::max(offset_ + size, std::min(offset_ + size + kFillBytes, kFileBytes));
    buffer_.resize(wanted - offset_, '\0');
  }
  DISTRI_TRY(const std::size_t written, write_at(offset_, buffer_, size));
  filled_ = std::max(filled_, offset_ + written);
  offset_ += size;
  file.bytes = offset_;
  file.last = ++newest_;
  unsynced_.emplace_back(record);
  if (buffer_.capacity() > kFileBytes) Bytes().swap(buffer_);
  return {};
}

Result<> WriteAheadLog::sync() {
  if (descriptor_ < 0) return begin_file();  // after an error, or the first call: this syncs
  if (unsynced_.empty()) return {};
  return sync_file();
}

}  // namespace distri::storage
