#include "distri/storage/memory_journal.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "distri/utils/hash.hpp"

namespace distri::storage {
namespace {

constexpr std::string_view kFile = "records";

void append_sized(Bytes& out, BytesView bytes) {
  const auto size = static_cast<std::uint64_t>(bytes.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(bytes);
}

// False: `in` ends before it.
bool take_sized(BytesView& in, BytesView& bytes) {
  std::uint64_t size = 0;
  if (in.size() < sizeof size) return false;
  std::memcpy(&size, in.data(), sizeof size);
  in.remove_prefix(sizeof size);
  if (in.size() < size) return false;
  bytes = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

}  // namespace

Result<std::unique_ptr<MemoryJournal>> MemoryJournal::open(const std::string& directory) {
  const auto path = std::filesystem::path(directory) / kFile;
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::kNotFound, "open {}: there is no such backup", path.string());
  const Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto damaged = [&] { return fail(Code::kDataLoss, "open {}: the file is damaged", path.string()); };
  std::uint64_t check = 0;
  if (bytes.size() < sizeof check) return damaged();
  BytesView in(bytes.data(), bytes.size() - sizeof check);
  std::memcpy(&check, bytes.data() + in.size(), sizeof check);
  if (check != checksum_64(in)) return damaged();
  auto journal = std::make_unique<MemoryJournal>();
  while (!in.empty()) {
    BytesView key;
    BytesView value;
    if (!take_sized(in, key) || !take_sized(in, value)) return damaged();
    journal->written_.emplace(key, value);
  }
  journal->synced_ = journal->written_;
  return journal;
}

void MemoryJournal::apply(Records& records, const std::vector<Change>& changes) {
  for (const auto& [key, value] : changes) {
    if (value) {
      records.insert_or_assign(key, *value);
    } else {
      records.erase(key);
    }
  }
}

Result<> MemoryJournal::write(const std::vector<Change>& changes) {
  const std::lock_guard lock(mutex_);
  apply(written_, changes);
  unsynced_.push_back(changes);
  return {};
}

Result<> MemoryJournal::sync() {
  const std::lock_guard lock(mutex_);
  for (const auto& changes : unsynced_) apply(synced_, changes);
  unsynced_.clear();
  return {};
}

Result<> MemoryJournal::load(const Visit& visit) {
  Records records;
  {
    const std::lock_guard lock(mutex_);
    records = written_;
  }
  for (const auto& [key, value] : records) DISTRI_TRY_VOID(visit(key, value));
  return {};
}

Result<> MemoryJournal::backup(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(directory, error))) {
    return fail(Code::kAlreadyExists, "backup: there is something at {} already", directory);
  }
  Bytes bytes;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, value] : written_) {
      append_sized(bytes, key);
      append_sized(bytes, value);
    }
  }
  const std::uint64_t check = checksum_64(bytes);
  bytes.append(reinterpret_cast<const char*>(&check), sizeof check);
  if (!std::filesystem::create_directory(directory, error)) {
    return fail(Code::kStorageFailed, "backup: cannot make {}: {}", directory, error.message());
  }
  std::ofstream file(std::filesystem::path(directory) / kFile, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) return fail(Code::kStorageFailed, "backup: cannot write to {}", directory);
  return {};
}

void MemoryJournal::crash() {
  const std::lock_guard lock(mutex_);
  written_ = synced_;
  unsynced_.clear();
}

std::size_t MemoryJournal::unsynced() const {
  const std::lock_guard lock(mutex_);
  return unsynced_.size();
}

}  // namespace distri::storage
