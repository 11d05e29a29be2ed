#include "distri/peer/holdings.hpp"

#include "pair.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;

void check_kept(const Holdings& holdings) {
  const Bytes bytes = holdings.encode();
  const Holdings again = value(Holdings::load(key("bob"), bytes));
  CHECK(again.encode() == bytes);
  CHECK(again.all() == holdings.all());
}

Holding::State state(const Pair& pair, const GrantId& id) {
  return pair.holdings.find(id)->state();
}

}  // namespace

TEST_CASE("a request goes from waiting to granted to revoked, or is refused, or withdrawn") {
  Pair pair;
  const GrantId id = pair.asked(1);
  CHECK(state(pair, id) == Holding::State::kWaiting);
  check_refused(pair.holdings.ask_view(id, view_id(1)), Code::kUnavailable, "not answered yet");
  pair.deliver(value(pair.ledger.approve(id, 2, sealed_image())));
  CHECK(state(pair, id) == Holding::State::kGranted);
  CHECK(pair.holdings.find(id)->grant->views == 2);
  check_refused(pair.holdings.change_views(id, 5), Code::kAlreadyExists, "it is granted already");
  pair.deliver(value(pair.ledger.revoke(id)));
  CHECK(state(pair, id) == Holding::State::kRevoked);
  check_refused(pair.holdings.ask_view(id, view_id(1)), Code::kCancelled, "its owner has revoked it");

  const GrantId second = pair.asked(2);
  pair.deliver(value(pair.ledger.refuse(second)));
  CHECK(state(pair, second) == Holding::State::kRefused);
  check_refused(pair.holdings.ask_view(second, view_id(1)), Code::kPermissionDenied, "was refused");

  const GrantId third = pair.granted(2, 3);
  const Request withdrawn = value(pair.holdings.withdraw(third));
  CHECK((withdrawn.version == 2 && withdrawn.withdrawn && verify(withdrawn)));
  CHECK(value(pair.holdings.withdraw(third)) == withdrawn);
  CHECK(state(pair, third) == Holding::State::kWithdrawn);
  check_refused(pair.holdings.ask_view(third, view_id(1)), Code::kCancelled, "the request was withdrawn");
  pair.deliver(value(pair.ledger.on_request(withdrawn)));
  CHECK(state(pair, third) == Holding::State::kWithdrawn);
  check_kept(pair.holdings);

  const GrantId fourth = pair.asked(4);
  const Request more = value(pair.holdings.change_views(fourth, 7));
  CHECK((more.version == 2 && more.views == 7));
  check_refused(pair.holdings.change_views(fourth, 0), Code::kInvalidArgument, "0 views");
  check_refused(pair.holdings.forget(fourth), Code::kUnavailable, "it is waiting; withdraw it first");
  CHECK(pair.holdings.forget(third).has_value());
  CHECK(pair.holdings.find(third) == nullptr);
  check_kept(pair.holdings);
}

