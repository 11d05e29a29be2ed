// change_stream_impl.hpp: a ChangeStream's requests of Watch, one after another.
#pragma once

#include <deque>
#include <vector>

#include "distri/client/change_stream.hpp"
#include "distri/client/client_impl.hpp"
#include "distri/client/stream_call.hpp"

namespace distri::client {

struct ChangeStream::Impl {
  Impl(Client::Impl& client_impl, std::string service_name, WatchOptions watch_options);
  ~Impl() { close(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Until a page has come (`first`) or an event is there.
  Result<bool> wait(std::int64_t timeout_ms, bool first);
  void open();
  void close();
  Result<> take_pages();
  // False: the error is the caller's.
  bool goes_on(const Error& error);
  bool ask_another();

  Client::Impl& client;
  std::string service;
  WatchOptions options;

  std::shared_ptr<StreamCall> call;
  bool page_seen = false;  // of this call
  int failures = 0;        // calls without a page, one after another
  Bytes text;              // of a page that is not complete
  std::deque<nlohmann::json> events;
  std::string received;  // token of the newest page
  std::string given;     // of the newest one that next() has given to the end
  std::string trouble = "no node has answered yet";
  // A node has no such history: the others are asked, one by one.
  std::optional<Error> lost;
  std::vector<Address> asked;
  std::optional<Address> next_node;
};

}  // namespace distri::client
