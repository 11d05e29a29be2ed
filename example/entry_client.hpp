// entry_client.hpp: one client of the database test: add, read with filter, update, read with filter.
//
// A cluster without a master answers a read from whatever the asked node has seen so far. The client library brings a
// session token along, for which a node holds the read back until it has caught up; a node that cannot in time, or that
// was restarted empty, may still not show what was written. Then this client asks again, with growing pauses, until its
// deadline; how often is counted. The update goes to the node that showed the document: an upsert at a node that has
// not seen it yet would be a second, concurrent insert. If that node is gone, the client reads again, elsewhere, and
// updates there.
//
// Threads: callbacks of one client run one after another, on its runtime's thread or on the thread of `Later`; EntryRun
// is shared by all clients and safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "distri/client/client.hpp"
#include "latency.hpp"
#include "later.hpp"

namespace example {

// What all clients of one run share, and where they count.
struct EntryRun {
  std::string id;  // tells the entries of this run from those of others
  std::int64_t timeout_ms = 0;
  Later later;

  std::atomic<std::uint64_t> operations{0};  // that have ended, well or badly
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> clients_ended{0};
  std::atomic<std::uint64_t> reads_elsewhere{0};  // answered by another node than the one that took the write
  std::atomic<std::uint64_t> reads_repeated{0};
  std::atomic<std::uint64_t> repetitions{0};
  std::atomic<std::uint64_t> moved_updates{0};
  std::atomic<std::int64_t> longest_wait_us{0};

  void add_latency(std::int64_t us);
  void add_error(std::string text);
  nlohmann::json latency_summary();
  std::vector<std::string> first_errors();

 private:
  std::mutex mutex_;
  Latencies latencies_;
  std::vector<std::string> errors_;
};

inline constexpr const char* kEntryCollection = "example_entries";
inline constexpr std::uint64_t kEntryOperations = 4;

// The entry of a client, before and after its update.
nlohmann::json entry_document(const std::string& run, std::uint64_t client, bool updated);

class EntryClient {
 public:
  EntryClient(EntryRun& run, std::uint64_t index, distri::client::Client client);

  // Returns at once. run.clients_ended counts up when this client is done.
  void start();

 private:
  using Step = void (EntryClient::*)();

  void add();
  void read();
  void update();
  void on_read(distri::Result<distri::client::Reply> reply);
  void on_update(distri::Result<distri::client::Reply> reply);

  void call(distri::Bytes body, const char* service, const nlohmann::json& params, distri::client::CallOptions options,
            void (EntryClient::*then)(distri::Result<distri::client::Reply>));
  void on_add(distri::Result<distri::client::Reply> reply);
  void read_again();
  void begin_operation(Step step);
  void succeed(Step next);
  void give_up(const std::string& why);
  std::int64_t left_ms() const;

  EntryRun& run_;
  std::uint64_t index_;
  distri::client::Client client_;
  const char* doing_ = "";
  bool updated_ = false;          // the update is acknowledged: reads must show it
  bool update_in_doubt_ = false;  // it was sent and not answered: reads may show it
  std::uint64_t done_ = 0;        // operations that went well
  std::int64_t pause_ms_ = 0;     // before the next repeated read; 0: none yet
  Moment operation_start_{};
  distri::Address wrote_at_;
  distri::Address seen_at_;
};

}  // namespace example