TEST_CASE("what was forgotten stays so, whatever old records come again, also over a restart") {
  Pair pair;
  const GrantId id = pair.granted(1, 3);
  const Request asked = pair.holdings.find(id)->request;
  const Grant granted = *pair.holdings.find(id)->grant;
  check_refused(pair.holdings.forget(id), Code::kUnavailable, "it is granted; withdraw it first");
  const Request withdrawn = value(pair.holdings.withdraw(id));
  CHECK(pair.holdings.forget(id).has_value());
  CHECK(pair.holdings.is_forgotten(id));
  const auto stays_so = [&](Holdings& holdings) {
    CHECK_FALSE(value(holdings.on_request(asked)));
    CHECK_FALSE(value(holdings.on_request(withdrawn)));
    check_refused(holdings.on_grant(granted), Code::kNotFound, "it was forgotten here");
    check_refused(holdings.ask_view(id, view_id(1)), Code::kNotFound, "it was forgotten here");
    check_refused(holdings.forget(id), Code::kNotFound, "it was forgotten here");
    check_refused(holdings.request(3, pair.ledger.owner(), "dune.png", 1, kNow), Code::kAlreadyExists,
                  "one of that id");
    CHECK(holdings.find(id) == nullptr);
  };
  stays_so(pair.holdings);
  check_kept(pair.holdings);
  Holdings again = value(Holdings::load(key("bob"), pair.holdings.encode()));
  stays_so(again);
  // Notes that are broken, or there twice.
  const Bytes note = again.encode_one(id);
  check_refused(again.load_one(note), Code::kProtocolError, "twice");
  Holdings other(key("bob"), device_id(2));
  check_refused(other.load_one(note + "x"), Code::kProtocolError, "a forgotten id is broken");
  check_refused(other.load_one(BytesView(note).substr(0, 3)), Code::kProtocolError, "a forgotten id is broken");
  CHECK(other.load_one(note).has_value());
  CHECK(value(other.on_request(asked)) == false);
  // What one device has put away is still there on another.
  Holdings third(key("bob"), device_id(3));
  CHECK(value(third.on_request(asked)));
  check_refused(third.load_one(note), Code::kProtocolError, "twice");
}

TEST_CASE("what one device of a user does reaches the others, and withdrawing is for good") {
  Pair pair;
  Holdings other(key("bob"), device_id(2));
  const GrantId id = pair.asked(1);
  const Request first = pair.holdings.find(id)->request;
  CHECK(value(other.on_request(first)));
  CHECK_FALSE(value(other.on_request(first)));
  // Both change it and do not know of each other.
  const Request withdrawn = value(other.withdraw(id));
  value(pair.holdings.change_views(id, 5));
  const Request more = value(pair.holdings.change_views(id, 6));
  CHECK((withdrawn.version == 2 && more.version == 3));
  CHECK_FALSE(value(other.on_request(more)));
  CHECK(value(pair.holdings.on_request(withdrawn)));
  CHECK(pair.holdings.find(id)->request == other.find(id)->request);
  // Whichever its owner hears of first.
  Ledger ledger(key("ada"));
  value(ledger.on_request(more));
  value(ledger.on_request(withdrawn));
  CHECK(ledger.find(id)->state() == Entry::State::kWithdrawn);
  check_refused(ledger.on_request(more), Code::kCancelled, "it was withdrawn; make a new one");
  value(pair.ledger.on_request(withdrawn));
  CHECK(pair.ledger.find(id)->request == ledger.find(id)->request);
  // One that was withdrawn before its owner heard of it is no request.
  Ledger late(key("ada"));
  CHECK_FALSE(value(late.on_request(withdrawn)).changed);
  CHECK(late.entries().empty());

  Request by_eve = first;
  by_eve.id = grant_id(1, "eve");
  check_refused(other.on_request(sign(by_eve, key("eve"))), Code::kPermissionDenied, "has made it, this is");
  Request renamed = first;
  renamed.version = 9;
  renamed.resource = "other.png";
  check_refused(other.on_request(sign(renamed, key("bob"))), Code::kPermissionDenied, "used its id for another image");
}

TEST_CASE("a request that cannot be made says why") {
  Holdings holdings(key("bob"), device_id(1));
  const auto ask = [&](const PublicKey& to, std::string name, std::uint32_t views, std::uint64_t id = 1) {
    return holdings.request(id, to, std::move(name), views, kNow);
  };
  check_refused(ask(id_of("bob"), "x", 1), Code::kInvalidArgument, "it is for its own owner");
  check_refused(ask(id_of("ada"), "../x", 1), Code::kInvalidArgument, "would make it a path");
  check_refused(ask(id_of("ada"), "x", 0), Code::kInvalidArgument, "1 to 10000");
  PublicKey ones;
  ones.bytes.fill(0xff);
  check_refused(ask(ones, "x", 1), Code::kInvalidArgument, "nobody's key");
  CHECK(holdings.all().empty());
  value(ask(id_of("ada"), "x", 1));
  check_refused(ask(id_of("ada"), "x", 1), Code::kAlreadyExists, "choose another one at random");
}

