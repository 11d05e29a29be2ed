// cloud_double.hpp: the collections of a cloud as its nodes hold them, each of its own while they cannot reach each
// other. Merging is what distri's replication comes to for these records: a write that has seen another one wins over
// it, and of two that have not seen each other any one wins, also the older record; but the same on all nodes.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "distri/peer/agent.hpp"
#include "distri/peer/records.hpp"

namespace distri::peer::test {

inline std::string document_id_of(const User& user) {
  return user.owner.hex();
}
template <class Record>
std::string document_id_of(const Record& record) {
  return document_id(record);
}

template <class Record>
struct Collection {
  struct Document {
    std::pair<int, int> written;  // how often, and by which node the last time
    bool present = false;
    Record record;
    RequestId removed_by = {};  // which every node knows that has the removal
    bool operator==(const Document&) const = default;
  };
  std::map<std::string, Document> documents;
  bool operator==(const Collection&) const = default;

  const Record* find(const std::string& id) const {
    const auto found = documents.find(id);
    return found == documents.end() || !found->second.present ? nullptr : &found->second.record;
  }
  void write(int node, const Record& record) {
    Document& document = documents[document_id_of(record)];
    document = {{document.written.first + 1, node}, true, record, {}};
  }
  // Where there is none. True: there was none.
  bool insert(int node, const Record& record) {
    if (find(document_id_of(record)) != nullptr) return false;
    write(node, record);
    return true;
  }
  bool replace_older(int node, const Record& record) {
    const Record* known = find(document_id_of(record));
    if (known != nullptr && record.version <= known->version) return false;
    write(node, record);
    return true;
  }
  // True: it was there, or this request has removed it.
  bool remove(int node, const std::string& id, const RequestId& request) {
    const auto found = documents.find(id);
    if (found == documents.end()) return false;
    Document& document = found->second;
    if (!document.present) return document.removed_by == request;
    document.removed_by = request;
    document.written = {document.written.first + 1, node};
    document.present = false;
    return true;
  }
  void merge(const Collection& other) {
    for (const auto& [id, theirs] : other.documents) {
      Document& ours = documents[id];
      if (theirs.written > ours.written) ours = theirs;
    }
  }
  template <class Wanted>
  std::vector<Record> read(Wanted wanted) const {
    std::vector<Record> found;
    for (const auto& [id, document] : documents) {
      if (document.present && wanted(document.record)) found.push_back(document.record);
    }
    return found;
  }
};

struct CloudNode {
  int number = 0;  // another one after it has lost everything
  Collection<User> users;
  Collection<CatalogEntry> catalog;
  Collection<Request> requests;
  Collection<Grant> grants;
  Collection<Receipt> receipts;
  Collection<ViewKey> view_keys;
  std::map<RequestId, bool> executed;  // removals of view keys, and their answers; of this node alone

  // True: it is there now. False: what is there counts more, or as much.
  bool put(const User& user) { return users.replace_older(number, user); }
  bool put(const CatalogEntry& entry) { return catalog.replace_older(number, entry); }
  bool put(const Grant& grant) { return grants.replace_older(number, grant); }
  bool put(const Request& request) {
    const Request* known = requests.find(document_id(request));
    if (known != nullptr && !supersedes(request, *known)) return false;
    requests.write(number, request);
    return true;
  }
  bool put(const Receipt& receipt) {
    const Receipt* known = receipts.find(document_id(receipt));
    if (known != nullptr && (known->withdrawn || !receipt.withdrawn)) return false;
    receipts.write(number, receipt);
    return true;
  }
  bool put(const ViewKey& key) { return view_keys.insert(number, key); }
  // Whether it was there.
  bool take_back(const PublicKey& owner, const TakeOut& out) {
    if (const auto before = executed.find(out.request); before != executed.end()) return before->second;
    ViewKey key;
    key.owner = owner;
    std::tie(key.grant, key.serial) = out.place;
    return executed[out.request] = view_keys.remove(number, document_id(key), out.request);
  }
  bool take(const ViewKey& key, const RequestId& id) {
    if (const auto before = executed.find(id); before != executed.end()) return before->second;
    const ViewKey* there = view_keys.find(document_id(key));
    const bool another = there != nullptr && there->signature != key.signature;
    return executed[id] = !another && view_keys.remove(number, document_id(key), id);
  }

  CloudRecordList read(Reading reading, const PublicKey& user) const {
    const auto all = [](const auto&) { return true; };
    const auto of_user = [&](const auto& each) { return each.owner == user; };
    const auto to_user = [&](const auto& each) { return each.to == user; };
    switch (reading) {
      case Reading::kUsers:
        return users.read(all);
      case Reading::kOwnRequests:
        return requests.read(of_user);
      case Reading::kOwnGrants:
        return grants.read(of_user);
      case Reading::kCatalog:
        return catalog.read(all);
      case Reading::kOwnKeys:
        return view_keys.read(of_user);
      case Reading::kReceipts:
        return receipts.read(to_user);
      case Reading::kRequests:
        return requests.read(to_user);
      case Reading::kGrants:
        break;
    }
    return grants.read(to_user);
  }

  void merge(const CloudNode& other) {
    users.merge(other.users);
    catalog.merge(other.catalog);
    requests.merge(other.requests);
    grants.merge(other.grants);
    receipts.merge(other.receipts);
    view_keys.merge(other.view_keys);
  }
  bool holds_the_same(const CloudNode& other) const {
    return users == other.users && catalog == other.catalog && requests == other.requests && grants == other.grants &&
           receipts == other.receipts && view_keys == other.view_keys;
  }
};

}  // namespace distri::peer::test
