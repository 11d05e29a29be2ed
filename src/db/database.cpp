#include "distri/db/database.hpp"

#include "distri/db/index.hpp"
#include "distri/db/index_catalog.hpp"

namespace distri::db {

const Collection* Database::find(std::string_view name) const {
  return find_for_writing(name);
}

Collection* Database::find_for_writing(std::string_view name) const {
  if (last_asked_ != nullptr && last_asked_->first == name) return &last_asked_->second;
  const auto at = collections_.find(name);
  if (at == collections_.end()) return nullptr;
  last_asked_ = &*at;
  return &at->second;
}

std::size_t Database::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, collection] : collections_) bytes += collection.bytes();
  return bytes;
}

Collection& Database::open_for_writing(std::string_view name) {
  if (Collection* existing = find_for_writing(name)) return *existing;
  Collection& made = collections_[std::string(name)];
  made.keep_insertion_order(options(name).cap.has_value());
  if (const Collection* catalog = find(kIndexCollection)) {
    auto at = catalog->records().lower_bound(catalog_key_begin(name));
    for (; at != catalog->records().end() && is_catalog_entry_of(name, at->second.document); ++at) {
      if (auto entry = read_catalog_entry(at->second.document)) made.create_index(std::move(entry->index));
    }
  }
  return made;
}

bool Database::erase(std::string_view name) {
  const auto at = collections_.find(name);
  if (at == collections_.end()) return false;
  if (name == kIndexCollection) {
    for (const auto& [key, record] : at->second.records()) undefine(record);
  }
  const bool options_go = name == kOptionsCollection;
  last_asked_ = nullptr;
  collections_.erase(at);
  if (options_go) {
    options_.clear();
    for (auto& [each, collection] : collections_) collection.keep_insertion_order(false);
  }
  return true;
}

void Database::put(std::string_view collection, std::string_view key, Record record) {
  put(collection, key, std::move(record), open_for_writing(collection).find(key));
}

void Database::put(std::string_view collection, std::string_view key, Record record, const Record* old) {
  Collection& target = open_for_writing(collection);
  if (collection == kOptionsCollection) set_options(record);
  if (collection != kIndexCollection) return target.put(key, std::move(record), old);
  // Replaced as a whole: the index it was goes, unless it is the same.
  if (old != nullptr) {
    const auto before = read_catalog_entry(old->document);
    const auto after = read_catalog_entry(record.document);
    const bool same =
        before && after && before->index.same_keys(after->index) && before->index.same_options_but_expiry(after->index);
    if (!same) undefine(*old);
  }
  define(record);
  target.put(key, std::move(record), old);
}

bool Database::erase_document(std::string_view collection, std::string_view key) {
  Collection* target = find_for_writing(collection);
  if (target == nullptr) return false;
  if (collection == kIndexCollection) {
    if (const Record* old = target->find(key)) undefine(*old);
  }
  if (collection == kOptionsCollection) {
    if (const Record* old = target->find(key)) forget_options(*old);
  }
  return target->erase(key);
}

void Database::define(const Record& definition) {
  auto entry = read_catalog_entry(definition.document);
  if (!entry) return;
  const std::pair place(entry->collection, entry->index.name);
  if (entry->index.expire_after_s) {
    expiring_.insert(place);
  } else {
    expiring_.erase(place);
  }
  Collection* collection = find_for_writing(entry->collection);
  if (collection == nullptr) return;
  if (collection->index(entry->index.name) != nullptr)
    return collection->set_expire_after(entry->index.name, entry->index.expire_after_s);
  building_ |= !collection->create_index(std::move(entry->index)).ready();
}

void Database::undefine(const Record& definition) {
  const auto entry = read_catalog_entry(definition.document);
  if (!entry) return;
  expiring_.erase(std::pair(entry->collection, entry->index.name));
  Collection* collection = find_for_writing(entry->collection);
  const auto index = collection == nullptr ? nullptr : collection->take_index(entry->index.name);
  if (index == nullptr) return;
  retired_.push_back(std::move(*index).release_entries());
  building_ = true;
}

