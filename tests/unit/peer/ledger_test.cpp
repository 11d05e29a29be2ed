#include "distri/peer/ledger.hpp"

#include <doctest/doctest.h>

#include "pair.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;
using Kind = Ledger::Event::Kind;

std::vector<Kind> kinds(const Ledger::Effects& effects) {
  std::vector<Kind> found;
  for (const auto& event : effects.events) found.push_back(event.kind);
  return found;
}

bool is_nothing(const Ledger::Effects& effects) {
  return !effects.changed && effects.publish.empty() && effects.place.empty() && effects.take_out.empty() &&
         effects.events.empty();
}

Request request_of(std::string_view who, std::uint64_t number, std::uint32_t views = 3) {
  Request request;
  request.id = grant_id(number, who);
  request.to = id_of("ada");
  request.resource = "photo.png";
  request.views = views;
  request.made_ms = kNow;
  return sign(std::move(request), key(who));
}

Receipt receipt_of(std::string_view who, const GrantId& id, std::uint32_t serial, std::uint64_t device,
                   bool withdrawn = false) {
  Receipt receipt;
  receipt.grant = id;
  receipt.serial = serial;
  receipt.device = device_id(device);
  receipt.to = id_of("ada");
  receipt.at_ms = kNow;
  receipt.withdrawn = withdrawn;
  return sign(std::move(receipt), key(who));
}

void check_kept(const Ledger& ledger) {
  const Bytes bytes = ledger.encode();
  const Ledger again = value(Ledger::load(key("ada"), bytes));
  CHECK(again.encode() == bytes);
}

}  // namespace

TEST_CASE("a request is taken once, and an answered one gets the same answer again") {
  Ledger ledger(key("ada"));
  const Request request = request_of("bob", 1);
  const auto first = value(ledger.on_request(request));
  CHECK(first.changed);
  CHECK(kinds(first) == std::vector{Kind::kRequested});
  CHECK(is_nothing(value(ledger.on_request(request))));
  const auto answer = value(ledger.approve(request.id, 2, sealed_image()));
  REQUIRE(answer.publish.size() == 1);
  const Grant& grant = answer.publish[0];
  CHECK(verify(grant).has_value());
  CHECK((grant.views == 2 && grant.version == 1 && grant.to == id_of("bob") && grant.owner == id_of("ada")));
  const auto again = value(ledger.on_request(request));
  CHECK_FALSE(again.changed);
  CHECK(again.publish == std::vector{grant});
  check_refused(ledger.approve(request.id, 2, sealed_image()), Code::kAlreadyExists,
                "granted already; change its views instead");
  check_refused(ledger.refuse(request.id), Code::kAlreadyExists, "granted already");
  check_kept(ledger);
}

TEST_CASE("a request that was forged, edited or sent to another user is refused with its own error") {
  Ledger ledger(key("ada"));
  const Request request = request_of("bob", 1);
  value(ledger.on_request(request));
  const Bytes before = ledger.encode();

  Request forged = request_of("bob", 2);
  forged.views = 9;
  check_refused(ledger.on_request(forged), Code::kUnauthenticated, "the signature is not that of its owner");
  Request stolen = request;
  stolen.owner = id_of("eve");
  check_refused(ledger.on_request(stolen), Code::kInvalidArgument, "it was made for another");
  check_refused(ledger.on_request(request_of("bob", 1, 9)), Code::kPermissionDenied,
                "it was edited, its version 1 said something else before");
  Request other = request;
  other.resource = "secret.png";
  other.version = 2;
  check_refused(ledger.on_request(sign(other, key("bob"))), Code::kPermissionDenied, "for another image before");
  other = request;
  other.to = id_of("eve");
  check_refused(ledger.on_request(sign(other, key("bob"))), Code::kInvalidArgument, "it is for user");
  CHECK(ledger.encode() == before);
}

