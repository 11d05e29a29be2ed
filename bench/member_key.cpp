#include "member_key.hpp"

#include "distri/cloud/cluster_setup.hpp"
#include "distri/utils/key_file.hpp"

namespace bench {

using distri::Code;
using distri::NodeId;
using distri::Result;

Result<MemberKey> read_member_key(const std::string& data_dir) {
  DISTRI_TRY(auto table, distri::cloud::read_member_table(data_dir));
  if (!table) {
    return distri::fail(Code::kNotFound, "{} belongs to no cluster with keys; 'distri cluster init' makes one",
                        data_dir);
  }
  DISTRI_TRY(const distri::SigningKey key,
             distri::read_key_file(fmt::format("{}/{}", data_dir, distri::cloud::kNodeKeyFile)));
  MemberKey member;
  DISTRI_TRY(member.tls, distri::net::Tls::with_key(key));
  member.trust = [known = std::make_shared<const distri::membership::MemberTable>(*std::move(table))](
                     const NodeId& node) -> Result<> {
    if (known->is_member(node)) return {};
    return distri::fail(Code::kUnauthenticated, "the node there is {}, which is no member of cluster {}",
                        node.short_hex(), known->cluster().short_hex());
  };
  return member;
}

void apply(const MemberKey& key, distri::net::ConnectionOptions& options) {
  if (!key.tls) return;
  options.tls = key.tls;
  options.admit = [trust = key.trust](const std::optional<NodeId>& node) -> Result<> {
    if (node) return trust(*node);
    return distri::fail(Code::kUnauthenticated, "the node there shows no key");
  };
}

void apply(const MemberKey& key, distri::client::ClientOptions& options) {
  options.tls = key.tls;
  options.trust = key.trust;
}

}  // namespace bench
