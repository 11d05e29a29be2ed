// join_line.hpp: an invitation as one line, to be copied to the new machine: `distri serve --join LINE`.
//
// It holds where the sponsor listens, which cluster and which node must answer there, and the invitation's secret. One
// word of letters, digits, '-' and '_', with a checksum, so that a mistyped line is called that. Whoever reads it may
// join until the invitation is used up or has expired: it is as secret as a password.
#pragma once

#include <string>
#include <vector>

#include "distri/membership/statements.hpp"

namespace distri::membership {

struct JoinLine {
  ClusterId cluster;
  NodeId sponsor;
  std::vector<Address> addresses;  // of the sponsor, in the order to try
  SigningKey invitation;           // what it was invited with
};

// Precondition: check_addresses(line.addresses).
std::string print(const JoinLine& line);
// Blanks around it do not matter. Error kInvalidArgument; the message never quotes the line.
Result<JoinLine> parse_join_line(std::string_view text);

}  // namespace distri::membership
