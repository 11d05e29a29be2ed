// What an attacker can try against the core, each refused with an error of its own and without a trace.
#include "distri/peer/contacts.hpp"
#include "pair.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;

Grant grant_by(std::string_view who, Grant grant) {
  return sign(std::move(grant), key(who));
}

// Bob has a grant of three views by Ada; Eve knows every record.
struct Attack : Pair {
  GrantId id = granted(3);
  Grant grant = *holdings.find(id)->grant;
  Bytes before = holdings.encode();

  template <class T>
  void refused(const Result<T>& result, Code code, std::string_view words) {
    check_refused(result, code, words);
    CHECK(holdings.encode() == before);
  }
};

}  // namespace

TEST_CASE("a forged grant is refused") {
  Attack attack;
  Grant grant = attack.grant;
  grant.views = 1000;
  grant.version = 2;
  attack.refused(attack.holdings.on_grant(grant), Code::kUnauthenticated, "it is forged or was changed");
  attack.refused(attack.holdings.on_grant(grant_by("eve", grant)), Code::kPermissionDenied, "it is forged, user");
  Grant unasked = grant;
  unasked.id = grant_id(9);
  attack.refused(attack.holdings.on_grant(grant_by("ada", unasked)), Code::kNotFound,
                 "answers no request of this user");
  Grant to_eve = grant;
  to_eve.to = id_of("eve");
  to_eve.owner = id_of("ada");
  attack.refused(attack.holdings.on_grant(to_eve), Code::kInvalidArgument, "it was made for another");
  Grant other = grant;
  other.resource = "other.png";
  attack.refused(attack.holdings.on_grant(grant_by("ada", other)), Code::kPermissionDenied, "for another image");
}

TEST_CASE("an edited count is refused, in a document, by its owner, and when an old version is played again") {
  Attack attack;
  const auto document = to_document(attack.grant);
  bson::Builder views;
  views.append_int64("views", 1000);
  attack.refused(read_grant(edited(document, std::move(views).finish())), Code::kUnauthenticated, "was changed");
  Grant twice = attack.grant;
  twice.views = 1000;
  attack.refused(attack.holdings.on_grant(grant_by("ada", twice)), Code::kPermissionDenied,
                 "its version 1 said something else before");
  attack.deliver(value(attack.ledger.change_views(attack.id, 1)));
  attack.before = attack.holdings.encode();
  CHECK_FALSE(value(attack.holdings.on_grant(attack.grant)));  // three views, as it was
  CHECK(attack.holdings.encode() == attack.before);
  CHECK(attack.holdings.find(attack.id)->grant->views == 1);
  // Whatever a viewer says to have: the owner's book decides.
  CHECK(value(attack.view(attack.id, 1)) == image_key());
  check_refused(attack.view(attack.id, 2), Code::kPermissionDenied, "all 1 views are used up");
}

TEST_CASE("a replayed view key is refused, online and from escrow") {
  Attack attack;
  const ViewId ask = value(attack.holdings.ask_view(attack.id, view_id(1)));
  const ViewKey first = value(attack.ledger.give_view(attack.id, attack.holdings.viewer(), ask)).key;
  value(attack.holdings.accept(first));
  attack.before = attack.holdings.encode();
  attack.refused(attack.holdings.accept(first), Code::kPermissionDenied, "it is replayed, it was used already");
  value(attack.holdings.ask_view(attack.id, view_id(2)));
  attack.before = attack.holdings.encode();
  attack.refused(attack.holdings.accept(first), Code::kPermissionDenied, "it is replayed, it was used already");
  attack.refused(attack.holdings.take(first, kNow), Code::kPermissionDenied, "it is replayed, it was used already");

  const ViewKey escrowed = value(attack.ledger.put_in_escrow(attack.id, 1)).place.at(0);
  attack.refused(attack.holdings.accept(escrowed), Code::kPermissionDenied, "it answers view");
  value(attack.holdings.take(escrowed, kNow));
  value(attack.holdings.taken(attack.id, escrowed.serial, true, kNow));
  attack.before = attack.holdings.encode();
  attack.refused(attack.holdings.take(escrowed, kNow), Code::kPermissionDenied, "it is replayed, it was used already");
}

