// The bytes decide what is written to a collection, which indexes it has and what is asked of it: the answers must be
// those of the same collection without indexes, and the indexes whole after every step.
#include <cstdint>
#include <cstdio>

#include "../unit/db/index_model.hpp"
#include "choices.hpp"
#include "distri/utils/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  distri::fuzz::Choices choices(data, size);
  distri::test::IndexModel<distri::fuzz::Choices> model(choices);
  while (!choices.over()) {
    const std::string difference = model.step();
    if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
    DISTRI_CHECK(difference.empty());
  }
  return 0;
}
