#include "entry_client.hpp"

#include <fmt/format.h>

namespace example {
namespace {

using distri::Bytes;
using distri::Code;
using distri::Result;
using distri::client::CallOptions;
using distri::client::Reply;
using nlohmann::json;

constexpr std::int64_t kPauseFirst_ms = 5;
constexpr std::int64_t kPauseMax_ms = 500;
constexpr std::int64_t kOneNode_ms = 5'000;  // patience with one node, before the client looks for another
constexpr std::size_t kErrorsKept = 5;

}  // namespace

void EntryRun::add_latency(std::int64_t us) {
  const std::scoped_lock lock(mutex_);
  latencies_.add(us);
}

void EntryRun::add_error(std::string text) {
  const std::scoped_lock lock(mutex_);
  if (errors_.size() < kErrorsKept) errors_.push_back(std::move(text));
}

json EntryRun::latency_summary() {
  const std::scoped_lock lock(mutex_);
  return latencies_.summary();
}

std::vector<std::string> EntryRun::first_errors() {
  const std::scoped_lock lock(mutex_);
  return errors_;
}

json entry_document(const std::string& run, std::uint64_t client, bool updated) {
  return {{"_id", fmt::format("{}-{}", run, client)},
          {"run", run},
          {"client", client},
          {"name", fmt::format("client number {}", client)},
          {"state", updated ? "changed" : "new"},
          {"value", updated ? client * 7 + 1 : client * 3}};
}

EntryClient::EntryClient(EntryRun& run, std::uint64_t index, distri::client::Client client)
    : run_(run), index_(index), client_(std::move(client)) {}

void EntryClient::start() {
  begin_operation(&EntryClient::add);
}

void EntryClient::begin_operation(Step step) {
  operation_start_ = now();
  pause_ms_ = 0;
  (this->*step)();
}

std::int64_t EntryClient::left_ms() const {
  return run_.timeout_ms - us_since(operation_start_) / 1000;
}

void EntryClient::call(Bytes body, const char* service, const json& params, CallOptions options,
                       void (EntryClient::*then)(Result<Reply>)) {
  const Moment start = now();
  client_.async_call(std::move(body), fmt::format("{}<{}>", service, kEntryCollection), params, options,
                     [this, start, then](Result<Reply> reply) {
                       if (!reply && reply.error().code == Code::kCancelled) return;  // the test is over
                       run_.add_latency(us_since(start));
                       (this->*then)(std::move(reply));
                     });
}

void EntryClient::add() {
  doing_ = "add";
  CallOptions options;
  options.timeout_ms = left_ms();
  call(entry_document(run_.id, index_, false).dump(), "AddDocument", json::object(), options, &EntryClient::on_add);
}

void EntryClient::on_add(Result<Reply> reply) {
  // The _id is ours alone: when it is there already, an earlier try has put it there and its answer was lost.
  if (!reply && reply.error().code != Code::kAlreadyExists) return give_up(distri::to_string(reply.error()));
  if (reply) wrote_at_ = reply->node;
  succeed(&EntryClient::read);
}

void EntryClient::read() {
  doing_ = updated_ ? "read after update" : "read after add";
  CallOptions options;
  options.timeout_ms = std::max<std::int64_t>(1, left_ms());
  options.idempotent = true;
  json filter = {{"run", run_.id}, {"client", index_}};
  if (updated_) filter["state"] = "changed";
  call({}, "ReadCollection", {{"filter", std::move(filter)}}, options, &EntryClient::on_read);
}

void EntryClient::on_read(Result<Reply> reply) {
  if (!reply) return give_up(distri::to_string(reply.error()));
  const json page = json::parse(reply->body, nullptr, false);
  if (!page.is_object() || !page.contains("documents") || !page["documents"].is_array()) {
    return give_up(fmt::format("the answer of {} is not a page of documents", distri::to_string(reply->node)));
  }
  const json& documents = page["documents"];
  if (documents.empty()) return read_again();
  const bool right =
      documents.size() == 1 && (documents[0] == entry_document(run_.id, index_, updated_) ||
                                (update_in_doubt_ && documents[0] == entry_document(run_.id, index_, true)));
  if (!right) return give_up(fmt::format("{} shows {}", distri::to_string(reply->node), documents.dump()));
  if (reply->node != wrote_at_) ++run_.reads_elsewhere;
  if (pause_ms_ > 0) {
    ++run_.reads_repeated;
    const std::int64_t waited_us = us_since(operation_start_);
    std::int64_t longest = run_.longest_wait_us;
    while (waited_us > longest && !run_.longest_wait_us.compare_exchange_weak(longest, waited_us)) {
    }
  }
  if (!updated_) {
    seen_at_ = reply->node;
    // An update that moves here from a lost node is still the same operation, with the same deadline.
    if (update_in_doubt_) return update();
    return succeed(&EntryClient::update);
  }
  succeed(nullptr);
}

void EntryClient::read_again() {
  if (left_ms() <= 0) return give_up(fmt::format("the entry was not to be seen within {} ms", run_.timeout_ms));
  pause_ms_ = pause_ms_ == 0 ? kPauseFirst_ms : std::min(kPauseMax_ms, pause_ms_ * 2);
  ++run_.repetitions;
  run_.later.after(pause_ms_, [this] { read(); });
}

void EntryClient::update() {
  doing_ = "update";
  CallOptions options;
  options.timeout_ms = std::clamp<std::int64_t>(left_ms(), 1, kOneNode_ms);
  options.only_node = seen_at_;
  const json entry = entry_document(run_.id, index_, true);
  const json fields = {{"_id", entry["_id"]}, {"state", entry["state"]}, {"value", entry["value"]}};
  call(fields.dump(), "UpdateDocument", json::object(), options, &EntryClient::on_update);
}

void EntryClient::on_update(Result<Reply> reply) {
  if (!reply) {
    const Code code = reply.error().code;
    const bool elsewhere = code == Code::kConnectionLost || code == Code::kUnavailable || code == Code::kBusy ||
                           code == Code::kDeadlineExceeded || code == Code::kIndeterminate;
    if (!elsewhere || left_ms() <= 0) return give_up(distri::to_string(reply.error()));
    ++run_.moved_updates;
    update_in_doubt_ = true;
    return run_.later.after(kPauseFirst_ms, [this] { read(); });
  }
  const json answer = json::parse(reply->body, nullptr, false);
  if (!answer.is_object() || answer.value("inserted", true)) {
    return give_up(fmt::format("{} answered {} to an update of a document it had shown", distri::to_string(reply->node),
                               reply->body));
  }
  wrote_at_ = reply->node;
  updated_ = true;
  update_in_doubt_ = false;
  succeed(&EntryClient::read);
}

void EntryClient::succeed(Step next) {
  ++done_;
  ++run_.operations;
  if (next != nullptr) return begin_operation(next);
  ++run_.clients_ended;
}

// What this client can no longer try has failed as well.
void EntryClient::give_up(const std::string& why) {
  run_.add_error(fmt::format("client {}: {}: {}", index_, doing_, why));
  run_.failed += kEntryOperations - done_;
  run_.operations += kEntryOperations - done_;
  ++run_.clients_ended;
}

}  // namespace example
