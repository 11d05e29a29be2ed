// PeerBooks: what is unsaved, what is being saved, and what a store gives back.
#include "distri/peer/peer_books.hpp"

#include "pair.hpp"
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;
using namespace distri::peer::test;
namespace test = distri::peer::test;

namespace {

struct Shelf {
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "books";
  std::optional<BookStore> store = BookStore::open(path).value();

  PeerBooks open(const SigningKey& key) { return value(PeerBooks::open(key, *store)); }
  void save(PeerBooks& books) {
    value(store->save(books.begin_saving()));
    books.end_saving(true);
  }
};

Request request_of(std::uint64_t number) {
  Holdings holdings(key("bob"), device_id(1));
  return value(holdings.request(number, id_of("ada"), "photo.png", 3, kNow));
}

}  // namespace

TEST_CASE("What was saved is there again, and what was not is not") {
  Shelf shelf;
  GrantId asked, begged;
  DeviceId device;
  {
    PeerBooks books = shelf.open(key("ada"));
    device = books.holdings.device();
    asked = request_of(1).id;
    value(books.ledger.on_request(request_of(1)));
    value(books.ledger.approve(asked, 3, sealed_image()));
    books.has_changed(Page::entry(asked));
    begged = value(books.holdings.request(7, id_of("bob"), "dune.png", 2, kNow)).id;
    books.has_changed(Page::holding(begged));
    User bob;
    bob.name = "bob";
    bob.addresses = {{"127.0.0.1", 4100}};
    value(books.contacts.see(sign(bob, key("bob"))));
    books.has_changed(Page::contacts());
    shelf.save(books);
    value(books.ledger.on_request(request_of(2)));
    books.has_changed(Page::entry(request_of(2).id));
  }
  shelf.store.reset();
  shelf.store = BookStore::open(shelf.path).value();
  const PeerBooks books = shelf.open(key("ada"));
  CHECK(books.holdings.device() == device);
  REQUIRE(books.ledger.entries().size() == 1);
  CHECK(books.ledger.find(asked)->grant->views == 3);
  REQUIRE(books.holdings.find(begged) != nullptr);
  CHECK(books.holdings.find(begged)->request.resource == "dune.png");
  CHECK(value(books.contacts.find("bob"))->user.owner == id_of("bob"));
  CHECK(books.unsaved().empty());
}

TEST_CASE("A page is saved when what is in it now is on the disk, whatever changes meanwhile") {
  Shelf shelf;
  PeerBooks books = shelf.open(key("ada"));
  const auto ask = [&](std::uint64_t number) {
    const Request request = request_of(number);
    value(books.ledger.on_request(request));
    books.has_changed(Page::entry(request.id));
    return Page::entry(request.id);
  };
  const Page one = ask(1);
  const Page two = ask(2);
  CHECK(!books.is_saved(one));
  CHECK((books.unsaved() == std::vector{std::min(one, two), std::max(one, two)}));
  CHECK(books.begin_saving().size() == 2);
  CHECK(books.unsaved().empty());
  CHECK(!books.is_saved(one));
  books.has_changed(one);
  const Page three = ask(3);
  books.end_saving(true);
  CHECK(!books.is_saved(one));  // what was saved is the version before
  CHECK(books.is_saved(two));
  CHECK(!books.is_saved(three));

  // What could not be saved is taken the next time, as it is then.
  CHECK(books.begin_saving().size() == 2);
  books.has_changed(two);
  books.end_saving(false);
  for (const Page& each : {one, two, three}) CHECK(!books.is_saved(each));
  CHECK(books.begin_saving().size() == 3);
  books.end_saving(true);
  for (const Page& each : {one, two, three}) CHECK(books.is_saved(each));
  CHECK(books.begin_saving().empty());
  books.end_saving(true);
}

TEST_CASE("The books of another user, and books that do not say whose they are, are refused") {
  Shelf shelf;
  shelf.open(key("ada"));
  CHECK(shelf.open(key("ada")).holdings.viewer() == id_of("ada"));
  test::check_refused(PeerBooks::open(key("bob"), *shelf.store), Code::kInvalidArgument, "another data directory");

  const auto hold = [](BookStore& store, std::string book, BytesView bytes) {
    std::vector<BookEntry> entries;
    entries.push_back({std::move(book), "00", SecretBytes(bytes)});
    value(store.save(entries));
  };
  for (const std::string_view book : {"device", "ledger", "holdings", "contacts"}) {
    CAPTURE(book);
    Shelf other;
    if (book != "device") other.open(key("ada"));
    hold(*other.store, std::string(book), "no such entry");
    const Code code = book == "device" ? Code::kDataLoss : Code::kProtocolError;
    test::check_refused(PeerBooks::open(key("ada"), *other.store), code, "");
  }
  Shelf nobody;
  hold(*nobody.store, "unknown", "x");
  test::check_refused(PeerBooks::open(key("ada"), *nobody.store), Code::kDataLoss, "do not say whose they are");
}
