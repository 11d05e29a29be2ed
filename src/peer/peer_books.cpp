#include "distri/peer/peer_books.hpp"

namespace distri::peer {

namespace {

constexpr std::string_view kLedgerBook = "ledger";
constexpr std::string_view kHoldingsBook = "holdings";
constexpr std::string_view kContactsBook = "contacts";
constexpr std::string_view kDeviceBook = "device";
constexpr std::string_view kOnlyId = "00";  // of books with one entry

// Whose books these are, and the number of the device, 8 random bytes.
Result<DeviceId> device_of(BookStore& store, const PublicKey& self) {
  DISTRI_TRY(const auto found, store.load(kDeviceBook));
  if (found.empty()) {
    const auto device = DeviceId::from_view(SecretBytes::random(DeviceId::kSize).view());
    DISTRI_TRY_VOID(store.save(kDeviceBook, kOnlyId, Bytes(self.view()) + Bytes(device.view())));
    return device;
  }
  const BytesView bytes = found.front().view();
  if (found.size() != 1 || bytes.size() != PublicKey::kSize + DeviceId::kSize) {
    return fail(Code::kDataLoss, "the books do not say whose they are; put the data directory back from a copy");
  }
  const auto owner = PublicKey::from_view(bytes.substr(0, PublicKey::kSize));
  if (owner != self) {
    return fail(Code::kInvalidArgument, "the books belong to user {}, this is {}; name another data directory",
                owner.short_hex(), self.short_hex());
  }
  return DeviceId::from_view(bytes.substr(PublicKey::kSize));
}

}  // namespace

Result<PeerBooks> PeerBooks::open(const SigningKey& key, const std::string& directory) {
  DISTRI_TRY(BookStore store, BookStore::open(directory));
  DISTRI_TRY(const DeviceId device, device_of(store, key.public_key()));
  Ledger ledger(key.copy());
  DISTRI_TRY(const auto entries, store.load(kLedgerBook));
  for (const SecretBytes& entry : entries) DISTRI_TRY_VOID(ledger.load_one(entry.view()));
  Holdings holdings(key.copy(), device);
  DISTRI_TRY(const auto held, store.load(kHoldingsBook));
  for (const SecretBytes& holding : held) DISTRI_TRY_VOID(holdings.load_one(holding.view()));
  DISTRI_TRY(const auto known, store.load(kContactsBook));
  Contacts contacts;
  if (!known.empty()) {
    DISTRI_TRY(contacts, Contacts::load(known.front().view()));
  }
  return PeerBooks(std::move(ledger), std::move(holdings), std::move(contacts), std::move(store));
}

Result<> PeerBooks::save(std::string_view book, std::string_view id, Bytes bytes) {
  if (!store_) {
    wipe(bytes);
    return fail(Code::kUnavailable, "this peer was stopped, its books are closed; open it again");
  }
  const auto saved = store_->save(book, id, bytes);
  wipe(bytes);
  if (saved) return {};
  // Whatever the reason is: to who asks from outside it is no answer to his question.
  return fail(saved.error().code == Code::kStorageFull ? Code::kStorageFull : Code::kStorageFailed,
              "the book could not be written: {}", saved.error().message);
}

Result<> PeerBooks::keep_entry(const GrantId& id, bool changed) {
  if (!changed && !unsaved_entries_.contains(id)) return {};
  unsaved_entries_.insert(id);
  DISTRI_TRY_VOID(save(kLedgerBook, id.hex(), ledger.encode_one(id)));
  unsaved_entries_.erase(id);
  return {};
}

Result<> PeerBooks::keep_holding(const GrantId& id, bool changed) {
  if (!changed && !unsaved_holdings_.contains(id)) return {};
  unsaved_holdings_.insert(id);
  DISTRI_TRY_VOID(save(kHoldingsBook, id.hex(), holdings.encode_one(id)));
  unsaved_holdings_.erase(id);
  return {};
}

Result<> PeerBooks::keep_contacts(bool changed) {
  if (!changed && !unsaved_contacts_) return {};
  unsaved_contacts_ = true;
  DISTRI_TRY_VOID(save(kContactsBook, kOnlyId, contacts.encode()));
  unsaved_contacts_ = false;
  return {};
}

}  // namespace distri::peer
