// peer_calls.hpp: does what a PeerAction says, with a Peer, and says as JSON what came of it:
//
//   {"action": "request", "ok": true, "id": "5b0c...", "delivery": "told directly"}
//   {"action": "view", "ok": false, "why": "used up", "error": {"code": "permission_denied", "message": "..."}}
//
// docs/peers.md describes the fields. Threads: one at a time.
#pragma once

#include <nlohmann/json.hpp>

#include "distri/peer/peer.hpp"
#include "peer_actions.hpp"

namespace example {

class PeerCalls {
 public:
  struct Settings {
    // The program ends after this action: what it has to tell is waited for, for so long.
    bool waits = false;
    std::int64_t timeout_ms = 30'000;
    std::string data_dir;  // for messages
    std::string name;      // of the user
  };
  PeerCalls(distri::peer::Peer& peer, Settings settings) : peer_(peer), settings_(std::move(settings)) {}

  nlohmann::json run(const PeerAction& action);

  // Until the Peer has looked at the cloud once, or knows that it is away; within the time.
  void wait_for_first_look();
  // Until the cloud has all that is to be told, or is known to be away; within the time.
  void wait_until_told();

 private:
  using Json = nlohmann::json;
  distri::Result<Json> do_action(const PeerAction& action);
  distri::Result<Json> catalog(const PeerAction& action);
  distri::Result<Json> request(const PeerAction& action);
  distri::Result<Json> answer(const PeerAction& action);
  distri::Result<Json> forget(const PeerAction& action);
  distri::Result<Json> view(const PeerAction& action);
  Json pending() const;
  Json inbox() const;
  Json available();
  Json shared() const;
  Json whoami() const;

  distri::Result<distri::peer::GrantId> id_of(const PeerAction& action) const;
  Json told(const distri::peer::GrantId& id, distri::peer::Delivery delivery);
  template <class Condition>
  bool wait_until(const Condition& condition) const;

  distri::peer::Peer& peer_;
  const Settings settings_;
};

}  // namespace example