TEST_CASE("while it waits, a request may ask for other views; afterwards only be withdrawn") {
  Ledger ledger(key("ada"));
  Request request = request_of("bob", 1);
  value(ledger.on_request(request));
  Request more = request;
  more.views = 5;
  more.version = 2;
  more = sign(std::move(more), key("bob"));
  CHECK(kinds(value(ledger.on_request(more))) == std::vector{Kind::kRequestChanged});
  CHECK(is_nothing(value(ledger.on_request(request))));  // the old one, played again
  CHECK(ledger.find(request.id)->request.views == 5);
  value(ledger.approve(request.id, 2, sealed_image()));
  Request late = more;
  late.version = 3;
  late.views = 6;
  check_refused(ledger.on_request(sign(late, key("bob"))), Code::kAlreadyExists, "make a new one");
  Request withdrawn = more;
  withdrawn.version = 4;
  withdrawn.withdrawn = true;
  withdrawn = sign(std::move(withdrawn), key("bob"));
  const auto effects = value(ledger.on_request(withdrawn));
  CHECK(kinds(effects) == std::vector{Kind::kWithdrawn});
  REQUIRE(effects.publish.size() == 1);
  CHECK(effects.publish[0].state == Grant::State::kRevoked);
  CHECK(ledger.find(request.id)->state() == Entry::State::kWithdrawn);
  check_refused(ledger.give_view(request.id, id_of("bob"), view_id(1)), Code::kCancelled, "withdrawn");
  Request back = more;
  back.version = 5;
  check_refused(ledger.on_request(sign(back, key("bob"))), Code::kCancelled, "it was withdrawn; make a new one");
  check_kept(ledger);
}

TEST_CASE("views are given down to zero, and each reason for none has its own error") {
  Ledger ledger(key("ada"));
  const GrantId id = request_of("bob", 1).id;
  check_refused(ledger.give_view(id, id_of("bob"), view_id(1)), Code::kNotFound, "there is none of that id");
  value(ledger.on_request(request_of("bob", 1)));
  check_refused(ledger.give_view(id, id_of("bob"), view_id(1)), Code::kUnavailable, "not answered yet");
  value(ledger.approve(id, 2, sealed_image()));
  check_refused(ledger.give_view(id, id_of("eve"), view_id(1)), Code::kPermissionDenied, "it is not yours");
  check_refused(ledger.give_view(id, id_of("bob"), {}), Code::kInvalidArgument, "the view id is all zeros");
  const auto first = value(ledger.give_view(id, id_of("bob"), view_id(1)));
  CHECK((first.key.serial == 1 && first.effects.changed && verify(first.key)));
  CHECK(kinds(first.effects) == std::vector{Kind::kViewed});
  CHECK(value(open_view_key(first.key, key("bob"))) == image_key());
  const auto again = value(ledger.give_view(id, id_of("bob"), view_id(1)));
  CHECK((again.key.serial == 1 && is_nothing(again.effects)));
  CHECK(value(ledger.give_view(id, id_of("bob"), view_id(2))).key.serial == 2);
  check_refused(ledger.give_view(id, id_of("bob"), view_id(3)), Code::kPermissionDenied, "all 2 views are used up");
  CHECK(value(ledger.give_view(id, id_of("bob"), view_id(2))).key.serial == 2);
  CHECK(ledger.find(id)->remaining() == 0);
  value(ledger.change_views(id, 3));
  CHECK(value(ledger.give_view(id, id_of("bob"), view_id(3))).key.version == 2);
  check_kept(ledger);
  value(ledger.revoke(id));
  CHECK(ledger.find(id)->image_key.empty());
  check_refused(ledger.give_view(id, id_of("bob"), view_id(3)), Code::kCancelled, "it was revoked");
  check_refused(ledger.revoke(id), Code::kCancelled, "it was revoked");
  check_refused(ledger.change_views(id, 9), Code::kCancelled, "it was revoked");
  value(ledger.on_request(request_of("bob", 2)));
  value(ledger.refuse(grant_id(2)));
  check_refused(ledger.give_view(grant_id(2), id_of("bob"), view_id(1)), Code::kPermissionDenied, "refused");
  check_kept(ledger);
}

