// machine_name.hpp: what a node is called when nobody says: the machine's host name, as far as it may be one.
#pragma once

#include <string>

namespace distri::cli {

// Letters, digits, '-', '_' and '.', up to the first dot; "node" when nothing of it is left.
std::string machine_name();

}  // namespace distri::cli
