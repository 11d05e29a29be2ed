// png_stored.hpp: PNG without compression, and the check of a PNG's chunks.
//
// Ciphertext does not compress, and OpenCV's fastest setting still costs 3 to 14 times the encryption on
// filters and Huffman codes. So pixels of noise are written as stored deflate blocks, in the simplest PNG there is:
// IHDR, one IDAT, IEND, filter 0. Any program reads the result. Sources: PNG (W3C, third edition), zlib (RFC 1950),
// deflate (RFC 1951). Threads: none; pure functions.
#pragma once

#include <optional>

#include "distri/services/picture.hpp"

namespace distri::services {

inline constexpr BytesView kPngSignature{"\x89PNG\r\n\x1a\n", 8};

// Precondition: the pixels take less than 2 GiB.
Bytes write_stored_png(const Picture& picture);

// The pixels of a PNG in exactly the form that write_stored_png() gives; nothing for any other, which is not an error:
// ask a real decoder. Checksums are not looked at: what the pixels hold is authenticated.
std::optional<Picture> read_stored_png(BytesView png);

// Walks the chunks: lengths, checksums, IHDR at the front, IEND at the end. kDataLoss when one is wrong or the file is
// cut.
Result<> check_png_chunks(BytesView png);

}  // namespace distri::services
