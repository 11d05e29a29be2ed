#include "distri/peer/sealed_images.hpp"

#include "../services/sample_images.hpp"
#include "transfer_rig.hpp"

using namespace distri;
using namespace distri::peer;
using Style = services::ImageParams::Style;

namespace {

GrantId grant_number(unsigned char number) {
  GrantId id;
  id.bytes.fill(number);
  return id;
}

// A directory of sealed pictures.
struct Sealed {
  TemporaryFolder folder;
  BlobDirectory directory = BlobDirectory::open(folder.path()).value();

  Ledger::SealedImage seal(BytesView file, const GrantId& grant, Style style = Style::kNoise) {
    auto image = seal_image(file, net::sha256(file), grant, style, directory);
    REQUIRE_MESSAGE(image.has_value(), (image ? std::string() : to_string(image.error())));
    return *std::move(image);
  }
  Result<Bytes> open(const GrantId& grant, const Ledger::SealedImage& image) {
    return open(grant, image.file, image.key);
  }
  Result<Bytes> open(const GrantId& grant, const FileFacts& facts, const SecretBytes& key) {
    DISTRI_TRY(const Bytes picture, read_sealed(grant, facts, directory));
    return open_image(grant, picture, facts, key);
  }
  std::filesystem::path path_of(const GrantId& grant) const { return folder.path() / grant.hex(); }
};

}  // namespace

TEST_CASE("An image that was sealed for a grant is opened again byte for byte, in both styles and of every format") {
  Sealed sealed;
  unsigned char number = 0;
  for (const Style style : {Style::kNoise, Style::kCover}) {
    for (const char* const extension : {".jpg", ".png", ".webp", ".bmp", ".tiff"}) {
      CAPTURE(extension);
      const Bytes file = services::sample_image(extension, 60, 40, ++number);
      const auto image = sealed.seal(file, grant_number(number), style);
      CHECK(image.key.size() == kImageKeyBytes);
      CHECK(check(image.file));
      CHECK(image.file.digest == net::sha256(file));
      const Bytes picture = read_file(sealed.path_of(grant_number(number)));
      CHECK(image.file.sealed_bytes == picture.size());
      CHECK(image.file.sealed_digest == net::sha256(picture));
      // What lies on the disk is a picture, and the file is not in it.
      CHECK_FALSE(services::decode_mat(picture).empty());
      CHECK_FALSE(contains(picture, file.substr(0, 64)));
      CHECK((sealed.open(grant_number(number), image) == file));
      CHECK((sealed.open(grant_number(number), image) == file));
    }
  }
  CHECK(sealed.folder.names().size() == number);  // and nothing else
}

TEST_CASE("Every grant has a key of its own, and sealing again makes the earlier key useless") {
  Sealed sealed;
  const Bytes file = services::sample_image(".jpg", 60, 40);
  const auto first = sealed.seal(file, grant_number(1));
  const auto second = sealed.seal(file, grant_number(2));
  CHECK_FALSE(first.key == second.key);
  CHECK(first.file.sealed_digest != second.file.sealed_digest);

  const auto again = sealed.seal(file, grant_number(1));
  CHECK_FALSE(first.key == again.key);
  check_refused(sealed.open(grant_number(1), first), Code::kDataLoss, "fetch it again");
  check_refused(sealed.open(grant_number(1), again.file, first.key), Code::kUnauthenticated, "key");
  CHECK((sealed.open(grant_number(1), again) == file));
  CHECK((sealed.open(grant_number(2), second) == file));
}

TEST_CASE("A wrong key, and one that is none, open nothing") {
  Sealed sealed;
  for (const Style style : {Style::kNoise, Style::kCover}) {
    const auto image = sealed.seal(services::sample_image(".png", 60, 40), grant_number(1), style);
    const auto open_with = [&](const SecretBytes& key) { return sealed.open(grant_number(1), image.file, key); };
    check_refused(open_with(SecretBytes::random(kImageKeyBytes)), Code::kUnauthenticated, "key");
    check_refused(open_with(SecretBytes::zeros(kImageKeyBytes)), Code::kUnauthenticated, "key");
    for (const std::size_t size : {std::size_t{0}, kImageKeyBytes - 1, kImageKeyBytes + 1}) {
      check_refused(open_with(SecretBytes::random(size)), Code::kInvalidArgument, "32 bytes");
    }
    CHECK(open_with(image.key));
  }
}

