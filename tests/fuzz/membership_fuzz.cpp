// Everything of membership that comes from outside, on any bytes: tables, summaries, join messages, join lines, a
// sponsor's stored state. Properties: no crash; what is accepted is within its bounds and is read back from its own
// encoding; a refusal changes nothing; merging real statements, some of them damaged, in any order gives one table.
#include <cstdint>
#include <cstdlib>

#include "choices.hpp"
#include "membership_pile.hpp"

namespace {

using namespace distri;
using namespace distri::membership;
using distri::fuzz::Choices;

void require(bool condition) {
  if (!condition) std::abort();
}

const std::vector<membership::fuzz::Statement>& pile() {
  static const auto statements = membership::fuzz::make_pile();
  return statements;
}

void check_invariants(const MemberTable& table) {
  const Bytes bytes = table.encode();
  require(bytes.size() <= kTableBytesMax);
  const auto again = MemberTable::load(bytes);
  require(again && again->encode() == bytes && again->digest() == table.digest());
  require(table.missing(table.summary()).value().empty());
  for (const auto& member : table.members()) {
    require(!table.is_revoked(member.node) && check_name(member.name).has_value());
    require(table.find(member.node.hex()).value_or(member.node) == member.node);
  }
}

void check_table(BytesView bytes) {
  if (const auto table = MemberTable::load(bytes)) check_invariants(*table);
  MemberTable ours(membership::fuzz::founding());
  const Bytes before = ours.encode();
  if (const auto merged = ours.merge(bytes); !merged || *merged == 0) {
    require(ours.encode() == before);
  } else {
    check_invariants(ours);
    require(ours.merge(bytes).value() == 0);
  }
}

void check_summary(BytesView bytes) {
  MemberTable table(membership::fuzz::founding());
  for (const auto& statement : pile()) {
    std::visit([&](const auto& known) { static_cast<void>(table.add(known)); }, statement);
  }
  const auto delta = table.missing(bytes);
  if (!delta || delta->empty()) return;
  MemberTable other(membership::fuzz::founding());
  static_cast<void>(other.merge(*delta));
}

void check_join(BytesView bytes) {
  if (const auto request = decode_join_request(bytes)) {
    require(encode(*request) == bytes);
    MemberTable table(membership::fuzz::founding());
    Sponsor sponsor(membership::fuzz::key("node", 0));
    require(sponsor.open(membership::fuzz::invitation(0), table, 0).has_value());
    require(table.add(std::get<Admission>(pile()[0])).value());
    const auto answer = sponsor.answer(bytes, "channel", 1000, table);
    require(decode_join_reply(answer.reply).has_value());
    const auto loaded = Sponsor::load(membership::fuzz::key("node", 0), sponsor.encode());
    require(loaded && loaded->encode() == sponsor.encode());
  }
  if (const auto reply = decode_join_reply(bytes)) require(decode_join_reply(encode(*reply)).value() == *reply);
  JoinLine line{membership::fuzz::founding().cluster(),
                membership::fuzz::key("node", 0).public_key(),
                {{"h", 1}},
                membership::fuzz::key("invitation", 0)};
  auto joiner = Joiner::start(std::move(line), membership::fuzz::key("node", 2), "n2").value();
  if (joiner.on_reply(bytes).value_or(Joiner::State::kAsking) == Joiner::State::kMember) {
    check_invariants(joiner.table());
  }
}

void check_line(std::string_view text) {
  const auto line = parse_join_line(text);
  if (!line) {
    require(line.error().message.size() < 200);
    return;
  }
  require(parse_join_line(print(*line)).has_value());
}

void check_sponsor(BytesView bytes) {
  const auto sponsor = Sponsor::load(membership::fuzz::key("node", 0), bytes);
  if (sponsor)
    require(Sponsor::load(membership::fuzz::key("node", 0), sponsor->encode())->encode() == sponsor->encode());
}

// Three tables hear of some statements, each in an order of its own; sometimes one byte is damaged on the way.
void check_merges(Choices choices) {
  const MemberTable empty(membership::fuzz::founding());
  std::vector<MemberTable> tables(3, empty);
  for (int i = 0; i < 24 && !choices.over(); ++i) {
    const std::size_t what = choices.below(pile().size() + 6);
    MemberTable& table = tables[choices.below(3)];
    if (what < pile().size()) {
      std::visit([&](const auto& known) { static_cast<void>(table.add(known)); }, pile()[what]);
      continue;
    }
    Bytes bytes = tables[choices.below(3)].encode();
    const std::size_t at = (choices.below(256) << 8 | choices.below(256)) % bytes.size();
    const auto damage = static_cast<char>(choices.below(4) == 0 ? choices.below(256) : 0);
    bytes[at] = static_cast<char>(bytes[at] ^ damage);
    const Bytes before = table.encode();
    if (const auto merged = table.merge(bytes); !merged || *merged == 0) require(table.encode() == before);
  }
  const auto join = [](MemberTable a, const MemberTable& b) {
    require(a.merge(b.encode()).has_value());
    return a;
  };
  const auto& [a, b, c] = std::tie(tables[0], tables[1], tables[2]);
  require(join(a, b).encode() == join(b, a).encode());
  require(join(join(a, b), c).encode() == join(a, join(b, c)).encode());
  check_invariants(join(join(a, b), c));
}

}  // namespace

// First byte: what.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      check_table(bytes);
      break;
    case 1:
      check_summary(bytes);
      break;
    case 2:
      check_join(bytes);
      break;
    case 3:
      check_line(bytes);
      break;
    case 4:
      check_sponsor(bytes);
      break;
    default:
      check_merges(Choices(data + 1, size - 1));
      break;
  }
  return 0;
}
