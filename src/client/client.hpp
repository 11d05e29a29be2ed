// client.hpp: the way to use a distri cluster from a program. Read this header first.
//
//   distri::client::Client client({{"127.0.0.1", 3000}});             // any node; the others are learned from it
//   auto id = client.add_document("photos", {{"name", "dune"}, {"stars", 5}});
//   auto page = client.read_collection("photos", {{"stars", {{"$gte", 4}}}});
//   auto best = client.collection("photos").find({{"stars", 5}}).sort({{"name", 1}}).limit(10).all();
//   auto png = client.send_data(jpeg_bytes, "Encrypt");                 // bytes in, bytes out
//
// Where a request goes: the better of two random nodes by (reported load + our own requests in flight there) and
// measured latency. A node that answers busy or unavailable, a connection that ends, a node that does not accept: the
// request goes to another node (the hinted one first), with growing pauses when all were tried, until the deadline. A
// request is retried only where that is safe: the request id makes a node execute it at most once, and documents get
// their _id from the client, so that a repeated add is the same add.
//
// Sessions: every reply says what it rests on, and the next request of the same Client demands at least that, on
// whichever node it lands: a Client reads its own writes, and never reads backwards. Clients are sessions of their own.
//
// Writes: WriteOptions::w says how many members must hold a write before it is acknowledged. An error with
// kIndeterminate, kDeadlineExceeded, kConnectionLost, kStorageFailed, kCancelled or kInternal leaves open whether a
// write took effect; with every other code it did not. A write that lost to a concurrent one is not gone:
// list_conflicts().
//
// Streams of bytes of any length: open_stream(). Buffered calls carry at most CallOptions::reply_bytes_max back.
//
// Invariants: every call ends, at the latest at its deadline (CallOptions::timeout_ms), with a reply or an Error that
// says why. Threads: any number of threads may use one Client. Callbacks of asynchronous calls run on the runtime's
// thread: they must not block and must not call blocking methods of a Client (that is an error with kInvalidArgument).
// Destroying a Client ends its calls with kCancelled, after which no callback runs. Errors: all of utils/result.hpp.
// kDeadlineExceeded names the last thing that went wrong on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/client/change_stream.hpp"
#include "distri/utils/address.hpp"
#include "distri/utils/bytes.hpp"
#include "distri/utils/ids.hpp"
#include "distri/utils/result.hpp"

namespace distri::net {
class Tls;  // net/tls.hpp
}

namespace distri::client {

// The thread that moves bytes for one or many clients, their connection pools and what they learned about nodes.
// Several thousand clients can share one.
class Runtime {
 public:
  static std::shared_ptr<Runtime> create();
  virtual ~Runtime() = default;
};

struct ClientOptions {
  std::int64_t timeout_ms = 30'000;  // of a call that names none
  // To connect to one node. For its hello, and for each answer to what is said before requests (who it is, whether the
  // token is good), it has twice as long and a second.
  std::int64_t dial_ms = 2'000;
  std::int64_t refresh_ms = 2'000;       // how old the node table may get while calls are made
  std::size_t connections_per_node = 1;  // pool size
  bool discover = true;                  // false: use only the given nodes
  // A call that found only nodes which lack what this client has seen ends at its deadline, or with the last of its
  // attempts_max tries. True: so do the next ones, until a node has it again; nothing is ever read backwards. False:
  // the client then starts a session anew, because nodes without a disk may have lost it for good.
  bool keep_session = false;
  // For nodes with keys: encrypts every connection, and shows this client's key if it has one. None: no encryption.
  std::shared_ptr<net::Tls> tls;
  // With `tls`, and on the runtime's thread: whether a node with this key may be spoken to; an error ends the
  // connection before anything was sent. None: whoever answers, which protects against listening only.
  std::function<Result<>(const NodeId& node)> trust;
  // With `tls`: the only key that is spoken to. Whoever holds another one learns nothing, not even who asks; `trust`
  // decides when it has learned that. None: any.
  std::optional<NodeId> expected_key;
  // A token, the line that `distri token create` prints: encrypts, speaks to members of the token's cluster only (each
  // node proves that it is one before the token is sent), and has the token's rights. A line that is no token fails
  // every call with kInvalidArgument; one that is not good any more, with kUnauthenticated.
  std::string token;
  // The id of a cluster with keys, 64 hexadecimal digits: encrypts, and speaks to its members only. With `tls` and a
  // user's key, that user's rights. Implied by `token`.
  std::string cluster;
  std::shared_ptr<Runtime> runtime;  // none: a runtime of its own
};

struct CallOptions {
  std::int64_t timeout_ms = 0;  // 0: ClientOptions::timeout_ms
  std::size_t reply_bytes_max = 256u << 20;
  bool idempotent = false;           // true: needs no request id (reads); the node keeps no memory of it
  std::optional<Address> only_node;  // ask exactly this node; no retry elsewhere
  // Tries, after which the call ends with what was wrong with the last one; 0: until the deadline.
  int attempts_max = 0;
  bool bson = false;  // params, body and reply documents are BSON instead of JSON (wire::Format)
  // Of a request that the caller itself repeats, perhaps through another Client: executed at most once. None: a fresh
  // one. With `idempotent` it has no meaning.
  std::optional<RequestId> request_id;
};

// How many of the configured members must hold a write, durably as their mode says, before it is acknowledged.
class WriteConcern {
 public:
  static WriteConcern one() { return WriteConcern(1); }
  static WriteConcern members(std::uint32_t count) { return WriteConcern(count); }
  static WriteConcern majority() { return WriteConcern("majority"); }
  static WriteConcern all() { return WriteConcern("all"); }
  // As the parameter "w" of the write services.
  const nlohmann::json& parameter() const { return parameter_; }