TEST_CASE("a grant has its bounds") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  check_refused(ledger.approve(id, 0, sealed_image()), Code::kInvalidArgument, "refuse it to give none");
  check_refused(ledger.approve(id, 10'001, sealed_image()), Code::kInvalidArgument, "1 to 10000 can be granted");
  check_refused(ledger.approve(id, 1, {file_facts(), SecretBytes("short")}), Code::kInvalidArgument,
                "image key has 5 bytes");
  check_refused(ledger.approve(id, 1, {{}, image_key()}), Code::kInvalidArgument, "digest of its file");
  check_refused(ledger.approve(grant_id(9), 1, sealed_image()), Code::kNotFound, "there is none of that id");
  CHECK(ledger.find(id)->state() == Entry::State::kWaiting);
  value(ledger.approve(id, 1, sealed_image()));
  check_refused(ledger.change_views(id, 10'001), Code::kInvalidArgument, "0 to 10000");
  CHECK(is_nothing(value(ledger.change_views(id, 1))));
}

TEST_CASE("views lowered below what is out take unused keys back, the newest first, and touch no used ones") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 6, sealed_image()));
  value(ledger.give_view(id, id_of("bob"), view_id(1)));
  const auto placed = value(ledger.put_in_escrow(id, 4));  // serials 2 to 5
  REQUIRE(placed.place.size() == 4);
  CHECK((placed.place[0].serial == 2 && placed.place[0].view.empty() && verify(placed.place[0])));
  for (const std::uint32_t serial : {2u, 3u, 4u, 5u}) CHECK(value(ledger.on_placed(id, serial, true)).changed);
  CHECK(kinds(value(ledger.on_receipt(receipt_of("bob", id, 5, 1)))) == std::vector{Kind::kEscrowUsed});
  CHECK(ledger.find(id)->remaining() == 1);

  const auto lowered = value(ledger.change_views(id, 3));
  CHECK(lowered.take_out == std::vector<Ledger::KeyInCloud>{{id, 4}, {id, 3}});
  CHECK(ledger.find(id)->remaining() == 0);
  // Used are 1 and 5, and 2 is to be had, though not from here.
  check_refused(ledger.give_view(id, id_of("bob"), view_id(2)), Code::kBusy, "its last views lie in the cloud");
  check_kept(ledger);
  CHECK(value(ledger.on_taken_back(id, 4, true)).take_out.empty());
  // The viewer was faster with 3: so 2 is one too many.
  CHECK(value(ledger.on_taken_back(id, 3, false)).take_out == std::vector<Ledger::KeyInCloud>{{id, 2}});
  CHECK(is_nothing(value(ledger.on_taken_back(id, 3, true))));
  value(ledger.on_taken_back(id, 2, true));
  CHECK(ledger.find(id)->given_out() == 3);  // 1, 3 and 5
  CHECK(ledger.find(id)->used() == 3);
  check_refused(ledger.give_view(id, id_of("bob"), view_id(2)), Code::kPermissionDenied, "all 3 views are used up");
  CHECK(value(ledger.change_views(id, 0)).take_out.empty());
  CHECK(ledger.find(id)->remaining() == 0);
  value(ledger.change_views(id, 4));
  CHECK(ledger.find(id)->remaining() == 1);
  CHECK(value(ledger.give_view(id, id_of("bob"), view_id(2))).key.serial == 6);  // no serial comes twice
  check_kept(ledger);
}

