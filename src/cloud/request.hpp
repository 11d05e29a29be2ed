// request.hpp: one request that could not be answered on the spot: its body is still coming, it waits for a worker or
// runs on one, or its reply is too long for one frame. Requests that are answered at once never become one of these.
//
// Threads: the main thread, but for `abandoned`, which workers read.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "distri/cloud/document_services.hpp"
#include "distri/cloud/metrics.hpp"
#include "distri/cloud/reading.hpp"
#include "distri/cloud/rights.hpp"
#include "distri/cloud/stream_pipe.hpp"
#include "distri/cloud/watch.hpp"
#include "distri/cloud/write_concern.hpp"
#include "distri/wire/messages.hpp"

namespace distri::cloud {

class ServerConnection;
struct RegisteredService;

struct Request {
  enum class Kind { kDocument, kBuffered, kStreamed, kEcho, kWatch, kAccess };
  enum class Stage {
    kReceiving,  // body incomplete
    kParked,     // waits until the replica has seen what the caller has seen
    kHeld,       // executed; waits until enough members hold what it wrote, or what it shows is durable
    kRunning,    // queued for a worker or on one; or an earlier request of the same id is
    kReplying,   // reply partly sent
    kDone,
  };

  ServerConnection* connection = nullptr;  // nullptr once it is gone
  std::uint32_t stream = 0;
  Kind kind = Kind::kDocument;
  Stage stage = Stage::kReceiving;

  RequestId id;
  wire::Format format = wire::Format::kJson;
  std::uint8_t attempt = 0;
  std::string target;
  Bytes params;
  Bytes token;
  Bytes body;
  DocumentService document_service = DocumentService::kCount;
  RegisteredService* service = nullptr;  // kBuffered, kStreamed
  std::string_view access_service;       // kAccess: its name, which lives as long as the dispatcher
  RequestMetrics* metrics = nullptr;     // of the service
  std::shared_ptr<const Rights> rights;  // of its caller

  std::int64_t arrived_ns = 0;
  std::int64_t deadline_ns = 0;
  // Set when nobody waits for the result any more.
  std::shared_ptr<std::atomic<bool>> abandoned = std::make_shared<std::atomic<bool>>(false);

  Bytes held_reply;                // kHeld
  std::uint64_t held_counter = 0;  // of this node's actor; of a read: number of a commit
  bool held_by_id = false;         // a read of single documents
  WriteConcern concern;

  std::unique_ptr<Reading> reading;  // kDocument that is kRunning
  std::size_t reading_bytes = 0;     // part of charged_bytes
  std::unique_ptr<Watch> watch;      // kWatch
  std::shared_ptr<StreamPipe> pipe;  // kStreamed
  bool reply_begun = false;          // kStreamed, kEcho, kWatch
  bool reply_complete = false;       // nothing follows what is in `reply`
  Bytes reply;                       // from reply_offset on: still to be sent
  std::size_t reply_offset = 0;
  std::size_t uncredited_bytes = 0;  // kEcho: of those unsent, how many came by DATA frames and are owed as credit
  std::size_t charged_bytes = 0;     // part of the node's buffered bytes
  bool succeeded = false;            // the outcome to count once the reply has gone
};

inline DocumentCall call_of(const Request& request) {
  return {request.document_service, request.target,  request.params,      request.body,
          request.format,           request.attempt, request.rights.get()};
}

}  // namespace distri::cloud
