// access.hpp: who but members may use a node with keys: tokens and users, which are documents of `system.access`.
//
//   {_id: "token:<16 hex digits>", name, grants: [...], hash: "$argon2id$...", created: Date, expires: Date}
//   {_id: "key:<64 hex digits>",   name, grants: [...],                        created: Date, expires: Date}
//
// They replicate like all documents, so that a token made on one node is good on all, and one that was revoked stays
// revoked. A token's secret is 32 random bytes, of which only a hash is kept (utils/secret_hash.hpp); checking it takes
// a worker some milliseconds, once: after that the node remembers a keyed digest of it in memory. Grants: rights.hpp.
// A document that is not as above grants nothing.
//
// What fails is limited by address (attempts.hpp) and logged; at most kChecksMax hashes are computed at once.
// Expiry is by this node's clock. Threads: the main thread; what is handed to `run_elsewhere` touches copies only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "distri/cloud/attempts.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/membership/token_line.hpp"
#include "distri/replication/replica.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/log.hpp"

namespace distri::cloud {

// A token or a user's key that was found good, as its document was then.
struct Credential {
  std::string id;  // the document's
  std::string name;
  std::shared_ptr<const Rights> rights;
  std::optional<std::int64_t> expires_ms;  // wall time
  Bytes document;
};

struct AccessCounters {
  std::uint64_t accepted = 0;  // tokens and keys that were let in
  std::uint64_t refused = 0;   // tokens that were not good
  std::uint64_t limited = 0;   // tries that came too soon after failures of their address
  std::uint64_t hashes = 0;    // computed to check tokens
};

class Access {
 public:
  struct Parts {
    const replication::Replica& replica;
    const Clock& clock;
    membership::ClusterId cluster;
    // Runs a function on another thread; false: not now.
    std::function<bool(std::function<void()>)> run_elsewhere;
    // Runs a function on the main thread, in a later turn.
    std::function<void(std::function<void()>)> post;
    Log log;
  };
  using CredentialPtr = std::shared_ptr<const Credential>;
  static constexpr std::size_t kNameBytesMax = 120;
  static constexpr std::int64_t kLifeMsMax = std::int64_t{100} * 365 * 86'400'000;
  static constexpr std::size_t kChecksMax = 4;
  static constexpr std::size_t kRememberedMax = 10'000;

  explicit Access(Parts parts);

  // ---- Being let in.
  // A token's line, from that address ("host:port"). `done` is called once, at once or later. kUnauthenticated: it is
  // not good (unknown, revoked, expired, of another cluster); kInvalidArgument: no token; kBusy: too many failures of
  // this address, or too many others are being checked.
  void authenticate(BytesView line, const std::string& from, std::function<void(Result<CredentialPtr>)> done);
  // nullptr: nobody's key, or it has expired.
  CredentialPtr of_key(const NodeId& key);
  // kPermissionDenied: what it was let in by has changed, gone or expired.
  Result<> still_good(const Credential& credential) const;
  // The documents are others than at the last call.
  bool changed();
  const AccessCounters& counters() const { return counters_; }

  // ---- Making and listing, for administrators. What is made is a document, to be written by the caller.
  struct NewToken {
    bson::Document document;
    std::string line;  // the only time that it is known
  };
  // {"name", "grants", "expires_ms"}: for how long, from now; without: for ever. kInvalidArgument, kBusy.
  void make_token(bson::View params, std::function<void(Result<NewToken>)> done);
  // {"name", "key", "grants", "expires_ms"}; key: 64 hexadecimal digits. kAlreadyExists.
  Result<bson::Document> make_user(bson::View params) const;
  // {"access": [{"id", "name", "grants", "created_ms", "expires_ms", "expired"}, ...]}
  bson::Document list() const;
  // The key in `system.access` of {"id"}. kNotFound.
  Result<Bytes> key_of(bson::View params) const;

 private:
  struct Draft;
  Result<Draft> draft(bson::View params, bool user) const;
  // `user`: whose key it is; nullopt: a token.
  CredentialPtr find(std::string_view id, const std::optional<NodeId>& user = std::nullopt) const;
  void notice_changes();
  void refused(const std::string& address, const std::string& why);
  Result<CredentialPtr> conclude(const CredentialPtr& credential, const std::string& from, bool fits);

  Parts parts_;
  Attempts attempts_;
  AccessCounters counters_;
  Bytes digest_key_;
  // By a token's document id: its hash, and the keyed digest of the secret that fitted it.
  struct Fitted {
    std::string hash;
    std::string digest;
  };
  std::map<std::string, Fitted, std::less<>> fitted_;
  std::size_t checks_ = 0;    // running
  replication::Digest seen_;  // of the documents
  bool changed_ = false;      // since the last changed()
};

}  // namespace distri::cloud
