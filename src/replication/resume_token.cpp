#include "distri/replication/resume_token.hpp"

#include <algorithm>

#include "distri/utils/hash.hpp"

namespace distri::replication {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kEntryBytes = ActorId::kSize + 8;
constexpr std::size_t kChecksumBytes = 4;

std::unexpected<Error> invalid(std::string_view why) {
  return fail(Code::kInvalidArgument,
              "InvalidResumeToken (260): {}; pass a token exactly as an answer of Watch gave it, or start without one",
              why);
}

std::uint32_t checksum(BytesView bytes) {
  return static_cast<std::uint32_t>(checksum_64(bytes));
}

}  // namespace

std::string encode_resume_token(const VersionVector& seen) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  for (const auto& [actor, counter] : seen.entries()) {
    out.raw(actor.view());
    out.u64(counter);
  }
  out.u32(checksum(bytes));
  std::string text = to_base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Result<VersionVector> decode_resume_token(std::string_view text) {
  if (text.size() > kResumeTokenTextMax) return invalid("it is longer than any token");
  if (text.find_first_of("+/=") != std::string_view::npos) return invalid("it is not a token");
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  while (standard.size() % 4 != 0) standard.push_back('=');
  const auto bytes = from_base64(standard);
  if (!bytes || bytes->size() < 1 + kChecksumBytes || bytes->front() != kVersion) return invalid("it is not a token");
  const BytesView body = BytesView(*bytes).substr(0, bytes->size() - kChecksumBytes);
  if (wire::Reader(BytesView(*bytes).substr(body.size())).u32() != checksum(body) ||
      (body.size() - 1) % kEntryBytes != 0) {
    return invalid("it is not a token, or was changed on its way");
  }
  wire::Reader in(body.substr(1));
  VersionVector seen;
  while (!in.at_end()) {
    const auto actor = in.id<ActorId>();
    const std::uint64_t counter = in.u64();
    const auto& entries = seen.entries();
    if (counter == 0 || (!entries.empty() && !(entries.back().first < actor))) return invalid("it is not a token");
    seen.advance(actor, counter);
  }
  return seen;
}

}  // namespace distri::replication
