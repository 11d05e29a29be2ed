#include "distri/cloud/cluster.hpp"

#include <utility>

#include "distri/storage/data_directory.hpp"
#include "distri/utils/hash.hpp"
#include "distri/utils/key_file.hpp"
#include "distri/wire/primitives.hpp"

namespace distri::cloud {
namespace {

using membership::MemberTable;
using membership::Sponsor;

constexpr std::uint8_t kFormat = 2;
constexpr std::uint8_t kFormatWithoutNewcomers = 1;
constexpr std::size_t kFileBytesMax = membership::kTableBytesMax + membership::kSponsorBytesMax + 64;
constexpr std::size_t kChecksumBytes = 8;

std::string path_of(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

}  // namespace

Bytes encode(const MemberTable& table, BytesView sponsor, std::uint64_t sequence, bool newcomer) {
  Bytes bytes;
  wire::Writer out(bytes);
  out.u8(kFormat);
  out.bytes32(table.encode());
  out.bytes32(sponsor);
  out.u64(sequence);
  out.u8(newcomer ? 1 : 0);
  out.u64(checksum_64(bytes));
  return bytes;
}

Result<MembershipState> decode_membership(BytesView bytes, const std::string& path) {
  const auto damaged = [&](std::string_view what) {
    return fail(Code::kDataLoss,
                "{} is damaged ({}); put it back from a copy, or remove this node from the cluster and let the machine "
                "join again with an empty directory",
                path, what);
  };
  if (bytes.size() < kChecksumBytes) return damaged("it is too short");
  wire::Reader end(bytes.substr(bytes.size() - kChecksumBytes));
  bytes.remove_suffix(kChecksumBytes);
  if (end.u64() != checksum_64(bytes)) return damaged("its checksum does not fit");
  wire::Reader in(bytes);
  const std::uint8_t format = in.u8();
  const BytesView table_bytes = in.bytes32();
  const BytesView sponsor = in.bytes32();
  const std::uint64_t sequence = in.u64();
  const std::uint8_t newcomer = format == kFormatWithoutNewcomers ? 0 : in.u8();
  if (format != kFormat && format != kFormatWithoutNewcomers)
    return damaged(fmt::format("its format is {}, known are {} and {}", format, kFormatWithoutNewcomers, kFormat));
  if (!in.ok() || !in.at_end()) return damaged("its length does not fit");
  auto table = MemberTable::load(table_bytes);
  if (!table) return damaged(table.error().message);
  if (sequence == UINT64_MAX) return damaged("its sequence is out of range");
  if (newcomer > 1) return damaged("its mark of a newcomer is neither 0 nor 1");
  return MembershipState{*std::move(table), Bytes(sponsor), sequence, newcomer == 1};
}

Cluster::Cluster(std::string directory, std::shared_ptr<net::Tls> tls, membership::LocalMember member, bool newcomer)
    : directory_(std::move(directory)), tls_(std::move(tls)), member_(std::move(member)), newcomer_(newcomer) {}

Result<std::unique_ptr<Cluster>> Cluster::open(const std::string& directory) {
  DISTRI_TRY(const auto bytes, storage::read_small_file(directory, kMembershipFile, kFileBytesMax));
  if (!bytes) return nullptr;
  const std::string path = path_of(directory, kMembershipFile);
  DISTRI_TRY(MembershipState state, decode_membership(*bytes, path));
  DISTRI_TRY(SigningKey key, read_key_file(path_of(directory, kNodeKeyFile)));
  const NodeId node = key.public_key();
  if (!state.table.is_member(node)) {
    return fail(Code::kPermissionDenied,
                "this node ({}) {} cluster {}; to bring the machine back, join with an empty directory and a new "
                "invitation",
                node.short_hex(), state.table.is_revoked(node) ? "was removed from" : "is no member of",
                state.table.cluster().short_hex());
  }
  auto sponsor =
      state.sponsor.empty() ? Result<Sponsor>(Sponsor(key.copy())) : Sponsor::load(key.copy(), state.sponsor);
  if (!sponsor) return fail(Code::kDataLoss, "{} is damaged ({})", path, sponsor.error().message);
  DISTRI_TRY(auto tls, net::Tls::with_key(key));
  return std::unique_ptr<Cluster>(
      new Cluster(directory, std::move(tls),
                  {std::move(key), std::move(state.table), *std::move(sponsor), state.sequence}, state.newcomer));
}

// ---- Requests.

void Cluster::join(BytesView request, BytesView binding, std::int64_t now_ms, Done done) {
  auto answer = member_.join(request, binding, now_ms);
  if (!answer.persist) return done(std::move(answer.reply));
  on_changed();
  save([reply = std::move(answer.reply), done = std::move(done)](const Result<>& saved) {
    if (!saved) return done(fail(saved.error()));
    done(reply);
  });
}

void Cluster::open_invitation(BytesView invitation, std::int64_t now_ms, Done done) {
  const auto opened = member_.open_invitation(invitation, now_ms);
  if (!opened) return done(fail(opened.error()));
  save([done = std::move(done)](const Result<>& saved) { done(saved ? Result<Bytes>(Bytes()) : fail(saved.error())); });
}

void Cluster::change(BytesView statements, Done done) {
  const auto merged = member_.change(statements);
  if (!merged) return done(fail(merged.error()));
  // Nothing new, but what is there may not be on the disk yet.
  if (*merged == 0 && !dirty_ && !saving_) return done(Bytes());
  if (*merged > 0) on_changed();
  save([done = std::move(done)](const Result<>& saved) { done(saved ? Result<Bytes>(Bytes()) : fail(saved.error())); });
}

bson::Document Cluster::describe(const std::function<std::string_view(const NodeId& node)>& health) const {
  bson::Builder out;
  out.append_string("cluster", table().cluster().hex());
  out.append_int64("epoch", table().epoch());
  out.append_string("node", node().hex());
  out.begin_array("members");
  std::size_t index = 0;
  for (const auto& member : table().members()) {
    out.begin_object(std::to_string(index++));
    out.append_string("node", member.node.hex());
    out.append_string("name", member.name);
    out.append_string("health", health(member.node));
    out.append_int64("admitted_ms", member.admitted_ms);
    out.begin_array("addresses");
    std::size_t at = 0;
    for (const Address& address : member.addresses) out.append_string(std::to_string(at++), to_string(address));
    out.end().end();
  }
  out.end();
  out.begin_array("revoked");
  index = 0;
  for (const auto& [revoked, why] : table().revoked()) {
    out.begin_object(std::to_string(index++));
    out.append_string("node", revoked.hex());
    out.append_string("reason", why.reason == membership::Reason::kReplaced ? "replaced" : "removed");
    out.append_int64("at_ms", why.at_ms);
    out.end();
  }
  out.end();
  out.append_int64("statements", static_cast<std::int64_t>(table().statements()));
  out.append_string("digest",
                    to_hex({reinterpret_cast<const char*>(table().digest().data()), table().digest().size()}));
  return std::move(out).finish();
}

Result<> Cluster::announce(const std::vector<Address>& addresses) {
  DISTRI_TRY(const bool changed, member_.announce(addresses));
  if (!changed) return {};
  on_changed();
  save({});
  return {};
}

// ---- Gossip.

Result<Cluster::Heard> Cluster::receive(Message kind, BytesView payload) {
  DISTRI_TRY(auto heard, member_.receive(kind, payload));
  if (heard.changed) {
    on_changed();
    save({});
  }
  return heard;
}

// ---- Saving.

void Cluster::on_changed() {
  if (parts_.changed) parts_.changed();
}

Bytes Cluster::encoded() const {
  return encode(table(), member_.sponsor_state(), member_.sequence(), newcomer_);
}

void Cluster::has_caught_up() {
  if (!std::exchange(newcomer_, false)) return;
  save({});
}

void Cluster::save(std::function<void(Result<>)> done) {
  dirty_ = true;
  if (done) waiting_.push_back(std::move(done));
  begin_saving();
}

void Cluster::tick() {
  if (dirty_) begin_saving();
}

void Cluster::begin_saving() {
  if (saving_ || !parts_.run_elsewhere) return;
  const auto waiting = std::make_shared<std::vector<std::function<void(Result<>)>>>(std::exchange(waiting_, {}));
  const auto write = [this, waiting, bytes = encoded(), version = table().version(), directory = directory_,
                      post = parts_.post] {
    const Result<> written = storage::write_small_file(directory, kMembershipFile, bytes);
    post([this, waiting, written, version] {
      saving_ = false;
      if (written && member_.saved(version)) on_changed();
      if (!written) {
        dirty_ = true;
        parts_.log.error("the table of members could not be saved: {}", to_string(written.error()));
      }
      for (const auto& each : *waiting) each(written);
      if (written && dirty_) begin_saving();
    });
  };
  dirty_ = false;
  saving_ = parts_.run_elsewhere(write);
  if (saving_) return;
  // Not now: the next tick tries again.
  dirty_ = true;
  waiting_.insert(waiting_.begin(), waiting->begin(), waiting->end());
}

void Cluster::stop() {
  parts_.run_elsewhere = nullptr;
  if (!dirty_ && !saving_) return;
  if (const auto written = storage::write_small_file(directory_, kMembershipFile, encoded()); !written) {
    parts_.log.error("the table of members could not be saved: {}", to_string(written.error()));
  }
}

}  // namespace distri::cloud
