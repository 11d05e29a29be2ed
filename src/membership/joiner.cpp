#include "distri/membership/joiner.hpp"

#include "distri/utils/check.hpp"

namespace distri::membership {

Result<Joiner> Joiner::start(JoinLine line, SigningKey key, std::string name) {
  DISTRI_TRY_VOID(check_name(name));
  return Joiner(std::move(line), std::move(key), std::move(name));
}

Bytes Joiner::request(BytesView binding) const {
  return encode(sign_join_request(line_.cluster, line_.sponsor, line_.invitation, key_, name_, binding));
}

Result<Joiner::State> Joiner::on_reply(BytesView bytes) {
  if (state_ != State::kAsking) return state_;
  DISTRI_TRY(JoinReply reply, decode_join_reply(bytes));
  if (auto* error = std::get_if<Error>(&reply)) {
    refusal_ = std::move(*error);
    return state_ = State::kRefused;
  }
  DISTRI_TRY(MemberTable table, MemberTable::load(std::get<JoinAccepted>(reply).table));
  if (table.cluster() != line_.cluster) {
    return fail(Code::kUnauthenticated, "join: the answer is the table of cluster {}, the line is for {}",
                table.cluster().short_hex(), line_.cluster.short_hex());
  }
  if (!table.is_member(line_.sponsor)) {
    return fail(Code::kUnauthenticated, "join: by its own table the sponsor {} is no member",
                line_.sponsor.short_hex());
  }
  if (!table.is_member(key_.public_key())) {
    return fail(Code::kUnauthenticated, "join: the table of the answer does not hold this node's admission");
  }
  table_ = std::move(table);
  return state_ = State::kMember;
}

const MemberTable& Joiner::table() const {
  DISTRI_CHECK(table_.has_value());
  return *table_;
}

const Error& Joiner::refusal() const {
  DISTRI_CHECK(refusal_.has_value());
  return *refusal_;
}

}  // namespace distri::membership
