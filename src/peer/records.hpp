// records.hpp: what peers say to each other, each a signed BSON document in a collection of the cloud.
//
//   users      User          _id = owner                          who I am called, and where I listen
//   catalog    CatalogEntry  _id = owner ":" name                 an image that I have
//   requests   Request       _id = owner ":" id (ids.hpp)         I ask for an image and a number of views
//   grants     Grant         _id = owner ":" id of the request    the answer of who has it
//   viewkeys   ViewKey       _id = owner ":" grant ":" serial     what opens the image once (in the cloud: in escrow)
//   receipts   Receipt       _id = owner ":" grant ":" serial ":" device   I have taken that view key, or have not
//   after all
//
// Every _id begins with its owner's key, so that nodes which know users let nobody else write it (ownerField "_id").
// `owner` is the key that signed the record, and the only one that may change it. A change has a higher `version`: of
// two valid records with one _id the higher version counts, so that an old one that is played again does no harm.
// Keys, ids and digests are lower-case hexadecimal strings in documents, `sig` and `sealed` are binary, times are
// milliseconds of wall time.
//
// The signature does not cover the document but an encoding of its own, under a context that names the kind: a database
// may keep fields in any order, and no record is valid as another kind. Fields that are not listed are not covered and
// not read. Records are replaced as a whole: an update of single fields could mix two versions (which no signature
// would fit).
//
// For each kind R: check(R) says whether the fields are within their rules; sign(R, key) makes `owner` and `signature`
// (precondition: check() of it holds); verify(R) is check() and the signature; to_document() and read_r() go to and
// from documents, the latter with verify().
//
// Threads: values. Errors: kInvalidArgument and kTooLarge name the record, the field and the rule; kUnauthenticated:
// the signature is not the owner's.
#pragma once

#include "distri/peer/consent_records.hpp"
#include "distri/peer/user_records.hpp"
#include "distri/peer/view_records.hpp"

namespace distri::peer {

inline constexpr std::string_view kUsersCollection = "users";
inline constexpr std::string_view kCatalogCollection = "catalog";
inline constexpr std::string_view kRequestsCollection = "requests";
inline constexpr std::string_view kGrantsCollection = "grants";
inline constexpr std::string_view kViewKeysCollection = "viewkeys";
inline constexpr std::string_view kReceiptsCollection = "receipts";

}  // namespace distri::peer
