#include "distri/replication/counter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace distri::replication {

namespace {

using Kind = Number::Kind;
__extension__ using Wide = __int128;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// The sign and payload of a NaN that arithmetic makes differ between processors.
double canonical(double value) {
  return std::isnan(value) ? std::bit_cast<double>(std::uint64_t{0x7ff8000000000000}) : value;
}

Wide integers_of(const Counter& counter) {
  Wide sum = counter.base.integer;
  for (const CounterPart& part : counter.parts) sum += part.sum.integer;
  return sum;
}

Kind widest_of(const Counter& counter) {
  Kind widest = counter.base.kind;
  for (const CounterPart& part : counter.parts) widest = std::max(widest, part.sum.kind);
  return widest;
}

bool fits(Wide sum) {
  return sum >= kMin && sum <= kMax;
}

auto part_of(auto& counter, const ActorId& actor) {
  return std::lower_bound(counter.parts.begin(), counter.parts.end(), actor,
                          [](const CounterPart& part, const ActorId& wanted) { return part.actor < wanted; });
}

}  // namespace

std::optional<Number> number_of(const bson::Value& value) {
  switch (value.type()) {
    case bson::Type::kInt32:
      return Number{Kind::kInt32, value.as_int32()};
    case bson::Type::kInt64:
      return Number{Kind::kInt64, value.as_int64()};
    case bson::Type::kDouble:
      return Number{Kind::kDouble, 0, value.as_double()};
    default:
      return std::nullopt;
  }
}

bson::Document element_of(std::string_view name, const Number& number) {
  bson::Builder builder(name.size() + 16);
  switch (number.kind) {
    case Kind::kInt32:
      builder.append_int32(name, static_cast<std::int32_t>(number.integer));
      break;
    case Kind::kInt64:
      builder.append_int64(name, number.integer);
      break;
    case Kind::kDouble:
      builder.append_double(name, number.real);
      break;
    case Kind::kNone:
      break;
  }
  return std::move(builder).finish();
}

Number value_of(const Counter& counter) {
  const Wide integers = integers_of(counter);
  const Kind widest = widest_of(counter);
  if (widest != Kind::kDouble && fits(integers)) {
    const auto sum = static_cast<std::int64_t>(integers);
    const bool small =
        sum >= std::numeric_limits<std::int32_t>::min() && sum <= std::numeric_limits<std::int32_t>::max();
    return {widest == Kind::kInt32 && small ? Kind::kInt32 : Kind::kInt64, sum};
  }
  double sum = counter.base.real;
  if (integers != 0 || (counter.base.kind != Kind::kNone && counter.base.kind != Kind::kDouble))
    sum += static_cast<double>(integers);
  for (const CounterPart& part : counter.parts) sum += part.sum.real;
  return {Kind::kDouble, 0, canonical(sum)};
}

bool add(Counter& counter, const db::Dot& dot, const Number& delta) {
  auto part = part_of(counter, dot.actor);
  if (part == counter.parts.end() || part->actor != dot.actor) {
    part = counter.parts.insert(part, {dot.actor, dot.counter, 0, {}});
  }
  if (part->counter >= dot.counter) return false;
  part->counter = dot.counter;
  part->sum.kind = std::max(part->sum.kind, delta.kind);
  const Wide sum = Wide{part->sum.integer} + delta.integer;
  part->sum.integer = static_cast<std::int64_t>(std::clamp<Wide>(sum, kMin, kMax));
  part->sum.real = canonical(part->sum.real + delta.real);
  return true;
}

bool merge(Counter& into, const Counter& other) {
  bool changed = false;
  for (const CounterPart& theirs : other.parts) {
    const auto mine = part_of(into, theirs.actor);
    if (mine == into.parts.end() || mine->actor != theirs.actor) {
      into.parts.insert(mine, theirs);
    } else if (mine->counter < theirs.counter) {
      *mine = theirs;
    } else {
      continue;
    }
    changed = true;
  }
  return changed;
}

