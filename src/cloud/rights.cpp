#include "distri/cloud/rights.hpp"

#include <algorithm>
#include <array>

#include "distri/cloud/service_params.hpp"

namespace distri::cloud {
namespace {

constexpr std::array<Role, 4> kRoles = {Role::kRead, Role::kWrite, Role::kAdmin, Role::kCall};
constexpr std::string_view kSystemPrefix = "system.";

constexpr std::uint8_t bit(Role role) {
  return static_cast<std::uint8_t>(role);
}

constexpr std::uint8_t kOnCollections = bit(Role::kRead) | bit(Role::kWrite) | bit(Role::kAdmin);

// The roles that include this one.
std::uint8_t roles_with(Role role) {
  switch (role) {
    case Role::kRead:
      return kOnCollections;
    case Role::kWrite:
      return bit(Role::kWrite) | bit(Role::kAdmin);
    case Role::kAdmin:
    case Role::kCall:
      break;
  }
  return bit(role);
}

bool fits(const std::vector<std::string>& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
  });
}

Result<> check_pattern(std::string_view pattern, std::string_view field) {
  const std::string_view name = pattern.ends_with('*') ? pattern.substr(0, pattern.size() - 1) : pattern;
  const bool good = !pattern.empty() && pattern.size() <= kPatternBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
  if (good) return {};
  return fail(Code::kInvalidArgument,
              "grants: {}: '{}' is neither a name (letters, digits, '_', '.', '-') nor a prefix with '*' behind it",
              field, pattern.substr(0, kPatternBytesMax));
}

Result<std::vector<std::string>> texts_of(bson::View grant, std::string_view field) {
  DISTRI_TRY(const auto given, array_param(grant, field));
  std::vector<std::string> texts;
  if (!given) return texts;
  for (const bson::Element& element : *given) {
    if (element.value.type() != bson::Type::kString || texts.size() == kPatternsMax) {
      return fail(Code::kInvalidArgument, "grants: '{}' must be a list of at most {} strings", field, kPatternsMax);
    }
    texts.emplace_back(element.value.as_string());
  }
  return texts;
}

Result<std::uint8_t> roles_of(bson::View grant) {
  DISTRI_TRY(const auto names, texts_of(grant, "roles"));
  std::uint8_t roles = 0;
  for (const std::string& name : names) {
    const auto role = std::ranges::find(kRoles, name, role_name);
    if (role == kRoles.end()) {
      return fail(Code::kInvalidArgument, "grants: '{}' is no role; there are read, write, admin and call",
                  name.substr(0, kPatternBytesMax));
    }
    roles |= bit(*role);
  }
  if (roles == 0) return fail(Code::kInvalidArgument, "grants: 'roles' must name one of read, write, admin and call");
  return roles;
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kRead:
      return "read";
    case Role::kWrite:
      return "write";
    case Role::kAdmin:
      return "admin";
    case Role::kCall:
      break;
  }
  return "call";
}

const std::shared_ptr<const Rights>& Rights::everything() {
  static const std::shared_ptr<const Rights> rights = [] {
    auto all = std::make_shared<Rights>();
    all->everything_ = true;
    return all;
  }();
  return rights;
}

Result<Rights> Rights::parse(bson::View grants, std::string who, std::optional<NodeId> user) {
  Rights rights;
  rights.who_ = std::move(who);
  rights.user_ = user;
  for (const bson::Element& element : grants) {
    if (element.value.type() != bson::Type::kObject || rights.grants_.size() == kGrantsMax) {
      return fail(Code::kInvalidArgument, "'grants' must be a list of at most {} objects", kGrantsMax);
    }
    const bson::View source = element.value.as_object();
    DISTRI_TRY_VOID(check_params(source, "a grant", {"roles", "collections", "services"}));
    Grant grant;
    DISTRI_TRY(grant.roles, roles_of(source));
    DISTRI_TRY(grant.collections, texts_of(source, "collections"));
    DISTRI_TRY(grant.services, texts_of(source, "services"));
    for (const auto& pattern : grant.collections) DISTRI_TRY_VOID(check_pattern(pattern, "collections"));
    for (const auto& pattern : grant.services) DISTRI_TRY_VOID(check_pattern(pattern, "services"));
    if (((grant.roles & kOnCollections) != 0) == grant.collections.empty()) {
      return fail(Code::kInvalidArgument,
                  "grants: 'collections' goes with the roles read, write and admin, and they need it: names, or "
                  "prefixes such as \"robots.*\"; \"*\" is all of them");
    }
    if (((grant.roles & bit(Role::kCall)) != 0) == grant.services.empty()) {
      return fail(Code::kInvalidArgument,
                  "grants: 'services' goes with the role call, which needs it: names, or prefixes; \"*\" is all of "
                  "them");
    }
    rights.grants_.push_back(std::move(grant));
  }
  if (rights.grants_.empty()) return fail(Code::kInvalidArgument, "'grants' must have at least one grant");
  return rights;
}

bool Rights::may(Role role, std::string_view name) const {
  if (everything_) return true;
  if (role == Role::kCall) {
    return may_everything() || std::ranges::any_of(grants_, [&](const Grant& grant) {
             return (grant.roles & bit(Role::kCall)) != 0 && fits(grant.services, name);
           });
  }
  if (name.starts_with(kSystemPrefix)) return false;
  const std::uint8_t enough = roles_with(role);
  return std::ranges::any_of(
      grants_, [&](const Grant& grant) { return (grant.roles & enough) != 0 && fits(grant.collections, name); });
}

bool Rights::may_everything() const {
  return everything_ || std::ranges::any_of(grants_, [](const Grant& grant) {
           return (grant.roles & bit(Role::kAdmin)) != 0 &&
                  std::ranges::find(grant.collections, "*") != grant.collections.end();
         });
}

Error Rights::denied(std::string_view what) const {
  return {Code::kPermissionDenied, fmt::format("{} may not {}; it may: {}", who_, what, text())};
}

Result<> Rights::require(Role role, std::string_view name) const {
  if (may(role, name)) return {};
  const std::string_view kind = role == Role::kCall ? "service" : "collection";
  std::string_view verb = role_name(role);
  if (role == Role::kAdmin) verb = "administer";
  return fail(denied(name == "*" ? fmt::format("{} all {}s", verb, kind)
                                 : fmt::format("{} {} '{}'", verb, kind, name.substr(0, kPatternBytesMax))));
}

Result<> Rights::require_everything(std::string_view what) const {
  if (may_everything()) return {};
  return fail(denied(fmt::format("{}, which needs the role admin for all collections", what)));
}

std::string Rights::text() const {
  if (everything_) return "everything";
  std::string text;
  for (const Grant& grant : grants_) {
    for (const Role role : kRoles) {
      if ((grant.roles & bit(role)) == 0) continue;
      const auto& patterns = role == Role::kCall ? grant.services : grant.collections;
      text += fmt::format("{}{} {}", text.empty() ? "" : "; ", role_name(role), fmt::join(patterns, ", "));
    }
  }
  return text;
}

}  // namespace distri::cloud
