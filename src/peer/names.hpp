// names.hpp: which names users and resources may have.
//
// A name comes from somebody else and is shown in a terminal, compared, and typed again. It never becomes a path (files
// are named by ids and digests), but is held to what would be harmless as one: a program that stands on this one will
// save a picture under its name some day.
//
// Neither kind may hold control characters, or characters that turn the direction of text or cannot be seen, with which
// one name looks like another ("photo<U+202E>gnp.exe"). A user's name must not read as a key or the start of one.
// Letters of different scripts that look alike are not told apart: who somebody is, his key says (contacts.hpp).
//
// Threads: any. Errors: kInvalidArgument, kTooLarge (too long); each sentence names the field, what is wrong and what
// to do, and holds nothing of the name that could not be printed.
#pragma once

#include <string_view>

#include "distri/utils/result.hpp"

namespace distri::peer {

// 1 to kUserNameBytesMax bytes of UTF-8.
Result<> check_user_name(std::string_view name);

// One component of a path: 1 to kResourceNameBytesMax bytes of UTF-8 without '/' and '\', not "." or "..".
Result<> check_resource_name(std::string_view name);

// What a file is, as "png": 1 to kKindBytesMax lower-case letters and digits.
Result<> check_kind(std::string_view kind);

// Whether a user could mean a key: hexadecimal digits alone, kKeyPrefixDigitsMin or more.
bool reads_as_key(std::string_view text);

}  // namespace distri::peer
