// ids.hpp: what peers call things by.
#pragma once

#include "distri/utils/signing.hpp"

namespace distri::peer {

// A request and the grant that answers it: 8 random bytes, chosen by who asks, and 8 that follow from these and his
// key. So nobody can send a request of his own under an id that he has seen, before the real one arrives.
using GrantId = Id<struct GrantIdTag, 16>;
GrantId make_grant_id(const PublicKey& asker, std::uint64_t random);
bool is_made_by(const GrantId& id, const PublicKey& asker);

// One view that was asked for online: 16 random bytes, chosen by who views, the same in every retry. All zero: none was
// asked for, the view key lies in escrow.
using ViewId = Id<struct ViewIdTag, 16>;
// One of the devices that hold a user's key: 8 random bytes, chosen once.
using DeviceId = Id<struct DeviceIdTag, 8>;

}  // namespace distri::peer
