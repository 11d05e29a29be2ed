// peer_text.hpp: what peers do and what happens to them, as lines for people and for programs. Control characters of
// names and messages that come from others are replaced, so that nobody writes to a terminal but this program.
//
// Threads: of PeerOutput any, one line at a time; the rest are plain functions.
#pragma once

#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "distri/peer/peer.hpp"

namespace example {

// {"event": "requested", "id": "5b0c...", "peer": "ben", "image": "dune.png"}. `peer`: the name of event.user.
nlohmann::json event_json(const distri::peer::PeerEvent& event, const std::string& peer);

// One line or several, each ends with a newline.
std::string event_text(const nlohmann::json& event);
// What PeerCalls::run() has returned; an action that failed: its sentence.
std::string result_text(const nlohmann::json& result);

class PeerOutput {
 public:
  explicit PeerOutput(bool as_json) : as_json_(as_json) {}
  // On standard output; as text, sentences of what failed on standard error.
  void result(const nlohmann::json& result);
  void event(const nlohmann::json& event);

 private:
  void line(const nlohmann::json& document);

  const bool as_json_;
  std::mutex mutex_;
};

}  // namespace example
