#include "distri/utils/sealed_box.hpp"

#include <doctest/doctest.h>

#include <type_traits>

using namespace distri;

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes> && std::is_nothrow_move_assignable_v<SecretBytes>);

TEST_CASE("what is sealed for an identity is read by it alone, and no two boxes are the same") {
  const auto key = SigningKey::generate();
  const auto other = SigningKey::generate();
  for (const std::size_t size : {0, 1, 32, 1000}) {
    const auto secret = SecretBytes::random(size);
    const auto box = seal_for(key.public_key(), secret.view());
    REQUIRE(box);
    CHECK(box->size() == size + kSealBytes);
    CHECK(open_sealed(key, *box).value() == secret);
    CHECK(*box != *seal_for(key.public_key(), secret.view()));
    CHECK(open_sealed(other, *box).error().code == Code::kUnauthenticated);
  }
}

TEST_CASE("a box that was changed or cut is refused at every bit") {
  const auto key = SigningKey::generate();
  const Bytes box = seal_for(key.public_key(), "secret").value();
  for (std::size_t bit = 0; bit < 8 * box.size(); ++bit) {
    Bytes wrong = box;
    wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ (1 << (bit % 8)));
    const auto opened = open_sealed(key, wrong);
    CAPTURE(bit);
    CHECK((!opened && opened.error().code == Code::kUnauthenticated));
  }
  for (std::size_t size = 0; size < box.size(); ++size) {
    const auto opened = open_sealed(key, BytesView(box).substr(0, size));
    REQUIRE(!opened);
    CHECK(opened.error().code == (size < kSealBytes ? Code::kInvalidArgument : Code::kUnauthenticated));
  }
}

TEST_CASE("nothing is sealed for a key that nobody has") {
  PublicKey identity;  // the neutral element
  identity.bytes[0] = 1;
  PublicKey ones;
  ones.bytes.fill(0xff);
  for (const PublicKey& key : {PublicKey{}, identity, ones}) {
    const auto box = seal_for(key, "secret");
    REQUIRE(!box);
    CHECK(box.error().code == Code::kInvalidArgument);
    CHECK(box.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("secret bytes move, are copied on purpose only, and compare by content") {
  auto a = SecretBytes::random(32);
  CHECK(a.size() == 32);
  CHECK_FALSE(a == SecretBytes::random(32));
  const auto b = a.copy();
  CHECK(a == b);
  auto c = std::move(a);
  CHECK(c == b);
  c = SecretBytes("x");
  CHECK(c.view() == "x");
  CHECK_FALSE(c == b);
  CHECK(SecretBytes().empty());
  Bytes text = "secret";
  wipe(text);
  CHECK(text.empty());
}
