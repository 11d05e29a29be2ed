#include "distri/cloud/access.hpp"

#include <algorithm>
#include <array>

#include "distri/bson/compare.hpp"
#include "distri/cloud/service_params.hpp"
#include "distri/net/connection_census.hpp"
#include "distri/utils/secret_hash.hpp"

namespace distri::cloud {
namespace {

using membership::TokenLine;

constexpr std::string_view kTokenPrefix = "token:";
constexpr std::string_view kKeyPrefix = "key:";

Bytes record_key(std::string_view id) {
  bson::Builder out;
  out.append_string("_id", id);
  return bson::order_key(std::move(out).finish().view().begin()->value);
}

std::optional<std::string_view> text_of(bson::View document, std::string_view field) {
  const auto value = document.find(field);
  if (!value || value->type() != bson::Type::kString) return std::nullopt;
  return value->as_string();
}

std::optional<std::int64_t> date_of(bson::View document, std::string_view field) {
  const auto value = document.find(field);
  if (!value || value->type() != bson::Type::kDate) return std::nullopt;
  return value->as_date_ms();
}

// Whose failures count together: "10.0.0.7:41234" -> "10.0.0.7"; of IPv6 the /64, as one machine can have all of it.
std::string host_of(const std::string& remote) {
  return net::address_group(parse_address(remote).value_or(Address{remote}).host);
}

Error not_good() {
  return {Code::kUnauthenticated,
          "the token is not good: it is unknown here, was revoked, or is not the one that was printed"};
}

}  // namespace

struct Access::Draft {
  std::string name;
  bson::View grants;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> expires_ms;

