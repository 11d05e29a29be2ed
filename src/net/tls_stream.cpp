#include "distri/net/tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "distri/utils/check.hpp"

namespace distri::net {
namespace {

TlsStream& stream_of(const SSL* ssl) {
  return *static_cast<TlsStream*>(SSL_get_app_data(ssl));
}

void forget_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

std::string name_of(const std::optional<NodeId>& key) {
  return key ? key->hex() : "none";
}

// What the alert that the other side sent means, for people.
Error explain_alert(int alert, const std::string& remote) {
  const char* const name = SSL_alert_desc_string_long(alert);
  switch (alert) {
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return {Code::kProtocolError,
              fmt::format("{} speaks TLS, but not distri/2 in it; check the address and the version there", remote)};
    case SSL_AD_PROTOCOL_VERSION:
      return {Code::kProtocolError,
              fmt::format("{} does not speak TLS 1.3; check the address and the version there", remote)};
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return {Code::kUnauthenticated,
              fmt::format("{} refuses our key (TLS alert: {}); check that it expects this one", remote, name)};
    case SSL_AD_INTERNAL_ERROR:  // what a listener says whose gate is closed
      return {Code::kBusy,
              fmt::format("{} takes no more connections now, in all (connections_max), from this address "
                          "(connections_per_address_max), or so fast (connection_rate_max); close some, wait, try "
                          "another node, or raise the limit there (TLS alert: {})",
                          remote, name)};
    default:
      return {Code::kProtocolError,
              fmt::format("{} has ended the encrypted link (TLS alert: {}); its log may say why", remote, name)};
  }
}

Error explain_error(unsigned long error, const std::string& remote) {
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    if (reason >= SSL_AD_REASON_OFFSET) return explain_alert(reason - SSL_AD_REASON_OFFSET, remote);
    switch (reason) {
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_WRONG_SSL_VERSION:
      case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
        return {Code::kProtocolError,
                fmt::format("{} does not speak TLS 1.3; check the address and the version there", remote)};
      case SSL_R_NO_APPLICATION_PROTOCOL:
        return {Code::kProtocolError,
                fmt::format("{} speaks TLS, but not distri/2 in it; check the address and the version there", remote)};
      case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      case SSL_R_NO_SHARED_CIPHER:
      case SSL_R_NO_SUITABLE_KEY_SHARE:
      case SSL_R_NO_SUITABLE_GROUPS:
        return {Code::kProtocolError,
                fmt::format("{} cannot check an Ed25519 key or has no cipher in common with us; use TLS 1.3 with "
                            "Ed25519, X25519 and AES-GCM or ChaCha20-Poly1305",
                            remote)};
      case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
      case SSL_R_BAD_RECORD_TYPE:
        return {
            Code::kProtocolError,
            fmt::format("bytes from {} were changed on their way, or are not its own; the link is given up", remote)};
      default:
        break;
    }
  }
  const char* const text = ERR_reason_error_string(error);
  return {Code::kProtocolError, fmt::format("{} breaks the rules of TLS ({}); check what listens or dials there",
                                            remote, text != nullptr ? text : "no reason given")};
}

}  // namespace

// ---- What OpenSSL reads and writes.

struct TlsStream::Bio {
  static int read(BIO* bio, char* buffer, int size) {
    TlsStream& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (stream.input_.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t taken = std::min(stream.input_.size(), static_cast<std::size_t>(std::max(size, 0)));
    std::memcpy(buffer, stream.input_.data(), taken);
    stream.input_.remove_prefix(taken);
    return static_cast<int>(taken);
  }
  static int write(BIO* bio, const char* bytes, int size) {
    TlsStream& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (size <= 0 || stream.output_ == nullptr) return -1;
    stream.output_->append(bytes, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  // nullptr: out of memory. Made once, for good.
  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* const fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "distri");
      if (fresh == nullptr) return fresh;
      BIO_meth_set_read(fresh, &read);
      BIO_meth_set_write(fresh, &write);
      BIO_meth_set_ctrl(fresh, &control);
      BIO_meth_set_create(fresh, &create);
      return fresh;
    }();
    return made;
  }
};

TlsDetector::Answer TlsDetector::see(BytesView bytes) {
  for (const char c : bytes) {
    if (answer_ != Answer::kUnknown) break;
    const auto byte = static_cast<unsigned char>(c);
    // A record: its type, the major version, the minor version. As the length of a frame this is more than 64 KiB,
    // which no frame before the hello may have.
    const bool fits = seen_ == 0 ? byte >= 20 && byte <= 23 : seen_ == 1 ? byte == 3 : byte >= 1 && byte <= 4;
    if (!fits) {
      answer_ = Answer::kOther;
    } else if (++seen_ == 3) {
      answer_ = Answer::kTls;
    }
  }
  return answer_;
}

