// Writes the seeds of the fuzzers membership and swim into their folders below the one that is named: one good input of
// each kind.
#include <cstdio>
#include <fstream>

#include "distri/membership/swim.hpp"
#include "membership_pile.hpp"

using namespace distri;
using namespace distri::membership;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: membership_corpus FOLDER\n");
    return 2;
  }
  const auto write = [&](std::string_view name, char kind, const Bytes& bytes, std::string_view folder = "membership") {
    std::ofstream(fmt::format("{}/{}/{}", argv[1], folder, name), std::ios::binary) << kind << bytes;
  };
  const auto pile = membership::fuzz::make_pile();
  MemberTable table(membership::fuzz::founding());
  MemberTable first = table;
  for (std::size_t i = 0; i + 1 < pile.size(); ++i) {
    std::visit([&](const auto& known) { static_cast<void>(table.add(known)); }, pile[i]);
  }
  write("table", 0, table.encode());
  write("summary", 1, first.summary() + "12345678");
  const SigningKey invitation = membership::fuzz::key("invitation", 0);
  const SigningKey sponsor_key = membership::fuzz::key("node", 0);
  const ClusterId cluster = first.cluster();
  static_cast<void>(first.add(std::get<Admission>(pile[0])));
  Sponsor sponsor(sponsor_key.copy());
  static_cast<void>(sponsor.open(membership::fuzz::invitation(0), first, 0));
  const JoinRequest request = sign_join_request(cluster, sponsor_key.public_key(), invitation,
                                                membership::fuzz::key("node", 2), "n2", "channel");
  write("join_request", 2, encode(request));
  write("join_accepted", 2, sponsor.answer(encode(request), "channel", 1000, first).reply);
  write("join_refused", 2, encode(JoinReply(Error{Code::kDeadlineExceeded, "join: the invitation has expired"})));
  write("line", 3, print({cluster, sponsor_key.public_key(), {{"10.0.0.1", 7400}, {"host", 1}}, invitation.copy()}));
  write("sponsor", 4, sponsor.encode());
  static_cast<void>(table.add(std::get<RootChange>(pile.back())));
  write("table_of_epoch_1", 0, table.encode());
  Bytes merges;
  for (int i = 0; i < 40; ++i) merges.push_back(static_cast<char>(i * 7));
  write("merges", 5, merges);

  SwimMessage message;
  message.kind = SwimMessage::Kind::kPingReq;
  message.target = sponsor_key.public_key();
  message.nack_after_ms = 360;
  message.reports = {{invitation.public_key(), Health::kSuspect, 3, sponsor_key.public_key()},
                     {sponsor_key.public_key(), Health::kAlive, 4, {}}};
  write("ping_req", 0, encode(message), "swim");
  write("detector", 1, merges + merges + merges, "swim");
  return 0;
}
