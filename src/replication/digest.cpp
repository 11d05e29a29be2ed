#include "distri/replication/digest.hpp"

#include "distri/utils/check.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::replication {

namespace {

using Words = std::array<std::uint64_t, 4>;

Words words_of(const Hash256& hash) {
  Words words{};
  for (std::size_t i = 0; i < hash.size(); ++i) words[i / 8] |= static_cast<std::uint64_t>(hash[i]) << (8 * (i % 8));
  return words;
}

void add_to(Words& sum, const Words& term) {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const std::uint64_t partial = sum[i] + term[i];
    const std::uint64_t total = partial + carry;
    carry = static_cast<std::uint64_t>(partial < sum[i]) | static_cast<std::uint64_t>(total < partial);
    sum[i] = total;
  }
}

// Two's complement: what must be added to take `term` away.
Words negated(const Words& term) {
  Words result{};
  for (std::size_t i = 0; i < term.size(); ++i) result[i] = ~term[i];
  add_to(result, Words{1, 0, 0, 0});
  return result;
}

}  // namespace

void Digest::add(const Hash256& member) {
  add_to(words_, words_of(member));
}
void Digest::remove(const Hash256& member) {
  add_to(words_, negated(words_of(member)));
}
void Digest::add(const Digest& other) {
  add_to(words_, other.words_);
}

std::string Digest::hex() const {
  return to_hex(bytes());
}

Bytes Digest::bytes() const {
  Bytes result;
  wire::Writer out(result);
  for (const std::uint64_t word : words_) out.u64(word);
  return result;
}

Digest Digest::from_bytes(BytesView thirty_two) {
  DISTRI_CHECK(thirty_two.size() == 32);
  Digest result;
  wire::Reader in(thirty_two);
  for (std::uint64_t& word : result.words_) word = in.u64();
  return result;
}

}  // namespace distri::replication