TEST_CASE("a key that is missing in the cloud is taken out, and counts as used unless it is found") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 4, sealed_image()));
  value(ledger.put_in_escrow(id, 3));
  CHECK(is_nothing(value(ledger.on_missing(id, 1))));  // it may be on its way
  for (const std::uint32_t serial : {1u, 2u, 3u}) value(ledger.on_placed(id, serial, true));
  value(ledger.on_receipt(receipt_of("bob", id, 3, 1)));
  CHECK(is_nothing(value(ledger.on_missing(id, 3))));
  CHECK(value(ledger.on_missing(id, 1)).take_out == std::vector<Ledger::KeyInCloud>{{id, 1}});
  CHECK(value(ledger.on_missing(id, 2)).take_out == std::vector<Ledger::KeyInCloud>{{id, 2}});
  CHECK(is_nothing(value(ledger.on_missing(id, 2))));
  CHECK(ledger.find(id)->remaining() == 1);
  value(ledger.on_taken_back(id, 1, false));
  CHECK(ledger.find(id)->used() == 2);
  value(ledger.on_taken_back(id, 2, true));
  CHECK(ledger.find(id)->used() == 2);
  CHECK(ledger.find(id)->remaining() == 2);
  check_refused(ledger.on_missing(id, 4), Code::kNotFound, "no view key 4 in escrow");
  check_refused(ledger.on_missing(id, 0), Code::kNotFound, "no view key 0 in escrow");
  check_refused(ledger.on_missing(grant_id(2), 1), Code::kNotFound, "no view key 1");
  check_kept(ledger);
}

TEST_CASE(
    "a key that was given up and is found in the cloud again is taken out, and its view is free if it was not used") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 4, sealed_image()));
  value(ledger.give_view(id, id_of("bob"), view_id(1)));
  value(ledger.put_in_escrow(id, 3));  // serials 2 to 4
  CHECK(is_nothing(value(ledger.on_found(id, 2))));
  for (const std::uint32_t serial : {2u, 3u, 4u}) value(ledger.on_placed(id, serial, true));
  CHECK(is_nothing(value(ledger.on_found(id, 1))));
  CHECK(is_nothing(value(ledger.on_found(id, 2))));
  value(ledger.take_back(id, 2));
  CHECK(is_nothing(value(ledger.on_found(id, 4))));
  value(ledger.on_taken_back(id, 4, false));
  value(ledger.on_taken_back(id, 3, true));
  CHECK(ledger.find(id)->used() == 2);
  CHECK(value(ledger.on_found(id, 4)).take_out == std::vector<Ledger::KeyInCloud>{{id, 4}});
  CHECK(value(ledger.on_found(id, 3)).take_out == std::vector<Ledger::KeyInCloud>{{id, 3}});
  CHECK(ledger.find(id)->remaining() == 0);
  value(ledger.on_taken_back(id, 4, true));
  value(ledger.on_taken_back(id, 3, true));
  CHECK(ledger.find(id)->used() == 1);
  CHECK(ledger.find(id)->remaining() == 2);
  // One that was used is only removed.
  value(ledger.on_receipt(receipt_of("bob", id, 2, 1)));
  const auto used = value(ledger.on_found(id, 2));
  CHECK((used.changed && used.take_out == std::vector<Ledger::KeyInCloud>{{id, 2}}));
  CHECK(is_nothing(value(ledger.on_taken_back(id, 2, true))));
  CHECK(ledger.find(id)->used() == 2);
  check_refused(ledger.on_found(id, 5), Code::kNotFound, "no view key 5 in escrow");
  check_refused(ledger.on_found(grant_id(2), 1), Code::kNotFound, "no view key 1");
  check_kept(ledger);
}

