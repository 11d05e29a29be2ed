#include "distri/peer/contacts.hpp"

#include <algorithm>

#include "distri/peer/limits.hpp"
#include "distri/peer/names.hpp"
#include "distri/peer/record_bytes.hpp"

namespace distri::peer {

namespace {

constexpr std::uint8_t kVersion = 1;

// Whether it is safe to repeat in an error's sentence.
std::string shown(std::string_view text) {
  return check_user_name(text) || reads_as_key(text) ? fmt::format("'{}'", text) : "that name";
}

void put_names(wire::Writer& out, const std::vector<std::string>& names) {
  out.u8(static_cast<std::uint8_t>(names.size()));
  for (const std::string& name : names) out.bytes8(name);
}

Result<std::vector<std::string>> take_names(wire::Reader& in, std::size_t count_max) {
  std::vector<std::string> names;
  const std::size_t count = in.u8();
  if (count > count_max) return fail(Code::kTooLarge, "contacts: {} names of a key, at most {}", count, count_max);
  for (std::size_t i = 0; i < count; ++i) {
    names.emplace_back(in.bytes8());
    if (!in.ok()) return fail(Code::kProtocolError, "contacts: they end early");
    DISTRI_TRY_VOID(check_user_name(names.back()));
    if (std::ranges::count(names, names.back()) > 1) return fail(Code::kProtocolError, "contacts: a name twice");
  }
  return names;
}

}  // namespace

Result<Contacts::Seen> Contacts::see(const User& user) {
  DISTRI_TRY_VOID(verify(user));
  const auto known = contacts_.find(user.owner);
  const bool is_new = known == contacts_.end();
  if (!is_new && user.version <= known->second.user.version) return Seen{};
  if (is_new && contacts_.size() >= kContactsMax) {
    return fail(Code::kTooLarge, "contacts: {} users are known, no more are taken; forget some", contacts_.size());
  }
  Seen seen{.changed = true, .events = {}};
  const auto pin = pins_.find(user.name);
  const bool has_name = pin != pins_.end() && pin->second == user.owner;
  Contact& contact = is_new ? contacts_[user.owner] : known->second;
  if (is_new) seen.events.push_back({Event::Kind::kNew, user.owner, user.name, {}});
  if (!is_new && user.name != contact.user.name) {
    seen.events.push_back({Event::Kind::kRenamed, user.owner, user.name, {}});
  }
  contact.user = user;
  if (pin == pins_.end() && contact.names.size() < kNamesOfContactMax) {
    pins_.emplace(user.name, user.owner);
    contact.names.push_back(user.name);
  } else if (pin != pins_.end() && !has_name && std::ranges::count(contact.claims, user.name) == 0) {
    // A claim that was pushed out by others is reported again when it comes again.
    if (contact.claims.size() >= kClaimsOfContactMax) contact.claims.erase(contact.claims.begin());
    contact.claims.push_back(user.name);
    seen.events.push_back({Event::Kind::kNameClaimed, user.owner, user.name, pin->second});
  }
  return seen;
}

Result<> Contacts::trust(std::string_view name, const PublicKey& key) {
  DISTRI_TRY_VOID(check_user_name(name));
  const auto found = contacts_.find(key);
  if (found == contacts_.end()) return fail(Code::kNotFound, "user {}: no such key is known", key.short_hex());
  Contact& contact = found->second;
  const auto pin = pins_.find(name);
  if (pin != pins_.end() && pin->second == key) return {};
  if (contact.names.size() >= kNamesOfContactMax) {
    return fail(Code::kTooLarge, "user {}: it has {} names, no more can be pinned to it", key.short_hex(),
                contact.names.size());
  }
  if (pin != pins_.end()) {
    std::erase(contacts_.at(pin->second).names, name);
    pins_.erase(pin);
  }
  pins_.emplace(name, key);
  contact.names.emplace_back(name);
  std::erase(contact.claims, name);
  return {};
}

Result<> Contacts::forget(const PublicKey& key) {
  const auto found = contacts_.find(key);
  if (found == contacts_.end()) return fail(Code::kNotFound, "user {}: no such key is known", key.short_hex());
  for (const std::string& name : found->second.names) pins_.erase(name);
  contacts_.erase(found);
  return {};
}

const Contact* Contacts::find(const PublicKey& key) const {
  const auto found = contacts_.find(key);
  return found == contacts_.end() ? nullptr : &found->second;
}

Result<const Contact*> Contacts::find(std::string_view name_or_key) const {
  if (const auto pin = pins_.find(name_or_key); pin != pins_.end()) return &contacts_.at(pin->second);
  if (!reads_as_key(name_or_key)) {
    return fail(Code::kNotFound, "no user is known as {}; refresh the users, or give {} or more digits of the key",
                shown(name_or_key), kKeyPrefixDigitsMin);
  }
  if (name_or_key.size() > 2 * PublicKey::kSize) {
    return fail(Code::kInvalidArgument, "a key has {} hexadecimal digits, these are {}", 2 * PublicKey::kSize,
                name_or_key.size());
  }
  // The first key that can begin with these digits is the smallest: the rest zeros.
  std::string digits(name_or_key);
  std::ranges::transform(digits, digits.begin(),
                         [](char c) { return static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c); });
  const Bytes least = from_hex(digits + std::string(2 * PublicKey::kSize - digits.size(), '0')).value();
  const auto begins = [&](const auto& found) {
    return found != contacts_.end() && found->first.hex().starts_with(digits);
  };
  const auto first = contacts_.lower_bound(PublicKey::from_view(least));
  if (!begins(first)) return fail(Code::kNotFound, "no user is known whose key begins with {}", digits);
  if (begins(std::next(first))) {
    return fail(Code::kInvalidArgument, "several keys begin with {}: {} and {}; give more digits", digits,
                first->first.hex(), std::next(first)->first.hex());
  }
  return &first->second;
}

