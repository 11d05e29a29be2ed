// ids.hpp: what peers call things by.
#pragma once

#include "distri/utils/ids.hpp"

namespace distri::peer {

// A request and the grant that answers it: 16 random bytes, chosen by who asks.
using GrantId = Id<struct GrantIdTag, 16>;
// One view that was asked for online: 16 random bytes, chosen by who views, the same in every retry. All zero: none was
// asked for, the view key lies in escrow.
using ViewId = Id<struct ViewIdTag, 16>;
// One of the devices that hold a user's key: 8 random bytes, chosen once.
using DeviceId = Id<struct DeviceIdTag, 8>;

}  // namespace distri::peer
