#include "distri/replication/conflict_document.hpp"

#include <charconv>

namespace distri::replication {

std::string conflict_id(const ConflictName& name) {
  return fmt::format("{}-{}", write_id(name.loser), to_hex(name.key));
}

std::optional<ConflictName> parse_conflict_id(std::string_view collection, std::string_view id) {
  const auto first = id.find('-');
  const auto second = first == std::string_view::npos ? first : id.find('-', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto actor = from_hex(id.substr(0, first));
  const auto key = from_hex(id.substr(second + 1));
  const std::string_view digits = id.substr(first + 1, second - first - 1);
  std::uint64_t counter = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), counter, 16);
  if (!actor || actor->size() != ActorId::kSize || !key || key->empty() || parsed.ec != std::errc() ||
      parsed.ptr != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return ConflictName{std::string(collection), *key, {ActorId::from_view(*actor), counter}};
}

std::string write_id(const db::Dot& dot) {
  return fmt::format("{}-{:x}", dot.actor.hex(), dot.counter);
}

std::optional<bson::Value> document_id(const Conflict& conflict, const db::Database& database) {
  if (const auto id = conflict.loser.content.view().find("_id")) return id;
  const db::Collection* documents = database.find(conflict.name.collection);
  const db::Record* record = documents == nullptr ? nullptr : documents->find(conflict.name.key);
  if (record == nullptr) return std::nullopt;
  return record->document.view().find("_id");
}

void append_conflict(bson::Builder& out, const Conflict& conflict, const db::Database& database) {
  const Loser& loser = conflict.loser;
  out.append_string("id", conflict_id(conflict.name));
  out.append_string("collection", conflict.name.collection);
  if (const auto id = document_id(conflict, database)) out.append_value("_id", *id);
  out.append_string("kind", conflict_kind_name(loser.kind));
  const bool increment = loser.kind == ConflictKind::kIncrement;
  out.append_object("content", increment ? loser.increments : loser.content);
  if (!loser.unset.empty()) {
    out.begin_array("unset");
    for (std::size_t i = 0; i < loser.unset.size(); ++i) out.append_string(std::to_string(i), loser.unset[i]);
    out.end();
  }
  if (!increment && !loser.increments.view().empty()) out.append_object("increments", loser.increments);
  out.append_int64("time_ms", static_cast<std::int64_t>(loser.stamp.hlc >> 16));
  out.append_string("winner", loser.winner.counter == 0 ? std::string() : write_id(loser.winner));
}

}  // namespace distri::replication