TEST_CASE("escrow has its bounds, and what was not placed is free again") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 100, sealed_image()));
  check_refused(ledger.put_in_escrow(id, 65), Code::kTooLarge, "65 more would be over 64");
  value(ledger.put_in_escrow(id, 60));
  check_refused(ledger.put_in_escrow(id, 5), Code::kTooLarge, "60 view keys are in escrow");
  CHECK(ledger.find(id)->remaining() == 40);
  value(ledger.on_placed(id, 1, false));
  CHECK(ledger.find(id)->remaining() == 41);
  CHECK(is_nothing(value(ledger.on_placed(id, 1, true))));
  value(ledger.change_views(id, 60));
  check_refused(ledger.put_in_escrow(id, 2), Code::kPermissionDenied, "1 views remain, 2 cannot be put in escrow");
  check_refused(ledger.on_placed(id, 61, true), Code::kNotFound, "no view key 61 in escrow");
  check_refused(ledger.on_placed(id, 0, true), Code::kNotFound, "no view key 0");
  CHECK(value(ledger.take_back(id, 2)).take_out == std::vector<Ledger::KeyInCloud>{{id, 60}, {id, 59}});
  check_refused(ledger.forget(id), Code::kUnavailable, "it is granted");
  CHECK(value(ledger.revoke(id)).take_out.size() == 57);
  check_refused(ledger.forget(id), Code::kUnavailable, "not out of the cloud yet");
  CHECK(ledger.unfinished().take_out.size() == 59);
  CHECK(ledger.unfinished().place.empty());
  for (std::uint32_t serial = 2; serial <= 60; ++serial) value(ledger.on_taken_back(id, serial, true));
  CHECK(value(ledger.forget(id)).changed);
  CHECK(is_nothing(value(ledger.on_request(request_of("bob", 1)))));
  CHECK(ledger.find(id) == nullptr);
  check_kept(ledger);
}

TEST_CASE("double use by two devices, and use after taking back, are reported once each") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 2, sealed_image()));
  value(ledger.put_in_escrow(id, 2));
  value(ledger.on_placed(id, 1, true));
  CHECK(kinds(value(ledger.on_receipt(receipt_of("bob", id, 1, 1)))) == std::vector{Kind::kEscrowUsed});
  CHECK(is_nothing(value(ledger.on_receipt(receipt_of("bob", id, 1, 1)))));
  CHECK(kinds(value(ledger.on_receipt(receipt_of("bob", id, 1, 2)))) ==
        std::vector{Kind::kEscrowUsed, Kind::kDoubleUse});
  CHECK(is_nothing(value(ledger.on_receipt(receipt_of("bob", id, 1, 2)))));
  value(ledger.on_receipt(receipt_of("bob", id, 2, 1)));  // before we know that it was placed
  CHECK(ledger.find(id)->issues[1].kind == Issue::Kind::kEscrow);

  value(ledger.change_views(id, 4));
  value(ledger.put_in_escrow(id, 2));
  value(ledger.take_back(id, 2));
  value(ledger.on_taken_back(id, 4, true));
  CHECK(ledger.find(id)->remaining() == 1);
  CHECK(kinds(value(ledger.on_receipt(receipt_of("bob", id, 4, 1)))) ==
        std::vector{Kind::kEscrowUsed, Kind::kUsedAfterTakenBack});
  CHECK(ledger.find(id)->remaining() == 0);
  value(ledger.on_receipt(receipt_of("bob", id, 3, 1)));
  CHECK(kinds(value(ledger.on_taken_back(id, 3, true))) == std::vector{Kind::kUsedAfterTakenBack});
  check_kept(ledger);

  for (std::uint64_t device = 3; device <= 8; ++device) value(ledger.on_receipt(receipt_of("bob", id, 1, device)));
  check_refused(ledger.on_receipt(receipt_of("bob", id, 1, 9)), Code::kTooLarge, "8 devices have reached for it");
  check_refused(ledger.on_receipt(receipt_of("bob", id, 1, 9, true)), Code::kTooLarge, "8 devices have reached for it");
  CHECK(kinds(value(ledger.on_receipt(receipt_of("bob", id, 1, 8, true)))) == std::vector{Kind::kNotUsed});
  check_kept(ledger);
}

