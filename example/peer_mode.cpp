// peer_mode.cpp: a user's agent, for one action or for as long as it is wanted.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "distri/peer/peer.hpp"
#include "line_reader.hpp"
#include "modes.hpp"
#include "peer_calls.hpp"
#include "peer_setup.hpp"
#include "peer_terminal.hpp"
#include "peer_text.hpp"
#include "stop_signals.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using distri::peer::Peer;
using distri::peer::PeerEvent;
using distri::peer::PeerOptions;
using nlohmann::json;
using Kind = PeerAction::Kind;

// Of one that ends after an action; the longest that others wait for it is its --timeout-ms in any case.
constexpr std::int64_t kPollOfOneAction_ms = 100;

bool stays(const PeerAction& action) {
  return action.kind == Kind::kListen || action.kind == Kind::kPublish;
}

Result<> check_directory(const PeerAction& action, const std::string& directory) {
  const bool takes = stays(action) || (action.kind == Kind::kGrant && action.views > 0);
  if (!directory.empty() && !takes) {
    return distri::fail(Code::kInvalidArgument,
                        "--dir goes with --do publish, listen and grant, not with {}; leave it out", action.name);
  }
  if (directory.empty() && takes && action.kind != Kind::kListen) {
    return distri::fail(Code::kInvalidArgument, "--dir is missing: --do {} needs the folder of your images",
                        action.name);
  }
  return {};
}

Result<PeerOptions> options_of(const Options& options, const PeerAction& action) {
  DISTRI_TRY(auto made, peer_options(options));
  if (stays(action)) return made;
  made.poll_ms = kPollOfOneAction_ms;
  made.direct_ms = std::min(made.direct_ms, options.peer.timeout_ms);
  made.cloud_ms = std::min(made.cloud_ms, options.peer.timeout_ms);
  made.fetch_ms = options.peer.timeout_ms;
  return made;
}

// Actions from standard input until it ends, or a signal comes.
void take_lines(PeerCalls& calls, PeerOutput& output, const StopSignals& signals) {
  LineReader lines(STDIN_FILENO, signals.descriptor(), kActionLineBytesMax);
  while (const auto line = lines.next()) {
    if (signals.came()) return;
    if (*line && ((*line)->find_first_not_of(" \t\r") == std::string::npos || (*line)->starts_with('#'))) continue;
    const auto action = *line ? parse_action_line(**line) : Result<PeerAction>(distri::fail(line->error()));
    if (action) {
      output.result(calls.run(*action));
      continue;
    }
    output.result({{"action", nullptr},
                   {"ok", false},
                   {"error", {{"code", distri::code_name(action.error().code)}, {"message", action.error().message}}}});
  }
  if (!signals.came()) calls.wait_until_told();
}

}  // namespace

Result<int> run_peer(const Options& options) {
  if (options.peer.action.empty()) return run_peer_terminal(options);
  DISTRI_TRY(const PeerAction action, make_action(options.peer.action, options.peer.flags));
  DISTRI_TRY_VOID(check_directory(action, options.peer.directory));
  DISTRI_TRY(PeerOptions made, options_of(options, action));
  // An action that is interrupted simply ends: what it has said is on the disk.
  std::optional<StopSignals> signals;
  if (stays(action)) signals.emplace();
  PeerOutput output(options.peer.as_json);
  PeerCalls::Settings settings{!stays(action), options.peer.timeout_ms, made.data_directory, made.name};
  std::unique_ptr<Peer> peer;
  if (stays(action)) {
    made.on_event = [&](const PeerEvent& event) { output.event(event_json(event, name_of(*peer, event.user))); };
  }
  DISTRI_TRY(peer, open_peer(std::move(made)));
  DISTRI_TRY_VOID(start_peer(*peer, options));
  PeerCalls calls(*peer, settings);
  if (!signals) {
    calls.wait_for_first_look();
    const json result = calls.run(action);
    output.result(result);
    return result["ok"] == true ? kExitOk : kExitFailed;
  }
  signals->watch([&] { peer->stop(); });
  calls.wait_for_first_look();
  for (const auto& [name, why] : peer->left_out()) {
    output.event({{"event", "left out"}, {"image", name}, {"text", why.message}});
  }
  output.event({{"event", "listening"},
                {"address", distri::to_string(peer->address())},
                {"name", options.peer.identifier},
                {"key", peer->id().hex()}});
  if (action.kind == Kind::kListen) {
    take_lines(calls, output, *signals);
  } else {
    signals->wait();
  }
  signals->end();
  peer->stop();
  return kExitOk;
}

}  // namespace example
