// member_key.hpp: how the load generators speak to nodes with keys: as the member whose data directory they are given.
//
// As the `distri` command does it with --data-dir: the node's own key is shown, and only members are spoken to.
// Threads: one; `tls` any. Errors: kNotFound (no such directory, or it belongs to no cluster), those of the key file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "distri/client/client.hpp"
#include "distri/net/connection.hpp"
#include "distri/net/tls.hpp"

namespace bench {

// Empty: links are in the clear.
struct MemberKey {
  std::shared_ptr<distri::net::Tls> tls;
  std::function<distri::Result<>(const distri::NodeId& node)> trust;
};

distri::Result<MemberKey> read_member_key(const std::string& data_dir);

void apply(const MemberKey& key, distri::net::ConnectionOptions& options);
void apply(const MemberKey& key, distri::client::ClientOptions& options);

}  // namespace bench
