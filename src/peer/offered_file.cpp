#include "distri/peer/offered_file.hpp"

#include <algorithm>

#include "distri/net/sha256.hpp"
#include "distri/peer/limits.hpp"
#include "distri/peer/names.hpp"
#include "distri/services/image_header.hpp"

namespace distri::peer {
namespace {

// What is read of a file at once, and where the headers of nearly all images lie.
constexpr std::size_t kPieceBytes = 256u << 10;
constexpr const char* kIt = "it";

std::unexpected<Error> being_written() {
  return fail(Code::kUnavailable, "it is still being written; wait until that has ended");
}

// What went wrong when something was to be read, not written.
std::unexpected<Error> explained(Error error) {
  if (error.code == Code::kPermissionDenied) error.message = "this user may not read it; allow it (chmod u+r)";
  return fail(std::move(error));
}

Result<> check_size(std::uint64_t bytes) {
  const std::uint64_t bytes_max = services::ImageLimits{}.image_bytes_max;
  if (bytes == 0) return fail(Code::kInvalidArgument, "it is empty; put an image into it");
  if (bytes <= bytes_max) return {};
  return fail(Code::kTooLarge, "it has {} bytes, at most {} are allowed; offer a smaller version of the image", bytes,
              bytes_max);
}

Result<> check_picture(const services::ImageHeader& header) {
  DISTRI_TRY_VOID(services::check_limits(header, services::ImageLimits{}));
  if (header.width <= kPixelsMax && header.height <= kPixelsMax) return {};
  return fail(Code::kTooLarge, "the image has {}x{} pixels; at most {} are allowed on a side", header.width,
              header.height, kPixelsMax);
}

std::string kind_of(const services::ImageHeader& header) {
  std::string kind(services::image_format_name(header.format));
  for (char& c : kind) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return kind;
}

struct Offered {
  OpenFile file;
  FileStamp stamp;
};

Result<Offered> open_offered(const FileDescriptor& directory, const std::string& name) {
  // Looked at before it is opened: opening a device does something.
  DISTRI_TRY_VOID(offered_stamp(directory, name));
  auto file = open_regular(directory, name, kIt);
  if (!file) return explained(std::move(file).error());
  DISTRI_TRY(const FileStamp stamp, stamp_of(kIt, file->descriptor));
  file->bytes = stamp.bytes;
  return Offered{*std::move(file), stamp};
}

// `size` bytes, which are there unless somebody writes to the file.
Result<Bytes> read_all_of(const OpenFile& file, std::uint64_t offset, std::uint64_t size) {
  DISTRI_TRY(Bytes bytes, read_at(kIt, file.descriptor, offset, static_cast<std::size_t>(size)));
  if (bytes.size() < size) return being_written();
  return bytes;
}

// `head`: the file's first bytes.
Result<services::ImageHeader> read_header(const OpenFile& file, BytesView head) {
  auto header = services::parse_image_header(head);
  // Nothing further back makes an image of what does not begin as one.
  if (header || head.size() == file.bytes || !services::image_format(head)) return header;
  DISTRI_TRY(const Bytes all, read_all_of(file, 0, file.bytes));
  return services::parse_image_header(all);
}

// Name and time are not filled in.
Result<PublishedFile> content_of(const OpenFile& file) {
  DISTRI_TRY_VOID(check_size(file.bytes));
  DISTRI_TRY(Bytes piece, read_all_of(file, 0, std::min<std::uint64_t>(kPieceBytes, file.bytes)));
  DISTRI_TRY(const services::ImageHeader header, read_header(file, piece));
  DISTRI_TRY_VOID(check_picture(header));
  net::Sha256 hash;
  hash.update(piece);
  for (std::uint64_t at = piece.size(); at < file.bytes; at += piece.size()) {
    DISTRI_TRY(piece, read_all_of(file, at, std::min<std::uint64_t>(kPieceBytes, file.bytes - at)));
    hash.update(piece);
  }
  PublishedFile content;
  content.bytes = file.bytes;
  content.digest = hash.finish();
  content.kind = kind_of(header);
  content.width = static_cast<std::uint32_t>(header.width);
  content.height = static_cast<std::uint32_t>(header.height);
  return content;
}

// That nobody wrote to it since it was opened.
Result<> check_unchanged(const Offered& offered) {
  DISTRI_TRY(const FileStamp now, stamp_of(kIt, offered.file.descriptor));
  if (now == offered.stamp) return {};
  return being_written();
}

}  // namespace

Result<> check_offered_name(std::string_view name) {
  DISTRI_TRY_VOID(check_resource_name(name));
  if (!name.starts_with('.')) return {};
  return fail(Code::kInvalidArgument, "its name begins with a dot, and hidden files are not offered; rename it");
}

std::string printable(const std::string& name) {
  if (check_resource_name(name)) return name;
  std::string shown;
  for (const char c : name) {
    if (c >= ' ' && c <= '~' && c != '\\') {
      shown.push_back(c);
    } else {
      shown += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    }
  }
  return shown;
}

Result<FileStamp> offered_stamp(const FileDescriptor& directory, const std::string& name) {
  auto stamp = stamp_of(directory, name, kIt);
  if (!stamp) return explained(std::move(stamp).error());
  return stamp;
}

Result<Inspected> inspect_offered(const FileDescriptor& directory, const std::string& name) {
  DISTRI_TRY(const Offered offered, open_offered(directory, name));
  Inspected inspected{offered.stamp, content_of(offered.file)};
  DISTRI_TRY_VOID(check_unchanged(offered));
  if (inspected.content) return inspected;
  const Code code = inspected.content.error().code;
  if (code != Code::kInvalidArgument && code != Code::kTooLarge) return fail(inspected.content.error());
  return inspected;
}

Result<Bytes> read_offered(const FileDescriptor& directory, const std::string& name) {
  DISTRI_TRY(const Offered offered, open_offered(directory, name));
  DISTRI_TRY_VOID(check_size(offered.file.bytes));
  DISTRI_TRY(Bytes bytes, read_all_of(offered.file, 0, offered.file.bytes));
  DISTRI_TRY_VOID(check_unchanged(offered));
  return bytes;
}

}  // namespace distri::peer
