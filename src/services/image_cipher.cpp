#include "distri/services/image_cipher.hpp"

#include <sodium.h>

#include <cmath>

#include "distri/services/envelope.hpp"
#include "distri/services/image_header.hpp"
#include "distri/services/landscape.hpp"
#include "distri/services/low_bits.hpp"
#include "distri/services/opencv_codec.hpp"
#include "distri/services/png_stored.hpp"

namespace distri::services {
namespace {

// How much of a generated cover's channels is used: two bits cannot be seen, and the picture is as large as it need be.
constexpr unsigned kGeneratedCoverBits = 2;

struct SealingKey {
  Key32 key;
  EnvelopeHeader header;  // derivation, its costs and salt
};

Result<SealingKey> sealing_key(const ImageParams& params) {
  SealingKey result;
  if (params.key && params.passphrase)
    return fail(Code::kInvalidArgument, "give either a key or a passphrase, not both");
  if (params.key && !params.key->empty()) {
    result.key = *params.key;
    return result;
  }
  if (!params.passphrase) return fail(Code::kUnauthenticated, "a key or a passphrase is needed");
  result.header.derivation = KeyDerivation::kArgon2id;
  result.header.argon2_passes = params.limits.argon2_passes;
  result.header.argon2_memory_bytes = params.limits.argon2_memory_bytes;
  init_sodium();
  randombytes_buf(result.header.salt.data(), result.header.salt.size());
  DISTRI_TRY(result.key, derive_key(params.passphrase->view(), result.header.salt, result.header.argon2_passes,
                                    result.header.argon2_memory_bytes));
  return result;
}

Result<Key32> opening_key(const EnvelopeHeader& header, const ImageParams& params) {
  if (params.key && params.passphrase)
    return fail(Code::kInvalidArgument, "give either a key or a passphrase, not both");
  if (header.derivation == KeyDerivation::kNone) {
    if (params.passphrase)
      return fail(Code::kUnauthenticated, "this image was encrypted with a key, not with a passphrase");
    if (!params.key || params.key->empty()) return fail(Code::kUnauthenticated, "a key is needed");
    return *params.key;
  }
  if (!params.passphrase) {
    return fail(Code::kUnauthenticated, "this image was encrypted with a passphrase; give parameter 'passphrase'");
  }
  const ImageLimits& limits = params.limits;
  if (header.argon2_passes > limits.argon2_passes_max || header.argon2_memory_bytes > limits.argon2_memory_bytes_max) {
    return fail(Code::kTooLarge,
                "the image asks for {} passes over {} bytes to check its passphrase; at most {} over {} are allowed",
                header.argon2_passes, header.argon2_memory_bytes, limits.argon2_passes_max,
                limits.argon2_memory_bytes_max);
  }
  return derive_key(params.passphrase->view(), header.salt, header.argon2_passes, header.argon2_memory_bytes);
}

Result<Bytes> encrypt_to_noise(BytesView file, const SealingKey& sealing, const ImageLimits& limits) {
  const std::uint64_t pixels = (file.size() + kEnvelopeOverheadBytes + 2) / 3;
  if (pixels > limits.pixels_max) {
    return fail(Code::kTooLarge, "the image would become a PNG of {} pixels; at most {} are allowed", pixels,
                limits.pixels_max);
  }
  Picture picture;
  picture.width = static_cast<std::uint32_t>(std::ceil(std::sqrt(static_cast<double>(pixels))));
  picture.height = static_cast<std::uint32_t>((pixels + picture.width - 1) / picture.width);
  picture.rgb = seal(file, sealing.key, sealing.header, std::size_t{picture.width} * picture.height * 3);
  return write_stored_png(picture);
}

// The smallest size with the cover's proportions that has `pixels` pixels.
std::unexpected<Error> cover_too_small(const Picture& cover, std::uint64_t pixels) {
  const double ratio = static_cast<double>(cover.width) / cover.height;
  const auto width =
      std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(pixels) * ratio))), 1);
  return fail(Code::kInvalidArgument,
              "the cover of {}x{} pixels is too small for this image; a cover of at least {}x{} pixels would do",
              cover.width, cover.height, width, (pixels + width - 1) / width);
}

