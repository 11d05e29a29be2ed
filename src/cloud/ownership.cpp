#include "distri/cloud/ownership.hpp"

#include "distri/db/language_error.hpp"

namespace distri::cloud {
namespace {

bool names(const std::optional<bson::Value>& value, std::string_view user) {
  if (!value || value->type() != bson::Type::kString) return false;
  const std::string_view text = value->as_string();
  return text.starts_with(user) && (text.size() == user.size() || text[user.size()] == ':');
}

}  // namespace

bool bound_by_owners(const Rights* rights, const db::CollectionOptions& options, std::string_view collection) {
  return options.owners && rights != nullptr && !rights->may(Role::kAdmin, collection);
}

Result<> check_owner(const Rights* rights, const db::CollectionOptions& options, std::string_view collection,
                     const bson::StoredDocument* before, const bson::View* after) {
  if (!bound_by_owners(rights, options, collection)) return {};
  const db::Owners& owners = *options.owners;
  if (!rights->user()) {
    return fail(
        Code::kPermissionDenied,
        "documents of '{}' have owners (ownerField '{}'), and {} is nobody's: let the user connect with his own "
        "key, or give an administrator's token",
        collection, owners.field, rights->who());
  }
  const std::string user = rights->user()->hex();
  const auto owned = [&](bson::View document) { return names(document.find(owners.field), user); };
  if (before != nullptr && !owned(*before)) {
    const bson::View view = *before;
    if (after == nullptr && !owners.taker.empty() && names(view.find(owners.taker), user)) return {};
    return fail(Code::kPermissionDenied, "{} does not own that document of '{}': its '{}' names somebody else",
                rights->who(), collection, owners.field);
  }
  if (after == nullptr || owned(*after)) return {};
  return fail(Code::kPermissionDenied,
              "{} may write only own documents to '{}': '{}' must be the user's key, {}, or begin with it and ':'",
              rights->who(), collection, owners.field, user);
}

}  // namespace distri::cloud
