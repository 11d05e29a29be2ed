// cluster_rig.hpp: clusters with keys on disk, and one member's Cluster without a node around it.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "distri/cloud/cluster.hpp"
#include "distri/membership/join_line.hpp"
#include "distri/storage/data_directory.hpp"
#include "distri/utils/clock.hpp"
#include "distri/utils/key_file.hpp"
#include "journal_double.hpp"

namespace distri::test {

template <class T>
T take(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return *std::move(result);
}

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

inline Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, BytesView bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

template <class Statement>
Bytes encoded(const Statement& statement) {
  Bytes bytes;
  wire::Writer out(bytes);
  encode(out, statement);
  return bytes;
}

// A founded cluster whose only member, "first", lives in the directory "first"; and its owner's keys.
struct Cloud {
  ScratchDirectory scratch;
  std::string first = scratch.path("first");
  cloud::Founded founded = take(cloud::found_cluster(first, "first"));
  SigningKey root = take(read_key_file(first + "/root_key"));

  static std::int64_t now_ms() { return SystemClock().wall_ms(); }
  membership::MemberTable table() const { return *take(cloud::read_member_table(first)); }
  membership::Invitation invite(const SigningKey& invitation, const NodeId& sponsor, std::uint16_t uses = 1) const {
    return membership::invite(table().authority(), root, invitation.public_key(), sponsor, now_ms() + 3'600'000, uses);
  }
  // A copy of the table, without that node.
  membership::MemberTable without(membership::MemberTable from, const NodeId& node) const {
    CHECK(take(from.add(membership::revoke(from.authority(), root, node, membership::Reason::kRemoved, {}, now_ms(),
                                           from.sponsored_by(node)))));
    return from;
  }
  // A directory of another member, which the root admitted. Only that node knows it.
  std::string add_member(const std::string& name) const {
    auto known = table();
    const std::string directory = add_member(known, name);
    write_file(directory + "/membership", cloud::encode(known, {}, 0));
    return directory;
  }
  // The same, without its table: the member is in `known`.
  std::string add_member(membership::MemberTable& known, const std::string& name) const {
    auto random = Random::from_system();
    const std::string directory = scratch.path(name);
    take(storage::DataDirectory::open(directory, random));
    const SigningKey key = SigningKey::generate();
    REQUIRE(write_key_file(directory + "/node_key", key));
    CHECK(take(known.add(membership::admit_by_root(known.authority(), root, key.public_key(), name, now_ms()))));
    return directory;
  }
};

// A Cluster whose other thread and whose later turns run when the test says so.
class Member {
 public:
  explicit Member(std::string directory) : directory_(std::move(directory)) { reopen(); }

  // As after a crash: what was not saved is gone.
  void reopen() {
    elsewhere_.clear();
    posted_.clear();
    cluster_ = take(cloud::Cluster::open(directory_));
    REQUIRE(cluster_ != nullptr);
    cluster_->start({[this](std::function<void()> task) {
                       if (refusing) return false;
                       elsewhere_.push_back(std::move(task));
                       return true;
                     },
                     [this](std::function<void()> function) { posted_.push_back(std::move(function)); },
                     [this] { ++changes; },
                     {}});
  }
  // True: it had something to do.
  bool run_elsewhere() { return run_one(elsewhere_); }
  bool run_posted() { return run_one(posted_); }
  void run_all() {
    while (run_elsewhere() || run_posted()) {
    }
  }
  bool idle() const { return elsewhere_.empty() && posted_.empty(); }
  membership::MemberTable saved() const { return *take(cloud::read_member_table(directory_)); }

  cloud::Cluster* operator->() { return cluster_.get(); }
  const std::string& directory() const { return directory_; }

  bool refusing = false;
  int changes = 0;

 private:
  static bool run_one(std::deque<std::function<void()>>& queue) {
    if (queue.empty()) return false;
    const auto function = std::move(queue.front());
    queue.pop_front();
    function();
    return true;
  }

  std::string directory_;
  std::unique_ptr<cloud::Cluster> cluster_;
  std::deque<std::function<void()>> elsewhere_;
  std::deque<std::function<void()>> posted_;
};

// What a request was answered, and that it was answered once.
class Answer {
 public:
  cloud::Cluster::Done done() {
    return [given = given_](Result<Bytes> result) {
      CHECK(!*given);
      *given = std::move(result);
    };
  }
  bool given() const { return given_->has_value(); }
  const Result<Bytes>& get() const {
    REQUIRE(given());
    return **given_;
  }
  Code code() const { return get() ? Code::kOk : get().error().code; }
  std::string message() const { return get() ? "" : get().error().message; }

 private:
  std::shared_ptr<std::optional<Result<Bytes>>> given_ = std::make_shared<std::optional<Result<Bytes>>>();
};

}  // namespace distri::test
