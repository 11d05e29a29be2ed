#include "pictures.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace example {
namespace {

using distri::Bytes;
using distri::Code;
using distri::Result;
namespace fs = std::filesystem;

bool looks_like_picture(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array kExtensions{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

void append_little_endian(Bytes& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// 24-bit BMP: a gradient whose colours and stripes depend on `seed`, so that no two pictures are alike.
Bytes make_bmp(std::uint32_t seed) {
  constexpr std::uint32_t kWidth = 64;  // rows of a BMP are multiples of four bytes: these are
  constexpr std::uint32_t kHeight = 48;
  constexpr std::uint32_t kHeaderBytes = 54;
  Bytes out = "BM";
  append_little_endian(out, kHeaderBytes + kWidth * kHeight * 3, 4);
  append_little_endian(out, 0, 4);
  append_little_endian(out, kHeaderBytes, 4);
  append_little_endian(out, 40, 4);  // size of the info header
  append_little_endian(out, kWidth, 4);
  append_little_endian(out, kHeight, 4);
  append_little_endian(out, 1, 2);   // planes
  append_little_endian(out, 24, 2);  // bits per pixel
  out.append(24, '\0');              // no compression, default sizes and colours
  for (std::uint32_t y = 0; y < kHeight; ++y) {
    for (std::uint32_t x = 0; x < kWidth; ++x) {
      out.push_back(static_cast<char>(x * 4 + seed * 31));
      out.push_back(static_cast<char>(y * 5 + seed * 17));
      out.push_back(static_cast<char>(((x + y) / (3 + seed % 7)) * 40 + seed));
    }
  }
  return out;
}

Result<std::vector<fs::path>> list_files(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& text : paths) {
    std::error_code error;
    const fs::path path(text);
    if (fs::is_directory(path, error)) {
      const auto before = static_cast<std::ptrdiff_t>(files.size());
      for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
        if (looks_like_picture(at->path()) && at->is_regular_file(error)) files.push_back(at->path());
      }
      if (error)
        return distri::fail(Code::kInvalidArgument, "--images: cannot read folder '{}': {}", text, error.message());
      std::sort(files.begin() + before, files.end());
      if (static_cast<std::ptrdiff_t>(files.size()) == before) {
        return distri::fail(Code::kInvalidArgument, "--images: folder '{}' holds no image (jpg, png, webp, bmp, tiff)",
                            text);
      }
    } else if (fs::is_regular_file(path, error)) {
      files.push_back(path);
    } else {
      return distri::fail(Code::kInvalidArgument, "--images: '{}' is neither a file nor a folder", text);
    }
  }
  return files;
}

}  // namespace

Result<Bytes> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  if (!in || !(out << in.rdbuf()))
    return distri::fail(Code::kInvalidArgument, "cannot read '{}', or it is empty", path);
  return std::move(out).str();
}

Result<> write_file(const std::string& path, distri::BytesView bytes) {
  std::error_code error;
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty()) fs::create_directories(folder, error);
  if (error)
    return distri::fail(Code::kInvalidArgument, "cannot make the folder '{}': {}", folder.string(), error.message());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out)
    return distri::fail(Code::kInvalidArgument, "cannot write '{}'; is the folder writable and the disk not full?",
                        path);
  return {};
}

Result<std::vector<Picture>> load_pictures(const std::vector<std::string>& paths) {
  DISTRI_TRY(const std::vector<fs::path> files, list_files(paths));
  std::vector<Picture> pictures;
  for (const fs::path& file : files) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error)
      return distri::fail(Code::kInvalidArgument, "--images: cannot read '{}': {}", file.string(), error.message());
    if (size > kPictureBytesMax) {
      return distri::fail(Code::kInvalidArgument, "--images: '{}' has {} bytes; at most {} are sent", file.string(),
                          size, kPictureBytesMax);
    }
    DISTRI_TRY(Bytes bytes, read_file(file.string()));
    pictures.push_back({file.filename().string(), std::move(bytes)});
  }
  return pictures;
}

std::vector<Picture> make_pictures(std::size_t count) {
  std::vector<Picture> pictures;
  for (std::size_t i = 0; i < count; ++i) {
    pictures.push_back({fmt::format("made-{:02}.bmp", i + 1), make_bmp(static_cast<std::uint32_t>(i))});
  }
  return pictures;
}

}  // namespace example
