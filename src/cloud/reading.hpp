// reading.hpp: a read that may be long, carried out in slices, so that other requests have their turns between them.
//
// Threads: the main thread. Errors: step().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

// What a reply shows.
struct Shown {
  std::uint64_t commit =
      0;               // that must be durable before the reply may be given, so that no crash takes it back; 0: none
  bool by_id = false;  // only documents that were asked for by `_id`: others are not concerned
};

class Preparation;

class Reading {
 public:
  virtual ~Reading() = default;

  // Goes on, and lessens `budget` by the steps that it took (about one for each document and every 64 bytes looked at);
  // nullopt: the budget is used up and there is more to do. Else the reply's body. Not to be called after that, or
  // after an error.
  virtual Result<std::optional<Bytes>> step(std::uint64_t& budget) = 0;
  // When it is done.
  virtual Shown shown() const = 0;
  // What it holds.
  virtual std::size_t bytes() const = 0;
  // nullptr: it is for its own sake.
  virtual Preparation* preparation() { return nullptr; }
};

// What must be read before a write can be carried out. The body of its reply is nothing; then the write takes it.
class Preparation : public Reading {
 public:
  Shown shown() const final { return {}; }
  Preparation* preparation() final { return this; }
};

// All of it at once.
Result<Bytes> to_the_end(Reading& reading);

}  // namespace distri::cloud
