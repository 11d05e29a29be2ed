// watch_redis.hpp: a phase of watch_bench with a stream of Redis: XADD, and XREAD BLOCK by readers with a connection
// each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distri/utils/address.hpp"
#include "watch_phase.hpp"

namespace bench {

class RedisWatchServer final : public WatchServer {
 public:
  RedisWatchServer(distri::Address server, std::uint32_t doc_bytes);
  ~RedisWatchServer() override;

  // Deletes the stream of that name, which is the benchmark's own; so does close().
  distri::Result<> open(WatchPhase& phase, std::uint64_t watchers) override;
  distri::Result<> add(std::uint64_t number) override;
  distri::Result<> turn() override;
  distri::Result<> close();

 private:
  class Lane;
  class Writer;
  class Reader;

  distri::Address server_;
  std::uint32_t doc_bytes_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // the writer, then the readers
  Writer* writer_ = nullptr;
};

}  // namespace bench
