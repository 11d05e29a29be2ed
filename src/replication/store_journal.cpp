#include <algorithm>

#include "distri/bson/compare.hpp"
#include "distri/db/collection.hpp"
#include "distri/replication/journal_record.hpp"
#include "distri/replication/store.hpp"

namespace distri::replication {

namespace {

Bytes head_key(std::string_view collection) {
  return kCollectionRecord + std::string(collection);
}

}  // namespace

void Store::take_changes(JournalChanges& changes) {
  // By name, not by address: a simulation replays to the byte.
  std::sort(touched_.begin(), touched_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first->name, a.second) < std::tie(b.first->name, b.second);
  });
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  const Shelf* last = nullptr;
  for (const auto& [target, key] : touched_) {
    const db::Collection* documents = database_.find(target->name);
    if (target != last) {
      Bytes head;
      wire::Writer out(head);
      encode(out, target->stamps);
      out.u64(documents == nullptr ? 0 : documents->size());
      out.raw(target->digest.bytes());
      const Bytes record = head_key(target->name);
      changes.emplace_back(record, sealed(record, std::move(head)));
      last = target;
    }
    if (key.empty()) continue;
    const Bytes record = record_key(kStateRecord, target->name, key);
    Bytes body;
    wire::Writer out(body);
    const db::Record* live = documents == nullptr ? nullptr : documents->find(key);
    if (live != nullptr) {
      body.reserve(live->document.bytes().size() + 160);
      encode_state(out, key, ref(*live));
    } else if (const auto dead = target->tombstones.find(key); dead != target->tombstones.end()) {
      const db::Revision revision{dead->second.stamp, dead->second.dot, {}};
      encode_state(out, key, {&revision, std::nullopt});
    } else {
      changes.emplace_back(record, std::nullopt);
      continue;
    }
    changes.emplace_back(record, sealed(record, std::move(body)));
  }
  touched_.clear();
}

std::size_t Store::tombstones() const {
  std::size_t count = 0;
  for (const auto& [name, shelf] : shelves_) count += shelf->tombstones.size();
  return count;
}

Result<> Store::load_collection(BytesView key, BytesView body) {
  const std::string name(key.substr(1));
  wire::Reader in(body);
  const CollectionStamps stamps = decode_stamps(in);
  const std::uint64_t documents = in.u64();
  const BytesView digest = in.raw(32);
  if (!in.ok() || !in.at_end() || !db::check_stored_collection_name(name)) {
    return fail(Code::kDataLoss, "the head of collection '{}' is damaged", name);
  }
  promised_[name] = {Digest::from_bytes(digest), documents};
  Shelf& target = open(name);
  target.stamps = stamps;
  settle_existence(target, name);
  return {};
}

Result<> Store::load_state(BytesView key, BytesView body) {
  wire::Reader key_in(key.substr(1));
  const std::string name(key_in.bytes8());
  const BytesView document_key = key_in.rest();
  const auto found = shelves_.find(name);
  if (!key_in.ok() || found == shelves_.end()) {
    return fail(Code::kDataLoss, "a document belongs to collection '{}', which has no head", name);
  }
  wire::Reader in(body);
  auto state = decode_state(in);
  if (!state || !in.at_end() || state->first != document_key) {
    return fail(Code::kDataLoss, "a document of collection '{}' is damaged{}{}", name, state ? "" : ": ",
                state ? "" : state.error().message);
  }
  if (find(name, document_key) != nullptr) return fail(Code::kDataLoss, "collection '{}' has a document twice", name);
  put(*found->second, name, document_key, nullptr, std::move(state->second));
  return {};
}

void Store::touch_heads() {
  for (const auto& [name, shelf] : shelves_) touch(*shelf, {});
}

Result<> Store::finish_load(bool digests_fit) {
  for (const auto& [name, promised] : promised_) {
    const db::Collection* documents = database_.find(name);
    const std::uint64_t count = documents == nullptr ? 0 : documents->size();
    if (count != promised.documents || (digests_fit && !(digest(name) == promised.digest))) {
      return fail(Code::kDataLoss, "collection '{}' has {} documents whose digest is {}, but {} with {} were written",
                  name, count, digest(name).hex().substr(0, 16), promised.documents,
                  promised.digest.hex().substr(0, 16));
    }
  }
  promised_.clear();
  return {};
}

}  // namespace distri::replication
