// sealed_images.hpp: an image file, encrypted for one grant and opened for one view.
//
// Owner and viewer keep the same picture under the grant's id (hexadecimal) in a BlobDirectory: a PNG that services'
// image cipher made (docs/images.md), with a key of its own for each grant. Who has the key opens it any number of
// times: that a key is handed out once for each view is the ledger's affair. Nothing that is decrypted touches the
// disk.
//
// Threads: any, different grants at once; sealing and opening decode or encrypt for as long as the image is large (some
// ten milliseconds a megabyte) and belong on a worker. Memory: several times the image, bounded by
// services::ImageLimits.
#pragma once

#include "distri/peer/blob_directory.hpp"
#include "distri/peer/ledger.hpp"
#include "distri/services/image_params.hpp"

namespace distri::peer {

// Encrypts `file`, whose SHA-256 is `digest`, with a fresh key, and keeps the picture in `sealed`, durable when
// this returns. It takes the place of an earlier one of the same grant, which the earlier key then does not open any
// more; after an error the earlier one is there still. Errors: of services::encrypt_image (kInvalidArgument: not an
// image that can be decoded; kTooLarge), and of BlobDirectory::part_of and Part.
Result<Ledger::SealedImage> seal_image(BytesView file, const Hash256& digest, const GrantId& grant,
                                       services::ImageParams::Style style, const BlobDirectory& sealed);

// The picture as it was granted: to be had before a view key is, which a damaged one would waste. Errors: kNotFound (it
// is not in `sealed`); kDataLoss (it is there and not the granted one: fetch it again); kTooLarge (over
// services::ImageLimits).
Result<Bytes> read_sealed(const GrantId& grant, const FileFacts& facts, const BlobDirectory& sealed);

// The image file for one view, the very bytes that were granted. `picture`: of read_sealed(). Errors: kDataLoss (what
// it hides is not what was granted); kUnauthenticated (the key is another picture's); kInvalidArgument (a key of a
// wrong length); kTooLarge.
Result<Bytes> open_image(const GrantId& grant, BytesView picture, const FileFacts& facts, const SecretBytes& image_key);

}  // namespace distri::peer
