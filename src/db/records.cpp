#include "distri/db/records.hpp"

#include <limits>
#include <new>

#include "distri/utils/check.hpp"

namespace distri::db {

Records::~Records() {
  for (const Place& place : places_) destroy(place.node);
}

void Records::destroy(Node* node) {
  const std::size_t bytes = node_bytes(node->key().size());
  node->~Node();
  ::operator delete(node, bytes);
}

const Record* Records::record(std::string_view key) const {
  const auto at = places_.find(probe(key));
  return at == places_.end() ? nullptr : &at->node->record;
}

const Record& Records::insert(std::string_view key, Record record) {
  DISTRI_CHECK(key.size() <= std::numeric_limits<KeySize>::max());
  const auto size = static_cast<KeySize>(key.size());
  char* memory = static_cast<char*>(::operator new(node_bytes(size)));
  Node* node = new (memory) Node{std::move(record)};
  std::memcpy(memory + sizeof(Node), &size, sizeof size);
  std::memcpy(memory + sizeof(Node) + sizeof size, key.data(), size);
  places_.insert(Place{Prefix::of(key), node});
  return node->record;
}

void Records::erase(const_iterator at) {
  Node* node = at.at_->node;
  places_.erase(at.at_);
  destroy(node);
}

}  // namespace distri::db
