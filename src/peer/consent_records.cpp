#include "distri/peer/consent_records.hpp"

#include "distri/peer/names.hpp"
#include "distri/peer/record_fields.hpp"
#include "distri/utils/check.hpp"

namespace distri::peer {

namespace {

constexpr std::string_view kRequestContext = "distri peer request";
constexpr std::string_view kGrantContext = "distri peer grant";

Bytes signed_part(const Request& request) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(request.id.view());
  out.raw(request.owner.view());
  out.raw(request.to.view());
  out.bytes8(request.resource);
  out.u32(request.views);
  out.u64(static_cast<std::uint64_t>(request.made_ms));
  out.u8(request.withdrawn ? 1 : 0);
  out.u64(request.version);
  return bytes;
}

Bytes signed_part(const Grant& grant) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kRecordFormat);
  out.raw(grant.id.view());
  out.raw(grant.owner.view());
  out.raw(grant.to.view());
  out.bytes8(grant.resource);
  out.u8(static_cast<std::uint8_t>(grant.state));
  out.u32(grant.views);
  out.raw(view_of(grant.file.digest));
  out.raw(view_of(grant.file.sealed_digest));
  out.u64(grant.file.sealed_bytes);
  out.u64(grant.version);
  return bytes;
}

Result<> check_id(std::string_view what, const GrantId& id, const PublicKey& asker) {
  if (is_made_by(id, asker)) return {};
  return fail(Code::kInvalidArgument, "{}: its id {} is none of user {}, who asks; it was made for another", what,
              id.short_hex(), asker.short_hex());
}

}  // namespace

Result<> check(const Request& request) {
  constexpr std::string_view kWhat = "request";
  DISTRI_TRY_VOID(check_parties(kWhat, request.owner, request.to));
  DISTRI_TRY_VOID(check_id(kWhat, request.id, request.owner));
  DISTRI_TRY_VOID(check_resource_name(request.resource));
  if (request.views < 1 || request.views > kViewsMax) {
    return fail(Code::kInvalidArgument, "{}: {} views, 1 to {} are allowed", kWhat, request.views, kViewsMax);
  }
  DISTRI_TRY_VOID(check_time(kWhat, "made_ms", request.made_ms));
  return check_version(kWhat, request.version);
}

Request sign(Request request, const SigningKey& key) {
  request.owner = key.public_key();
  DISTRI_CHECK(check(request));
  request.signature = key.sign(kRequestContext, signed_part(request));
  return request;
}

Result<> verify(const Request& request) {
  DISTRI_TRY_VOID(check(request));
  return check_signature("request", kRequestContext, request.owner, signed_part(request), request.signature);
}

std::string document_id(const Request& request) {
  return request.owner.hex() + ":" + request.id.hex();
}

bson::Document to_document(const Request& request) {
  bson::Builder out;
  out.append_string("_id", document_id(request)).append_string("owner", request.owner.hex());
  out.append_string("request", request.id.hex());
  out.append_string("to", request.to.hex()).append_string("resource", request.resource);
  out.append_int64("views", request.views).append_int64("made_ms", request.made_ms);
  out.append_bool("withdrawn", request.withdrawn).append_int64("version", static_cast<std::int64_t>(request.version));
  out.append_binary("sig", request.signature.view());
  return std::move(out).finish();
}

Result<Request> read_request(bson::View document) {
  Fields in("request", document);
  Request request;
  request.id = in.id<GrantId>("request");
  request.owner = in.id<PublicKey>("owner");
  request.to = in.id<PublicKey>("to");
  request.resource = in.text("resource");
  request.views = static_cast<std::uint32_t>(in.number("views", 1, kViewsMax));
  request.made_ms = in.time_ms("made_ms");
  request.withdrawn = in.flag("withdrawn");
  request.version = in.version();
  request.signature = in.signature();
  in.expect_id(document_id(request));
  DISTRI_TRY_VOID(in.done());
  DISTRI_TRY_VOID(verify(request));
  return request;
}

bool supersedes(const Request& request, const Request& known) {
  if (request.withdrawn != known.withdrawn) return request.withdrawn;
  return request.version > known.version;
}

