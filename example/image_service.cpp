// image_service.cpp: the only file that needs to know whether this build has the image service.
#include "pictures.hpp"

#ifdef DISTRI_HAVE_IMAGES
#include "distri/services/contact_sheet.hpp"
#include "distri/services/register.hpp"
#endif

namespace example {

using distri::Code;
using distri::Result;

#ifdef DISTRI_HAVE_IMAGES

bool images_available() {
  return true;
}

Result<> register_images(distri::cloud::CloudNode& node, distri::BytesView service_key) {
  distri::services::ImageServiceConfig config;
  DISTRI_TRY(config.service_key, distri::services::Key32::from_hex(distri::to_hex(service_key)));
  distri::services::register_image_services(node, config);
  return {};
}

Result<> write_contact_sheet(const std::string& path, std::vector<SheetRow> rows) {
  std::vector<distri::services::ContactRow> sheet;
  for (SheetRow& row : rows) {
    sheet.push_back({std::move(row.name), std::move(row.original), std::move(row.encrypted), std::move(row.decrypted)});
  }
  DISTRI_TRY(const distri::Bytes png, distri::services::make_contact_sheet(sheet));
  return write_file(path, png);
}

#else

bool images_available() {
  return false;
}

Result<> register_images(distri::cloud::CloudNode& /*node*/, distri::BytesView /*service_key*/) {
  return {};
}

Result<> write_contact_sheet(const std::string& /*path*/, std::vector<SheetRow> /*rows*/) {
  return distri::fail(Code::kUnavailable,
                      "this program was built without OpenCV: run scripts/setup without --minimal and build again");
}

#endif

Result<> check_image_service(distri::client::Client& client, const Picture& picture) {
  distri::client::CallOptions options;
  options.idempotent = true;
  const auto reply = client.send_data(picture.bytes, "Encrypt", options);
  if (reply) return {};
  if (reply.error().code == Code::kUnknownService) {
    return distri::fail(Code::kUnavailable,
                        "the nodes have no image service: build them with OpenCV (scripts/setup without --minimal)");
  }
  return distri::fail(reply.error().code, "Encrypt of {} failed: {}", picture.name, distri::to_string(reply.error()));
}

}  // namespace example
