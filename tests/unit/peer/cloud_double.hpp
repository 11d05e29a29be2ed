// cloud_double.hpp: the collections of a cloud as its nodes hold them, each of its own while they cannot reach each
// other. Merging is what distri's replication comes to for these records.
#pragma once

#include <map>
#include <string>

#include "distri/peer/records.hpp"

namespace distri::peer::test {

struct CloudNode {
  // A document that may have been deleted, and inserted again.
  struct Slot {
    int generation = 0;
    bool present = false;
    ViewKey key;
  };
  std::map<GrantId, Request> requests;
  std::map<GrantId, Grant> grants;
  std::map<std::string, Receipt> receipts;
  std::map<std::string, Slot> view_keys;

  void put(const Request& request) {
    const auto [found, fresh] = requests.emplace(request.id, request);
    if (!fresh && supersedes(request, found->second)) found->second = request;
  }
  void put(const Grant& grant) {
    const auto [found, fresh] = grants.emplace(grant.id, grant);
    if (!fresh && grant.version > found->second.version) found->second = grant;
  }
  void put(const Receipt& receipt) { receipts.emplace(document_id(receipt), receipt); }
  // Where there is none.
  void insert(const ViewKey& key) {
    Slot& slot = view_keys[document_id(key)];
    if (!slot.present) slot = {slot.generation + 1, true, key};
  }
  bool compare_and_delete(const std::string& id) {
    const auto found = view_keys.find(id);
    if (found == view_keys.end() || !found->second.present) return false;
    found->second.present = false;
    return true;
  }
  void merge(const CloudNode& other) {
    for (const auto& [id, request] : other.requests) put(request);
    for (const auto& [id, grant] : other.grants) put(grant);
    for (const auto& [id, receipt] : other.receipts) put(receipt);
    for (const auto& [id, theirs] : other.view_keys) {
      Slot& ours = view_keys[id];
      if (theirs.generation > ours.generation) ours = theirs;
      if (theirs.generation == ours.generation) ours.present = ours.present && theirs.present;
    }
  }
};

}  // namespace distri::peer::test
