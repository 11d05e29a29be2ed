#include "distri/peer/view_records.hpp"

#include "distri/peer/record_fields.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

constexpr std::string_view kViewKeyContext = "distri peer view key";
constexpr std::string_view kReceiptContext = "distri peer receipt";
constexpr std::uint8_t kSealedFormat = 1;

Bytes signed_part(const ViewKey& key) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(key.grant.view());
  out.u32(key.serial);
  out.raw(key.owner.view());
  out.raw(key.to.view());
  out.raw(key.view.view());
  out.u64(key.version);
  out.bytes16(key.sealed);
  return bytes;
}

Bytes signed_part(const Receipt& receipt) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(receipt.grant.view());
  out.u32(receipt.serial);
  out.raw(receipt.device.view());
  out.raw(receipt.owner.view());
  out.raw(receipt.to.view());
  out.u64(static_cast<std::uint64_t>(receipt.at_ms));
  out.u8(receipt.withdrawn ? 1 : 0);
  return bytes;
}

Result<> check_serial(std::string_view what, const GrantId& grant, std::uint32_t serial) {
  if (grant.empty()) return fail(Code::kInvalidArgument, "{}: its field 'grant' is all zeros", what);
  if (serial >= 1 && serial <= kSerialsMax) return {};
  return fail(Code::kInvalidArgument, "{}: serial {}, 1 to {} are allowed", what, serial, kSerialsMax);
}

// What stands in front of the image key in the box.
Bytes box_head(const ViewKey& key) {
  Bytes bytes;
  bytes.reserve(kSealedViewBytes);  // so that the image key behind it is written to one place only
  wire::Writer out(bytes);
  out.u8(kSealedFormat);
  out.raw(key.grant.view());
  out.u32(key.serial);
  out.raw(key.view.view());
  return bytes;
}

}  // namespace

// ---- View keys

Result<> check(const ViewKey& key) {
  constexpr std::string_view kWhat = "view key";
  DISTRI_TRY_VOID(check_serial(kWhat, key.grant, key.serial));
  DISTRI_TRY_VOID(check_parties(kWhat, key.owner, key.to));
  DISTRI_TRY_VOID(check_version(kWhat, key.version));
  if (key.sealed.size() == kSealedViewBytes) return {};
  return fail(Code::kInvalidArgument, "{}: its sealed part has {} bytes, it must have {}", kWhat, key.sealed.size(),
              kSealedViewBytes);
}

ViewKey sign(ViewKey view_key, const SigningKey& key) {
  view_key.owner = key.public_key();
  DISTRI_CHECK(check(view_key));
  view_key.signature = key.sign(kViewKeyContext, signed_part(view_key));
  return view_key;
}

Result<> verify(const ViewKey& key) {
  DISTRI_TRY_VOID(check(key));
  return check_signature("view key", kViewKeyContext, key.owner, signed_part(key), key.signature);
}

std::string document_id(const ViewKey& key) {
  return fmt::format("{}:{}:{}", key.owner.hex(), key.grant.hex(), key.serial);
}

bson::Document to_document(const ViewKey& key) {
  bson::Builder out;
  out.append_string("_id", document_id(key)).append_string("owner", key.owner.hex());
  out.append_string("to", key.to.hex()).append_string("grant", key.grant.hex()).append_int64("serial", key.serial);
  out.append_binary("sealed", key.sealed).append_string("view", key.view.hex());
  out.append_int64("version", static_cast<std::int64_t>(key.version));
  out.append_binary("sig", key.signature.view());
  return std::move(out).finish();
}

Result<ViewKey> read_view_key(bson::View document) {
  Fields in("view key", document);
  ViewKey key;
  key.grant = in.id<GrantId>("grant");
  key.serial = static_cast<std::uint32_t>(in.number("serial", 1, kSerialsMax));
  key.owner = in.id<PublicKey>("owner");
  key.to = in.id<PublicKey>("to");
  key.view = in.id<ViewId>("view");
  key.version = in.version();
  key.sealed = in.binary("sealed", kSealedViewBytes);
  key.signature = in.signature();
  in.expect_id(document_id(key));
  DISTRI_TRY_VOID(in.done());
  DISTRI_TRY_VOID(verify(key));
  return key;
}

