// Who is counted where, who is refused, and who has to go.
#include "distri/net/connection_census.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>


using namespace distri;
using net::address_group;
using net::ConnectionCensus;

namespace {

ConnectionCensus::Limits limits() {
  return {.connections_max = 10, .per_address_max = 2, .per_loopback_address_max = 3, .strangers_max = 10};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Visits that nobody has to close.
struct Guests {
  explicit Guests(ConnectionCensus& its_census) : census(its_census) {}
  bool come(const std::string& host) {
    if (!census.may_enter(host, now_us)) return false;
    visits.push_back(census.enter(host, [this, i = visits.size()](const Error& reason) {
      displaced.push_back(i);
      last = reason;
    }));
    return true;
  }

  ConnectionCensus& census;
  std::int64_t now_us = 0;
  std::vector<ConnectionCensus::Visit> visits;
  std::vector<std::size_t> displaced;
  std::optional<Error> last;
};

}  // namespace

TEST_CASE("an IPv4 address is counted for itself, an IPv6 address with its /64, and either in any form") {
  CHECK(address_group("192.0.2.7") == "192.0.2.7");
  CHECK(address_group("::ffff:192.0.2.7") == "192.0.2.7");
  CHECK(address_group("::ffff:c000:207") == "192.0.2.7");
  CHECK(address_group("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64");
  CHECK(address_group("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64");
  CHECK(address_group("2001:db8:1:3::9") == "2001:db8:1:3::/64");
  CHECK(address_group("fe80::1%eth0") == "fe80::/64");
  CHECK(address_group("::1") == "::1");
  CHECK(address_group("::2") == "::/64");
}

TEST_CASE("an address that has its connections is refused by name until one of them ends, and others are not") {
  ConnectionCensus census(limits());
  Guests guests(census);
  CHECK(guests.come("192.0.2.7"));
  CHECK(guests.come("::ffff:192.0.2.7"));
  CHECK_FALSE(guests.come("192.0.2.7"));
  CHECK(guests.come("192.0.2.8"));
  const auto refused = census.may_enter("192.0.2.7", 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kBusy);
  CHECK(contains(refused.error().message, "2 connections from 192.0.2.7, the limit connections_per_address_max"));
  CHECK(census.counters().refused_per_address == 2);
  // Those that are trusted are counted, too.
  guests.visits[0].trusted();
  CHECK_FALSE(guests.come("192.0.2.7"));
  guests.visits[0].closed({Code::kConnectionLost, "gone"});
  CHECK(guests.come("192.0.2.7"));
}

TEST_CASE("machines of one /64 are one address") {
  ConnectionCensus census(limits());
  Guests guests(census);
  CHECK(guests.come("2001:db8::1"));
  CHECK(guests.come("2001:db8::2"));
  CHECK_FALSE(guests.come("2001:db8::3"));
  CHECK(guests.come("2001:db8:0:1::3"));
  CHECK(census.addresses() == 2);
}

TEST_CASE("programs of this machine have a limit of their own, or none") {
  ConnectionCensus census(limits());
  Guests guests(census);
  for (int i = 0; i < 3; ++i) CHECK(guests.come("127.0.0.1"));
  CHECK_FALSE(guests.come("127.0.0.1"));
  CHECK(contains(census.may_enter("127.0.0.1", 0).error().message, "connections_per_loopback_address_max"));
  CHECK(guests.come("127.0.0.2"));

  auto free = limits();
  free.per_loopback_address_max = 0;
  ConnectionCensus open(free);
  Guests locals(open);
  for (int i = 0; i < 10; ++i) CHECK(locals.come("127.0.0.1"));
  CHECK_FALSE(locals.come("127.0.0.1"));
  CHECK(contains(open.may_enter("127.0.0.1", 0).error().message, "connections_max"));
  CHECK(open.counters().refused_in_all == 2);
  CHECK(open.counters().refused_per_address == 0);
}

TEST_CASE("the oldest stranger makes room, and who is trusted never does") {
  auto few = limits();
  few.strangers_max = 2;
  few.per_address_max = 10;
  ConnectionCensus census(few);
  Guests guests(census);
  for (int i = 0; i < 2; ++i) guests.come("192.0.2.7");
  guests.visits[0].trusted();
  guests.come("192.0.2.7");
  CHECK(guests.displaced.empty());
  guests.come("192.0.2.7");
  guests.come("192.0.2.7");
  CHECK(guests.displaced == std::vector<std::size_t>{1, 2});
  CHECK(guests.last->code == Code::kBusy);
  CHECK(contains(guests.last->message, "strangers_max"));
  CHECK(census.strangers() == 2);
  CHECK(census.connections() == 5);  // the displaced ones are still to end
  CHECK(census.counters().displaced == 2);
  guests.visits[1].closed(*guests.last);
  guests.visits[2].closed(*guests.last);
  CHECK(census.connections() == 3);
}

TEST_CASE("how strangers end is counted, how others end is not") {
  ConnectionCensus census({.connections_max = 100, .per_address_max = 100, .strangers_max = 100});
  Guests guests(census);
  for (int i = 0; i < 8; ++i) guests.come("192.0.2.7");
  guests.visits[6].closed({Code::kTooLarge, "too many frames"}, true);
  guests.visits[7].trusted();
  guests.visits[7].closed({Code::kTooLarge, "too many frames"}, true);
  guests.visits[0].closed({Code::kDeadlineExceeded, "no hello"});
  guests.visits[1].timed_out();
  guests.visits[1].closed({Code::kUnauthenticated, "no key with rights"});
  guests.visits[2].closed({Code::kTooLarge, "too many bytes"});
  guests.visits[3].closed({Code::kConnectionLost, "gone"});
  guests.visits[4].trusted();
  guests.visits[4].closed({Code::kDeadlineExceeded, "half a frame"});
  guests.visits[5].trusted();
  guests.visits[5].closed({Code::kTooLarge, "a frame"});
  CHECK(census.counters().timed_out == 2);
  CHECK(census.counters().over_bytes == 1);
  CHECK(census.counters().over_frames == 1);
  CHECK(census.counters().displaced == 0);
  CHECK(census.connections() == 0);
  CHECK(census.strangers() == 0);
  CHECK(census.addresses() == 0);
}

TEST_CASE("a stranger asks so many times and no more, and each time more is counted") {
  auto few = limits();
  few.stranger_streams_max = 2;
  ConnectionCensus census(few);
  Guests guests(census);
  for (int i = 0; i < 2; ++i) guests.come("192.0.2.7");
  for (auto& visit : guests.visits) {
    CHECK(visit.may_ask());
    CHECK(visit.may_ask());
    CHECK_FALSE(visit.may_ask());
  }
  CHECK_FALSE(guests.visits[0].may_ask());
  CHECK(census.counters().over_streams == 3);
  CHECK_FALSE(ConnectionCensus::Visit().may_ask());
}

TEST_CASE("who connects too fast is refused by name and told how long to wait; others are not") {
  auto slow = limits();
  slow.per_address_max = slow.connections_max = 100;
  slow.per_loopback_address_max = 0;
  slow.rate_max = 10;
  slow.burst_max = 3;
  ConnectionCensus census(slow);
  Guests guests(census);
  for (int i = 0; i < 3; ++i) CHECK(guests.come("2001:db8::1"));
  CHECK_FALSE(guests.come("2001:db8::2"));  // one machine may have all of a /64
  const auto refused = census.may_enter("2001:db8::1", 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::kBusy);
  CHECK(contains(refused.error().message,
                 "2001:db8::/64 makes connections faster than 10 a second, the limit "
                 "connection_rate_max after the first 3 (connection_burst_max)"));
  CHECK(contains(refused.error().message, "try again in 100 ms"));
  CHECK(census.counters().refused_by_rate == 2);
  CHECK(guests.come("192.0.2.7"));
  for (int i = 0; i < 20; ++i) CHECK(guests.come("127.0.0.1"));  // has a limit of its own, which is none
  guests.now_us = 100'000;
  CHECK(guests.come("2001:db8::1"));
  CHECK_FALSE(guests.come("2001:db8::1"));
  CHECK(census.counters().refused_by_rate == 3);

  slow.loopback_rate_max = 1;
  ConnectionCensus strict(slow);
  Guests locals(strict);
  for (int i = 0; i < 3; ++i) CHECK(locals.come("127.0.0.1"));
  const auto local = strict.may_enter("127.0.0.1", 0);
  REQUIRE_FALSE(local);
  CHECK(contains(local.error().message, "connection_loopback_rate_max"));
  CHECK(contains(local.error().message, "try again in 1000 ms"));
}
