#include <utility>

#include "distri/peer/direct_connection.hpp"
#include "distri/peer/responder_state.hpp"

namespace distri::peer {
namespace {

// Runs on the loop's thread if the call is not over by then.
template <class Function>
void post(const std::shared_ptr<DirectCall>& call, Function function) {
  call->loop->post([call, function = std::move(function)]() mutable {
    if (call->connection != nullptr) function(*call->connection);
  });
}

}  // namespace

Responder::State::~State() {
  fail({Code::kInternal, "the service gave no answer"});
}

void Responder::State::fail(Error error) {
  if (answered.exchange(true)) return;
  if (error.code == Code::kOk) error = {Code::kInternal, "the service failed without a reason"};
  post(call,
       [call = call, error = std::move(error)](DirectConnection& connection) { connection.fail_call(*call, error); });
}

void Responder::reply(Bytes body) const {
  if (state_->answered.exchange(true)) return;
  post(state_->call, [call = state_->call, body = std::move(body)](DirectConnection& connection) mutable {
    connection.answer(call, std::move(body));
  });
}

void Responder::fail(Error error) const {
  state_->fail(std::move(error));
}

void Responder::stream(Producer producer) const {
  if (!producer) return state_->fail({Code::kInternal, "the service has no producer for its stream"});
  if (state_->answered.exchange(true)) return;
  post(state_->call, [call = state_->call, producer = std::move(producer)](DirectConnection& connection) mutable {
    connection.answer_stream(call, std::move(producer));
  });
}

bool Responder::cancelled() const {
  return state_->call->over;
}

}  // namespace distri::peer
