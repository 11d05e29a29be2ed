// revision.hpp: what replication remembers about a stored document. db stores it and never interprets it.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <memory>
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

// A number of a counter. Only the member that the kind names is used; the other keeps its default. Equal: same bits.
struct Number {
  // The numbers travel. Ascending: the kind of a sum is at least the greatest kind of its terms.
  enum class Kind : std::uint8_t { kNone = 0, kInt32 = 1, kInt64 = 2, kDouble = 3 };

  Kind kind = Kind::kNone;  // kNone: no value
  std::int64_t integer = 0;
  double real = -0.0;  // -0.0 is what changes nothing when added, not even 0.0

  bool operator==(const Number& other) const {
    return kind == other.kind && integer == other.integer &&
           std::bit_cast<std::uint64_t>(real) == std::bit_cast<std::uint64_t>(other.real);
  }
};

// What one actor added to a counter: the sums of its integers and of its doubles.
struct CounterPart {
  ActorId actor;
  std::uint64_t first = 0;    // counter of the dot of the oldest increment in it
  std::uint64_t counter = 0;  // and of the newest
  Number sum;                 // both members are used; the kind is the widest of the increments'

  bool operator==(const CounterPart&) const = default;
};

// What concurrent increments make of a field: its value is the base plus all parts (replication/counter.hpp).
struct Counter {
  Number base;                     // what the field held when it was last set; kNone: it was missing
  std::vector<CounterPart> parts;  // by actor; never empty

  bool operator==(const Counter&) const = default;
};

// One top-level field whose register is newer than the generation it lives in, or holds a counter.
struct FieldRevision {
  // Position of the field in the insert that began the generation; kAdded for a field that came later.
  static constexpr std::uint32_t kAdded = 0xffffffff;

  std::string name;
  Stamp stamp;
  Dot dot;
  std::uint32_t ordinal = kAdded;
  bool unset = false;  // the register holds "no value"
  // With a counter, stamp and dot are those of the base: of the write that set the field last, or of the generation.
  // nullptr: a plain register. Shared between copies, never changed.
  std::shared_ptr<const Counter> counter = nullptr;

  bool operator==(const FieldRevision& other) const {
    return name == other.name && stamp == other.stamp && dot == other.dot && ordinal == other.ordinal &&
           unset == other.unset &&
           (counter == other.counter || (counter && other.counter && *counter == *other.counter));
  }
};

// The generation (newest insert, replace or delete) and the fields written since, sorted by name. Every stored document
// has one and most have no such field, so it keeps the actor once and the fields behind a pointer.
class Revision {
 public:
  Revision() = default;
  // Precondition: stamp and dot are of the same write, and so of the same actor.
  Revision(const Stamp& stamp, const Dot& dot, std::vector<FieldRevision> fields = {});
  Revision(const Revision& other) : Revision(other.stamp(), other.dot(), other.fields()) {}
  Revision(Revision&&) noexcept = default;
  Revision& operator=(const Revision& other) { return *this = Revision(other); }
  Revision& operator=(Revision&&) noexcept = default;

  Stamp stamp() const { return {hlc_, actor_}; }
  Dot dot() const { return {actor_, counter_}; }
  const std::vector<FieldRevision>& fields() const { return fields_ ? *fields_ : kNoFields; }
  // For changing them; they must stay sorted.
  std::vector<FieldRevision>& mutable_fields();

  bool operator==(const Revision& other) const {
    return hlc_ == other.hlc_ && counter_ == other.counter_ && actor_ == other.actor_ && fields() == other.fields();
  }

 private:
  static const std::vector<FieldRevision> kNoFields;

  std::uint64_t hlc_ = 0;
  std::uint64_t counter_ = 0;
  ActorId actor_;
  std::unique_ptr<std::vector<FieldRevision>> fields_;  // nullptr: none
};

}  // namespace distri::db