TEST_CASE("a view whose answer was lost is asked for again under the same id, and costs one") {
  Pair pair;
  const GrantId id = pair.granted(2);
  const ViewId ask = value(pair.holdings.ask_view(id, view_id(1)));
  value(pair.ledger.give_view(id, pair.holdings.viewer(), ask));  // lost
  pair.holdings = value(Holdings::load(key("bob"), pair.holdings.encode()));
  CHECK(value(pair.holdings.ask_view(id, view_id(2))) == ask);
  CHECK(value(pair.view(id, 3)) == image_key());
  CHECK(pair.ledger.find(id)->remaining() == 1);
  CHECK(value(pair.view(id, 4)) == image_key());
  check_refused(pair.view(id, 5), Code::kPermissionDenied, "all 2 views are used up");
  CHECK_FALSE(pair.holdings.find(id)->ask.has_value());
  pair.deliver(value(pair.ledger.change_views(id, 3)));
  CHECK(value(pair.view(id, 6)) == image_key());
  CHECK(pair.holdings.find(id)->used == std::set<std::uint32_t>{1, 2, 3});
  check_kept(pair.holdings);
}

TEST_CASE("an answer of a later version than was asked for is taken, of an earlier one refused") {
  Pair pair;
  const GrantId id = pair.granted(5);
  const ViewId ask = value(pair.holdings.ask_view(id, view_id(1)));
  const ViewKey old = value(pair.ledger.give_view(id, pair.holdings.viewer(), ask)).key;
  const auto raised = value(pair.ledger.change_views(id, 6));
  const ViewKey later = value(pair.ledger.give_view(id, pair.holdings.viewer(), ask)).key;
  CHECK(later.version == 2);
  CHECK(value(pair.holdings.accept(later)) == image_key());  // the grant of version 2 has not come yet
  pair.deliver(raised);
  const ViewId next = value(pair.holdings.ask_view(id, view_id(2)));
  ViewKey stale = value(pair.ledger.give_view(id, pair.holdings.viewer(), next)).key;
  stale.version = 1;
  check_refused(pair.holdings.accept(sign(stale, key("ada"))), Code::kPermissionDenied,
                "of version 1 of the grant, asked for was 2 or later");
  check_refused(pair.holdings.accept(old), Code::kPermissionDenied, "it is replayed");
}

TEST_CASE("a view key from escrow is taken once: receipt, then compare-and-delete, then the image key") {
  Pair pair;
  const GrantId id = pair.granted(3);
  const auto placed = value(pair.ledger.put_in_escrow(id, 2)).place;
  const Receipt receipt = value(pair.holdings.take(placed[0], kNow));
  CHECK((verify(receipt) && receipt.serial == 1 && receipt.device == device_id(1)));
  check_kept(pair.holdings);
  pair.holdings = value(Holdings::load(key("bob"), pair.holdings.encode()));
  CHECK(value(pair.holdings.take(placed[0], kNow)) == receipt);  // again, after a crash
  check_refused(pair.holdings.take(placed[1], kNow), Code::kBusy, "view key 1 is being taken");
  check_refused(pair.holdings.taken(id, 2, true, kNow), Code::kNotFound, "view key 2 is not being taken");
  CHECK(value(pair.holdings.taken(id, 1, true, kNow)) == image_key());
  CHECK(pair.holdings.is_used(id, 1));
  check_refused(pair.holdings.take(placed[0], kNow), Code::kPermissionDenied, "it is replayed");
  CHECK(value(pair.ledger.on_receipt(receipt)).changed);
  // Another device was faster with the second.
  value(pair.ledger.on_receipt(value(pair.holdings.take(placed[1], kNow))));
  CHECK(value(pair.holdings.taken(id, 2, false, kNow + 5)).empty());
  check_refused(pair.holdings.take(placed[1], kNow), Code::kPermissionDenied, "it is replayed");
  check_kept(pair.holdings);
  // So that receipt says too much, also after a crash.
  check_refused(pair.holdings.withdrawal(id, 1), Code::kNotFound, "no receipt of view key 1 is to be withdrawn");
  pair.holdings = value(Holdings::load(key("bob"), pair.holdings.encode()));
  const Receipt withdrawn = value(pair.holdings.withdrawal(id, 2));
  CHECK((verify(withdrawn) && withdrawn.withdrawn && withdrawn.serial == 2 && withdrawn.at_ms == kNow + 5));
  CHECK(value(pair.ledger.on_receipt(withdrawn)).changed);
  CHECK(pair.ledger.find(id)->used() == 1);
  value(pair.holdings.withdraw(id));
  check_refused(pair.holdings.forget(id), Code::kUnavailable, "was not told yet that a view was not had");
  CHECK(pair.holdings.withdrawn(id, 2));
  CHECK_FALSE(pair.holdings.withdrawn(id, 2));
  check_refused(pair.holdings.withdrawal(id, 2), Code::kNotFound, "to be withdrawn");
  CHECK(pair.holdings.is_used(id, 2));
  check_kept(pair.holdings);
  CHECK(pair.holdings.forget(id));
  CHECK_FALSE(pair.holdings.withdrawn(id, 2));
}

