// pictures.hpp: the images that the client, the tests and the demonstration send, and the image service as far as this
// build has it.
//
// Threads: plain functions. Errors: kInvalidArgument naming the path.
#pragma once

#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "distri/cloud/cloud_node.hpp"
#include "distri/utils/bytes.hpp"

namespace example {

struct Picture {
  std::string name;  // of the file, without folders
  distri::Bytes bytes;
};

// Files as given; of folders every *.jpg, *.jpeg, *.png, *.webp, *.bmp, *.tif and *.tiff, in order of name. At least
// one, each at most kPictureBytesMax.
inline constexpr std::uint64_t kPictureBytesMax = 64u << 20;
distri::Result<std::vector<Picture>> load_pictures(const std::vector<std::string>& paths);

// Small pictures (BMP, about 9 KB each) that need no file: what many clients send when nothing else was asked for.
std::vector<Picture> make_pictures(std::size_t count);

// Whole files. The folder of `path` is made when it is missing.
distri::Result<distri::Bytes> read_file(const std::string& path);
distri::Result<> write_file(const std::string& path, distri::BytesView bytes);

// False when this program was built without OpenCV: then register_images() does nothing and write_contact_sheet() is an
// error.
bool images_available();
distri::Result<> register_images(distri::cloud::CloudNode& node, distri::BytesView service_key);

// One row of the contact sheet.
struct SheetRow {
  std::string name;
  distri::Bytes original;
  distri::Bytes encrypted;
  distri::Bytes decrypted;
};
distri::Result<> write_contact_sheet(const std::string& path, std::vector<SheetRow> rows);

// Sends one picture, so that a cluster without the image service, or with different keys, is noticed before the work
// begins.
distri::Result<> check_image_service(distri::client::Client& client, const Picture& picture);

}  // namespace example
