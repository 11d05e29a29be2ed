// disasters.hpp: what goes wrong, when, and to whom; all of it drawn from one seed.
//
// Up to kAtOnce disasters are under way at the same time, each with an end at which it is undone: a killed node is
// started again, a stopped one goes on, a cut is mended, a plug goes back in, a disk gets its room back. Timing of
// processes and packets is not repeatable, but the sequence of disasters of one seed is.
//
// Threads: the program's first thread. Errors of the system's tools end the run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "distri/utils/random.hpp"
#include "nodes.hpp"
#include "probes.hpp"
#include "sandbox.hpp"

namespace chaos {

enum class Disaster { kKill, kKillSeveral, kKillAll, kStop, kPartition, kOneWay, kUnplug, kCutClients, kFullDisk };
inline constexpr std::size_t kDisasterCount = 9;
std::string_view name_of(Disaster disaster);

struct World {
  Nodes& nodes;
  Network* network = nullptr;  // none: no cuts
  SmallDisk* disk = nullptr;   // none: no full disks
  std::size_t disk_node = 0;   // whose it is
  Prober& prober;
  bool kills = true;  // nodes keep what they know
};

class Disasters {
 public:
  Disasters(World world, std::uint64_t seed, std::function<void(const std::string&)> say);

  // Begins and ends what is due. Call often.
  distri::Result<> tick(std::int64_t now_ms);
  // Ends all that is under way.
  distri::Result<> heal();
  // Now, or a moment ago: the end of a process is noticed late.
  bool disk_full() const { return disk_full_ || now_ms_ - room_since_ms_ < kNoticedMs; }
  const std::array<std::uint64_t, kDisasterCount>& counts() const { return counts_; }
  std::uint64_t kills() const { return kills_; }  // processes

 private:
  struct Active {
    Disaster what = Disaster::kKill;
    std::vector<std::size_t> nodes;
    std::vector<std::pair<std::size_t, std::size_t>> cuts;
    std::int64_t end_ms = 0;
    bool probed = false;
    std::string text;  // to whom
  };

  std::vector<Disaster> possible() const;
  bool under_way(Disaster what) const;
  distri::Result<> begin(Disaster what, std::int64_t now_ms);
  distri::Result<> strike(Active& active);
  distri::Result<> partition(Active& active);
  distri::Result<> end(Active& active);
  std::vector<std::size_t> some_nodes(std::size_t count);
  std::string names(const std::vector<std::size_t>& nodes) const;

  World world_;
  distri::Random random_;
  std::function<void(const std::string&)> say_;
  std::int64_t next_ms_ = 0;
  std::vector<Active> active_;
  static constexpr std::int64_t kNoticedMs = 2'000;
  bool disk_full_ = false;
  std::int64_t room_since_ms_ = -kNoticedMs;
  std::int64_t now_ms_ = 0;  // at the last tick
  std::array<std::uint64_t, kDisasterCount> counts_{};
  std::uint64_t kills_ = 0;
};

}  // namespace chaos
