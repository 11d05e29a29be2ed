#include "cluster_state.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "load.hpp"

namespace chaos {

using distri::Address;
using distri::Code;
using distri::Result;
using distri::client::CallOptions;
using distri::client::ClientOptions;
using nlohmann::json;

namespace {

constexpr std::int64_t kStatsMs = 2'000;
constexpr std::int64_t kReadMs = 30'000;
constexpr std::int64_t kLookEveryMs = 200;
constexpr int kPageDocuments = 5'000;
constexpr std::array kCollections{kOwn, kEntries, kShared, kCounters, kProbes};

ClientOptions fixed(std::shared_ptr<distri::client::Runtime> runtime) {
  ClientOptions options;
  options.runtime = std::move(runtime);
  options.discover = false;
  return options;
}

CallOptions at(const Address& node, std::int64_t timeout_ms) {
  CallOptions options;
  options.only_node = node;
  options.timeout_ms = timeout_ms;
  options.idempotent = true;
  return options;
}

std::string id_text(const json& id) {
  return id.is_string() ? id.get<std::string>() : id.dump();
}

}  // namespace

ClusterState::ClusterState(std::vector<Address> addresses, std::shared_ptr<distri::client::Runtime> runtime)
    : addresses_(std::move(addresses)), client_(addresses_, fixed(std::move(runtime))) {}

std::vector<NodeView> ClusterState::look() {
  std::vector<NodeView> views;
  for (const Address& address : addresses_) {
    NodeView view;
    view.name = to_string(address);
    const auto reply = client_.send_data("", "Stats", at(address, kStatsMs));
    const json stats = reply ? json::parse(*reply, nullptr, false) : json();
    if (!reply) {
      view.error = distri::to_string(reply.error());
    } else if (!stats.is_object()) {
      view.error = "Stats is not a JSON object";
    } else {
      view.digest = stats.value("digest", "");
      view.vector = stats.value("vector", json::object()).dump();
      const json peers = stats.value("peers", json::array());
      const auto connected =
          std::ranges::count_if(peers, [](const json& peer) { return peer.value("connected", false); });
      if (static_cast<std::size_t>(connected) + 1 < addresses_.size()) {
        view.error = fmt::format("connected to {} of {} peers", connected, addresses_.size() - 1);
      }
    }
    views.push_back(std::move(view));
  }
  return views;
}

bool ClusterState::agree(const std::vector<NodeView>& nodes) {
  return std::ranges::all_of(nodes, [&](const NodeView& node) {
    return node.error.empty() && node.digest == nodes.front().digest && node.vector == nodes.front().vector;
  });
}

Result<std::int64_t> ClusterState::converge(std::int64_t timeout_ms, const std::function<bool()>& meanwhile) {
  const std::int64_t start = now_ms();
  int agreed = 0;
  for (;;) {
    const auto views = look();
    agreed = agree(views) ? agreed + 1 : 0;
    if (agreed == 2) return now_ms() - start;
    if (now_ms() - start >= timeout_ms || !meanwhile()) {
      std::string text;
      for (const auto& view : views) {
        text +=
            fmt::format("{}{}: {}", text.empty() ? "" : "; ", view.name,
                        view.error.empty() ? fmt::format("digest {} vector {}", view.digest.substr(0, 16), view.vector)
                                           : view.error);
      }
      return distri::fail(Code::kDeadlineExceeded, "{}", text);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookEveryMs));
  }
}

Result<> ClusterState::read_node(const Address& node, NodeView& view, FinalState* documents) {
  for (const auto collection : kCollections) {
    json query = {{"page_documents", kPageDocuments}};
    for (;;) {
      DISTRI_TRY(json page, client_.read_page(collection, query, at(node, kReadMs)));
      for (auto& document : page["documents"]) {
        ++view.documents;
        const std::string key = fmt::format("{}/{}", collection, id_text(document["_id"]));
        view.sum += std::hash<std::string>()(key + document.dump());
        if (documents != nullptr) documents->documents.insert_or_assign(key, std::move(document));
      }
      if (!page.contains("cursor")) break;
      query["cursor"] = page["cursor"];
    }
  }
  return {};
}

Result<> ClusterState::read_conflicts(const Address& node, NodeView& view, FinalState* state) {
  for (const auto collection : kCollections) {
    std::string after;
    for (bool more = true; more;) {
      DISTRI_TRY(auto page, client_.list_conflicts(collection, after, 100, at(node, kReadMs)));
      more = page.more && !page.conflicts.empty();
      for (auto& conflict : page.conflicts) {
        after = conflict.value("id", "");
        // The names are the same everywhere; of an update that a delete beat, a node where the delete came first has
        // only the fields (docs/replication.md).
        view.conflicts.emplace(after, conflict);
        if (state == nullptr) continue;
        // A document that is gone may leave a conflict that no longer knows its _id.
        const json id = conflict.value("_id", json());
        const std::string key = fmt::format("{}/{}", collection, id.is_null() ? std::string("?") : id_text(id));
        state->conflicts[key].push_back(std::move(conflict));
      }
    }
  }
  return {};
}

FinalState ClusterState::read_all(bool conflicts) {
  FinalState state;
  state.nodes = look();
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    NodeView& view = state.nodes[i];
    if (!view.error.empty()) continue;
    auto read = read_node(addresses_[i], view, i == 0 ? &state : nullptr);
    if (read && conflicts) read = read_conflicts(addresses_[i], view, i == 0 ? &state : nullptr);
    if (!read) view.error = distri::to_string(read.error());
  }
  return state;
}

Result<> ClusterState::write_everywhere(std::int64_t timeout_ms) {
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    distri::client::WriteOptions options(at(addresses_[i], timeout_ms));
    options.idempotent = false;
    options.w = distri::client::WriteConcern::all();
    DISTRI_TRY_VOID(client_.update_document("healed", {{"_id", fmt::format("n{}", i)}, {"v", now_ms()}}, options));
  }
  return {};
}

}  // namespace chaos
