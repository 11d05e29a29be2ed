// Encrypted links without sockets: who is let in, who is refused and with which words, and what a stranger's bytes do.
#include "distri/net/tls_stream.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "distri/utils/random.hpp"
#include "tls_rig.hpp"

namespace distri::net {
namespace {

using wire::Side;
using State = TlsStream::State;

struct Two {
  SigningKey node_key = SigningKey::generate();
  SigningKey client_key = SigningKey::generate();
  std::shared_ptr<Tls> node = make_tls(node_key);
  std::shared_ptr<Tls> client = make_tls(client_key);
};

PeerSettings accepting_peer(EvpKey key) {
  PeerSettings settings;
  settings.accepts = true;
  settings.key = std::move(key);
  return settings;
}

PeerSettings dialling_peer(EvpKey key = nullptr) {
  PeerSettings settings;
  settings.key = std::move(key);
  return settings;
}

}  // namespace

TEST_CASE("both sides learn the key of the other, in pieces of any size, and what is said arrives") {
  const Two two;
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 100u, 65536u}) {
    CAPTURE(piece);
    StreamSide client(make_tls(two.client_key), Side::kDialled, two.node_key.public_key());
    StreamSide node(two.node, Side::kAccepted);
    converse(client, node, piece);
    REQUIRE(client.open());
    REQUIRE(node.open());
    CHECK(client.stream.peer_key() == two.node_key.public_key());
    CHECK(node.stream.peer_key() == two.client_key.public_key());
    CHECK_FALSE(client.stream.resumed());
    const Bytes text(100'000, 't');
    client.send("hello");
    client.send(text);
    node.send(text);
    converse(client, node, piece);
    CHECK(node.received == "hello" + text);
    CHECK(client.received == text);
  }
  CHECK(two.node->counters().full == 6);
  CHECK(two.node->counters().failed == 0);
}

TEST_CASE("a client without a key is let in and has none") {
  const Two two;
  StreamSide client(keyless_tls(), Side::kDialled);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  REQUIRE(node.open());
  CHECK_FALSE(node.stream.peer_key());
  CHECK(client.stream.peer_key() == two.node_key.public_key());
}

TEST_CASE("another key than the expected one ends the dialling side before it has shown its own or sent anything") {
  const Two two;
  const NodeId other = SigningKey::generate().public_key();
  StreamSide client(two.client, Side::kDialled, other);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  REQUIRE(client.failed());
  CHECK(client.stream.failure().code == Code::kUnauthenticated);
  CHECK(client.says(two.node_key.public_key().hex()));
  CHECK(client.says(other.hex()));
  CHECK(client.says("nothing was sent"));
  REQUIRE(node.failed());
  CHECK_FALSE(node.stream.peer_key());
  CHECK(node.stream.failure().code == Code::kUnauthenticated);
  CHECK(node.says("refuses our key"));
  CHECK(two.client->counters().failed == 1);
  CHECK(two.node->counters().failed == 1);
}

TEST_CASE("a second connection resumes the first, and each side still knows the key of the other") {
  const Two two;
  for (const bool pinned : {true, false}) {
    CAPTURE(pinned);
    const auto client_tls = make_tls(two.client_key);
    const std::optional<NodeId> expected = pinned ? std::optional(two.node_key.public_key()) : std::nullopt;
    for (int round = 0; round < 5; ++round) {
      CAPTURE(round);
      StreamSide client(client_tls, Side::kDialled, expected);
      StreamSide node(two.node, Side::kAccepted);
      converse(client, node);
      REQUIRE(client.open());
      REQUIRE(node.open());
      CHECK(client.stream.resumed() == (round > 0));
      CHECK(node.stream.resumed() == (round > 0));
      CHECK(client.stream.peer_key() == two.node_key.public_key());
      CHECK(node.stream.peer_key() == two.client_key.public_key());
      client.send("once more");
      converse(client, node);
      CHECK(node.received == "once more");
      // It ends without a word of close, noticed or not, and may be resumed all the same.
      if (round % 2 == 0) {
        client.stream.end_of_input();
        node.stream.end_of_input();
      }
    }
    CHECK(client_tls->counters().resumed == 4);
  }
}

