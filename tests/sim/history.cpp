#include "history.hpp"

#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/bson/json.hpp"
#include "distri/db/collection_options.hpp"
#include "distri/db/index_catalog.hpp"

namespace distri::sim {

using replication::OpKind;

namespace {

bool share_a_field(const replication::Op& a, const replication::Op& b) {
  const auto writes = [](const replication::Op& op, std::string_view field) {
    return op.document.view().find(field) || std::find(op.unset.begin(), op.unset.end(), field) != op.unset.end();
  };
  for (const bson::Element& element : a.document.view()) {
    if (writes(b, element.key)) return true;
  }
  return std::any_of(a.unset.begin(), a.unset.end(), [&](const std::string& name) { return writes(b, name); });
}

}  // namespace

std::string to_string(const Dot& dot) {
  return fmt::format("{}:{}", dot.actor.short_hex(), dot.counter);
}

std::optional<std::string> History::add(replication::Batch batch, std::uint64_t clock_max) {
  unfold(batch.before);
  const auto before = std::make_shared<const VersionVector>(batch.before);
  for (std::size_t i = 0; i < batch.ops.size(); ++i) {
    const Dot dot{batch.actor, batch.first_counter + i};
    if (find(dot) != nullptr) return fmt::format("two different writes are called {}", to_string(dot));
    auto write = std::make_unique<Write>(Write{dot, batch.ops[i], before});
    if (auto wrong = check_stamp(*write)) return wrong;
    if (auto wrong = check_clock(*write, clock_max)) return wrong;
    by_dot_.emplace(std::pair(dot.actor, dot.counter), write.get());
    if (write->op.kind == OpKind::kDropCollection) drops_[write->op.collection].push_back(write.get());
    if (write->op.kind == OpKind::kDelete || write->op.key.empty()) {
      std::uint64_t& end = ends_[write->op.collection];
      end = std::max(end, write->op.stamp.hlc);
    }
    if (write->op.kind == OpKind::kFold) folds_.push_back(write.get());
    if (!write->op.key.empty()) by_place_[{write->op.collection, write->op.key}].push_back(write.get());
    writes_.push_back(std::move(write));
  }
  model_.add(batch);
  return std::nullopt;
}

void History::unfold(VersionVector& before) const {
  // Later folds may be covered by way of earlier ones only, and the other way round.
  for (bool more = true; more;) {
    more = false;
    for (const Write* fold : folds_) {
      if (!before.covers(fold->dot) || before.covers(fold->op.folded)) continue;
      before.advance(fold->op.folded.actor, fold->op.folded.counter);
      more = true;
    }
  }
}

bool History::resolved(const std::string& collection, const Bytes& key, const Dot& loser,
                       const VersionVector& seen) const {
  const auto& same = of(collection, key);
  return std::any_of(same.begin(), same.end(), [&](const Write* write) {
    return write->op.kind == OpKind::kResolve && write->op.loser == loser && seen.covers(write->dot);
  });
}

bool History::has_twin(const Write& write) const {
  const auto& same = of(write.op.collection, write.op.key);
  const bson::View document = write.op.document;
  const bool has_serial = document.find("serial").has_value();
  const auto same_in = [](const bson::View other, const bson::Element& element) {
    const auto twin = other.find(element.key);
    return twin && twin->type() == element.value.type() && twin->raw() == element.value.raw();
  };
  return std::any_of(same.begin(), same.end(), [&](const Write* other) {
    if (other == &write) return false;
    // All definitions of one index share its name.
    if (write.op.collection == db::kIndexCollection) return other->op.document == write.op.document;
    // What a restored conflict writes has no number of its own: its fields may stand in other writes.
    for (const bson::Element& element : document) {
      if ((has_serial ? element.key == "serial" : element.key != "_id") && same_in(other->op.document, element))
        return true;
    }
    return false;
  });
}

const History::Write* History::find(const Dot& dot) const {
  const auto found = by_dot_.find(std::pair(dot.actor, dot.counter));
  return found == by_dot_.end() ? nullptr : found->second;
}

const std::vector<const History::Write*>& History::of(const std::string& collection, const Bytes& key) const {
  static const std::vector<const Write*> none;
  const auto found = by_place_.find({collection, key});
  return found == by_place_.end() ? none : found->second;
}

const std::vector<const History::Write*>& History::drops(const std::string& collection) const {
  static const std::vector<const Write*> none;
  const auto found = drops_.find(collection);
  return found == drops_.end() ? none : found->second;
}

// A write that saw another and takes its place is the newer one, whatever the clocks say. (A void update takes no
// place.)
std::optional<std::string> History::check_stamp(const Write& write) const {
  std::optional<std::string> wrong;
  const auto must_exceed = [&](const Write& other) {
    if (write.op.stamp > other.op.stamp || !write.saw(other.dot)) return;
    wrong = fmt::format("write {} saw write {}, but is stamped below it: the clock decided", to_string(write.dot),
                        to_string(other.dot));
  };
  const auto generation = [](const Write& other) {
    return other.op.kind == OpKind::kInsert || other.op.kind == OpKind::kDelete;
  };
  for (const Write* other : of(write.op.collection, write.op.key)) {
    const bool inside = write.op.kind == OpKind::kUpdate && write.op.target == other->op.stamp;
    if (generation(*other) && (generation(write) || inside)) must_exceed(*other);
    if (write.op.kind == OpKind::kUpdate && other->op.kind == OpKind::kUpdate && other->op.target == write.op.target &&
        share_a_field(write.op, other->op)) {
      must_exceed(*other);
    }
  }
  if (write.op.kind == OpKind::kInsert || write.op.kind == OpKind::kCreateCollection) {
    for (const Write* drop : drops(write.op.collection)) must_exceed(*drop);
  }
  if (write.op.kind == OpKind::kDropCollection) {
    for (auto at = by_place_.lower_bound({write.op.collection, {}});
         at != by_place_.end() && at->first.first == write.op.collection; ++at) {
      for (const Write* other : at->second) {
        if (generation(*other)) must_exceed(*other);
      }
    }
  }
  return wrong;
}

// It ever was.
bool History::is_capped(const std::string& collection) const {
  const bson::Document id = db::options_document(collection, {});
  const auto& told = of(std::string(db::kOptionsCollection), bson::order_key(id.view().begin()->value));
  return std::any_of(told.begin(), told.end(),
                     [](const Write* write) { return write->op.document.view().find("capped").has_value(); });
}

// A reading beyond what the writer's own clock allows stands only above what it replaces: no clock was dragged along.
std::optional<std::string> History::check_clock(const Write& write, std::uint64_t clock_max) const {
  if (write.op.key.empty() || write.op.kind == OpKind::kResolve || write.op.stamp.hlc <= clock_max) return std::nullopt;
  const auto end = ends_.find(write.op.collection);
  if (end != ends_.end() && end->second > clock_max) return std::nullopt;
  for (const Write* other : of(write.op.collection, write.op.key)) {
    if (other->op.stamp.hlc > clock_max) return std::nullopt;
  }
  // What is inserted into a capped collection comes behind all that its writer knew there.
  if (write.op.kind == OpKind::kInsert && is_capped(write.op.collection)) {
    for (auto at = by_place_.lower_bound({write.op.collection, {}});
         at != by_place_.end() && at->first.first == write.op.collection; ++at) {
      for (const Write* other : at->second) {
        if (other->op.stamp.hlc > clock_max && write.saw(other->dot)) return std::nullopt;
      }
    }
  }
  return fmt::format("write {} is stamped far beyond its writer's clock, although nothing that it replaces is",
                     to_string(write.dot));
}

const History::Write* History::superseded(const Write& write, std::string_view field, const VersionVector& seen) const {
  for (const Write* other : of(write.op.collection, write.op.key)) {
    if (!seen.covers(other->dot) || !other->saw(write.dot)) continue;
    if (other->op.kind == OpKind::kInsert || other->op.kind == OpKind::kDelete) return other;
    if (field.empty() || write.op.kind == OpKind::kDelete) continue;
    if (other->op.kind == OpKind::kUpdate &&
        (other->op.document.view().find(field) ||
         std::find(other->op.unset.begin(), other->op.unset.end(), field) != other->op.unset.end())) {
      return other;
    }
  }
  for (const Write* drop : drops(write.op.collection)) {
    if (seen.covers(drop->dot) && drop->saw(write.dot)) return drop;
  }
  return nullptr;
}

void History::tell(EventLog& log, const std::string& collection, const Bytes& key, const VersionVector& seen) const {
  auto story = of(collection, key);
  story.insert(story.end(), drops(collection).begin(), drops(collection).end());
  for (const Write* write : story) {
    std::string saw;
    for (const Write* other : story) {
      if (other != write && write->saw(other->dot)) saw += " " + to_string(other->dot);
    }
    std::string increments;
    for (const auto& increment : write->op.increments)
      increments += fmt::format(" {}+{} on {}", increment.field, increment.delta.integer, increment.base.hlc);
    log.line("  {}{} kind {} stamp {} target {} content {}{} loser {} saw{}", to_string(write->dot),
             seen.covers(write->dot) ? "" : " (not here)", static_cast<int>(write->op.kind), write->op.stamp.hlc,
             write->op.target.hlc, bson::to_json(write->op.document), increments, to_string(write->op.loser), saw);
  }
}

}  // namespace distri::sim
