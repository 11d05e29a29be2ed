// record_bytes.hpp: records inside of states that are stored. Private to the module.
#pragma once

#include "distri/peer/records.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::peer {

template <class Record>
void put_record(wire::Writer& out, const Record& record) {
  out.bytes16(to_document(record).bytes());
}

// With everything that `read` checks. Errors: those of `read`; kInvalidArgument for what is no document.
template <class Record>
Result<Record> take_record(wire::Reader& in, Result<Record> (*read)(bson::View)) {
  DISTRI_TRY(const bson::View document, bson::validate(in.bytes16()));
  return read(document);
}

}  // namespace distri::peer
