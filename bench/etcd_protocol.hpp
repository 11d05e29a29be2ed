// etcd_protocol.hpp: as much of etcd's two protocols as it takes to put keys: gRPC over HTTP/2 without TLS, and the
// JSON gateway over HTTP/1.1.
//
// Both keep a connection for ever. gRPC carries many puts at a time on one connection (its streams); JSON carries one.
// Only what a server answers to a put is understood: anything else is an error that ends the run. HTTP/2 flow control:
// we announce windows of 1 GiB, which a run does not fill, and what we send at a time stays far below the server's
// initial 64 KiB. Threads: none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace bench {

class EtcdProtocol {
 public:
  virtual ~EtcdProtocol() = default;
  // What goes first on a new connection.
  virtual void append_preface(distri::Bytes& out) = 0;
  // A put; `tag` comes back when it is answered.
  virtual void append_put(distri::Bytes& out, std::string_view key, std::string_view value, std::size_t tag) = 0;
  // Takes received bytes, in pieces of any size: tags of puts that were answered well go into `done`, what must be
  // answered at once into `out`.
  virtual distri::Result<> receive(distri::BytesView bytes, std::vector<std::size_t>& done, distri::Bytes& out) = 0;
};

// `if_absent`: a transaction that puts only when the key is not there, as AddDocument does.
std::unique_ptr<EtcdProtocol> make_grpc(const std::string& authority, bool if_absent);
std::unique_ptr<EtcdProtocol> make_json(const std::string& authority);

}  // namespace bench
