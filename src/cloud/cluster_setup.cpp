#include "distri/cloud/cluster_setup.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "distri/cloud/cluster.hpp"
#include "distri/membership/joiner.hpp"
#include "distri/net/connection.hpp"
#include "distri/net/loop.hpp"
#include "distri/storage/data_directory.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/key_file.hpp"

namespace distri::cloud {
namespace {

using membership::Joiner;
using membership::MemberTable;

constexpr std::int64_t kPauseMs = 500;  // before the addresses are tried again
constexpr std::int64_t kTryMs = 5'000;  // to connect to one and to hear its answer
constexpr std::size_t kFileBytesMax = membership::kTableBytesMax + membership::kSponsorBytesMax + 64;

std::string path_of(const std::string& directory, std::string_view name) {
  return fmt::format("{}/{}", directory, name);
}

// The key of the file, which is made if there is none.
Result<SigningKey> key_at(const std::string& path) {
  auto key = read_key_file(path);
  if (key || key.error().code != Code::kNotFound) return key;
  SigningKey fresh = SigningKey::generate();
  DISTRI_TRY_VOID(write_key_file(path, fresh));
  return fresh;
}

Result<> save_membership(const std::string& directory, const MemberTable& table, bool newcomer) {
  return storage::write_small_file(directory, kMembershipFile, encode(table, {}, 0, newcomer));
}

// Makes and locks the directory, as a node does.
Result<storage::DataDirectory> open_directory(const std::string& path) {
  auto random = Random::from_system();
  return storage::DataDirectory::open(path, random);
}

// One connection to the sponsor.
class Asking final : public net::ConnectionHandler {
 public:
  // Ends within `ms`.
  Asking(net::Loop& loop, Joiner& joiner, const Address& to, const net::ConnectionOptions& options, std::int64_t ms)
      : loop_(loop), joiner_(joiner) {
    wire::Hello hello;
    hello.role = wire::Role::kClient;
    hello.software = "distri-join";
    connection_ = net::Connection::dial(loop, to, hello, options, *this);
    deadline_ = loop.after(ms, [this, ms] {
      connection_->close(
          {Code::kDeadlineExceeded, fmt::format("{} did not answer within {} ms", connection_->remote(), ms)});
    });
  }

  // Why it ended, unless the joiner knows more.
  const Error& reason() const { return reason_; }

  void on_hello(const wire::Hello&) override {
    wire::RequestHead head;
    head.service = "Join";
    head.deadline_ms = kTryMs;
    std::size_t taken = 0;
    const Bytes request = joiner_.request(connection_->channel_binding());
    if (auto opened = connection_->session().open_request(head, request, true, taken); !opened) {
      connection_->close(opened.error());
    }
  }

  void on_reply(std::uint32_t stream, const wire::ReplyHead& head, BytesView body, bool end) override {
    if (head.status != Code::kOk) return connection_->close({head.status, std::string(head.message)});
    on_data(stream, body, end);
  }

  void on_data(std::uint32_t stream, BytesView chunk, bool end) override {
    answer_.append(chunk);
    connection_->session().consume(stream, static_cast<std::uint32_t>(chunk.size()));
    if (answer_.size() > membership::kTableBytesMax + membership::kRefusalTextBytesMax) {
      return connection_->close({Code::kTooLarge, "the sponsor's answer is too long"});
    }
    if (!end) return;
    const auto state = joiner_.on_reply(answer_);
    connection_->close(state ? Error{Code::kCancelled, "the answer is here"} : state.error());
  }

  void on_closed(const Error& reason) override {
    reason_ = reason;
    deadline_.cancel();
    loop_.stop();
  }

