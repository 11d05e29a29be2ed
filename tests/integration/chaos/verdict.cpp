#include "verdict.hpp"

#include <algorithm>

namespace chaos {

using nlohmann::json;

namespace {

std::int64_t number_in(const json& document, std::string_view field) {
  const auto found = document.find(field);
  return found != document.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

bool contains_text(const json& value, const std::string& text) {
  if (value.is_string()) return value.get_ref<const std::string&>() == text;
  if (!value.is_structured()) return false;
  return std::any_of(value.begin(), value.end(), [&](const json& part) { return contains_text(part, text); });
}

std::string shown(const json* document) {
  return document == nullptr ? "no document" : document->dump();
}

}  // namespace

const json* FinalState::find(const std::string& key) const {
  const auto found = documents.find(key);
  return found == documents.end() ? nullptr : &found->second;
}

bool FinalState::written_over(const json& conflict) const {
  const std::string collection = conflict.value("collection", "");
  if ((collection != kOwn && collection != kShared) || !conflict.contains("_id") || !conflict.contains("content"))
    return false;
  const json* const document = find(fmt::format("{}/{}", collection, conflict["_id"].get<std::string>()));
  // Only its own session takes a document away.
  if (document == nullptr) return collection == kOwn;
  for (const auto& [field, value] : conflict["content"].items()) {
    if (value.is_number() && number_in(*document, field) <= value.get<std::int64_t>()) return false;
  }
  return true;
}

bool FinalState::in_conflict(const std::string& key, const std::string& mark) const {
  const std::string nameless = key.substr(0, key.find('/')) + "/?";
  for (const std::string& name : {key, nameless}) {
    const auto found = conflicts.find(name);
    if (found == conflicts.end()) continue;
    for (const json& conflict : found->second) {
      if (contains_text(conflict, mark)) return true;
    }
  }
  return false;
}

State state_of(const json* document) {
  if (document == nullptr) return std::nullopt;
  return Fields{number_in(*document, "v"), number_in(*document, "a"), number_in(*document, "b"),
                number_in(*document, "n")};
}

std::string mark_of(int session, std::int64_t value) {
  return fmt::format("s{}.{}", session, value);
}

std::string entry_key(int session, std::size_t number) {
  return fmt::format("{}/e{}.{}", kEntries, session, number);
}

std::string_view name_of(Probe::Kind kind) {
  switch (kind) {
    case Probe::Kind::kTwoInserts:
      return "two inserts of one _id";
    case Probe::Kind::kSameField:
      return "one field set twice";
    case Probe::Kind::kTwoFields:
      return "two fields";
    case Probe::Kind::kTwoIncrements:
      return "two increments";
    case Probe::Kind::kUpdateAndDelete:
      return "update and delete";
  }
  return "?";
}

void Checker::check_nodes() {
  if (state_.nodes.empty()) return;
  const NodeView& first = state_.nodes.front();
  for (const NodeView& node : state_.nodes) {
    if (!node.error.empty()) {
      recorder_.found({"a node does not answer after everything was healed", {}, {}, node.error, node.name});
      continue;
    }
    if (node.digest != first.digest || node.vector != first.vector) {
      recorder_.found({"nodes did not converge",
                       {},
                       fmt::format("digest {} vector {}", first.digest, first.vector),
                       fmt::format("digest {} vector {}", node.digest, node.vector),
                       node.name});
    }
    if (node.documents != first.documents || node.sum != first.sum) {
      recorder_.found({"nodes give different documents",
                       {},
                       fmt::format("{} documents as {}", first.documents, first.name),
                       fmt::format("{} documents, or others", node.documents),
                       node.name});
    }
    check_conflicts(node, first);
  }
}

void Checker::check_conflicts(const NodeView& node, const NodeView& other) {
  const auto only_in = [this](const NodeView& one, const NodeView& two) {
    std::string ids;
    for (const auto& [id, conflict] : one.conflicts) {
      if (!two.conflicts.contains(id) && !state_.written_over(conflict)) ids += (ids.empty() ? "" : ", ") + id;
    }
    return ids;
  };
  const std::string here = only_in(node, other);
  const std::string there = only_in(other, node);
  if (here.empty() && there.empty()) return;
  recorder_.found({"nodes keep different conflicts",
                   {},
                   fmt::format("the same as {}, where there are also {}", other.name, there.empty() ? "none" : there),
                   fmt::format("also {}", here.empty() ? "none" : here),
                   node.name});
}

void Checker::check_session(const Expectations& session) {
  for (const auto& [key, expected] : session.keys()) check_key(session.session(), key, expected);
  for (std::size_t i = 0; i < session.entries().size(); ++i) check_entry(session.session(), i, session.entries()[i]);
}

void Checker::check_key(int session, const std::string& key, const Expected& expected) {
  ++verdict_.keys;
  // "shared/d3#s5.0" is the field s5.0 of a shared document.
  const auto hash = key.find('#');
  const std::string document_key = key.substr(0, hash);
  const json* const document = state_.find(document_key);
  State found = state_of(document);
  if (hash != std::string::npos) {
    const std::int64_t value = document == nullptr ? 0 : number_in(*document, key.substr(hash + 1));
    found = value == 0 ? State{} : State{Fields{.v = value}};
  }
  if (found == expected.certain || (expected.maybe && found == *expected.maybe)) return;
  if (expected.certain && state_.in_conflict(document_key, mark_of(session, expected.certain->v))) {
    ++verdict_.kept_as_conflict;
    return;
  }
  recorder_.found({fmt::format("an acknowledged write of session {} is missing", session),
                   key,
                   expected.text(),
                   to_string(found),
                   {}});
}

void Checker::check_entry(int session, std::size_t number, Outcome outcome) {
  ++verdict_.entries;
  const std::string key = entry_key(session, number);
  const json* const document = state_.find(key);
  const auto value = static_cast<std::int64_t>(number) + 1;
  if (document != nullptr && number_in(*document, "v") != value) {
    recorder_.found(
        {"a document holds something else than was added", key, fmt::format("v:{}", value), shown(document), {}});
  } else if (outcome == Outcome::kAcknowledged && document == nullptr) {
    if (state_.in_conflict(key, mark_of(session, value))) {
      ++verdict_.kept_as_conflict;
      return;
    }
    recorder_.found({"an acknowledged add is missing", key, fmt::format("v:{}", value), "no document", {}});
  } else if (outcome == Outcome::kFailed && document != nullptr) {
    recorder_.found({"an add that was refused is there", key, "no document", shown(document), {}});
  }
}

void Checker::check_counters(const std::vector<const Expectations*>& sessions) {
  std::map<std::string, CounterShare> sums;
  for (const auto* session : sessions) {
    for (const auto& [key, share] : session->counters()) {
      sums[key].acknowledged += share.acknowledged;
      sums[key].indeterminate += share.indeterminate;
    }
  }
  for (const auto& [key, sum] : sums) {
    const json* const document = state_.find(key);
    const std::int64_t value = document == nullptr ? 0 : number_in(*document, "n");
    if (value >= sum.acknowledged && value <= sum.acknowledged + sum.indeterminate) continue;
    recorder_.found({"a counter does not add up",
                     key,
                     fmt::format("between {} and {}", sum.acknowledged, sum.acknowledged + sum.indeterminate),
                     shown(document),
                     {}});
  }
}

void Checker::check_probe(const Probe& probe) {
  ++verdict_.probes;
  const json* const document = state_.find(probe.key);
  const auto complain = [&](std::string expected) {
    recorder_.found({fmt::format("{} on two sides of a partition: an acknowledged write is gone", name_of(probe.kind)),
                     probe.key, std::move(expected), shown(document), probe.where});
  };
  if (probe.kind == Probe::Kind::kTwoIncrements) {
    std::int64_t least = 0;
    std::int64_t most = 0;
    for (std::size_t side = 0; side < 2; ++side) {
      const std::int64_t amount = side == 0 ? 3 : 5;
      if (probe.outcomes[side] == Outcome::kAcknowledged) least += amount;
      if (probe.outcomes[side] != Outcome::kFailed) most += amount;
    }
    const std::int64_t value = document == nullptr ? 0 : number_in(*document, "n");
    if (value < least || value > most) complain(fmt::format("n between {} and {}", least, most));
    return;
  }
  const std::size_t sides = probe.kind == Probe::Kind::kUpdateAndDelete ? 1 : 2;
  for (std::size_t side = 0; side < sides; ++side) {
    if (probe.outcomes[side] != Outcome::kAcknowledged) continue;
    if (document != nullptr && contains_text(*document, probe.marks[side])) continue;
    const bool may_lose = probe.kind != Probe::Kind::kTwoFields;
    if (may_lose && state_.in_conflict(probe.key, probe.marks[side])) {
      ++verdict_.kept_as_conflict;
      continue;
    }
    complain(fmt::format("{} in the document{}", probe.marks[side], may_lose ? " or in its conflicts" : ""));
  }
}

}  // namespace chaos
