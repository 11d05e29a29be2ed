// user_records.hpp: what a user says about himself and what he has (records.hpp).
#pragma once

#include <string>
#include <vector>

#include "distri/bson/document.hpp"
#include "distri/peer/ids.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/hash.hpp"
#include "distri/utils/signing.hpp"

namespace distri::peer {

struct User {
  PublicKey owner;
  std::string name;                // names.hpp; anybody may say to have any (contacts.hpp)
  std::vector<Address> addresses;  // where direct links are taken; none: only the cloud reaches him
  std::uint64_t version = 1;
  Signature signature;
  bool operator==(const User&) const = default;
};
Result<> check(const User& user);
User sign(User user, const SigningKey& key);
Result<> verify(const User& user);
bson::Document to_document(const User& user);
Result<User> read_user(bson::View document);

struct CatalogEntry {
  PublicKey owner;
  std::string name;         // names.hpp
  std::uint64_t bytes = 0;  // of the file
  Hash256 digest{};         // SHA-256 of the file
  std::string kind;         // "jpeg", "png", ...
  std::uint32_t width = 0;  // pixels
  std::uint32_t height = 0;
  std::int64_t modified_ms = 0;
  bool gone = false;  // the file was removed
  std::uint64_t version = 1;
  Signature signature;
  bool operator==(const CatalogEntry&) const = default;
};
Result<> check(const CatalogEntry& entry);
CatalogEntry sign(CatalogEntry entry, const SigningKey& key);
Result<> verify(const CatalogEntry& entry);
std::string document_id(const CatalogEntry& entry);
bson::Document to_document(const CatalogEntry& entry);
Result<CatalogEntry> read_catalog_entry(bson::View document);

}  // namespace distri::peer