TEST_CASE("Swapped pictures of two grants are found, whichever key comes with them") {
  Sealed sealed;
  const auto one = sealed.seal(services::sample_image(".png", 60, 40, 1), grant_number(1));
  const auto two = sealed.seal(services::sample_image(".png", 60, 40, 2), grant_number(2));
  std::filesystem::rename(sealed.path_of(grant_number(1)), sealed.folder.path() / "aside");
  std::filesystem::rename(sealed.path_of(grant_number(2)), sealed.path_of(grant_number(1)));
  std::filesystem::rename(sealed.folder.path() / "aside", sealed.path_of(grant_number(2)));
  check_refused(sealed.open(grant_number(1), one), Code::kDataLoss, grant_number(1).hex());
  check_refused(sealed.open(grant_number(2), two), Code::kDataLoss, "is not the picture that was granted");
  check_refused(sealed.open(grant_number(1), one.file, two.key), Code::kDataLoss, "granted");
}

TEST_CASE("An owner that says another digest than that of the image he sealed is found out") {
  Sealed sealed;
  const auto image = sealed.seal(services::sample_image(".png", 60, 40), grant_number(1));
  FileFacts other = image.file;
  other.digest = net::sha256("another image");
  check_refused(sealed.open(grant_number(1), other, image.key), Code::kDataLoss, "ask him again");
}

TEST_CASE("A picture that is damaged, cut short, longer or gone is an error that says what to do") {
  Sealed sealed;
  const auto image = sealed.seal(services::sample_image(".jpg", 60, 40), grant_number(1));
  const auto path = sealed.path_of(grant_number(1));
  const Bytes good = read_file(path);
  for (const std::size_t at : {std::size_t{0}, std::size_t{20}, good.size() / 2, good.size() - 1}) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_file(path, bad);
    check_refused(sealed.open(grant_number(1), image), Code::kDataLoss, "its digest is another");
  }
  write_file(path, good.substr(0, good.size() - 1));
  check_refused(sealed.open(grant_number(1), image), Code::kDataLoss, fmt::format("instead of {}", good.size()));
  write_file(path, good + "x");
  check_refused(sealed.open(grant_number(1), image), Code::kDataLoss, "fetch it again");
  write_file(path, "");
  check_refused(sealed.open(grant_number(1), image), Code::kDataLoss, "it has 0 bytes");
  std::filesystem::remove(path);
  check_refused(sealed.open(grant_number(1), image), Code::kNotFound, grant_number(1).hex());
  // One that is still coming is not there.
  write_file(path.string() + ".part", good);
  check_refused(sealed.open(grant_number(1), image), Code::kNotFound, grant_number(1).hex());
  std::filesystem::create_symlink(path.string() + ".part", path);
  check_refused(sealed.open(grant_number(1), image), Code::kInvalidArgument, "symbolic link");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  check_refused(sealed.open(grant_number(1), image), Code::kInvalidArgument, "not a regular file");
}

TEST_CASE("A grant of more bytes than can be opened is refused before anything is read") {
  Sealed sealed;
  auto image = sealed.seal(services::sample_image(".png", 60, 40), grant_number(1));
  image.file.sealed_bytes = services::ImageLimits{}.png_bytes_max + 1;
  std::filesystem::resize_file(sealed.path_of(grant_number(1)), image.file.sealed_bytes);
  check_refused(sealed.open(grant_number(1), image), Code::kTooLarge,
                std::to_string(services::ImageLimits{}.png_bytes_max));
}

TEST_CASE("What is no image, and one over a limit, are refused and leave an earlier picture as it is") {
  Sealed sealed;
  const Bytes file = services::sample_image(".jpg", 60, 40);
  const auto image = sealed.seal(file, grant_number(1));
  const auto seal = [&](BytesView bad) {
    return seal_image(bad, net::sha256(bad), grant_number(1), Style::kNoise, sealed.directory);
  };
  check_refused(seal(""), Code::kInvalidArgument, "empty");
  check_refused(seal("GIF89a, or so"), Code::kInvalidArgument, "known format");
  check_refused(seal(file.substr(0, 200)), Code::kInvalidArgument, "image");
  check_refused(seal(Bytes(services::ImageLimits{}.image_bytes_max + 1, 'x')), Code::kTooLarge,
                std::to_string(services::ImageLimits{}.image_bytes_max));
  // A header that claims more pixels than any decoder gets to see.
  Bytes bmp = services::sample_image(".bmp", 60, 40);
  bmp.replace(18, 8, Bytes("\x40\x9c\0\0\x40\x9c\0\0", 8));
  check_refused(seal(bmp), Code::kTooLarge, "40000x40000");
  CHECK(sealed.folder.names() == std::vector<std::string>{grant_number(1).hex()});
  CHECK((sealed.open(grant_number(1), image) == file));
}

TEST_CASE("A picture that is being fetched or sealed already is left alone") {
  Sealed sealed;
  auto part = sealed.directory.part_of(grant_number(1).hex());
  REQUIRE(part);
  CHECK(part->append("half of it"));
  const Bytes file = services::sample_image(".png", 60, 40);
  check_refused(seal_image(file, net::sha256(file), grant_number(1), Style::kNoise, sealed.directory), Code::kBusy,
                "another transfer");
  CHECK(part->bytes() == 10);
}
