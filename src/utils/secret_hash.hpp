// secret_hash.hpp: a secret as it may be stored: Argon2id (RFC 9106, by libsodium), with a salt of its own each.
//
// Both take a few milliseconds and kSecretHashMemoryBytes on purpose: they belong on a worker. Threads: any. Errors:
// kBusy when there is no memory for it.
#pragma once

#include <string>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace distri {

// The least that the OWASP Password Storage Cheat Sheet recommends: 19 MiB, two passes, one lane.
inline constexpr std::size_t kSecretHashMemoryBytes = 19u << 20;
inline constexpr unsigned kSecretHashPasses = 2;

// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash"
Result<std::string> hash_secret(BytesView secret);
// False: another secret; a text that hash_secret() did not make, or made with other parameters, whose work might be
// anything.
bool fits_secret(BytesView secret, const std::string& hash);

// From the randomness of the operating system.
Bytes random_secret(std::size_t bytes);

// BLAKE2b-256 with a key: what tells whether a secret is one that was seen before, without keeping it.
std::string keyed_digest(BytesView key, BytesView secret);

// In a time that does not tell where they differ.
bool equal_secrets(BytesView one, BytesView other);

}  // namespace distri
