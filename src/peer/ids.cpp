#include "distri/peer/ids.hpp"

#include "distri/utils/hash.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::peer {

GrantId make_grant_id(const PublicKey& asker, std::uint64_t random) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u64(random);
  const Bytes first = bytes;
  out.raw(asker.view());
  out.raw("distri peer grant id");
  const Hash256 digest = blake2b_256(bytes);
  const BytesView rest(reinterpret_cast<const char*>(digest.data()), GrantId::kSize - first.size());
  return GrantId::from_view(first + Bytes(rest));
}

bool is_made_by(const GrantId& id, const PublicKey& asker) {
  wire::Reader in(id.view());
  return make_grant_id(asker, in.u64()) == id;
}

}  // namespace distri::peer