TEST_CASE("a client without a key resumes, too, and has none then either") {
  const Two two;
  const auto client_tls = keyless_tls();
  for (int round = 0; round < 2; ++round) {
    StreamSide client(client_tls, Side::kDialled);
    StreamSide node(two.node, Side::kAccepted);
    converse(client, node);
    REQUIRE(node.open());
    CHECK(node.stream.resumed() == (round > 0));
    CHECK_FALSE(node.stream.peer_key());
    CHECK(client.stream.peer_key() == two.node_key.public_key());
  }
}

TEST_CASE("a session does not get around the expectation, and ends with the process that gave it") {
  const Two two;
  const auto connect = [&](const std::shared_ptr<Tls>& to, const std::optional<NodeId>& expected) {
    StreamSide client(two.client, Side::kDialled, expected);
    StreamSide node(to, Side::kAccepted);
    converse(client, node);
    return std::pair(client.open() && node.open(), client.stream.resumed());
  };
  const NodeId right = two.node_key.public_key();
  CHECK(connect(two.node, right) == std::pair(true, false));
  CHECK(connect(two.node, right) == std::pair(true, true));
  CHECK(connect(two.node, std::nullopt) == std::pair(true, false));  // by its address: another session
  CHECK(connect(two.node, std::nullopt) == std::pair(true, true));
  const NodeId wrong = SigningKey::generate().public_key();
  CHECK(connect(two.node, wrong).first == false);
  CHECK(connect(two.node, wrong).first == false);
  // The same key after a restart cannot read the old ticket, and both begin anew.
  const auto restarted = make_tls(two.node_key);
  CHECK(connect(restarted, right) == std::pair(true, false));
  CHECK(connect(restarted, right) == std::pair(true, true));
  // Another node at the same address: what is offered there is not taken for the first one's.
  const SigningKey second_key = SigningKey::generate();
  const auto second = make_tls(second_key);
  CHECK(connect(second, std::nullopt) == std::pair(true, false));
  CHECK(connect(second, right).first == false);
}

TEST_CASE("a session whose key is not the expected one is not offered, even when it lies under that name") {
  const Two two;
  const auto impl = std::static_pointer_cast<TlsImpl>(two.client);
  {
    StreamSide client(two.client, Side::kDialled);
    StreamSide node(two.node, Side::kAccepted);
    converse(client, node);
  }
  const NodeId other = SigningKey::generate().public_key();
  TlsSession session = impl->find_session("address host:1");
  REQUIRE(session);
  impl->remember_session(std::string("key ").append(other.view()), std::move(session));
  StreamSide client(two.client, Side::kDialled, other);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  CHECK_FALSE(client.open());
  CHECK(client.stream.failure().code == Code::kUnauthenticated);
  CHECK_FALSE(node.stream.resumed());
}

TEST_CASE("sessions are kept up to a number") {
  const Two two;
  const auto impl = std::static_pointer_cast<TlsImpl>(two.client);
  {
    StreamSide client(two.client, Side::kDialled);
    StreamSide node(two.node, Side::kAccepted);
    converse(client, node);
  }
  for (std::size_t i = 0; i < 2 * kTlsSessionsMax; ++i) {
    impl->remember_session(std::to_string(i), impl->find_session(i == 0 ? "address host:1" : std::to_string(i - 1)));
  }
  CHECK(impl->find_session("address host:1") == nullptr);
  CHECK(impl->find_session("0") == nullptr);
  CHECK(impl->find_session(std::to_string(2 * kTlsSessionsMax - 1)) != nullptr);
  CHECK(impl->find_session(std::to_string(kTlsSessionsMax)) != nullptr);
}

TEST_CASE("names and dates in a certificate are not looked at") {
  const Two two;
  const SigningKey key = SigningKey::generate();
  PeerSettings settings = accepting_peer(ed25519_key(key));
  settings.expired = true;
  settings.subject = "*.example.invalid";
  MemoryPeer server(settings);
  StreamSide client(two.client, Side::kDialled, key.public_key());
  converse(client, server);
  CHECK(client.open());
  settings.accepts = false;
  MemoryPeer dialler(settings);
  StreamSide node(two.node, Side::kAccepted);
  converse(node, dialler);
  REQUIRE(node.open());
  CHECK(node.stream.peer_key() == key.public_key());
}