Result<> check(const FileFacts& file) {
  if (file.digest == Hash256{} || file.sealed_digest == Hash256{}) {
    return fail(Code::kInvalidArgument, "grant: the digest of its file or of its sealed picture is missing");
  }
  if (file.sealed_bytes >= 1 && file.sealed_bytes <= kFileBytesMax) return {};
  return fail(Code::kInvalidArgument, "grant: a sealed picture of {} bytes, 1 to {} are allowed", file.sealed_bytes,
              kFileBytesMax);
}

std::string_view state_name(Grant::State state) {
  switch (state) {
    case Grant::State::kGranted:
      return "granted";
    case Grant::State::kRefused:
      return "refused";
    case Grant::State::kRevoked:
      return "revoked";
  }
  return "unknown";
}

Result<> check(const Grant& grant) {
  constexpr std::string_view kWhat = "grant";
  DISTRI_TRY_VOID(check_parties(kWhat, grant.owner, grant.to));
  DISTRI_TRY_VOID(check_id(kWhat, grant.id, grant.to));
  DISTRI_TRY_VOID(check_resource_name(grant.resource));
  if (grant.views > kViewsMax) {
    return fail(Code::kInvalidArgument, "{}: {} views, 0 to {} are allowed", kWhat, grant.views, kViewsMax);
  }
  switch (grant.state) {
    case Grant::State::kGranted:
    case Grant::State::kRevoked:
      DISTRI_TRY_VOID(check(grant.file));
      break;
    case Grant::State::kRefused:
      if (grant.views != 0 || grant.file != FileFacts{}) {
        return fail(Code::kInvalidArgument, "{}: it refuses, and names views or a file", kWhat);
      }
      break;
    default:
      return fail(Code::kInvalidArgument, "{}: its state {} is unknown", kWhat, static_cast<int>(grant.state));
  }
  return check_version(kWhat, grant.version);
}

Grant sign(Grant grant, const SigningKey& key) {
  grant.owner = key.public_key();
  DISTRI_CHECK(check(grant));
  grant.signature = key.sign(kGrantContext, signed_part(grant));
  return grant;
}

Result<> verify(const Grant& grant) {
  DISTRI_TRY_VOID(check(grant));
  return check_signature("grant", kGrantContext, grant.owner, signed_part(grant), grant.signature);
}

std::string document_id(const Grant& grant) {
  return grant.owner.hex() + ":" + grant.id.hex();
}

bson::Document to_document(const Grant& grant) {
  bson::Builder out;
  out.append_string("_id", document_id(grant)).append_string("owner", grant.owner.hex());
  out.append_string("grant", grant.id.hex());
  out.append_string("to", grant.to.hex()).append_string("resource", grant.resource);
  out.append_string("state", state_name(grant.state)).append_int64("views", grant.views);
  out.append_string("digest", to_hex(grant.file.digest));
  out.append_string("sealed_digest", to_hex(grant.file.sealed_digest));
  out.append_int64("sealed_bytes", static_cast<std::int64_t>(grant.file.sealed_bytes));
  out.append_int64("version", static_cast<std::int64_t>(grant.version));
  out.append_binary("sig", grant.signature.view());
  return std::move(out).finish();
}

Result<Grant> read_grant(bson::View document) {
  Fields in("grant", document);
  Grant grant;
  grant.id = in.id<GrantId>("grant");
  grant.owner = in.id<PublicKey>("owner");
  grant.to = in.id<PublicKey>("to");
  grant.resource = in.text("resource");
  const std::string state = in.text("state");
  grant.views = static_cast<std::uint32_t>(in.number("views", 0, kViewsMax));
  grant.file.digest = in.digest("digest");
  grant.file.sealed_digest = in.digest("sealed_digest");
  grant.file.sealed_bytes = in.number("sealed_bytes", 0, kFileBytesMax);
  grant.version = in.version();
  grant.signature = in.signature();
  in.expect_id(document_id(grant));
  DISTRI_TRY_VOID(in.done());
  bool known = false;
  for (const auto candidate : {Grant::State::kGranted, Grant::State::kRefused, Grant::State::kRevoked}) {
    if (state != state_name(candidate)) continue;
    grant.state = candidate;
    known = true;
  }
  if (!known) {
    return fail(Code::kInvalidArgument, "grant: its field 'state' must be 'granted', 'refused' or 'revoked'");
  }
  DISTRI_TRY_VOID(verify(grant));
  return grant;
}

}  // namespace distri::peer
