#include "distri/services/image_header.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "distri/services/png_stored.hpp"

namespace distri::services {
namespace {

// Reads integers of either byte order at any offset; nothing when they lie outside the file.
class Reader {
 public:
  Reader(BytesView bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<std::uint64_t> integer(std::uint64_t at, unsigned size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return std::nullopt;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(bytes_[at + (big_endian_ ? i : size - 1 - i)]);
      value = value << 8 | byte;
    }
    return value;
  }

 private:
  BytesView bytes_;
  bool big_endian_;
};

std::unexpected<Error> bad_header(ImageFormat format, std::string_view why) {
  return fail(Code::kInvalidArgument, "the {} image's header is damaged: {}", image_format_name(format), why);
}

Result<ImageHeader> finish(ImageFormat format, std::uint64_t width, std::uint64_t height,
                           std::uint64_t bytes_per_pixel) {
  constexpr std::uint64_t kSideMax = std::numeric_limits<std::uint32_t>::max();
  if (width == 0 || height == 0) return bad_header(format, "width or height is zero");
  if (width > kSideMax || height > kSideMax) return bad_header(format, "width or height is beyond 32 bits");
  return ImageHeader{format, width, height, width * height, std::max<std::uint64_t>(bytes_per_pixel, 1)};
}

Result<ImageHeader> parse_jpeg(BytesView file) {
  const Reader reader(file, true);
  std::uint64_t at = 2;
  while (true) {
    // To the next marker as libjpeg does it: over anything up to 0xff, then over fill bytes.
    at = file.find('\xff', at);
    if (at != BytesView::npos) at = file.find_first_not_of('\xff', at);
    if (at == BytesView::npos) return bad_header(ImageFormat::kJpeg, "it ends before the frame header");
    const auto marker = static_cast<unsigned char>(file[at++]);
    const bool stands_alone = marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    if (stands_alone) continue;
    if (marker == 0xd9 || marker == 0xda) return bad_header(ImageFormat::kJpeg, "it has no frame header");
    const auto length = reader.integer(at, 2);
    if (!length || *length < 2) return bad_header(ImageFormat::kJpeg, "a segment is cut short");
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame) {
      const auto height = reader.integer(at + 3, 2);
      const auto width = reader.integer(at + 5, 2);
      const auto components = reader.integer(at + 7, 1);
      if (!height || !width || !components) return bad_header(ImageFormat::kJpeg, "the frame header is cut short");
      // Progressive files are collected as 16-bit coefficients before pixels appear.
      return finish(ImageFormat::kJpeg, *width, *height, 2 * *components);
    }
    at += *length;
  }
}

Result<ImageHeader> parse_png(BytesView file) {
  const Reader reader(file, true);
  if (file.size() < 16 || file.substr(12, 4) != "IHDR")
    return bad_header(ImageFormat::kPng, "it does not start with IHDR");
  const auto width = reader.integer(16, 4);
  const auto height = reader.integer(20, 4);
  const auto depth = reader.integer(24, 1);
  const auto colour = reader.integer(25, 1);
  if (!width || !height || !depth || !colour) return bad_header(ImageFormat::kPng, "IHDR is cut short");
  const std::uint64_t channels = *colour == 0 ? 1 : *colour == 4 ? 2 : *colour == 2 ? 3 : 4;
  return finish(ImageFormat::kPng, *width, *height, channels * (*depth == 16 ? 2 : 1));
}

Result<ImageHeader> parse_webp(BytesView file) {
  const Reader reader(file, false);
  const auto damaged = [](std::string_view why) { return bad_header(ImageFormat::kWebp, why); };
  const BytesView chunk = file.substr(std::min<std::size_t>(12, file.size()), 4);
  if (chunk == "VP8 ") {
    const auto start_code = reader.integer(23, 3);
    const auto width = reader.integer(26, 2);
    const auto height = reader.integer(28, 2);
    if (!start_code || !width || !height) return damaged("the frame header is cut short");
    if (*start_code != 0x2a019d) return damaged("the frame has no start code");
    return finish(ImageFormat::kWebp, *width & 0x3fff, *height & 0x3fff, 4);
  }
  if (chunk == "VP8L") {
    const auto signature = reader.integer(20, 1);
    const auto sizes = reader.integer(21, 4);
    if (!signature || !sizes) return damaged("the frame header is cut short");
    if (*signature != 0x2f) return damaged("the lossless frame has no signature");
    return finish(ImageFormat::kWebp, (*sizes & 0x3fff) + 1, (*sizes >> 14 & 0x3fff) + 1, 4);
  }
  if (chunk == "VP8X") {
    const auto width = reader.integer(24, 3);
    const auto height = reader.integer(27, 3);
    if (!width || !height) return damaged("the extended header is cut short");
    return finish(ImageFormat::kWebp, *width + 1, *height + 1, 4);
  }
  return damaged("the first chunk is none of VP8, VP8L and VP8X");
}

Result<ImageHeader> parse_bmp(BytesView file) {
  const Reader reader(file, false);
  const auto header_bytes = reader.integer(14, 4);
  if (!header_bytes) return bad_header(ImageFormat::kBmp, "it is cut short");
  if (*header_bytes == 12) {
    const auto width = reader.integer(18, 2);
    const auto height = reader.integer(20, 2);
    if (!width || !height) return bad_header(ImageFormat::kBmp, "it is cut short");
    return finish(ImageFormat::kBmp, *width, *height, 4);
  }
  const auto width = reader.integer(18, 4);
  const auto height = reader.integer(22, 4);
  if (!width || !height) return bad_header(ImageFormat::kBmp, "it is cut short");
  if (*width >> 31 != 0) return bad_header(ImageFormat::kBmp, "the width is negative");
  // A negative height means rows from the top.
  const std::uint64_t rows = *height >> 31 != 0 ? (std::uint64_t{1} << 32) - *height : *height;
  return finish(ImageFormat::kBmp, *width, rows, 4);
}

// One IFD of a TIFF. Classic and big files differ in the widths of counts and offsets only.
struct TiffLayout {
  unsigned count_bytes;  // of the number of entries
  unsigned entry_bytes;
  unsigned value_bytes;  // of an entry's count and of its value or offset
  std::uint64_t ifd_at;
};

std::optional<TiffLayout> tiff_layout(const Reader& reader) {
  const auto version = reader.integer(2, 2);
  if (version == 42) {
    const auto ifd_at = reader.integer(4, 4);
    if (ifd_at) return TiffLayout{2, 12, 4, *ifd_at};
  } else if (version == 43) {
    const auto ifd_at = reader.integer(8, 8);
    if (ifd_at && reader.integer(4, 2) == 8) return TiffLayout{8, 20, 8, *ifd_at};
  }
  return std::nullopt;
}

// The first value of the entry at `at`; nothing for types that sizes do not come in.
std::optional<std::uint64_t> tiff_value(const Reader& reader, const TiffLayout& layout, std::uint64_t at) {
  const auto type = reader.integer(at + 2, 2);
  const auto count = reader.integer(at + 4, layout.value_bytes);
  if (!type || !count || *count == 0) return std::nullopt;
  const unsigned size = *type == 1 ? 1 : *type == 3 ? 2 : *type == 4 ? 4 : *type == 16 ? 8 : 0;
  if (size == 0) return std::nullopt;
  std::uint64_t value_at = at + 4 + layout.value_bytes;
  if (*count > layout.value_bytes / size) {
    const auto offset = reader.integer(value_at, layout.value_bytes);
    if (!offset) return std::nullopt;
    value_at = *offset;
  }
  return reader.integer(value_at, size);
}

Result<ImageHeader> parse_tiff(BytesView file) {
  constexpr std::uint64_t kEntriesMax = 4096;
  constexpr std::uint64_t kSideMax = std::numeric_limits<std::uint32_t>::max();
  const auto damaged = [](std::string_view why) { return bad_header(ImageFormat::kTiff, why); };
  const Reader reader(file, file.starts_with("MM"));
  const auto layout = tiff_layout(reader);
  if (!layout) return damaged("it is cut short");
  const auto entries = reader.integer(layout->ifd_at, layout->count_bytes);
  if (!entries) return damaged("the first directory lies outside the file");
  if (*entries > kEntriesMax) return damaged("the first directory has more than 4096 entries");
  std::uint64_t width = 0, height = 0, bits = 1, samples = 1, strip_rows = 0, tile_width = 0, tile_height = 0;
  for (std::uint64_t i = 0; i < *entries; ++i) {
    const std::uint64_t at = layout->ifd_at + layout->count_bytes + i * layout->entry_bytes;
    const auto tag = reader.integer(at, 2);
    if (!tag) return damaged("the first directory is cut short");
    std::uint64_t* field = *tag == 256   ? &width
                           : *tag == 257 ? &height
                           : *tag == 258 ? &bits
                           : *tag == 277 ? &samples
                           : *tag == 278 ? &strip_rows
                           : *tag == 322 ? &tile_width
                           : *tag == 323 ? &tile_height
                                         : nullptr;
    if (field == nullptr) continue;
    const auto value = tiff_value(reader, *layout, at);
    if (!value) return damaged("the first directory has an entry that is no number");
    // A tag that comes twice counts as its larger value, whichever of them a decoder takes.
    *field = std::max(*field, *value);
  }
  if (bits > 64 || samples > 64) return damaged("a pixel has more than 64 samples of 64 bits");
  auto header = finish(ImageFormat::kTiff, width, height, samples * std::max<std::uint64_t>((bits + 7) / 8, 1));
  if (!header) return header;
  if (tile_width > kSideMax || tile_height > kSideMax) return damaged("a tile is beyond 32 bits");
  header->pixels = std::max(header->pixels, tile_width * tile_height);
  // All ones stands for "one strip"; decoders treat it so.
  if (strip_rows < kSideMax) header->pixels = std::max(header->pixels, strip_rows * width);
  return header;
}

}  // namespace