TlsStream::TlsStream(std::shared_ptr<TlsImpl> tls, wire::Side side, std::string remote,
                     const std::optional<NodeId>& expected)
    : tls_(std::move(tls)), side_(side), remote_(std::move(remote)), expected_(expected) {
  forget_errors();
  ssl_ = side == wire::Side::kDialled ? tls_->new_dialling() : tls_->new_accepting();
  BIO* const bio = ssl_ && Bio::method() != nullptr ? BIO_new(Bio::method()) : nullptr;
  if (bio == nullptr) {
    fail({Code::kInternal, "no memory for an encrypted link"});
    return;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  if (side == wire::Side::kDialled) offer_session();
}

TlsStream::~TlsStream() {
  // A session is as good as before when its connection is lost, although OpenSSL thinks otherwise; the others are
  // forgotten already.
  if (ssl_ && proved_) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN);
  ssl_.reset();
  forget_errors();
}

void TlsStream::offer_session() {
  session_with_ = expected_ ? std::string("key ").append(expected_->view()) : "address " + remote_;
  const TlsSession session = tls_->find_session(session_with_);
  if (session && is_expected(key_of(SSL_SESSION_get0_peer(session.get())))) SSL_set_session(ssl_.get(), session.get());
}

// ---- Callbacks.

int TlsStream::check_certificate(X509_STORE_CTX* store, void*) {
  auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsStream& stream = stream_of(ssl);
  const std::optional<NodeId> key = key_of(X509_STORE_CTX_get0_cert(store));
  if (!key || !is_valid(*key)) {
    stream.refusal_ = Error{Code::kUnauthenticated,
                            fmt::format("{} shows a certificate without a valid Ed25519 key, which is what the nodes "
                                        "and clients of distri have; check what listens or dials there",
                                        stream.remote_)};
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);  // alert: unsupported certificate
    return 0;
  }
  if (!stream.is_expected(key)) {
    stream.refusal_ = stream.wrong_key(key);
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);  // alert: bad certificate
    return 0;
  }
  X509_STORE_CTX_set_error(store, X509_V_OK);
  return 1;
}

int TlsStream::check_client_hello(SSL* ssl, int* alert, void*) {
  const unsigned char* unused = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &unused, &size) == 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  TlsStream& stream = stream_of(ssl);
  stream.refusal_ = explain_alert(SSL_AD_NO_APPLICATION_PROTOCOL, stream.remote_);
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

int TlsStream::choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                               const unsigned char* offered, unsigned offered_size, void*) {
  const BytesView ours = kAlpn.substr(1);
  BytesView names(reinterpret_cast<const char*>(offered), offered_size);
  while (!names.empty()) {
    const std::size_t size = static_cast<unsigned char>(names.front());
    names.remove_prefix(1);
    if (names.substr(0, size) == ours) {
      *chosen = reinterpret_cast<const unsigned char*>(names.data());
      *chosen_size = static_cast<unsigned char>(size);
      return SSL_TLSEXT_ERR_OK;
    }
    names.remove_prefix(std::min(size, names.size()));
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int TlsStream::on_new_session(SSL* ssl, SSL_SESSION* session) {
  TlsStream& stream = stream_of(ssl);
  if (stream.state_ != State::kOpen || SSL_SESSION_is_resumable(session) != 1) return 0;
  stream.tls_->remember_session(stream.session_with_, TlsSession(session));
  return 1;  // it is ours now
}

// ---- Bytes.

void TlsStream::start(Bytes& out) {
  if (state_ != State::kHandshake || side_ != wire::Side::kDialled) return;
  output_ = &out;
  forget_errors();
  handshake();
  output_ = nullptr;
}

std::size_t TlsStream::receive(BytesView cipher, char* plain, std::size_t size, Bytes& out) {
  DISTRI_CHECK(cipher.size() + kTlsRecordBytesMax <= size);
  if (state_ == State::kHandshake && !judge_beginning(cipher)) return 0;
  input_ = cipher;
  output_ = &out;
  forget_errors();
  if (state_ == State::kHandshake) handshake();
  std::size_t total = 0;
  while (state_ == State::kOpen && (!input_.empty() || SSL_has_pending(ssl_.get()) == 1)) {
    std::size_t got = 0;
    forget_errors();
    const int result = SSL_read_ex(ssl_.get(), plain + total, size - total, &got);
    total += got;
    if (result == 1) continue;
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      state_ = State::kEnded;
    } else {
      fail_by_openssl();
    }
  }
  DISTRI_CHECK(state_ != State::kOpen || input_.empty());
  input_ = {};
  output_ = nullptr;
  return total;
}

// OpenSSL would make room for whatever length a stranger's first message announces, and its words for what is not TLS
// at all tell nobody anything.
bool TlsStream::judge_beginning(BytesView bytes) {
  const std::size_t before = handshake_bytes_;
  handshake_bytes_ += bytes.size();
  if (before < beginning_.size()) {
    std::memcpy(beginning_.data() + before, bytes.data(), std::min(bytes.size(), beginning_.size() - before));
    if (detector_.see(bytes) == TlsDetector::Answer::kOther) {
      fail({Code::kProtocolError,
            fmt::format("{} does not speak TLS and this side does; dial it without encryption, or give it a key",
                        remote_)});
      state_ = State::kNotTls;
      return false;
    }
    // Header of the record, type of the message (1: client hello), 24 bits of length.
    const auto& b = beginning_;
    const bool whole = handshake_bytes_ >= b.size();
    if (side_ == wire::Side::kAccepted && whole &&
        (b[0] != 22 || b[5] != 1 || ((b[6] << 16) | (b[7] << 8) | b[8]) > static_cast<int>(kTlsHelloBytesMax))) {
      fail({Code::kProtocolError, fmt::format("{} begins with something else than a TLS hello of at most {} bytes",
                                              remote_, kTlsHelloBytesMax)});
      return false;
    }
  }
  if (handshake_bytes_ > kTlsHandshakeBytesMax) {
    fail({Code::kTooLarge, fmt::format("{} has sent more than {} bytes and the TLS handshake is not done", remote_,
                                       kTlsHandshakeBytesMax)});
    return false;
  }
  return true;
}

void TlsStream::handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return on_handshake_done();
  if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return;
  fail_by_openssl();
}

