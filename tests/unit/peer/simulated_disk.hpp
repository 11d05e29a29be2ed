// simulated_disk.hpp: what a peer of the simulated world has on its disk: the entries of its books as they were
// encoded, and nothing else. A peer that starts anew knows what this gives back.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "distri/peer/peer_books.hpp"
#include "support.hpp"

namespace distri::peer::test {

class SimulatedDisk {
 public:
  SimulatedDisk(std::string user, DeviceId device) : user_(std::move(user)), device_(device) {}

  void write(const BookEntry& page) {
    pages_[{page.book, page.id}] = Bytes(page.bytes.view());
    if (page.book == "ledger") {
      Ledger entry(key(user_));
      REQUIRE(entry.load_one(page.bytes.view()));
      entries_.insert_or_assign(GrantId::from_view(*from_hex(page.id)), std::move(entry));
    } else if (page.book == "holdings") {
      Holdings holding(key(user_), device_);
      REQUIRE(holding.load_one(page.bytes.view()));
      holdings_.insert_or_assign(GrantId::from_view(*from_hex(page.id)), std::move(holding));
    }
  }
  PeerBooks books() const {
    PeerBooks books(Ledger(key(user_)), Holdings(key(user_), device_));
    for (const auto& [page, bytes] : pages_) {
      if (page.first == "ledger") REQUIRE(books.ledger.load_one(bytes));
      if (page.first == "holdings") REQUIRE(books.holdings.load_one(bytes));
      if (page.first == "contacts") books.contacts = value(Contacts::load(bytes));
    }
    return books;
  }

  // As a peer that starts now would find it.
  const Entry* entry(const GrantId& id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? nullptr : found->second.find(id);
  }
  const Holding* holding(const GrantId& id) const {
    const auto found = holdings_.find(id);
    return found == holdings_.end() ? nullptr : found->second.find(id);
  }

 private:
  std::string user_;
  DeviceId device_;
  std::map<std::pair<std::string, std::string>, Bytes> pages_;
  std::map<GrantId, Ledger> entries_;  // each with that one
  std::map<GrantId, Holdings> holdings_;
};

}  // namespace distri::peer::test
