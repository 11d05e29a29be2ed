// Agent: what is told when, and what others may ask; one step at a time (exchange_test.cpp: all of it at once).
#include "distri/peer/agent.hpp"

#include <algorithm>

#include "pair.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;
namespace test = distri::peer::test;

namespace {

using Kind = Todo::Kind;

constexpr std::int64_t kPollMs = 1'000;
constexpr std::int64_t kReconcileMs = 60'000;
const Error kAway{Code::kUnavailable, "not there"};

User user_at(std::string_view name, std::uint16_t port, std::uint64_t version = 1) {
  User user;
  user.name = name;
  user.addresses = {{"198.51.100.1", port}};
  user.version = version;
  return sign(std::move(user), test::key(name));
}

struct OnPaper {
  explicit OnPaper(const std::string& name, bool has_cloud = true, std::uint64_t device = 1)
      : agent(test::key(name), options_of(name, has_cloud),
              PeerBooks(Ledger(test::key(name)), Holdings(test::key(name), device_id(device)))) {}
  static AgentOptions options_of(const std::string& name, bool has_cloud = true) {
    return {.name = name,
            .has_cloud = has_cloud,
            .escrow_views = 2,
            .poll_ms = kPollMs,
            .reconcile_ms = kReconcileMs,
            .retry_ms_max = 8 * kPollMs};
  }

  void save(bool works = true) {
    static_cast<void>(agent.books().begin_saving());
    agent.books().end_saving(works);
  }
  void knows(const User& user) { agent.take(std::vector<User>{user}, 0); }
  GrantId asks(std::string_view owner, std::uint64_t number = 1) {
    const GrantId id = value(agent.request(number, id_of(owner), "photo.png", 3, kNow)).id;
    save();
    return id;
  }
  Request request(const GrantId& id) { return agent.books().holdings.find(id)->request; }
  Grant grant(const GrantId& id) { return *agent.books().ledger.find(id)->grant; }
  // Bob's, granted.
  GrantId has_granted(std::uint32_t views, OnPaper& bob) {
    const GrantId id = bob.asks("ada");
    value(agent.on_request(bob.request(id)));
    value(agent.approve(id, views, sealed_image()));
    save();
    return id;
  }
  bool has_todo(Kind kind) {
    return std::ranges::any_of(agent.todo(), [&](const Todo& each) { return each.kind == kind; });
  }
  std::optional<Errand> errand(Kind kind, Patience patience = Patience::kKeeper, std::int64_t now_ms = 0) {
    for (const Todo& each : agent.todo()) {
      if (each.kind == kind) return agent.errand(each, patience, now_ms);
    }
    return std::nullopt;
  }
  // Finds these in the cloud, and nothing else.
  void looks(std::int64_t now_ms, const std::vector<ViewKey>& own_keys, const std::vector<Receipt>& receipts) {
    Look look = agent.begin_look(now_ms);
    while (const auto reading = look.next()) {
      const CloudRecordList all[] = {std::vector<User>(),
                                     std::vector<Request>(),
                                     std::vector<Grant>(),
                                     std::vector<CatalogEntry>(),
                                     own_keys,
                                     receipts,
                                     std::vector<Request>(),
                                     std::vector<Grant>()};
      agent.take(look, all[static_cast<std::size_t>(*reading)], now_ms);
    }
  }
  // All that it has for the cloud is written there.
  void tell_cloud() {
    for (const Todo& each : agent.todo()) {
      const auto one = agent.errand(each, Patience::kKeeper, 0);
      if (one && !one->directly()) agent.written(*one, true);
      save();
    }
  }

  Agent agent;
};

Result<Bytes> answer(const Grant& grant) {
  return Bytes(to_document(grant).bytes());
}

}  // namespace

TEST_CASE("Nothing is told of what is not on the disk") {
  OnPaper bob("bob");
  const auto asked = value(bob.agent.request(1, id_of("ada"), "photo.png", 3, kNow));
  CHECK(asked.change.pages == std::set{Page::holding(asked.id)});
  CHECK(bob.has_todo(Kind::kRequest));
  CHECK_FALSE(bob.errand(Kind::kRequest));
  CHECK_FALSE(bob.errand(Kind::kRequest, Patience::kUser));
  bob.save(false);
  CHECK_FALSE(bob.errand(Kind::kRequest));
  bob.save();
  REQUIRE(bob.errand(Kind::kRequest));
  CHECK(std::get<Request>(bob.errand(Kind::kRequest)->what) == bob.request(asked.id));
  // Nor of its next version, while that is not there.
  value(bob.agent.withdraw(asked.id));
  CHECK_FALSE(bob.errand(Kind::kRequest));
}

