#include "distri/peer/transfer.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "distri/net/sha256.hpp"
#include "distri/utils/clock.hpp"

namespace distri::peer {
namespace {

constexpr std::int64_t kPauseFirstMs = 50;
constexpr std::int64_t kPauseMaxMs = 2'000;
constexpr std::int64_t kPauseStepMs = 50;  // after which `cancelled` is asked again

bool may_ask_again(const Error& error) {
  return error.code == Code::kConnectionLost || error.code == Code::kUnavailable || error.code == Code::kBusy ||
         error.code == Code::kDeadlineExceeded;
}

// One call of download().
class Transfer {
 public:
  Transfer(const Download& wanted, const OpenAt& open_at, BlobDirectory::Part& part)
      : wanted_(wanted), open_at_(open_at), part_(part), deadline_ms_(clock_.monotonic_ms() + wanted.timeout_ms) {}

  Result<> run() {
    for (bool again = true;; again = false) {
      if (part_.bytes() > wanted_.bytes) DISTRI_TRY_VOID(part_.restart());
      const bool resumed = part_.bytes() > 0;
      hash_ = net::Sha256();
      DISTRI_TRY_VOID(part_.hash_into(hash_));
      DISTRI_TRY_VOID(fill());
      if (hash_.finish() == wanted_.digest) return part_.commit();
      if (!resumed || !again) break;
      DISTRI_TRY_VOID(part_.restart());
    }
    part_.discard();
    return fail(Code::kDataLoss, "what came as file {} is not it: its digest is another; nothing of it was kept",
                wanted_.id);
  }

 private:
  std::int64_t left_ms() const { return deadline_ms_ - clock_.monotonic_ms(); }
  bool cancelled() const { return wanted_.cancelled && wanted_.cancelled(); }
  std::unexpected<Error> was_cancelled() const {
    return fail(Code::kCancelled, "the transfer of file {} was cancelled after {} of {} bytes", wanted_.id,
                part_.bytes(), wanted_.bytes);
  }

  // Until the part is complete.
  Result<> fill() {
    std::int64_t pause_ms = kPauseFirstMs;
    Error last{Code::kOk, "nothing was tried"};
    while (part_.bytes() < wanted_.bytes) {
      if (cancelled()) return was_cancelled();
      if (left_ms() <= 0) {
        return fail(Code::kDeadlineExceeded, "{} of {} bytes of file {} came within {} ms; last: {}", part_.bytes(),
                    wanted_.bytes, wanted_.id, wanted_.timeout_ms, last.message);
      }
      const std::uint64_t before = part_.bytes();
      const auto came = one_stream();
      if (came) return {};
      if (!may_ask_again(came.error())) return came;
      last = came.error();
      if (part_.bytes() > before) pause_ms = kPauseFirstMs;
      if (part_.bytes() < wanted_.bytes) pause(std::exchange(pause_ms, std::min(2 * pause_ms, kPauseMaxMs)));
    }
    return {};
  }

  void pause(std::int64_t pause_ms) {
    const std::int64_t until_ms = clock_.monotonic_ms() + std::min(pause_ms, left_ms());
    while (!cancelled()) {
      const std::int64_t rest_ms = until_ms - clock_.monotonic_ms();
      if (rest_ms <= 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min(rest_ms, kPauseStepMs)));
    }
  }

  // What one stream brings. No error: it has ended where the file does.
  Result<> one_stream() {
    DISTRI_TRY(const auto stream, open_at_(part_.bytes(), std::min(left_ms(), wanted_.stream_ms_max)));
    for (;;) {
      DISTRI_TRY(const Bytes piece, stream->read());
      if (piece.empty()) break;
      if (piece.size() > wanted_.bytes - part_.bytes()) {
        part_.discard();
        return fail(Code::kTooLarge, "more than the expected {} bytes came as file {}; nothing of it was kept",
                    wanted_.bytes, wanted_.id);
      }
      if (auto written = part_.append(piece); !written) {
        part_.discard();
        return written;
      }
      hash_.update(piece);
      if (wanted_.progress) wanted_.progress(part_.bytes());
      if (cancelled()) return was_cancelled();
    }
    if (part_.bytes() == wanted_.bytes) return {};
    const std::uint64_t came = part_.bytes();
    part_.discard();
    return fail(Code::kDataLoss, "file {} was truncated: {} bytes came where {} were expected; nothing of it was kept",
                wanted_.id, came, wanted_.bytes);
  }

  const Download& wanted_;
  const OpenAt& open_at_;
  BlobDirectory::Part& part_;
  const SystemClock clock_;
  const std::int64_t deadline_ms_;
  net::Sha256 hash_;
};

}  // namespace

Result<> download(const BlobDirectory& directory, const Download& wanted, const OpenAt& open_at) {
  DISTRI_TRY(auto part, directory.part_of(wanted.id));
  DISTRI_TRY(const auto there, directory.bytes_of(wanted.id));
  if (there == wanted.bytes) {
    DISTRI_TRY(const Hash256 digest, directory.digest_of(wanted.id));
    if (digest == wanted.digest) {
      part.discard();
      return {};
    }
  }
  return Transfer(wanted, open_at, part).run();
}

OpenAt fetch_from(DirectClient& client, PeerAt peer, std::string service, nlohmann::json params) {
  return [&client, peer = std::move(peer), service = std::move(service), params = std::move(params)](
             std::uint64_t offset, std::int64_t timeout_ms) {
    nlohmann::json with_offset = params;
    with_offset["offset"] = offset;
    return client.open_stream(peer, service, with_offset, timeout_ms);
  };
}

Result<nlohmann::json> params_of(const DirectRequest& request) {
  if (request.bson) return fail(Code::kInvalidArgument, "the params are BSON; write them as JSON");
  if (request.params.empty()) return nlohmann::json::object();
  auto params = nlohmann::json::parse(request.params, nullptr, false);
  if (!params.is_object()) return fail(Code::kInvalidArgument, "the params are not a JSON object");
  return params;
}

Result<std::uint64_t> offset_of(const nlohmann::json& params) {
  const auto found = params.find("offset");
  if (found == params.end()) return 0;
  if (!found->is_number_unsigned()) {
    return fail(Code::kInvalidArgument, "the parameter offset is a number of bytes, 0 or more");
  }
  return found->get<std::uint64_t>();
}

}  // namespace distri::peer
