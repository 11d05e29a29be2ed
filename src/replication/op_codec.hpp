// op_codec.hpp: the parts of op.hpp's codec that a writer needs who encodes each op once, when it is made.
#pragma once

#include "distri/replication/op.hpp"

namespace distri::replication {

// The stamp's actor is the batch's and does not travel.
void encode(wire::Writer& out, const Op& op);
Result<Op> decode_op(wire::Reader& in, const ActorId& actor);

// What precedes the ops of a batch; batch.ops is not looked at.
void encode_batch_head(wire::Writer& out, const Batch& batch, std::size_t ops);

// Fields that an update may set and unset: no `_id`, no '$', none twice. kInvalidArgument.
Result<> check_update_fields(bson::View set, const std::vector<std::string>& unset);
// The same for what an increment adds to (its values are not looked at); at least one field.
Result<> check_increment_fields(bson::View deltas);

}  // namespace distri::replication
