#include "faulty_disk.hpp"

namespace distri::sim {

void FaultyDisk::apply(Image& image, const Batch& batch) {
  for (const auto& [key, value] : batch) {
    if (value) {
      image.insert_or_assign(key, *value);
    } else {
      image.erase(key);
    }
  }
}

Result<> FaultyDisk::write(const std::vector<storage::Change>& changes) {
  if (full_) return fail(Code::kStorageFull, "the simulated disk has no room");
  batches_.push_back(changes);
  return {};
}

Result<> FaultyDisk::sync() {
  if (full_) return fail(Code::kStorageFull, "the simulated disk has no room");
  said_synced_ = batches_.size();
  if (!lying_) synced_ = batches_.size();
  forget_old();
  return {};
}

void FaultyDisk::forget_old() {
  while (synced_ > kRememberedBatches) {
    apply(base_, batches_.front());
    batches_.pop_front();
    --synced_;
    --said_synced_;
  }
}

Result<> FaultyDisk::load(const storage::Visit& visit) {
  for (const auto& [key, value] : image()) DISTRI_TRY_VOID(visit(key, value));
  return {};
}

Result<> FaultyDisk::backup(const std::string& directory) {
  if (!backups_.try_emplace(directory, image()).second)
    return fail(Code::kAlreadyExists, "there is a backup '{}' already", directory);
  return {};
}

FaultyDisk::Crash FaultyDisk::crash(Random& random) {
  const std::size_t at_risk = batches_.size() - synced_;
  const std::size_t kept = synced_ + random.below(at_risk + 1);
  Crash result;
  if (said_synced_ > kept) result.synced_lost = said_synced_ - kept;
  result.unsynced_lost = batches_.size() - kept - result.synced_lost;
  batches_.resize(kept);
  synced_ = said_synced_ = kept;
  return result;
}

std::size_t FaultyDisk::lose_tail(std::size_t batches) {
  const std::size_t lost = std::min(batches, batches_.size());
  batches_.resize(batches_.size() - lost);
  synced_ = std::min(synced_, batches_.size());
  said_synced_ = std::min(said_synced_, batches_.size());
  return lost;
}

bool FaultyDisk::flip_bit(Random& random) {
  Image all = image();
  if (all.empty()) return false;
  auto record = std::next(all.begin(), static_cast<std::ptrdiff_t>(random.below(all.size())));
  Bytes key = record->first;
  Bytes value = record->second;
  // Most of what is stored is values.
  Bytes& victim = value.empty() || random.below(8) == 0 ? key : value;
  if (victim.empty()) return false;
  victim[random.below(victim.size())] ^= static_cast<char>(1u << random.below(8));
  all.erase(record);
  all.insert_or_assign(std::move(key), std::move(value));
  put_image(std::move(all));
  return true;
}

FaultyDisk::Image FaultyDisk::image() const {
  Image result = base_;
  for (const Batch& batch : batches_) apply(result, batch);
  return result;
}

void FaultyDisk::put_image(Image image) {
  base_ = std::move(image);
  batches_.clear();
  synced_ = said_synced_ = 0;
}

}  // namespace distri::sim
