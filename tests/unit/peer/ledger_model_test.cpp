// Random calls against a ledger and a naive model of it: a log of what happened to each grant, from which everything is
// worked out anew by going through all of it.
#include <set>

#include "distri/utils/random.hpp"
#include "pair.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;
using Kind = Ledger::Event::Kind;

struct Fact {
  enum What { kGiven, kToPlace, kPlaced, kToTake, kFreed, kGone, kReceipt, kWithdrawn } what;
  std::uint32_t serial = 0;
  ViewId view = {};
  DeviceId device = {};
};

struct Model {
  std::string state = "waiting";
  std::uint32_t views = 0;
  std::uint32_t asked = 0;
  std::uint64_t request_version = 1;
  std::vector<Fact> log;

  bool has(Fact::What what, std::uint32_t serial) const {
    return std::ranges::any_of(log, [&](const Fact& fact) { return fact.what == what && fact.serial == serial; });
  }
  std::set<std::uint32_t> serials() const {
    std::set<std::uint32_t> all;
    for (const Fact& fact : log) all.insert(fact.serial);
    return all;
  }
  // The devices that say to have it.
  std::set<DeviceId> users(std::uint32_t s) const {
    std::set<DeviceId> users;
    for (const Fact& fact : log) {
      if (fact.what == Fact::kReceipt && fact.serial == s) users.insert(fact.device);
    }
    for (const Fact& fact : log) {
      if (fact.what == Fact::kWithdrawn && fact.serial == s) users.erase(fact.device);
    }
    return users;
  }
  bool says(Fact::What what, std::uint32_t s, const DeviceId& device) const {
    return std::ranges::any_of(
        log, [&](const Fact& fact) { return fact.what == what && fact.serial == s && fact.device == device; });
  }
  bool is_used(std::uint32_t s) const { return has(Fact::kGiven, s) || !users(s).empty() || has(Fact::kGone, s); }
  bool is_out(std::uint32_t s) const { return !has(Fact::kFreed, s) || !users(s).empty(); }
  bool is_coming_back(std::uint32_t s) const {
    return has(Fact::kToTake, s) && !has(Fact::kFreed, s) && !has(Fact::kGone, s);
  }
  // Where compare-and-delete may find it.
  bool may_lie_in_cloud(std::uint32_t s) const {
    return has(Fact::kToPlace, s) && !has(Fact::kFreed, s) && !has(Fact::kGone, s) &&
           (!is_used(s) || is_coming_back(s));
  }
  template <class Predicate>
  std::uint32_t count(const Predicate& predicate) const {
    const auto all = serials();
    return static_cast<std::uint32_t>(std::ranges::count_if(all, predicate));
  }
  std::uint32_t out() const {
    return count([&](std::uint32_t s) { return is_out(s); });
  }
  std::uint32_t remaining() const { return state == "granted" && views > out() ? views - out() : 0; }
  std::uint32_t in_cloud() const {
    return count([&](std::uint32_t s) { return may_lie_in_cloud(s); });
  }
};

class Run {
 public:
  explicit Run(std::uint64_t seed) : random_(seed) {}

  void step() {
    const auto what = random_.below(16);
    const GrantId id = grant_id(1 + random_.below(2));
    CAPTURE(what);
    if (!models_.contains(id)) return ask(id);
    Model& model = models_[id];
    const bool granted = model.state == "granted";
    switch (what) {
      case 0:
        return ask(id);
      case 1:
        return answer(id, model);
      case 2:
        return change(id, model);
      case 3:
        if (random_.below(60) == 0) end(id, model);
        return;
      case 4:
      case 5:
      case 6:
      case 7:
        return view(id, model);
      case 8:
      case 9:
        return put(id, model);
      case 10: {
        const auto back = ledger_.take_back(id, static_cast<std::uint32_t>(random_.below(4)));
        REQUIRE(back.has_value() == granted);
        if (back) note(model, *back);
        return;
      }
      case 11:
      case 12:
        return settle(id, model);
      case 13:
      case 14:
        return receipt(id, model);
      default:
        return replay(id);
    }
  }

  void check() const {
    for (const auto& [id, model] : models_) {
      const Entry* entry = ledger_.find(id);
      REQUIRE(entry != nullptr);
      CAPTURE(id.hex());
      REQUIRE(state_name(entry->state()) == model.state);
      REQUIRE(entry->given_out() == model.out());
      REQUIRE(entry->remaining() == model.remaining());
      REQUIRE(entry->used() == model.count([&](std::uint32_t s) { return model.is_used(s); }));
      REQUIRE(entry->in_cloud() == model.in_cloud());
      REQUIRE(entry->issues.size() == model.serials().size());
      // What is over the views is used, or on its way back.
      const auto idle = model.count(
          [&](std::uint32_t s) { return model.may_lie_in_cloud(s) && !model.is_used(s) && !model.is_coming_back(s); });
      const auto back = model.count([&](std::uint32_t s) { return model.is_coming_back(s) && model.users(s).empty(); });
      REQUIRE((idle == 0 || model.out() - back <= model.views));
      if (model.state != "granted") REQUIRE((idle == 0 && entry->image_key.empty()));
    }
    REQUIRE(value(Ledger::load(key("ada"), ledger_.encode())).encode() == ledger_.encode());
  }
  void reload() { ledger_ = value(Ledger::load(key("ada"), ledger_.encode())); }

