#include "prepare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "distri/client/collection.hpp"
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
  apply(options.key, client_options);
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

// Each node builds the index for itself.
Result<> wait_until_indexed(const Options& options, Client& client, const std::string& collection,
                            const std::string& index) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSettle_ms);
  for (const distri::Address& node : options.nodes) {
    distri::client::CallOptions there;
    there.only_node = node;
    while (true) {
      DISTRI_TRY(const auto indexes, client.collection(collection).list_indexes(there));
      const bool ready = std::any_of(indexes.begin(), indexes.end(), [&](const json& known) {
        return known.at("name") == index && known.at("ready") == true;
      });
      if (ready) break;
      if (std::chrono::steady_clock::now() > end) {
        return distri::fail(Code::kDeadlineExceeded, "the index '{}' is not ready at {} after {} ms", index,
                            distri::to_string(node), kSettle_ms);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return {};
}

bool needs_documents(Workload workload) {
  switch (workload) {
    case Workload::kGet:
    case Workload::kUpdate:
    case Workload::kSet:
    case Workload::kDelete:
    case Workload::kRead:
    case Workload::kRange:
    case Workload::kScan:
    case Workload::kMixed:
      return true;
    default:
      return false;
  }
}

// The median of several.
Result<double> memcpy_gb_per_s(std::uint64_t bytes) {
  constexpr int kCopies = 5;
  const std::string from(bytes, 'x');
  std::string to(bytes, 'y');  // both in memory before the clock starts
  std::vector<double> seconds;
  for (int i = 0; i < kCopies; ++i) {
    const auto start = std::chrono::steady_clock::now();
    std::memcpy(to.data(), from.data(), bytes);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (to[static_cast<std::size_t>(i) * bytes / kCopies] != 'x')  // and it is done
      return distri::fail(Code::kInternal, "memcpy has not copied");
    to.assign(bytes, 'y');
  }
  std::sort(seconds.begin(), seconds.end());
  return static_cast<double>(bytes) / 1e9 / seconds[kCopies / 2];
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
  if (!needs_documents(options.workload)) return {};
  if (!options.prepared) DISTRI_TRY_VOID(add_documents(options, client, collection));
  DISTRI_TRY_VOID(wait_until_everywhere(options, client, collection));
  if (options.workload != Workload::kRange) return {};
  DISTRI_TRY(const std::string index, client.collection(collection).create_index({{"n", 1}}));
  return wait_until_indexed(options, client, collection, index);
}

Result<> add_scan_figures(const Options& options, const std::string& collection, nlohmann::json& figures) {
  Client client = make_client(options);
  DISTRI_TRY(const json stats, client.collection_stats(collection));
  const auto bytes = stats.at("size").get<std::uint64_t>();
  const auto p50_us = figures.at("latency_us").at("p50").get<double>();
  DISTRI_TRY(const double copied, memcpy_gb_per_s(bytes));
  figures["scan"] = {
      {"bson_bytes", bytes}, {"gb_per_s", static_cast<double>(bytes) / 1e3 / p50_us}, {"memcpy_gb_per_s", copied}};
  fmt::print("scan: {} bytes of BSON in {} us at the median = {:.2f} GB/s; memcpy of as many: {:.2f} GB/s\n", bytes,
             p50_us, figures["scan"]["gb_per_s"].get<double>(), copied);
  return {};
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
