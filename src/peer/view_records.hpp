// view_records.hpp: what opens an image for one view, and who took it (records.hpp).
//
// The image key of a grant travels in a sealed box (utils/sealed_box.hpp) to the key of the viewer. The box says inside
// which grant, serial and view it is for, and so does the signed record around it: a box that was moved into another
// record is refused, and so is a record by somebody else around a stolen box.
#pragma once

#include <string>

#include "distri/bson/document.hpp"
#include "distri/peer/ids.hpp"
#include "distri/utils/sealed_box.hpp"
#include "distri/utils/signing.hpp"

namespace distri::peer {

inline constexpr std::size_t kImageKeyBytes = 32;
// In the box: format, grant, serial, view, image key.
inline constexpr std::size_t kSealedViewBytes = 1 + GrantId::kSize + 4 + ViewId::kSize + kImageKeyBytes + kSealBytes;

struct ViewKey {
  GrantId grant;
  std::uint32_t serial = 1;   // 1 to kSerialsMax; no two views of a grant have the same
  PublicKey owner;            // who has the image
  PublicKey to;               // who views
  ViewId view;                // which ask it answers; zero in escrow
  std::uint64_t version = 1;  // of the grant when it was made
  Bytes sealed;               // kSealedViewBytes
  Signature signature;
  bool operator==(const ViewKey&) const = default;
};
Result<> check(const ViewKey& key);
ViewKey sign(ViewKey view_key, const SigningKey& key);
Result<> verify(const ViewKey& key);
std::string document_id(const ViewKey& key);
bson::Document to_document(const ViewKey& key);
Result<ViewKey> read_view_key(bson::View document);

// The whole record, sealed for `to` and signed; all fields but `sealed`, `owner` and `signature` are taken from
// `fields`. Error kInvalidArgument: `to` is nobody's key. Precondition: kImageKeyBytes of image key.
Result<ViewKey> make_view_key(ViewKey fields, const SecretBytes& image_key, const SigningKey& owner);
// The image key. Errors: kUnauthenticated, kInvalidArgument (not sealed for this key, or for another view).
Result<SecretBytes> open_view_key(const ViewKey& view_key, const SigningKey& viewer);

struct Receipt {
  GrantId grant;
  std::uint32_t serial = 1;
  DeviceId device;
  PublicKey owner;  // who views
  PublicKey to;     // who has the image
  std::int64_t at_ms = 0;
  bool withdrawn = false;  // the device has not got it after all: somebody else was faster
  Signature signature;
  bool operator==(const Receipt&) const = default;
};
Result<> check(const Receipt& receipt);
Receipt sign(Receipt receipt, const SigningKey& key);
Result<> verify(const Receipt& receipt);
std::string document_id(const Receipt& receipt);
bson::Document to_document(const Receipt& receipt);
Result<Receipt> read_receipt(bson::View document);

}  // namespace distri::peer
