// What follows from the statements of a member table, and the questions that it answers.
#include <algorithm>
#include <tuple>

#include "distri/membership/member_table.hpp"

namespace distri::membership {

bool MemberTable::counts(const Admission& admission) const {
  if (revoked_.contains(admission.node)) return false;
  if (!admission.sponsored) return true;
  const NodeId& sponsor = admission.sponsored->invitation.sponsor;
  if (!revoked_.contains(sponsor)) return true;
  const auto revocation = revocations_.find(sponsor);
  return revocation != revocations_.end() &&
         std::ranges::binary_search(revocation->second.statement.keeps, admission.node);
}

Result<> MemberTable::refresh() {
  if (links_.size() > kRootChangesMax) {
    return fail(Code::kTooLarge, "member table: more than {} root changes", kRootChangesMax);
  }
  if (admissions_.size() > kAdmissionsMax || revocations_.size() > kRevocationsMax) {
    return fail(Code::kTooLarge,
                "member table: more than {} admissions or {} revocations; change the root key to drop "
                "those that do not count any more",
                kAdmissionsMax, kRevocationsMax);
  }
  revoked_.clear();
  for (const Roll::Revoked& revoked : roll_.revoked) revoked_.emplace(revoked.node, revoked);
  for (const auto& [node, held] : revocations_) {
    const Revocation& revocation = held.statement;
    revoked_.insert_or_assign(node, Roll::Revoked{node, revocation.reason, revocation.replaced_by, revocation.at_ms});
  }

  // Of several admissions of one node the root's own says name and time, then the roll, then the earliest.
  using Rank = std::tuple<int, std::int64_t, std::string>;
  std::map<NodeId, Rank> best;
  const auto offer = [&](const NodeId& node, Rank rank) {
    const auto [at, fresh] = best.try_emplace(node, rank);
    if (!fresh && rank < at->second) at->second = std::move(rank);
  };
  for (const Roll::Member& member : roll_.members) {
    if (!revoked_.contains(member.node)) offer(member.node, {1, member.admitted_ms, member.name});
  }
  for (const auto& [slot, held] : admissions_) {
    const Admission& admission = held.statement;
    if (counts(admission)) offer(admission.node, {admission.sponsored ? 2 : 0, admission.admitted_ms, admission.name});
  }
  if (best.size() > kAdmissionsMax) {
    return fail(Code::kTooLarge, "member table: more than {} members", kAdmissionsMax);
  }

  std::erase_if(addresses_, [&](const auto& entry) { return !best.contains(entry.first); });
  members_.clear();
  for (auto& [node, rank] : best) {
    Member& member = members_.emplace_back();
    member.node = node;
    member.admitted_ms = std::get<1>(rank);
    member.name = std::move(std::get<2>(rank));
    if (const auto record = addresses_.find(node); record != addresses_.end()) {
      member.addresses = record->second.statement.addresses;
      member.sequence = record->second.statement.sequence;
    }
  }

  knows_all_kept_ = std::ranges::all_of(revocations_, [&](const auto& entry) {
    return std::ranges::all_of(entry.second.statement.keeps,
                               [&](const NodeId& kept) { return best.contains(kept) || revoked_.contains(kept); });
  });

  // The chain without its signatures: one root key may sign the same change twice.
  std::size_t bytes = 0;
  Bytes digests(cluster_.view());
  const auto take = [&](const Hash256& digest) {
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  take(last_link());
  const auto take_all = [&](const auto& registers) {
    for (const auto& [key, held] : registers) {
      take(held.digest);
      bytes += held.bytes.size() + 2;
    }
  };
  take_all(admissions_);
  take_all(revocations_);
  take_all(addresses_);
  // Root links and the roll of the greatest size take less than the rest of it.
  constexpr std::size_t kStatementBytesMax = kTableBytesMax / 2;
  if (bytes > kStatementBytesMax) {
    return fail(Code::kTooLarge, "member table: its statements have {} bytes, at most {} are allowed", bytes,
                kStatementBytesMax);
  }
  digest_ = blake2b_256(digests);
  return {};
}

// ---- Questions

const MemberTable::Member* MemberTable::member(const NodeId& node) const {
  const auto at = std::ranges::lower_bound(members_, node, {}, &Member::node);
  return at != members_.end() && at->node == node ? &*at : nullptr;
}

bool MemberTable::was_admitted(const NodeId& node) const {
  return is_member(node) ||
         std::ranges::any_of(admissions_, [&](const auto& entry) { return entry.second.statement.node == node; }) ||
         std::ranges::any_of(roll_.members, [&](const Roll::Member& member) { return member.node == node; });
}

Result<NodeId> MemberTable::find(std::string_view text) const {
  const auto among = [&](const auto& fits) -> std::pair<const Member*, const Member*> {
    const auto first = std::ranges::find_if(members_, fits);
    if (first == members_.end()) return {};
    const auto second = std::find_if(first + 1, members_.end(), fits);
    return {&*first, second == members_.end() ? nullptr : &*second};
  };
  std::string digits(text);
  std::ranges::transform(digits, digits.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  auto found = among([&](const Member& member) { return member.name == text; });
  if (found.first == nullptr) {
    found = among([&](const Member& member) {
      return std::ranges::any_of(member.addresses, [&](const Address& address) { return to_string(address) == text; });
    });
  }
  if (found.first == nullptr && digits.size() >= kHexDigitsMin) {
    found = among([&](const Member& member) { return member.node.hex().starts_with(digits); });
  }
  if (found.first == nullptr) {
    return fail(Code::kNotFound, "no member has this name, address or key: '{}'", text.substr(0, kHostBytesMax));
  }
  if (found.second != nullptr) {
    return fail(Code::kInvalidArgument, "'{}' fits several members, {} and {}: give more digits of the key",
                text.substr(0, kHostBytesMax), found.first->node.short_hex(), found.second->node.short_hex());
  }
  return found.first->node;
}

std::vector<NodeId> MemberTable::sponsored_by(const NodeId& sponsor) const {
  std::vector<NodeId> nodes;
  for (const auto& [slot, held] : admissions_) {
    const Admission& admission = held.statement;
    if (admission.sponsored && admission.sponsored->invitation.sponsor == sponsor && counts(admission)) {
      nodes.push_back(admission.node);
    }
  }
  std::ranges::sort(nodes);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

const Admission* MemberTable::admission(const PublicKey& invitation, std::uint16_t use) const {
  const auto at = admissions_.find(Slot{invitation, use});
  return at == admissions_.end() ? nullptr : &at->second.statement;
}

// ---- For the holder of the root key

Roll MemberTable::roll() const {
  Roll roll;
  for (const Member& member : members_) roll.members.push_back({member.node, member.name, member.admitted_ms});
  for (const auto& [node, revoked] : revoked_) roll.revoked.push_back(revoked);
  return roll;
}

Result<RootChange> MemberTable::change_root(const SigningKey& root, const KeyDigest& next, Roll roll) const {
  if (digest_of(root.public_key()) != next_root()) {
    return fail(Code::kInvalidArgument, "root change: {} is not the key that was promised to come next",
                root.public_key().short_hex());
  }
  if (next == next_root()) return fail(Code::kInvalidArgument, "root change: the key after it is the same key");
  if (links_.size() == kRootChangesMax) {
    return fail(Code::kTooLarge, "root change: the cluster has had {} of them, at most {} are allowed", links_.size(),
                kRootChangesMax);
  }
  if (roll.members.size() > kAdmissionsMax || roll.revoked.size() > kRevocationsMax) {
    return fail(Code::kTooLarge, "roll: at most {} members and {} revoked nodes are allowed", kAdmissionsMax,
                kRevocationsMax);
  }
  Bytes bytes;
  wire::Writer out(bytes);
  membership::encode(out, roll);
  wire::Reader in(bytes);
  if (auto good = decode_roll(in); !good) return fail(Code::kInvalidArgument, "{}", good.error().message);
  const RootLink link = sign_root_link(cluster_, epoch() + 1, last_link(), root, next, blake2b_256(bytes));
  return RootChange{link, std::move(roll)};
}

}  // namespace distri::membership
