#include "prepare.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "distri/client/client.hpp"
#include "workload.hpp"

namespace bench {
namespace {

using distri::Code;
using distri::Result;
using distri::client::Client;
using nlohmann::json;

constexpr std::uint64_t kInFlight = 256;
constexpr std::int64_t kCall_ms = 30'000;
constexpr std::int64_t kSettle_ms = 60'000;

Client make_client(const Options& options) {
  distri::client::ClientOptions client_options;
  client_options.discover = false;
  client_options.timeout_ms = kCall_ms;
  return Client(options.nodes, std::move(client_options));
}

Result<> add_documents(const Options& options, Client& client, const std::string& collection) {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t in_flight = 0;
  Result<> result;
  const std::string service = fmt::format("AddDocument<{}>", collection);
  std::unique_lock lock(mutex);
  for (std::uint64_t i = 0; i < options.documents && result; ++i) {
    changed.wait(lock, [&] { return in_flight < kInFlight; });
    ++in_flight;
    lock.unlock();
    client.async_call(document_text(i, options.doc_bytes), service, json::object(), {},
                      [&](Result<distri::client::Reply> reply) {
                        const std::scoped_lock guard(mutex);
                        if (!reply && result) result = distri::fail(reply.error());
                        --in_flight;
                        changed.notify_all();
                      });
    lock.lock();
  }
  changed.wait(lock, [&] { return in_flight == 0; });
  return result;
}

Result<> wait_until_everywhere(const Options& options, Client& client, const std::string& collection) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSettle_ms);
  for (const distri::Address& node : options.nodes) {
    distri::client::CallOptions there;
    there.only_node = node;
    while (true) {
      DISTRI_TRY(const std::uint64_t count, client.count(collection, nullptr, there));
      if (count == options.documents) break;
      if (std::chrono::steady_clock::now() > end) {
        return distri::fail(Code::kDeadlineExceeded,
                            "{} has {} of {} documents after {} ms; do the --nodes know each other?",
                            distri::to_string(node), count, options.documents, kSettle_ms);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return {};
}

}  // namespace

Result<> prepare(const Options& options, const std::string& collection) {
  Client client = make_client(options);
  distri::client::CallOptions ask;
  ask.timeout_ms = 3'000;
  for (const distri::Address& node : options.nodes) {
    ask.only_node = node;
    const auto stats = client.send_data("", "Stats", ask);
    if (!stats)
      return distri::fail(Code::kUnavailable, "no node answers at {}: {}", distri::to_string(node),
                          stats.error().message);
  }
  const bool reads = options.workload == Workload::kGet || options.workload == Workload::kRead ||
                     options.workload == Workload::kMixed || options.workload == Workload::kUpdate ||
                     options.workload == Workload::kDelete;
  if (!reads) return {};
  DISTRI_TRY_VOID(add_documents(options, client, collection));
  return wait_until_everywhere(options, client, collection);
}

void check_decryptions(const Options& options, Figures& figures) {
  Client client = make_client(options);
  for (const distri::Bytes& png : figures.last_replies) {
    const auto image = client.send_data(png, "Decrypt");
    if (image && *image == options.image) continue;
    ++figures.errors;
    if (figures.first_error.empty()) {
      figures.first_error =
          image ? "Decrypt gave another image than the one that was encrypted" : distri::to_string(image.error());
    }
  }
}

void clean_up(const Options& options, const std::string& collection) {
  if (!options.keep) static_cast<void>(make_client(options).drop_collection(collection));
}

}  // namespace bench
