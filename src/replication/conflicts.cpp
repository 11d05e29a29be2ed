#include "distri/replication/conflicts.hpp"

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/replication/counter.hpp"
#include "distri/replication/document_parts.hpp"
#include "distri/replication/merge.hpp"
#include "distri/replication/op_codec.hpp"

namespace distri::replication {

namespace {

constexpr std::size_t kEntryOverheadBytes = 512;  // nodes of the maps, names twice

// A lost generation: `_id` first, and that of the key.
Result<> check_document_conflict(const Conflict& conflict) {
  const Loser& loser = conflict.loser;
  // The stamp may be that of a counter's base, which another actor wrote.
  const db::Revision revision({loser.stamp.hlc, loser.dot.actor}, loser.dot);
  DISTRI_TRY_VOID(check_state({revision, loser.content}));
  const bson::View content = loser.content;
  if (bson::order_key(content.begin()->value) != conflict.name.key)
    return fail(Code::kProtocolError, "conflict: its key is not that of its document");
  if (loser.kind == ConflictKind::kDelete && content.count() != 1)
    return fail(Code::kProtocolError, "conflict: a delete has fields beside _id");
  if (!loser.unset.empty() || !loser.increments.view().empty() || loser.since != 0)
    return fail(Code::kProtocolError, "conflict: a whole document has single fields too");
  return {};
}

Result<> check_fields_conflict(const Loser& loser) {
  // Each field once among those set, unset and incremented.
  bson::Builder all;
  for (const bson::Element& element : loser.content.view()) all.append_element(element);
  for (const bson::Element& element : loser.increments.view()) {
    if (!number_of(element.value))
      return fail(Code::kProtocolError, "conflict: field '{}' is incremented by no number", element.key);
    all.append_element(element);
  }
  const bson::Document fields = std::move(all).finish();
  if (auto checked = check_update_fields(fields, loser.unset); !checked)
    return fail(Code::kProtocolError, "conflict: {}", checked.error().message);
  if (loser.empty()) return fail(Code::kProtocolError, "conflict: it is empty");
  if (loser.increments.view().empty() ? loser.since != 0 : loser.since == 0 || loser.since > loser.dot.counter)
    return fail(Code::kProtocolError, "conflict: its increments begin at {}", loser.since);
  const bool has_fields = !loser.content.view().empty() || !loser.unset.empty();
  if (has_fields != (loser.kind == ConflictKind::kFields))
    return fail(Code::kProtocolError, "conflict: its kind is not that of its content");
  return {};
}

}  // namespace

std::size_t Conflict::bytes() const {
  std::size_t bytes = kEntryOverheadBytes + name.collection.size() + name.key.size() + loser.content.bytes().size() +
                      loser.increments.bytes().size();
  for (const std::string& field : loser.unset) bytes += sizeof field + field.size();
  return bytes;
}

void encode(wire::Writer& out, const Conflict& conflict) {
  out.bytes8(conflict.name.collection);
  out.bytes32(conflict.name.key);
  encode(out, conflict.loser.dot);
  encode(out, conflict.loser.stamp);
  encode(out, conflict.loser.winner);
  out.u8(static_cast<std::uint8_t>(conflict.loser.kind));
  out.u64(conflict.arrival);
  encode_parts(out, conflict.loser.content);
  out.u32(static_cast<std::uint32_t>(conflict.loser.unset.size()));
  for (const std::string& field : conflict.loser.unset) out.bytes32(field);
  encode_parts(out, conflict.loser.increments);
  out.u64(conflict.loser.since);
}

Result<Conflict> decode_conflict(wire::Reader& in) {
  Conflict conflict;
  Loser& loser = conflict.loser;
  conflict.name.collection = in.bytes8();
  conflict.name.key = in.bytes32();
  loser.dot = conflict.name.loser = read_dot(in);
  loser.stamp = read_stamp(in);
  loser.winner = read_dot(in);
  const std::uint8_t kind = in.u8();
  conflict.arrival = in.u64();
  if (!in.ok() || conflict.name.key.empty() || loser.dot.counter == 0)
    return fail(Code::kProtocolError, "conflict: it ends early, or its name is incomplete");
  if (kind == 0 || kind > static_cast<std::uint8_t>(ConflictKind::kIncrement))
    return fail(Code::kProtocolError, "conflict: unknown kind {}", kind);
  loser.kind = static_cast<ConflictKind>(kind);
  if (auto checked = db::check_stored_collection_name(conflict.name.collection); !checked)
    return fail(Code::kProtocolError, "conflict: {}", checked.error().message);
  DISTRI_TRY(loser.content, decode_parts(in));
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > in.remaining() / 4) return fail(Code::kProtocolError, "conflict: its fields end early");
  loser.unset.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) loser.unset.emplace_back(in.bytes32());
  DISTRI_TRY(loser.increments, decode_parts(in));
  loser.since = in.u64();
  if (!in.ok()) return fail(Code::kProtocolError, "conflict: it ends early");
  if (loser.kind == ConflictKind::kDocument || loser.kind == ConflictKind::kDelete) {
    DISTRI_TRY_VOID(check_document_conflict(conflict));
  } else {
    DISTRI_TRY_VOID(check_fields_conflict(loser));
  }
  return conflict;
}

