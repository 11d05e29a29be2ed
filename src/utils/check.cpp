#include "distri/utils/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace distri {

void check_failed(std::string_view condition, std::string_view file, int line) {
  std::fprintf(stderr, "distri: invariant broken: %.*s (%.*s:%d)\n", static_cast<int>(condition.size()),
               condition.data(), static_cast<int>(file.size()), file.data(), line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace distri