TEST_CASE("A viewer who came too late for a key says so, and its view is not lost") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 6, sealed_image()));
  value(ledger.put_in_escrow(id, 6));
  for (std::uint32_t serial = 2; serial <= 6; ++serial) value(ledger.on_placed(id, serial, true));
  const Entry& entry = *ledger.find(id);
  const auto late = [&](std::uint32_t serial, std::uint64_t device) {
    return value(ledger.on_receipt(receipt_of("bob", id, serial, device, true)));
  };
  const auto used = [&](std::uint32_t serial, std::uint64_t device) {
    return value(ledger.on_receipt(receipt_of("bob", id, serial, device)));
  };
  // 1: his owner did not know whether it was there, and has taken it out meanwhile.
  used(1, 1);
  CHECK(kinds(value(ledger.on_placed(id, 1, false))) == std::vector{Kind::kUsedAfterTakenBack});
  CHECK(entry.remaining() == 0);
  CHECK(kinds(late(1, 1)) == std::vector{Kind::kNotUsed});
  CHECK(entry.remaining() == 1);
  CHECK(is_nothing(late(1, 1)));
  CHECK(is_nothing(used(1, 1)));  // as a node may say later that has not heard of the other
  CHECK(entry.remaining() == 1);
  // 2: taken back before he said anything.
  value(ledger.change_views(id, 5));
  value(ledger.change_views(id, 6));
  CHECK(entry.remaining() == 1);
  // 3: another of his devices has it.
  used(3, 2);
  CHECK(kinds(used(3, 1)) == std::vector{Kind::kEscrowUsed, Kind::kDoubleUse});
  const auto one_of_two = late(3, 1);
  CHECK((kinds(one_of_two) == std::vector{Kind::kNotUsed} && one_of_two.take_out.empty()));
  CHECK(entry.issues[2].devices == std::vector{device_id(2)});
  // 4: nobody is known to have it. It is taken out, and was there, or somebody has it after all.
  CHECK(late(4, 1).take_out == std::vector<Ledger::KeyInCloud>{{id, 4}});
  value(ledger.on_taken_back(id, 4, true));
  CHECK(entry.remaining() == 2);
  used(5, 1);
  CHECK(late(5, 1).take_out == std::vector<Ledger::KeyInCloud>{{id, 5}});
  value(ledger.on_taken_back(id, 5, false));
  CHECK((entry.issues[4].used() && entry.remaining() == 2));
  check_kept(ledger);
  // 6: the grant has ended meanwhile.
  used(6, 1);
  value(ledger.revoke(id));
  CHECK(late(6, 1).take_out == std::vector<Ledger::KeyInCloud>{{id, 6}});
  check_kept(ledger);
}

TEST_CASE("A viewer who takes back that he has used keys does not make the book unreadable") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 3 * kEscrowMax, sealed_image()));
  for (std::uint32_t round = 0; round < 3; ++round) {
    value(ledger.put_in_escrow(id, kEscrowMax));
    for (std::uint32_t i = 1; i <= kEscrowMax; ++i) {
      value(ledger.on_receipt(receipt_of("bob", id, round * kEscrowMax + i, 1)));
    }
  }
  for (std::uint32_t serial = 1; serial <= 3 * kEscrowMax; ++serial) {
    value(ledger.on_receipt(receipt_of("bob", id, serial, 1, true)));
  }
  CHECK(ledger.find(id)->in_cloud() == 3 * kEscrowMax);
  check_kept(ledger);
  check_refused(ledger.put_in_escrow(id, 1), Code::kTooLarge, "1 more would be over 64");
}

TEST_CASE("receipts of others, of online views and of keys that never were are refused") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 2, sealed_image()));
  value(ledger.give_view(id, id_of("bob"), view_id(1)));
  value(ledger.put_in_escrow(id, 1));
  check_refused(ledger.on_receipt(receipt_of("eve", id, 2, 1)), Code::kPermissionDenied, "it was made for");
  check_refused(ledger.on_receipt(receipt_of("bob", id, 1, 1)), Code::kPermissionDenied, "no such key was put in");
  check_refused(ledger.on_receipt(receipt_of("bob", id, 3, 1)), Code::kPermissionDenied, "no such key was put in");
  check_refused(ledger.on_receipt(receipt_of("bob", grant_id(2), 1, 1)), Code::kNotFound, "no such grant");
  Receipt forged = receipt_of("bob", id, 2, 1);
  forged.device = device_id(2);
  check_refused(ledger.on_receipt(forged), Code::kUnauthenticated, "receipt: the signature");
}

