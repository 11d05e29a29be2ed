#include "emulated_line.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <utility>

#include "distri/utils/bytes.hpp"
#include "distri/utils/random.hpp"

namespace bench {
namespace {

using namespace distri;

constexpr const char* kDevice = "line0";
constexpr int kPacketBytesMax = 1'500;
constexpr std::int64_t kIdleUs = 50'000;  // how often the thread looks whether it is to stop

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::unexpected<Error> refused(std::string_view what) {
  return fail(Code::kUnavailable,
              "{}: {}; this needs network namespaces and /dev/net/tun: run it as root, or where unprivileged user "
              "namespaces are allowed",
              what, std::strerror(errno));
}

ifreq request_for_device() {
  ifreq request{};
  std::strncpy(request.ifr_name, kDevice, IFNAMSIZ - 1);
  return request;
}

sockaddr address_of(const std::string& host) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  sockaddr result{};
  std::memcpy(&result, &address, sizeof result);
  return result;
}

// One direction.
class Wire {
 public:
  Wire(const EmulatedLine::Options& options, std::uint64_t seed) : options_(options), random_(seed) {}

  enum class Fate { kTaken, kLost, kDropped };
  Fate take(Bytes packet, std::int64_t now) {
    const std::int64_t begins = std::max(now, free_at_us_);
    const auto waiting_bytes = static_cast<std::uint64_t>(begins - now) * options_.bits_per_s / 8'000'000;
    if (waiting_bytes + packet.size() > options_.queue_bytes) return Fate::kDropped;
    free_at_us_ = begins + static_cast<std::int64_t>(packet.size() * 8'000'000 / options_.bits_per_s);
    if (random_.chance(options_.loss)) return Fate::kLost;
    packets_.push_back({free_at_us_ + options_.delay_us, std::move(packet)});
    return Fate::kTaken;
  }
  // When the next one arrives; INT64_MAX: none is on its way.
  std::int64_t next_us() const { return packets_.empty() ? INT64_MAX : packets_.front().first; }
  void deliver(int device, std::int64_t now) {
    while (!packets_.empty() && packets_.front().first <= now) {
      const Bytes& packet = packets_.front().second;
      // A device that does not take it is a machine that has no memory left: lost.
      static_cast<void>(!write(device, packet.data(), packet.size()));
      packets_.pop_front();
    }
  }

 private:
  const EmulatedLine::Options& options_;
  Random random_;
  std::int64_t free_at_us_ = 0;
  std::deque<std::pair<std::int64_t, Bytes>> packets_;  // by the time of their arrival
};

}  // namespace

std::string EmulatedLine::host(std::size_t end) {
  return fmt::format("10.98.0.{}", end + 1);
}

Result<> EmulatedLine::ask_for_permission() {
  if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) return refused("a user namespace");
  return {};
}

// On a thread of its own, which is then in the namespace; what holds that afterwards is its descriptor.
Result<> EmulatedLine::open_end(std::size_t end) {
  if (unshare(CLONE_NEWNET) != 0) return refused("a network namespace");
  namespaces_[end] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (namespaces_[end] < 0) return refused("the network namespace");
  devices_[end] = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (devices_[end] < 0) return refused("/dev/net/tun");
  ifreq request = request_for_device();
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(devices_[end], TUNSETIFF, &request) != 0) return refused("a TUN device");
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto set = [control](unsigned long what, const auto& change) {
    ifreq each = request_for_device();
    change(each);
    return ioctl(control, what, &each) == 0;
  };
  const bool up = set(SIOCSIFADDR, [end](ifreq& each) { each.ifr_addr = address_of(host(end)); }) &&
                  set(SIOCSIFNETMASK, [](ifreq& each) { each.ifr_netmask = address_of("255.255.255.0"); }) &&
                  set(SIOCSIFMTU, [](ifreq& each) { each.ifr_mtu = kPacketBytesMax; }) &&
                  set(SIOCSIFFLAGS, [](ifreq& each) { each.ifr_flags = IFF_UP | IFF_RUNNING; });
  const auto result = up ? Result<>() : refused("the address of the device");
  close(control);
  return result;
}

Result<std::unique_ptr<EmulatedLine>> EmulatedLine::make(const Options& options) {
  std::unique_ptr<EmulatedLine> line(new EmulatedLine(options));
  for (std::size_t end = 0; end < 2; ++end) {
    Result<> opened;
    std::thread([&] { opened = line->open_end(end); }).join();
    if (!opened) return fail(std::move(opened).error());
  }
  line->thread_ = std::thread([raw = line.get()] { raw->carry(); });
  return line;
}

EmulatedLine::~EmulatedLine() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  for (const int descriptor : devices_) {
    if (descriptor >= 0) close(descriptor);
  }
  for (const int descriptor : namespaces_) {
    if (descriptor >= 0) close(descriptor);
  }
}

Result<> EmulatedLine::enter(std::size_t end) const {
  if (setns(namespaces_[end], CLONE_NEWNET) != 0) return refused("entering the network namespace");
  return {};
}

EmulatedLine::Counters EmulatedLine::counters() const {
  return {packets_.load(), lost_.load(), dropped_.load()};
}

void EmulatedLine::carry() {
  std::array<Wire, 2> wires{Wire(options_, 2 * options_.seed), Wire(options_, 2 * options_.seed + 1)};
  Bytes buffer(2 * kPacketBytesMax, '\0');
  while (!stop_) {
    for (std::size_t from = 0; from < 2; ++from) {
      for (;;) {
        const ssize_t size = read(devices_[from], buffer.data(), buffer.size());
        if (size <= 0) break;
        ++packets_;
        const auto fate = wires[from].take(buffer.substr(0, static_cast<std::size_t>(size)), now_us());
        if (fate == Wire::Fate::kLost) ++lost_;
        if (fate == Wire::Fate::kDropped) ++dropped_;
      }
      wires[from].deliver(devices_[1 - from], now_us());
    }
    const std::int64_t next_us = std::min({wires[0].next_us(), wires[1].next_us(), now_us() + kIdleUs});
    const std::int64_t wait_us = std::max<std::int64_t>(next_us - now_us(), 0);
    const timespec wait{wait_us / 1'000'000, wait_us % 1'000'000 * 1'000};
    std::array<pollfd, 2> events{pollfd{devices_[0], POLLIN, 0}, pollfd{devices_[1], POLLIN, 0}};
    ppoll(events.data(), events.size(), &wait, nullptr);
  }
}

}  // namespace bench
