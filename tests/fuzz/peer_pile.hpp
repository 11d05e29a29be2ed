// peer_pile.hpp: an owner, a viewer and an attacker with a few records of each kind, for the fuzzer of peer and for the
// seeds of its corpus.
#pragma once

#include <array>

#include "distri/peer/contacts.hpp"
#include "distri/peer/holdings.hpp"
#include "distri/peer/ledger.hpp"

namespace distri::peer::fuzz {

inline SigningKey key(std::string_view what) {
  const Hash256 seed = blake2b_256(what);
  return SigningKey::from_seed({reinterpret_cast<const char*>(seed.data()), seed.size()});
}

template <class IdType>
IdType make_id(unsigned number) {
  IdType id;
  id.bytes[0] = static_cast<unsigned char>(number + 1);
  return id;
}

// Of Bob's requests.
inline GrantId grant_id(unsigned number) {
  return make_grant_id(key("bob").public_key(), number);
}

inline Ledger::SealedImage sealed_image() {
  return {.file = {.digest = blake2b_256("file"), .sealed_digest = blake2b_256("sealed"), .sealed_bytes = 6},
          .key = SecretBytes(Bytes(kImageKeyBytes, 'k'))};
}

inline User user(std::string_view who, std::string name, std::uint64_t version) {
  return sign(
      {.owner = {}, .name = std::move(name), .addresses = {{"10.0.0.1", 7400}}, .version = version, .signature = {}},
      key(who));
}

inline CatalogEntry catalog_entry() {
  CatalogEntry entry;
  entry.name = "photo.png";
  entry.bytes = 5;
  entry.kind = "png";
  return sign(std::move(entry), key("ada"));
}

// Ada's ledger and Bob's holdings in the middle of things: a view given and taken, one asked for, keys in escrow, one
// that Bob came too late for, one being taken, one on its way back; a second request that waits, a third that was put
// away.
struct Books {
  Ledger ledger{key("ada")};
  Holdings holdings{key("bob"), make_id<DeviceId>(0)};
  std::vector<Request> requests;
  std::vector<Grant> grants;
  std::vector<ViewKey> keys;
  std::vector<Receipt> receipts;

  Books() {
    for (unsigned i = 0; i < 3; ++i) {
      requests.push_back(holdings.request(i, ledger.owner(), "photo.png", 3, 1000).value());
      static_cast<void>(ledger.on_request(requests.back()).value());
    }
    const GrantId id = grant_id(0);
    keep(ledger.approve(id, 6, sealed_image()));
    keys.push_back(ledger.give_view(id, holdings.viewer(), holdings.ask_view(id, make_id<ViewId>(0)).value())->key);
    static_cast<void>(holdings.accept(keys.back()).value());
    keep(ledger.put_in_escrow(id, 3));
    receipts.push_back(holdings.take(keys[1], 2000).value());
    keep(ledger.on_placed(id, 2, true));
    keep(ledger.on_receipt(receipts.back()));
    static_cast<void>(holdings.taken(id, 2, false, 2500).value());
    receipts.push_back(holdings.withdrawal(id, 2).value());
    keep(ledger.on_receipt(receipts.back()));
    receipts.push_back(holdings.take(keys[2], 3000).value());
    keep(ledger.on_receipt(receipts.back()));
    keep(ledger.take_back(id, 1));
    keys.push_back(ledger.give_view(id, holdings.viewer(), holdings.ask_view(id, make_id<ViewId>(1)).value())->key);
    keep(ledger.change_views(id, 5));
    keep(ledger.refuse(grant_id(2)));
    keep(ledger.forget(grant_id(2)));
  }

 private:
  void keep(Result<Ledger::Effects> effects) {
    for (const Grant& grant : effects.value().publish) {
      grants.push_back(grant);
      static_cast<void>(holdings.on_grant(grant).value());
    }
    for (const ViewKey& placed : effects.value().place) keys.push_back(placed);
  }
};

}  // namespace distri::peer::fuzz
