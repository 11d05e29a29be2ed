// resume_token.hpp: what a reader of a change feed has seen, as text: a version vector that any node understands.
//
// Text: base64 with the URL-safe alphabet and no padding over u8 version, (actor 16, counter u64) each, sorted by
// actor, u32 checksum. Folds do not travel: who covers the token covers the op of each fold it rests on, and so knows
// the fold. Threads: pure functions. Errors: kInvalidArgument, "InvalidResumeToken (260): ...".
#pragma once

#include <string>
#include <string_view>

#include "distri/replication/version_vector.hpp"

namespace distri::replication {

// A token fits the parameters of a request; 1,900 actors are far more than folds leave in a vector.
inline constexpr std::size_t kResumeTokenTextMax = 62'000;

std::string encode_resume_token(const VersionVector& seen);
Result<VersionVector> decode_resume_token(std::string_view text);

}  // namespace distri::replication