TEST_CASE("What was told directly for a user who waits gets into the cloud by the keeper") {
  OnPaper bob("bob");
  bob.knows(user_at("ada", 4100));
  const GrantId id = bob.asks("ada");
  const auto directly = bob.errand(Kind::kRequest, Patience::kUser);
  REQUIRE(directly);
  CHECK(directly->at == user_at("ada", 4100).addresses);
  const auto told = bob.agent.told(*directly, Bytes(), 0);
  CHECK_FALSE(told.next);
  CHECK(told.change.wake);
  CHECK(bob.agent.delivery(id) == Delivery::kToldDirectly);
  const auto by_cloud = bob.errand(Kind::kRequest);
  REQUIRE(by_cloud);
  CHECK_FALSE(by_cloud->directly());
  bob.agent.written(*by_cloud, false);  // it had it
  CHECK(bob.agent.untold() == 0);
  CHECK(bob.agent.delivery(id) == Delivery::kWaitingInCloud);
}

TEST_CASE("Without a cloud what was told directly is told") {
  OnPaper bob("bob", false);
  bob.knows(user_at("ada", 4100));
  const GrantId id = bob.asks("ada");
  const auto errand = bob.errand(Kind::kRequest);
  REQUIRE(errand);
  CHECK_FALSE(bob.agent.told(*errand, fail(kAway), 0).next);
  CHECK(bob.agent.untold() == 1);
  CHECK_FALSE(bob.agent.told(*errand, Bytes(), 0).next);
  CHECK(bob.agent.untold() == 0);
  CHECK(bob.agent.delivery(id) == Delivery::kToldDirectly);
}

TEST_CASE("A version that was told does not end what a newer one has begun") {
  OnPaper bob("bob");
  const GrantId id = bob.asks("ada");
  const auto first = bob.errand(Kind::kRequest);
  value(bob.agent.withdraw(id));
  bob.agent.written(*first, true);
  CHECK(bob.agent.untold() == 1);
  check_refused(bob.agent.forget(id), Code::kUnavailable, "was not told to everybody yet");
  bob.save();
  bob.tell_cloud();
  CHECK(bob.agent.untold() == 0);
  CHECK(bob.agent.forget(id));
}

TEST_CASE("The keeper leaves who is away alone for growing pauses, and writes to the cloud") {
  OnPaper bob("bob");
  bob.knows(user_at("ada", 4100));
  bob.asks("ada");
  const auto first = bob.errand(Kind::kRequest);
  REQUIRE(first->directly());
  const auto told = bob.agent.told(*first, fail(kAway), 0);
  REQUIRE(told.next);
  CHECK_FALSE(told.next->directly());
  CHECK_FALSE(bob.errand(Kind::kRequest, Patience::kKeeper, kPollMs - 1)->directly());
  CHECK(bob.errand(Kind::kRequest, Patience::kUser, kPollMs - 1)->directly());
  CHECK(bob.errand(Kind::kRequest, Patience::kKeeper, kPollMs)->directly());
  bob.agent.told(*first, fail(kAway), kPollMs);
  CHECK_FALSE(bob.errand(Kind::kRequest, Patience::kKeeper, 2 * kPollMs)->directly());
  bob.agent.told(*first, fail(Code::kBusy, "too many"), 2 * kPollMs);  // he is there
  CHECK(bob.errand(Kind::kRequest, Patience::kKeeper, 3 * kPollMs)->directly());
  bob.agent.told(*first, fail(kAway), 3 * kPollMs);
  CHECK(bob.agent.heard_from(id_of("ada")).wake);
  CHECK(bob.errand(Kind::kRequest, Patience::kKeeper, 3 * kPollMs)->directly());
}

