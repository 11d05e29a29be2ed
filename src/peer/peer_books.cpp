#include "distri/peer/peer_books.hpp"

#include <optional>
#include <utility>

namespace distri::peer {

namespace {

constexpr std::string_view kLedgerBook = "ledger";
constexpr std::string_view kHoldingsBook = "holdings";
constexpr std::string_view kContactsBook = "contacts";
constexpr std::string_view kDeviceBook = "device";
constexpr std::string_view kOnlyId = "00";  // of books with one entry

// Whose books these are, and the number of the device, 8 random bytes.
Result<DeviceId> device_of(BytesView bytes, const PublicKey& self) {
  if (bytes.size() != PublicKey::kSize + DeviceId::kSize) {
    return fail(Code::kDataLoss, "the books do not say whose they are; put the data directory back from a copy");
  }
  const auto owner = PublicKey::from_view(bytes.substr(0, PublicKey::kSize));
  if (owner != self) {
    return fail(Code::kInvalidArgument, "the books belong to user {}, this is {}; name another data directory",
                owner.short_hex(), self.short_hex());
  }
  return DeviceId::from_view(bytes.substr(PublicKey::kSize));
}

Result<DeviceId> make_device(BookStore& store, const PublicKey& self) {
  const auto device = DeviceId::from_view(SecretBytes::random(DeviceId::kSize).view());
  std::vector<BookEntry> entries;
  entries.emplace_back(std::string(kDeviceBook), std::string(kOnlyId),
                       SecretBytes(Bytes(self.view()) + Bytes(device.view())));
  DISTRI_TRY_VOID(store.save(entries));
  return device;
}

}  // namespace

Result<PeerBooks> PeerBooks::open(const SigningKey& key, BookStore& store) {
  const PublicKey self = key.public_key();
  Ledger ledger(key.copy());
  std::optional<DeviceId> device;
  std::vector<SecretBytes> held;
  std::optional<Contacts> contacts;
  bool empty = true;
  DISTRI_TRY_VOID(store.load([&](std::string_view book, std::string_view, BytesView bytes) -> Result<> {
    empty = false;
    if (book == kLedgerBook) return ledger.load_one(bytes);
    if (book == kHoldingsBook) held.emplace_back(bytes);
    if (book == kContactsBook) {
      DISTRI_TRY(contacts, Contacts::load(bytes));
    }
    if (book == kDeviceBook) {
      DISTRI_TRY(device, device_of(bytes, self));
    }
    return {};
  }));
  if (!device) {
    DISTRI_TRY(device, empty ? make_device(store, self) : device_of({}, self));
  }
  PeerBooks books(std::move(ledger), Holdings(key.copy(), *device));
  for (const SecretBytes& each : held) DISTRI_TRY_VOID(books.holdings.load_one(each.view()));
  if (contacts) books.contacts = *std::move(contacts);
  return books;
}

BookEntry PeerBooks::encode(const Page& page) const {
  const auto entry = [](std::string_view book, std::string id, Bytes bytes) {
    BookEntry encoded{std::string(book), std::move(id), SecretBytes(bytes)};
    wipe(bytes);
    return encoded;
  };
  switch (page.book) {
    case Page::Book::kLedger:
      return entry(kLedgerBook, page.id.hex(), ledger.encode_one(page.id));
    case Page::Book::kHoldings:
      return entry(kHoldingsBook, page.id.hex(), holdings.encode_one(page.id));
    case Page::Book::kContacts:
      break;
  }
  return entry(kContactsBook, std::string(kOnlyId), contacts.encode());
}

std::vector<BookEntry> PeerBooks::begin_saving() {
  std::vector<BookEntry> entries;
  entries.reserve(unsaved_.size());
  for (const Page& page : unsaved_) entries.push_back(encode(page));
  saving_ = std::exchange(unsaved_, {});
  return entries;
}

void PeerBooks::end_saving(bool saved) {
  if (!saved) unsaved_.merge(saving_);
  saving_.clear();
}

}  // namespace distri::peer
