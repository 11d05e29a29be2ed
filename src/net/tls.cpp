#include "distri/net/tls.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <asio/error.hpp>
#include <asio/system_error.hpp>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <utility>

#include "distri/net/tls_impl.hpp"
#include "distri/net/tls_stream.hpp"

namespace distri::net {
namespace {

constexpr long kCertificateBytesMax = 8 << 10;  // what the other side may send of certificates; ours has 250 bytes

// Everything here either succeeds or means that this OpenSSL cannot serve us.
void require(bool done, const char* what) {
  if (done) return;
  const auto number = static_cast<int>(ERR_get_error());
  ERR_clear_error();
  throw asio::system_error(asio::error_code(number, asio::error::get_ssl_category()), what);
}

EvpKey make_key(const SigningKey& key) {
  EvpKey made(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(key.seed().data()), key.seed().size()));
  require(made != nullptr, "an Ed25519 key");
  return made;
}

// A form to carry the key: nobody reads its names and dates, so that they are always the same.
Certificate make_certificate(EVP_PKEY* key) {
  Certificate made(X509_new());
  require(made != nullptr, "a certificate");
  X509* const x = made.get();
  require(X509_set_version(x, 2) == 1, "a certificate's version");
  require(ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1, "a certificate's number");
  require(ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20000101000000Z") == 1, "a certificate's beginning");
  require(ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z") == 1, "a certificate's end");
  X509_NAME* const name = X509_get_subject_name(x);
  require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("distri"), -1, -1,
                                     0) == 1,
          "a certificate's name");
  require(X509_set_issuer_name(x, name) == 1, "a certificate's issuer");
  require(X509_set_pubkey(x, key) == 1, "a certificate's key");
  require(X509_sign(x, key, nullptr) > 0, "a certificate's signature");
  return made;
}

// Whether the processor does AES-GCM itself; without, ChaCha20 is several times as fast as AES.
bool has_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0 && __builtin_cpu_supports("pclmul") != 0;
#elif defined(__aarch64__)
  return (getauxval(AT_HWCAP) & (HWCAP_AES | HWCAP_PMULL)) == (HWCAP_AES | HWCAP_PMULL);
#else
  return false;
#endif
}

// The best first. AES-128 is as strong as X25519 and Ed25519 are, and AES-256 costs more for each byte. The accepting
// side decides, but a dialling side that begins with ChaCha20 has no AES in its processor, and gets what it asks for.
void set_ciphers(SSL_CTX* context) {
  const char* const order = has_aes() ? "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
                                      : "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
  require(SSL_CTX_set_ciphersuites(context, order) == 1, "the cipher suites of TLS 1.3");
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
}

void set_up(SSL_CTX* context, const SigningKey* key) {
  require(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "TLS 1.3");
  require(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1, "TLS 1.3");
  set_ciphers(context);
  require(SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1, "X25519");
  // The others are there to be refused by name (check_certificate()) instead of being taken for "no certificate".
  require(SSL_CTX_set1_sigalgs_list(context, "ed25519:ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256") == 1, "Ed25519");
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
  // Buffers of idle connections are given back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_max_cert_list(context, kCertificateBytesMax);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &TlsStream::check_certificate, nullptr);
  if (key == nullptr) return;
  const EvpKey secret = make_key(*key);
  const Certificate certificate = make_certificate(secret.get());
  require(SSL_CTX_use_certificate(context, certificate.get()) == 1, "our certificate");
  require(SSL_CTX_use_PrivateKey(context, secret.get()) == 1, "our key");
}

void set_up_dialling(SSL_CTX* context) {
  require(SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(kAlpn.data()),
                                  static_cast<unsigned>(kAlpn.size())) == 0,
          "ALPN");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &TlsStream::on_new_session);
}

void set_up_accepting(SSL_CTX* context) {
  SSL_CTX_set_client_hello_cb(context, &TlsStream::check_client_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(context, &TlsStream::choose_protocol, nullptr);
  // Tickets carry the whole session, sealed with a secret of this context: nothing is kept here for each client.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  require(SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("distri"), 6) == 1,
          "sessions");
  require(SSL_CTX_set_num_tickets(context, 1) == 1, "one ticket");
}

Result<std::shared_ptr<Tls>> make(const SigningKey* key) try {
  return std::make_shared<TlsImpl>(key);
} catch (const asio::system_error& error) {
  return fail(Code::kInternal, "this OpenSSL cannot encrypt links: {}; distri needs OpenSSL 3 with Ed25519 and TLS 1.3",
              error.what());
}

}  // namespace

Result<std::shared_ptr<Tls>> Tls::with_key(const SigningKey& key) {
  return make(&key);
}

Result<std::shared_ptr<Tls>> Tls::without_key() {
  return make(nullptr);
}

std::optional<NodeId> key_of(const X509* certificate) {
  if (certificate == nullptr) return std::nullopt;
  const EVP_PKEY* const key = X509_get0_pubkey(certificate);
  if (key == nullptr || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519) return std::nullopt;
  NodeId id;
  std::size_t size = id.bytes.size();
  if (EVP_PKEY_get_raw_public_key(key, id.bytes.data(), &size) != 1 || size != id.bytes.size()) return std::nullopt;
  return id;
}

TlsImpl::TlsImpl(const SigningKey* key) : dialling_(asio::ssl::context::tlsv13_client) {
  ERR_clear_error();
  set_up(dialling_.native_handle(), key);
  set_up_dialling(dialling_.native_handle());
  if (key == nullptr) return;
  key_ = key->public_key();
  accepting_.emplace(asio::ssl::context::tlsv13_server);
  set_up(accepting_->native_handle(), key);
  set_up_accepting(accepting_->native_handle());
}

Tls::Counters TlsImpl::counters() const {
  const auto now = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  Counters counters{.full = now(full),
                    .resumed = now(resumed),
                    .failed_not_tls = now(failed_not_tls),
                    .failed_key = now(failed_key),
                    .failed_lost = now(failed_lost),
                    .failed_protocol = now(failed_protocol)};
  counters.failed = counters.failed_not_tls + counters.failed_key + counters.failed_lost + counters.failed_protocol;
  return counters;
}

SslHandle TlsImpl::new_dialling() {
  SslHandle ssl(SSL_new(dialling_.native_handle()));
  if (ssl) SSL_set_connect_state(ssl.get());
  return ssl;
}

SslHandle TlsImpl::new_accepting() {
  SslHandle ssl(accepting_ ? SSL_new(accepting_->native_handle()) : nullptr);
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

TlsSession TlsImpl::find_session(const std::string& with) {
  const std::scoped_lock lock(mutex_);
  const TlsSession* const found = sessions_.find(with);
  if (found == nullptr || *found == nullptr) return nullptr;
  SSL_SESSION_up_ref(found->get());
  return TlsSession(found->get());
}

void TlsImpl::remember_session(const std::string& with, TlsSession session) {
  const std::scoped_lock lock(mutex_);
  sessions_[with] = std::move(session);
  if (sessions_.size() > kTlsSessionsMax) sessions_.drop_oldest();
}

void TlsImpl::forget_session(const std::string& with) {
  const std::scoped_lock lock(mutex_);
  if (TlsSession* const found = sessions_.find(with)) found->reset();
}

}  // namespace distri::net