void TlsStream::on_handshake_done() {
  state_ = State::kOpen;
  resumed_ = SSL_session_reused(ssl_.get()) == 1;
  peer_key_ = key_of(SSL_get0_peer_certificate(ssl_.get()));
  check_peer();
  if (state_ != State::kOpen) return;
  proved_ = true;
  (resumed_ ? tls_->resumed : tls_->full).fetch_add(1, std::memory_order_relaxed);
}

// Again what the callbacks have checked, because a session that is resumed does not call them.
void TlsStream::check_peer() {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  if (BytesView(reinterpret_cast<const char*>(protocol), size) != kAlpn.substr(1)) {
    return fail(explain_alert(SSL_AD_NO_APPLICATION_PROTOCOL, remote_));
  }
  if (side_ == wire::Side::kDialled && (!peer_key_ || !is_expected(peer_key_))) fail(wrong_key(peer_key_));
}

void TlsStream::end_of_input() {
  if (state_ == State::kHandshake) {
    fail({Code::kConnectionLost,
          fmt::format("the connection to {} ended during the TLS handshake; its log may say why", remote_)});
  } else if (state_ == State::kOpen) {
    fail({Code::kConnectionLost,
          fmt::format("the connection to {} ended: it was cut off, without the other side's word that it closes (TLS "
                      "close_notify)",
                      remote_)});
  }
}

void TlsStream::fail_unread() {
  fail({Code::kProtocolError,
        fmt::format("{} asks for answers of TLS and does not read them; the link is given up", remote_)});
}

void TlsStream::send(BytesView plain, Bytes& out) {
  DISTRI_CHECK(may_send());
  output_ = &out;
  forget_errors();
  while (!plain.empty() && may_send()) {
    std::size_t taken = 0;
    if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &taken) != 1) fail_by_openssl();
    plain.remove_prefix(taken);
  }
  output_ = nullptr;
}

void TlsStream::finish(Bytes& out) {
  if (finished_ || !may_send()) return;
  finished_ = true;
  output_ = &out;
  forget_errors();
  SSL_shutdown(ssl_.get());
  forget_errors();
  output_ = nullptr;
}

Bytes TlsStream::channel_binding() const {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  if (!may_send()) return {};
  Bytes binding(32, '\0');
  const bool done = SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(binding.data()),
                                               binding.size(), kLabel.data(), kLabel.size(), nullptr, 0, 1) == 1;
  forget_errors();
  return done ? binding : Bytes();
}

// ---- Ends.

bool TlsStream::is_expected(const std::optional<NodeId>& key) const {
  return side_ == wire::Side::kAccepted || !expected_ || key == expected_;
}

Error TlsStream::wrong_key(const std::optional<NodeId>& key) const {
  if (!expected_) return {Code::kUnauthenticated, fmt::format("{} shows no key; a node must", remote_)};
  return {Code::kUnauthenticated,
          fmt::format("{} is not the node that was expected: its key is {}, expected was {}. Another node has this "
                      "address now, or somebody is in between; nothing was sent to it. If the node has a new key, "
                      "expect that one",
                      remote_, name_of(key), expected_->hex())};
}

void TlsStream::fail(Error error) {
  if (!proved_ && handshake_bytes_ > 0) count_failure(error.code);
  // A lost connection says nothing against the session, a broken rule might.
  if (!session_with_.empty() && error.code != Code::kConnectionLost) tls_->forget_session(session_with_);
  state_ = State::kFailed;
  failure_ = std::move(error);
}

void TlsStream::count_failure(Code code) {
  auto& counter = detector_.answer() == TlsDetector::Answer::kOther ? tls_->failed_not_tls
                  : code == Code::kUnauthenticated                  ? tls_->failed_key
                  : code == Code::kConnectionLost                   ? tls_->failed_lost
                                                                    : tls_->failed_protocol;
  counter.fetch_add(1, std::memory_order_relaxed);
}

void TlsStream::fail_by_openssl() {
  const unsigned long error = ERR_peek_last_error();
  fail(refusal_ ? std::move(*refusal_) : explain_error(error, remote_));
  forget_errors();
}

}  // namespace distri::net
