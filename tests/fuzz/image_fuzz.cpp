// The parsers of the image service that see a stranger's bytes before OpenCV and libsodium do: image headers, the
// envelope, the low bits of a cover, stored PNGs and PNG chunks. Nothing may crash; what is read must be consistent;
// what is written must read back.
#include <cstdint>
#include <cstdlib>

#include "distri/services/envelope.hpp"
#include "distri/services/image_header.hpp"
#include "distri/services/low_bits.hpp"
#include "distri/services/png_stored.hpp"

namespace {

using namespace distri;            // NOLINT(google-build-using-namespace)
using namespace distri::services;  // NOLINT(google-build-using-namespace)

void require(bool condition) {
  if (!condition) std::abort();
}

void check_header(BytesView input) {
  const auto header = parse_image_header(input);
  if (!header) {
    require(header.error().code == Code::kInvalidArgument);
    return;
  }
  require(header->width > 0 && header->height > 0 && header->bytes_per_pixel > 0);
  require(header->width >> 32 == 0 && header->height >> 32 == 0 && header->pixels >= header->width * header->height);
  require(header->bytes_per_pixel <= 1024);
}

void check_envelope(BytesView input) {
  if (!has_envelope_magic(input)) return;
  const auto header = parse_envelope_header(input);
  if (!header) return;
  require(header->ciphertext_bytes > kTagBytes && header->ciphertext_bytes + kEnvelopeHeaderBytes <= input.size());
  require(write_envelope_header(*header) == input.substr(0, kEnvelopeHeaderBytes));
  // Nobody has made an envelope for this key.
  require(!open(input, *header, Key32{}).has_value());
}

void check_low_bits(BytesView input) {
  const auto found = find_in_low_bits(input);
  if (found) require(low_bits_pixels_needed(found->size(), kLowBitsMax) <= input.size() / 3);
  // The first half as a cover for the second.
  Bytes cover(input.substr(0, input.size() / 2));
  const BytesView payload = input.substr(input.size() / 2, input.size() / 8);
  if (hide_in_low_bits(cover, payload)) require(find_in_low_bits(cover).value() == payload);
}

void check_png(BytesView input) {
  static_cast<void>(check_png_chunks(input));
  if (const auto picture = read_stored_png(input)) {
    const Bytes again = write_stored_png(*picture);
    require(again.size() == input.size() && check_png_chunks(again).has_value());
    const auto back = read_stored_png(again);
    require(back && back->rgb == picture->rgb && back->width == picture->width && back->height == picture->height);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input(reinterpret_cast<const char*>(data), size);
  check_header(input);
  check_envelope(input);
  check_low_bits(input);
  check_png(input);
  return 0;
}
