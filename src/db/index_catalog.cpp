#include "distri/db/index_catalog.hpp"

#include "distri/bson/compare.hpp"

namespace distri::db {

std::string catalog_id(std::string_view collection, std::string_view index) {
  return fmt::format("{}/{}", collection, index);
}

bson::Document catalog_document(std::string_view collection, const IndexDefinition& index) {
  bson::Builder out;
  out.append_string("_id", catalog_id(collection, index.name));
  append_index(out, index);
  return std::move(out).finish();
}

Result<CatalogEntry> read_catalog_entry(bson::View document) {
  bson::Builder specification;
  for (const bson::Element& element : document) {
    if (element.key != "_id") specification.append_element(element);
  }
  DISTRI_TRY(auto index, parse_index(std::move(specification).finish()));
  const auto id = document.find("_id");
  const std::string_view text = id && id->type() == bson::Type::kString ? id->as_string() : std::string_view();
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || text.substr(slash + 1) != index.name ||
      !check_collection_name(text.substr(0, slash))) {
    return fail(Code::kInvalidArgument, "the _id of an index definition must be '<collection>/<name>'");
  }
  return CatalogEntry{std::string(text.substr(0, slash)), std::move(index)};
}

std::string catalog_key_begin(std::string_view collection) {
  bson::Builder out;
  out.append_string("_id", catalog_id(collection, ""));
  const bson::Document document = std::move(out).finish();
  return bson::order_key(document.view().begin()->value);
}

bool is_catalog_entry_of(std::string_view collection, bson::View document) {
  const auto id = document.find("_id");
  return id && id->type() == bson::Type::kString && id->as_string().starts_with(catalog_id(collection, ""));
}

}  // namespace distri::db