TEST_CASE("what was decided but perhaps not said is found after a restart") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  const Grant grant = value(ledger.approve(id, 5, sealed_image())).publish.at(0);
  value(ledger.put_in_escrow(id, 3));
  value(ledger.on_placed(id, 1, true));
  value(ledger.on_placed(id, 2, true));
  value(ledger.take_back(id, 2));  // 3 and 2
  value(ledger.put_in_escrow(id, 1));
  const auto again = value(Ledger::load(key("ada"), ledger.encode())).unfinished();
  CHECK(again.publish == std::vector{grant});
  CHECK(again.take_out == std::vector<Ledger::KeyInCloud>{{id, 2}, {id, 3}});
  REQUIRE(again.place.size() == 1);
  CHECK(again.place[0].serial == 4);
  CHECK(value(open_view_key(again.place[0], key("bob"))) == image_key());
}

TEST_CASE("one user's waiting requests, and all of them, are bounded") {
  Ledger ledger(key("ada"));
  for (std::uint64_t i = 1; i <= kWaitingOfOneUserMax; ++i) value(ledger.on_request(request_of("bob", i)));
  const auto one_more = request_of("bob", kWaitingOfOneUserMax + 1);
  check_refused(ledger.on_request(one_more), Code::kBusy, "256 of this user wait already");
  value(ledger.on_request(request_of("eve", kWaitingOfOneUserMax + 2)));
  value(ledger.refuse(grant_id(1)));
  value(ledger.on_request(one_more));
  for (std::uint64_t i = 0; ledger.entries().size() < kWaitingMax + 1; ++i) {
    value(ledger.on_request(request_of(fmt::format("user {}", i / 60), 1000 + i)));
  }
  check_refused(ledger.on_request(request_of("carl", 99'999)), Code::kBusy, "1000 requests wait already");
}

TEST_CASE("a ledger that is broken at any byte is refused or the same; another user's is refused") {
  Ledger ledger(key("ada"));
  const GrantId id = grant_id(1);
  value(ledger.on_request(request_of("bob", 1)));
  value(ledger.approve(id, 5, sealed_image()));
  value(ledger.give_view(id, id_of("bob"), view_id(1)));
  value(ledger.put_in_escrow(id, 2));
  value(ledger.on_receipt(receipt_of("bob", id, 2, 1)));
  value(ledger.on_receipt(receipt_of("bob", id, 2, 2, true)));
  value(ledger.on_request(request_of("bob", 2)));
  value(ledger.refuse(grant_id(2)));
  value(ledger.forget(grant_id(2)));
  const Bytes bytes = ledger.encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Ledger::load(key("ada"), BytesView(bytes).substr(0, size)).has_value());
  }
  CHECK_FALSE(Ledger::load(key("ada"), bytes + "x").has_value());
  check_refused(Ledger::load(key("eve"), bytes), Code::kInvalidArgument, "it belongs to user");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes wrong = bytes;
    wrong[at] = static_cast<char>(wrong[at] ^ 0x41);
    const auto loaded = Ledger::load(key("ada"), wrong);
    if (loaded) CHECK(loaded->encode() == wrong);
  }
  Ledger one(key("ada"));
  REQUIRE(one.load_one(ledger.encode_one(id)).has_value());
  REQUIRE(one.load_one(ledger.encode_one(grant_id(2))).has_value());
  CHECK(one.encode() == bytes);
  check_refused(one.load_one(ledger.encode_one(id)), Code::kProtocolError, "in it twice");
  check_refused(one.load_one(ledger.encode_one(grant_id(2))), Code::kProtocolError, "in it twice");
}