TEST_CASE("An answer that is no grant of the asked one is reported, and changes nothing") {
  OnPaper bob("bob");
  bob.knows(user_at("ada", 4100));
  const GrantId id = bob.asks("ada");
  const auto errand = bob.errand(Kind::kRequest, Patience::kUser);
  Grant forged;
  forged.id = id;
  forged.to = id_of("bob");
  forged.resource = "photo.png";
  forged.views = 3;
  forged.file = file_facts();
  for (const auto& wrong : {Result<Bytes>(Bytes("rubbish")), answer(sign(forged, test::key("eve")))}) {
    const auto told = bob.agent.told(*errand, wrong, 0);
    REQUIRE(told.change.troubles.size() == 1);
    CHECK(told.change.troubles[0].find("is not used") != std::string::npos);
    CHECK_FALSE(bob.agent.books().holdings.find(id)->grant);
  }
  const auto told = bob.agent.told(*errand, answer(sign(forged, test::key("ada"))), 0);
  CHECK(told.change.troubles.empty());
  CHECK(told.change.fetch);
  CHECK(told.change.events.size() == 1);
  CHECK(bob.agent.next_picture(0, {}) == id);
  CHECK_FALSE(bob.agent.next_picture(0, {id}));
}

TEST_CASE("A cloud that refuses is reported, one that is away is waited for") {
  OnPaper bob("bob");
  bob.asks("ada");
  const auto errand = bob.errand(Kind::kRequest);
  const auto refused = bob.agent.written(*errand, fail(Code::kPermissionDenied, "not yours"));
  REQUIRE(refused.troubles.size() == 1);
  CHECK(refused.troubles[0].find("does not take") != std::string::npos);
  CHECK(bob.agent.written(*errand, fail(kAway)).troubles.empty());
  CHECK(bob.agent.note_cloud(kAway).events.size() == 1);
  CHECK(bob.agent.note_cloud(kAway).events.empty());
  CHECK_FALSE(bob.errand(Kind::kRequest));
  const auto back = bob.agent.note_cloud({Code::kOk, ""});
  CHECK(back.events.size() == 1);
  CHECK(back.wake);
  CHECK(bob.errand(Kind::kRequest));
}

TEST_CASE("Keys of a grant are placed once it is told, and not when it has ended meanwhile") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(3, bob);
  ada.agent.top_up_escrow();
  CHECK_FALSE(ada.errand(Kind::kPlaceKey));  // not saved
  ada.save();
  const auto placing = ada.errand(Kind::kPlaceKey);
  REQUIRE(placing);
  CHECK(std::get<ViewKey>(placing->what).grant == id);
  ada.agent.written(*placing, true);
  value(ada.agent.revoke(id));
  ada.save();
  CHECK_FALSE(ada.has_todo(Kind::kPlaceKey));
  CHECK(ada.has_todo(Kind::kTakeOutKey));
  check_refused(ada.agent.forget(id), Code::kUnavailable, "was not told");
  ada.tell_cloud();
  CHECK(ada.agent.untold() == 1);  // whether there is more to be put there
  ada.agent.top_up_escrow();
  CHECK(ada.agent.untold() == 0);
  CHECK(ada.agent.forget(id));
}

TEST_CASE("A key that may lie in the cloud already is not placed again, but taken out") {
  enum What { kThere, kNever, kUsed };
  for (const What what : {kThere, kNever, kUsed}) {
    CAPTURE(what);
    OnPaper ada("ada"), bob("bob");
    const GrantId id = ada.has_granted(1, bob);
    value(bob.agent.on_grant(ada.grant(id)));
    ada.agent.top_up_escrow();
    ada.save();
    const auto placing = ada.errand(Kind::kPlaceKey);
    const auto key = std::get<ViewKey>(placing->what);
    ada.agent.written(*placing, fail(kAway));
    const auto doubtful = ada.errand(Kind::kPlaceKey);
    REQUIRE(doubtful);
    REQUIRE(std::get<TakeOut>(doubtful->what).place == KeyPlace(id, 1));
    const auto taken_out = ada.agent.written(*doubtful, what == kThere);
    const auto& issue = ada.agent.books().ledger.find(id)->issues.at(0);
    if (what != kThere) {
      CHECK(taken_out.wake);
      CHECK_FALSE(ada.errand(Kind::kPlaceKey));
      CHECK(ada.has_todo(Kind::kPlaceKey));
      std::vector<Receipt> receipts;
      if (what == kUsed) receipts.push_back(value(bob.agent.take_key(key, kNow)).receipt);
      ada.looks(1, {}, receipts);
    }
    CHECK_FALSE(ada.has_todo(Kind::kPlaceKey));
    CHECK(issue.used() == (what == kUsed));
    CHECK(issue.given_out() == (what == kUsed));
    // Another one takes its place where nobody has had it.
    ada.save();
    ada.agent.top_up_escrow();
    ada.save();
    const auto next = ada.errand(Kind::kPlaceKey);
    REQUIRE(next.has_value() == (what != kUsed));
    if (next) CHECK(std::get<ViewKey>(next->what).serial == 2);
  }
}

