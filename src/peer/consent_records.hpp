// consent_records.hpp: who asks whom for what, and what the answer is (records.hpp).
#pragma once

#include <string>

#include "distri/bson/document.hpp"
#include "distri/peer/ids.hpp"
#include "distri/utils/hash.hpp"
#include "distri/utils/signing.hpp"

namespace distri::peer {

struct Request {
  GrantId id;            // made by `owner`
  PublicKey owner;       // who asks
  PublicKey to;          // who has it
  std::string resource;  // its name in the catalog of `to`
  std::uint32_t views = 1;
  std::int64_t made_ms = 0;
  bool withdrawn = false;
  std::uint64_t version = 1;
  Signature signature;
  bool operator==(const Request&) const = default;
};
Result<> check(const Request& request);
Request sign(Request request, const SigningKey& key);
Result<> verify(const Request& request);
std::string document_id(const Request& request);
bson::Document to_document(const Request& request);
Result<Request> read_request(bson::View document);
// Whether `request` counts more than `known`, of the same id. Withdrawing is for good: it counts more than what does
// not withdraw, whatever the versions (two devices of one user may not know of each other); else the higher version
// does.
bool supersedes(const Request& request, const Request& known);

// Which bytes a granted image is.
struct FileFacts {
  Hash256 digest{};                // SHA-256 of the file that was asked for
  Hash256 sealed_digest{};         // SHA-256 of the encrypted picture
  std::uint64_t sealed_bytes = 0;  // its size
  bool operator==(const FileFacts&) const = default;
};
// kInvalidArgument: a digest or the size is missing.
Result<> check(const FileFacts& file);

struct Grant {
  enum class State : std::uint8_t { kGranted = 1, kRefused = 2, kRevoked = 3 };
  GrantId id;       // of the request
  PublicKey owner;  // who has it
  PublicKey to;     // who asked
  std::string resource;
  State state = State::kGranted;
  std::uint32_t views = 0;  // all that this grant ever gave, also those that were used; 0 when refused
  FileFacts file;           // empty when refused
  std::uint64_t version = 1;
  Signature signature;
  bool operator==(const Grant&) const = default;
};
// "granted", "refused", "revoked"
std::string_view state_name(Grant::State state);
Result<> check(const Grant& grant);
Grant sign(Grant grant, const SigningKey& key);
Result<> verify(const Grant& grant);
std::string document_id(const Grant& grant);
bson::Document to_document(const Grant& grant);
Result<Grant> read_grant(bson::View document);

}  // namespace distri::peer
