#include "distri/db/records.hpp"

#include <new>

namespace distri::db {

Records::~Records() {
  for (const Place& place : places_) destroy(place.node);
}

void Records::destroy(Node* node) {
  const std::size_t bytes = node_bytes(node->key_size);
  node->~Node();
  ::operator delete(node, bytes);
}

const Record* Records::record(std::string_view key) const {
  const auto at = places_.find(probe(key));
  return at == places_.end() ? nullptr : &at->node->record;
}

void Records::insert(std::string_view key, Record record) {
  void* memory = ::operator new(node_bytes(key.size()));
  Node* node = new (memory) Node{std::move(record), static_cast<std::uint32_t>(key.size())};
  std::memcpy(static_cast<void*>(node + 1), key.data(), key.size());
  places_.insert(Place{Prefix::of(key), node});
}

void Records::erase(const_iterator at) {
  Node* node = at.at_->node;
  places_.erase(at.at_);
  destroy(node);
}

}  // namespace distri::db