TEST_CASE("After a restart nobody knows whether a key that was to be placed is there") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(1, bob);
  ada.agent.top_up_escrow();
  Ledger ledger = value(Ledger::load(test::key("ada"), ada.agent.books().ledger.encode()));
  Agent again(test::key("ada"), OnPaper::options_of("ada"),
              PeerBooks(std::move(ledger), Holdings(test::key("ada"), device_id(1))));
  const auto errand = again.errand({Kind::kPlaceKey, id, {}, 1}, Patience::kKeeper, 0);
  REQUIRE(errand);
  CHECK(std::get<TakeOut>(errand->what).place == KeyPlace(id, 1));
}

TEST_CASE("A key that was to be placed, and then not any more, costs no view where it never was") {
  enum What { kThere, kNever, kUsed };
  for (const What what : {kThere, kNever, kUsed}) {
    CAPTURE(what);
    OnPaper ada("ada"), bob("bob");
    const GrantId id = ada.has_granted(2, bob);
    value(bob.agent.on_grant(ada.grant(id)));
    ada.agent.top_up_escrow();
    ada.save();
    const auto placing = ada.errand(Kind::kPlaceKey);
    ada.agent.written(*placing, fail(kAway));
    value(ada.agent.change_views(id, 0));
    ada.save();
    CHECK_FALSE(ada.has_todo(Kind::kPlaceKey));
    for (const Todo& each : ada.agent.todo()) {
      if (each.kind != Kind::kTakeOutKey) continue;
      const auto out = ada.agent.errand(each, Patience::kKeeper, 0);
      REQUIRE(out);
      ada.agent.written(*out, what == kThere);
      ada.save();
    }
    const Entry& entry = *ada.agent.books().ledger.find(id);
    if (what != kThere) {
      CHECK(entry.given_out() == 2);
      CHECK_FALSE(ada.errand(Kind::kTakeOutKey));  // until receipts were read
      std::vector<Receipt> receipts;
      if (what == kUsed) receipts.push_back(value(bob.agent.take_key(std::get<ViewKey>(placing->what), kNow)).receipt);
      ada.looks(1, {}, receipts);
      ada.save();
      for (const Todo& each : ada.agent.todo()) {
        if (each.kind != Kind::kTakeOutKey) continue;
        ada.agent.written(*ada.agent.errand(each, Patience::kKeeper, 0), false);
      }
    }
    CHECK(entry.used() == (what == kUsed ? 1 : 0));
    CHECK(entry.given_out() == entry.used());
    CHECK_FALSE(ada.has_todo(Kind::kTakeOutKey));
  }
}

TEST_CASE("A key is taken out by the same request until that is answered, and by another one when it has come back") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(1, bob);
  ada.agent.top_up_escrow();
  ada.tell_cloud();
  value(ada.agent.change_views(id, 0));
  ada.save();
  const auto request_of = [](Agent& agent) {
    for (const Todo& each : agent.todo()) {
      if (each.kind != Kind::kTakeOutKey) continue;
      return std::get<TakeOut>(agent.errand(each, Patience::kKeeper, 0)->what).request;
    }
    return RequestId();
  };
  const RequestId first = request_of(ada.agent);
  CHECK_FALSE(first.empty());
  ada.agent.written(*ada.errand(Kind::kTakeOutKey), fail(kAway));
  CHECK(request_of(ada.agent) == first);
  Agent again(test::key("ada"), OnPaper::options_of("ada"),
              PeerBooks(value(Ledger::load(test::key("ada"), ada.agent.books().ledger.encode())),
                        Holdings(test::key("ada"), device_id(1))));
  CHECK(request_of(again) == first);
  ada.agent.written(*ada.errand(Kind::kTakeOutKey), true);
  CHECK(request_of(ada.agent) == RequestId());
  ViewKey there;
  there.grant = id;
  for (int i = 1; i <= 2; ++i) ada.looks(kReconcileMs * i, {there}, {});
  ada.save();
  const RequestId second = request_of(ada.agent);
  CHECK_FALSE(second.empty());
  CHECK(second != first);
}