TEST_CASE("a certificate with an RSA or P-256 key is refused by either side") {
  const Two two;
  for (const bool rsa : {true, false}) {
    CAPTURE(rsa);
    MemoryPeer dialler(dialling_peer(rsa ? rsa_key() : p256_key()));
    StreamSide node(two.node, Side::kAccepted);
    converse(node, dialler);
    REQUIRE(node.failed());
    CHECK(dialler.failed());
    CHECK(node.stream.failure().code == Code::kUnauthenticated);
    CHECK(node.says("Ed25519"));

    MemoryPeer server(accepting_peer(rsa ? rsa_key() : p256_key()));
    StreamSide client(two.client, Side::kDialled);
    converse(client, server);
    REQUIRE(client.failed());
    CHECK(server.failed());
    CHECK(client.stream.failure().code == Code::kUnauthenticated);
    CHECK(client.says("Ed25519"));
  }
}

TEST_CASE("a certificate with a key for which anybody can sign is refused") {
  const Two two;
  // The neutral element: the right key's certificate with the other key in it.
  const SigningKey key = SigningKey::generate();
  PeerSettings settings = dialling_peer(ed25519_key(key));
  MemoryPeer dialler(settings);
  X509* const certificate = SSL_get_certificate(dialler.ssl());
  REQUIRE(certificate != nullptr);
  NodeId identity;
  identity.bytes[0] = 1;
  const EvpKey weak(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, identity.bytes.data(), identity.bytes.size()));
  REQUIRE(X509_set_pubkey(certificate, weak.get()) == 1);
  StreamSide node(two.node, Side::kAccepted);
  converse(node, dialler);
  REQUIRE(node.failed());
  CHECK(node.stream.failure().code == Code::kUnauthenticated);
  CHECK(node.says("valid Ed25519 key"));
}

TEST_CASE("who speaks TLS 1.2 only is refused, on either side, and told so") {
  const Two two;
  PeerSettings old = dialling_peer();
  old.version_min = old.version_max = TLS1_2_VERSION;
  MemoryPeer dialler(old);
  StreamSide node(two.node, Side::kAccepted);
  converse(node, dialler);
  REQUIRE(node.failed());
  CHECK(dialler.failed());
  CHECK(node.stream.failure().code == Code::kProtocolError);
  CHECK(node.says("TLS 1.3"));

  PeerSettings old_server = accepting_peer(p256_key());
  old_server.version_min = old_server.version_max = TLS1_2_VERSION;
  MemoryPeer server(old_server);
  StreamSide client(two.client, Side::kDialled);
  converse(client, server);
  REQUIRE(client.failed());
  CHECK(client.stream.failure().code == Code::kProtocolError);
  CHECK(client.says("TLS 1.3"));
}

TEST_CASE("the three cipher suites of the page are accepted and others are not, and early data never") {
  const Two two;
  const auto connects = [&](const char* suite) {
    MemoryPeer dialler(dialling_peer());
    REQUIRE(SSL_set_ciphersuites(dialler.ssl(), suite) == 1);
    StreamSide node(two.node, Side::kAccepted);
    converse(node, dialler);
    CHECK(SSL_SESSION_get_max_early_data(SSL_get0_session(dialler.ssl())) == 0);
    if (node.failed()) CHECK(node.says("cipher"));
    return node.open();
  };
  CHECK(connects("TLS_AES_256_GCM_SHA384"));
  CHECK(connects("TLS_AES_128_GCM_SHA256"));
  CHECK(connects("TLS_CHACHA20_POLY1305_SHA256"));
  CHECK_FALSE(connects("TLS_AES_128_CCM_SHA256"));
}

