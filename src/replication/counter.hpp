// counter.hpp: numeric fields that concurrent increments add up in, as pure functions.
//
// A counter is a base (what the field held when it was last set) and one part per actor: the sum of what that actor has
// added since. Parts of different actors never touch each other, and within an actor increments come in order, so the
// part with the higher dot counter contains the other: merging takes the maximum per actor (Shapiro et al., 2011,
// "G-Counter", with sums in place of counts). Setting the field makes a new base without parts.
//
// The value. Integers are added exactly, in 128 bits: int32 while base and increments are int32 and the sum fits, else
// int64, else double. With any double among them the value is a double: the base, then the exact sum of all integers,
// then each actor's sum of doubles by actor. Hence it depends on base and parts alone. NaN has one form.
//
// Threads: none. Errors: check_add() for the local writer, the decoders for bytes from outside.
#pragma once

#include <optional>
#include <string_view>

#include "distri/bson/document.hpp"
#include "distri/db/revision.hpp"
#include "distri/utils/result.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

using db::Counter;
using db::CounterPart;
using db::Number;

// nullopt: not an int32, int64 or double.
std::optional<Number> number_of(const bson::Value& value);
// {name: number}. Precondition: it is one.
bson::Document element_of(std::string_view name, const Number& number);

// Never kNone: a counter has a part.
Number value_of(const Counter& counter);

// Adds one increment. False: it is contained already (a part with this or a higher counter is there). A part whose
// integers leave 64 bits stays at the edge; check_add() keeps honest writers from that.
bool add(Counter& counter, const db::Dot& dot, const Number& delta);

// Both have the same base. True: `into` has changed.
bool merge(Counter& into, const Counter& other);

// What a local writer must not do: leave 64 bits (as in MongoDB). kInvalidArgument names the field.
Result<> check_add(const Counter& counter, const ActorId& actor, const Number& delta, std::string_view field);

void encode(wire::Writer& out, const Number& number);
Result<Number> decode_number(wire::Reader& in);
// Total and bounded: kinds, parts sorted, at least one, counters in order. kProtocolError.
void encode(wire::Writer& out, const Counter& counter);
Result<Counter> decode_counter(wire::Reader& in);

}  // namespace distri::replication
