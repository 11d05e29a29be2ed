#include <sys/resource.h>

#include <algorithm>

#include "distri/client/link.hpp"
#include "distri/client/node_table.hpp"
#include "distri/client/runtime_core.hpp"

namespace distri::client {
namespace {

constexpr std::int64_t kSweepMs = 1'000;
// Completions may start calls that complete at once, and so on: after so many rounds the sockets get their turn again.
constexpr int kTurnEndRoundsMax = 8;

// Thousands of clients need thousands of descriptors, and the usual soft limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

RuntimeCore::RuntimeCore() : loop_(std::make_unique<net::Loop>()), timers_(*loop_, clock_) {
  loop_->at_end_of_turn([this] { run_turn_end(); });
}

RuntimeCore::~RuntimeCore() {
  // Sockets and timers go before the loop they live on; the links, which the connections refer to, after it.
  turn_end_.clear();
  timers_.clear();
  for (const auto& link : links_) link->drop_connection();
  loop_.reset();
}

void RuntimeCore::at_turn_end(std::function<void()> function) {
  turn_end_.push_back(std::move(function));
}

void RuntimeCore::run_turn_end() {
  for (int round = 0; round < kTurnEndRoundsMax && !turn_end_.empty(); ++round) {
    auto functions = std::move(turn_end_);
    turn_end_.clear();
    for (auto& function : functions) function();
  }
  if (!turn_end_.empty()) loop_->post([] {});
}

std::shared_ptr<NodeTable> RuntimeCore::table_for(const std::vector<Address>& seeds, bool discover) {
  auto sorted = seeds;
  std::ranges::sort(sorted);
  std::string key = discover ? "discover" : "fixed";
  for (const auto& seed : sorted) key += " " + to_string(seed);
  std::erase_if(tables_, [](const auto& entry) { return entry.second.expired(); });
  auto& entry = tables_[key];
  auto table = entry.lock();
  if (table == nullptr) {
    table = std::make_shared<NodeTable>(seeds, discover);
    entry = table;
  }
  return table;
}

void RuntimeCore::adopt(std::shared_ptr<Link> link) {
  links_.insert(std::move(link));
  arm_sweep();
}

void RuntimeCore::release(Link& link) {
  // The caller is a method of the link: it goes at the end of the turn.
  if (auto node = links_.extract(link.shared_from_this()); !node.empty()) {
    at_turn_end([kept = std::move(node.value())] {});
  }
}

void RuntimeCore::arm_sweep() {
  if (sweep_ != TimerQueue::Ticket{}) return;
  sweep_ = timers_.add(now_ms() + kSweepMs, [this] {
    sweep_ = {};
    if (links_.empty()) return;
    const std::vector<std::shared_ptr<Link>> links(links_.begin(), links_.end());
    for (const auto& link : links) link->sweep();
    arm_sweep();
  });
}

RuntimeHandle::RuntimeHandle() : core_(std::make_shared<RuntimeCore>()) {
  thread_ = std::thread([core = core_] { core->loop().run(); });
}

RuntimeHandle::~RuntimeHandle() {
  core_->loop().stop();
  if (core_->on_loop_thread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

std::shared_ptr<Runtime> Runtime::create() {
  raise_descriptor_limit();
  return std::make_shared<RuntimeHandle>();
}

}  // namespace distri::client