Bytes Contacts::encode() const {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kVersion);
  out.u32(static_cast<std::uint32_t>(contacts_.size()));
  for (const auto& [key, contact] : contacts_) {
    put_record(out, contact.user);
    put_names(out, contact.names);
    put_names(out, contact.claims);
  }
  return bytes;
}

Result<Contacts> Contacts::load(BytesView bytes) {
  if (bytes.size() > kContactsBytesMax) {
    return fail(Code::kTooLarge, "contacts: they have {} bytes, at most {} are allowed", bytes.size(),
                kContactsBytesMax);
  }
  wire::Reader in(bytes);
  const std::uint8_t version = in.u8();
  const std::uint32_t count = in.u32();
  if (!in.ok() || version != kVersion) {
    return fail(Code::kProtocolError, "contacts: their version is {}, this program knows {}", version, kVersion);
  }
  if (count > kContactsMax) {
    return fail(Code::kTooLarge, "contacts: {} users, at most {} are allowed", count, kContactsMax);
  }
  Contacts contacts;
  for (std::uint32_t i = 0; i < count; ++i) {
    Contact contact;
    DISTRI_TRY(contact.user, take_record(in, read_user));
    DISTRI_TRY(contact.names, take_names(in, kNamesOfContactMax));
    DISTRI_TRY(contact.claims, take_names(in, kClaimsOfContactMax));
    const PublicKey key = contact.user.owner;
    for (const std::string& name : contact.names) {
      if (contacts.pins_.emplace(name, key).second) continue;
      return fail(Code::kProtocolError, "contacts: {} is pinned to two keys", shown(name));
    }
    if (!contacts.contacts_.emplace(key, std::move(contact)).second) {
      return fail(Code::kProtocolError, "contacts: user {} is in it twice", key.short_hex());
    }
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kProtocolError, "contacts: wrong length");
  return contacts;
}

}  // namespace distri::peer
