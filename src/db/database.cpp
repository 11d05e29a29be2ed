#include "distri/db/database.hpp"

namespace distri::db {

const Collection* Database::find(std::string_view name) const {
  const auto at = collections_.find(name);
  return at == collections_.end() ? nullptr : &at->second;
}

Collection* Database::find(std::string_view name) {
  const auto at = collections_.find(name);
  return at == collections_.end() ? nullptr : &at->second;
}

Collection& Database::open(std::string_view name) {
  if (Collection* existing = find(name)) return *existing;
  return collections_[std::string(name)];
}

bool Database::erase(std::string_view name) {
  const auto at = collections_.find(name);
  if (at == collections_.end()) return false;
  collections_.erase(at);
  return true;
}

}  // namespace distri::db