TEST_CASE("AES-128 where the processor has AES, and ChaCha20 for who begins with it") {
  const Two two;
  // What the processor is found to have, seen from a side that takes what it is offered first.
  MemoryPeer server(accepting_peer(ed25519_key(two.node_key)));
  StreamSide client(two.client, Side::kDialled);
  converse(client, server);
  REQUIRE(server.open());
  const std::string first = SSL_get_cipher_name(server.ssl());
#if defined(__x86_64__)
  CHECK(first == (__builtin_cpu_supports("aes") != 0 ? "TLS_AES_128_GCM_SHA256" : "TLS_CHACHA20_POLY1305_SHA256"));
#endif
  const auto chosen_for = [&](const char* offer) {
    StreamSide node(two.node, Side::kAccepted);
    MemoryPeer dialler(dialling_peer());
    REQUIRE(SSL_set_ciphersuites(dialler.ssl(), offer) == 1);
    converse(node, dialler);
    REQUIRE(dialler.open());
    return std::string(SSL_get_cipher_name(dialler.ssl()));
  };
  CHECK(chosen_for("TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256") == first);
  CHECK(chosen_for("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256") == "TLS_CHACHA20_POLY1305_SHA256");
  CHECK(chosen_for("TLS_AES_256_GCM_SHA384") == "TLS_AES_256_GCM_SHA384");
}

TEST_CASE("another application protocol, or none, is refused on either side") {
  const Two two;
  for (const auto* alpn : {"", "h2", "distri/1", "distri/22"}) {
    CAPTURE(alpn);
    PeerSettings settings = dialling_peer();
    settings.alpn = alpn;
    MemoryPeer dialler(settings);
    StreamSide node(two.node, Side::kAccepted);
    converse(node, dialler);
    REQUIRE(node.failed());
    CHECK(dialler.failed());
    CHECK(node.stream.failure().code == Code::kProtocolError);
    CHECK(node.says("distri/2"));
  }
  // A server that does not care chooses none.
  PeerSettings settings = accepting_peer(ed25519_key(two.node_key));
  settings.alpn.clear();
  MemoryPeer server(settings);
  StreamSide client(two.client, Side::kDialled);
  converse(client, server);
  REQUIRE(client.failed());
  CHECK(client.says("distri/2"));
}

TEST_CASE("bytes that are not TLS are told apart from those that are, at the first byte that decides") {
  const Two two;
  Bytes http = "GET / HTTP/1.1\r\n\r\n";
  for (const Bytes& other : {http, Bytes(1, '\x51'), Bytes("\x16\x04"), Bytes("\x16\x03\x00", 3), Bytes(1000, '\0')}) {
    for (const Side side : {Side::kAccepted, Side::kDialled}) {
      StreamSide stream(two.node, side);
      stream.take();
      stream.feed(other, 1);
      CHECK(stream.stream.state() == State::kNotTls);
      CHECK(stream.stream.failure().code == Code::kProtocolError);
      CHECK(stream.says("does not speak TLS"));
      CHECK(stream.out.empty());
    }
  }
  StreamSide undecided(two.node, Side::kAccepted);
  undecided.feed("\x16\x03");
  CHECK(undecided.stream.state() == State::kHandshake);
  // Our own hello is TLS, our own frames are not.
  StreamSide client(two.client, Side::kDialled);
  TlsDetector detector;
  CHECK(detector.see(client.take()) == TlsDetector::Answer::kTls);
}

TEST_CASE("a first message that claims to be long is refused on its header") {
  const Two two;
  StreamSide node(two.node, Side::kAccepted);
  const unsigned char header[] = {22, 3, 1, 0x40, 0, 1, 1, 0xff, 0xff};
  node.feed(BytesView(reinterpret_cast<const char*>(header), sizeof header), 1);
  REQUIRE(node.failed());
  CHECK(node.says("TLS hello"));
}

TEST_CASE("a handshake that never ends is cut off by its length") {
  const Two two;
  StreamSide client(two.client, Side::kDialled);
  StreamSide node(two.node, Side::kAccepted);
  node.feed(client.take());
  // Change-cipher-spec records are to be ignored, any number of them.
  const Bytes ignorable("\x14\x03\x03\x00\x01\x01", 6);
  std::size_t fed = 0;
  for (; !node.failed() && fed < 4 * kTlsHandshakeBytesMax; fed += ignorable.size()) node.feed(ignorable);
  REQUIRE(node.failed());
  CHECK(fed <= kTlsHandshakeBytesMax);
}

