// dispatcher_arrival.hpp: a request that has just come in, and what a caller without rights is told. Private to the
// Dispatcher.
//
// Threads: the main thread.
#pragma once

#include "distri/cloud/dispatcher.hpp"
#include "distri/cloud/request_text.hpp"

namespace distri::cloud {

struct Dispatcher::Arrival {
  ServerConnection& connection;
  std::uint32_t stream;
  const wire::RequestHead& head;
  BytesView body;
  bool end;
  std::int64_t arrived_ns;
  ServiceName name;
};

// Services that need no rights.
inline bool is_for_strangers(std::string_view service) {
  return service == "Join" || service == "Identify" || service == "Authenticate";
}

inline Error asked_too_often(std::size_t streams_max) {
  return {Code::kPermissionDenied,
          fmt::format("this connection has asked too often without having rights, more than {} times "
                      "(stranger_streams_max); make a new one",
                      streams_max)};
}

}  // namespace distri::cloud
