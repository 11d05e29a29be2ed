// unique_check.hpp: have two documents of a collection the same key, in an index that is to be unique?
//
// In slices, between which the collection may change: what is written meanwhile may go unnoticed; what stays as it is
// does not, and nothing is reported that is no conflict when it is found.
// Threads: none. Errors: step().
#pragma once

#include <memory>

#include "distri/db/collection.hpp"
#include "distri/db/index_definition.hpp"

namespace distri::db {

class UniqueCheck {
 public:
  // Precondition: it is unique.
  explicit UniqueCheck(const IndexDefinition& definition);
  UniqueCheck(UniqueCheck&&) noexcept;
  UniqueCheck& operator=(UniqueCheck&&) noexcept;
  ~UniqueCheck();

  // Goes on, and lessens `budget` as FindRun::step() does. True: no two were found. nullptr: there is no collection.
  // kAlreadyExists, DuplicateKey (11000), with the `_id`s of two documents.
  Result<bool> step(const Collection* collection, std::uint64_t& budget);
  // What it holds, about.
  std::size_t bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace distri::db
