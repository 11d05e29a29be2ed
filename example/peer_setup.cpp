#include "peer_setup.hpp"

#include "distri/peer/names.hpp"
#include "distri/utils/key_file.hpp"

namespace example {

using distri::Code;
using distri::Result;
using distri::peer::Peer;
using distri::peer::PeerOptions;

namespace {

constexpr std::size_t kClusterIdBytes = 32;

}  // namespace

Result<PeerOptions> peer_options(const Options& options) {
  if (const auto good = distri::peer::check_user_name(options.peer.identifier); !good) {
    return distri::fail(good.error().code, "--identifier: {}", good.error().message);
  }
  auto made = PeerOptions::of(options.peer.identifier, options.addresses.front(),
                              {options.addresses.begin() + 1, options.addresses.end()});
  if (!options.data_dir.empty()) made.data_directory = options.data_dir;
  while (made.data_directory.size() > 1 && made.data_directory.ends_with('/')) made.data_directory.pop_back();
  if (!options.peer.key.empty()) {
    auto key = distri::read_key_file(options.peer.key);
    if (!key) return distri::fail(key.error().code, "--key: {}", key.error().message);
    made.key = *std::move(key);
  }
  if (const auto id = distri::from_hex(options.peer.cluster); !id || (!id->empty() && id->size() != kClusterIdBytes)) {
    return distri::fail(Code::kInvalidArgument,
                        "--cluster: the id of a cluster has {} hexadecimal digits; 'distri members' and 'distri "
                        "cluster init' show it",
                        2 * kClusterIdBytes);
  }
  made.client.cluster = options.peer.cluster;
  made.log = distri::Log::to_stderr("peer", options.log_level);
  return made;
}

Result<std::unique_ptr<Peer>> open_peer(PeerOptions options) {
  const std::string directory = options.data_directory;
  auto peer = Peer::open(std::move(options));
  if (peer) return peer;
  if (peer.error().code != Code::kBusy) {
    return distri::fail(peer.error().code, "--data-dir: {}", peer.error().message);
  }
  return distri::fail(Code::kBusy,
                      "--data-dir {} is in use by another program; give the action to that one (--do listen reads "
                      "actions from its standard input), or stop it first",
                      directory);
}

Result<> start_peer(Peer& peer, const Options& options) {
  if (const auto started = peer.start(); !started) {
    peer.stop();
    return distri::fail(started.error().code, "--ips: {}", started.error().message);
  }
  if (options.peer.directory.empty()) return {};
  if (const auto published = peer.publish(options.peer.directory); !published) {
    peer.stop();
    return distri::fail(published.error().code, "--dir: {}", published.error().message);
  }
  return {};
}

std::string name_of(const Peer& peer, const distri::PublicKey& user) {
  for (const auto& each : peer.contacts()) {
    if (each.user.owner == user && !each.names.empty()) return each.names.back();
  }
  return user.short_hex();
}

}  // namespace example
