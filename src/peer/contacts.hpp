// contacts.hpp: which key a user's name stands for. Sans-IO.
//
// Who somebody is, his key says; a name is what people type. Anybody may sign a user record with any name, so the first
// key that is seen under a name is *pinned* to it and every look-up by that name stays with it, whatever others sign
// later. Another key that says to have the name is reported, kept under its key, and found by that. A user who changes
// his name keeps the old one as well, so that nobody takes over what his friends type; moving a name to another key is
// for the user to decide: trust().
//
// Threads: none; the owner serialises calls. Errors: kNotFound unknown name or key; kInvalidArgument a prefix of
// several keys, or too short for one; kTooLarge a limit that is named; those of records. An error changes nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "distri/peer/user_records.hpp"

namespace distri::peer {

struct Contact {
  User user;                        // the newest record
  std::vector<std::string> names;   // that are pinned to this key, in the order they came
  std::vector<std::string> claims;  // names pinned to another key that this one says or said to have
  bool operator==(const Contact&) const = default;
};

class Contacts {
 public:
  struct Event {
    enum class Kind : std::uint8_t {
      kNew,          // a key that was not known
      kRenamed,      // a known key has a new name
      kNameClaimed,  // the key says to have a name that is pinned to another: `pinned`
    };
    Kind kind;
    PublicKey key;
    std::string name;
    PublicKey pinned;  // of kNameClaimed
    bool operator==(const Event&) const = default;
  };
  struct Seen {
    bool changed = false;  // the record is newer than what was known
    std::vector<Event> events;
  };

  // A user record that came. What is known or older changes nothing. More than kNamesOfContactMax names are not pinned
  // to a key: it is found by the older ones.
  Result<Seen> see(const User& user);
  // From now on the name stands for this known key, whoever had it.
  Result<> trust(std::string_view name, const PublicKey& key);
  // Nothing is known of the key any more; its names are free.
  Result<> forget(const PublicKey& key);

  // By a pinned name, by all 64 digits of a key, or by kKeyPrefixDigitsMin or more that begin one key only.
  Result<const Contact*> find(std::string_view name_or_key) const;
  const Contact* find(const PublicKey& key) const;
  const std::map<PublicKey, Contact>& all() const { return contacts_; }

  Bytes encode() const;
  // Errors: kProtocolError, kTooLarge, those of records.
  static Result<Contacts> load(BytesView bytes);

 private:
  std::map<PublicKey, Contact> contacts_;
  std::map<std::string, PublicKey, std::less<>> pins_;
};

}  // namespace distri::peer
