// peer_books.hpp: the books of a Peer and the directory in which they are kept. Private to the module.
//
// An entry that was changed in memory and could not be saved is remembered: whoever wants to say something of it saves
// it first, by the same call. Threads: none; the Peer's mutex. Errors: open(): of the books and of BookStore; keep_*():
// kStorageFull, kStorageFailed, and kUnavailable after close().
#pragma once

#include <optional>
#include <set>
#include <string>

#include "distri/peer/book_store.hpp"
#include "distri/peer/contacts.hpp"
#include "distri/peer/holdings.hpp"
#include "distri/peer/ledger.hpp"

namespace distri::peer {

class PeerBooks {
 public:
  // `directory`: exists. Makes the device's id at the first time.
  static Result<PeerBooks> open(const SigningKey& key, const std::string& directory);

  // Makes an entry durable that has changed, now or by an earlier call that could not be saved.
  Result<> keep_entry(const GrantId& id, bool changed);
  Result<> keep_holding(const GrantId& id, bool changed);
  Result<> keep_contacts(bool changed);
  // After stop(): nothing can be saved any more, and others may open the directory.
  void close() { store_.reset(); }

  Ledger ledger;
  Holdings holdings;
  Contacts contacts;

 private:
  PeerBooks(Ledger its_ledger, Holdings its_holdings, Contacts its_contacts, BookStore store)
      : ledger(std::move(its_ledger)),
        holdings(std::move(its_holdings)),
        contacts(std::move(its_contacts)),
        store_(std::move(store)) {}
  Result<> save(std::string_view book, std::string_view id, Bytes bytes);

  std::optional<BookStore> store_;
  std::set<GrantId> unsaved_entries_;
  std::set<GrantId> unsaved_holdings_;
  bool unsaved_contacts_ = false;
};

}  // namespace distri::peer
