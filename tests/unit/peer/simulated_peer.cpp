#include "simulated_peer.hpp"

#include <algorithm>
#include <typeinfo>

#include "exchange_world.hpp"

namespace distri::peer::test {

namespace {

constexpr std::uint32_t kEscrowViews = 2;

AgentOptions options_of(const std::string& user, const World& world) {
  return {.name = user,
          .has_cloud = true,
          .escrow_views = kEscrowViews,
          .poll_ms = 1'000,
          .reconcile_ms = world.reconcile_ms(),
          .retry_ms_max = 8'000};
}

CatalogEntry file_named(const std::string& name) {
  CatalogEntry entry;
  entry.name = name;
  entry.bytes = 9;
  entry.digest = blake2b_256(name);
  entry.kind = "png";
  entry.width = entry.height = 2;
  entry.modified_ms = kNow;
  return entry;
}

}  // namespace

SimulatedPeer::SimulatedPeer(World& world, std::string user, std::uint64_t number, std::set<std::string> its_files)
    : files(std::move(its_files)),
      world_(world),
      user_(std::move(user)),
      device_(device_id(number)),
      disk_(user_, device_),
      address_{user_, static_cast<std::uint16_t>(1'000 * number)} {
  start();
}

// ---- Life

void SimulatedPeer::start() {
  ++life_;
  if (world_.chance(0.3)) ++address_.port;
  agent_.emplace(key(user_), options_of(user_, world_), disk_.books());
  agent_->start({address_}, world_.wall_ms());
  awake_ = true;
  if (!files.empty()) publish();
}

void SimulatedPeer::crash() {
  ++life_;
  agent_.reset();
  waiting_.clear();
  saving_ = busy_ = fetching_ = cloud_read_ = false;
  look_.reset();
  todo_.clear();
  viewing_.clear();
  heard_.clear();
}

void SimulatedPeer::save(Saved then) {
  if (!saving_ && agent_->books().unsaved().empty()) return then(true);
  waiting_.push_back(std::move(then));
  if (!saving_) start_saving();
}

// All of it or none. What changes meanwhile is saved the next time.
void SimulatedPeer::start_saving() {
  saving_ = true;
  const auto pages = std::make_shared<std::vector<BookEntry>>(agent_->books().begin_saving());
  auto waiters = std::exchange(waiting_, {});
  world_.later(while_alive([this, pages, waiters = std::move(waiters)] {
    if (world_.strikes(0.02)) return world_.crash(*this);
    const bool full = world_.strikes(0.04);
    if (full) world_.note_full();
    for (const auto& page : *pages) {
      if (!full) disk_.write(page);
    }
    if (world_.strikes(0.02)) return world_.crash(*this);
    saving_ = false;
    agent_->books().end_saving(!full);
    for (const Saved& each : waiters) each(!full);
    if (!waiting_.empty() && !saving_) start_saving();
  }));
}

void SimulatedPeer::keep(Change change, Saved then) {
  world_.note(*this, change);
  awake_ = awake_ || change.wake;
  const auto is_saved = [this](const Page& page) { return agent_->books().is_saved(page); };
  if (std::ranges::all_of(change.pages, is_saved)) {
    world_.note(change.events);
    return then(true);
  }
  save([this, events = std::move(change.events), then = std::move(then)](bool saved) {
    if (saved) world_.note(events);
    then(saved);
  });
}

// ---- The keeper

bool SimulatedPeer::is_told() {
  return online && world_.node_of(*this) != nullptr;
}

void SimulatedPeer::tick() {
  if (!busy_ && (awake_ || world_.now_ms() >= next_round_ms_)) round();
  if (!fetching_) fetch();
}

void SimulatedPeer::round() {
  busy_ = true;
  awake_ = false;
  switch (agent_->is_look_due(world_.now_ms(), is_told())) {
    case Agent::LookDue::kPaused:
      return tell_all(false);
    case Agent::LookDue::kNo:
      return keep(agent_->top_up_escrow(), [this](bool) { tell_all(true); });
    case Agent::LookDue::kYes:
      look_ = agent_->begin_look(world_.now_ms());
      return read_next();
  }
}

void SimulatedPeer::read_next() {
  const auto reading = look_->next();
  if (!reading) return end_look({});
  world_.call_cloud<CloudRecordList>(
      *this, [reading, self = agent_->self()](CloudNode& at) { return at.read(*reading, self); },
      [this](Result<CloudRecordList> found) {
        if (!found) return end_look(fail(found.error()));
        keep(agent_->take(*look_, *std::move(found), world_.now_ms()), [this](bool) { read_next(); });
      });
}

void SimulatedPeer::end_look(const Result<>& read) {
  Change change = agent_->end_look(read, world_.now_ms());
  if (read) change.add(agent_->top_up_escrow());
  keep(std::move(change), [this, looked = read.has_value()](bool) { tell_all(looked); });
}

void SimulatedPeer::tell_all(bool looked) {
  cloud_read_ = looked;
  const auto all = agent_->todo();
  todo_.assign(all.begin(), all.end());
  tell_next();
}

void SimulatedPeer::tell_next() {
  if (todo_.empty()) {
    return save([this](bool) {
      busy_ = false;
      next_round_ms_ = world_.now_ms() + 1'000;
    });
  }
  const Todo next = todo_.front();
  todo_.pop_front();
  carry_out(next, Patience::kKeeper, [this] { tell_next(); });
}

// An errand is never of what is not saved, whether or not one has tried to save it.
void SimulatedPeer::carry_out(const Todo& todo, Patience patience, std::function<void()> then) {
  const auto go = [this, todo, patience, then](bool) {
    if (const auto errand = agent_->errand(todo, patience, world_.now_ms())) return run(*errand, then);
    then();
  };
  if (world_.chance(0.5)) return go(true);
  save(go);
}

void SimulatedPeer::run(const Errand& errand, std::function<void()> then) {
  world_.check_said(*this, errand);
  if (errand.directly()) {
    const auto told = [this, errand, then](const Result<Bytes>& answer) {
      auto next = agent_->told(errand, answer, world_.now_ms());
      keep(std::move(next.change), [this, next = std::move(next.next), then](bool) {
        if (next) return run(*next, then);
        then();
      });
    };
    if (const auto* request = std::get_if<Request>(&errand.what)) {
      return world_.call_peer(
          *this, errand.at, request->to,
          [request = *request](auto& peer, auto reply) { peer.on_request(request, reply); }, told);
    }
    const auto& grant = std::get<Grant>(errand.what);
    return world_.call_peer(
        *this, errand.at, grant.to, [grant](auto& peer, auto reply) { peer.on_grant(grant, reply); }, told);
  }
  world_.call_cloud<bool>(
      *this, [errand, self = agent_->self()](CloudNode& at) { return World::write(at, errand, self); },
      [this, errand, then](const Result<bool>& outcome) {
        Change change = agent_->note_cloud(outcome ? Error{Code::kOk, ""} : outcome.error());
        change.add(agent_->written(errand, outcome));
        if (outcome && *outcome && std::holds_alternative<TakeOut>(errand.what)) world_.note_taken_back();
        keep(std::move(change), [then](bool) { then(); });
      });
}

void SimulatedPeer::fetch() {
  const auto next = agent_->next_picture(world_.now_ms(), {});
  if (!next) return;
  const auto holding = agent_->to_fetch(*next);
  REQUIRE(holding);
  fetching_ = true;
  const GrantId id = *next;
  world_.call_peer(
      *this, agent_->addresses_of(holding->request.to), holding->request.to,
      [id, self = agent_->self()](auto& peer, auto reply) {
        const auto may = peer.agent().may_fetch(id, self);
        reply(may ? Result<Bytes>(Bytes()) : fail(may.error()));
      },
      [this, id, file = holding->grant->file](const Result<Bytes>& fetched) {
        fetching_ = false;
        if (!fetched) return agent_->picture_failed(id, world_.now_ms());
        if (auto here = agent_->picture_here(id, file)) keep(*std::move(here), [](bool) {});
      });
}

// What a stream tells of: every document that is not as it was, one at a time.
bool SimulatedPeer::hear() {
  const CloudNode* at = is_told() ? world_.node_of(*this) : nullptr;
  if (at == nullptr) return false;
  static constexpr Reading kAll[] = {Reading::kUsers, Reading::kCatalog, Reading::kReceipts, Reading::kRequests,
                                     Reading::kGrants};
  const auto hear_one = [&](const auto& records) {
    using Record = typename std::decay_t<decltype(records)>::value_type;
    for (const Record& each : records) {
      Bytes& heard = heard_[std::string(typeid(Record).name()) + document_id_of(each)];
      if (heard == Bytes(each.signature.view())) continue;
      heard = Bytes(each.signature.view());
      keep(agent_->take(std::vector<Record>{each}, world_.now_ms()), [](bool) {});
      return true;
    }
    return false;
  };
  for (const Reading each : kAll) {
    if (std::visit(hear_one, at->read(each, agent_->self()))) return true;
  }
  return false;
}

// ---- What a user does

void SimulatedPeer::request(const PublicKey& owner, const std::string& resource, std::uint32_t views) {
  const auto asked = agent_->request(world_.random(), owner, resource, views, world_.wall_ms());
  if (!asked) return;
  keep(asked->change, [this, id = asked->id](bool saved) {
    if (saved) carry_out({Todo::Kind::kRequest, id, {}}, Patience::kUser, [] {});
  });
}

void SimulatedPeer::withdraw(const GrantId& id) {
  auto change = agent_->withdraw(id);
  if (!change) return;
  keep(*std::move(change), [this, id](bool saved) {
    if (saved) carry_out({Todo::Kind::kRequest, id, {}}, Patience::kUser, [] {});
  });
}

void SimulatedPeer::answer(const GrantId& id, Result<Change> change) {
  if (!change) return;
  keep(*std::move(change), [this, id](bool saved) {
    if (saved) carry_out({Todo::Kind::kGrant, id, {}}, Patience::kUser, [] {});
  });
}

void SimulatedPeer::approve(const GrantId& id, std::uint32_t views) {
  if (!agent_->offered_for(id)) return;
  auto change = agent_->approve(id, views, {file_facts(), image_key()});
  if (change && cloud_read_ && !agent_->is_cloud_away()) change->add(agent_->top_up_escrow());
  answer(id, std::move(change));
}

void SimulatedPeer::forget(const GrantId& id) {
  auto change = agent_->forget(id);
  if (!change) return;
  world_.note_forgotten();
  keep(*std::move(change), [](bool) {});
}

void SimulatedPeer::publish() {
  std::vector<CatalogEntry> here;
  for (const std::string& name : files) here.push_back(file_named(name));
  auto offered = agent_->offer(here, world_.wall_ms());
  REQUIRE(offered.left_out.empty());
  keep(std::move(offered.change), [](bool) {});
}

// ---- Views

void SimulatedPeer::view_online(const GrantId& id) {
  if (viewing_.contains(id)) return;
  const auto asking = agent_->ask_view(id, world_.fresh_view());
  if (!asking) return;
  viewing_.insert(id);
  keep(asking->change, [this, id, asking = *asking](bool saved) {
    if (!saved) return void(viewing_.erase(id));
    world_.check_asked(*this, id, asking.view);
    world_.call_peer(
        *this, agent_->addresses_of(asking.owner), asking.owner,
        [id, view = asking.view, self = agent_->self()](auto& peer, auto reply) {
          peer.on_view(self, id, view, reply);
        },
        [this, id, asking](const Result<Bytes>& answer) {
          auto answered =
              std::make_shared<Agent::Answered>(agent_->on_view_answer(id, asking, answer, world_.now_ms()));
          if (answered->view) world_.note_had(id, answered->view->serial);
          keep(answered->change, [this, id, answered](bool is_saved) {
            viewing_.erase(id);
            if (is_saved && answered->view) show(id, *answered->view);
          });
        });
  });
}

void SimulatedPeer::view_from_escrow(const GrantId& id) {
  if (viewing_.contains(id) || agent_->books().holdings.find(id) == nullptr) return;
  viewing_.insert(id);
  if (const auto begun = agent_->begun(id)) return take_key(*begun);
  world_.call_cloud<std::vector<ViewKey>>(
      *this, [id](CloudNode& at) { return at.view_keys.read([&](const ViewKey& each) { return each.grant == id; }); },
      [this, id](const Result<std::vector<ViewKey>>& keys) {
        viewing_.erase(id);
        if (!keys) return;
        const auto unused = agent_->unused(*keys);
        if (unused.empty()) return;
        viewing_.insert(id);
        take_key(unused.front());
      });
}

// The receipt, then the deletion, then the image; what happens in between is taken up again.
void SimulatedPeer::take_key(const ViewKey& view_key) {
  const GrantId id = view_key.grant;
  const auto give_up = [this, id] { viewing_.erase(id); };
  const auto taking = agent_->take_key(view_key, world_.wall_ms());
  if (!taking) return give_up();
  keep(taking->change, [this, give_up, view_key, taking = *taking](bool saved) {
    if (!saved) return give_up();
    world_.check_receipt(*this, taking.receipt);
    world_.call_cloud<bool>(
        *this, [receipt = taking.receipt](CloudNode& at) { return at.put(receipt); },
        [this, give_up, view_key, taking](const Result<bool>& placed) {
          if (!placed) return give_up();
          world_.call_cloud<bool>(
              *this, [view_key, id = taking.request](CloudNode& at) { return at.take(view_key, id); },
              [this, give_up, taking](const Result<bool>& was_there) {
                give_up();
                if (!was_there) return;
                auto taken = agent_->taken(taking.receipt, *was_there, world_.wall_ms());
                if (!taken) return;
                auto view = std::make_shared<Agent::Taken>(*std::move(taken));
                if (view->view) world_.note_had(taking.receipt.grant, view->view->serial);
                keep(view->change, [this, grant = taking.receipt.grant, view](bool is_saved) {
                  if (is_saved && view->view) show(grant, *view->view);
                });
              });
        });
  });
}

void SimulatedPeer::show(const GrantId& id, const Agent::OneView& view) {
  REQUIRE(view.image_key == image_key());
  world_.shown(*this, id, view.serial, view.from_escrow);
}

// ---- What others ask him

void SimulatedPeer::on_request(const Request& request, const Reply& reply) {
  keep(agent_->heard_from(request.owner), [](bool) {});
  auto answered = agent_->on_request(request);
  if (!answered) return reply(fail(answered.error()));
  keep(std::move(answered->change), [this, reply, body = std::move(answered->body)](bool saved) {
    if (!saved) return reply(fail(Code::kStorageFull, "no room"));
    if (!body.empty()) world_.check_answer(*this, value(read_grant(value(bson::Document::parse(body)).view())));
    reply(body);
  });
}

void SimulatedPeer::on_grant(const Grant& grant, const Reply& reply) {
  keep(agent_->heard_from(grant.owner), [](bool) {});
  auto change = agent_->on_grant(grant);
  if (!change) return reply(fail(change.error()));
  keep(*std::move(change),
       [reply](bool saved) { reply(saved ? Result<Bytes>(Bytes()) : fail(Code::kStorageFull, "no room")); });
}

void SimulatedPeer::on_view(const PublicKey& asker, const GrantId& id, const ViewId& view, const Reply& reply) {
  keep(agent_->heard_from(asker), [](bool) {});
  auto given = agent_->on_view(id, asker, view);
  if (!given) return reply(fail(given.error()));
  keep(std::move(given->change), [this, reply, id, view, body = std::move(given->body)](bool saved) {
    if (!saved) return reply(fail(Code::kStorageFull, "no room"));
    world_.check_given(*this, id, view);
    reply(body);
  });
}

}  // namespace distri::peer::test