TEST_CASE("a view key that nobody asked for, or of somebody else, is refused") {
  Attack attack;
  const ViewKey unasked = value(attack.ledger.give_view(attack.id, attack.holdings.viewer(), view_id(1))).key;
  attack.refused(attack.holdings.accept(unasked), Code::kPermissionDenied, "no view was asked for");
  attack.refused(attack.holdings.take(unasked, kNow), Code::kPermissionDenied, "it does not come from escrow");
  value(attack.holdings.ask_view(attack.id, view_id(2)));
  attack.before = attack.holdings.encode();
  attack.refused(attack.holdings.accept(unasked), Code::kPermissionDenied, "it answers view");

  ViewKey key_of_eve;
  key_of_eve.grant = attack.id;
  key_of_eve.serial = 2;
  key_of_eve.to = id_of("bob");
  key_of_eve.view = view_id(2);
  attack.refused(attack.holdings.accept(value(make_view_key(key_of_eve, image_key(), key("eve")))),
                 Code::kPermissionDenied, "it is forged");
  ViewKey forged = unasked;
  forged.view = view_id(2);
  attack.refused(attack.holdings.accept(forged), Code::kUnauthenticated, "view key: the signature");
  ViewKey other = key_of_eve;
  other.grant = grant_id(7);
  attack.refused(attack.holdings.accept(value(make_view_key(other, image_key(), key("ada")))), Code::kNotFound,
                 "answers no request of this user");
  other = key_of_eve;
  other.to = id_of("eve");
  attack.refused(attack.holdings.accept(value(make_view_key(other, image_key(), key("ada")))), Code::kPermissionDenied,
                 "it is for user");
  // A box that was moved from another view, under a good signature: only a careless owner makes it.
  ViewKey moved = unasked;
  moved.view = view_id(2);
  moved.serial = 2;
  attack.refused(attack.holdings.accept(sign(moved, key("ada"))), Code::kUnauthenticated,
                 "made for another grant, serial or view");
  // What others see of a view key opens nothing for them.
  check_refused(open_view_key(unasked, key("eve")), Code::kUnauthenticated, "made for another key");
}

TEST_CASE("a view that somebody else asks for under a known id is refused") {
  Attack attack;
  value(attack.ledger.give_view(attack.id, id_of("bob"), view_id(1)));
  const Bytes before = attack.ledger.encode();
  check_refused(attack.ledger.give_view(attack.id, id_of("eve"), view_id(1)), Code::kPermissionDenied,
                "it is not yours");
  check_refused(attack.ledger.give_view(grant_id(5), id_of("eve"), view_id(1)), Code::kNotFound, "none of that id");
  CHECK(attack.ledger.encode() == before);
}

TEST_CASE("a swapped, cut or changed picture is refused by its digest and size") {
  Attack attack;
  const FileFacts file = file_facts();
  CHECK(attack.holdings.check_file(attack.id, file.sealed_bytes, file.sealed_digest).has_value());
  attack.refused(attack.holdings.check_file(attack.id, file.sealed_bytes, blake2b_256("other!")), Code::kDataLoss,
                 "its digest differs; fetch it again");
  attack.refused(attack.holdings.check_file(attack.id, file.sealed_bytes - 1, file.sealed_digest), Code::kDataLoss,
                 "the picture has 5 bytes, 6 were granted");
  attack.refused(attack.holdings.check_file(attack.id, 1ull << 50, file.sealed_digest), Code::kDataLoss,
                 "6 were granted");
  attack.refused(attack.holdings.check_file(grant_id(9), file.sealed_bytes, file.sealed_digest), Code::kNotFound,
                 "no picture was granted");
  // The original file is not what lies on the disk.
  attack.refused(attack.holdings.check_file(attack.id, file.sealed_bytes, file.digest), Code::kDataLoss, "differs");
}

TEST_CASE("a claimed name stays with who had it") {
  Contacts contacts;
  const auto user = [](std::string_view who) {
    return sign({.owner = {}, .name = "Ada", .addresses = {}, .version = 1, .signature = {}}, key(who));
  };
  value(contacts.see(user("ada")));
  const auto claim = value(contacts.see(user("eve")));
  CHECK(claim.events.back().kind == Contacts::Event::Kind::kNameClaimed);
  CHECK(claim.events.back().pinned == id_of("ada"));
  CHECK(value(contacts.find("Ada"))->user.owner == id_of("ada"));
}

TEST_CASE("no record carries a path, whoever signs it") {
  for (const std::string& name :
       std::initializer_list<std::string>{"../x", "/etc/passwd", "a/b", "..", ".", "a\\b", std::string("a\0b", 3)}) {
    CAPTURE(name);
    CatalogEntry entry;
    entry.name = name;
    entry.kind = "png";
    CHECK_FALSE(check(entry).has_value());
    Request request;
    request.id = grant_id(1, "eve");
    request.owner = id_of("eve");
    request.to = id_of("ada");
    request.resource = name;
    CHECK_FALSE(check(request).has_value());
    Grant grant;
    grant.id = grant_id(1);
    grant.owner = id_of("eve");
    grant.to = id_of("bob");
    grant.resource = name;
    grant.file = file_facts();
    CHECK_FALSE(check(grant).has_value());
    Ledger ledger(key("ada"));
    CHECK_FALSE(ledger.on_request(request).has_value());
    CHECK(ledger.entries().empty());
  }
}
