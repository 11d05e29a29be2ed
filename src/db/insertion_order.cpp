#include "distri/db/insertion_order.hpp"

#include "distri/utils/check.hpp"

namespace distri::db {
namespace {

// A place is longer than a string holds in itself.
std::size_t memory_of(std::string_view id_key) {
  return sizeof(std::string) + InsertionOrder::kStampBytes + id_key.size() + 1;
}

}  // namespace

std::string InsertionOrder::place_of(const Stamp& stamp, std::string_view id_key) {
  std::string place;
  place.reserve(kStampBytes + id_key.size());
  for (int shift = 56; shift >= 0; shift -= 8) place.push_back(static_cast<char>(stamp.hlc >> shift));
  place.append(stamp.actor.view()).append(id_key);
  return place;
}

void InsertionOrder::add(const Stamp& stamp, std::string_view id_key) {
  if (places_.insert(place_of(stamp, id_key)).second) bytes_ += memory_of(id_key);
}

void InsertionOrder::remove(const Stamp& stamp, std::string_view id_key) {
  const auto at = places_.find(place_of(stamp, id_key));
  DISTRI_CHECK(at != places_.end());
  places_.erase(at);
  bytes_ -= memory_of(id_key);
}

}  // namespace distri::db
