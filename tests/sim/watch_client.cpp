#include "watch_client.hpp"

#include <algorithm>
#include <charconv>

#include "distri/replication/counter.hpp"
#include "distri/replication/resume_token.hpp"

namespace distri::sim {

using replication::ChangeFeed;
using replication::OpKind;
using replication::Replica;

namespace {

// Refused so often, a watcher whose writes may be lost begins anew, as sessions do.
constexpr int kTurnedAwayMax = 200;
// Earlier writes of a document that a new one is compared with.
constexpr std::size_t kOrderMax = 16;

std::optional<Dot> dot_of(std::string_view id) {
  const std::size_t dash = id.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto actor = from_hex(id.substr(0, dash));
  Dot dot;
  const auto parsed = std::from_chars(id.data() + dash + 1, id.data() + id.size(), dot.counter, 16);
  if (!actor || actor->size() != ActorId::kSize || parsed.ptr != id.data() + id.size()) return std::nullopt;
  dot.actor = ActorId::from_view(*actor);
  return dot;
}

bson::View object(bson::View event, std::string_view name) {
  const auto value = event.find(name);
  return value && value->type() == bson::Type::kObject ? value->as_object() : bson::View();
}

// The value in "type, name, zero, value".
bson::Value value_of_element(BytesView raw) {
  return {static_cast<bson::Type>(static_cast<unsigned char>(raw.front())), raw.substr(raw.find('\0', 1) + 1)};
}

}  // namespace

WatchClient::WatchClient(World& world, Habits habits, std::uint64_t seed)
    : world_(world), habits_(std::move(habits)), random_(seed) {}

void WatchClient::fail(std::string_view what) {
  world_.fail(fmt::format("watcher{}{} at {}: {}", habits_.collection.empty() ? "" : " of ", habits_.collection,
                          at_ ? world_.machine(*at_).name : "no node", what));
}

bool WatchClient::watched(std::string_view collection) const {
  if (!habits_.collection.empty()) return collection == habits_.collection;
  return !collection.empty() && !collection.starts_with("system.");
}

void WatchClient::turned(std::size_t i) {
  if (random_.below(habits_.laziness) != 0) return;
  if (at_ && !here(*at_)) at_.reset();
  if (here(i)) {
    read(i, 1 + random_.below(4));
    if (random_.below(30) == 0) at_.reset();
  } else if (!at_) {
    attach(i);
  } else if (!world_.running(*at_) && random_.below(5) == 0) {
    at_.reset();
  }
}

void WatchClient::restart(std::string_view why) {
  world_.log().line("{} a watcher begins anew: {}", world_.now(), why);
  at_.reset();
  token_.reset();
}

// False: that node cannot serve it now.
bool WatchClient::attach(std::size_t i) {
  const Replica& replica = *world_.machine(i).replica;
  feed_.emplace(replica);
  std::optional<VersionVector> after;
  if (token_) {
    after = *replication::decode_resume_token(*token_);
    if (!feed_->ready(after)) {
      if (++turned_away_ >= kTurnedAwayMax && world_.lost_any()) restart("no node has what it has seen");
      return false;
    }
  } else if (!(replica.durable() == replica.vector())) {
    return false;  // its copy would hold more than it may be shown
  }
  ChangeFeed::Query query;
  query.collection = habits_.collection;
  query.events_max = habits_.events_max;
  auto reader = feed_->open(std::move(query), after);
  turned_away_ = 0;
  if (!reader) {
    if (!reader.error().message.starts_with(replication::kHistoryLost)) fail(reader.error().message);
    if (after) check_lost(replica, *after);
    restart("history is lost");
    return false;
  }
  reader_.emplace(*std::move(reader));
  at_ = i;
  life_ = world_.machine(i).life;
  opened_ = reader_->seen().unfolded();
  if (!token_) begin(i);
  return true;
}

// What a node says is lost of what a watcher has seen is so.
void WatchClient::check_lost(const Replica& replica, const VersionVector& seen) {
  for (const auto& [actor, counter] : seen.entries()) {
    const Dot dot{actor, counter};
    if (!replica.vector().covers(dot) && !world_.may_be_lost(dot))
      fail(fmt::format("a node says that {} is lost, which the token names, although no disk has lost anything",
                       to_string(dot)));
  }
}

void WatchClient::begin(std::size_t i) {
  start_ = opened_;
  shown_.clear();
  order_.clear();
  copy_.clear();
  token_ = feed_->token(*reader_);
  for (const auto& [name, documents] : world_.machine(i).replica->database().collections()) {
    if (!watched(name)) continue;
    for (const auto& [key, record] : documents.records()) {
      Fields& fields = copy_[{name, Bytes(key)}];
      for (const bson::Element& element : record.document.view()) fields[std::string(element.key)] = element.raw;
    }
  }
}

void WatchClient::read(std::size_t i, std::size_t pages) {
  for (bool more = true; more && pages > 0; --pages) {
    const auto page = feed_->next(*reader_, habits_.work_bytes);
    if (!page) {
      if (!page.error().message.starts_with(replication::kHistoryLost)) fail(page.error().message);
      return restart("history is lost");
    }
    for (const bson::Document& event : page->events) {
      take(i, event);
      if (!token_ || world_.failure()) return;
    }
    token_ = feed_->token(*reader_);
    more = page->more;
  }
}

void WatchClient::take(std::size_t i, bson::View event) {
  const std::string_view type = event.find("operationType")->as_string();
  const std::string_view id = event.find("_id")->as_string();
  if (type == "conflict") return;
  const auto dot = dot_of(id);
  const History::Write* write = dot ? world_.history().find(*dot) : nullptr;
  if (write == nullptr) return fail(fmt::format("it is shown {}, which nobody wrote", id));
  const Machine& machine = world_.machine(i);
  if (machine.disk && !machine.durable.covers(*dot))
    return fail(fmt::format("it is shown {}, which the node's disk does not have", to_string(*dot)));
  if (opened_.covers(*dot)) return fail(fmt::format("it is shown {} again, which its token has seen", to_string(*dot)));
  if (!shown_.insert(*dot).second) return fail(fmt::format("it is shown {} twice", to_string(*dot)));
  if (type == "drop" && !event.find("complete")->as_bool()) return restart("a drop was not complete");
  check_order({write->op.collection, write->op.key}, *write);
  fold(*write, type, event);
}

// What comes after a write did not come before it in its writer's eyes.
void WatchClient::check_order(const Place& place, const History::Write& write) {
  std::vector<Dot>& before = order_[place];
  for (const Dot& earlier : before) {
    if (world_.history().find(earlier)->saw(write.dot))
      return fail(
          fmt::format("it is shown {} after {}, whose writer knew it", to_string(write.dot), to_string(earlier)));
  }
  before.push_back(write.dot);
  if (before.size() > kOrderMax) before.erase(before.begin());
}

void WatchClient::fold(const History::Write& write, std::string_view type, bson::View event) {
  const Place place{write.op.collection, write.op.key};
  if (type == "drop") {
    std::erase_if(copy_, [&](const auto& entry) { return entry.first.first == place.first; });
  } else if (type == "delete") {
    copy_.erase(place);
  } else if (type == "insert" || type == "replace") {
    Fields& fields = copy_[place];
    fields.clear();
    for (const bson::Element& element : object(event, "fullDocument")) fields[std::string(element.key)] = element.raw;
  } else if (type == "update") {
    const auto found = copy_.find(place);
    if (found == copy_.end()) return;
    Fields& fields = found->second;
    const bson::View update = object(event, "updateDescription");
    for (const bson::Element& element : object(update, "updatedFields")) fields[std::string(element.key)] = element.raw;
    for (const bson::Element& name : update.find("removedFields")->as_object())
      fields.erase(std::string(name.value.as_string()));
    for (const bson::Element& element : object(update, "incrementedFields")) {
      replication::Counter sum;
      const std::string name(element.key);
      if (const auto old = fields.find(name); old != fields.end())
        sum.base = replication::number_of(value_of_element(old->second)).value_or(replication::Number{});
      replication::add(sum, write.dot, *replication::number_of(element.value));
      const bson::Document made = replication::element_of(name, replication::value_of(sum));
      fields[name] = made.view().begin()->raw;
    }
  }
}

// Somebody wrote to the same document, or dropped its collection, or made it, and neither knew of the other.
bool WatchClient::concurrent(const History::Write& write) const {
  const History& history = world_.history();
  const auto apart = [&](const History::Write* other) { return !other->saw(write.dot) && !write.saw(other->dot); };
  if (write.op.key.empty()) {
    return std::any_of(history.writes().begin(), history.writes().end(), [&](const auto& other) {
      return other->op.collection == write.op.collection && other->dot != write.dot && apart(other.get());
    });
  }
  const auto& here = history.of(write.op.collection, write.op.key);
  const auto& drops = history.drops(write.op.collection);
  return std::any_of(here.begin(), here.end(), apart) || std::any_of(drops.begin(), drops.end(), apart);
}

void WatchClient::check_passed() {
  const VersionVector seen = reader_->seen().unfolded();
  for (const auto& write : world_.history().writes()) {
    const OpKind kind = write->op.kind;
    if (kind == OpKind::kResolve || kind == OpKind::kFold || kind == OpKind::kNote) continue;
    if (!watched(write->op.collection) || !seen.covers(write->dot) || start_.covers(write->dot)) continue;
    if (!shown_.contains(write->dot) && !concurrent(*write))
      return fail(fmt::format("it has passed {} ('{}') without being shown it, and nothing met that write",
                              to_string(write->dot), write->op.collection));
  }
}

// States of documents may differ for a while beyond these budgets; who read of them then cannot know.
bool WatchClient::excused() const {
  return world_.over_budget() || std::any_of(world_.notices().begin(), world_.notices().end(), [](const auto& heard) {
           return heard.kind == replication::Notice::Kind::kDivergence;
         });
}

void WatchClient::check_copy(std::size_t i) {
  if (excused()) return;
  std::size_t documents = 0;
  for (const auto& [name, collection] : world_.machine(i).replica->database().collections()) {
    if (!watched(name)) continue;
    for (const auto& [key, record] : collection.records()) {
      ++documents;
      Fields fields;
      for (const bson::Element& element : record.document.view()) fields[std::string(element.key)] = element.raw;
      const auto found = copy_.find({name, Bytes(key)});
      if (found == copy_.end()) return fail(fmt::format("its copy lacks a document of '{}'", name));
      if (found->second == fields) continue;
      world_.history().tell(world_.log(), name, Bytes(key), reader_->seen().unfolded());
      return fail(fmt::format("its copy of a document of '{}' is not what the node holds", name));
    }
  }
  if (documents == copy_.size()) return;
  const auto gone = std::find_if(copy_.begin(), copy_.end(), [&](const auto& entry) {
    const db::Collection* collection = world_.machine(i).replica->database().find(entry.first.first);
    return collection == nullptr || collection->find(entry.first.second) == nullptr;
  });
  world_.history().tell(world_.log(), gone->first.first, gone->first.second, reader_->seen().unfolded());
  for (const Dot& dot : order_[gone->first]) world_.log().line("it was shown {}", to_string(dot));
  fail(fmt::format("its copy has a document of '{}' that the node does not have", gone->first.first));
}

void WatchClient::check_end() {
  for (std::size_t i = 0; i < world_.size() && !world_.failure(); ++i) {
    if (world_.machine(i).gone || !world_.running(i)) continue;
    const bool chain = token_.has_value();
    at_.reset();
    if (!attach(i)) {
      if (chain && token_ && !world_.lost_any())
        fail(fmt::format("{} does not serve it, although all is at rest", world_.machine(i).name));
      continue;
    }
    read(i, 1'000'000);
    if (!token_ || world_.failure()) continue;
    check_passed();
    if (!world_.failure()) check_copy(i);
  }
}

}  // namespace distri::sim
