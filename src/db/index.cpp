#include "distri/db/index.hpp"

#include <algorithm>

#include "distri/db/index_key.hpp"
#include "distri/db/language_error.hpp"
#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

using Fit = IndexKeys::Fit;

std::size_t memory_of(const std::string& bytes) {
  constexpr std::size_t kInPlace = 15;
  return bytes.size() > kInPlace ? bytes.size() + 1 : 0;
}

std::size_t memory_of(const IndexEntry& entry) {
  return sizeof(IndexEntry) + memory_of(entry.bytes);
}

IndexEntry entry_of(const std::string& key, std::string_view id_key, const Record* record = nullptr) {
  IndexEntry entry;
  entry.record = record;
  entry.bytes.reserve(key.size() + id_key.size());
  entry.bytes.append(key).append(id_key);
  entry.key_size = static_cast<std::uint32_t>(key.size());
  return entry;
}

}  // namespace

Index::Index(IndexDefinition definition, bool complete)
    : definition_(std::move(definition)), maker_(std::make_unique<IndexKeyMaker>(definition_.fields)) {
  if (!complete) position_.emplace();
  if (definition_.partial) {
    auto compiled = Filter::compile(*definition_.partial);
    DISTRI_CHECK(compiled.has_value());  // parse_index() compiled it
    partial_ = *std::move(compiled);
  }
}

Index::~Index() = default;

Index::Place Index::place_of(bson::View document, IndexKeys& keys) const {
  if (partial_) {
    const auto inside = partial_->check(document);
    if (!inside) return Place::kUnindexable;
    if (!*inside) return Place::kNowhere;
  }
  keys = maker_->keys_of(document);
  if (keys.fit != Fit::kFits) return Place::kUnindexable;
  return definition_.sparse && !keys.exists ? Place::kNowhere : Place::kEntries;
}

// Whether a neighbour of `at` has the same key.
bool Index::shares_key(Entries::const_iterator at) const {
  const std::string_view key = at->key();
  const auto next = std::next(at);
  if (next != entries_.end() && next->key() == key) return true;
  return at != entries_.begin() && std::prev(at)->key() == key;
}

void Index::insert(std::string_view id_key, const Record& record, Place place, const IndexKeys& keys) {
  if (place == Place::kNowhere) return;
  if (place == Place::kUnindexable) {
    const auto at = unindexable_.emplace(id_key).first;
    bytes_ += sizeof(std::string) + memory_of(*at);
    return;
  }
  for (const std::string& key : keys.keys) {
    const auto [at, added] = entries_.insert(entry_of(key, id_key, &record));
    DISTRI_CHECK(added);
    bytes_ += memory_of(*at);
    if (shares_key(at)) ++duplicates_;
  }
  multikey_documents_ += keys.multikey != 0 ? 1 : 0;
  for (std::size_t i = 0; i < definition_.fields.size(); ++i) multikey_[i] += keys.multikey >> i & 1u;
}

void Index::erase(std::string_view id_key, Place place, const IndexKeys& keys) {
  if (place == Place::kNowhere) return;
  if (place == Place::kUnindexable) {
    const auto at = unindexable_.find(id_key);
    DISTRI_CHECK(at != unindexable_.end());
    bytes_ -= sizeof(std::string) + memory_of(*at);
    unindexable_.erase(at);
    return;
  }
  for (const std::string& key : keys.keys) {
    const auto at = entries_.find(entry_of(key, id_key));
    DISTRI_CHECK(at != entries_.end());
    if (shares_key(at)) --duplicates_;
    bytes_ -= memory_of(*at);
    entries_.erase(at);
  }
  multikey_documents_ -= keys.multikey != 0 ? 1 : 0;
  for (std::size_t i = 0; i < definition_.fields.size(); ++i) multikey_[i] -= keys.multikey >> i & 1u;
}

void Index::add(std::string_view id_key, const Record& record) {
  if (!covers(id_key)) return;
  IndexKeys keys;
  const Place place = place_of(record.document, keys);
  insert(id_key, record, place, keys);
}

void Index::remove(std::string_view id_key, const Record& record) {
  if (!covers(id_key)) return;
  IndexKeys keys;
  const Place place = place_of(record.document, keys);
  erase(id_key, place, keys);
}

void Index::replace(std::string_view id_key, const Record& record, bson::View next) {
  if (!covers(id_key)) return;
  IndexKeys old_keys;
  IndexKeys new_keys;
  const Place old_place = place_of(record.document, old_keys);
  const Place new_place = place_of(next, new_keys);
  if (old_place == new_place) {
    if (old_place != Place::kEntries) return;
    if (old_keys.keys == new_keys.keys && old_keys.multikey == new_keys.multikey) return;
  }
  erase(id_key, old_place, old_keys);
  insert(id_key, record, new_place, new_keys);
}

std::size_t Index::visit(std::string_view id_key, const Record& record) {
  DISTRI_CHECK(!ready() && id_key > *position_);
  position_->assign(id_key);
  const std::size_t before = entries_.size();
  add(id_key, record);
  constexpr std::size_t kBytesOfOne = 4096;
  return std::max<std::size_t>(entries_.size() - before, 1) + record.document.bytes().size() / kBytesOfOne;
}

Result<> Index::check_document(bson::View document) const {
  IndexKeys keys;
  if (place_of(document, keys) != Place::kUnindexable || keys.fit != Fit::kParallelArrays) return {};
  return refuse(mongo::kCannotIndexParallelArrays, "index '{}': cannot index parallel arrays ['{}'] ['{}']",
                shown(definition_.name), shown(keys.parallel_a), shown(keys.parallel_b));
}

std::optional<std::string> Index::conflict(std::string_view id_key, bson::View document) const {
  IndexKeys keys;
  if (!definition_.unique || place_of(document, keys) != Place::kEntries) return std::nullopt;
  for (const std::string& key : keys.keys) {
    for (auto at = entries_.lower_bound(std::string_view(key)); at != entries_.end() && at->key() == key; ++at) {
      if (at->id_key() != id_key) return key;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Index::check(
    const std::function<void(const std::function<void(std::string_view, const Record&)>&)>& each) const {
  // A second index, made at once, must be the same.
  Index naive(definition_, true);
  each([&](std::string_view id_key, const Record& record) {
    if (covers(id_key)) naive.add(id_key, record);
  });
  const std::string& name = definition_.name;
  if (entries_.size() != naive.entries_.size()) {
    return fmt::format("index '{}': {} entries, it should have {}", name, entries_.size(), naive.entries_.size());
  }
  std::uint64_t duplicates = 0;
  std::string_view before;
  auto other = naive.entries_.cbegin();
  for (auto mine = entries_.cbegin(); mine != entries_.end(); ++mine, ++other) {
    if (mine->bytes != other->bytes || mine->key_size != other->key_size || mine->record != other->record) {
      return fmt::format("index '{}': an entry that does not belong to its document", name);
    }
    duplicates += mine != entries_.cbegin() && mine->key() == before ? 1 : 0;
    before = mine->key();
  }
  if (unindexable_ != naive.unindexable_) return fmt::format("index '{}': its list of unindexable documents", name);
  if (multikey_ != naive.multikey_ || multikey_documents_ != naive.multikey_documents_) {
    return fmt::format("index '{}': its counts of documents with arrays", name);
  }
  if (duplicates_ != duplicates) return fmt::format("index '{}': {} duplicates, not {}", name, duplicates_, duplicates);
  if (bytes_ != naive.bytes_) return fmt::format("index '{}': {} bytes, not {}", name, bytes_, naive.bytes_);
  return std::nullopt;
}

}  // namespace distri::db
