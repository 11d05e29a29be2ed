// sandbox.hpp: a world of its own for the nodes: a network with one namespace for each node, and small disks.
//
// The program leaves the system's network and mounts for private ones at its start (with root rights, or inside a user
// namespace). Everything made there, bridges, addresses, mounts, goes with the last process inside: nothing is left
// behind, however the program ends. Each node has the address 10.77.0.(index + 1) behind a bridge, on which the clients
// are 10.77.0.254.
//
// Cuts are silent: a receiving namespace throws away what comes from a source (a policy rule), so that connections
// hang as they do when a cable is cut far away. They are counted per direction, so that cuts may overlap.
//
// Threads: enter() before any other thread exists; the rest the program's first thread. Errors: kUnavailable, with what
// the system said.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "distri/utils/address.hpp"
#include "distri/utils/result.hpp"

namespace chaos {

// Runs a program; its error output is the error. In another network namespace when `network` is not -1.
distri::Result<> run_tool(const std::vector<std::string>& command, int network = -1);

// Private mounts, and a private network if asked. kUnavailable: not allowed here; nothing has changed then.
distri::Result<> enter_sandbox(bool network);

class Network {
 public:
  static constexpr std::size_t kClients = 255;  // as an index: where the clients are

  static distri::Result<Network> create(std::size_t nodes);
  Network(Network&& other) noexcept = default;
  Network& operator=(Network&&) = delete;
  ~Network();

  distri::Address address(std::size_t node) const;
  int descriptor(std::size_t node) const { return descriptors_[node]; }

  // What `from` sends no longer reaches node `to`.
  distri::Result<> cut(std::size_t from, std::size_t to);
  distri::Result<> mend(std::size_t from, std::size_t to);
  // The cable of a node: unplugged, it loses even its link.
  distri::Result<> plug(std::size_t node, bool in);

 private:
  Network() = default;
  std::vector<int> descriptors_;
  std::map<std::pair<std::size_t, std::size_t>, int> cuts_;
};

// A file system in memory with little room. A file of nothing, the ballast, takes what is to be gone.
//
// A store that reserves space for its log ahead of time would not notice for long that a disk is full. So there is
// never much room: tend() lets the ballast grow and shrink, so that about kRoomBytes are left.
class SmallDisk {
 public:
  static constexpr std::int64_t kRoomBytes = 12 << 20;

  static distri::Result<SmallDisk> mount(const std::string& directory, std::size_t megabytes);
  SmallDisk(SmallDisk&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
  SmallDisk& operator=(SmallDisk&&) = delete;
  ~SmallDisk();

  void tend();
  // Until not a byte is left.
  distri::Result<> fill();
  void empty();

 private:
  void leave(std::int64_t bytes);

  bool full_ = false;
  explicit SmallDisk(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace chaos
