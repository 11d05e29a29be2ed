// Any bytes as a resume token, and as the log's record of what writes did. Properties: no crash; what is read is read
// again as the same after it was written.
#include <cstdint>
#include <cstdlib>

#include "distri/replication/effect.hpp"
#include "distri/replication/resume_token.hpp"

namespace {

using namespace distri;
using namespace distri::replication;

void require(bool condition) {
  if (!condition) std::abort();
}

void read_token(BytesView text) {
  const auto seen = decode_resume_token(text);
  if (!seen) return require(seen.error().code == Code::kInvalidArgument);
  const auto again = decode_resume_token(encode_resume_token(*seen));
  require(again.has_value() && *again == *seen);
}

// The counters and actors of a token come from anywhere, too.
void make_token(BytesView bytes) {
  wire::Reader in(bytes);
  VersionVector seen;
  while (in.remaining() >= ActorId::kSize + 8) {
    const auto actor = in.id<ActorId>();
    seen.advance(actor, in.u64());
  }
  const auto again = decode_resume_token(encode_resume_token(seen));
  require(seen.entries().size() > 1'900 || (again.has_value() && *again == seen));
}

void read_effects(BytesView bytes) {
  if (bytes.size() < 2) return;
  const std::size_t ops = static_cast<unsigned char>(bytes.front()) % 8 + std::size_t{1};
  const auto effects = decode_effects(bytes.substr(1), ops);
  if (!effects) return require(effects.error().code == Code::kDataLoss);
  EffectsWriter writer;
  for (const Effect& effect : *effects) writer.add(effect);
  const auto again = decode_effects(writer.take(), ops);
  require(again.has_value() && *again == *effects);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView bytes(reinterpret_cast<const char*>(data), size);
  read_token(bytes);
  make_token(bytes);
  read_effects(bytes);
  return 0;
}
