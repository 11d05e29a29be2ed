// tls_impl.hpp: Tls on OpenSSL: the settings of both sides, and the sessions that may be resumed. Private to this
// module.
#pragma once

#include <openssl/ssl.h>

#include <asio/ssl/context.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "distri/net/tls.hpp"
#include "distri/utils/recent_map.hpp"

namespace distri::net {

template <auto kFree>
struct OpenSslFree {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using EvpKey = std::unique_ptr<EVP_PKEY, OpenSslFree<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, OpenSslFree<&X509_free>>;
using TlsSession = std::unique_ptr<SSL_SESSION, OpenSslFree<&SSL_SESSION_free>>;
using SslHandle = std::unique_ptr<SSL, OpenSslFree<&SSL_free>>;

// The wire format of the list with one name in it.
inline constexpr std::string_view kAlpn =
    "\x08"
    "distri/2";

// The node id that a certificate shows; none when its key is not an Ed25519 key. Nothing else in a certificate is
// looked at.
std::optional<NodeId> key_of(const X509* certificate);

class TlsImpl final : public Tls {
 public:
  // Throws asio::system_error.
  explicit TlsImpl(const SigningKey* key);

  const std::optional<NodeId>& key() const override { return key_; }
  Counters counters() const override;

  // nullptr: out of memory.
  SslHandle new_dialling();
  SslHandle new_accepting();

  // Sessions by whom they are with. nullptr: none.
  TlsSession find_session(const std::string& with);
  void remember_session(const std::string& with, TlsSession session);
  void forget_session(const std::string& with);

  std::atomic<std::uint64_t> full{0};
  std::atomic<std::uint64_t> resumed{0};
  std::atomic<std::uint64_t> failed_not_tls{0};
  std::atomic<std::uint64_t> failed_key{0};
  std::atomic<std::uint64_t> failed_lost{0};
  std::atomic<std::uint64_t> failed_protocol{0};

 private:
  std::optional<NodeId> key_;
  asio::ssl::context dialling_;
  std::optional<asio::ssl::context> accepting_;
  std::mutex mutex_;  // for sessions_
  RecentMap<std::string, TlsSession> sessions_;
};

}  // namespace distri::net
