// document_parts.hpp: documents that concurrent updates made larger than one document may be, as bytes.
//
// A merged document may exceed the size that bson::validate() accepts, so it travels in parts, each a document of whole
// fields: u32 count, then bytes32 each.
#pragma once

#include "distri/bson/document.hpp"
#include "distri/replication/version_vector.hpp"

namespace distri::replication {

void encode_parts(wire::Writer& out, bson::View document);
// Total; at most kMergedDocumentBytesMax. kProtocolError.
Result<bson::Document> decode_parts(wire::Reader& in);

void encode(wire::Writer& out, const Stamp& stamp);
void encode(wire::Writer& out, const Dot& dot);
Stamp read_stamp(wire::Reader& in);
Dot read_dot(wire::Reader& in);

}  // namespace distri::replication
