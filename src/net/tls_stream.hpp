// tls_stream.hpp: one side of an encrypted connection, without the connection. Private to this module.
//
// Bytes go in and bytes come out; whoever owns it moves them. OpenSSL never sees a socket: what it reads is what the
// call was given, what it writes is appended to what the call was given, which always succeeds. So nothing is ever
// half written, and after receive() nothing is left inside that is not the beginning of a record whose rest must yet
// come: to wait for the socket is then always right, also after a pause.
//
// States: kHandshake -> kOpen -> kEnded (the other side has closed, properly) or kFailed (failure() says why); kNotTls:
// the first bytes were something else. Only in kOpen do peer_key() and resumed() mean something, and only then has the
// other side proved that it holds the key and, on the dialling side, that it is the expected one.
// Threads: none. Errors: failure(); the queue of errors that OpenSSL keeps for the thread is empty after every call.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "distri/net/tls_impl.hpp"
#include "distri/wire/session.hpp"

namespace distri::net {

inline constexpr std::size_t kTlsRecordBytesMax = 5 + (16u << 10) + 256;
inline constexpr std::size_t kTlsHelloBytesMax = 16u << 10;      // the message with which a client begins
inline constexpr std::size_t kTlsHandshakeBytesMax = 64u << 10;  // everything of the other side until kOpen

// Decides by the first bytes of a connection whether they can be TLS: of all that distri sends first none can be.
class TlsDetector {
 public:
  enum class Answer { kUnknown, kTls, kOther };
  Answer see(BytesView bytes);
  Answer answer() const { return answer_; }

 private:
  std::size_t seen_ = 0;
  Answer answer_ = Answer::kUnknown;
};

class TlsStream {
 public:
  enum class State { kHandshake, kOpen, kEnded, kFailed, kNotTls };

  // `remote` is for texts. `expected`: as ConnectionOptions::expected_key, dialling side only. Precondition: a Tls with
  // a key on the accepting side.
  TlsStream(std::shared_ptr<TlsImpl> tls, wire::Side side, std::string remote, const std::optional<NodeId>& expected);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream();

  // The dialling side begins; on the other nothing, so that a stranger who says nothing costs little.
  void start(Bytes& out);
  // Takes all of `cipher` and puts what is in it into `plain`; returns how much that was. Also in the call that changes
  // the state. Precondition: cipher.size() + kTlsRecordBytesMax <= size.
  std::size_t receive(BytesView cipher, char* plain, std::size_t size, Bytes& out);
  // The other side has ended the stream below.
  void end_of_input();
  // The other side makes us answer (as an update of keys does) and does not read the answers.
  void fail_unread();
  // In kOpen, and in kEnded, although hardly anybody reads then.
  bool may_send() const { return state_ == State::kOpen || state_ == State::kEnded; }
  // Precondition: may_send().
  void send(BytesView plain, Bytes& out);
  // Says that nothing more comes from us. Once; nothing unless may_send().
  void finish(Bytes& out);

  State state() const { return state_; }
  const Error& failure() const { return failure_; }
  const std::optional<NodeId>& peer_key() const { return peer_key_; }
  bool resumed() const { return resumed_; }
  // As Connection::channel_binding(). Empty unless may_send().
  Bytes channel_binding() const;

  // Called by OpenSSL (tls.cpp).
  static int check_certificate(X509_STORE_CTX* store, void* unused);
  static int check_client_hello(SSL* ssl, int* alert, void* unused);
  static int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
                             const unsigned char* offered, unsigned offered_size, void* unused);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

 private:
  struct Bio;

  bool judge_beginning(BytesView bytes);
  void offer_session();
  void handshake();
  void on_handshake_done();
  void check_peer();
  void fail(Error error);
  void count_failure(Code code);
  void fail_by_openssl();
  bool is_expected(const std::optional<NodeId>& key) const;
  Error wrong_key(const std::optional<NodeId>& key) const;

  std::shared_ptr<TlsImpl> tls_;
  wire::Side side_;
  State state_ = State::kHandshake;
  bool resumed_ = false;
  bool proved_ = false;  // kOpen was reached
  bool finished_ = false;
  std::string remote_;
  std::optional<NodeId> expected_;
  std::optional<NodeId> peer_key_;
  std::string session_with_;  // the name of the session to resume; dialling side
  Error failure_;
  std::optional<Error> refusal_;  // why a callback of OpenSSL has refused
  TlsDetector detector_;
  std::size_t handshake_bytes_ = 0;
  std::array<unsigned char, 9> beginning_{};
  BytesView input_;  // during a call
  Bytes* output_ = nullptr;
  SslHandle ssl_;
};

}  // namespace distri::net
