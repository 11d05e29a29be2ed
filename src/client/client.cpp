#include "distri/client/client.hpp"

#include <algorithm>
#include <future>
#include <type_traits>

#include "distri/client/buffered_call.hpp"
#include "distri/client/client_impl.hpp"
#include "distri/client/codec.hpp"
#include "distri/client/stream_call.hpp"
#include "distri/utils/check.hpp"

namespace distri::client {
namespace {

constexpr std::int64_t kDefaultTimeoutMs = 30'000;
constexpr std::int64_t kStatsTimeoutMs =
    5'000;  // of a collect_stats() that names none: one frozen node must not cost 30 s
constexpr int kStatsAttemptsMax =
    2;  // a pooled connection may have gone stale; a node that is down is reported at once

RuntimeCore& core_of(Runtime& runtime) {
  auto* handle = dynamic_cast<RuntimeHandle*>(&runtime);
  DISTRI_CHECK(handle != nullptr);  // Runtime::create() is the only source of them
  return handle->core();
}

Result<Bytes> body_of(Result<Reply> reply) {
  if (!reply) return fail(std::move(reply).error());
  return std::move(reply->body);
}

}  // namespace

Client::Impl::Impl(std::vector<Address> nodes, ClientOptions client_options)
    : runtime(client_options.runtime != nullptr ? std::move(client_options.runtime) : Runtime::create()),
      runtime_core(core_of(*runtime)),
      options(std::move(client_options)),
      core(std::make_shared<ClientCore>(runtime_core, std::move(nodes), options)) {}

CallSpec Client::Impl::make_spec(std::string_view service, const nlohmann::json& params,
                                 const CallOptions& call_options) const {
  CallSpec spec;
  spec.service = service;
  spec.format = call_options.bson ? wire::Format::kBson : wire::Format::kJson;
  spec.timeout_ms = call_options.timeout_ms > 0 ? call_options.timeout_ms : options.timeout_ms;
  if (spec.timeout_ms <= 0) spec.timeout_ms = kDefaultTimeoutMs;
  spec.deadline_ms = runtime_core.now_ms() + spec.timeout_ms;
  spec.reply_bytes_max = call_options.reply_bytes_max;
  spec.idempotent = call_options.idempotent;
  spec.request_id = call_options.request_id;
  spec.only_node = call_options.only_node;
  spec.attempts_max = call_options.attempts_max;
  if (auto encoded = encode_params(params, spec.format)) {
    spec.params = std::move(*encoded);
  } else {
    spec.refused = std::move(encoded).error();
  }
  return spec;
}

nlohmann::json Client::Impl::make_id() {
  const std::lock_guard lock(id_mutex);
  const bson::ObjectId id = ids.next(runtime_core.clock().wall_ms());
  return {{"$oid", to_hex({id.data(), id.size()})}};
}

Result<> Client::Impl::check_may_block() const {
  if (!runtime_core.on_loop_thread()) return {};
  return fail(
      Code::kInvalidArgument,
      "a blocking call on the runtime's thread (inside a callback) would wait for itself; use async_call() there");
}

Result<Reply> Client::Impl::wait(CallSpec spec, BytesView body) {
  DISTRI_TRY_VOID(check_may_block());
  const auto promise = std::make_shared<std::promise<Result<Reply>>>();
  auto future = promise->get_future();
  core->submit(std::make_shared<BufferedCall>(
      std::move(spec), body, [promise](Result<Reply> reply) { promise->set_value(std::move(reply)); }));
  return future.get();
}

Client::Client(std::vector<Address> nodes, ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(nodes), std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Bytes> Client::send_data(BytesView data, std::string_view service, const CallOptions& options) {
  return body_of(call(data, service, nullptr, options));
}

Result<Bytes> Client::send_data_with_params(BytesView data, std::string_view service, const nlohmann::json& params,
                                            const CallOptions& options) {
  return body_of(call(data, service, params, options));
}

Result<Reply> Client::call(BytesView data, std::string_view service, const nlohmann::json& params,
                           const CallOptions& options) {
  return impl_->wait(impl_->make_spec(service, params, options), data);
}

Result<Reply> Client::call_encoded(BytesView data, std::string_view service, Bytes params, const CallOptions& options) {
  CallSpec spec = impl_->make_spec(service, nullptr, options);
  spec.params = std::move(params);
  return impl_->wait(std::move(spec), data);
}

void Client::async_call(Bytes data, std::string service, const nlohmann::json& params, const CallOptions& options,
                        ReplyCallback callback) {
  impl_->core->submit(
      std::make_shared<BufferedCall>(impl_->make_spec(service, params, options), std::move(data), std::move(callback)));
}

std::future<Result<Bytes>> Client::async_send_data(Bytes data, std::string service, const CallOptions& options) {
  return async_send_data_with_params(std::move(data), std::move(service), nullptr, options);
}

std::future<Result<Bytes>> Client::async_send_data_with_params(Bytes data, std::string service,
                                                               const nlohmann::json& params,
                                                               const CallOptions& options) {
  const auto promise = std::make_shared<std::promise<Result<Bytes>>>();
  auto future = promise->get_future();
  async_call(std::move(data), std::move(service), params, options,
             [promise](Result<Reply> reply) { promise->set_value(body_of(std::move(reply))); });
  return future;
}

Result<std::unique_ptr<CallStream>> Client::open_stream(std::string_view service, const nlohmann::json& params,
                                                        const CallOptions& options) {
  DISTRI_TRY_VOID(impl_->check_may_block());
  const auto call = std::make_shared<StreamCall>(impl_->runtime_core, impl_->make_spec(service, params, options));
  impl_->core->submit(call);
  DISTRI_TRY_VOID(call->wait_opened());
  return std::make_unique<ClientStream>(impl_->runtime, call);
}

Result<std::vector<Address>> Client::Impl::known_nodes() {
  DISTRI_TRY_VOID(check_may_block());
  const auto promise = std::make_shared<std::promise<Result<std::vector<Address>>>>();
  auto future = promise->get_future();
  runtime_core.loop().post([core = core, promise] {
    const auto answer = [core, promise](Result<> result) {
      if (!result) return promise->set_value(fail(std::move(result).error()));
      std::vector<Address> addresses;
      for (const auto& node : core->table().listed()) addresses.push_back(node->address);
      promise->set_value(std::move(addresses));
    };
    if (core->table().learned()) return answer({});
    core->refresh(answer);
  });
  return future.get();
}

Result<std::vector<Address>> Client::nodes() {
  return impl_->known_nodes();
}

Result<std::vector<nlohmann::json>> Client::collect_stats(const CallOptions& options) {
  DISTRI_TRY_VOID(impl_->check_may_block());
  auto addresses = nodes();
  if (!addresses) {
    // Nobody says who the others are: each of the given ones is asked, and most likely reported as not answering.
    if (addresses.error().code == Code::kInvalidArgument) return fail(addresses.error());
    addresses = impl_->core->seeds();
  }
  std::vector<std::future<Result<Bytes>>> answers;
  for (const auto& address : *addresses) {
    CallOptions one = options;
    one.only_node = address;
    one.idempotent = true;
    if (one.timeout_ms <= 0) one.timeout_ms = std::min(impl_->options.timeout_ms, kStatsTimeoutMs);
    CallSpec spec = impl_->make_spec("Stats", nullptr, one);
    spec.attempts_max = kStatsAttemptsMax;
    const auto promise = std::make_shared<std::promise<Result<Bytes>>>();
    answers.push_back(promise->get_future());
    impl_->core->submit(std::make_shared<BufferedCall>(
        std::move(spec), Bytes(), [promise](Result<Reply> reply) { promise->set_value(body_of(std::move(reply))); }));
  }
  std::vector<nlohmann::json> result;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto answer = answers[i].get();
    auto stats = answer ? decode_object(*answer, options.bson ? wire::Format::kBson : wire::Format::kJson, "Stats")
                        : Result<nlohmann::json>(fail(answer.error()));
    if (!stats) stats = nlohmann::json{{"address", to_string((*addresses)[i])}, {"error", to_string(stats.error())}};
    result.push_back(*std::move(stats));
  }
  return result;
}

}  // namespace distri::client
