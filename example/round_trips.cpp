#include "round_trips.hpp"

#include <fmt/format.h>

namespace example {
namespace {

using distri::Bytes;
using distri::Code;
using distri::Result;
using distri::client::Reply;
using nlohmann::json;

constexpr std::size_t kErrorsKept = 5;
constexpr std::size_t kClientsPerRuntime = 64;

}  // namespace

// One client: its callbacks follow each other, so nothing here is shared.
struct RoundTrips::Sender {
  Sender(RoundTrips& owner, const std::vector<std::size_t>& indexes, distri::client::Client its_client)
      : run(owner), work(indexes), client(std::move(its_client)) {}

  void next();
  void call(Bytes bytes, const char* service, void (Sender::*then)(Result<Reply>));
  void on_encrypted(Result<Reply> reply);
  void on_decrypted(Result<Reply> reply);
  void end_trip(const std::string& error);
  const Picture& picture() const { return (*run.plan_.pictures)[work[at]]; }

  RoundTrips& run;
  const std::vector<std::size_t>& work;
  distri::client::Client client;
  std::size_t at = 0;
  Moment call_start{};
  RoundTrip trip;
};

RoundTrips::RoundTrips(Plan plan) : plan_(std::move(plan)) {
  for (const auto& indexes : plan_.work) total_ += indexes.size();
  const std::size_t runtimes = plan_.work.size() >= kClientsPerRuntime ? 2 : 1;
  for (std::size_t i = 0; i < runtimes; ++i) runtimes_.push_back(distri::client::Runtime::create());
  for (std::size_t i = 0; i < plan_.work.size(); ++i) {
    distri::client::ClientOptions options;
    options.timeout_ms = plan_.timeout_ms;
    options.runtime = runtimes_[i % runtimes];
    senders_.emplace_back(*this, plan_.work[i], distri::client::Client(plan_.nodes, std::move(options)));
  }
}

RoundTrips::~RoundTrips() = default;

void RoundTrips::start() {
  for (Sender& sender : senders_) sender.next();
}

void RoundTrips::Sender::next() {
  if (at == work.size()) {
    ++run.clients_ended_;
    return;
  }
  trip = {};
  trip.picture = work[at];
  call(picture().bytes, "Encrypt", &Sender::on_encrypted);
}

void RoundTrips::Sender::call(Bytes bytes, const char* service, void (Sender::*then)(Result<Reply>)) {
  call_start = now();
  distri::client::CallOptions options;
  options.idempotent = true;  // doing it twice does no harm, so no node needs to remember megabytes of reply
  client.async_call(std::move(bytes), service, json::object(), options, [this, then](Result<Reply> reply) {
    if (!reply && reply.error().code == Code::kCancelled) return;  // the run is being destroyed
    (this->*then)(std::move(reply));
  });
}

void RoundTrips::Sender::on_encrypted(Result<Reply> reply) {
  if (!reply) return end_trip(fmt::format("Encrypt {}: {}", picture().name, distri::to_string(reply.error())));
  {
    const std::scoped_lock lock(run.mutex_);
    run.encrypt_.add(us_since(call_start));
    run.all_.add(us_since(call_start));
  }
  trip.encrypted_by = reply->node;
  trip.encrypted = std::move(reply->body);
  call(trip.encrypted, "Decrypt", &Sender::on_decrypted);
}

void RoundTrips::Sender::on_decrypted(Result<Reply> reply) {
  if (!reply) return end_trip(fmt::format("Decrypt {}: {}", picture().name, distri::to_string(reply.error())));
  if (reply->body != picture().bytes) {
    return end_trip(fmt::format("Decrypt {} at {}: {} bytes that are not the {} that were sent", picture().name,
                                distri::to_string(reply->node), reply->body.size(), picture().bytes.size()));
  }
  trip.decrypted_by = reply->node;
  trip.decrypted = std::move(reply->body);
  {
    const std::scoped_lock lock(run.mutex_);
    run.decrypt_.add(us_since(call_start));
    run.all_.add(us_since(call_start));
    ++run.exact_[distri::to_string(trip.decrypted_by)];
    if (run.plan_.on_result) run.plan_.on_result(trip);
  }
  end_trip({});
}

void RoundTrips::Sender::end_trip(const std::string& error) {
  if (!error.empty()) {
    ++run.failed_;
    run.note_error(error);
  }
  ++run.done_;
  ++at;
  next();
}

void RoundTrips::note_error(std::string text) {
  const std::scoped_lock lock(mutex_);
  if (errors_.size() < kErrorsKept) errors_.push_back(std::move(text));
}

std::vector<std::string> RoundTrips::first_errors() {
  const std::scoped_lock lock(mutex_);
  return errors_;
}

json RoundTrips::encrypt_latency() {
  const std::scoped_lock lock(mutex_);
  return encrypt_.summary();
}

json RoundTrips::decrypt_latency() {
  const std::scoped_lock lock(mutex_);
  return decrypt_.summary();
}

json RoundTrips::latency() {
  const std::scoped_lock lock(mutex_);
  return all_.summary();
}

std::map<std::string, std::uint64_t> RoundTrips::exact_per_node() {
  const std::scoped_lock lock(mutex_);
  return exact_;
}

}  // namespace example