 private:
  net::Loop& loop_;
  Joiner& joiner_;
  std::shared_ptr<net::Connection> connection_;
  net::Timer deadline_;
  Bytes answer_;
  Error reason_;
};

void wait(net::Loop& loop, std::int64_t ms) {
  const net::Timer timer = loop.after(ms, [&] { loop.stop(); });
  loop.run();
}

}  // namespace

Result<std::optional<MemberTable>> read_member_table(const std::string& data_dir) {
  DISTRI_TRY(const auto bytes, storage::read_small_file(data_dir, kMembershipFile, kFileBytesMax));
  if (!bytes) return std::nullopt;
  DISTRI_TRY(MembershipState state, decode_membership(*bytes, path_of(data_dir, kMembershipFile)));
  return std::move(state.table);
}

Result<Founded> found_cluster(const std::string& data_dir, const std::string& name) {
  DISTRI_TRY_VOID(membership::check_name(name));
  DISTRI_TRY(const storage::DataDirectory directory, open_directory(data_dir));
  DISTRI_TRY(const auto there, read_member_table(data_dir));
  if (there) {
    return fail(Code::kAlreadyExists, "{} belongs to a node of a cluster already; name another directory", data_dir);
  }
  // Each step may have been done before an interruption.
  DISTRI_TRY(const SigningKey node, key_at(path_of(data_dir, kNodeKeyFile)));
  DISTRI_TRY(const SigningKey root, key_at(path_of(data_dir, kRootKeyFile)));
  DISTRI_TRY(const SigningKey next, key_at(path_of(data_dir, kNextRootKeyFile)));
  MemberTable table({root.public_key(), membership::digest_of(next.public_key())});
  DISTRI_TRY_VOID(
      table.add(membership::admit_by_root(table.authority(), root, node.public_key(), name, SystemClock().wall_ms())));
  DISTRI_TRY_VOID(save_membership(data_dir, table, false));
  return Founded{table.cluster().hex(), node.public_key()};
}

Result<Joined> join_cluster(const std::string& data_dir, std::string_view line, const std::string& name,
                            std::int64_t timeout_ms, const Log& log) {
  DISTRI_TRY(auto parsed, membership::parse_join_line(line));
  DISTRI_TRY_VOID(membership::check_name(name));
  DISTRI_TRY(const storage::DataDirectory directory, open_directory(data_dir));
  DISTRI_TRY(SigningKey key, key_at(path_of(data_dir, kNodeKeyFile)));
  const NodeId node = key.public_key();
  DISTRI_TRY(const auto there, read_member_table(data_dir));
  if (there) {
    if (there->cluster() == parsed.cluster) return Joined{there->cluster().hex(), node, true};
    return fail(Code::kAlreadyExists, "{} belongs to cluster {}, the line is for cluster {}; name another directory",
                data_dir, there->cluster().short_hex(), parsed.cluster.short_hex());
  }

  net::ConnectionOptions options;
  options.dial_ms = options.hello_ms = kTryMs;
  options.expected_key = parsed.sponsor;
  DISTRI_TRY(options.tls, net::Tls::with_key(key));
  DISTRI_TRY(Joiner joiner, Joiner::start(std::move(parsed), std::move(key), name));
  const SystemClock clock;
  const std::int64_t end_ms = clock.monotonic_ns() / 1'000'000 + timeout_ms;
  Error last{Code::kUnavailable, "the line names no address"};
  const auto left_ms = [&] { return end_ms - clock.monotonic_ns() / 1'000'000; };
  while (joiner.state() == Joiner::State::kAsking) {
    for (const Address& address : joiner.line().addresses) {
      if (joiner.state() != Joiner::State::kAsking || left_ms() <= 0) break;
      net::Loop loop;
      Asking asking(loop, joiner, address, options, std::min(kTryMs, left_ms()));
      loop.run();
      last = asking.reason();
      if (joiner.state() == Joiner::State::kAsking) log.info("join: {}: {}", to_string(address), last.message);
    }
    if (joiner.state() != Joiner::State::kAsking) break;
    if (left_ms() <= kPauseMs) return fail(Code::kUnavailable, "the sponsor cannot be asked: {}", last.message);
    net::Loop loop;
    wait(loop, kPauseMs);
  }
  if (joiner.state() == Joiner::State::kRefused) return fail(joiner.refusal());
  DISTRI_TRY_VOID(save_membership(data_dir, joiner.table(), true));
  return Joined{joiner.table().cluster().hex(), node, false};
}

}  // namespace distri::cloud
