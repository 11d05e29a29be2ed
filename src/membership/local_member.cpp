#include "distri/membership/local_member.hpp"

#include <algorithm>
#include <utility>

namespace distri::membership {

LocalMember::LocalMember(SigningKey key, MemberTable table, Sponsor sponsor, std::uint64_t sequence, Plant plant)
    : key_(std::move(key)),
      table_(std::move(table)),
      sponsor_(std::move(sponsor)),
      sequence_(sequence),
      plant_(plant) {}

// ---- Who may what.

Result<> LocalMember::admit_node(const std::optional<NodeId>& key) const {
  if (!key) return fail(Code::kUnauthenticated, "a node must show its key; this connection has none");
  if (table_.is_member(*key)) return {};
  if (table_.is_revoked(*key)) {
    return fail(Code::kPermissionDenied, "node {} was removed from cluster {}", key->short_hex(),
                table_.cluster().short_hex());
  }
  return fail(Code::kUnauthenticated,
              "node {} is no member of cluster {}; let it join by an invitation ('distri invite')", key->short_hex(),
              table_.cluster().short_hex());
}

bool LocalMember::trusts_client(const std::optional<NodeId>& key) const {
  return key && (table_.is_member(*key) || *key == table_.authority().root);
}

std::optional<LocalMember::Outgoing> LocalMember::farewell(const NodeId& refused, bool linked) const {
  if (!linked && !table_.is_revoked(refused) && !table_.was_admitted(refused)) return std::nullopt;
  return everything();
}

std::optional<LocalMember::Outgoing> LocalMember::question(const NodeId& stranger) const {
  if (table_.is_member(stranger) || table_.is_revoked(stranger)) return std::nullopt;
  return Outgoing{Message::kSummary, table_.summary()};
}

std::optional<LocalMember::Outgoing> LocalMember::farewell_to_former(const NodeId& stranger,
                                                                     BytesView statements) const {
  if (table_.epoch() == 0 || table_.is_member(stranger)) return std::nullopt;
  const auto theirs = MemberTable::load(statements);
  const bool former = theirs && theirs->cluster() == table_.cluster() && theirs->epoch() < table_.epoch() &&
                      theirs->is_member(stranger);
  return former ? std::optional(everything()) : std::nullopt;
}

// ---- Requests.

Result<> LocalMember::open_invitation(BytesView invitation, std::int64_t now_ms) {
  wire::Reader in(invitation);
  DISTRI_TRY(const auto decoded, decode_invitation(in));
  if (!in.at_end()) return fail(Code::kProtocolError, "invitation: there are bytes behind it");
  return sponsor_.open(decoded, table_, now_ms);
}

Sponsor::Answer LocalMember::join(BytesView request, BytesView binding, std::int64_t now_ms) {
  MemberTable before = table_;
  auto answer = sponsor_.answer(request, binding, now_ms, table_);
  if (table_.version() != before.version()) {
    if (!withheld_) withheld_.emplace(std::move(before), 0);
    withheld_->until = table_.version();
  }
  return answer;
}

bool LocalMember::saved(std::uint64_t version) {
  if (!withheld_ || version < withheld_->until) return false;
  withheld_.reset();
  return true;
}

Result<std::size_t> LocalMember::change(BytesView statements) {
  std::optional<MemberTable> before;
  if (plant_ == Plant::kHoardRevocations) before = shown();
  const std::size_t revoked = table_.revoked().size();
  DISTRI_TRY(const std::size_t fresh, table_.merge(statements));
  if (before && table_.revoked().size() > revoked) hoarded_ = std::move(before);
  if (fresh > 0 && insistences_ < kInsistencesMax && plant_ != Plant::kForgetSequence) {
    DISTRI_TRY(const bool insisted, insist());
    insistences_ += insisted ? 1 : 0;
  }
  return fresh;
}

Result<bool> LocalMember::announce(std::vector<Address> addresses) {
  DISTRI_TRY_VOID(check_addresses(addresses));
  announced_ = std::move(addresses);
  insistences_ = 0;
  return insist();
}

Result<bool> LocalMember::insist() {
  const auto* self = table_.member(node());
  if (self == nullptr || announced_.empty() || self->addresses == announced_) return false;
  sequence_ = std::max(sequence_, self->sequence) + 1;
  return table_.add(membership::announce(table_.cluster(), key_, sequence_, announced_));
}

// ---- Gossip.

LocalMember::Outgoing LocalMember::digest() const {
  const Hash256& digest = shown().digest();
  return {Message::kDigest, Bytes(reinterpret_cast<const char*>(digest.data()), digest.size())};
}

Result<LocalMember::Heard> LocalMember::receive(Message kind, BytesView payload) {
  Heard heard;
  switch (kind) {
    case Message::kDigest:
      if (payload.size() != table_.digest().size()) {
        return fail(Code::kProtocolError, "digest of members: {} bytes instead of {}", payload.size(),
                    table_.digest().size());
      }
      heard.agrees =
          std::ranges::equal(payload, table_.digest(), {}, [](char c) { return static_cast<unsigned char>(c); });
      if (payload != digest().payload) heard.answer = Outgoing{Message::kSummary, table_.summary()};
      return heard;
    case Message::kSummary: {
      DISTRI_TRY(const std::uint32_t epoch, MemberTable::epoch_of_summary(payload));
      // What we know counts for nothing there, but that we belonged to it: see farewell_to_former().
      const bool outdated = epoch > shown().epoch() && shown().is_member(node());
      DISTRI_TRY(Bytes missing, outdated ? shown().proof_of(node()) : shown().missing(payload));
      if (!missing.empty()) heard.answer = Outgoing{Message::kStatements, std::move(missing)};
      return heard;
    }
    case Message::kStatements: {
      DISTRI_TRY(const std::size_t fresh, change(payload));
      heard.changed = fresh > 0;
      return heard;
    }
  }
  return fail(Code::kProtocolError, "membership message of unknown kind");
}

}  // namespace distri::membership