TEST_CASE("Who came too late for a key withdraws his receipt, and tries that again, also after a restart") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(1, bob);
  value(bob.agent.on_grant(ada.grant(id)));
  ada.agent.top_up_escrow();
  ada.save();
  const auto placing = ada.errand(Kind::kPlaceKey);
  ada.agent.written(*placing, true);
  const auto taking = value(bob.agent.take_key(std::get<ViewKey>(placing->what), kNow));
  const auto late = value(bob.agent.taken(taking.receipt, false, kNow + 7));
  CHECK(late.change.wake);
  CHECK_FALSE(late.view);
  CHECK(bob.agent.unused({std::get<ViewKey>(placing->what)}).empty());
  CHECK_FALSE(bob.errand(Kind::kWithdrawReceipt));
  bob.save();
  const auto errand = bob.errand(Kind::kWithdrawReceipt);
  REQUIRE(errand);
  const Receipt withdrawn = std::get<Receipt>(errand->what);
  CHECK(document_id(withdrawn) == document_id(taking.receipt));
  CHECK(withdrawn.withdrawn);
  CHECK(bob.agent.written(*errand, fail(kAway)).troubles.empty());
  CHECK(bob.agent.written(*errand, fail(Code::kPermissionDenied, "not yours")).troubles.size() == 1);
  Agent again(test::key("bob"), OnPaper::options_of("bob"),
              PeerBooks(Ledger(test::key("bob")),
                        value(Holdings::load(test::key("bob"), bob.agent.books().holdings.encode()))));
  CHECK(std::get<Receipt>(again.errand({Kind::kWithdrawReceipt, id, {}, 1}, Patience::kKeeper, 0)->what) == withdrawn);
  // His owner has heard of the first one in between, and that she has the key back.
  ada.agent.take(std::vector<Receipt>{taking.receipt}, 1);
  value(ada.agent.change_views(id, 2));
  CHECK(ada.agent.books().ledger.find(id)->used() == 1);
  const Change news = ada.agent.take(std::vector<Receipt>{withdrawn}, 1);
  REQUIRE(news.events.size() == 1);
  CHECK(news.events[0].kind == PeerEvent::Kind::kNotUsed);
  CHECK(news.events[0].resource == "photo.png");
  ada.save();
  ada.agent.written(*ada.errand(Kind::kTakeOutKey), true);
  CHECK(ada.agent.books().ledger.find(id)->given_out() == 0);
  bob.agent.written(*errand, true);
  CHECK_FALSE(bob.has_todo(Kind::kWithdrawReceipt));
  CHECK(bob.agent.books().holdings.find(id)->to_withdraw.empty());
  bob.save();
  CHECK_FALSE(bob.has_todo(Kind::kWithdrawReceipt));
}

TEST_CASE("A view or a picture is only for whom it was granted to, and while it is") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(1, bob);
  check_refused(ada.agent.on_view(id, id_of("eve"), view_id(1)), Code::kPermissionDenied, "not yours");
  check_refused(ada.agent.may_fetch(id, id_of("eve")), Code::kPermissionDenied, "not yours");
  check_refused(ada.agent.may_fetch(grant_id(9), id_of("bob")), Code::kNotFound, "none of that id");
  CHECK(ada.agent.may_fetch(id, id_of("bob")));
  const auto given = value(ada.agent.on_view(id, id_of("bob"), view_id(1)));
  CHECK(given.change.pages == std::set{Page::entry(id)});
  CHECK(given.change.events.size() == 1);
  const auto again = value(ada.agent.on_view(id, id_of("bob"), view_id(1)));
  CHECK(again.change.events.empty());
  check_refused(ada.agent.on_view(id, id_of("bob"), view_id(2)), Code::kPermissionDenied, "used up");
  value(ada.agent.revoke(id));
  check_refused(ada.agent.may_fetch(id, id_of("bob")), Code::kCancelled, "revoked");
}

TEST_CASE("A view that the owner refuses is asked for anew, one that he could not be asked for is the same") {
  OnPaper ada("ada"), bob("bob");
  const GrantId id = ada.has_granted(2, bob);
  value(bob.agent.on_grant(ada.grant(id)));
  const auto first = value(bob.agent.ask_view(id, view_id(1)));
  CHECK_FALSE(bob.agent.on_view_answer(id, first, fail(kAway), 0).view);
  const auto second = value(bob.agent.ask_view(id, view_id(2)));
  CHECK(second.view == first.view);
  CHECK_FALSE(bob.agent.on_view_answer(id, second, fail(Code::kPermissionDenied, "used up"), 0).view);
  const auto third = value(bob.agent.ask_view(id, view_id(3)));
  CHECK(third.view == view_id(3));
  check_refused(bob.agent.on_view_answer(id, third, Bytes("rubbish"), 0).view, Code::kDataLoss, "no view key");
  const auto key = value(ada.agent.on_view(id, id_of("bob"), third.view));
  const auto seen = bob.agent.on_view_answer(id, third, key.body, 0);
  CHECK(seen.change.pages == std::set{Page::holding(id)});
  REQUIRE(seen.view);
  CHECK(seen.view->image_key == image_key());
}

