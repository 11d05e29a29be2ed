// buffered_call.hpp: a call whose request and reply are byte strings in memory. Repeatable as often as needed.
#pragma once

#include <functional>

#include "distri/client/client.hpp"
#include "distri/client/exchange.hpp"

namespace distri::client {

class BufferedCall final : public Exchange {
 public:
  // `body` may refer to `owned`, or to memory of a caller that waits for the callback. The callback runs at the end of
  // a turn.
  BufferedCall(CallSpec spec, Bytes owned, ReplyCallback callback)
      : Exchange(std::move(spec)), owned_(std::move(owned)), body_(owned_), callback_(std::move(callback)) {}
  BufferedCall(CallSpec spec, BytesView body, ReplyCallback callback)
      : Exchange(std::move(spec)), body_(body), callback_(std::move(callback)) {}

 private:
  Result<std::uint32_t> open(wire::Session& session, const wire::RequestHead& head) override;
  void send_more(wire::Session& session, std::uint32_t stream) override;
  void received(BytesView piece, bool credited) override;
  bool rewind() override;
  void finished(Result<> result) override;

  Bytes owned_;
  BytesView body_;
  ReplyCallback callback_;
  std::size_t sent_bytes_ = 0;
  Bytes reply_;
};

}  // namespace distri::client
