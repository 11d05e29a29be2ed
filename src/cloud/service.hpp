// service.hpp: what a service handler receives and gives back.
//
// A handler runs on a worker thread. It may block, within reason: the caller's deadline goes on, and cancelled() tells
// when nobody is waiting any more. An exception that leaves a handler becomes kInternal for the caller and is logged;
// the node goes on. Threads: a handler is called from several workers at once and must be safe for that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "distri/utils/bytes.hpp"
#include "distri/utils/ids.hpp"
#include "distri/utils/result.hpp"

namespace distri::cloud {

struct ServiceRequest {
  std::string service;    // "Resize"
  std::string target;     // "photos" for a call of "Resize<photos>"; empty without
  nlohmann::json params;  // an object; {} when the caller sent none
  Bytes body;             // whole body (buffered services); empty for streaming ones
  RequestId id;           // zero when the caller gave none
  // True once the caller has cancelled, disconnected, or its deadline has passed.
  std::function<bool()> cancelled;
};

// Buffered: the whole body in, the whole reply out.
using ServiceHandler = std::function<Result<Bytes>(const ServiceRequest&)>;

// Bodies of any length, in pieces, with back-pressure: read() blocks until there is more, write() until there is room.
// Both end with the caller's deadline (kDeadlineExceeded) or departure (kCancelled).
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // The next piece; empty at the end.
  virtual Result<Bytes> read() = 0;
};
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual Result<> write(BytesView chunk) = 0;
};
using StreamHandler = std::function<Result<>(const ServiceRequest&, BodyReader&, BodyWriter&)>;

}  // namespace distri::cloud
