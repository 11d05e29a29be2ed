#include "distri/replication/change_feed.hpp"

#include <algorithm>

#include "distri/replication/change_event.hpp"
#include "distri/replication/replica_impl.hpp"
#include "distri/replication/resume_token.hpp"

namespace distri::replication {

namespace {

// Larger batches are decoded anew for each reader.
constexpr std::size_t kKeptBatchBytesMax = 64u << 10;
// What passing over a batch counts as.
constexpr std::size_t kPassedBytes = 64;

std::unexpected<Error> history_lost(std::string_view why) {
  return fail(Code::kInvalidArgument,
              "{}: {}; another node may still have them all; if none has, read the collections again and watch from "
              "now on",
              kHistoryLost, why);
}

// Of a delete or a drop: also what came after a newer one here, and did nothing.
bool may_be_end(const Effect& effect) {
  switch (effect.kind) {
    case Effect::Kind::kNone:
    case Effect::Kind::kDeleted:
    case Effect::Kind::kDeletedNothing:
    case Effect::Kind::kDropped:
    case Effect::Kind::kDroppedPartly:
    case Effect::Kind::kDroppedNothing:
      return true;
    default:
      return false;
  }
}

bool is_update(const Op& op) {
  return op.kind == OpKind::kUpdate || op.kind == OpKind::kIncrement;
}

const db::FieldRevision* find_field(const db::Revision& revision, std::string_view name) {
  const auto at = std::lower_bound(
      revision.fields().begin(), revision.fields().end(), name,
      [](const db::FieldRevision& field, std::string_view wanted) { return std::string_view(field.name) < wanted; });
  return at == revision.fields().end() || at->name != name ? nullptr : &*at;
}

}  // namespace

bool ChangeFeed::ready(const std::optional<VersionVector>& after) const {
  const Replica::Impl& impl = *replica_.impl_;
  // States that were taken over a moment ago are not on the disk yet.
  if (!after) return replica_.durable().covers(impl.feed_floor);
  return std::all_of(after->entries().begin(), after->entries().end(), [&](const auto& entry) {
    const auto& [actor, counter] = entry;
    const std::uint64_t here = impl.vector.get(actor);
    // Such a token is refused by open().
    if (here >= counter || actor == impl.self) return true;
    return here >= replica_.newest_before_lost({actor, counter}).value_or(counter);
  });
}

Result<ChangeFeed::Reader> ChangeFeed::open(Query query, const std::optional<VersionVector>& after) const {
  const Replica::Impl& impl = *replica_.impl_;
  Reader reader;
  reader.query_ = std::move(query);
  reader.epoch_ = impl.feed_epoch;
  if (!after) {
    reader.seen_ = replica_.durable();
  } else {
    if (after->get(impl.self) > impl.own_counter()) {
      return fail(Code::kInvalidArgument,
                  "InvalidResumeToken (260): it names write {} of this node, which has made {}; it is not of this "
                  "cluster, or a copy of this node runs elsewhere",
                  after->get(impl.self), impl.own_counter());
    }
    for (const auto& [actor, counter] : after->entries()) {
      if (impl.vector.get(actor) < counter)
        return history_lost("changes that were shown are lost, their node has lost its memory or its disk");
      reader.seen_.advance(actor, counter);
    }
  }
  reader.seen_.use_folds(impl.folds);
  reader.seen_.drop_folded();
  if (!reader.seen_.covers(impl.feed_floor))
    return history_lost("this node has taken over documents from another one, and not each of their changes");
  if (!impl.log.reaches_back_to(reader.seen_))
    return history_lost("this node's log of changes does not reach back to the token");
  const OpLog::Gap gap = impl.log.gap(reader.seen_);
  reader.position_ = gap.begin;
  reader.mixed_end_ = gap.covered_end;
  // It may begin inside of the batch that it has seen last.
  reader.mixed_ = gap.begin + 1 < gap.covered_end;
  if (reader.mixed_) reader.start_ = reader.seen_;
  reader.ends_.position = gap.begin;
  return reader;
}

std::string ChangeFeed::token(const Reader& reader) const {
  VersionVector seen = reader.seen_;
  seen.drop_folded();
  return encode_resume_token(seen);
}

std::uint64_t ChangeFeed::end() const {
  return replica_.impl_->log.end_position();
}

Result<> ChangeFeed::check_history(Reader& reader) const {
  const Replica::Impl& impl = *replica_.impl_;
  if (reader.epoch_ != impl.feed_epoch)
    return history_lost("this node has taken over documents from another one, and not each of their changes");
  if (reader.position_ >= impl.log.first_position()) return {};
  // What has gone may be what the reader has seen elsewhere.
  if (!impl.log.reaches_back_to(reader.seen_))
    return history_lost("the log of changes has dropped some that were not read in time (log_bytes_max)");
  reader.position_ = impl.log.first_position();
  return {};
}

Result<std::shared_ptr<const ChangeFeed::Decoded>> ChangeFeed::decoded(std::uint64_t position) {
  Slot& slot = slots_[position % kSlots];
  if (slot.decoded && slot.position == position) return slot.decoded;
  const OpLog::Entry& entry = replica_.impl_->log.at(position);
  auto result = std::make_shared<Decoded>();
  wire::Reader in(*entry.batch);
  DISTRI_TRY(result->batch, decode_batch(in, replica_.impl_->config.limits));
  DISTRI_TRY(result->effects, decode_effects(entry.effects, result->batch.ops.size()));
  if (entry.batch->size() <= kKeptBatchBytesMax) slot = {position, result};
  return std::shared_ptr<const Decoded>(std::move(result));
}

bool ChangeFeed::Reader::Ends::cover(const Op& op, const Stamp& generation) const {
  const auto drop = drops.find(op.collection);
  if (drop != drops.end() && generation <= drop->second) return true;
  const auto of_collection = deletes.find(op.collection);
  if (of_collection == deletes.end()) return false;
  const auto dead = of_collection->second.find(op.key);
  return dead != of_collection->second.end() && generation < dead->second;
}

// Reads ahead in the mixed stretch. page.more: not yet to its end.
Result<> ChangeFeed::gather_ends(Reader& reader, std::size_t work_bytes, Page& page) {
  const OpLog& log = replica_.impl_->log;
  Reader::Ends& ends = reader.ends_;
  for (ends.position = std::max(ends.position, log.first_position()); ends.position < reader.mixed_end_;
       ++ends.position) {
    page.more = page.work >= work_bytes;
    if (page.more) return {};
    const OpLog::Entry& entry = log.at(ends.position);
    page.work += kPassedBytes;
    const std::uint64_t seen = std::min(reader.start_->get(entry.actor), entry.last_counter);
    if (seen < entry.first_counter || entry.effects.empty()) continue;
    DISTRI_TRY(const auto effects, decode_effects(entry.effects, entry.last_counter - entry.first_counter + 1));
    const auto seen_end = effects.begin() + static_cast<std::ptrdiff_t>(seen - entry.first_counter + 1);
    if (std::none_of(effects.begin(), seen_end, may_be_end)) continue;
    page.work += entry.batch->size();
    DISTRI_TRY(const auto from, decoded(ends.position));
    for (std::size_t i = 0; entry.first_counter + i <= seen; ++i) {
      const Op& op = from->batch.ops[i];
      const bool drop = op.kind == OpKind::kDropCollection;
      if ((!drop && op.kind != OpKind::kDelete) || !wanted(reader.query_, op)) continue;
      Stamp& newest = drop ? ends.drops[op.collection] : ends.deletes[op.collection][op.key];
      newest = std::max(newest, op.stamp);
    }
  }
  return {};
}

Result<ChangeFeed::Page> ChangeFeed::next(Reader& reader, std::size_t work_bytes) {
  Page page;
  DISTRI_TRY_VOID(check_history(reader));
  if (reader.start_) DISTRI_TRY_VOID(gather_ends(reader, work_bytes, page));
  if (page.more) return page;
  const Replica::Impl& impl = *replica_.impl_;
  const OpLog& log = impl.log;
  const VersionVector& durable = replica_.durable();
  std::size_t bytes = 0;
  for (; reader.position_ < log.end_position(); ++reader.position_) {
    const OpLog::Entry& entry = log.at(reader.position_);
    if (!durable.covers(Dot{entry.actor, entry.last_counter})) break;
    page.more = page.more || page.work >= work_bytes;
    if (page.more) break;
    if (reader.position_ >= reader.mixed_end_ && reader.start_) {
      reader.start_.reset();
      reader.ends_ = {};
    }
    const std::uint64_t seen = reader.seen_.get(entry.actor);
    const bool covered = seen >= entry.last_counter && impl.config.plant != Plant::kWatchRepeats;
    page.work += covered ? kPassedBytes : entry.batch->size();
    if (covered && !(reader.start_ && has_conflicts(entry.effects))) continue;
    DISTRI_TRY(const auto from, decoded(reader.position_));
    const Batch& batch = from->batch;
    for (std::size_t i = 0; i < batch.ops.size() && (covered || !page.more); ++i) {
      const Dot dot{batch.actor, batch.first_counter + i};
      const std::size_t shown = page.events.size();
      DISTRI_TRY_VOID(show(reader, *from, i, page));
      if (dot.counter > seen) {
        reader.seen_.advance(dot.actor, dot.counter);
        page.moved = true;
      }
      for (std::size_t event = shown; event < page.events.size(); ++event) bytes += page.events[event].bytes().size();
      page.more = bytes >= reader.query_.bytes_max || page.events.size() >= reader.query_.events_max;
    }
    // The rest of the batch comes with the next page.
    if (reader.seen_.get(entry.actor) < entry.last_counter) break;
  }
  return page;
}

bool ChangeFeed::wanted(const Query& query, const Op& op) const {
  if (!query.collection.empty()) return op.collection == query.collection;
  return !op.collection.empty() && !op.collection.starts_with("system.");
}

// An op of a batch, as far as the reader has not seen it, and the conflicts that it made.
Result<> ChangeFeed::show(const Reader& reader, const Decoded& from, std::size_t index, Page& page) const {
  const Op& op = from.batch.ops[index];
  const Effect& effect = from.effects[index];
  const Dot dot{from.batch.actor, from.batch.first_counter + index};
  const Plant plant = replica_.impl_->config.plant;
  if (!wanted(reader.query_, op)) return {};
  if (reader.seen_.covers(dot) && plant != Plant::kWatchRepeats) {
    // It lost to a write that the reader is shown here.
    if (!reader.start_ || !reader.start_->covers(dot)) return {};
    for (const Effect::Lost& lost : effect.conflicts) {
      if (lost.winner.counter == 0 || reader.start_->covers(lost.winner)) continue;
      DISTRI_TRY_VOID(show_conflict(reader, op.collection, lost, page));
    }
    return {};
  }
  const bool skipped = plant == Plant::kWatchSkips && dot.counter % 20 == 0;
  const bool visible = reader.mixed_ ? effect.kind != Effect::Kind::kNone : effect.visible();
  if (visible && !skipped) {
    DocumentChange change{op, dot, effect};
    Hidden hidden;
    if (reader.start_ && plant != Plant::kWatchTurnsBack) hidden = hidden_from(reader, op, dot);
    change.hidden = std::move(hidden.fields);
    const db::Database& database = replica_.database();
    // What has been written since may have been seen before the drop.
    const bool plain = !reader.mixed_ || (!reader.start_ && effect.kind == Effect::Kind::kDropped);
    change.drop_complete = plain || database.find(op.collection) == nullptr;
    if (reader.query_.lookup && is_update(op)) {
      const db::Collection* documents = database.find(op.collection);
      const db::Record* record = documents == nullptr ? nullptr : documents->find(op.key);
      change.lookup = true;
      change.current = record == nullptr ? nullptr : &record->document;
      page.commit = std::max(page.commit, replica_.undurable(op.collection, op.key));
    }
    if (!hidden.all) {
      bson::Document event = change_event(change);
      if (!event.view().empty()) DISTRI_TRY_VOID(add(reader, std::move(event), page));
    }
    if (hidden.all || !change.hidden.empty())
      DISTRI_TRY_VOID(show_conflict(reader, op.collection, {dot, {}, op.key}, page));
  }
  for (const Effect::Lost& lost : effect.conflicts) DISTRI_TRY_VOID(show_conflict(reader, op.collection, lost, page));
  return {};
}

// Unless it has been resolved, or pushed out, meanwhile.
Result<> ChangeFeed::show_conflict(const Reader& reader, const std::string& collection, const Effect::Lost& lost,
                                   Page& page) const {
  const Conflict* conflict = replica_.conflicts().find({collection, lost.key, lost.loser});
  if (conflict == nullptr) return {};
  return add(reader, conflict_event(*conflict, replica_.database()), page);
}

Result<> ChangeFeed::add(const Reader& reader, bson::Document event, Page& page) const {
  if (reader.query_.filter) {
    DISTRI_TRY(const bool matches, reader.query_.filter->check(event));
    if (!matches) return {};
  }
  page.events.push_back(std::move(event));
  return {};
}

// What of an op has been replaced since by writes that the reader has seen before it came here.
ChangeFeed::Hidden ChangeFeed::hidden_from(const Reader& reader, const Op& op, const Dot& dot) const {
  const Store& store = replica_.impl_->store;
  const VersionVector& start = *reader.start_;
  const auto by = [&start](const Dot& winner) { return winner.counter != 0 && start.covers(winner); };
  Hidden hidden;
  const CollectionStamps stamps = store.stamps(op.collection);
  if (op.kind == OpKind::kDropCollection) {
    hidden.all = stamps.dropped.dot != dot && by(stamps.dropped.dot);
    return hidden;
  }
  const Stamp generation = is_update(op) ? op.target : op.stamp;
  const bool dropped = generation <= stamps.dropped.stamp;
  if ((dropped && by(stamps.dropped.dot)) || reader.ends_.cover(op, generation)) {
    hidden.all = true;
    return hidden;
  }
  // The reader may not have seen the drop, but a document or a delete from behind it.
  if (op.kind == OpKind::kCreateCollection) return hidden;
  const db::Record* record = store.find(op.collection, op.key);
  if (record == nullptr) {
    const auto dead = store.tombstone(op.collection, op.key);
    // Without a tombstone: deleted by a write that everybody has seen, perhaps the reader too, or by the drop.
    hidden.all = dead ? dead->dot != dot && by(dead->dot) : !dropped && op.kind != OpKind::kDelete;
    return hidden;
  }
  const db::Revision& revision = record->revision;
  if (revision.stamp() != generation) {
    hidden.all = by(revision.dot());
    return hidden;
  }
  const auto look_at = [&](std::string_view name, auto is_newer) {
    const db::FieldRevision* field = find_field(revision, name);
    if (field != nullptr && is_newer(*field) && by(field->dot)) hidden.fields.push_back(name);
  };
  const auto newer_than_op = [&op](const db::FieldRevision& field) { return field.stamp > op.stamp; };
  for (const bson::Element& element : op.document.view()) {
    if (op.kind == OpKind::kUpdate) look_at(element.key, newer_than_op);
  }
  for (const std::string& name : op.unset) look_at(name, newer_than_op);
  for (const Increment& increment : op.increments) {
    look_at(increment.field, [&increment](const db::FieldRevision& field) { return field.stamp != increment.base; });
  }
  return hidden;
}

}  // namespace distri::replication
