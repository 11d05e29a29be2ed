// The bytes decide on filters, updates and sorted reads, with and without indexes: what the compiled ones do must be
// what interpreters written for tests alone do.
#include <cstdint>
#include <cstdio>

#include "../unit/db/language_model.hpp"
#include "choices.hpp"
#include "distri/utils/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  distri::fuzz::Choices choices(data, size);
  distri::test::LanguageModel<distri::fuzz::Choices> model(choices);
  while (!choices.over()) {
    const std::uint64_t kind = choices.below(3);
    const std::string difference = kind == 0 ? model.try_filter() : kind == 1 ? model.try_update() : model.try_read();
    if (!difference.empty()) std::fprintf(stderr, "%s\n", difference.c_str());
    DISTRI_CHECK(difference.empty());
  }
  return 0;
}
