#include "distri/services/png_stored.hpp"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>

#include "distri/utils/check.hpp"

namespace distri::services {
namespace {

constexpr std::size_t kBlockBytesMax = 65535;
constexpr std::size_t kChunkOverheadBytes = 12;  // length, type, checksum
constexpr std::size_t kIhdrBytes = 13;
constexpr BytesView kIhdrTail{"\x08\x02\x00\x00\x00", 5};  // 8 bits, RGB, deflate, adaptive filters, not interlaced
constexpr BytesView kZlibHeader{"\x78\x01", 2};

std::uint32_t crc32(BytesView bytes) {
  return libdeflate_crc32(0, bytes.data(), bytes.size());
}

void append_u32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

std::uint32_t read_u32(BytesView bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// Closes the chunk whose type starts at `type_at`: everything since then is covered by the checksum.
void finish_chunk(Bytes& out, std::size_t type_at) {
  append_u32(out, crc32(BytesView(out).substr(type_at)));
}

// Appends bytes as stored deflate blocks, cut wherever the block is full.
class StoredBlocks {
 public:
  StoredBlocks(Bytes& out, std::size_t total) : out_(out), left_(total) {}

  void append(BytesView bytes) {
    adler_ = libdeflate_adler32(adler_, bytes.data(), bytes.size());
    while (!bytes.empty()) {
      if (block_left_ == 0) open_block();
      const std::size_t size = std::min(bytes.size(), block_left_);
      out_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      block_left_ -= size;
    }
  }
  std::uint32_t adler() const { return adler_; }

 private:
  void open_block() {
    block_left_ = std::min(left_, kBlockBytesMax);
    left_ -= block_left_;
    const std::size_t complement = ~block_left_;
    for (const std::size_t value : {left_ == 0 ? std::size_t{1} : std::size_t{0}, block_left_ & 0xff,
                                    block_left_ >> 8 & 0xff, complement & 0xff, complement >> 8 & 0xff}) {
      out_.push_back(static_cast<char>(value));
    }
  }

  Bytes& out_;
  std::size_t left_;
  std::size_t block_left_ = 0;
  std::uint32_t adler_ = 1;
};

std::size_t stored_bytes(std::size_t raw_bytes) {
  return raw_bytes + 5 * ((raw_bytes + kBlockBytesMax - 1) / kBlockBytesMax);
}

}  // namespace

Bytes write_stored_png(const Picture& picture) {
  const std::size_t row_bytes = std::size_t{picture.width} * 3;
  const std::size_t raw_bytes = (row_bytes + 1) * picture.height;
  const std::size_t idat_bytes = kZlibHeader.size() + stored_bytes(raw_bytes) + 4;
  DISTRI_CHECK(picture.width > 0 && picture.height > 0 && picture.rgb.size() == row_bytes * picture.height);
  DISTRI_CHECK(idat_bytes < std::size_t{1} << 31);

  Bytes png;
  png.reserve(kPngSignature.size() + 3 * kChunkOverheadBytes + kIhdrBytes + idat_bytes);
  png.append(kPngSignature);
  append_u32(png, kIhdrBytes);
  std::size_t type_at = png.size();
  png.append("IHDR");
  append_u32(png, picture.width);
  append_u32(png, picture.height);
  png.append(kIhdrTail);
  finish_chunk(png, type_at);

  append_u32(png, static_cast<std::uint32_t>(idat_bytes));
  type_at = png.size();
  png.append("IDAT");
  png.append(kZlibHeader);
  StoredBlocks blocks(png, raw_bytes);
  for (std::uint32_t y = 0; y < picture.height; ++y) {
    blocks.append(BytesView("\0", 1));
    blocks.append(BytesView(picture.rgb).substr(y * row_bytes, row_bytes));
  }
  append_u32(png, blocks.adler());
  finish_chunk(png, type_at);

  append_u32(png, 0);
  type_at = png.size();
  png.append("IEND");
  finish_chunk(png, type_at);
  return png;
}

std::optional<Picture> read_stored_png(BytesView png) {
  constexpr std::size_t kIdatAt = 8 + kChunkOverheadBytes + kIhdrBytes;
  constexpr std::size_t kBlocksAt = kIdatAt + 8 + 2;
  if (png.size() < kBlocksAt || !png.starts_with(kPngSignature) || read_u32(png, 8) != kIhdrBytes) return std::nullopt;
  if (png.substr(12, 4) != "IHDR" || png.substr(24, 5) != kIhdrTail) return std::nullopt;
  if (png.substr(kIdatAt + 4, 4) != "IDAT" || png.substr(kIdatAt + 8, 2) != kZlibHeader) return std::nullopt;
  Picture picture{read_u32(png, 16), read_u32(png, 20), {}};
  // Sizes that cannot be what the file holds end here, before anything is multiplied or allocated.
  if (picture.width == 0 || picture.height == 0 || picture.width > png.size() || picture.height > png.size())
    return std::nullopt;
  const std::uint64_t row_bytes = std::uint64_t{picture.width} * 3 + 1;
  if (row_bytes > png.size() / picture.height) return std::nullopt;
  const std::size_t raw_bytes = row_bytes * picture.height;
  const std::size_t idat_bytes = kZlibHeader.size() + stored_bytes(raw_bytes) + 4;
  if (png.size() != kIdatAt + 2 * kChunkOverheadBytes + idat_bytes || read_u32(png, kIdatAt) != idat_bytes)
    return std::nullopt;
  if (png.substr(png.size() - 8, 4) != "IEND") return std::nullopt;

  Bytes raw;
  raw.reserve(raw_bytes);
  for (std::size_t at = kBlocksAt; raw.size() < raw_bytes;) {
    const std::size_t size = std::min(raw_bytes - raw.size(), kBlockBytesMax);
    const auto* head = reinterpret_cast<const unsigned char*>(png.data() + at);
    const bool last = raw.size() + size == raw_bytes;
    const std::size_t claimed = head[1] | std::size_t{head[2]} << 8;
    const std::size_t complement = head[3] | std::size_t{head[4]} << 8;
    if (head[0] != (last ? 1 : 0) || claimed != size || complement != (~size & 0xffff)) return std::nullopt;
    raw.append(png.substr(at + 5, size));
    at += 5 + size;
  }
  picture.rgb.resize((row_bytes - 1) * picture.height);
  for (std::size_t y = 0; y < picture.height; ++y) {
    if (raw[y * row_bytes] != '\0') return std::nullopt;
    std::memcpy(picture.rgb.data() + y * (row_bytes - 1), raw.data() + y * row_bytes + 1, row_bytes - 1);
  }
  return picture;
}

Result<> check_png_chunks(BytesView png) {
  const auto cut = [] { return fail(Code::kDataLoss, "the PNG is cut short"); };
  if (!png.starts_with(kPngSignature)) return fail(Code::kDataLoss, "the PNG signature is damaged");
  for (std::size_t at = kPngSignature.size(); true;) {
    if (png.size() - at < kChunkOverheadBytes) return cut();
    const std::size_t size = read_u32(png, at);
    if (size > png.size() - at - kChunkOverheadBytes) return cut();
    const BytesView covered = png.substr(at + 4, size + 4);
    if (at == kPngSignature.size() && !covered.starts_with("IHDR"))
      return fail(Code::kDataLoss, "the PNG has no IHDR chunk");
    if (crc32(covered) != read_u32(png, at + 8 + size)) {
      return fail(Code::kDataLoss, "the PNG is damaged: the checksum of the chunk at byte {} is wrong", at);
    }
    if (covered == "IEND") return {};
    at += size + kChunkOverheadBytes;
  }
}

}  // namespace distri::services
