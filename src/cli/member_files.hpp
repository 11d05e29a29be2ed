// member_files.hpp: what the data directory of a node holds of its membership, for commands on the same machine.
//
// Threads: one. Errors: of the key file and of the data directory.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "distri/membership/member_table.hpp"
#include "distri/utils/signing.hpp"

namespace distri::cli {

struct MemberFiles {
  SigningKey key;  // the node's
  std::shared_ptr<const membership::MemberTable> table;
};

// nullopt: the directory belongs to no cluster. kNotFound: there is no such directory.
Result<std::optional<MemberFiles>> read_member(const std::string& directory);

}  // namespace distri::cli
