// joiner.hpp: the new machine's side of joining: asks until it is a member or was refused.
//
// The owner connects to the addresses of the line in turn, checks by TLS that the sponsor's key answers, sends
// request() and hands what comes to on_reply(). A connection that breaks costs nothing: the next one is asked with a
// request of its own. After on_reply() says kMember the table is persisted together with the node's key, and the line
// is not needed again. A node that crashed before that starts over with the same key and line and gets the same
// admission; so the key must be on disk before the first request.
//
// Threads: none; the owner serialises calls.
#pragma once

#include <optional>

#include "distri/membership/join_line.hpp"
#include "distri/membership/join_messages.hpp"
#include "distri/membership/member_table.hpp"

namespace distri::membership {

class Joiner {
 public:
  enum class State { kAsking, kMember, kRefused };

  // `key`: of this node. Error kInvalidArgument: the name.
  static Result<Joiner> start(JoinLine line, SigningKey key, std::string name);

  State state() const { return state_; }
  const JoinLine& line() const { return line_; }
  // For the connection with this binding, 1 to kJoinBindingBytesMax bytes.
  Bytes request(BytesView binding) const;
  // What the sponsor sent. kMember: table() is there. kRefused: refusal() says why. An error: the bytes are not an
  // answer that could be true, and the state is as before. Answers after the first that decided change nothing.
  Result<State> on_reply(BytesView reply);
  // Precondition: kMember.
  const MemberTable& table() const;
  // Precondition: kRefused.
  const Error& refusal() const;

 private:
  Joiner(JoinLine line, SigningKey key, std::string name)
      : line_(std::move(line)), key_(std::move(key)), name_(std::move(name)) {}

  JoinLine line_;
  SigningKey key_;
  std::string name_;
  State state_ = State::kAsking;
  std::optional<MemberTable> table_;
  std::optional<Error> refusal_;
};

}  // namespace distri::membership
