// choices.hpp: a fuzzer's bytes as a source of choices for a model.
#pragma once

#include <cstddef>
#include <cstdint>

namespace distri::fuzz {

// A number below the bound from the next byte, or 0 when there are no more.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  std::uint64_t below(std::uint64_t bound) { return at_ == end_ ? 0 : *at_++ % bound; }
  bool over() const { return at_ == end_; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace distri::fuzz
