// index_catalog.hpp: index definitions as documents of the collection `system.indexes`.
//
// {_id: "<collection>/<name>", key: {...}, name: ..., options}. A collection's name has no '/', so the first one ends
// it.
//
// Threads: values; any. Errors: read_catalog_entry(): what is no definition.
#pragma once

#include <string>
#include <string_view>

#include "distri/db/index_definition.hpp"

namespace distri::db {

inline constexpr std::string_view kIndexCollection = "system.indexes";
inline constexpr std::size_t kIndexesMax = 64;  // of one collection, that a client may create

struct CatalogEntry {
  std::string collection;
  IndexDefinition index;
};

std::string catalog_id(std::string_view collection, std::string_view index);
bson::Document catalog_document(std::string_view collection, const IndexDefinition& index);
// kInvalidArgument.
Result<CatalogEntry> read_catalog_entry(bson::View document);

// The key of the catalog's first document for that collection, if there is one.
std::string catalog_key_begin(std::string_view collection);
// Whether it is one of that collection.
bool is_catalog_entry_of(std::string_view collection, bson::View document);

}  // namespace distri::db