const CollectionOptions& Database::options(std::string_view collection) const {
  static const CollectionOptions kPlain;
  const auto at = options_.find(collection);
  return at == options_.end() ? kPlain : at->second;
}

// The collection's name is the `_id`, which does not change.
void Database::set_options(const Record& entry) {
  const auto id = entry.document.view().find("_id");
  if (id && id->type() == bson::Type::kString) options_.erase(id->as_string());
  auto read = read_options(entry.document);
  if (read && !read->options.plain()) options_[read->collection] = std::move(read->options);
  if (id && id->type() == bson::Type::kString) follow_options(id->as_string());
}

void Database::follow_options(std::string_view collection) {
  if (Collection* found = find_for_writing(collection))
    found->keep_insertion_order(options(collection).cap.has_value());
}

void Database::forget_options(const Record& entry) {
  const auto id = entry.document.view().find("_id");
  if (!id || id->type() != bson::Type::kString) return;
  options_.erase(id->as_string());
  follow_options(id->as_string());
}

void Database::build_indexes(std::size_t budget) {
  if (!building_) return;
  constexpr std::size_t kFreedForOne = 8;
  while (budget > 0 && !retired_.empty()) {
    Index::Entries& entries = retired_.back();
    const std::size_t freed = std::min(entries.size(), budget * kFreedForOne);
    entries.erase(entries.begin(), std::next(entries.begin(), static_cast<std::ptrdiff_t>(freed)));
    budget -= std::min(budget, freed / kFreedForOne + 1);
    if (entries.empty()) retired_.pop_back();
  }
  if (budget == 0) return;
  for (auto& [name, collection] : collections_) {
    if (!collection.building_indexes()) continue;
    budget = collection.build_indexes(budget);
    if (budget == 0) return;
  }
  building_ = false;
}

std::optional<std::string> Database::check_indexes() const {
  std::size_t defined = 0;
  std::size_t expiring = 0;
  if (const Collection* catalog = find(kIndexCollection)) {
    for (const auto& [key, record] : catalog->records()) {
      const auto entry = read_catalog_entry(record.document);
      if (entry && entry->index.expire_after_s) ++expiring;
      const Collection* collection = entry ? find(entry->collection) : nullptr;
      if (collection == nullptr) continue;
      ++defined;
      const Index* index = collection->index(entry->index.name);
      if (index == nullptr || !index->definition().same_keys(entry->index) ||
          !index->definition().same_options(entry->index)) {
        return fmt::format("collection '{}': the index '{}' is not as defined", entry->collection, entry->index.name);
      }
      if (!index->ready() && !building_) return fmt::format("index '{}': nobody builds it", entry->index.name);
    }
  }
  for (const auto& [name, collection] : collections_) {
    defined -= collection.indexes().size();
    if ((collection.insertion_order() != nullptr) != options(name).cap.has_value())
      return fmt::format("collection '{}': it keeps the order of insertion, or does not, against its options", name);
    if (auto broken = collection.check_indexes()) return fmt::format("collection '{}': {}", name, *broken);
  }
  if (defined != 0) return "a collection has an index that nobody defined";
  if (expiring != expiring_.size()) return "the list of indexes by which documents expire is not as defined";
  std::size_t told = 0;
  if (const Collection* catalog = find(kOptionsCollection)) {
    for (const auto& [key, record] : catalog->records()) {
      const auto entry = read_options(record.document);
      if (!entry || entry->options.plain()) continue;
      ++told;
      if (!(options(entry->collection) == entry->options))
        return fmt::format("collection '{}': its options are not as defined", entry->collection);
    }
  }
  if (told != options_.size()) return "a collection has options that nobody defined";
  return std::nullopt;
}

}  // namespace distri::db