Result<ViewKey> make_view_key(ViewKey fields, const SecretBytes& image_key, const SigningKey& owner) {
  DISTRI_CHECK(image_key.size() == kImageKeyBytes);
  Bytes inside = box_head(fields);
  inside.append(image_key.view());
  auto sealed = seal_for(fields.to, inside);
  wipe(inside);
  if (!sealed) return fail(sealed.error());
  fields.sealed = *std::move(sealed);
  return sign(std::move(fields), owner);
}

Result<SecretBytes> open_view_key(const ViewKey& view_key, const SigningKey& viewer) {
  DISTRI_TRY(const SecretBytes inside, open_sealed(viewer, view_key.sealed));
  const Bytes head = box_head(view_key);
  if (inside.size() != head.size() + kImageKeyBytes || inside.view().substr(0, head.size()) != head) {
    return fail(Code::kUnauthenticated,
                "view key: its sealed part was made for another grant, serial or view than the record around it says");
  }
  return SecretBytes(inside.view().substr(head.size()));
}

// ---- Receipts

Result<> check(const Receipt& receipt) {
  constexpr std::string_view kWhat = "receipt";
  DISTRI_TRY_VOID(check_serial(kWhat, receipt.grant, receipt.serial));
  DISTRI_TRY_VOID(check_parties(kWhat, receipt.owner, receipt.to));
  if (receipt.device.empty()) return fail(Code::kInvalidArgument, "{}: its field 'device' is all zeros", kWhat);
  return check_time(kWhat, "at_ms", receipt.at_ms);
}

Receipt sign(Receipt receipt, const SigningKey& key) {
  receipt.owner = key.public_key();
  DISTRI_CHECK(check(receipt));
  receipt.signature = key.sign(kReceiptContext, signed_part(receipt));
  return receipt;
}

Result<> verify(const Receipt& receipt) {
  DISTRI_TRY_VOID(check(receipt));
  return check_signature("receipt", kReceiptContext, receipt.owner, signed_part(receipt), receipt.signature);
}

std::string document_id(const Receipt& receipt) {
  return fmt::format("{}:{}:{}:{}", receipt.owner.hex(), receipt.grant.hex(), receipt.serial, receipt.device.hex());
}

bson::Document to_document(const Receipt& receipt) {
  bson::Builder out;
  out.append_string("_id", document_id(receipt)).append_string("owner", receipt.owner.hex());
  out.append_string("to", receipt.to.hex()).append_string("grant", receipt.grant.hex());
  out.append_int64("serial", receipt.serial).append_string("device", receipt.device.hex());
  out.append_int64("at_ms", receipt.at_ms).append_bool("withdrawn", receipt.withdrawn);
  out.append_binary("sig", receipt.signature.view());
  return std::move(out).finish();
}

Result<Receipt> read_receipt(bson::View document) {
  Fields in("receipt", document);
  Receipt receipt;
  receipt.grant = in.id<GrantId>("grant");
  receipt.serial = static_cast<std::uint32_t>(in.number("serial", 1, kSerialsMax));
  receipt.device = in.id<DeviceId>("device");
  receipt.owner = in.id<PublicKey>("owner");
  receipt.to = in.id<PublicKey>("to");
  receipt.at_ms = in.time_ms("at_ms");
  receipt.withdrawn = in.flag("withdrawn");
  receipt.signature = in.signature();
  in.expect_id(document_id(receipt));
  DISTRI_TRY_VOID(in.done());
  DISTRI_TRY_VOID(verify(receipt));
  return receipt;
}

}  // namespace distri::peer