  std::size_t given = 0;
  std::size_t refused = 0;
  std::size_t double_uses = 0;
  std::size_t taken_back = 0;

 private:
  Request request(const GrantId& id, const Model& model) {
    Request request;
    request.id = id;
    request.to = id_of("ada");
    request.resource = "photo.png";
    request.views = model.asked;
    request.made_ms = kNow;
    request.version = model.request_version;
    request.withdrawn = model.state == "withdrawn";
    return sign(std::move(request), key("bob"));
  }

  void ask(const GrantId& id) {
    Model& model = models_[id];
    if (model.asked == 0) {
      model.asked = 3;
    } else if (model.state == "waiting") {
      model.asked = static_cast<std::uint32_t>(1 + random_.below(18));
      ++model.request_version;
    }
    requests_.push_back(request(id, model));
    value(ledger_.on_request(requests_.back()));
  }

  // Anything that was ever sent comes again.
  void replay(const GrantId& id) {
    if (requests_.empty()) return;
    const Bytes before = ledger_.encode();
    const auto again = value(ledger_.on_request(requests_[random_.below(requests_.size())]));
    REQUIRE((!again.changed && again.events.empty()));
    Request forged = request(id, models_[id]);
    ++forged.views;
    REQUIRE_FALSE(ledger_.on_request(forged).has_value());
    REQUIRE_FALSE(ledger_.on_request(sign(forged, key("bob"))).has_value());
    REQUIRE(ledger_.encode() == before);
  }

  void answer(const GrantId& id, Model& model) {
    const auto views = static_cast<std::uint32_t>(random_.below(6));
    const auto done =
        views == 0 && random_.below(4) == 0 ? ledger_.refuse(id) : ledger_.approve(id, views + 1, sealed_image());
    REQUIRE(done.has_value() == (model.state == "waiting"));
    if (!done) return;
    model.state = std::string(peer::state_name(done->publish.at(0).state));
    model.views = done->publish.at(0).views;
  }

  void change(const GrantId& id, Model& model) {
    // Around what is out, so that some are free and some are too many.
    const auto around = static_cast<std::uint32_t>(random_.below(18));
    const std::uint32_t views = model.out() + around > 6 ? model.out() + around - 6 : 0;
    const auto done = ledger_.change_views(id, views);
    REQUIRE(done.has_value() == (model.state == "granted"));
    if (!done) return;
    model.views = views;
    note(model, *done);
  }

  void end(const GrantId& id, Model& model) {
    if (random_.below(2) == 0) {
      const auto done = ledger_.revoke(id);
      REQUIRE(done.has_value() == (model.state == "granted"));
      if (!done) return;
      model.state = "revoked";
      return note(model, *done);
    }
    if (model.state == "withdrawn") return;
    model.state = "withdrawn";
    ++model.request_version;
    requests_.push_back(request(id, model));
    note(model, value(ledger_.on_request(requests_.back())));
  }

  void view(const GrantId& id, Model& model) {
    const ViewId view = view_id(1 + random_.below(40));
    std::uint32_t known = 0;
    for (const Fact& fact : model.log) {
      if (fact.what == Fact::kGiven && fact.view == view) known = fact.serial;
    }
    const bool good = model.state == "granted" && (known != 0 || model.remaining() > 0);
    const auto done = ledger_.give_view(id, id_of("bob"), view);
    REQUIRE(done.has_value() == good);
    ++(done ? given : refused);
    if (!done) return;
    REQUIRE(done->effects.changed == (known == 0));
    if (known != 0) {
      REQUIRE(done->key.serial == known);
    } else {
      REQUIRE_FALSE(model.serials().contains(done->key.serial));
      model.log.push_back({Fact::kGiven, done->key.serial, view, {}});
    }
  }

  void put(const GrantId& id, Model& model) {
    const auto count = static_cast<std::uint32_t>(random_.below(4));
    const auto done = ledger_.put_in_escrow(id, count);
    REQUIRE(done.has_value() == (model.state == "granted" && count <= model.remaining()));
    if (done) note(model, *done);
  }

