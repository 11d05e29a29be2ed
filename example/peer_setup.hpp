// peer_setup.hpp: a Peer as the command line says.
//
// Threads: plain functions. Errors: of Peer, naming the option.
#pragma once

#include <memory>

#include "distri/peer/peer.hpp"
#include "options.hpp"

namespace example {

// Name, addresses, data directory, key, cluster, log.
distri::Result<distri::peer::PeerOptions> peer_options(const Options& options);
distri::Result<std::unique_ptr<distri::peer::Peer>> open_peer(distri::peer::PeerOptions options);
// Starts it, and publishes --dir where there is one; when that fails, no event comes any more.
distri::Result<> start_peer(distri::peer::Peer& peer, const Options& options);

// What a user is called, or the first digits of his key.
std::string name_of(const distri::peer::Peer& peer, const distri::PublicKey& user);

}  // namespace example
