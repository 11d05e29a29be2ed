#include <doctest/doctest.h>

#include "distri/bson/json.hpp"
#include "random_document.hpp"

using namespace distri;
using namespace distri::bson;

namespace {

Bytes bytes_of(std::string_view hex) {
  return *from_hex(hex);
}

// Reads every byte that the view's values cover; under AddressSanitizer that is the check.
std::size_t touch(View view) {
  std::size_t sum = 0;
  for (const Element& element : view) {
    for (const char c : element.raw) sum += static_cast<unsigned char>(c);
    const Value& value = element.value;
    if (value.type() == Type::kObject || value.type() == Type::kArray) sum += touch(value.as_object());
    if (value.type() == Type::kCodeWithScope) sum += touch(value.code_scope());
  }
  return sum + to_json(view).size();
}

}  // namespace

TEST_CASE("every kind of damage has its own error") {
  struct Row {
    std::string hex;
    const char* why;
  };
  const Row rows[] = {
      {"", "does not fit"},
      {"05000000", "does not fit"},
      {"0500000001", "does not end with a zero byte"},
      {"0600000000", "length 6"},
      {"0400000000", "length 4"},
      {"050000000000", "there are 6"},
      {"ffffffff00", "length"},
      {"0600000000"
       "00",
       "ends before"},
      {"0700000010"
       "0000",
       "4 bytes does not fit"},
      {"0700000061"
       "6200",
       "no terminating zero"},
      {"0800000061"
       "620000",
       "0x61 is not a type"},
      {"0900000008"
       "61000200",
       "neither 0 nor 1"},
      {"0800000008"
       "610000",
       "does not fit"},
      {"0c00000010"
       "ff000100000000",
       "field name is not UTF-8"},
      {"0e00000002"
       "610002000000ff0000",
       "string is not UTF-8"},
      {"0d00000002"
       "6100010000000100",
       "does not end with a zero byte"},
      {"0d00000002"
       "6100000000000000",
       "length 0"},
      {"0d00000002"
       "6100020000000000",
       "length 2"},
      {"0d00000002"
       "6100ffffffff0000",
       "length 4294967295"},
      {"0d00000005"
       "6100010000000000",
       "binary value's length 1"},
      {"1100000005"
       "610004000000020100000000",
       "subtype 2"},
      {"0d00000003"
       "6100060000000000",
       "length 6"},
      {"0900000001"
       "61000000",
       "8 bytes does not fit"},
      {"090000000b"
       "61006200",
       "no terminating zero"},
      {"0d0000000f"
       "6100050000000000",
       "code with scope"},
  };
  for (const Row& row : rows) {
    const auto result = validate(bytes_of(row.hex));
    REQUIRE_MESSAGE(!result, row.hex);
    CHECK(result.error().code == Code::kInvalidArgument);
    CHECK_MESSAGE(result.error().message.find(row.why) != std::string::npos, row.hex << ": " << result.error().message);
    CHECK(result.error().message.find(" at byte ") != std::string::npos);
  }
}

TEST_CASE("depth is limited exactly") {
  const auto nested = [](int depth) {
    Builder builder;
    for (int i = 1; i < depth; ++i) i % 2 == 0 ? builder.begin_array("a") : builder.begin_object("0");
    for (int i = 1; i < depth; ++i) builder.end();
    return std::move(builder).finish();
  };
  CHECK(validate(nested(kDepthMax).bytes()));
  const auto deeper = validate(nested(kDepthMax + 1).bytes());
  REQUIRE_FALSE(deeper);
  CHECK(deeper.error().message.find("deeper than 100") != std::string::npos);
}

TEST_CASE("size is limited exactly, with the code for it") {
  const auto of_size = [](std::size_t size) {
    constexpr std::size_t kOverhead = 13;  // lengths, type, key, terminators
    Builder builder;
    builder.append_string("s", std::string(size - kOverhead, 'x'));
    return std::move(builder).finish();
  };
  REQUIRE(of_size(kDocumentBytesMax).bytes().size() == kDocumentBytesMax);
  CHECK(validate(of_size(kDocumentBytesMax).bytes()));
  const auto larger = validate(of_size(kDocumentBytesMax + 1).bytes());
  REQUIRE_FALSE(larger);
  CHECK(larger.error().code == Code::kTooLarge);
}

TEST_CASE("random documents are valid, and no beginning of one is") {
  Random random(11);
  for (int i = 0; i < 300; ++i) {
    const Bytes bytes = test::random_document(random).bytes();
    REQUIRE(validate(bytes));
    touch(View::trusted(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(validate(Bytes(bytes, 0, size)));
    CHECK_FALSE(validate(bytes + '\0'));
  }
}

TEST_CASE("whatever damaged documents are still accepted can be walked") {
  Random random(12);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Bytes original = test::random_document(random, 3).bytes();
    Bytes bytes = original;
    for (auto n = 1 + random.below(3); n > 0; --n)
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 << random.below(8));
    bytes.shrink_to_fit();
    if (const auto view = validate(bytes)) {
      ++accepted;
      touch(*view);
      CHECK(Document::parse(bytes).has_value());
    }
  }
  CHECK(accepted > 1000);
}
