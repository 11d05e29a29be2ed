// Everything that can be wrong with a request, and that each says so in its own words.
#include <doctest/doctest.h>

#include "distri/services/envelope.hpp"
#include "distri/services/image_cipher.hpp"
#include "distri/services/low_bits.hpp"
#include "distri/services/png_stored.hpp"
#include "distri/utils/random.hpp"
#include "sample_images.hpp"

namespace distri::services {
namespace {

template <class T>
void check_error(const Result<T>& result, Code code, std::string_view part) {
  REQUIRE_FALSE(result.has_value());
  CHECK(code_name(result.error().code) == code_name(code));
  CHECK_MESSAGE(result.error().message.find(part) != std::string::npos, result.error().message);
}

ImageParams cover_style() {
  ImageParams params = with_key();
  params.style = ImageParams::Style::kCover;
  return params;
}

// A noise PNG around an envelope of our own making.
Bytes noise_png(Bytes envelope) {
  envelope.resize((envelope.size() + 2) / 3 * 3);
  return write_stored_png({static_cast<std::uint32_t>(envelope.size() / 3), 1, envelope});
}

TEST_CASE("Encrypt refuses what is not an image") {
  check_error(encrypt_image("", with_key()), Code::kInvalidArgument, "is empty");
  check_error(encrypt_image("hello, world", with_key()), Code::kInvalidArgument, "not an image in a known format");
  check_error(encrypt_image(Bytes("GIF89a\x01\0\x01\0", 10), with_key()), Code::kInvalidArgument,
              "not an image in a known format");
  check_error(encrypt_image("\xff\xd8\xff\xe0", with_key()), Code::kInvalidArgument, "JPEG image's header is damaged");
}

TEST_CASE("Encrypt refuses images whose header is fine and whose rest is not") {
  for (const auto* extension : {".png", ".webp", ".tiff"}) {
    const Bytes file = sample_image(extension, 60, 40);
    CAPTURE(extension);
    check_error(encrypt_image(file.substr(0, file.size() / 2), with_key()), Code::kInvalidArgument, "");
  }
  Bytes flipped = sample_image(".png", 60, 40);
  flipped[flipped.size() / 2] ^= 1;
  check_error(encrypt_image(flipped, with_key()), Code::kInvalidArgument, "cannot be decoded");
}

TEST_CASE("Encrypt refuses a decompression bomb by its header") {
  Bytes png = sample_image(".png", 8, 8);
  png.replace(16, 8, Bytes("\0\0\xea\x60\0\0\xea\x60", 8));
  check_error(encrypt_image(png, with_key()), Code::kTooLarge, "60000x60000");
  Bytes bmp = sample_image(".bmp", 8, 8);
  bmp.replace(18, 8, Bytes("\x60\xea\0\0\x60\xea\0\0", 8));
  check_error(encrypt_image(bmp, with_key()), Code::kTooLarge, "60000x60000");
  Bytes jpeg = sample_image(".jpg", 8, 8);
  jpeg.replace(jpeg.find("\xff\xc0") + 5, 4, "\xea\x60\xea\x60");
  check_error(encrypt_image(jpeg, with_key()), Code::kTooLarge, "60000x60000");
  check_error(decrypt_image(png, with_key()), Code::kTooLarge, "60000x60000");
  ImageParams params = cover_style();
  params.cover = png;
  check_error(encrypt_image(sample_image(".png", 8, 8), params), Code::kTooLarge, "parameter 'cover'");
}

TEST_CASE("sizes over the limits are refused, and the limit is named") {
  ImageParams params = with_key();
  params.limits.image_bytes_max = 100;
  check_error(encrypt_image(sample_image(".bmp", 10, 10), params), Code::kTooLarge, "at most 100");
  params = with_key();
  params.limits.pixels_max = 99;
  check_error(encrypt_image(sample_image(".bmp", 10, 10), params), Code::kTooLarge, "at most 99 pixels");
  params = with_key();
  params.limits.decoded_bytes_max = 100;
  check_error(encrypt_image(sample_image(".bmp", 10, 10), params), Code::kTooLarge, "when decoded");
  params = with_key();
  params.limits.png_bytes_max = 10;
  check_error(decrypt_image(sample_image(".png", 10, 10), params), Code::kTooLarge, "at most 10 are allowed");
  params = cover_style();
  params.limits.pixels_max = 3000;
  check_error(encrypt_image(encode(".bmp", sample_mat(50, 50, 1)), params), Code::kTooLarge, "takes a cover of");
}

TEST_CASE("without any key nothing is encrypted or decrypted") {
  const Bytes file = sample_image(".png", 10, 10);
  const Bytes png = encrypt_image(file, with_key()).value();
  check_error(encrypt_image(file, ImageParams{}), Code::kUnauthenticated, "a key or a passphrase is needed");
  check_error(decrypt_image(png, ImageParams{}), Code::kUnauthenticated, "a key is needed");
  ImageParams both = with_passphrase("x");
  both.key = with_key().key;
  check_error(encrypt_image(file, both), Code::kInvalidArgument, "not both");
  check_error(decrypt_image(png, both), Code::kInvalidArgument, "not both");
}

TEST_CASE("a cover that is too small says how large one would do, and that one does") {
  const Bytes file = encode(".bmp", sample_mat(40, 40, 1));
  ImageParams params = cover_style();
  params.cover = sample_image(".png", 30, 20);
  const auto result = encrypt_image(file, params);
  check_error(result, Code::kInvalidArgument, "a cover of at least ");
  int width = 0, height = 0;
  const auto at = result.error().message.find("at least ");
  REQUIRE(std::sscanf(result.error().message.c_str() + at, "at least %dx%d", &width, &height) == 2);
  params.cover = sample_image(".png", width, height);
  const auto png = encrypt_image(file, params);
  REQUIRE(png);
  CHECK(decrypt_image(*png, params).value() == file);
  params.cover = sample_image(".png", width - 1, height - 1);
  check_error(encrypt_image(file, params), Code::kInvalidArgument, "too small");
}

TEST_CASE("a cover that is not an image is refused as the cover") {
  ImageParams params = cover_style();
  params.cover = "not an image";
  check_error(encrypt_image(sample_image(".png", 9, 9), params), Code::kInvalidArgument,
              "parameter 'cover': this is not an image");
  params.cover = sample_image(".png", 30, 30).substr(0, 200);
  check_error(encrypt_image(sample_image(".png", 9, 9), params), Code::kInvalidArgument, "parameter 'cover': ");
}

TEST_CASE("a wrong key and a wrong passphrase are told apart from damage") {
  const Bytes file = sample_image(".jpg", 30, 30);
  for (const auto style : {ImageParams::Style::kNoise, ImageParams::Style::kCover}) {
    ImageParams params = with_key();
    params.style = style;
    check_error(decrypt_image(encrypt_image(file, params).value(), with_key(8)), Code::kUnauthenticated, "wrong key");
    params = with_passphrase("one");
    params.style = style;
    const Bytes png = encrypt_image(file, params).value();
    check_error(decrypt_image(png, with_passphrase("two")), Code::kUnauthenticated, "wrong key or passphrase");
    check_error(decrypt_image(png, with_key()), Code::kUnauthenticated, "encrypted with a passphrase");
  }
  check_error(decrypt_image(encrypt_image(file, with_key()).value(), with_passphrase("one")), Code::kUnauthenticated,
              "encrypted with a key");
}

TEST_CASE("Decrypt refuses what is no PNG") {
  check_error(decrypt_image("", with_key()), Code::kInvalidArgument, "is empty");
  check_error(decrypt_image("hello", with_key()), Code::kInvalidArgument, "not an image");
  const cv::Mat pixels = decode_mat(encrypt_image(sample_image(".jpg", 30, 30), with_key()).value());
  check_error(decrypt_image(encode(".jpg", pixels), with_key()), Code::kInvalidArgument, "this is a JPEG image");
}

TEST_CASE("a picture that hides nothing, or was recompressed, says so") {
  const std::string_view text = "hides nothing, or it was recompressed";
  check_error(decrypt_image(sample_image(".png", 50, 50), with_key()), Code::kNotFound, text);
  check_error(decrypt_image(sample_image(".png", 1, 1), with_key()), Code::kNotFound, text);
  check_error(decrypt_image(encode(".png", sample_mat(20, 20, 1, CV_8UC1)), with_key()), Code::kNotFound, text);
  check_error(decrypt_image(encode(".png", sample_mat(20, 20, 1, CV_16UC3)), with_key()), Code::kNotFound, text);
  for (const auto style : {ImageParams::Style::kNoise, ImageParams::Style::kCover}) {
    ImageParams params = with_key();
    params.style = style;
    const cv::Mat pixels = decode_mat(encrypt_image(sample_image(".jpg", 90, 90), params).value());
    const cv::Mat recompressed = decode_mat(encode(".jpg", pixels), cv::IMREAD_COLOR);
    check_error(decrypt_image(encode(".png", recompressed), params), Code::kNotFound, text);
    cv::Mat resized;
    cv::resize(pixels, resized, {}, 0.9, 0.9);
    check_error(decrypt_image(encode(".png", resized), params), Code::kNotFound, text);
  }
}

TEST_CASE("a change of any byte of noise pixels is an error") {
  const Bytes file = sample_image(".jpg", 2, 2);
  const Bytes png = encrypt_image(file, with_key()).value();
  const Picture picture = read_stored_png(png).value();
  std::size_t tampered = 0, wrong_key = 0;
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
    for (const int bit : {0x01, 0x80}) {
      Picture changed = picture;
      changed.rgb[i] = static_cast<char>(changed.rgb[i] ^ bit);
      const auto result = decrypt_image(write_stored_png(changed), with_key());
      REQUIRE_FALSE(result.has_value());
      if (result.error().code == Code::kDataLoss) ++tampered;
      if (result.error().code == Code::kUnauthenticated) ++wrong_key;
      if (i >= kEnvelopeHeaderBytes) CHECK(result.error().code == Code::kDataLoss);
    }
  }
  CHECK(tampered > 2 * (picture.rgb.size() - kEnvelopeHeaderBytes));
  // Nonce and key check, and the bit that says "made with a passphrase".
  CHECK(wrong_key == 2 * (24 + 16) + 1);
}

TEST_CASE("a change of any byte of the PNG file never gives wrong bytes") {
  const Bytes file = sample_image(".jpg", 2, 2);
  for (const auto style : {ImageParams::Style::kNoise, ImageParams::Style::kCover}) {
    ImageParams params = with_key();
    params.style = style;
    const Bytes png = encrypt_image(file, params).value();
    for (std::size_t i = 0; i < png.size(); ++i) {
      Bytes changed = png;
      changed[i] = static_cast<char>(changed[i] ^ (1 << i % 8));
      const auto result = decrypt_image(changed, params);
      if (result) CHECK(*result == file);
    }
  }
}

TEST_CASE("a PNG that is cut anywhere is an error") {
  const Bytes file = sample_image(".jpg", 2, 2);
  for (const auto style : {ImageParams::Style::kNoise, ImageParams::Style::kCover}) {
    ImageParams params = with_key();
    params.style = style;
    const Bytes png = encrypt_image(file, params).value();
    for (std::size_t size = 0; size < png.size(); size += 1 + size / 40) {
      CHECK_FALSE(decrypt_image(BytesView(png).substr(0, size), params).has_value());
    }
    check_error(decrypt_image(BytesView(png).substr(0, png.size() - 20), params), Code::kDataLoss, "cut short");
  }
}

TEST_CASE("an unknown envelope version and key derivation have their own errors") {
  const Bytes envelope = seal("file", *with_key().key, {}, 300);
  Bytes changed = envelope;
  changed[8] = 9;
  check_error(decrypt_image(noise_png(changed), with_key()), Code::kInvalidArgument, "envelope version 9 is unknown");
  changed = envelope;
  changed[9] = 2;
  check_error(decrypt_image(noise_png(changed), with_key()), Code::kInvalidArgument, "key derivation 2 is unknown");
}

TEST_CASE("an image cannot make Decrypt spend more on a passphrase than the limits say") {
  EnvelopeHeader header;
  header.derivation = KeyDerivation::kArgon2id;
  header.argon2_passes = 1;
  header.argon2_memory_bytes = std::uint64_t{1} << 40;
  check_error(decrypt_image(noise_png(seal("file", Key32{}, header, 300)), with_passphrase("x")), Code::kTooLarge,
              "1099511627776");
  header.argon2_passes = 4'000'000'000;
  header.argon2_memory_bytes = 8192;
  check_error(decrypt_image(noise_png(seal("file", Key32{}, header, 300)), with_passphrase("x")), Code::kTooLarge,
              "4000000000 passes");
  header.argon2_passes = 0;
  check_error(decrypt_image(noise_png(seal("file", Key32{}, header, 300)), with_passphrase("x")),
              Code::kInvalidArgument, "Argon2id cannot run");
}

TEST_CASE("an envelope that claims more or less than there is, is damaged") {
  Bytes envelope = seal("file", *with_key().key, {}, 300);
  check_error(decrypt_image(noise_png(envelope + "xxx"), with_key()), Code::kDataLoss, "more than its envelope claims");
  check_error(decrypt_image(noise_png(envelope.substr(0, 240)), with_key()), Code::kDataLoss, "damaged or cut");
  check_error(decrypt_image(noise_png(envelope.substr(0, 60)), with_key()), Code::kDataLoss, "ends within");
}

TEST_CASE("random files are refused in good order") {
  Random random(4);
  for (int i = 0; i < 300; ++i) {
    const std::string_view magic =
        std::array<std::string_view, 4>{"", "\xff\xd8\xff\xc0", "BM", "II*"}[random.below(4)];
    Bytes file(magic);
    for (std::uint64_t n = random.below(400); n > 0; --n) file.push_back(static_cast<char>(random.next()));
    static_cast<void>(encrypt_image(file, with_key()));
    CHECK_FALSE(decrypt_image(file, with_key()).has_value());
  }
}

}  // namespace
}  // namespace distri::services
