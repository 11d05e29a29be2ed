#include "probes.hpp"

#include "load.hpp"

namespace chaos {

using distri::client::Client;
using distri::client::ClientOptions;
using distri::client::WriteOptions;
using nlohmann::json;

namespace {

constexpr std::int64_t kProbeMs = 800;
constexpr std::array kAllKinds{Probe::Kind::kTwoInserts, Probe::Kind::kSameField, Probe::Kind::kTwoFields,
                               Probe::Kind::kTwoIncrements, Probe::Kind::kUpdateAndDelete};

distri::Result<> write(Client& client, Probe::Kind kind, const std::string& id, std::size_t side,
                       const std::string& mark, const WriteOptions& options) {
  switch (kind) {
    case Probe::Kind::kTwoInserts:
      DISTRI_TRY_VOID(client.add_document(kProbes, {{"_id", id}, {"who", mark}}, options));
      return {};
    case Probe::Kind::kTwoFields:
      DISTRI_TRY_VOID(client.update_document(kProbes, {{"_id", id}, {side == 0 ? "left" : "right", mark}}, options));
      return {};
    case Probe::Kind::kTwoIncrements:
      DISTRI_TRY_VOID(client.increment(kProbes, id, {{"n", side == 0 ? 3 : 5}}, options));
      return {};
    case Probe::Kind::kUpdateAndDelete:
      if (side == 1) {
        DISTRI_TRY_VOID(client.delete_documents(kProbes, {{"_id", id}}, false, options));
        return {};
      }
      [[fallthrough]];
    case Probe::Kind::kSameField:
      DISTRI_TRY_VOID(client.update_document(kProbes, {{"_id", id}, {"who", mark}}, options));
      return {};
  }
  return {};
}

}  // namespace

std::string probe_id(Probe::Kind kind, std::size_t number) {
  return fmt::format("p{}.{}", static_cast<int>(kind), number);
}

Prober::Prober(std::shared_ptr<distri::client::Runtime> runtime, Recorder& recorder, std::size_t prepared)
    : runtime_(std::move(runtime)), recorder_(recorder), prepared_(prepared) {}

void Prober::begin(std::array<distri::Address, 2> sides, std::string where) {
  if (cut_ || rounds_ == prepared_) return;
  end();
  cut_ = true;
  thread_ = std::thread(
      [this, sides = std::move(sides), where = std::move(where), number = rounds_++] { run(sides, where, number); });
}

void Prober::end() {
  cut_ = false;
  if (thread_.joinable()) thread_.join();
}

void Prober::run(std::array<distri::Address, 2> sides, const std::string& where, std::size_t number) {
  ClientOptions options;
  options.runtime = runtime_;
  options.discover = false;
  // A session for each side: what one of them has seen, the other side can not have.
  std::array<Client, 2> clients{Client({sides[0]}, options), Client({sides[1]}, options)};
  for (const auto kind : kAllKinds) {
    const std::string id = probe_id(kind, number);
    Probe probe{.kind = kind,
                .key = fmt::format("{}/{}", kProbes, id),
                .marks = {id + ".0", id + ".1"},
                .outcomes = {},
                .where = where};
    for (std::size_t side = 0; side < 2; ++side) {
      Call call;
      call.session = -1;
      call.what = name_of(kind);
      call.key = probe.key;
      call.value = static_cast<std::int64_t>(side);
      call.timeout_ms = kProbeMs;
      call.start_ms = now_ms();
      WriteOptions write_options;
      write_options.only_node = sides[side];
      write_options.timeout_ms = kProbeMs;
      const auto done = write(clients[side], kind, id, side, probe.marks[side], write_options);
      call.end_ms = now_ms();
      call.node = to_string(sides[side]);
      if (!done) call.error = done.error();
      recorder_.ended(call);
      probe.outcomes[side] = call.outcome();
      if (!cut_) return;
    }
    // An indeterminate one may take effect after the partition, when it has seen the other.
    if (probe.outcomes[0] != Outcome::kIndeterminate && probe.outcomes[1] != Outcome::kIndeterminate) {
      probes_.push_back(std::move(probe));
    }
  }
}

}  // namespace chaos
