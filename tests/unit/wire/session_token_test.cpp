#include <doctest/doctest.h>

#include "distri/wire/session_token.hpp"

namespace distri::wire {
namespace {

ActorId actor(unsigned char number) {
  ActorId id;
  id.bytes.fill(number);
  return id;
}

using Entries = std::vector<SessionToken::Entry>;

}  // namespace

TEST_CASE("a token keeps the highest counter of each actor and travels as 24 bytes an entry") {
  SessionToken token;
  token.see(actor(1), 5);
  token.see(actor(2), 7);
  token.see(actor(1), 3);
  CHECK(token.entries() == Entries{{actor(2), 7}, {actor(1), 5}});
  CHECK(token.encode().size() == 48);
  const auto decoded = SessionToken::decode(token.encode());
  REQUIRE(decoded);
  CHECK(decoded->entries() == token.entries());
}

TEST_CASE("a reply can lower an entry or remove it, and never raises one by that") {
  SessionToken token;
  token.see(actor(1), 5);
  token.see(actor(2), 7);
  token.see(actor(3), 2);
  SessionToken reply;
  reply.lower(actor(1), 4);
  reply.lower(actor(2), 0);
  reply.lower(actor(3), 9);
  reply.lower(actor(4), 1);
  reply.see(actor(5), 1);
  CHECK_FALSE(reply.empty());
  const auto decoded = SessionToken::decode(reply.encode());
  REQUIRE(decoded);
  CHECK(decoded->entries() == Entries{{actor(5), 1}});
  token.merge(*decoded);
  CHECK(token.entries() == Entries{{actor(1), 4}, {actor(3), 2}, {actor(5), 1}});
}

TEST_CASE("what is lowered is lowered first: a reply that also names newer writes of that actor is believed") {
  SessionToken token;
  token.see(actor(1), 9);
  SessionToken reply;
  reply.see(actor(1), 6);
  reply.lower(actor(1), 4);
  token.merge(*SessionToken::decode(reply.encode()));
  CHECK(token.entries() == Entries{{actor(1), 6}});
}

TEST_CASE("bytes that are no token are refused with their length") {
  const auto refused = SessionToken::decode("12345");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "the session token has 5 bytes; it must be a multiple of 24, at most 6144");
  CHECK_FALSE(SessionToken::decode(std::string(kTokenBytesMax + 24, 'x')));
}

}  // namespace distri::wire
