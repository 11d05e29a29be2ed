#include "distri/client/change_stream.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "distri/client/change_stream_impl.hpp"
#include "distri/client/codec.hpp"

namespace distri::client {
namespace {

constexpr std::string_view kHistoryLost = "ChangeStreamHistoryLost";
// A node's pages are far smaller, unless one event is not.
constexpr std::size_t kPageBytesMax = 256u << 20;
// For one node of several that are asked whether they have the history.
constexpr std::int64_t kAskMs = 5'000;

}  // namespace

ChangeStream::Impl::Impl(Client::Impl& client_impl, std::string service_name, WatchOptions watch_options)
    : client(client_impl),
      service(std::move(service_name)),
      options(std::move(watch_options)),
      received(options.resume_after),
      given(options.resume_after) {}

void ChangeStream::Impl::open() {
  nlohmann::json params = {{"page_events", options.page_events}};
  if (!options.filter.is_null()) params["filter"] = options.filter;
  if (options.update_lookup) params["fullDocument"] = "updateLookup";
  if (!received.empty()) params["resumeAfter"] = received;
  CallOptions each;
  each.timeout_ms = next_node ? std::min(kAskMs, options.stream_ms) : options.stream_ms;
  each.idempotent = true;
  each.only_node = std::exchange(next_node, std::nullopt);
  CallSpec spec = client.make_spec(service, params, each);
  spec.long_lived = true;
  call = std::make_shared<StreamCall>(client.runtime_core, std::move(spec));
  page_seen = false;
  text.clear();
  client.core->submit(call);
  std::ignore = call->end_writing();
}

void ChangeStream::Impl::close() {
  if (call) call->abandon();
  call.reset();
}

Result<bool> ChangeStream::Impl::wait(std::int64_t timeout_ms, bool first) {
  DISTRI_TRY_VOID(client.check_may_block());
  const std::int64_t until_ms = client.runtime_core.now_ms() + std::max<std::int64_t>(timeout_ms, 0);
  while (first ? !page_seen : events.empty()) {
    if (!call) open();
    auto piece = call->read_within(until_ms - client.runtime_core.now_ms());
    if (!piece) {
      const Error error = piece.error();
      close();
      if (!goes_on(error)) return fail(lost ? *std::exchange(lost, std::nullopt) : error);
    } else if (!*piece) {
      return false;
    } else if ((*piece)->empty()) {
      close();
    } else {
      text += **piece;
      DISTRI_TRY_VOID(take_pages());
    }
  }
  return true;
}

Result<> ChangeStream::Impl::take_pages() {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != Bytes::npos; end = text.find('\n', begin)) {
    DISTRI_TRY(auto page, decode_object(BytesView(text).substr(begin, end - begin), wire::Format::kJson, "Watch"));
    begin = end + 1;
    const auto token = page.find("token");
    const auto list = page.find("events");
    if (token == page.end() || !token->is_string() || list == page.end() || !list->is_array())
      return fail(Code::kProtocolError, "a page of Watch has no 'token' or no 'events'");
    for (auto& event : *list) events.push_back(std::move(event));
    received = token->get<std::string>();
    if (events.empty()) given = received;
    page_seen = true;
    failures = 0;
    trouble.clear();
    lost.reset();
    asked.clear();
  }
  text.erase(0, begin);
  if (text.size() > kPageBytesMax)
    return fail(Code::kTooLarge, "a page of Watch has more than {} bytes; watch with a smaller page_events",
                kPageBytesMax);
  return {};
}

bool ChangeStream::Impl::goes_on(const Error& error) {
  trouble = error.message;
  if (error.message.contains(kHistoryLost)) {
    lost = error;
    return ask_another();
  }
  if (lost && !page_seen) return ask_another();
  switch (error.code) {
    case Code::kDeadlineExceeded:
      // A node that ends a stream says so in its last page.
      if (!page_seen) return false;
      break;
    case Code::kBusy:
    case Code::kUnavailable:
    case Code::kBehind:
    case Code::kConnectionLost:
    case Code::kStorageFull:
    case Code::kStorageFailed:
      break;
    default:
      return false;
  }
  if (failures > 0) {
    const std::int64_t pause_ms = std::min(kPauseFirstMs << std::min(failures, 10), kPauseMaxMs);
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  ++failures;
  return true;
}

// Another node's log may reach further back.
bool ChangeStream::Impl::ask_another() {
  const auto known = client.known_nodes();
  if (known) {
    for (const Address& node : *known) {
      if (std::find(asked.begin(), asked.end(), node) != asked.end()) continue;
      asked.push_back(node);
      next_node = node;
      return true;
    }
  }
  asked.clear();
  return false;
}

ChangeStream::ChangeStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChangeStream::~ChangeStream() = default;
ChangeStream::ChangeStream(ChangeStream&&) noexcept = default;
ChangeStream& ChangeStream::operator=(ChangeStream&&) noexcept = default;

Result<ChangeStream> Client::watch(const WatchOptions& options) {
  return impl_->watch("Watch", options);
}

Result<ChangeStream> Client::Impl::watch(std::string service, const WatchOptions& watch_options) {
  ChangeStream stream(std::make_unique<ChangeStream::Impl>(*this, std::move(service), watch_options));
  DISTRI_TRY(const bool begun, stream.impl_->wait(watch_options.timeout_ms, true));
  if (!begun) {
    return fail(Code::kDeadlineExceeded, "no node has begun to tell of changes within {} ms; last: {}",
                watch_options.timeout_ms, stream.trouble());
  }
  return stream;
}

Result<std::optional<nlohmann::json>> ChangeStream::next(std::int64_t timeout_ms) {
  DISTRI_TRY(const bool there, impl_->wait(timeout_ms, false));
  if (!there) return std::nullopt;
  nlohmann::json event = std::move(impl_->events.front());
  impl_->events.pop_front();
  if (impl_->events.empty()) impl_->given = impl_->received;
  return std::optional(std::move(event));
}

const std::string& ChangeStream::token() const {
  return impl_->given;
}

const std::string& ChangeStream::trouble() const {
  return impl_->trouble;
}

}  // namespace distri::client
