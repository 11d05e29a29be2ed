#include "distri/peer/contacts.hpp"

#include <cctype>

#include "support.hpp"

namespace {

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;
using Event = Contacts::Event;

User user(std::string_view who, std::string name, std::uint64_t version = 1) {
  return sign({.owner = {}, .name = std::move(name), .addresses = {}, .version = version, .signature = {}}, key(who));
}

PublicKey found(const Contacts& contacts, std::string_view name) {
  return value(contacts.find(name))->user.owner;
}

void check_kept(const Contacts& contacts) {
  const Contacts again = value(Contacts::load(contacts.encode()));
  CHECK(again.encode() == contacts.encode());
  CHECK(again.all() == contacts.all());
}

}  // namespace

TEST_CASE("the first key under a name keeps it; another that claims it is reported and found by its key") {
  Contacts contacts;
  const auto first = value(contacts.see(user("ada", "Ada")));
  CHECK(first.events == std::vector<Event>{{Event::Kind::kNew, id_of("ada"), "Ada", {}}});
  const auto claim = value(contacts.see(user("eve", "Ada")));
  CHECK(claim.changed);
  CHECK(claim.events == std::vector<Event>{{Event::Kind::kNew, id_of("eve"), "Ada", {}},
                                           {Event::Kind::kNameClaimed, id_of("eve"), "Ada", id_of("ada")}});
  CHECK(found(contacts, "Ada") == id_of("ada"));
  CHECK(found(contacts, id_of("eve").hex()) == id_of("eve"));
  // Once is enough, and a new record with the same claim is no news.
  CHECK_FALSE(value(contacts.see(user("eve", "Ada"))).changed);
  const auto again = value(contacts.see(user("eve", "Ada", 2)));
  CHECK((again.changed && again.events.empty()));
  check_kept(contacts);
}

TEST_CASE("who changes his name keeps the old one as well") {
  Contacts contacts;
  value(contacts.see(user("ada", "Ada")));
  CHECK(value(contacts.see(user("ada", "Countess", 2))).events ==
        std::vector<Event>{{Event::Kind::kRenamed, id_of("ada"), "Countess", {}}});
  CHECK(value(contacts.see(user("eve", "Ada"))).events.back().kind == Event::Kind::kNameClaimed);
  CHECK(found(contacts, "Ada") == id_of("ada"));
  CHECK(found(contacts, "Countess") == id_of("ada"));
  CHECK_FALSE(value(contacts.see(user("ada", "Old", 1))).changed);  // played again
  check_refused(contacts.find("Old"), Code::kNotFound, "no user is known as 'Old'");
  for (std::uint64_t i = 3; i <= 8; ++i) value(contacts.see(user("ada", fmt::format("name {}", i), i)));
  CHECK(value(contacts.see(user("ada", "name 9", 9))).changed);
  check_refused(contacts.find("name 9"), Code::kNotFound, "no user is known as 'name 9'");
  CHECK(value(contacts.find("name 8"))->user.name == "name 9");
  check_refused(contacts.trust("name 9", id_of("ada")), Code::kTooLarge, "it has 8 names");
  value(contacts.see(user("ada", "Ada", 10)));
  check_kept(contacts);
}

TEST_CASE("a name moves to another key when the user says so, and is free when its key is forgotten") {
  Contacts contacts;
  value(contacts.see(user("ada", "Ada")));
  value(contacts.see(user("new ada", "Ada")));
  check_refused(contacts.trust("Ada", id_of("bob")), Code::kNotFound, "no such key is known");
  CHECK(contacts.trust("Ada", id_of("new ada")).has_value());
  CHECK(found(contacts, "Ada") == id_of("new ada"));
  CHECK(contacts.find(id_of("new ada"))->claims.empty());
  CHECK(contacts.find(id_of("ada"))->names.empty());
  check_kept(contacts);
  CHECK(contacts.forget(id_of("new ada")).has_value());
  check_refused(contacts.forget(id_of("new ada")), Code::kNotFound, "no such key is known");
  check_refused(contacts.find("Ada"), Code::kNotFound, "no user is known as 'Ada'");
  value(contacts.see(user("eve", "Ada")));
  CHECK(found(contacts, "Ada") == id_of("eve"));
}

TEST_CASE("keys are found by their digits; ambiguous, short and unknown ones have their own errors") {
  Contacts contacts;
  for (int i = 0; i < 20; ++i) value(contacts.see(user(fmt::format("user {}", i), fmt::format("name {}", i))));
  const std::string digits = id_of("user 7").hex();
  CHECK(found(contacts, digits) == id_of("user 7"));
  CHECK(found(contacts, digits.substr(0, 8)) == id_of("user 7"));
  std::string upper = digits.substr(0, 12);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK(found(contacts, upper) == id_of("user 7"));
  check_refused(contacts.find(digits.substr(0, 7)), Code::kNotFound, "give 8 or more digits of the key");
  check_refused(contacts.find("name 99"), Code::kNotFound, "no user is known as 'name 99'; refresh the users");
  check_refused(contacts.find("\x1b[2J"), Code::kNotFound, "no user is known as that name");
  check_refused(contacts.find(digits + "00"), Code::kInvalidArgument, "a key has 64 hexadecimal digits, these are 66");
  check_refused(contacts.find("ffffffffffff"), Code::kNotFound, "whose key begins with ffffffffffff");
  check_refused(contacts.find(std::string(64, 'f')), Code::kNotFound, "whose key begins with");
}

TEST_CASE("digits that begin two keys name neither; one more tells them apart") {
  Contacts contacts;
  const PublicKey one = id_of("prefix 112263");
  const PublicKey other = id_of("prefix 134660");
  REQUIRE(one.short_hex() == other.short_hex());  // found by trying
  value(contacts.see(user("prefix 112263", "One")));
  CHECK(found(contacts, one.short_hex()) == one);
  value(contacts.see(user("prefix 134660", "Other")));
  check_refused(contacts.find(one.short_hex()), Code::kInvalidArgument, "several keys begin with bb49f24c");
  check_refused(contacts.find(one.short_hex()), Code::kInvalidArgument, "give more digits");
  CHECK(found(contacts, one.hex().substr(0, 12)) == one);
  CHECK(found(contacts, other.hex().substr(0, 12)) == other);
}

TEST_CASE("a forged user record changes nothing") {
  Contacts contacts;
  value(contacts.see(user("ada", "Ada")));
  User forged = user("ada", "Ada", 2);
  forged.name = "Eve";
  check_refused(contacts.see(forged), Code::kUnauthenticated, "user: the signature");
  CHECK(contacts.all().size() == 1);
  CHECK(contacts.find(id_of("ada"))->user.version == 1);
}

TEST_CASE("contacts that are broken at any byte are refused or the same") {
  Contacts contacts;
  value(contacts.see(user("ada", "Ada")));
  value(contacts.see(user("eve", "Ada")));
  value(contacts.see(user("ada", "Countess", 2)));
  const Bytes bytes = contacts.encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(Contacts::load(BytesView(bytes).substr(0, size)).has_value());
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    Bytes wrong = bytes;
    wrong[at] = static_cast<char>(wrong[at] ^ 0x41);
    const auto loaded = Contacts::load(wrong);
    if (loaded) CHECK(loaded->encode() == wrong);
  }
}