  bson::Document document(std::string_view id, std::string_view hash) const {
    bson::Builder out;
    out.append_string("_id", id);
    out.append_string("name", name);
    out.append_array("grants", grants);
    if (!hash.empty()) out.append_string("hash", hash);
    out.append_date("created", created_ms);
    if (expires_ms) out.append_date("expires", *expires_ms);
    return std::move(out).finish();
  }
};

Access::Access(Parts parts)
    : parts_(std::move(parts)), digest_key_(random_secret(32)), seen_(parts_.replica.digest(db::kAccessCollection)) {}

// ---- Being let in.

Access::CredentialPtr Access::find(std::string_view id, const std::optional<NodeId>& user) const {
  const db::Collection* collection = parts_.replica.database().find(db::kAccessCollection);
  const db::Record* record = collection == nullptr ? nullptr : collection->find(record_key(id));
  if (record == nullptr) return nullptr;
  const bson::View document = record->document.view();
  const auto name = text_of(document, "name");
  const auto grants = array_param(document, "grants");
  if (!name || !grants || !*grants) return nullptr;
  auto rights = Rights::parse(**grants, fmt::format("{} '{}'", user ? "user" : "token", *name), user);
  if (!rights) return nullptr;
  // A date of another kind than we know must not count as none.
  const auto expires = document.find("expires");
  if (expires && expires->type() != bson::Type::kDate) return nullptr;
  return std::make_shared<Credential>(Credential{std::string(id), std::string(*name),
                                                 std::make_shared<const Rights>(*std::move(rights)),
                                                 date_of(document, "expires"), Bytes(document.bytes())});
}

Access::CredentialPtr Access::of_key(const NodeId& key) {
  auto credential = find(std::string(kKeyPrefix) + key.hex(), key);
  if (!credential || !still_good(*credential)) return nullptr;
  ++counters_.accepted;
  notice_changes();
  return credential;
}

Result<> Access::still_good(const Credential& credential) const {
  if (credential.expires_ms && parts_.clock.wall_ms() >= *credential.expires_ms) {
    return fail(Code::kPermissionDenied, "'{}' ({}) has expired; ask for a new one", credential.name, credential.id);
  }
  const auto now = find(credential.id);
  if (now && now->document == credential.document) return {};
  return fail(Code::kPermissionDenied, "'{}' ({}) {}", credential.name, credential.id,
              now ? "has other rights now; connect again" : "was revoked");
}

// Also when somebody is let in: else what is undone before the next look at it would go unnoticed.
void Access::notice_changes() {
  const auto now = parts_.replica.digest(db::kAccessCollection);
  if (now == seen_) return;
  seen_ = now;
  changed_ = true;
}

bool Access::changed() {
  notice_changes();
  return std::exchange(changed_, false);
}

void Access::refused(const std::string& address, const std::string& why) {
  ++counters_.refused;
  attempts_.failed(address, parts_.clock.monotonic_ns() / 1'000'000);
  parts_.log.warning("a token from {} was refused: {}", address, why);
}

Result<Access::CredentialPtr> Access::conclude(const CredentialPtr& credential, const std::string& from, bool fits) {
  if (!fits) {
    refused(from, fmt::format("the secret of {} is another", credential->id));
    return fail(not_good());
  }
  // It may have been revoked meanwhile.
  if (auto good = still_good(*credential); !good) {
    refused(from, good.error().message);
    return fail(Code::kUnauthenticated, "the token is not good: {}", good.error().message);
  }
  ++counters_.accepted;
  notice_changes();
  return credential;
}

void Access::authenticate(BytesView line, const std::string& from, std::function<void(Result<CredentialPtr>)> done) {
  const std::string host = host_of(from);
  auto parsed = membership::parse_token_line(line);
  const std::string id = parsed ? std::string(kTokenPrefix) + parsed->token.hex() : std::string();
  const auto credential = parsed && parsed->cluster == parts_.cluster ? find(id) : nullptr;
  const auto stored = credential ? text_of(bson::View::trusted(credential->document), "hash") : std::nullopt;
  const std::string hash(stored.value_or(std::string_view()));
  std::string digest = parsed ? keyed_digest(digest_key_, parsed->secret) : std::string();
  const auto known = fitted_.find(id);
  if (stored && known != fitted_.end() && known->second.hash == hash && equal_secrets(known->second.digest, digest)) {
    return done(conclude(credential, host, true));
  }
  if (const std::int64_t wait_ms = attempts_.wait_ms(host, parts_.clock.monotonic_ns() / 1'000'000); wait_ms > 0) {
    ++counters_.limited;
    return done(fail(Code::kBusy, "too many tokens from {} were not good; try again in {} ms", host, wait_ms));
  }
  if (!parsed) {
    refused(host, "it is no token");
    return done(fail(std::move(parsed).error()));
  }
  if (parsed->cluster != parts_.cluster) {
    refused(host, "it is of another cluster");
    return done(fail(Code::kUnauthenticated, "the token is for cluster {}, this node is of cluster {}",
                     parsed->cluster.short_hex(), parts_.cluster.short_hex()));
  }
  if (!stored) {
    refused(host, fmt::format("there is no {}", id));
    return done(fail(not_good()));
  }
  const auto check = [this, post = parts_.post, secret = std::move(parsed->secret), hash, credential, host,
                      digest = std::move(digest), done] {
    const bool fits = fits_secret(secret, hash);
    post([this, fits, hash, credential, host, digest, done] {
      --checks_;
      if (fits) {
        if (fitted_.size() >= kRememberedMax) fitted_.clear();
        fitted_.insert_or_assign(credential->id, Fitted{hash, digest});
      }
      done(conclude(credential, host, fits));
    });
  };
  if (checks_ >= kChecksMax || !parts_.run_elsewhere(check)) {
    return done(fail(Code::kBusy, "this node is checking {} other tokens; try again", checks_));
  }
  ++checks_;
  ++counters_.hashes;
}

// ---- Making and listing.

Result<Access::Draft> Access::draft(bson::View params, bool user) const {
  DISTRI_TRY_VOID(user ? check_params(params, "CreateUser", {"name", "key", "grants", "expires_ms", "w"})
                       : check_params(params, "CreateToken", {"name", "grants", "expires_ms", "w"}));
  Draft draft;
  draft.created_ms = parts_.clock.wall_ms();
  const auto name = text_of(params, "name");
  const bool printable = name && std::ranges::none_of(*name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!printable || name->empty() || name->size() > kNameBytesMax) {
    return fail(Code::kInvalidArgument,
                "parameter 'name' must say who or what it is for, in 1 to {} bytes without control characters",
                kNameBytesMax);
  }
  draft.name = *name;
  DISTRI_TRY(const auto grants, array_param(params, "grants"));
  if (!grants) {
    return fail(Code::kInvalidArgument,
                "parameter 'grants' is missing: [{{\"roles\": [\"read\"], \"collections\": [\"robots.*\"]}}]");
  }
  draft.grants = *grants;
  DISTRI_TRY_VOID(Rights::parse(*grants, {}));
  if (params.find("expires_ms")) {
    DISTRI_TRY(const std::uint64_t life_ms, number_param(params, "expires_ms", 0));
    if (life_ms == 0 || life_ms > static_cast<std::uint64_t>(kLifeMsMax)) {
      return fail(Code::kInvalidArgument, "parameter 'expires_ms' must be 1 to {}: for how long it is good",
                  kLifeMsMax);
    }
    draft.expires_ms = draft.created_ms + static_cast<std::int64_t>(life_ms);
  }
  return draft;
}

void Access::make_token(bson::View params, std::function<void(Result<NewToken>)> done) {
  // The draft refers to its source.
  const auto source = std::make_shared<const bson::Document>(params);
  auto drafted = draft(source->view(), false);
  if (!drafted) return done(fail(std::move(drafted).error()));
  TokenLine line;
  line.cluster = parts_.cluster;
  line.token = membership::TokenId::from_view(random_secret(membership::TokenId::kSize));
  line.secret = random_secret(membership::kTokenSecretBytes);
  const auto make = [post = parts_.post, line, source, drafted = *std::move(drafted), done] {
    const auto hash = hash_secret(line.secret);
    post([line, source, drafted, done, hash] {
      if (!hash) return done(fail(hash.error()));
      done(NewToken{drafted.document(std::string(kTokenPrefix) + line.token.hex(), *hash), print(line)});
    });
  };
  if (!parts_.run_elsewhere(make)) done(fail(Code::kBusy, "all workers of this node are busy; try again"));
}

Result<bson::Document> Access::make_user(bson::View params) const {
  DISTRI_TRY(const Draft drafted, draft(params, true));
  const auto text = text_of(params, "key");
  const auto bytes = text ? from_hex(*text) : Result<Bytes>(Bytes());
  if (!bytes || bytes->size() != NodeId::kSize || !is_valid(NodeId::from_view(*bytes))) {
    return fail(Code::kInvalidArgument,
                "parameter 'key' must be the public half of a key, {} hexadecimal digits, as 'distri keygen' prints it",
                2 * NodeId::kSize);
  }
  const std::string id = std::string(kKeyPrefix) + NodeId::from_view(*bytes).hex();
  if (const auto there = find(id)) {
    return fail(Code::kAlreadyExists, "the key belongs to the user '{}' already; revoke {} first", there->name, id);
  }
  return drafted.document(id, {});
}

bson::Document Access::list() const {
  bson::Builder out;
  out.begin_array("access");
  std::size_t index = 0;
  if (const db::Collection* collection = parts_.replica.database().find(db::kAccessCollection)) {
    for (const auto& [key, record] : collection->records()) {
      const auto id = text_of(record.document.view(), "_id");
      const auto credential = id ? find(*id) : nullptr;
      if (!credential) continue;
      const bson::View document = bson::View::trusted(credential->document);
      out.begin_object(std::to_string(index++));
      out.append_string("id", credential->id);
      out.append_string("name", credential->name);
      out.append_value("grants", *document.find("grants"));
      if (const auto created = date_of(document, "created")) out.append_int64("created_ms", *created);
      if (credential->expires_ms) out.append_int64("expires_ms", *credential->expires_ms);
      out.append_bool("expired", credential->expires_ms && parts_.clock.wall_ms() >= *credential->expires_ms);
      out.end();
    }
  }
  out.end();
  return std::move(out).finish();
}

Result<Bytes> Access::key_of(bson::View params) const {
  DISTRI_TRY_VOID(check_params(params, "RevokeAccess", {"id", "w"}));
  const auto id = text_of(params, "id");
  if (!id)
    return fail(Code::kInvalidArgument, "parameter 'id' must be that of a token or a user, as ListAccess shows it");
  Bytes key = record_key(*id);
  const db::Collection* collection = parts_.replica.database().find(db::kAccessCollection);
  if (collection == nullptr || collection->find(key) == nullptr) {
    return fail(Code::kNotFound, "there is no token or user '{}'", id->substr(0, kNameBytesMax));
  }
  return key;
}

}  // namespace distri::cloud
