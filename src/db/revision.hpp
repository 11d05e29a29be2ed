// revision.hpp: what replication remembers about a stored document. db stores it and never interprets it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "distri/utils/ids.hpp"

namespace distri::db {

// Place of a write in the order of writes: hybrid logical clock (48 bits milliseconds since 1970, 16 bits logical),
// ties broken by the actor. Strictly greater than the stamp of everything the write replaces.
struct Stamp {
  std::uint64_t hlc = 0;
  ActorId actor;

  auto operator<=>(const Stamp&) const = default;
};

// Name of a write: the counter-th write of an actor. Counters start at 1 and are dense.
struct Dot {
  ActorId actor;
  std::uint64_t counter = 0;

  auto operator<=>(const Dot&) const = default;
};

// One top-level field whose register is newer than the generation it lives in.
struct FieldRevision {
  // Position of the field in the insert that began the generation; kAdded for a field that came later.
  static constexpr std::uint32_t kAdded = 0xffffffff;

  std::string name;
  Stamp stamp;
  Dot dot;
  std::uint32_t ordinal = kAdded;
  bool unset = false;  // the register holds "no value"

  bool operator==(const FieldRevision&) const = default;
};

// The generation (newest insert, replace or delete) and the fields written since, sorted by name.
struct Revision {
  Stamp stamp;
  Dot dot;
  std::vector<FieldRevision> fields;

  bool operator==(const Revision&) const = default;
};

}  // namespace distri::db