Result<> check_add(const Counter& counter, const ActorId& actor, const Number& delta, std::string_view field) {
  const Wide before = integers_of(counter);
  const auto part = part_of(counter, actor);
  const bool has_part = part != counter.parts.end() && part->actor == actor;
  // Among doubles integers may grow further: the value is a double, however large.
  const bool leaves = widest_of(counter) != Kind::kDouble && delta.kind != Kind::kDouble && fits(before) &&
                      !fits(before + delta.integer);
  if (leaves || (has_part && !fits(Wide{part->sum.integer} + delta.integer))) {
    return fail(Code::kInvalidArgument,
                "increment: field '{}' would leave the range of 64-bit integers; set it to a double first", field);
  }
  return {};
}

void encode(wire::Writer& out, const Number& number) {
  out.u8(static_cast<std::uint8_t>(number.kind));
  if (number.kind == Kind::kNone) return;
  out.u64(number.kind == Kind::kDouble ? std::bit_cast<std::uint64_t>(number.real)
                                       : static_cast<std::uint64_t>(number.integer));
}

Result<Number> decode_number(wire::Reader& in) {
  Number number;
  const std::uint8_t kind = in.u8();
  if (!in.ok() || kind > static_cast<std::uint8_t>(Kind::kDouble))
    return fail(Code::kProtocolError, "number: unknown kind {}", kind);
  number.kind = static_cast<Kind>(kind);
  if (number.kind == Kind::kNone) return number;
  const std::uint64_t bits = in.u64();
  if (!in.ok()) return fail(Code::kProtocolError, "number: it ends early");
  if (number.kind == Kind::kDouble) {
    number.real = std::bit_cast<double>(bits);
  } else {
    number.integer = static_cast<std::int64_t>(bits);
  }
  if (number.kind == Kind::kInt32 && number.integer != static_cast<std::int32_t>(number.integer))
    return fail(Code::kProtocolError, "number: an int32 of {}", number.integer);
  return number;
}

void encode(wire::Writer& out, const Counter& counter) {
  encode(out, counter.base);
  out.u32(static_cast<std::uint32_t>(counter.parts.size()));
  for (const CounterPart& part : counter.parts) {
    out.raw(part.actor.view());
    out.u64(part.first);
    out.u64(part.counter);
    out.u8(static_cast<std::uint8_t>(part.sum.kind));
    out.u64(static_cast<std::uint64_t>(part.sum.integer));
    out.u64(std::bit_cast<std::uint64_t>(part.sum.real));
  }
}

Result<Counter> decode_counter(wire::Reader& in) {
  constexpr std::size_t kPartBytes = ActorId::kSize + 8 + 8 + 1 + 8 + 8;
  Counter counter;
  DISTRI_TRY(counter.base, decode_number(in));
  const std::uint32_t count = in.u32();
  if (!in.ok() || count == 0 || count > in.remaining() / kPartBytes)
    return fail(Code::kProtocolError, "counter: it has no parts, or its parts end early");
  counter.parts.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CounterPart part;
    part.actor = in.id<ActorId>();
    part.first = in.u64();
    part.counter = in.u64();
    const std::uint8_t kind = in.u8();
    part.sum.integer = static_cast<std::int64_t>(in.u64());
    part.sum.real = std::bit_cast<double>(in.u64());
    if (i > 0 && counter.parts.back().actor >= part.actor)
      return fail(Code::kProtocolError, "counter: its parts are not sorted by actor");
    if (part.first == 0 || part.first > part.counter)
      return fail(Code::kProtocolError, "counter: the dots of a part are out of order");
    if (kind == 0 || kind > static_cast<std::uint8_t>(Kind::kDouble))
      return fail(Code::kProtocolError, "counter: unknown kind {}", kind);
    part.sum.kind = static_cast<Kind>(kind);
    counter.parts.push_back(part);
  }
  return counter;
}

}  // namespace distri::replication
