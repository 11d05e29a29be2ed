// tls_rig.hpp: the other side of encrypted links, by OpenSSL alone and with settings that distri never has.
#pragma once

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "distri/net/tls.hpp"
#include "distri/net/tls_stream.hpp"

namespace distri::net {

inline std::shared_ptr<Tls> make_tls(const SigningKey& key) {
  auto made = Tls::with_key(key);
  REQUIRE(made.has_value());
  return *made;
}

inline std::shared_ptr<Tls> keyless_tls() {
  auto made = Tls::without_key();
  REQUIRE(made.has_value());
  return *made;
}

inline EvpKey p256_key() {
  return EvpKey(EVP_EC_gen("P-256"));
}

inline EvpKey rsa_key() {
  return EvpKey(EVP_RSA_gen(2048));
}

inline EvpKey ed25519_key(const SigningKey& key) {
  return EvpKey(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(key.seed().data()), key.seed().size()));
}

// What a peer by OpenSSL is made of.
struct PeerSettings {
  bool accepts = false;
  EvpKey key;  // none: no certificate
  int version_min = TLS1_3_VERSION;
  int version_max = TLS1_3_VERSION;
  std::string alpn = "distri/2";  // empty: none
  std::string subject = "somebody";
  bool expired = false;
};

using SslContext = std::unique_ptr<SSL_CTX, OpenSslFree<&SSL_CTX_free>>;

inline SslContext make_context(const PeerSettings& settings) {
  SslContext context(SSL_CTX_new(TLS_method()));
  REQUIRE(SSL_CTX_set_min_proto_version(context.get(), settings.version_min) == 1);
  REQUIRE(SSL_CTX_set_max_proto_version(context.get(), settings.version_max) == 1);
  if (settings.key) {
    Certificate certificate(X509_new());
    X509* const x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 77);
    X509_gmtime_adj(X509_getm_notBefore(x), settings.expired ? -7200 : 0);
    X509_gmtime_adj(X509_getm_notAfter(x), settings.expired ? -3600 : 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(settings.subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, settings.key.get());
    const bool has_digest = EVP_PKEY_get_id(settings.key.get()) != EVP_PKEY_ED25519;
    REQUIRE(X509_sign(x, settings.key.get(), has_digest ? EVP_sha256() : nullptr) > 0);
    REQUIRE(SSL_CTX_use_certificate(context.get(), x) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context.get(), settings.key.get()) == 1);
  }
  if (!settings.accepts && !settings.alpn.empty()) {
    std::string list(1, static_cast<char>(settings.alpn.size()));
    list += settings.alpn;
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned>(list.size()));
  }
  if (settings.accepts && !settings.alpn.empty()) {
    // Whatever is offered, this is chosen.
    SSL_CTX_set_alpn_select_cb(
        context.get(),
        [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned, void*) {
          *out = in + 1;
          *size = *in;
          return SSL_TLSEXT_ERR_OK;
        },
        nullptr);
  }
  return context;
}

// In memory: bytes in, bytes out.
class MemoryPeer {
 public:
  explicit MemoryPeer(const PeerSettings& settings) : context_(make_context(settings)) {
    ssl_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    settings.accepts ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }

  SSL* ssl() { return ssl_.get(); }
  void feed(BytesView bytes) {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  }
  // Goes on with the handshake and then reads; what it has to send.
  Bytes step() {
    if (!SSL_is_init_finished(ssl_.get())) {
      failed_ = failed_ || is_fatal(SSL_do_handshake(ssl_.get()));
    }
    char buffer[4096];
    std::size_t got = 0;
    while (!failed_ && SSL_is_init_finished(ssl_.get())) {
      const int result = SSL_read_ex(ssl_.get(), buffer, sizeof buffer, &got);
      if (result != 1) {
        failed_ = is_fatal(result);
        break;
      }
      received.append(buffer, got);
    }
    return take();
  }
  Bytes take() {
    Bytes bytes(BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  bool open() { return SSL_is_init_finished(ssl_.get()) == 1 && !failed_; }
  bool failed() const { return failed_; }

  Bytes received;

 private:
  bool is_fatal(int result) {
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
    ERR_clear_error();
    return error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
  }

  SslContext context_;
  SslHandle ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  bool failed_ = false;
};

// A TlsStream with what a transport has.
class StreamSide {
 public:
  StreamSide(const std::shared_ptr<Tls>& tls, wire::Side side, const std::optional<NodeId>& expected = {},
             const std::string& remote = "host:1")
      : stream(std::static_pointer_cast<TlsImpl>(tls), side, remote, expected) {
    if (side == wire::Side::kDialled) stream.start(out);
  }

  // In pieces of at most `piece` bytes.
  void feed(BytesView bytes, std::size_t piece = 64u << 10) {
    std::string plain(piece + kTlsRecordBytesMax, '\0');
    while (!bytes.empty()) {
      const BytesView now = bytes.substr(0, piece);
      received.append(plain.data(), stream.receive(now, plain.data(), plain.size(), out));
      CHECK(ERR_peek_error() == 0);
      bytes.remove_prefix(now.size());
    }
  }
  void send(BytesView bytes) { stream.send(bytes, out); }
  Bytes take() { return std::exchange(out, {}); }
  bool open() const { return stream.state() == TlsStream::State::kOpen; }
  bool failed() const { return stream.state() == TlsStream::State::kFailed; }
  bool says(std::string_view part) const { return stream.failure().message.find(part) != std::string::npos; }

  Bytes out;
  Bytes received;
  TlsStream stream;
};

// Moves bytes until both are silent.
inline void converse(StreamSide& a, StreamSide& b, std::size_t piece = 64u << 10) {
  for (;;) {
    const Bytes from_a = a.take();
    b.feed(from_a, piece);
    const Bytes from_b = b.take();
    a.feed(from_b, piece);
    if (from_a.empty() && from_b.empty()) return;
  }
}

inline void converse(StreamSide& a, MemoryPeer& b) {
  for (;;) {
    const Bytes from_a = a.take();
    b.feed(from_a);
    const Bytes from_b = b.step();
    a.feed(from_b);
    if (from_a.empty() && from_b.empty()) return;
  }
}

}  // namespace distri::net