TEST_CASE("a proper close is told apart from a connection that is cut off") {
  const Two two;
  StreamSide client(two.client, Side::kDialled);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  client.send("last words");
  client.stream.finish(client.out);
  client.stream.finish(client.out);  // once
  node.feed(client.take());
  CHECK(node.received == "last words");
  CHECK(node.stream.state() == State::kEnded);
  node.stream.end_of_input();
  CHECK(node.stream.state() == State::kEnded);

  StreamSide again(two.client, Side::kDialled);
  StreamSide cut(two.node, Side::kAccepted);
  converse(again, cut);
  again.send("last words");
  cut.feed(again.take());
  CHECK(cut.received == "last words");
  cut.stream.end_of_input();
  REQUIRE(cut.failed());
  CHECK(cut.stream.failure().code == Code::kConnectionLost);
  CHECK(cut.says("close_notify"));
  CHECK(two.node->counters().failed == 0);
}

TEST_CASE("what comes before a broken record is delivered, and nothing behind it") {
  const Two two;
  StreamSide client(two.client, Side::kDialled);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  client.send("good");
  Bytes bytes = client.take();
  const std::size_t intact = bytes.size();
  client.send("tampered");
  client.send("unreachable");
  bytes += client.take();
  bytes[intact + 9] = static_cast<char>(bytes[intact + 9] ^ 1);
  node.feed(bytes);
  CHECK(node.received == "good");
  REQUIRE(node.failed());
  CHECK(node.stream.failure().code == Code::kProtocolError);
  CHECK(node.says("changed on their way"));
  // The alert tells the other side.
  client.feed(node.take());
  CHECK(client.failed());
}

TEST_CASE("a new key in the middle is answered") {
  const Two two;
  MemoryPeer dialler(dialling_peer());
  StreamSide node(two.node, Side::kAccepted);
  converse(node, dialler);
  REQUIRE(node.open());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(SSL_key_update(dialler.ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_write(dialler.ssl(), "x", 1) == 1);
    node.send("y");
    converse(node, dialler);
  }
  CHECK(node.open());
  CHECK(node.received == "xxx");
  CHECK(dialler.received == "yyy");
}

TEST_CASE("garbage, cut and changed handshakes end with an error, and the next one succeeds") {
  const Two two;
  std::size_t refused = 0;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    StreamSide client(make_tls(two.client_key), Side::kDialled);
    StreamSide node(two.node, Side::kAccepted);
    // One flight in the exchange is bent.
    const int bent = static_cast<int>(random.below(3));
    const auto bend = [&](Bytes bytes) {
      switch (random.below(4)) {
        case 0:
          return bytes.substr(0, random.below(bytes.size()));
        case 1:
          for (std::uint64_t i = 0, count = 1 + random.below(8); i < count; ++i) {
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
          }
          return bytes;
        case 2:
          bytes.insert(random.below(bytes.size()), Bytes(1 + random.below(40), static_cast<char>(random.next())));
          return bytes;
        default:
          for (char& byte : bytes) byte = static_cast<char>(random.next());
          if (random.chance(0.7) && bytes.size() > 2) bytes.replace(0, 3, "\x16\x03\x03");
          return bytes;
      }
    };
    const std::size_t piece = 1 + random.below(700);
    for (int flight = 0; flight < 6; ++flight) {
      StreamSide& from = flight % 2 == 0 ? client : node;
      StreamSide& to = flight % 2 == 0 ? node : client;
      Bytes bytes = from.take();
      if (!bytes.empty() && flight == bent) bytes = bend(std::move(bytes));
      to.feed(bytes, piece);
    }
    client.stream.end_of_input();
    node.stream.end_of_input();
    CHECK(node.received.empty());
    CHECK(client.received.empty());
    for (StreamSide* const side : {&client, &node}) {
      CHECK_FALSE(side->open());
      CHECK_FALSE(side->stream.failure().message.empty());
      refused += side->stream.failure().code != Code::kConnectionLost ? 1 : 0;
    }
  }
  CHECK(refused > 300);
  StreamSide client(two.client, Side::kDialled);
  StreamSide node(two.node, Side::kAccepted);
  converse(client, node);
  CHECK(client.open());
  CHECK(node.open());
}

}  // namespace distri::net
