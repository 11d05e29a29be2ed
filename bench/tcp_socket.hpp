// tcp_socket.hpp: a connection to another server than a node, for the load generators of those: what is to be sent is
// gathered in out(), what comes is read into a buffer of the caller.
//
// Threads: one. Errors: kUnavailable when nobody answers, kConnectionLost later; a sentence with the address.
#pragma once

#include <poll.h>

#include <string>

#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace bench {

class TcpSocket {
 public:
  TcpSocket() = default;
  ~TcpSocket();
  TcpSocket(const TcpSocket&) = delete;
  TcpSocket& operator=(const TcpSocket&) = delete;

  // An IPv4 address.
  distri::Result<> connect_to(const distri::Address& server);

  distri::Bytes& out() { return out_; }
  pollfd waits_for() const;
  // As much as the system takes now.
  distri::Result<> send_queued();
  // Appends what is there, which may be nothing.
  distri::Result<> read_available(distri::Bytes& in);
  // Sends all of out(), and waits until something has come.
  distri::Result<> exchange(distri::Bytes& in);

 private:
  std::string server_;
  int socket_ = -1;
  distri::Bytes out_;
};

}  // namespace bench
