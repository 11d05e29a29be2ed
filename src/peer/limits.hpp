// limits.hpp: the bounds of everything that peers keep, sign and accept. What is full or too long says so with an error
// that names the limit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace distri::peer {

// ---- Records
inline constexpr std::size_t kUserNameBytesMax = 64;
inline constexpr std::size_t kResourceNameBytesMax = 255;
inline constexpr std::size_t kKindBytesMax = 16;            // "jpeg", "png", ...
inline constexpr std::size_t kAddressesMax = 8;             // of one user
inline constexpr std::size_t kHostBytesMax = 253;           // of one address
inline constexpr std::uint32_t kViewsMax = 10'000;          // asked for or granted at once
inline constexpr std::uint32_t kPixelsMax = 1u << 20;       // width and height of an image
inline constexpr std::uint64_t kFileBytesMax = 1ull << 40;  // of a resource, and of its sealed picture
inline constexpr std::size_t kRecordBytesMax = 16u << 10;   // a record as a BSON document
// Versions, times and sizes fit what JSON numbers hold exactly.
inline constexpr std::uint64_t kVersionMax = (1ull << 53) - 1;
inline constexpr std::int64_t kTimeMsMax = (1ll << 53) - 1;

// ---- An owner's ledger
inline constexpr std::size_t kRequestsMax = 10'000;       // in the book, whatever became of them
inline constexpr std::size_t kWaitingMax = 1'000;         // not answered yet
inline constexpr std::size_t kWaitingOfOneUserMax = 256;  // the same, of one user
inline constexpr std::size_t kForgottenMax = 100'000;     // ids of requests that were put away; also of holdings
inline constexpr std::uint32_t kSerialsMax = 20'000;      // view keys of one grant in its life, taken back ones as well
inline constexpr std::size_t kEscrowMax = 64;             // view keys of one grant that lie in the cloud
inline constexpr std::size_t kReceiptsOfSerialMax = 8;    // devices that say to have reached for one view key
inline constexpr std::size_t kEntryBytesMax = 4u << 20;   // one request in the book, encoded

// ---- A viewer's holdings
inline constexpr std::size_t kHoldingsMax = 10'000;        // requests of one's own
inline constexpr std::size_t kHoldingBytesMax = 1u << 20;  // one of them, encoded

// ---- Contacts
inline constexpr std::size_t kContactsMax = 10'000;
inline constexpr std::size_t kNamesOfContactMax = 8;         // that one key has had
inline constexpr std::size_t kClaimsOfContactMax = 8;        // names of others that one key says to have, remembered
inline constexpr std::size_t kKeyPrefixDigitsMin = 8;        // hexadecimal digits that name a key
inline constexpr std::size_t kContactsBytesMax = 64u << 20;  // encoded

// ---- A peer
inline constexpr std::size_t kCatalogEntriesMax = 100'000;  // of others, that are remembered

// ---- Books on the disk
inline constexpr std::size_t kBookNameLettersMax = 32;
inline constexpr std::size_t kBookEntryBytesMax = kContactsBytesMax;  // the longest of what is kept as one entry

// ---- A published directory
inline constexpr std::size_t kPublishedFilesMax = 10'000;     // that are offered
inline constexpr std::size_t kPublishedEntriesMax = 100'000;  // names in the directory, whatever they are of
inline constexpr std::int64_t kTrustedAfterMs = 2'000;        // the coarsest clock of a file system
inline constexpr std::int64_t kSettleMs = 200;
inline constexpr std::int64_t kGatherMaxMs = 2'000;

}  // namespace distri::peer
