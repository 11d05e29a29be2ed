#include "distri/cloud/reading.hpp"

#include <limits>

namespace distri::cloud {

Result<Bytes> to_the_end(Reading& reading) {
  for (;;) {
    auto budget = std::numeric_limits<std::uint64_t>::max();
    DISTRI_TRY(auto reply, reading.step(budget));
    if (reply) return *std::move(reply);
  }
}

}  // namespace distri::cloud
