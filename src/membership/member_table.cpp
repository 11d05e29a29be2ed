#include "distri/membership/member_table.hpp"

#include <algorithm>

#include "distri/membership/table_codec.hpp"
#include "distri/utils/check.hpp"

namespace distri::membership {

MemberTable::MemberTable(const Founding& founding) : founding_(founding), cluster_(founding.cluster()) {
  DISTRI_CHECK(refresh());
}

Authority MemberTable::authority() const {
  return {.cluster = cluster_, .epoch = epoch(), .root = links_.empty() ? founding_.root : links_.back().root};
}

// ---- Registers

MemberTable::Slot MemberTable::slot_of(const Admission& admission) {
  if (!admission.sponsored) return {admission.node, 0};
  return {admission.sponsored->invitation.key, admission.sponsored->use};
}

bool MemberTable::wins(const Held<Admission>& one, const Held<Admission>& other) {
  const std::int64_t one_ms = one.statement.admitted_ms;
  const std::int64_t other_ms = other.statement.admitted_ms;
  if (one_ms != other_ms) return one.statement.sponsored ? one_ms < other_ms : one_ms > other_ms;
  return one.digest < other.digest;
}

bool MemberTable::wins(const Held<Revocation>& one, const Held<Revocation>& other) {
  if (one.statement.at_ms != other.statement.at_ms) return one.statement.at_ms > other.statement.at_ms;
  return one.digest > other.digest;
}

bool MemberTable::wins(const Held<AddressRecord>& one, const Held<AddressRecord>& other) {
  if (one.statement.sequence != other.statement.sequence) return one.statement.sequence > other.statement.sequence;
  return one.digest > other.digest;
}

template <class Statement>
MemberTable::Held<Statement> MemberTable::hold(const Statement& statement) {
  Held<Statement> held{.statement = statement, .bytes = {}, .digest = {}};
  wire::Writer out(held.bytes);
  membership::encode(out, statement);
  held.digest = blake2b_256(held.bytes);
  return held;
}

// True if it is new and the greatest of its register. Checked before anything else is made of it, except when it is
// what the register holds already.
template <class Key, class Statement, class Check>
Result<bool> MemberTable::put(Registers<Key, Statement>& registers, const Key& key, const Statement& statement,
                              const Check& check) {
  Held<Statement> held = hold(statement);
  const auto at = registers.find(key);
  if (at != registers.end() && at->second.digest == held.digest) return false;
  DISTRI_TRY_VOID(check(statement));
  if (at == registers.end()) {
    registers.emplace(key, std::move(held));
    return true;
  }
  if (!wins(held, at->second)) return false;
  at->second = std::move(held);
  return true;
}

// ---- Changes

Result<std::size_t> MemberTable::extend(const std::vector<RootLink>& links, const std::optional<Roll>& roll) {
  for (std::size_t i = 0; i < std::min(links.size(), links_.size()); ++i) {
    if (digest_of(links[i]) == digest_of(links_[i])) continue;
    return fail(Code::kUnauthenticated,
                "root change {}: this node knows another one; its root key has signed two; find out who holds it",
                i + 1);
  }
  if (roll && (links.empty() || digest_of(*roll) != links.back().roll)) {
    return fail(Code::kUnauthenticated, "roll: it is not the one that root change {} was signed with", links.size());
  }
  if (links.size() <= links_.size()) return std::size_t{0};
  const std::size_t news = links.size() - links_.size();
  for (std::size_t i = links_.size(); i < links.size(); ++i) {
    DISTRI_TRY_VOID(verify(links[i], cluster_, epoch() + 1, last_link(), next_root()));
    links_.push_back(links[i]);
  }
  if (!roll) return fail(Code::kProtocolError, "root change {}: its roll is missing", links.size());
  roll_ = *roll;
  admissions_.clear();
  revocations_.clear();
  return news;
}

Result<std::size_t> MemberTable::merge(BytesView bytes) {
  DISTRI_TRY(const TableParts parts, decode_table(bytes));
  if (parts.founding != founding_) {
    return fail(Code::kUnauthenticated, "member table: it is that of cluster {}, this node belongs to {}",
                parts.founding.cluster().short_hex(), cluster_.short_hex());
  }
  MemberTable changed = *this;
  DISTRI_TRY(std::size_t news, changed.extend(parts.links, parts.roll));
  const Authority now = changed.authority();
  if (parts.links.size() == now.epoch) {
    for (const Admission& admission : parts.admissions) {
      DISTRI_TRY(const bool fresh, put(changed.admissions_, slot_of(admission), admission,
                                       [&](const Admission& checked) { return verify(checked, now); }));
      news += fresh ? 1 : 0;
    }
    for (const Revocation& revocation : parts.revocations) {
      DISTRI_TRY(const bool fresh, put(changed.revocations_, revocation.node, revocation,
                                       [&](const Revocation& checked) { return verify(checked, now); }));
      news += fresh ? 1 : 0;
    }
  }
  std::size_t fresh_addresses = 0;
  for (const AddressRecord& record : parts.addresses) {
    DISTRI_TRY(const bool fresh, put(changed.addresses_, record.node, record,
                                     [&](const AddressRecord& checked) { return verify(checked, cluster_); }));
    fresh_addresses += fresh ? 1 : 0;
  }
  if (news + fresh_addresses == 0) return std::size_t{0};
  DISTRI_TRY_VOID(changed.refresh());
  // Those of nodes that are not members have gone again.
  for (const auto& [node, held] : changed.addresses_) {
    const auto before = addresses_.find(node);
    if (before == addresses_.end() || before->second.digest != held.digest) ++news;
  }
  if (news == 0) return std::size_t{0};
  ++changed.version_;
  *this = std::move(changed);
  return news;
}

template <class Key, class Statement>
Result<bool> MemberTable::add_to(Registers<Key, Statement> MemberTable::* registers, const Key& key,
                                 const Statement& statement) {
  MemberTable changed = *this;
  DISTRI_TRY(const bool fresh, put(changed.*registers, key, statement, [&](const Statement& checked) {
               if constexpr (std::is_same_v<Statement, AddressRecord>) {
                 return verify(checked, cluster_);
               } else {
                 return verify(checked, authority());
               }
             }));
  if (!fresh) return false;
  DISTRI_TRY_VOID(changed.refresh());
  if (changed.digest_ == digest_) return false;
  ++changed.version_;
  *this = std::move(changed);
  return true;
}

Result<bool> MemberTable::add(const Admission& admission) {
  return add_to(&MemberTable::admissions_, slot_of(admission), admission);
}

Result<bool> MemberTable::add(const Revocation& revocation) {
  return add_to(&MemberTable::revocations_, revocation.node, revocation);
}

Result<bool> MemberTable::add(const AddressRecord& record) {
  return add_to(&MemberTable::addresses_, record.node, record);
}

Result<bool> MemberTable::add(const RootChange& change) {
  if (!links_.empty() && digest_of(change.link) == digest_of(links_.back())) return false;
  MemberTable changed = *this;
  std::vector<RootLink> links = links_;
  links.push_back(change.link);
  DISTRI_TRY_VOID(changed.extend(links, change.roll));
  DISTRI_TRY_VOID(changed.refresh());
  ++changed.version_;
  *this = std::move(changed);
  return true;
}

}  // namespace distri::membership
