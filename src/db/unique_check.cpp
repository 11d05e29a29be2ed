#include "distri/db/unique_check.hpp"

#include "distri/bson/json.hpp"
#include "distri/db/index.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/scan.hpp"

namespace distri::db {
namespace {

std::string id_text(bson::View document) {
  constexpr std::size_t kShownMax = 200;
  bson::Builder id;
  id.append_element(*document.begin());
  return bson::to_json(std::move(id).finish()).substr(0, kShownMax);
}

}  // namespace

class UniqueCheck::Impl {
 public:
  explicit Impl(const IndexDefinition& definition)
      : index_(definition, false), scan_({nullptr, nullptr, ReadShape::kAll, true, kNaturalOrder}) {}

  Result<bool> step(const Collection* collection, std::uint64_t& budget);
  std::size_t bytes() const { return index_.bytes(); }

 private:
  Result<> look_at(const Collection& collection, std::string_view id_key, const Record& record);

  Index index_;  // of what it has looked at
  MatchScan scan_;
};

Result<bool> UniqueCheck::Impl::step(const Collection* collection, std::uint64_t& budget) {
  if (collection == nullptr) return true;
  Result<> unique;
  DISTRI_TRY(const auto end, scan_.run(*collection, budget, [&](std::string_view id_key, const Record& record) {
    unique = look_at(*collection, id_key, record);
    return unique.has_value();
  }));
  DISTRI_TRY_VOID(unique);
  return end != Scan::End::kPaused;
}

Result<> UniqueCheck::Impl::look_at(const Collection& collection, std::string_view id_key, const Record& record) {
  if (const auto key = index_.conflict(id_key, record.document)) {
    // Those that had the key when they were looked at may have another one now, or be gone, their records too.
    Index now(index_.definition(), true);
    for (auto at = index_.entries().lower_bound(std::string_view(*key));
         at != index_.entries().end() && at->key() == *key; ++at) {
      const Record* other = collection.find(at->id_key());
      if (other == nullptr) continue;
      now.add(at->id_key(), *other);
      if (!now.conflict(id_key, record.document)) continue;
      return fail(Code::kAlreadyExists,
                  "{}: E11000 duplicate key error index: {}: the documents {} and {} have the same key already; change "
                  "or delete one, or create the index without 'unique'",
                  mongo_code(mongo::kDuplicateKey), shown(index_.definition().name), id_text(other->document),
                  id_text(record.document));
    }
  }
  index_.visit(id_key, record);
  return {};
}

UniqueCheck::UniqueCheck(const IndexDefinition& definition) : impl_(std::make_unique<Impl>(definition)) {}
UniqueCheck::UniqueCheck(UniqueCheck&&) noexcept = default;
UniqueCheck& UniqueCheck::operator=(UniqueCheck&&) noexcept = default;
UniqueCheck::~UniqueCheck() = default;
Result<bool> UniqueCheck::step(const Collection* collection, std::uint64_t& budget) {
  return impl_->step(collection, budget);
}
std::size_t UniqueCheck::bytes() const {
  return impl_->bytes();
}

}  // namespace distri::db
