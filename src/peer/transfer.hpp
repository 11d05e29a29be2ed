// transfer.hpp: fetches a file from another peer, however often the connection breaks, and proves that it is the one
// that was meant.
//
//   client: download(directory, {.id = grant, .bytes = 1'048'576, .digest = digest_of_the_grant},
//                    fetch_from(client, peer, "PeerFetch", {{"grant", grant}}));
//   server: serve("PeerFetch", [&](const DirectRequest& ask, const Responder& to) { ... to.stream(file_source(...)); })
//
// What has come lies in "<id>.part" (blob_directory.hpp) and is asked for no more: after a lost connection, a call that
// ended, or a new start of the process, a transfer goes on from there; the digest of what is there is computed again.
// The file gets its name only when its length and SHA-256 are the expected ones and it is on the disk.
//
// The other side may send what it wants: at most the expected bytes are written, and to that file only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "distri/peer/blob_directory.hpp"
#include "distri/peer/direct_client.hpp"

namespace distri::peer {

struct Download {
  std::string id;           // of the file here: check_blob_id()
  std::uint64_t bytes = 0;  // the expected length
  Hash256 digest{};         // and SHA-256 of the whole
  std::int64_t timeout_ms = 600'000;
  // One stream gets so long; then what is left is asked for again. So one that hangs does not take all of the time.
  std::int64_t stream_ms_max = 60'000;
  // How many bytes are here, after each piece; on the calling thread. Less than before if it begins anew.
  std::function<void(std::uint64_t bytes)> progress = nullptr;
  // Asked after each piece and in pauses; true ends it with kCancelled. Never called while nothing comes.
  std::function<bool()> cancelled = nullptr;
};

// Asks for the file's bytes from `offset` on. kConnectionLost, kUnavailable, kBusy and kDeadlineExceeded, of this and
// of the stream, mean that it may be asked again.
using OpenAt =
    std::function<Result<std::unique_ptr<client::CallStream>>(std::uint64_t offset, std::int64_t timeout_ms)>;

// Blocks until the file is there (at once when it is there already). Pauses between tries grow from 50 ms to 2 s and
// begin anew with every byte that comes. When bytes of an earlier start turn out to be wrong, it begins anew by itself,
// once. Errors, after which the part is gone:
//   kTooLarge       more came than the expected bytes
//   kDataLoss       the stream ended before; or the digest is another (the messages tell which)
//   kStorageFull, kStorageFailed  it could not be written
// and after which it stays, to go on from:
//   kDeadlineExceeded, kCancelled, and what the other side answers or DirectClient says (kUnauthenticated, ...)
// and kInvalidArgument (the id, what lies at its place) and kBusy (somebody else is at it) before anything was asked.
// Threads: any; one at a time for one id.
Result<> download(const BlobDirectory& directory, const Download& wanted, const OpenAt& open_at);

// From a service of a peer that answers with a stream from params "offset" on; `params` is an object that it is added
// to. `client` outlives the function.
OpenAt fetch_from(DirectClient& client, PeerAt peer, std::string service, nlohmann::json params);

// The serving side: the parameters of a request, a JSON object; and its "offset" in bytes, 0 if there is none.
// kInvalidArgument.
Result<nlohmann::json> params_of(const DirectRequest& request);
Result<std::uint64_t> offset_of(const nlohmann::json& params);

}  // namespace distri::peer
