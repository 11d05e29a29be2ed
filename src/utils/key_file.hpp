// key_file.hpp: a SigningKey on disk, readable by its owner alone.
//
// One line of text: "distri-key-v1 " and the seed in 64 hexadecimal digits. The file is a secret; the node id is its
// public half and need not be kept. Errors name the file, what is wrong with it and what to do, never its content.
// Threads: any.
#pragma once

#include <string>

#include "distri/utils/signing.hpp"

namespace distri {

// Makes the file with mode 0600. It appears whole or not at all, is on the disk when this returns, and never takes the
// place of another. Errors: kAlreadyExists (there is something of that name, also a link that leads nowhere), kNotFound
// (no such folder), kPermissionDenied, kStorageFull, kStorageFailed.
Result<> write_key_file(const std::string& path, const SigningKey& key);

// Errors: kNotFound, kPermissionDenied (we may not read it; or others than its owner may, so that it is no secret any
// more; or it is not ours), kInvalidArgument (not a regular file, a symbolic link, or not a key), kStorageFailed.
Result<SigningKey> read_key_file(const std::string& path);

}  // namespace distri
