// wire_micro.cpp: frames: encoding and decoding a request, and a whole round trip between two sessions, beside copying
// the same bytes.
#include <benchmark/benchmark.h>

#include <cstring>

#include "distri/wire/session.hpp"

namespace {

using distri::Bytes;
using distri::BytesView;
namespace wire = distri::wire;

wire::RequestHead request_head() {
  wire::RequestHead head;
  head.id.bytes.fill(1);
  head.deadline_ms = 30'000;
  head.service = "AddDocument<photos>";
  return head;
}

void set_bytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void copy_body(benchmark::State& state) {
  const Bytes body(static_cast<std::size_t>(state.range(0)), 'x');
  Bytes out(body.size(), '\0');
  for (auto _ : state) {
    std::memcpy(out.data(), body.data(), body.size());
    benchmark::ClobberMemory();
  }
  set_bytes(state);
}
BENCHMARK(copy_body)->Arg(100)->Arg(4096)->Arg(65536);

void encode_request(benchmark::State& state) {
  const Bytes body(static_cast<std::size_t>(state.range(0)), 'x');
  const wire::RequestHead head = request_head();
  Bytes out;
  for (auto _ : state) {
    out.clear();
    wire::encode_request(out, 1, head, body, true);
    benchmark::DoNotOptimize(out.data());
  }
  set_bytes(state);
}
BENCHMARK(encode_request)->Arg(100)->Arg(4096)->Arg(65536);

void decode_request(benchmark::State& state) {
  const Bytes body(static_cast<std::size_t>(state.range(0)), 'x');
  Bytes frame;
  wire::encode_request(frame, 1, request_head(), body, true);
  const wire::Limits limits;
  for (auto _ : state) {
    benchmark::DoNotOptimize(wire::decode_frame_header(frame));
    BytesView rest;
    benchmark::DoNotOptimize(wire::decode_request(BytesView(frame).substr(wire::kFrameHeaderBytes), limits, rest));
  }
  set_bytes(state);
}
BENCHMARK(decode_request)->Arg(100)->Arg(4096)->Arg(65536);

// Answers every request with its own body.
class EchoHandler : public wire::SessionHandler {
 public:
  wire::Session* session = nullptr;
  void on_request(std::uint32_t stream, const wire::RequestHead& /*head*/, BytesView body, bool /*end*/) override {
    session->send_reply(stream, {}, body, true);
  }
};

class CountingHandler : public wire::SessionHandler {
 public:
  std::uint64_t replies = 0;
  void on_reply(std::uint32_t /*stream*/, const wire::ReplyHead& /*head*/, BytesView /*body*/, bool /*end*/) override {
    ++replies;
  }
};

void hand_over(wire::Session& from, wire::Session& to) {
  Bytes bytes;
  bytes.swap(from.output());
  benchmark::DoNotOptimize(to.receive(bytes));
}

void session_round_trip(benchmark::State& state) {
  const Bytes body(static_cast<std::size_t>(state.range(0)), 'x');
  CountingHandler client_handler;
  EchoHandler server_handler;
  wire::Hello server_hello;
  server_hello.role = wire::Role::kNode;
  wire::Session client(wire::Side::kDialled, {}, {}, client_handler);
  wire::Session server(wire::Side::kAccepted, server_hello, {}, server_handler);
  server_handler.session = &server;
  client.start();
  hand_over(client, server);
  hand_over(server, client);
  const wire::RequestHead head = request_head();
  for (auto _ : state) {
    std::size_t taken = 0;
    benchmark::DoNotOptimize(client.open_request(head, body, true, taken));
    hand_over(client, server);
    hand_over(server, client);
  }
  if (client_handler.replies != static_cast<std::uint64_t>(state.iterations()))
    state.SkipWithError("a reply is missing");
  set_bytes(state);
}
BENCHMARK(session_round_trip)->Arg(100)->Arg(4096)->Arg(65536);

}  // namespace

BENCHMARK_MAIN();