TEST_CASE("A look reads the keys before the receipts, and what is this user's own when it is time to compare") {
  OnPaper ada("ada");
  Look look = ada.agent.begin_look(1);
  const std::pair<Reading, CloudRecordList> all[] = {
      {Reading::kUsers, std::vector<User>()},       {Reading::kOwnRequests, std::vector<Request>()},
      {Reading::kOwnGrants, std::vector<Grant>()},  {Reading::kCatalog, std::vector<CatalogEntry>()},
      {Reading::kOwnKeys, std::vector<ViewKey>()},  {Reading::kReceipts, std::vector<Receipt>()},
      {Reading::kRequests, std::vector<Request>()}, {Reading::kGrants, std::vector<Grant>()},
  };
  for (const auto& [reading, found] : all) {
    REQUIRE(look.next() == reading);
    ada.agent.take(look, found, 1);
  }
  CHECK_FALSE(look.next());
  CHECK(look.is_unknown());
  ada.agent.end_look({}, 1);
  CHECK(ada.agent.is_look_due(2, true) == Agent::LookDue::kNo);
  CHECK(ada.agent.is_look_due(2, false) == Agent::LookDue::kYes);
  Look next = ada.agent.begin_look(2);
  ada.agent.take(next, std::vector<User>(), 2);
  CHECK(next.next() == Reading::kReceipts);
  ada.agent.end_look(fail(kAway), 2);
  CHECK(ada.agent.is_look_due(2 + kPollMs - 1, false) == Agent::LookDue::kPaused);
  CHECK(ada.agent.is_look_due(2 + kPollMs, true) == Agent::LookDue::kYes);
}

TEST_CASE("A user's record that a partition has put back is written again") {
  OnPaper ada("ada");
  ada.agent.start({{"198.51.100.1", 2}}, kNow);
  ada.tell_cloud();
  CHECK_FALSE(ada.has_todo(Kind::kUser));
  ada.knows(user_at("ada", 1));
  CHECK(ada.has_todo(Kind::kUser));
  CHECK(*ada.agent.user() == std::get<User>(ada.errand(Kind::kUser)->what));
}

TEST_CASE("A device that moves again and again is found where it is, beside another one that stays") {
  OnPaper stays("bob", true, 1);
  stays.agent.start({{"198.51.100.1", 1}}, kNow);
  std::int64_t now_ms = 1;
  for (std::uint16_t move = 1; move <= 2 * kAddressesMax; ++move) {
    OnPaper moves("bob", true, 2);
    const Address here{"198.51.100.2", move};
    moves.agent.start({here}, kNow + 1'000 * move);
    now_ms += kReconcileMs;
    stays.agent.take(std::vector<User>{*moves.agent.user()}, now_ms);
    moves.agent.take(std::vector<User>{*stays.agent.user()}, now_ms);
    CHECK(stays.agent.user() == moves.agent.user());
    CHECK(stays.agent.user()->addresses == std::vector<Address>{{"198.51.100.1", 1}, here});
  }
}

TEST_CASE("A picture is not fetched for a request that another device has withdrawn") {
  OnPaper ada("ada"), bob("bob"), other("bob", true, 2);
  const GrantId id = ada.has_granted(2, bob);
  value(bob.agent.on_grant(ada.grant(id)));
  CHECK(bob.agent.next_picture(0, {}) == id);
  value(other.agent.books().holdings.on_request(bob.request(id)));
  value(other.agent.withdraw(id));
  Look look = bob.agent.begin_look(1);
  bob.agent.take(look, std::vector<User>(), 1);
  bob.agent.take(look, std::vector<Request>{other.request(id)}, 1);
  CHECK_FALSE(bob.agent.next_picture(1, {}));
  check_refused(bob.agent.to_fetch(id), Code::kCancelled, "nothing to fetch");
}
