// connection_census.hpp: who is connected: how many from each address, and who has not shown yet that it may be here.
//
// A node that can be reached by strangers must not let them take what it has for members. So there are limits on
// connections in all, on those from one address (an IPv4 address, or a /64 of IPv6, as one machine can have all of
// that; an IPv4 address in IPv6's clothes is an IPv4 address), on how fast new ones come from one address
// (connection_rate.hpp), and on strangers: connections that are not trusted yet.
// Where the first three are reached, a new connection is refused before anything is made for it. Where there are too
// many strangers, the oldest goes instead: refusing new ones would let whoever fills the places, and says nothing, keep
// everybody out, while a member shows its key within moments and so is never the oldest for long.
//
// Invariants: every Visit is counted in all and at its address until it ends; as a stranger until it is trusted or
// displaced, if that comes first. Threads: the loop's thread. The census outlives its visits.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "distri/net/connection_rate.hpp"
#include "distri/utils/result.hpp"

namespace distri::net {

// What an address is counted as: "192.0.2.7", "2001:db8:0:1::/64".
std::string address_group(std::string_view host);

class ConnectionCensus {
 public:
  struct Limits {
    std::size_t connections_max = 0;
    std::size_t per_address_max = 0;           // of addresses beyond loopback
    std::size_t per_loopback_address_max = 0;  // 0: no limit of its own
    std::size_t strangers_max = 0;
    std::size_t stranger_streams_max = 0;  // requests that a stranger may make of those that are open to it
    std::uint64_t rate_max = 0;            // new connections a second of one address beyond loopback; 0: no limit
    std::uint64_t burst_max = 1;           // so many of one address may come at once before the rate counts
    std::uint64_t loopback_rate_max = 0;   // the same a second of one loopback address; 0: no limit
  };
  struct Counters {  // in this life
    std::uint64_t refused_in_all = 0;
    std::uint64_t refused_per_address = 0;
    std::uint64_t refused_by_rate = 0;
    std::uint64_t displaced = 0;     // strangers that made room for newer ones
    std::uint64_t timed_out = 0;     // strangers that did not show in time that they may be here
    std::uint64_t over_bytes = 0;    // strangers that sent too many bytes, or too large a frame
    std::uint64_t over_frames = 0;   // strangers that sent too many frames
    std::uint64_t over_streams = 0;  // requests of strangers beyond those that each may make
  };
  using Displace = std::function<void(const Error& reason)>;

  // One connection, from its acceptance to its end.
  class Visit {
   public:
    Visit() = default;
    Visit(Visit&& other) noexcept;
    Visit& operator=(Visit&& other) noexcept;
    ~Visit() { leave(); }
    // It is no stranger (any more).
    void trusted();
    // As a stranger it had its time.
    void timed_out();
    // As a stranger it makes one more request of those that are open to strangers. False: that is one too many.
    bool may_ask();
    // It ends, for this reason. `too_many_frames`: that was what was too large.
    void closed(const Error& reason, bool too_many_frames = false);

   private:
    friend class ConnectionCensus;
    Visit(ConnectionCensus& census, std::uint64_t number, std::string group)
        : census_(&census), number_(number), group_(std::move(group)) {}
    bool is_stranger() const;
    void leave();

    ConnectionCensus* census_ = nullptr;
    std::uint64_t number_ = 0;
    std::string group_;
    std::size_t asked_ = 0;
  };

  explicit ConnectionCensus(const Limits& limits)
      : limits_(limits),
        rate_(limits.rate_max, limits.burst_max),
        loopback_rate_(limits.loopback_rate_max, limits.burst_max) {}

  // Whether one more may come from there now. kBusy names the limit, and is counted.
  Result<> may_enter(std::string_view host, std::int64_t now_us);
  // It has come. `displace` closes it, at once or later, and is called once at most. May displace another one.
  Visit enter(std::string_view host, Displace displace);

  std::size_t connections() const { return connections_; }
  std::size_t strangers() const { return strangers_.size(); }
  std::size_t addresses() const { return by_group_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  Result<> may_come_now(const std::string& group, bool loopback, std::int64_t now_us);
  void displace_oldest();

  Limits limits_;
  ConnectionRate rate_;
  ConnectionRate loopback_rate_;
  Counters counters_;
  std::size_t connections_ = 0;
  absl::flat_hash_map<std::string, std::size_t> by_group_;
  std::map<std::uint64_t, Displace> strangers_;  // in the order in which they came
  std::uint64_t next_number_ = 1;
};

}  // namespace distri::net
