// peer_books.hpp: the books of a Peer, and what of them is to be written to the disk.
//
// Sans-IO: whoever changes an entry says so; who writes (Peer::Impl::save_books) takes all that has changed at once,
// without holding up those who change it again meanwhile. An entry that could not be written is taken the next time.
// Threads: none; the Peer's mutex.
#pragma once

#include <compare>
#include <set>
#include <vector>

#include "distri/peer/book_store.hpp"
#include "distri/peer/contacts.hpp"
#include "distri/peer/holdings.hpp"
#include "distri/peer/ledger.hpp"

namespace distri::peer {

// An entry of one of the books.
struct Page {
  enum class Book : std::uint8_t { kLedger, kHoldings, kContacts };
  static Page entry(const GrantId& id) { return {Book::kLedger, id}; }
  static Page holding(const GrantId& id) { return {Book::kHoldings, id}; }
  static Page contacts() { return {Book::kContacts, {}}; }
  auto operator<=>(const Page&) const = default;

  Book book;
  GrantId id;  // zeros: the book is one entry
};

class PeerBooks {
 public:
  // What the store holds. Makes the device's id at the first time, and saves it. Errors: of the books and of BookStore;
  // kInvalidArgument: they are another user's.
  static Result<PeerBooks> open(const SigningKey& key, BookStore& store);
  PeerBooks(Ledger its_ledger, Holdings its_holdings)
      : ledger(std::move(its_ledger)), holdings(std::move(its_holdings)) {}

  Ledger ledger;
  Holdings holdings;
  Contacts contacts;

  void has_changed(const Page& page) { unsaved_.insert(page); }
  bool is_saved(const Page& page) const { return !unsaved_.contains(page) && !saving_.contains(page); }
  std::vector<Page> unsaved() const { return {unsaved_.begin(), unsaved_.end()}; }

  // All that is unsaved, as it is now. Then end_saving(), before the next begin_saving(). What changes in between is
  // unsaved again.
  std::vector<BookEntry> begin_saving();
  void end_saving(bool saved);

 private:
  BookEntry encode(const Page& page) const;

  std::set<Page> unsaved_;
  std::set<Page> saving_;
};

}  // namespace distri::peer
