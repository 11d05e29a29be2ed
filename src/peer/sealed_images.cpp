#include "distri/peer/sealed_images.hpp"

#include <algorithm>

#include "distri/net/sha256.hpp"
#include "distri/services/image_cipher.hpp"

namespace distri::peer {
namespace {

// Precondition: kImageKeyBytes.
services::ImageParams params_with(const SecretBytes& key) {
  static_assert(kImageKeyBytes == services::Key32::kSize);
  services::ImageParams params;
  std::ranges::copy(key.view(), params.key.emplace().bytes.begin());
  return params;
}

std::unexpected<Error> not_the_granted_one(const std::string& what, std::string_view how) {
  return fail(Code::kDataLoss, "{} is not the picture that was granted: {}; remove it and fetch it again", what, how);
}

}  // namespace

Result<Bytes> read_sealed(const GrantId& grant, const FileFacts& facts, const BlobDirectory& sealed) {
  const std::string id = grant.hex();
  const std::string what = sealed.full_name(id);
  const std::uint64_t bytes_max = services::ImageLimits{}.png_bytes_max;
  if (facts.sealed_bytes > bytes_max) {
    return fail(Code::kTooLarge, "{} was granted with {} bytes; at most {} can be opened", what, facts.sealed_bytes,
                bytes_max);
  }
  DISTRI_TRY(const OpenFile file, sealed.open_whole(id));
  if (file.bytes != facts.sealed_bytes) {
    return not_the_granted_one(what, fmt::format("it has {} bytes instead of {}", file.bytes, facts.sealed_bytes));
  }
  DISTRI_TRY(Bytes png, read_at(what, file.descriptor, 0, static_cast<std::size_t>(file.bytes)));
  if (net::sha256(png) != facts.sealed_digest) return not_the_granted_one(what, "its digest is another");
  return png;
}

Result<Ledger::SealedImage> seal_image(BytesView file, const Hash256& digest, const GrantId& grant,
                                       services::ImageParams::Style style, const BlobDirectory& sealed) {
  SecretBytes key = SecretBytes::random(kImageKeyBytes);
  services::ImageParams params = params_with(key);
  params.style = style;
  DISTRI_TRY(const Bytes png, services::encrypt_image(file, params));
  DISTRI_TRY_VOID(sealed.write(grant.hex(), {png}));
  const FileFacts facts{.digest = digest, .sealed_digest = net::sha256(png), .sealed_bytes = png.size()};
  return Ledger::SealedImage{facts, std::move(key)};
}

Result<Bytes> open_image(const GrantId& grant, BytesView picture, const FileFacts& facts,
                         const SecretBytes& image_key) {
  if (image_key.size() != kImageKeyBytes) {
    return fail(Code::kInvalidArgument, "the key of a picture has {} bytes, which {} are not", kImageKeyBytes,
                image_key.size());
  }
  DISTRI_TRY(Bytes file, services::decrypt_image(picture, params_with(image_key)));
  if (net::sha256(file) == facts.digest) return file;
  return fail(
      Code::kDataLoss,
      "the picture of grant {} is the one that was granted, but the image in it is another than its owner says; ask "
      "him again",
      grant.hex());
}

}  // namespace distri::peer
