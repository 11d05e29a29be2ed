#include "distri/peer/user_records.hpp"

#include "distri/membership/statements.hpp"
#include "distri/peer/names.hpp"
#include "distri/peer/record_fields.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

constexpr std::string_view kUserContext = "distri peer user";
constexpr std::string_view kCatalogContext = "distri peer catalog entry";

static_assert(kAddressesMax == membership::kAddressesMax && kHostBytesMax == membership::kHostBytesMax);

Bytes signed_part(const User& user) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(user.owner.view());
  out.bytes8(user.name);
  out.u8(static_cast<std::uint8_t>(user.addresses.size()));
  for (const Address& address : user.addresses) {
    out.bytes8(address.host);
    out.u16(address.port);
  }
  out.u64(user.version);
  return bytes;
}

Bytes signed_part(const CatalogEntry& entry) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(entry.owner.view());
  out.bytes8(entry.name);
  out.u64(entry.bytes);
  out.raw(view_of(entry.digest));
  out.bytes8(entry.kind);
  out.u32(entry.width);
  out.u32(entry.height);
  out.u64(static_cast<std::uint64_t>(entry.modified_ms));
  out.u8(entry.gone ? 1 : 0);
  out.u64(entry.version);
  return bytes;
}

}  // namespace

Result<> check(const User& user) {
  DISTRI_TRY_VOID(check_user_name(user.name));
  if (!user.addresses.empty()) DISTRI_TRY_VOID(membership::check_addresses(user.addresses));
  return check_version("user", user.version);
}

User sign(User user, const SigningKey& key) {
  user.owner = key.public_key();
  DISTRI_CHECK(check(user));
  user.signature = key.sign(kUserContext, signed_part(user));
  return user;
}

Result<> verify(const User& user) {
  DISTRI_TRY_VOID(check(user));
  return check_signature("user", kUserContext, user.owner, signed_part(user), user.signature);
}

bson::Document to_document(const User& user) {
  bson::Builder out;
  out.append_string("_id", user.owner.hex()).append_string("owner", user.owner.hex()).append_string("name", user.name);
  out.begin_array("addresses");
  for (std::size_t i = 0; i < user.addresses.size(); ++i) {
    out.append_string(std::to_string(i), to_string(user.addresses[i]));
  }
  out.end();
  out.append_int64("version", static_cast<std::int64_t>(user.version));
  out.append_binary("sig", user.signature.view());
  return std::move(out).finish();
}

Result<User> read_user(bson::View document) {
  Fields in("user", document);
  User user;
  user.owner = in.id<PublicKey>("owner");
  user.name = in.text("name");
  user.addresses = in.addresses("addresses");
  user.version = in.version();
  user.signature = in.signature();
  in.expect_id(user.owner.hex());
  DISTRI_TRY_VOID(in.done());
  DISTRI_TRY_VOID(verify(user));
  return user;
}

Result<> check(const CatalogEntry& entry) {
  constexpr std::string_view kWhat = "catalog entry";
  DISTRI_TRY_VOID(check_resource_name(entry.name));
  DISTRI_TRY_VOID(check_kind(entry.kind));
  if (entry.bytes > kFileBytesMax) {
    return fail(Code::kTooLarge, "{}: {} bytes, at most {} are allowed", kWhat, entry.bytes, kFileBytesMax);
  }
  if (entry.width > kPixelsMax || entry.height > kPixelsMax) {
    return fail(Code::kTooLarge, "{}: {} x {} pixels, at most {} each way are allowed", kWhat, entry.width,
                entry.height, kPixelsMax);
  }
  DISTRI_TRY_VOID(check_time(kWhat, "modified_ms", entry.modified_ms));
  return check_version(kWhat, entry.version);
}

CatalogEntry sign(CatalogEntry entry, const SigningKey& key) {
  entry.owner = key.public_key();
  DISTRI_CHECK(check(entry));
  entry.signature = key.sign(kCatalogContext, signed_part(entry));
  return entry;
}

Result<> verify(const CatalogEntry& entry) {
  DISTRI_TRY_VOID(check(entry));
  return check_signature("catalog entry", kCatalogContext, entry.owner, signed_part(entry), entry.signature);
}

std::string document_id(const CatalogEntry& entry) {
  return entry.owner.hex() + ":" + entry.name;
}

bson::Document to_document(const CatalogEntry& entry) {
  bson::Builder out;
  out.append_string("_id", document_id(entry)).append_string("owner", entry.owner.hex());
  out.append_string("name", entry.name).append_int64("bytes", static_cast<std::int64_t>(entry.bytes));
  out.append_string("digest", to_hex(entry.digest)).append_string("kind", entry.kind);
  out.append_int64("width", entry.width).append_int64("height", entry.height);
  out.append_int64("modified_ms", entry.modified_ms).append_bool("gone", entry.gone);
  out.append_int64("version", static_cast<std::int64_t>(entry.version));
  out.append_binary("sig", entry.signature.view());
  return std::move(out).finish();
}

Result<CatalogEntry> read_catalog_entry(bson::View document) {
  Fields in("catalog entry", document);
  CatalogEntry entry;
  entry.owner = in.id<PublicKey>("owner");
  entry.name = in.text("name");
  entry.bytes = in.number("bytes", 0, kFileBytesMax);
  entry.digest = in.digest("digest");
  entry.kind = in.text("kind");
  entry.width = static_cast<std::uint32_t>(in.number("width", 0, kPixelsMax));
  entry.height = static_cast<std::uint32_t>(in.number("height", 0, kPixelsMax));
  entry.modified_ms = in.time_ms("modified_ms");
  entry.gone = in.flag("gone");
  entry.version = in.version();
  entry.signature = in.signature();
  in.expect_id(document_id(entry));
  DISTRI_TRY_VOID(in.done());
  DISTRI_TRY_VOID(verify(entry));
  return entry;
}

}  // namespace distri::peer