std::string_view image_format_name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "JPEG";
    case ImageFormat::kPng:
      return "PNG";
    case ImageFormat::kWebp:
      return "WebP";
    case ImageFormat::kBmp:
      return "BMP";
    case ImageFormat::kTiff:
      return "TIFF";
  }
  return "?";
}

std::optional<ImageFormat> image_format(BytesView head) {
  if (head.starts_with("\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (head.starts_with(kPngSignature)) return ImageFormat::kPng;
  if (head.starts_with("RIFF") && head.size() >= 12 && head.substr(8, 4) == "WEBP") return ImageFormat::kWebp;
  if (head.starts_with("BM")) return ImageFormat::kBmp;
  for (const BytesView magic :
       {BytesView("II*\0", 4), BytesView("MM\0*", 4), BytesView("II+\0", 4), BytesView("MM\0+", 4)}) {
    if (head.starts_with(magic)) return ImageFormat::kTiff;
  }
  return std::nullopt;
}

Result<ImageHeader> parse_image_header(BytesView file) {
  const auto format = image_format(file);
  if (!format) {
    return fail(Code::kInvalidArgument, "{}",
                file.empty() ? "the image is empty: no bytes came with the request"
                             : "this is not an image in a known format (JPEG, PNG, WebP, BMP or TIFF)");
  }
  switch (*format) {
    case ImageFormat::kJpeg:
      return parse_jpeg(file);
    case ImageFormat::kPng:
      return parse_png(file);
    case ImageFormat::kWebp:
      return parse_webp(file);
    case ImageFormat::kBmp:
      return parse_bmp(file);
    case ImageFormat::kTiff:
      return parse_tiff(file);
  }
  std::unreachable();
}

Result<> check_limits(const ImageHeader& header, const ImageLimits& limits) {
  if (header.pixels > limits.pixels_max) {
    return fail(Code::kTooLarge, "the {} image has {}x{} pixels; at most {} pixels are allowed",
                image_format_name(header.format), header.width, header.height, limits.pixels_max);
  }
  if (header.pixels * header.bytes_per_pixel > limits.decoded_bytes_max) {
    return fail(Code::kTooLarge, "the {} image takes {} bytes when decoded; at most {} are allowed",
                image_format_name(header.format), header.pixels * header.bytes_per_pixel, limits.decoded_bytes_max);
  }
  return {};
}

}  // namespace distri::services