 private:
  explicit WriteConcern(nlohmann::json parameter) : parameter_(std::move(parameter)) {}
  nlohmann::json parameter_;
};

// timeout_ms is also the time that `w` may take: kIndeterminate when it passes.
struct WriteOptions : CallOptions {
  WriteOptions() = default;
  WriteOptions(const CallOptions& options) : CallOptions(options) {}  // NOLINT: every call option is a write option

  std::optional<WriteConcern> w;  // none: the node's own rule, which is 1
};

struct ConflictPage {
  // {"id": opaque text, "collection", "_id", "kind": "document" | "delete" | "fields" | "increment", "content": {...},
  //  "time_ms", "winner"}
  std::vector<nlohmann::json> conflicts;
  bool more = false;  // ask again with `after` = the last one's id
};

struct Reply {
  Bytes body;
  Address node;             // who answered
  int attempts = 1;         // tries, including the one that succeeded
  std::int64_t rtt_us = 0;  // of the last try
};

using ReplyCallback = std::function<void(Result<Reply>)>;

// A call whose bodies are streams. Blocking; one thread may write while another reads. Not retried: it is bound to one
// node from the first byte on (opening it does try several). Destroying it before the end cancels it.
class CallStream {
 public:
  virtual ~CallStream() = default;
  // Blocks while the flow-control window is full. kDeadlineExceeded, kConnectionLost, or the status the service ended
  // with.
  virtual Result<> write(BytesView chunk) = 0;
  // No more request bytes.
  virtual Result<> finish() = 0;
  // The next piece of the reply; empty at its end. The first call waits for the reply to begin, and a failed status is
  // its error.
  virtual Result<Bytes> read() = 0;
  virtual void cancel() = 0;
  virtual const Address& node() const = 0;
};

class Collection;

class Client {
 public:
  explicit Client(std::vector<Address> nodes, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // ---- Bytes in, bytes out.
  Result<Bytes> send_data(BytesView data, std::string_view service, const CallOptions& options = {});
  Result<Bytes> send_data_with_params(BytesView data, std::string_view service, const nlohmann::json& params,
                                      const CallOptions& options = {});
  // The same with everything that is known about the answer.
  Result<Reply> call(BytesView data, std::string_view service, const nlohmann::json& params,
                     const CallOptions& options = {});
  // The same with parameters that are encoded already: one document, JSON text, or BSON with CallOptions::bson; empty:
  // none. They travel as they are, with fields in their own order.
  Result<Reply> call_encoded(BytesView data, std::string_view service, Bytes params, const CallOptions& options = {});
  // Asynchronous: the callback runs exactly once.
  void async_call(Bytes data, std::string service, const nlohmann::json& params, const CallOptions& options,
                  ReplyCallback callback);
  std::future<Result<Bytes>> async_send_data(Bytes data, std::string service, const CallOptions& options = {});
  std::future<Result<Bytes>> async_send_data_with_params(Bytes data, std::string service, const nlohmann::json& params,
                                                         const CallOptions& options = {});
  Result<std::unique_ptr<CallStream>> open_stream(std::string_view service, const nlohmann::json& params,
                                                  const CallOptions& options = {});

  // ---- The cluster.
  // `Stats` of every known node, asked at the same time; a node that does not answer gives {"address": ..., "error":
  // ...}.
  Result<std::vector<nlohmann::json>> collect_stats(const CallOptions& options = {});
  // The node table as known now (asks for it when empty).
  Result<std::vector<Address>> nodes();

  // ---- Documents, by MongoDB's names (collection.hpp). The handle must not outlive the client.
  Collection collection(std::string_view name);

  // What changes, in all collections (change_stream.hpp). Waits until a node has begun to tell.
  Result<ChangeStream> watch(const WatchOptions& options = {});

  // ---- Documents, one service each. `_id` strings, numbers or {"$oid": hex}; made here when missing.
  Result<nlohmann::json> add_document(std::string_view collection, const nlohmann::json& document,
                                      const WriteOptions& options = {});  // the _id
  // Upsert by _id: sets the given fields; or, with operators ({"_id": ..., "$set": {...}, "$unset": {...}, "$inc":
  // {...}}), does what they say. {"inserted": bool, "_id": ...}
  Result<nlohmann::json> update_document(std::string_view collection, const nlohmann::json& update,
                                         const WriteOptions& options = {});
  // Adds numbers to fields ({"likes": 1, "score": -2.5}) of the document with this _id. Concurrent increments all
  // count.
  Result<nlohmann::json> increment(std::string_view collection, const nlohmann::json& id, const nlohmann::json& amounts,
                                   const WriteOptions& options = {});
  // Number deleted. An empty filter needs `all`.
  Result<std::uint64_t> delete_documents(std::string_view collection, const nlohmann::json& filter, bool all = false,
                                         const WriteOptions& options = {});
  // All matching documents (pages are fetched behind the scenes up to `limit`; 0: all).
  Result<std::vector<nlohmann::json>> read_collection(std::string_view collection,
                                                      const nlohmann::json& filter = nullptr,
                                                      const nlohmann::json& sort = nullptr, std::uint64_t limit = 0,
                                                      const CallOptions& options = {});
  // One page: {"documents": [...], "cursor": "..."} (no cursor: the last page). `query` as the parameters of
  // ReadCollection.
  Result<nlohmann::json> read_page(std::string_view collection, const nlohmann::json& query,
                                   const CallOptions& options = {});
  Result<std::uint64_t> count(std::string_view collection, const nlohmann::json& filter = nullptr,
                              const CallOptions& options = {});
  Result<bool> create_collection(std::string_view name, const WriteOptions& options = {});  // true: it is new
  // `settings`: {"validator": filter, "validationLevel": "strict" | "moderate" | "off"}. kAlreadyExists: it is there
  // with others.
  Result<bool> create_collection(std::string_view name, const nlohmann::json& settings,
                                 const WriteOptions& options = {});
  // Changes those that `settings` names; an empty validator stands for none. True: they were others. kNotFound.
  Result<bool> modify_collection(std::string_view name, const nlohmann::json& settings,
                                 const WriteOptions& options = {});
  Result<bool> drop_collection(std::string_view name, const WriteOptions& options = {});  // true: it existed
  Result<std::vector<nlohmann::json>> list_collections(
      const CallOptions& options = {});  // [{"name","documents","bytes","options"}]
  // {"count", "size", "avgObjSize", "nindexes", "indexSizes", ...} of one collection (kNotFound), or of all together.
  Result<nlohmann::json> collection_stats(std::string_view name, const CallOptions& options = {});
  Result<nlohmann::json> database_stats(const CallOptions& options = {});

  // ---- Conflicts: writes that lost to concurrent ones. `after`: the id of the last one already seen.
  Result<ConflictPage> list_conflicts(std::string_view collection, std::string_view after = {},
                                      std::uint64_t limit = 100, const CallOptions& options = {});
  // Writes its content again and removes it; or only removes it. kNotFound: there is no such conflict (any more).
  Result<> restore_conflict(std::string_view collection, std::string_view id, const WriteOptions& options = {});
  Result<> dismiss_conflict(std::string_view collection, std::string_view id, const WriteOptions& options = {});

 private:
  struct Impl;
  friend class ChangeStream;
  friend class Collection;
  friend class Find;
  // All documents of a query (the parameters of ReadCollection), page by page.
  Result<std::vector<nlohmann::json>> read_all(std::string_view collection, nlohmann::json query,
                                               const CallOptions& options);
  std::shared_ptr<Impl> impl_;
};

}  // namespace distri::client

#include "distri/client/collection.hpp"  // IWYU pragma: export