// Increments that a sum holds need no conflict of their own.
void Conflicts::fold_increments(Conflict& conflict) {
  ConflictName first = conflict.name;
  first.loser.counter = 0;
  std::vector<Conflict> smaller;
  for (auto at = entries_.lower_bound(first); at != entries_.end(); ++at) {
    const auto& [name, other] = *at;
    if (name.collection != first.collection || name.key != first.key || name.loser.actor != first.loser.actor) break;
    conflict.loser.subtract_held_by(other.loser);
    Conflict rest = other;
    rest.loser.subtract_held_by(conflict.loser);
    if (!(rest == other)) smaller.push_back(std::move(rest));
  }
  for (Conflict& rest : smaller) {
    erase(rest.name);
    if (!rest.loser.empty()) put(std::move(rest));
  }
}

bool Conflicts::add(Conflict conflict) {
  if (conflict.loser.since != 0) fold_increments(conflict);
  if (conflict.loser.empty()) return false;
  const ConflictName name = conflict.name;
  const auto found = entries_.find(name);
  const bool fresh = found == entries_.end();
  if (fresh) {
    conflict.arrival = next_arrival_++;
  } else {
    Loser joined = found->second.loser;
    joined.join(std::move(conflict.loser));
    if (joined == found->second.loser) return false;
    conflict = Conflict{name, std::move(joined), found->second.arrival};
    erase(name);
  }
  put(std::move(conflict));
  shrink(name.collection);
  return fresh && entries_.contains(name);
}

void Conflicts::load(Conflict conflict) {
  next_arrival_ = std::max(next_arrival_, conflict.arrival + 1);
  const std::string collection = conflict.name.collection;
  const auto shelf = shelves_.find(collection);
  if (conflict.arrival == 0 || (shelf != shelves_.end() && shelf->second.arrivals.contains(conflict.arrival)))
    conflict.arrival = next_arrival_++;
  erase(conflict.name);
  put(std::move(conflict));
  shrink(collection);
}

void Conflicts::put(Conflict conflict) {
  touch(conflict.name);
  Shelf& shelf = shelves_[conflict.name.collection];
  shelf.bytes += conflict.bytes();
  shelf.arrivals.emplace(conflict.arrival, conflict.name);
  ConflictName name = conflict.name;
  entries_.insert_or_assign(std::move(name), std::move(conflict));
}

void Conflicts::shrink(const std::string& collection) {
  for (;;) {
    const auto shelf = shelves_.find(collection);
    if (shelf == shelves_.end()) return;
    const std::size_t count = shelf->second.arrivals.size();
    if (count <= entries_max_ && (count <= 1 || shelf->second.bytes <= bytes_max_)) return;
    const ConflictName oldest = shelf->second.arrivals.begin()->second;
    erase(oldest);
    ++evicted_;
  }
}

bool Conflicts::erase(const ConflictName& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  touch(name);
  const auto shelf = shelves_.find(name.collection);
  shelf->second.bytes -= found->second.bytes();
  shelf->second.arrivals.erase(found->second.arrival);
  if (shelf->second.arrivals.empty()) shelves_.erase(shelf);
  entries_.erase(found);
  return true;
}

void Conflicts::resolve(const ConflictName& name, std::uint64_t since) {
  erase(name);
  if (since == 0) return;
  ConflictName first = name;
  first.loser.counter = since;
  std::vector<ConflictName> within;
  for (auto at = entries_.lower_bound(first); at != entries_.end() && at->first < name; ++at) {
    if (at->second.loser.kind == ConflictKind::kIncrement && at->second.loser.since >= since)
      within.push_back(at->first);
  }
  for (const ConflictName& each : within) erase(each);
}

const Conflict* Conflicts::find(const ConflictName& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<const Conflict*> Conflicts::list(const Query& query) const {
  ConflictName first{query.collection, query.key.value_or(Bytes()), {}};
  auto at = entries_.lower_bound(first);
  if (query.after && !(*query.after < first)) at = entries_.upper_bound(*query.after);
  std::vector<const Conflict*> page;
  for (; at != entries_.end() && page.size() < query.limit; ++at) {
    if (!query.collection.empty() && at->first.collection != query.collection) break;
    if (query.key && at->first.key != *query.key) break;
    page.push_back(&at->second);
  }
  return page;
}

Conflicts::Entries::const_iterator Conflicts::after(std::string_view collection, BytesView key) const {
  Dot last;
  last.actor.bytes.fill(0xff);
  last.counter = ~std::uint64_t{0};
  return entries_.upper_bound({std::string(collection), Bytes(key), last});
}

void Conflicts::for_each(const std::function<void(const Conflict&)>& visit) const {
  for (const auto& [name, conflict] : entries_) visit(conflict);
}

std::size_t Conflicts::size(std::string_view collection) const {
  const auto shelf = shelves_.find(collection);
  return shelf == shelves_.end() ? 0 : shelf->second.arrivals.size();
}

std::size_t Conflicts::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, shelf] : shelves_) bytes += shelf.bytes;
  return bytes;
}

std::optional<std::string> Conflicts::check() const {
  std::size_t count = 0;
  for (const auto& [name, shelf] : shelves_) {
    std::size_t bytes = 0;
    for (const auto& [arrival, conflict] : shelf.arrivals) {
      const Conflict* held = find(conflict);
      if (held == nullptr || held->arrival != arrival || arrival >= next_arrival_)
        return fmt::format("collection '{}': an arrival without its conflict", name);
      bytes += held->bytes();
    }
    if (bytes != shelf.bytes) return fmt::format("collection '{}': the bytes of its conflicts are miscounted", name);
    if (shelf.arrivals.size() > entries_max_ || (shelf.arrivals.size() > 1 && bytes > bytes_max_))
      return fmt::format("collection '{}': its conflicts exceed their bounds", name);
    count += shelf.arrivals.size();
  }
  if (count != entries_.size()) return "a conflict without an arrival";
  return std::nullopt;
}

}  // namespace distri::replication
