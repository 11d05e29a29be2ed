// The bounds of the log.
#include "distri/replication/op_log.hpp"

#include "support.hpp"

namespace distri::replication::test {
namespace {

void append(OpLog& log, std::uint64_t counter, std::size_t bytes) {
  const std::uint64_t first = counter;
  log.append({ActorId{}, first, counter, std::make_shared<const Bytes>(bytes, 'x')});
}

}  // namespace

TEST_CASE("a log keeps its bound at once, and comes down to what is wanted little by little") {
  OpLog log(100'000);
  std::uint64_t counter = 0;
  for (int i = 0; i < 200; ++i) append(log, ++counter, 872);  // 1,000 with what an entry takes
  CHECK(log.bytes() == 100'000);
  CHECK(log.end_position() - log.first_position() == 100);
  log.want(20'000);
  CHECK(log.bytes() == 100'000);
  append(log, ++counter, 872);
  // One for the bound, sixteen for what is wanted.
  CHECK(log.bytes() == 84'000);
  for (int i = 0; i < 10; ++i) append(log, ++counter, 872);
  CHECK(log.bytes() == 20'000);
  VersionVector vector;
  vector.advance(ActorId{}, counter - 20);
  CHECK(log.reaches_back_to(vector));
  VersionVector older;
  older.advance(ActorId{}, counter - 21);
  CHECK_FALSE(log.reaches_back_to(older));
  // The newest stays, whatever its size.
  append(log, ++counter, 300'000);
  CHECK(log.end_position() - log.first_position() == 1);
  // What is wanted again is kept up to the bound.
  log.want(1'000'000);
  for (int i = 0; i < 200; ++i) append(log, ++counter, 872);
  CHECK(log.bytes() == 100'000);
}

}  // namespace distri::replication::test
