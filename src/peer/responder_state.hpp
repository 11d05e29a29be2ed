// responder_state.hpp: what the copies of a Responder share. Private to this module.
//
// Threads: any. Invariant: of all answers, and the one that is given when nobody gave one, the first is posted.
#pragma once

#include <atomic>
#include <memory>

#include "distri/peer/direct_server_impl.hpp"

namespace distri::peer {

struct Responder::State {
  explicit State(std::shared_ptr<DirectCall> its_call) : call(std::move(its_call)) {}
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void fail(Error error);

  const std::shared_ptr<DirectCall> call;
  std::atomic<bool> answered{false};
};

}  // namespace distri::peer
