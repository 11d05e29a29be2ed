// The bytes decide what is written to a collection, which indexes it has and what is asked of it: the answers must be
// those of the same collection without indexes, and the indexes whole after every step.
#include <cstdint>
#include <cstdio>

#include "../unit/db/index_model.hpp"
#include "distri/utils/check.hpp"

namespace {

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  distri::test::IndexModel<Choices> model(choices);
  while (!choices.over()) {
    const std::string difference = model.step();
    if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
    DISTRI_CHECK(difference.empty());
  }
  return 0;
}
