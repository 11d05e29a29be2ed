// compare.hpp: MongoDB's order of values, and keys whose byte order is that order.
//
// Types are ordered MinKey < (undefined) < null < numbers < string, symbol < object < array < binary < ObjectId < bool
// < date < timestamp < regex < ... < MaxKey; numbers compare by value across int32, int64, double (NaN below all
// numbers) and decimal128.
#pragma once

#include "distri/bson/value.hpp"

namespace distri::bson {

// <0, 0, >0.
int compare(const Value& a, const Value& b);
int compare(View a, View b);

// The bracket of a type: comparisons with $lt, $gt and so on match only inside one bracket.
int type_bracket(Type type);

// Appends a key such that memcmp order of keys equals compare() order of values, and equal values have equal keys
// (1, 1.0 and NumberLong(1) too). No key is a prefix of another, so keys can be concatenated.
void append_order_key(Bytes& out, const Value& value);
Bytes order_key(const Value& value);

// The size of the order key that `bytes` begins with; with `complemented`, of one whose bytes are all complemented.
// nullopt: they do not begin with one (any bytes may be given; at most kDepthMax levels are walked).
std::optional<std::size_t> order_key_size(BytesView bytes, bool complemented = false);

// The first byte of the order keys of that type's bracket.
char order_key_kind(Type type);

}  // namespace distri::bson
