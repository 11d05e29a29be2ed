// limits.hpp: every bound the decoder puts on what the other side of a connection may send. Named, with units, all
// configurable.
#pragma once

#include <cstdint>

namespace distri::wire {

struct Limits {
  // Payload of one frame that we accept; announced in our hello. Before the hello is done kHelloBytesMax holds instead.
  std::uint32_t frame_bytes_max = 1u << 20;
  // The same between two nodes, whose batches carry whole documents.
  std::uint32_t node_frame_bytes_max = 32u << 20;
  // Flow-control credit that the other side has on each new stream, for body bytes sent in DATA frames; announced in
  // our hello.
  std::uint32_t stream_window_bytes = 256u << 10;
  // Streams the other side may have open at once on one connection; announced in our hello.
  std::uint32_t streams_max = 1024;
  // Parameters of one request; announced in our hello.
  std::uint32_t params_bytes_max = 64u << 10;
  // Body bytes that ride in a REQUEST or REPLY frame itself; longer bodies go on in DATA frames. What we accept
  // (announced in our hello), and the most we send.
  std::uint32_t inline_body_bytes_max = 64u << 10;
};

inline constexpr std::uint32_t kHelloBytesMax = 1024;  // payload of a HELLO, and of any frame before the hello is done
inline constexpr std::uint32_t kFrameBytesMin = 2048;  // the least frame_bytes_max that a side may announce
inline constexpr std::uint32_t kDataBytesMax =
    64u << 10;  // we send longer bodies in several DATA frames, so that streams share
inline constexpr std::uint32_t kHelloAddressBytesMax = 300;  // "address" of a hello
inline constexpr std::uint32_t kServiceNameBytesMax = 255;
inline constexpr std::uint32_t kTokenBytesMax = 6144;        // "token" of a request or reply
inline constexpr std::uint32_t kMessageTextBytesMax = 4096;  // longer error messages are cut by the sender

}  // namespace distri::wire