TEST_CASE("a view key that was being taken when the grant was revoked is taken or not, but its receipt can be made") {
  Pair pair;
  const GrantId id = pair.granted(3);
  const auto placed = value(pair.ledger.put_in_escrow(id, 2)).place;
  const Receipt receipt = value(pair.holdings.take(placed[0], kNow));
  pair.deliver(value(pair.ledger.revoke(id)));
  pair.holdings = value(Holdings::load(key("bob"), pair.holdings.encode()));
  CHECK(value(pair.holdings.take(*pair.holdings.find(id)->taking, kNow)) == receipt);
  CHECK(value(pair.holdings.taken(id, 1, false, kNow)).empty());  // its owner was faster
  check_refused(pair.holdings.take(placed[1], kNow), Code::kCancelled, "its owner has revoked it");
  check_kept(pair.holdings);
}

TEST_CASE("a view key from escrow of a version that is not known yet waits for the grant") {
  Pair pair;
  const GrantId id = pair.granted(3);
  const auto raised = value(pair.ledger.change_views(id, 5));
  const auto placed = value(pair.ledger.put_in_escrow(id, 1)).place;
  check_refused(pair.holdings.take(placed[0], kNow), Code::kUnavailable, "fetch the grant first");
  pair.deliver(raised);
  value(pair.holdings.take(placed[0], kNow));
  CHECK(value(pair.holdings.taken(id, 1, true, kNow)) == image_key());
}

TEST_CASE("holdings that are broken at any byte are refused or the same; another user's are refused") {
  Pair pair;
  const GrantId id = pair.granted(9);
  value(pair.view(id, 1));
  const auto placed = value(pair.ledger.put_in_escrow(id, 2)).place;
  value(pair.holdings.take(placed[0], kNow));
  value(pair.holdings.taken(id, 2, false, kNow));
  value(pair.holdings.take(placed[1], kNow));
  value(pair.holdings.ask_view(id, view_id(2)));
  pair.asked(2);
  const Bytes bytes = pair.holdings.encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Holdings::load(key("bob"), BytesView(bytes).substr(0, size)).has_value());
  }
  CHECK_FALSE(Holdings::load(key("bob"), bytes + "x").has_value());
  check_refused(Holdings::load(key("eve"), bytes), Code::kInvalidArgument, "they belong to user");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes wrong = bytes;
    wrong[at] = static_cast<char>(wrong[at] ^ 0x41);
    const auto loaded = Holdings::load(key("bob"), wrong);
    if (loaded) CHECK(loaded->encode() == wrong);
  }
}
