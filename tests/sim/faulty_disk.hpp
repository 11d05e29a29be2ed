// faulty_disk.hpp: a disk in memory that fails as disks do.
//
// Batches that have not been synced are at risk: a crash keeps a drawn prefix of them (a torn batch is a lost one, as
// the checksum of a write-ahead log would have it). A disk that lies says that it synced and did not. Beyond what a
// crash may do, the last batches can be taken away although they were synced (a lost tail), a bit of what is stored can
// turn over, the disk can be full, and its whole image can be copied and put back (backup, clone).
//
// Invariants: what load() visits is always a prefix of the batches written since the image was put in, each wholly or
// not at all, unless a bit was flipped.
// Threads: none. Errors: kStorageFull while full.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <vector>

#include "distri/storage/journal.hpp"
#include "distri/utils/random.hpp"

namespace distri::sim {

class FaultyDisk : public storage::Journal {
 public:
  using Image = std::map<Bytes, Bytes>;
  // So many synced batches can be taken away by lose_tail().
  static constexpr std::size_t kRememberedBatches = 64;

  Result<> write(const std::vector<storage::Change>& changes) override;
  Result<> sync() override;
  Result<> load(const storage::Visit& visit) override;
  // Keeps the image under that name: backups() has it.
  Result<> backup(const std::string& directory) override;

  struct Crash {
    std::size_t unsynced_lost = 0;
    std::size_t synced_lost = 0;  // of a disk that lied
  };
  Crash crash(Random& random);
  // Takes the last `batches` away, synced or not; how many there were.
  std::size_t lose_tail(std::size_t batches);
  // One bit of one key or value; false: nothing is stored.
  bool flip_bit(Random& random);
  void set_full(bool full) { full_ = full; }
  bool full() const { return full_; }
  // From now on sync() says that all is well and does nothing.
  void set_lying(bool lying) { lying_ = lying; }

  Image image() const;
  void put_image(Image image);
  std::size_t records() const { return image().size(); }
  const std::map<std::string, Image>& backups() const { return backups_; }

 private:
  using Batch = std::vector<storage::Change>;
  static void apply(Image& image, const Batch& batch);
  void forget_old();

  Image base_;
  std::deque<Batch> batches_;    // on top of base_
  std::size_t synced_ = 0;       // of batches_
  std::size_t said_synced_ = 0;  // >= synced_: what a lying disk has claimed
  bool full_ = false;
  bool lying_ = false;
  std::map<std::string, Image> backups_;
};

}  // namespace distri::sim
