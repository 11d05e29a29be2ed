#include "distri/db/revision.hpp"

#include "distri/utils/check.hpp"

namespace distri::db {

const std::vector<FieldRevision> Revision::kNoFields;

Revision::Revision(const Stamp& stamp, const Dot& dot, std::vector<FieldRevision> fields)
    : hlc_(stamp.hlc), counter_(dot.counter), actor_(dot.actor) {
  DISTRI_CHECK(stamp.actor == dot.actor);
  if (!fields.empty()) fields_ = std::make_unique<std::vector<FieldRevision>>(std::move(fields));
}

std::vector<FieldRevision>& Revision::mutable_fields() {
  if (!fields_) fields_ = std::make_unique<std::vector<FieldRevision>>();
  return *fields_;
}

}  // namespace distri::db
