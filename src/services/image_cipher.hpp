// image_cipher.hpp: an image file becomes a PNG in which it is hidden, and comes back byte for byte.
//
// The file's bytes are sealed with XChaCha20-Poly1305 into an envelope (docs/images.md has the layout), and the
// envelope becomes pixels: all of them (noise style) or the low bits of a cover picture (cover style). Pixels, not PNG
// bytes, carry the envelope: a PNG that another program saved again without loss still decrypts. Threads: the functions
// may be called from any number of threads. The first call switches OpenCV's own threads and log off for the whole
// process, so that workers do not fight over cores.
#pragma once

#include "distri/services/image_params.hpp"
#include "distri/utils/bytes.hpp"

namespace distri::services {

// The PNG. Errors: kInvalidArgument (not an image in one of the five formats, it does not decode, the cover is not an
// image, is too small), kTooLarge (a limit, named), kUnauthenticated (params hold no key), kUnavailable (no memory).
Result<Bytes> encrypt_image(BytesView image_file, const ImageParams& params);

// The file that encrypt_image() was given. Errors:
//   kInvalidArgument  not a PNG; an envelope version or kind of key derivation that this software does not know
//   kNotFound         a picture that hides nothing, or no longer does since it was recompressed, resized or edited
//   kUnauthenticated  the wrong key or passphrase; a key where a passphrase is needed, or the other way round
//   kDataLoss         the right key, but the image was tampered with or damaged
//   kTooLarge         a limit, named. kUnavailable: no memory.
Result<Bytes> decrypt_image(BytesView png, const ImageParams& params);

}  // namespace distri::services
