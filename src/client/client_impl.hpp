// client_impl.hpp: the user's side of a Client: turns arguments into calls, and waits for those that block.
//
// Threads: any. Destroying it ends the calls.
#pragma once

#include <mutex>

#include "distri/bson/object_id.hpp"
#include "distri/client/client.hpp"
#include "distri/client/client_core.hpp"
#include "distri/client/runtime_core.hpp"

namespace distri::client {

struct Client::Impl {
  Impl(std::vector<Address> nodes, ClientOptions client_options);
  ~Impl() { core->shutdown(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Errors of the arguments become the outcome of the call (CallSpec::refused).
  CallSpec make_spec(std::string_view service, const nlohmann::json& params, const CallOptions& call_options) const;
  // A fresh document id, as {"$oid": hex}.
  nlohmann::json make_id();
  // Both are errors with kInvalidArgument on the runtime's thread.
  Result<> check_may_block() const;
  Result<Reply> wait(CallSpec spec, BytesView body);
  // The node table as known now (asks for it when empty). Blocks.
  Result<std::vector<Address>> known_nodes();
  Result<ChangeStream> watch(std::string service, const WatchOptions& watch_options);

  std::shared_ptr<Runtime> runtime;
  RuntimeCore& runtime_core;
  ClientOptions options;
  std::shared_ptr<ClientCore> core;

  std::mutex id_mutex;
  Random id_random = Random::from_system();
  bson::ObjectIdGenerator ids{id_random};
};

}  // namespace distri::client
