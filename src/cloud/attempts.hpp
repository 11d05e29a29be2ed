// attempts.hpp: how often an address may try to show a token that is not good.
//
// An address is what connection_census.hpp counts as one. The first kFreeFailures cost nothing; after every further one
// the address waits, kFirstWaitMs and then twice as long each time, up to kLongestWaitMs. An address that has not
// failed for kForgetMs starts anew. At most kAddressesMax addresses are remembered; of more, the one goes whose last
// failure is the longest ago. Threads: none. Time is handed in.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace distri::cloud {

class Attempts {
 public:
  static constexpr int kFreeFailures = 5;
  static constexpr std::int64_t kFirstWaitMs = 1'000;
  static constexpr std::int64_t kLongestWaitMs = 60'000;
  static constexpr std::int64_t kForgetMs = 600'000;
  static constexpr std::size_t kAddressesMax = 4'096;

  // How long this address has to wait before its next try; 0: it need not.
  std::int64_t wait_ms(const std::string& address, std::int64_t now_ms) const;
  void failed(const std::string& address, std::int64_t now_ms);
  std::size_t addresses() const { return failures_.size(); }

 private:
  struct Failures {
    int count = 0;
    std::int64_t last_ms = 0;
    std::int64_t until_ms = 0;
  };
  std::map<std::string, Failures> failures_;
};

}  // namespace distri::cloud
