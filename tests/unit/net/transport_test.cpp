#include "distri/net/transport.hpp"

#include <doctest/doctest.h>

#include <asio/io_context.hpp>
#include <asio/write.hpp>

#include "tls_rig.hpp"

namespace distri::net {
namespace {

using asio::ip::tcp;

// A transport that has accepted an encrypted link over a socket with a small buffer, and its peer.
struct Ends {
  explicit Ends(const PeerSettings& settings = {}) : peer(settings) {
    tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    far.open(tcp::v4());
    far.set_option(tcp::socket::receive_buffer_size(4096));
    far.connect(acceptor.local_endpoint());
    near.emplace(acceptor.accept());
    near->set_options();
    near->socket().set_option(tcp::socket::send_buffer_size(4096));
    near->secure(std::make_unique<TlsStream>(std::static_pointer_cast<TlsImpl>(make_tls(SigningKey::generate())),
                                             wire::Side::kAccepted, "peer", std::nullopt),
                 buffers);
    while (!peer.open() || near->tls()->state() == TlsStream::State::kHandshake) {
      send(peer.step());
      read();
      receive();
    }
    far.non_blocking(true);
  }
  // From the peer to the transport.
  void send(const Bytes& bytes) { asio::write(far, asio::buffer(bytes)); }
  std::size_t read() {
    asio::error_code error;
    return near->read(plain.data(), plain.size(), error);
  }
  // What the transport has sent.
  void receive() {
    char buffer[4096];
    if (far.available() == 0) return;
    peer.feed(BytesView(buffer, far.read_some(asio::buffer(buffer))));
  }

  asio::io_context io;
  tcp::socket far{io};
  std::optional<Transport> near;
  TlsBuffers buffers;
  Bytes plain = Bytes(kReadBufferBytes, '\0');
  MemoryPeer peer;
};

}  // namespace

TEST_CASE("what the socket does not take waits, in order, and is what is unsent") {
  Ends ends;
  Bytes text(400'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((i * 40503u) >> 7);
  std::size_t taken = 0;
  std::size_t unsent_max = 0;
  bool blocked = false;
  while (ends.peer.received.size() < text.size()) {
    asio::error_code error;
    bool progress = false;
    const std::size_t now = ends.near->write(BytesView(text).substr(taken), progress, error);
    if (now > 0) CHECK(ends.near->unsent_bytes() <= now + now / 50 + 100);
    taken += now;
    blocked = blocked || would_block(error);
    if (error) REQUIRE(would_block(error));
    unsent_max = std::max(unsent_max, ends.near->unsent_bytes());
    ends.receive();
    CHECK(ends.peer.step().empty());
  }
  CHECK(blocked);
  CHECK(unsent_max > 0);
  CHECK(unsent_max < (140u << 10));
  CHECK(ends.near->unsent_bytes() == 0);
  CHECK(ends.peer.received == text);
  ends.near->finish();
  CHECK(ends.near->unsent_bytes() > 0);
}

TEST_CASE("a peer that asks for new keys and never reads is ended, and not kept in memory") {
  Ends ends;
  std::size_t unsent_max = 0;
  for (int round = 0; round < 1000 && ends.near->tls()->state() == TlsStream::State::kOpen; ++round) {
    for (int i = 0; i < 200; ++i) {
      REQUIRE(SSL_key_update(ends.peer.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
      REQUIRE(SSL_do_handshake(ends.peer.ssl()) == 1);
    }
    ends.send(ends.peer.take());
    ends.read();
    unsent_max = std::max(unsent_max, ends.near->unsent_bytes());
  }
  REQUIRE(ends.near->tls()->state() == TlsStream::State::kFailed);
  CHECK(ends.near->tls()->failure().code == Code::kProtocolError);
  CHECK(ends.near->tls()->failure().message.find("does not read") != std::string::npos);
  CHECK(unsent_max < (512u << 10));
}

}  // namespace distri::net
