// image_params.hpp: what a caller of Encrypt and Decrypt may choose, and the limits a node sets.
//
// Requests come from strangers: every size, and every cost that a stranger's file can ask for, has a limit here.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "distri/services/key.hpp"
#include "distri/utils/bytes.hpp"

namespace distri::services {

struct ImageLimits {
  // The image file that goes into Encrypt or comes out of Decrypt, and a cover picture.
  std::uint64_t image_bytes_max = std::uint64_t{64} << 20;
  // The PNG that goes into Decrypt.
  std::uint64_t png_bytes_max = std::uint64_t{256} << 20;
  // Width times height of any picture that is decoded or made.
  std::uint64_t pixels_max = 100'000'000;
  // Pixels times bytes per pixel of any picture that is decoded.
  std::uint64_t decoded_bytes_max = 800'000'000;
  // Cost of a passphrase when encrypting (libsodium's "interactive" level), and the most that a file may ask of
  // Decrypt.
  std::uint32_t argon2_passes = 2;
  std::uint64_t argon2_memory_bytes = std::uint64_t{64} << 20;
  std::uint32_t argon2_passes_max = 4;
  std::uint64_t argon2_memory_bytes_max = std::uint64_t{256} << 20;
};

inline constexpr std::size_t kPassphraseBytesMax = 1024;

struct ImageParams {
  enum class Style {
    kNoise,  // the pixels are the ciphertext
    kCover,  // the ciphertext hides in the low bits of a cover picture
  };
  Style style = Style::kNoise;
  // At most one of the two; the functions of image_cipher.hpp refuse to work with neither.
  std::optional<Key32> key;
  std::optional<SecretText> passphrase;
  // An image file to hide in; empty: a landscape is generated. Decrypt ignores style and cover: it sees what it has
  // got.
  Bytes cover;
  ImageLimits limits;
};

struct ImageServiceConfig {
  // Used for requests that bring neither key nor passphrase. All zero: such requests are refused.
  Key32 service_key;
  ImageLimits limits;
};

// Reads the parameters of a request: "style" ("noise" or "cover"; a cover alone implies "cover"), "key" (64 hexadecimal
// digits), "passphrase" (1 to 1024 bytes), "cover" (base64 of an image file). Everything else is kInvalidArgument,
// naming the parameter. kTooLarge: cover over image_bytes_max. kUnauthenticated: no key, no passphrase and no service
// key.
Result<ImageParams> parse_image_params(const nlohmann::json& params, const ImageServiceConfig& config);

}  // namespace distri::services