  // What the cloud said to a key that was to be put in or taken out; sometimes about one that nobody waits for.
  void settle(const GrantId& id, Model& model) {
    auto serial = static_cast<std::uint32_t>(1 + random_.below(model.serials().size() + 1));
    for (const std::uint32_t other : model.serials()) {
      if (model.may_lie_in_cloud(other) && random_.below(4) == 0) serial = other;
    }
    const bool yes = random_.below(3) != 0;
    const bool escrowed = model.has(Fact::kToPlace, serial);
    if (random_.below(2) == 0) {
      const bool placed =
          model.has(Fact::kPlaced, serial) || model.has(Fact::kReceipt, serial) || model.has(Fact::kWithdrawn, serial);
      const bool known = placed && (yes || model.has(Fact::kToTake, serial));
      const bool waits = escrowed && !known && !model.has(Fact::kFreed, serial) && !model.has(Fact::kGone, serial);
      const auto done = ledger_.on_placed(id, serial, yes);
      REQUIRE(done.has_value() == escrowed);
      if (!done) return;
      REQUIRE(done->changed == waits);
      if (waits) model.log.push_back({yes ? Fact::kPlaced : Fact::kFreed, serial, {}, {}});
      return;
    }
    const bool waits = escrowed && model.is_coming_back(serial);
    const auto done = ledger_.on_taken_back(id, serial, yes);
    REQUIRE(done.has_value() == escrowed);
    if (!done) return;
    REQUIRE(done->changed == waits);
    if (!waits) return;
    model.log.push_back({yes ? Fact::kFreed : Fact::kGone, serial, {}, {}});
    if (yes) REQUIRE(done->events.empty() == model.users(serial).empty());
    note(model, *done);
  }

  void receipt(const GrantId& id, Model& model) {
    Receipt receipt;
    receipt.grant = id;
    receipt.serial = static_cast<std::uint32_t>(1 + random_.below(model.serials().size() + 1));
    receipt.device = device_id(1 + random_.below(2));
    receipt.to = id_of("ada");
    receipt.withdrawn = random_.below(3) == 0;
    const auto done = ledger_.on_receipt(sign(receipt, key("bob")));
    REQUIRE(done.has_value() == model.has(Fact::kToPlace, receipt.serial));
    if (!done) return;
    const std::set<DeviceId> devices = model.users(receipt.serial);
    const bool withdrawn = model.says(Fact::kWithdrawn, receipt.serial, receipt.device);
    const bool used = model.says(Fact::kReceipt, receipt.serial, receipt.device);
    const bool news = !withdrawn && !used;
    REQUIRE(done->changed == (receipt.withdrawn ? !withdrawn : news));
    const auto reported = [&](Kind kind) {
      return std::ranges::any_of(done->events, [&](const auto& event) { return event.kind == kind; });
    };
    REQUIRE(reported(Kind::kNotUsed) == (receipt.withdrawn && used && !withdrawn));
    if (receipt.withdrawn) {
      if (!withdrawn) model.log.push_back({Fact::kWithdrawn, receipt.serial, {}, receipt.device});
      taken_back += reported(Kind::kNotUsed) ? 1 : 0;
      return note(model, *done);
    }
    REQUIRE(reported(Kind::kEscrowUsed) == news);
    REQUIRE(reported(Kind::kDoubleUse) == (news && !devices.empty()));
    REQUIRE(reported(Kind::kUsedAfterTakenBack) == (news && model.has(Fact::kFreed, receipt.serial)));
    if (reported(Kind::kDoubleUse)) ++double_uses;
    if (news) model.log.push_back({Fact::kReceipt, receipt.serial, {}, receipt.device});
    note(model, *done);
  }

  static void note(Model& model, const Ledger::Effects& effects) {
    for (const ViewKey& placed : effects.place) {
      REQUIRE_FALSE(model.serials().contains(placed.serial));
      model.log.push_back({Fact::kToPlace, placed.serial, {}, {}});
    }
    for (const auto& taken : effects.take_out) {
      REQUIRE((model.may_lie_in_cloud(taken.serial) && !model.is_used(taken.serial)));
      model.log.push_back({Fact::kToTake, taken.serial, {}, {}});
    }
  }

  Random random_;
  Ledger ledger_{key("ada")};
  std::map<GrantId, Model> models_;
  std::vector<Request> requests_;
};

}  // namespace

TEST_CASE("whatever is called in whatever order, a ledger says what a log of all that happened says") {
  std::size_t given = 0;
  std::size_t refused = 0;
  std::size_t double_uses = 0;
  std::size_t taken_back = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Run run(seed);
    for (int step = 0; step < 600; ++step) {
      CAPTURE(step);
      run.step();
      run.check();
      if (step % 7 == 0) run.reload();
    }
    given += run.given;
    refused += run.refused;
    double_uses += run.double_uses;
    taken_back += run.taken_back;
  }
  MESSAGE(given << " views given, " << refused << " refused, " << double_uses << " double uses reported, " << taken_back
                << " uses taken back");
  CHECK((given > 500 && refused > 300 && double_uses > 20 && taken_back > 20));
}
