// command_groups.hpp: the parts of the list of commands, one per file.
#pragma once

#include <vector>

#include "distri/cli/command.hpp"

namespace distri::cli {

std::vector<Command> node_commands();        // serve, status, call, backup, restore
std::vector<Command> cluster_commands();     // keygen, cluster init, invite, members, remove, replace
std::vector<Command> access_commands();      // token create, user create, ...
std::vector<Command> document_commands();    // db find, db insert, ...
std::vector<Command> collection_commands();  // db create, db indexes, db conflicts, ...

}  // namespace distri::cli