Result<Picture> cover_picture(const ImageParams& params, std::uint64_t envelope_bytes) {
  const ImageLimits& limits = params.limits;
  if (params.cover.empty()) {
    const std::uint64_t pixels = low_bits_pixels_needed(envelope_bytes, kGeneratedCoverBits);
    if (pixels > limits.pixels_max) {
      return fail(Code::kTooLarge, "hiding this image takes a cover of {} pixels; at most {} are allowed", pixels,
                  limits.pixels_max);
    }
    init_sodium();
    std::uint64_t seed = 0;
    randombytes_buf(&seed, sizeof seed);
    return make_landscape(pixels, seed);
  }
  const auto explain = [](Error error) { return fail(error.code, "parameter 'cover': {}", error.message); };
  if (params.cover.size() > limits.image_bytes_max) {
    return fail(Code::kTooLarge, "parameter 'cover' has {} bytes; at most {} are allowed", params.cover.size(),
                limits.image_bytes_max);
  }
  const auto header = parse_image_header(params.cover);
  if (!header) return explain(header.error());
  if (auto allowed = check_limits(*header, limits); !allowed) return explain(allowed.error());
  auto picture = decode_picture(params.cover, *header);
  if (!picture) return explain(picture.error());
  return picture;
}

Result<Bytes> encrypt_to_cover(BytesView file, const SealingKey& sealing, const ImageParams& params) {
  const std::size_t envelope_bytes = file.size() + kEnvelopeOverheadBytes;
  DISTRI_TRY(Picture cover, cover_picture(params, envelope_bytes));
  const std::uint64_t pixels_needed = low_bits_pixels_needed(envelope_bytes, kLowBitsMax);
  if (pixels_needed > std::uint64_t{cover.width} * cover.height) return cover_too_small(cover, pixels_needed);
  DISTRI_TRY_VOID(hide_in_low_bits(cover.rgb, seal(file, sealing.key, sealing.header, envelope_bytes)));
  return encode_png(cover);
}

// The pixels of what was handed to decrypt_image().
Result<Picture> read_pixels(BytesView png, const ImageLimits& limits) {
  const auto header = parse_image_header(png);
  if (!header) return fail(header.error());
  if (header->format != ImageFormat::kPng) {
    return fail(Code::kInvalidArgument,
                "this is a {} image; only the PNG that Encrypt made can be decrypted, and a picture that was converted "
                "to another "
                "format may have lost what it hid",
                image_format_name(header->format));
  }
  DISTRI_TRY_VOID(check_limits(*header, limits));
  if (auto picture = read_stored_png(png)) return *std::move(picture);
  DISTRI_TRY_VOID(check_png_chunks(png));
  return decode_exact_png(png, *header);
}

std::unexpected<Error> hides_nothing() {
  return fail(
      Code::kNotFound,
      "this picture hides nothing, or it was recompressed, resized or edited since, which destroys what it hid");
}

}  // namespace

Result<Bytes> encrypt_image(BytesView image_file, const ImageParams& params) {
  if (image_file.size() > params.limits.image_bytes_max) {
    return fail(Code::kTooLarge, "the image has {} bytes; at most {} are allowed", image_file.size(),
                params.limits.image_bytes_max);
  }
  DISTRI_TRY(const ImageHeader header, parse_image_header(image_file));
  DISTRI_TRY_VOID(check_limits(header, params.limits));
  DISTRI_TRY_VOID(check_decodes(image_file, header));
  DISTRI_TRY(const SealingKey sealing, sealing_key(params));
  if (params.style == ImageParams::Style::kNoise) return encrypt_to_noise(image_file, sealing, params.limits);
  return encrypt_to_cover(image_file, sealing, params);
}

Result<Bytes> decrypt_image(BytesView png, const ImageParams& params) {
  if (png.size() > params.limits.png_bytes_max) {
    return fail(Code::kTooLarge, "the PNG has {} bytes; at most {} are allowed", png.size(),
                params.limits.png_bytes_max);
  }
  auto picture = read_pixels(png, params.limits);
  if (!picture && picture.error().code == Code::kNotFound) return hides_nothing();
  if (!picture) return fail(picture.error());

  Bytes& envelope = picture->rgb;
  const bool noise = has_envelope_magic(envelope);
  if (!noise) {
    auto hidden = find_in_low_bits(envelope);
    if (!hidden || !has_envelope_magic(*hidden)) return hides_nothing();
    envelope = *std::move(hidden);
  }
  DISTRI_TRY(const EnvelopeHeader header, parse_envelope_header(envelope));
  // Either style fills its space exactly. Anything behind the contents was put there by somebody else.
  if (header.ciphertext_bytes != envelope.size() - kEnvelopeHeaderBytes) {
    return fail(Code::kDataLoss, "the image was tampered with or damaged: it holds more than its envelope claims");
  }
  if (header.ciphertext_bytes > params.limits.image_bytes_max + (std::uint64_t{1} << 20)) {
    return fail(Code::kTooLarge, "the image hides {} bytes; at most {} are allowed", header.ciphertext_bytes,
                params.limits.image_bytes_max);
  }
  DISTRI_TRY(const Key32 key, opening_key(header, params));
  return open(envelope, header, key);
}

}  // namespace distri::services
